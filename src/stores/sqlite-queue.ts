import { setImmediate as nextTurn } from 'node:timers/promises'

/** The last write of each file that this process has queued. It never rejects. */
const lastWrites = new Map<string, Promise<unknown>>()

/**
 * Runs a write after the earlier writes of this process to the same file. One of them waits for the lock, and the others wait
 * for it: hundreds of waiting orders do not poll. Other work of the process runs between two writes.
 */
export function inTurn<Value>(file: string, write: () => Promise<Value>): Promise<Value> {
  const result = (lastWrites.get(file) ?? Promise.resolve()).then(write)
  const end = result.then(letOthersRun, letOthersRun)
  lastWrites.set(file, end)
  end.then(() => {
    if (lastWrites.get(file) === end) lastWrites.delete(file)
  })
  return result
}

async function letOthersRun(): Promise<void> {
  await nextTurn()
}

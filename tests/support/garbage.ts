import { queryObjects, setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

/** Whether nothing holds the object any more. Runs the garbage collector to find out. */
export async function isCollectable(reference: WeakRef<object>): Promise<boolean> {
  setFlagsFromString('--expose-gc')
  const collectGarbage: () => void = runInNewContext('gc')
  for (let turns = 0; turns < 20; turns++) {
    // A WeakRef holds its object until the current turn of the event loop ends.
    await new Promise((resolve) => setImmediate(resolve))
    collectGarbage()
    if (reference.deref() === undefined) return true
  }
  return false
}

/** How many AbortSignals are in memory, after a garbage collection. */
export async function countAbortSignals(): Promise<number> {
  await new Promise((resolve) => setImmediate(resolve))
  return Number(queryObjects(AbortSignal))
}

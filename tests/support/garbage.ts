import { queryObjects, setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

function exposeGarbageCollector(): () => void {
  setFlagsFromString('--expose-gc')
  return runInNewContext('gc')
}

/** Bytes of the heap and of array buffers, after a garbage collection. */
export function memoryInUse(): number {
  exposeGarbageCollector()()
  const { heapUsed, arrayBuffers } = process.memoryUsage()
  return heapUsed + arrayBuffers
}

/** Whether nothing holds the object any more. Runs the garbage collector to find out. */
export async function isCollectable(reference: WeakRef<object>): Promise<boolean> {
  const collectGarbage = exposeGarbageCollector()
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

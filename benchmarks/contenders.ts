import type { Contender } from './measure.ts'

/**
 * Milliseconds of a round. A scavenge takes 7 ms and comes every 140 ms. A round of 60 ms met it on one side and not on
 * the other, for as long as the process ran, and `encrypt` measured 0.83 or 1.07 times bare.
 */
const ROUND = 300

/** Runs a synchronous operation again and again, for one round. */
export const runSerially = (operation: () => unknown, milliseconds = ROUND): Contender => {
  const batch = (operations: number) => {
    for (let done = 0; done < operations; done++) operation()
  }
  return async () => {
    batch(20)
    let operations = 0
    const start = performance.now()
    let elapsed = 0
    while (elapsed < milliseconds) {
      batch(20)
      operations += 20
      elapsed = performance.now() - start
    }
    return { perSecond: (operations / elapsed) * 1_000 }
  }
}

/** Runs an asynchronous operation for one round, with a fixed number in flight. */
export const runInFlight = (operation: () => unknown, concurrency = 1, milliseconds = ROUND): Contender => {
  return async () => {
    let operations = 0
    const start = performance.now()
    const until = start + milliseconds
    await Promise.all(
      Array.from({ length: concurrency }, async () => {
        while (performance.now() < until) {
          await operation()
          operations++
        }
      }),
    )
    return { perSecond: (operations / (performance.now() - start)) * 1_000 }
  }
}

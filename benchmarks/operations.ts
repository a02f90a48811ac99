import type { Contender } from './measure.ts'

/**
 * Milliseconds of a round. Much longer than from one scavenge to the next, some 140 ms, which takes 7 ms: in rounds of
 * 60 ms one side met it and the other did not, for as long as the process ran, and `seal` was 0.83 or 1.07 times bare.
 */
const ROUND = 300

/** A round of one operation after the other, for so many milliseconds. */
export const serially = (operation: () => unknown, milliseconds = ROUND): Contender => {
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

/** A round of operations that are awaited, so many of them in flight where they are asynchronous, for so many milliseconds. */
export const inFlight = (operation: () => unknown, atOnce = 1, milliseconds = ROUND): Contender => {
  return async () => {
    let operations = 0
    const start = performance.now()
    const until = start + milliseconds
    await Promise.all(
      Array.from({ length: atOnce }, async () => {
        while (performance.now() < until) {
          await operation()
          operations++
        }
      }),
    )
    return { perSecond: (operations / (performance.now() - start)) * 1_000 }
  }
}

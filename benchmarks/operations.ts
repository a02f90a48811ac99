import type { Contender } from './measure.ts'

/** A round of one operation after the other, for so many milliseconds. */
export const serially = (operation: () => unknown, milliseconds = 60): Contender => {
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
export const inFlight = (operation: () => unknown, atOnce = 1, milliseconds = 80): Contender => {
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

import { setImmediate as turn } from 'node:timers/promises'

/** Counts what runs, for who waits until nothing does. */
export function createRunning() {
  let count = 0
  let waiting: (() => void)[] = []
  return {
    begin(): void {
      count++
    },
    end(): void {
      count--
      if (count > 0) return
      const told = waiting
      waiting = []
      for (const tell of told) tell()
    },
    /** Resolves once nothing is running any more. */
    async drain(): Promise<void> {
      while (count > 0) {
        await new Promise<void>((resolve) => waiting.push(resolve))
        // The last answer is on its way to who sends it.
        await turn()
      }
    },
  }
}

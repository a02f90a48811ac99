/** Ends waits early. If nothing waits, `wake()` ends the next wait. */
export interface Waker {
  readonly wake: () => void
  /** Resolves on `wake()`, or after this time. */
  readonly wait: (timeoutMs: number) => Promise<void>
}

export function createWaker(): Waker {
  let isAwake = false
  let resume: (() => void) | undefined
  return {
    wake() {
      isAwake = true
      resume?.()
    },
    async wait(timeoutMs) {
      if (!isAwake) {
        await new Promise<void>((resolve) => {
          const timer = setTimeout(resolve, timeoutMs)
          resume = () => {
            clearTimeout(timer)
            resolve()
          }
        })
        resume = undefined
      }
      isAwake = false
    },
  }
}

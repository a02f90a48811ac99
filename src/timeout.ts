/** The bounds of a wait. */
export interface WaitLimits {
  /** Milliseconds. Absent: no timeout. */
  readonly timeoutMs?: number | undefined
  /** The reason of the rejection on timeout. @defaultValue a `TimeoutError` */
  readonly onTimeout?: (() => Error) | undefined
  /** Ends the wait early, with the signal's own reason. */
  readonly signal?: AbortSignal | undefined
}

/**
 * Waits for work until a timeout or an abort.
 *
 * It rejects at once, even if the work continues: not every fetch, signer or validator obeys its signal.
 * It uses its own timer because `AbortSignal.timeout()` keeps everything that belongs to a request in memory until it fires.
 *
 * @param onStop Called with the reason when the wait ends before the work.
 */
export function waitFor<Value>(
  work: () => Promise<Value>,
  { timeoutMs, onTimeout = () => timeoutError('The operation', timeoutMs ?? 0), signal }: WaitLimits,
  onStop?: (reason: unknown) => void,
): Promise<Value> {
  return new Promise((resolve, reject) => {
    const release = () => {
      clearTimeout(timer)
      signal?.removeEventListener('abort', abort)
    }
    const releaseAnd =
      <Result>(settle: (result: Result) => void) =>
      (result: Result) => {
        release()
        settle(result)
      }
    const stop = (reason: unknown) => {
      // Release here too: work that ignores its signal may never settle.
      release()
      onStop?.(reason)
      reject(reason)
    }
    const abort = () => stop(signal?.reason)
    const timer = timeoutMs === undefined ? undefined : setTimeout(() => stop(onTimeout()), timeoutMs)
    signal?.addEventListener('abort', abort)
    if (signal?.aborted) abort()
    // Async, so that work that throws synchronously is released too.
    else (async () => await work())().then(releaseAnd(resolve), releaseAnd(reject))
  })
}

/** Like {@link waitFor}, for work that can be stopped: it gets a signal that aborts when the wait ends before the work. */
export function withTimeout<Value>(work: (signal: AbortSignal) => Promise<Value>, limits: WaitLimits): Promise<Value> {
  const controller = new AbortController()
  return waitFor(
    () => work(controller.signal),
    limits,
    (reason) => controller.abort(reason),
  )
}

const ownTimeoutErrors = new WeakSet<object>()

/** The error of a wait that took too long. */
export function timeoutError(what: string, timeoutMs: number): DOMException {
  const error = new DOMException(`${what} took longer than ${timeoutMs} ms`, 'TimeoutError')
  ownTimeoutErrors.add(error)
  return error
}

/** Whether an error was made by {@link timeoutError}. Its message then contains no foreign text. */
export function isOwnTimeoutError(error: unknown): error is DOMException {
  return typeof error === 'object' && error !== null && ownTimeoutErrors.has(error)
}

/**
 * The pause before a retry: doubles with each attempt, up to a limit.
 *
 * @param attempt 1 after the first failure.
 * @returns Milliseconds, as the limits are.
 */
export function backOff(attempt: number, { firstMs, maxMs }: { firstMs: number; maxMs: number }): number {
  return Math.min(maxMs, firstMs * 2 ** (attempt - 1))
}

const MAX_ATTEMPTS = 10

/** Runs a database statement that is its own transaction, and repeats it after a transient failure, such as a deadlock. */
export async function repeatTransient<Value>(
  statement: () => Promise<Value>,
  isTransient: (error: unknown) => boolean,
): Promise<Value> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await statement()
    } catch (error) {
      if (!isTransient(error) || attempt === MAX_ATTEMPTS) throw error
    }
    // Random: statements that failed together must not collide again.
    const pauseMs = Math.random() * backOff(attempt, { firstMs: 4, maxMs: 100 })
    await new Promise((resolve) => setTimeout(resolve, pauseMs))
  }
}

/** Signals the work on one request to stop: when its time is up, or when the peer closes the connection. */
export interface RequestAbort {
  /** Aborted when the time is up, or when the peer closes the connection before that. */
  readonly signal: AbortSignal
  /** Resolves when the time is up. Never rejects; stays pending when the request is released in time. */
  readonly timedOut: Promise<void>
  readonly isTimedOut: () => boolean
  /** Waits for work, and rejects when the time is up before. */
  readonly beforeTimeout: <Value>(work: Promise<Value>) => Promise<Value>
}

/**
 * Starts the clock of one request.
 *
 * It does not use AbortSignal.any(): once the merchant's code has listened to such a signal, Node 20 keeps it, and its
 * listeners, for ever. Each request has its own timer: on Workers a timer ends with the request that started it.
 *
 * @param connection The signal of the HTTP layer. Anything but an AbortSignal is ignored.
 * @param timeoutReason Creates the reason of the signal when the time is up.
 */
export function createRequestAbort(
  timeoutMs: number,
  connection: AbortSignal | undefined,
  timeoutReason: () => Error,
): RequestAbort & { readonly release: () => void } {
  const controller = new AbortController()
  let isTimedOut = false
  const peer = typeof connection?.addEventListener === 'function' ? connection : undefined
  const abortForPeer = () => controller.abort(peer?.reason)
  if (peer?.aborted) abortForPeer()
  else peer?.addEventListener('abort', abortForPeer)
  let timer: ReturnType<typeof setTimeout> | undefined
  const timedOut = new Promise<void>((resolve) => {
    timer = setTimeout(() => {
      isTimedOut = true
      controller.abort(timeoutReason())
      resolve()
    }, timeoutMs)
  })
  return {
    signal: controller.signal,
    timedOut,
    isTimedOut: () => isTimedOut,
    async beforeTimeout(work) {
      const expired = timedOut.then((): never => {
        throw timeoutReason()
      })
      return await Promise.race([work, expired])
    },
    release() {
      clearTimeout(timer)
      peer?.removeEventListener('abort', abortForPeer)
    },
  }
}

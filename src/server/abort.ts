/** Signals the work on one request to stop: when its time is up, or when the peer closes the connection. */
export interface RequestAbort {
  /** Aborted when the time is up, or when the peer closes the connection before that. */
  readonly signal: AbortSignal
  /** Aborted when the peer closes the connection. Undefined when the HTTP layer does not report it. */
  readonly connection: AbortSignal | undefined
  /** Resolves when the time is up. Never rejects; stays pending when the request is released in time. */
  readonly timedOut: Promise<void>
  readonly isTimedOut: () => boolean
  /** Waits for work, and rejects if the time is up first. */
  readonly beforeTimeout: <Value>(work: Promise<Value>) => Promise<Value>
}

/**
 * Starts the clock of one request.
 *
 * It does not use AbortSignal.any(): once the merchant's code has listened to such a signal, Node 20 keeps it, and its
 * listeners, forever. Each request has its own timer: on Workers a timer ends with the request that started it.
 *
 * @param request Has the signal of the HTTP layer. Anything but an AbortSignal is ignored: callers without types pass anything.
 * @param timeoutReason Creates the reason of the signal when the time is up.
 */
export function createRequestAbort(
  timeoutMs: number,
  request: { readonly signal?: AbortSignal | undefined } | null | undefined,
  timeoutReason: () => Error,
): RequestAbort & { readonly release: () => void } {
  const controller = new AbortController()
  const peer = signalOf(request)
  const abortForPeer = () => controller.abort(peer?.reason)
  if (peer?.aborted) abortForPeer()
  else peer?.addEventListener('abort', abortForPeer)
  const leavePeer = () => peer?.removeEventListener('abort', abortForPeer)
  let isTimedOut = false
  let timer: ReturnType<typeof setTimeout> | undefined
  const timedOut = new Promise<void>((resolve) => {
    timer = setTimeout(() => {
      isTimedOut = true
      controller.abort(timeoutReason())
      // Not only in release(), which waits for the end of the work: work that never ends would keep its listener here, and several
      // requests can share the signal of the peer.
      leavePeer()
      resolve()
    }, timeoutMs)
  })
  return {
    signal: controller.signal,
    connection: peer,
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
      leavePeer()
    },
  }
}

function signalOf(request: { readonly signal?: AbortSignal | undefined } | null | undefined): AbortSignal | undefined {
  try {
    const signal = request?.signal
    return isFunction(signal?.addEventListener) && isFunction(signal?.removeEventListener) ? signal : undefined
  } catch {
    return undefined
  }
}

const isFunction = (value: unknown) => typeof value === 'function'

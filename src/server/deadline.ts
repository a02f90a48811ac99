import type { IncomingRequest } from './handler.ts'

/** Tells work that it is to stop. */
export interface Stop {
  /** The time is up, and the answer has been given. */
  readonly isExpired: () => boolean
  /** Why it has expired. */
  readonly reason: () => unknown
  /**
   * Aborted when the time is up or the peer has gone. Made when somebody asks: to make one, and to listen, costs as much
   * as to parse all headers.
   */
  readonly signal: () => AbortSignal
}

/** A {@link Stop} that is told when it expires, and lets go of the peer when it is released. */
interface StopSource extends Stop {
  readonly expire: (reason: unknown) => void
  readonly release: () => void
}

/** Not AbortSignal.any(): once the merchant's code has listened to one, Node 20 keeps it, and what listens, for ever. */
export function createStop(request: Pick<IncomingRequest, 'signal'>): StopSource {
  let own: AbortController | undefined
  let peer: AbortSignal | undefined
  let expired: { readonly reason: unknown } | undefined
  let released = false
  const hangUp = () => own?.abort(peer?.reason)
  return {
    isExpired: () => expired !== undefined,
    reason: () => expired?.reason,
    signal() {
      if (own === undefined) {
        peer = typeof request.signal === 'function' ? request.signal() : request.signal
        own = new AbortController()
        if (expired !== undefined) own.abort(expired.reason)
        else if (peer?.aborted) hangUp()
        else if (!released) peer?.addEventListener('abort', hangUp)
      }
      return own.signal
    },
    expire(reason) {
      expired = { reason }
      own?.abort(reason)
    },
    release() {
      released = true
      peer?.removeEventListener('abort', hangUp)
    },
  }
}

/** Rejects when the work takes longer; `what` is who is to blame then. */
export function within<Value>(timeoutMs: number, what: string, work: Promise<Value>): Promise<Value> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => {
      reject(new DOMException(`${what} took longer than ${timeoutMs} ms`, 'TimeoutError'))
    }, timeoutMs)
    work.finally(() => clearTimeout(timer)).then(resolve, reject)
  })
}

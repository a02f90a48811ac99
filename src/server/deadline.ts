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
export function createStop({ signal }: Pick<IncomingRequest, 'signal'>): StopSource {
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
        own = new AbortController()
        peer = typeof signal === 'function' ? signal() : signal
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

/**
 * Calls back after the time, unless called off before. One timer serves all, the oldest first: one for each costs a
 * request as much as to read its headers.
 */
export function createDeadlines(timeoutMs: number): (expire: () => void) => { readonly callOff: () => void } {
  const waiting = new Set<{ readonly at: number; readonly expire: () => void }>()
  let timer: ReturnType<typeof setTimeout> | undefined

  function ring(): void {
    const now = performance.now()
    for (const one of waiting) {
      // Timers may come up to a millisecond early.
      if (one.at > now + 1) break
      waiting.delete(one)
      one.expire()
    }
    const [next] = waiting
    timer = next && setTimeout(ring, next.at - now)
  }

  return (expire) => {
    const one = { at: performance.now() + timeoutMs, expire }
    waiting.add(one)
    timer ??= setTimeout(ring, timeoutMs)
    return {
      callOff() {
        waiting.delete(one)
        if (waiting.size > 0) return
        // A process that has nothing else to do may end.
        clearTimeout(timer)
        timer = undefined
      },
    }
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

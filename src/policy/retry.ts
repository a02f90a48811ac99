/** How an attempt at a sync ended, as far as trying again is concerned. */
export type Attempt =
  /** A verified answer, by its `resultStatus`. */
  | { readonly kind: 'answered'; readonly resultStatus: 'S' | 'F' | 'U' | 'A' }
  /** An answer that is not to be trusted, by its HTTP status. */
  | { readonly kind: 'untrusted'; readonly httpStatus: number }
  /** No answer: the network failed, or the time ran out. */
  | { readonly kind: 'unanswered' }

/**
 * Tells whether the same request may be sent again: after `U` (and `A`, which is not final either), a failure of the
 * network, or an HTTP 5xx that nobody signed. Never after `S` or `F`.
 *
 * @see docs/protocol.md section 6.2
 * @example
 * ```ts
 * import { isRetryable } from 'alipayhk-order-sync'
 *
 * isRetryable({ kind: 'answered', resultStatus: 'U' }) // true: the peer does not know yet
 * isRetryable({ kind: 'answered', resultStatus: 'F' }) // false: it has decided
 * ```
 */
export function isRetryable(attempt: Attempt): boolean {
  if (attempt.kind === 'answered') return attempt.resultStatus === 'U' || attempt.resultStatus === 'A'
  return attempt.kind === 'unanswered' || attempt.httpStatus >= 500
}

/**
 * How long to wait before the next attempt: full jitter, a random part of a ceiling that doubles up to a bound, so
 * that clients which failed together do not come back together.
 *
 * @param attempt 1 after the first failure.
 * @param limits In milliseconds.
 * @param random From 0 up to, not including, 1.
 * @returns Milliseconds.
 * @see docs/protocol.md section 6.2
 * @example
 * ```ts
 * import { retryDelay } from 'alipayhk-order-sync'
 *
 * retryDelay(3, { baseDelayMs: 200, maxDelayMs: 5_000 }, Math.random()) // 0 to 799
 * ```
 */
export function retryDelay(
  attempt: number,
  limits: { baseDelayMs: number; maxDelayMs: number },
  random: number,
): number {
  return Math.floor(random * Math.min(limits.maxDelayMs, limits.baseDelayMs * 2 ** (attempt - 1)))
}

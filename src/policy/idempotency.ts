/** What a store remembers of the order, and of the request, that a delivery is about. */
export interface Remembered {
  /** The last request of this order that was processed. */
  readonly last?: {
    /** Milliseconds since the epoch, as the request told. */
    readonly orderModifyTime: number
    /** When it was processed, in milliseconds since the epoch. */
    readonly processedAt: number
  }
  /** An earlier delivery of the same `requestId`. */
  readonly request?: {
    readonly digest: string
    /** Whether its answer is stored. */
    readonly answered: boolean
  }
  /** Whether a request of this order is being processed right now, under a lease that has not run out. */
  readonly leased: boolean
}

/** What the delivery says of itself. */
export interface Incoming {
  /** SHA-256 of the message, decrypted: tells one body from another. */
  readonly digest: string
  /** Milliseconds since the epoch. */
  readonly orderModifyTime: number
}

/**
 * - `process`: run the merchant's code
 * - `replay`: this request was answered; answer the same again
 * - `duplicate`: another request about the same event was processed
 * - `stale`: a newer event of the order was processed
 * - `conflict`: the `requestId` is known with another body
 * - `busy`: a request of this order is being processed right now
 */
export type Decision = 'process' | 'replay' | 'duplicate' | 'stale' | 'conflict' | 'busy'

/**
 * What `orderModifyTime` must be later than: that of the last processed request, or, as the page can be read, also
 * the moment of its processing, which drops every event that happened before the last one was processed.
 *
 * @see docs/protocol.md section 7.2
 */
export type ModifyTimeComparison = 'orderModifyTime' | 'processedAt'

/**
 * Decides whether a delivery is new. Pure: the caller brings what is remembered, and makes the decision and its
 * consequence one atomic step.
 *
 * @see docs/protocol.md section 7.1
 * @example
 * ```ts
 * import { decide } from 'alipayhk-order-sync'
 *
 * decide({ leased: false }, { digest: 'a', orderModifyTime: 2 }) // 'process'
 * decide({ leased: false, last: { orderModifyTime: 3, processedAt: 4 } }, { digest: 'a', orderModifyTime: 2 }) // 'stale'
 * ```
 */
export function decide(
  remembered: Remembered,
  incoming: Incoming,
  comparison: ModifyTimeComparison = 'orderModifyTime',
): Decision {
  const { last, request, leased } = remembered
  if (request !== undefined) {
    if (request.digest !== incoming.digest) return 'conflict'
    if (request.answered) return 'replay'
  }
  // Before the lease: whatever is running now, this event has been overtaken for good.
  if (last !== undefined && !(incoming.orderModifyTime > Math.max(last.orderModifyTime, last[comparison]))) {
    return incoming.orderModifyTime === last.orderModifyTime ? 'duplicate' : 'stale'
  }
  return leased ? 'busy' : 'process'
}

import { type DeliveryError, isOrderSyncError } from '../errors.ts'
import { backOff } from '../timeout.ts'

/**
 * Whether the same order may be sent again with the same `requestId`: only after a {@link DeliveryError}, which means that
 * the outcome is unknown. A refusal is final. A response that cannot be trusted needs a person who looks at it first.
 *
 * @param error What `syncOrder` rejected with. It may come from the other build (ESM or CJS) of this package.
 * @see docs/protocol.md section 6.2
 * @example
 * ```ts
 * import { isRetryable, type OrderInput, type OrderSyncClient } from 'alipayhk-order-sync'
 *
 * export async function send(client: OrderSyncClient, order: OrderInput, retryLater: (order: OrderInput) => void) {
 *   try {
 *     await client.syncOrder(order)
 *   } catch (error) {
 *     if (!isRetryable(error) || error.requestId === undefined) throw error
 *     retryLater({ ...order, requestId: error.requestId })
 *   }
 * }
 * ```
 */
export function isRetryable(error: unknown): error is DeliveryError {
  return isOrderSyncError(error) && error.name === 'DeliveryError'
}

/**
 * The pause before the next attempt: a random part of a ceiling that doubles with each attempt, up to a maximum ("full
 * jitter"). Clients that failed at the same moment therefore do not retry at the same moment.
 *
 * @param attempt 1 after the first failure.
 * @param limits In milliseconds. `retryAfterMs` is what the peer asks for in `Retry-After`: the pause is at least that long, up
 * to `maxDelayMs`.
 * @param random From 0 up to, not including, 1.
 * @returns Milliseconds.
 * @see docs/protocol.md section 6.2
 * @example
 * ```ts
 * import { retryDelay } from 'alipayhk-order-sync/policy'
 *
 * retryDelay(3, { baseDelayMs: 200, maxDelayMs: 5_000 }, Math.random()) // 0 to 799
 * ```
 */
export function retryDelay(
  attempt: number,
  {
    baseDelayMs,
    maxDelayMs,
    retryAfterMs = 0,
  }: { baseDelayMs: number; maxDelayMs: number; retryAfterMs?: number | undefined },
  random: number,
): number {
  const delay = Math.floor(random * backOff(attempt, { firstMs: baseDelayMs, maxMs: maxDelayMs }))
  return Math.max(delay, Math.min(retryAfterMs, maxDelayMs))
}

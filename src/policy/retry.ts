import { type DeliveryError, isOrderSyncError } from '../errors.ts'
import { backOff } from '../timeout.ts'

/**
 * Whether you can send the same order again with the same `requestId`: only after a {@link DeliveryError}, which means that
 * the outcome is unknown. A refusal is final. For a response that cannot be trusted, a person must first find the cause.
 *
 * @param error The error that `syncOrder` rejected with. It may come from the other build (ESM or CJS) of this package.
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
 * The delay before the next attempt: a random part of an upper bound that doubles with each attempt, up to a maximum ("full
 * jitter"). So clients that failed at the same time do not retry at the same time.
 *
 * @param attempt 1 after the first failure.
 * @param limits In milliseconds. `retryAfterMs` is the time in the peer's `Retry-After`: the delay is at least that long, up
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

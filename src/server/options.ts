import type { OpenObject, Order } from '../messages/order.ts'
import {
  assertFunction,
  hasMethod,
  nonNegativeNumber,
  type OptionRules,
  oneOf,
  positiveNumber,
  resolveOptions,
} from '../option-rules.ts'
import type { ModifyTimeComparison } from '../policy/idempotency.ts'
import type { OrderSyncStore } from '../stores/store.ts'
import { boundStore } from './bounded-store.ts'
import type { OrderSyncEvent } from './event.ts'
import type { RequestContext } from './request-context.ts'
import { toVerifySettings, type VerifyRequestOptions, verifyRequestOptionRules } from './verify-options.ts'

/** What `onOrder` receives in addition to the order. */
export interface OrderContext<Transaction = unknown> extends RequestContext {
  /** Grows with each claim of the order. Store it with your data, and reject a write that has a smaller token. */
  readonly fencingToken: number
  /** The database client of a transactional store. Your writes through it commit together with the stored response, or not at all. */
  readonly transaction: Transaction
  /** Aborted after `timeoutMs`, or when the peer closes the connection. */
  readonly signal: AbortSignal
}

/** What `onOrder` returns. */
export interface OrderResult {
  /** The order's id on your side, 1 to 64 characters. Every response for this order contains it, even for a duplicate. */
  readonly orderId: string
}

/** Options of {@link createOrderSyncHandler}. */
export interface HandlerOptions<ExtInfo = OpenObject, Transaction = undefined> extends VerifyRequestOptions<ExtInfo> {
  /** Remembers processed orders, so that each event is processed once. @group Required */
  store: OrderSyncStore<Transaction>
  /**
   * Your code. Runs for each verified, valid event that is newer than every processed event of the same order.
   * If it throws, the response is `UNKNOWN_EXCEPTION` and the peer retries. Throw an {@link OrderRefusedError} to respond
   * with a result code of your choice. @group Required
   */
  onOrder: (order: Order<ExtInfo>, context: OrderContext<Transaction>) => Promise<OrderResult> | OrderResult
  /**
   * Receives the outcome of every request. The enumerable members of the event are safe to log. Without `onEvent`, failures of
   * your own side are process warnings: at most one per code and minute. @group Events
   */
  onEvent?: ((event: OrderSyncEvent) => void) | undefined
  /** Upper bound of requests that are processed at the same time; signing the response does not count. Above it, the response is `REQUEST_TRAFFIC_EXCEED_LIMIT`. @group Size and load @defaultValue 1_000 */
  maxConcurrent?: number | undefined
  /** Upper bound of requests whose body is being received. Above it, the handler rejects the oldest of them. @group Size and load @defaultValue 1_000 */
  maxReading?: number | undefined
  /** Upper bound of the bytes of all bodies that are being received. Above it, the handler rejects the oldest of them. @group Size and load @defaultValue 67_108_864 */
  maxReadingBytes?: number | undefined
  /** Length of the lease: how long a delivery holds its order, in milliseconds. Must be greater than `timeoutMs`. @group Time limits @defaultValue 30_000 */
  leaseMs?: number | undefined
  /** Time limit of each call to the store, in milliseconds. @group Time limits @defaultValue 5_000 */
  storeTimeoutMs?: number | undefined
  /** How long to wait, in milliseconds, while another delivery of the same order is processed. Then the response is `UNKNOWN_EXCEPTION`, and the peer retries. @group Time limits @defaultValue 2_000 */
  busyWaitMs?: number | undefined
  /** What `orderModifyTime` must be later than: the `orderModifyTime` of the last processed event, or the time when it was processed. @group Orders @defaultValue 'orderModifyTime' */
  compareModifyTimeWith?: ModifyTimeComparison | undefined
}

/** Each option of the handler: its default, and the check of its value. */
// A function, so that bundlers can drop it, and all that it refers to, from programs that create no handler.
export const handlerOptionRules = () =>
  ({
    ...verifyRequestOptionRules(),
    store: { required: true, assert: assertStore },
    onOrder: { required: true, assert: assertFunction },
    onEvent: { assert: assertFunction },
    maxConcurrent: positiveNumber(1_000),
    maxReading: positiveNumber(1_000),
    maxReadingBytes: positiveNumber(67_108_864),
    leaseMs: positiveNumber(30_000, { isTimer: true }),
    storeTimeoutMs: positiveNumber(5_000, { isTimer: true }),
    busyWaitMs: nonNegativeNumber(2_000),
    compareModifyTimeWith: oneOf<ModifyTimeComparison>(['orderModifyTime', 'processedAt'], 'orderModifyTime'),
  }) as const satisfies OptionRules<HandlerOptions>

/** Checks the options and fills in the defaults, once, when the handler is created. */
export function resolveHandlerOptions<ExtInfo, Transaction>(options: HandlerOptions<ExtInfo, Transaction>) {
  const resolved = resolveOptions<HandlerOptions<ExtInfo, Transaction>, ReturnType<typeof handlerOptionRules>>(
    'createOrderSyncHandler',
    handlerOptionRules(),
    options,
  )
  const { timeoutMs, leaseMs, storeTimeoutMs } = resolved
  // Otherwise a second delivery could start while the first one is still within its time.
  if (!(leaseMs > timeoutMs)) throw new RangeError('"leaseMs" must be greater than "timeoutMs"')
  if (resolved.maxReadingBytes < resolved.maxBodyBytes) {
    throw new RangeError('"maxReadingBytes" must not be less than "maxBodyBytes"')
  }
  return {
    ...resolved,
    ...toVerifySettings<ExtInfo>(resolved),
    store: boundStore(resolved.store, storeTimeoutMs),
    // Databases keep whole milliseconds.
    leaseMs: Math.ceil(leaseMs),
  }
}

function assertStore(value: unknown): void {
  if (!['claim', 'finish', 'release', 'read'].every((method) => hasMethod(value, method))) {
    throw new TypeError('"store" must be a store, such as memoryStore()')
  }
}

/** The options of a handler, resolved. */
export type HandlerSettings<ExtInfo, Transaction> = ReturnType<typeof resolveHandlerOptions<ExtInfo, Transaction>>

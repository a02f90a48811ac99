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

/** What `onOrder` receives besides the order. */
export interface OrderContext<Transaction = unknown> extends RequestContext {
  /** Greater for each new claim of the order. Store it with your data, and refuse a write with a smaller one. */
  readonly fencingToken: number
  /** With a transactional store, its client: your writes through it are kept if, and only if, the response is stored. */
  readonly transaction: Transaction
  /** Aborted when the time for this request is up, or when the peer closes the connection. */
  readonly signal: AbortSignal
}

/** What `onOrder` returns. */
export interface OrderResult {
  /** The order's id on your side, 1 to 64 characters. Every response to this order contains it, also to a duplicate. */
  readonly orderId: string
}

/** Options of {@link createOrderSyncHandler}. */
export interface HandlerOptions<ExtInfo = OpenObject, Transaction = undefined> extends VerifyRequestOptions<ExtInfo> {
  /** Where processed orders are remembered. */
  store: OrderSyncStore<Transaction>
  /**
   * Your code. It runs once for each new event: verified, valid, and later than everything processed for its order.
   * If it throws, the response is `UNKNOWN_EXCEPTION` and the peer retries. Throw an {@link OrderRefusedError} to respond
   * with a result code of your choice.
   */
  onOrder: (order: Order<ExtInfo>, context: OrderContext<Transaction>) => Promise<OrderResult> | OrderResult
  /**
   * Receives every outcome. The enumerable members of the event are safe to log. Without it, failures of your own side are
   * process warnings, at most one per code and minute.
   */
  onEvent?: ((event: OrderSyncEvent) => void) | undefined
  /** Requests at work at the same time, without the signing of their responses. Above it, the response is `REQUEST_TRAFFIC_EXCEED_LIMIT`. @defaultValue 1_000 */
  maxConcurrent?: number | undefined
  /** Requests whose body is still arriving. Above it, the longest-arriving one is refused. @defaultValue 1_000 */
  maxReading?: number | undefined
  /** Bytes that arriving bodies may hold together. Above it, the longest-arriving one is refused. @defaultValue 67_108_864 */
  maxReadingBytes?: number | undefined
  /** Milliseconds for which a delivery holds its order. Must exceed `timeoutMs`. @defaultValue 30_000 */
  leaseMs?: number | undefined
  /** Milliseconds for one call of the store. A call that takes longer has failed. @defaultValue 5_000 */
  storeTimeoutMs?: number | undefined
  /** Milliseconds to wait for another delivery of the same order before the response "try later". @defaultValue 2_000 */
  busyWaitMs?: number | undefined
  /** What `orderModifyTime` is compared with. @defaultValue 'orderModifyTime' */
  compareModifyTimeWith?: ModifyTimeComparison | undefined
}

/** Each option of the handler: its default, and what it must be. */
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

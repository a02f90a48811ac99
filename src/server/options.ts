import { type EncryptionOptions, resolveEncryptionOptions } from '../crypto/envelope.ts'
import { type RandomBytes, secureRandomBytes } from '../crypto/random.ts'
import { type Credentials, parseCredentials } from '../secure-message/credentials.ts'
import { STRICT_JSON } from '../protocol/json.ts'
import type { OpenObject, Order } from '../messages/order.ts'
import type { StandardSchema } from '../messages/standard-schema.ts'
import type { ModifyTimeComparison } from '../policy/idempotency.ts'
import type { OrderSyncEvent } from './event.ts'
import type { IncomingRequest } from './handler.ts'
import type { OrderSyncStore } from '../stores/store.ts'

/** What `onOrder` is told besides the order. */
export interface OrderContext<Transaction = unknown> {
  /** Whose message it is. */
  readonly clientId: string
  /** The peer's `Agent-Token` header, where it sent one. */
  readonly agentToken: string | undefined
  /** Whether the message came encrypted. */
  readonly encrypted: boolean
  /** Greater for each new claim of the order: write it beside your data, and refuse a write with a smaller one. */
  readonly fencingToken: number
  /** With a store in transactional mode, its client: what you write through it is kept if, and only if, the answer is. */
  readonly transaction: Transaction
  /** Aborted when the time for this request is up, or the peer has gone. */
  readonly signal: AbortSignal
}

/** What `onOrder` returns. */
export interface OrderResult {
  /** The order's id on your side, 1 to 64 characters; answered to the peer, now and to every duplicate. */
  readonly orderId: string
}

/** Options of {@link createOrderSyncHandler}. */
export interface HandlerOptions<ExtInfo = OpenObject, Transaction = undefined> {
  /**
   * Ours and the peer's keys; or a function that finds them by the `Client-Id` of a request, for several tenants.
   * Return the same object for the same tenant: its keys are then parsed once.
   */
  credentials: Credentials | ((clientId: string) => Credentials | undefined | Promise<Credentials | undefined>)
  /** Where processed orders are remembered. */
  store: OrderSyncStore<Transaction>
  /**
   * Your code. It runs once for each event that is new: verified, valid, and later than all that was processed for
   * its order. What it throws is answered with `UNKNOWN_EXCEPTION`, and the peer delivers again; throw a
   * {@link RefusalError} to answer with a result code of your choice.
   */
  onOrder: (order: Order<ExtInfo>, context: OrderContext<Transaction>) => Promise<OrderResult> | OrderResult
  /** Told of every outcome. What is enumerable in the event is safe to log. */
  onEvent?: ((event: OrderSyncEvent) => void) | undefined
  /** Narrows `extInfo`: any Standard Schema validator (zod, valibot, arktype …). @defaultValue an open object */
  extInfoSchema?: StandardSchema<unknown, ExtInfo> | undefined
  /** The path that the sender signed, where a proxy rewrites it. @defaultValue the path as received, query string included */
  signedPath?: string | ((request: IncomingRequest) => string) | undefined
  /** Seconds that a `Request-Time` may differ from our clock, either way. @defaultValue 300 */
  clockToleranceSeconds?: number | undefined
  /** Largest body that is accepted, in bytes. @defaultValue 1_048_576 */
  maxBodyBytes?: number | undefined
  /** Requests at work, beyond which the peer is told `REQUEST_TRAFFIC_EXCEED_LIMIT`, to come later. @defaultValue 1_000 */
  maxConcurrent?: number | undefined
  /** Milliseconds from the arrival after which `UNKNOWN_EXCEPTION` is answered, whatever is still running. @defaultValue 10_000 */
  timeoutMs?: number | undefined
  /** Milliseconds for which a delivery holds its order; must exceed `timeoutMs`. @defaultValue 30_000 */
  leaseMs?: number | undefined
  /** Milliseconds to wait for another delivery of the same order before answering "try later". @defaultValue 2_000 */
  busyWaitMs?: number | undefined
  /** What `orderModifyTime` is compared with. @defaultValue 'orderModifyTime' */
  compareModifyTimeWith?: ModifyTimeComparison | undefined
  /** How encrypted messages are encrypted. @defaultValue AES-256/ECB under RSAES-PKCS1-v1_5 */
  encryption?: EncryptionOptions | undefined
  /** Answer HTTP 200 to everything, refusals included; the result then tells all. @defaultValue false */
  alwaysStatus200?: boolean | undefined
  /** Let numbers through that are not safe integers, in `extInfo` and unknown members. @defaultValue false */
  allowFractions?: boolean | undefined
  /** The clock, in milliseconds since the epoch. @defaultValue Date.now */
  now?: (() => number) | undefined
  /** @defaultValue that of node:crypto */
  randomBytes?: RandomBytes | undefined
}

/** Fills in defaults and refuses nonsense, once, when the handler is created. */
export function resolveOptions<ExtInfo, Transaction>(options: HandlerOptions<ExtInfo, Transaction>) {
  const { credentials, store, onOrder, onEvent, extInfoSchema, signedPath, encryption } = options
  const { clockToleranceSeconds = 300, maxBodyBytes = 1_048_576, timeoutMs = 10_000, leaseMs = 30_000 } = options
  const { maxConcurrent = 1_000 } = options
  const {
    busyWaitMs = 2_000,
    compareModifyTimeWith = 'orderModifyTime',
    alwaysStatus200 = false,
    allowFractions = false,
  } = options
  const { now = Date.now, randomBytes = secureRandomBytes } = options
  for (const [name, value] of Object.entries({ clockToleranceSeconds, maxBodyBytes, maxConcurrent, timeoutMs, leaseMs })) {
    if (!(value > 0 && value < Number.POSITIVE_INFINITY)) throw new RangeError(`"${name}" must be positive and finite`)
  }
  // A timer that is set for longer fires at once.
  if (timeoutMs >= 2 ** 31) throw new RangeError('"timeoutMs" must be less than 2 ** 31')
  if (!(busyWaitMs >= 0)) throw new RangeError('"busyWaitMs" must not be negative')
  // Else a second delivery could start while the first is still within its time.
  if (!(leaseMs > timeoutMs)) throw new RangeError('"leaseMs" must be greater than "timeoutMs"')
  if (compareModifyTimeWith !== 'orderModifyTime' && compareModifyTimeWith !== 'processedAt') {
    throw new RangeError('"comparison" must be orderModifyTime or processedAt')
  }
  if (typeof onOrder !== 'function') throw new TypeError('"onOrder" must be a function')
  if (typeof store?.claim !== 'function') throw new TypeError('"store" must be a store, such as memoryStore()')
  // Parsed here: a key that is wrong is found at start, not by the first order.
  if (typeof credentials !== 'function') parseCredentials(credentials)
  // Members one by one, not copies: see docs/decisions/0012.
  return {
    credentials,
    store,
    onOrder,
    onEvent,
    extInfoSchema,
    signedPath,
    compareModifyTimeWith,
    alwaysStatus200,
    now,
    clockToleranceSeconds,
    maxBodyBytes,
    maxConcurrent,
    timeoutMs,
    busyWaitMs,
    // Databases keep whole milliseconds.
    leaseMs: Math.ceil(leaseMs),
    json: { maxDepth: STRICT_JSON.maxDepth, allowFractions },
    envelope: { suite: resolveEncryptionOptions(encryption), randomBytes },
  }
}

/** What {@link resolveOptions} makes of the options. */
export type Settings<ExtInfo, Transaction> = ReturnType<typeof resolveOptions<ExtInfo, Transaction>>

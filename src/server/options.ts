import { type EncryptionOptions, resolveEncryptionOptions } from '../crypto/envelope.ts'
import { type RandomBytes, secureRandomBytes } from '../crypto/node.ts'
import type { OpenObject, Order } from '../messages/order.ts'
import type { StandardSchema } from '../messages/standard-schema.ts'
import {
  anyValue,
  assertFunction,
  assertStandardSchema,
  flag,
  functionWithDefault,
  hasMethod,
  nonNegativeNumber,
  type OptionRules,
  oneOf,
  positiveNumber,
  resolveOptions,
  textOrFunction,
} from '../option-rules.ts'
import type { ModifyTimeComparison } from '../policy/idempotency.ts'
import { STRICT_JSON } from '../protocol/json.ts'
import { type Credentials, parseCredentials } from '../secure-message/credentials.ts'
import type { OrderSyncStore } from '../stores/store.ts'
import { boundStore } from './bounded-store.ts'
import type { OrderSyncEvent } from './event.ts'
import { optionThrew } from './failures.ts'
import type { IncomingRequest } from './http.ts'

/** What `onOrder` receives besides the order. */
export interface OrderContext<Transaction = unknown> {
  /** The `Client-Id` of the message. */
  readonly clientId: string
  /** The `requestId` of the message. A retry has the same one. */
  readonly requestId: string
  /** The `Tracer-Id` of the response: that of the request, if it sent a printable one. Log it with your own messages. */
  readonly tracerId: string
  /** The peer's `Agent-Token` header, if it sent one. */
  readonly agentToken: string | undefined
  /** Whether the message was encrypted. */
  readonly encrypted: boolean
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
export interface HandlerOptions<ExtInfo = OpenObject, Transaction = undefined> {
  /**
   * Your keys and the peer's; or, for several tenants, a function that finds them by the `Client-Id` of a request.
   * Return the same object for the same tenant: its keys are then parsed only once.
   */
  credentials: Credentials | ((clientId: string) => Credentials | undefined | Promise<Credentials | undefined>)
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
  /** Narrows `extInfo`: any Standard Schema validator (zod, valibot, arktype …). @defaultValue an open object */
  extInfoSchema?: StandardSchema<unknown, ExtInfo> | undefined
  /** The path that the sender signed, if a proxy rewrites it. @defaultValue the path as received, with its query string */
  signedPath?: string | ((request: IncomingRequest) => string) | undefined
  /** Seconds that a `Request-Time` may differ from our clock, either way. @defaultValue 300 */
  clockToleranceSeconds?: number | undefined
  /** The largest accepted body, in bytes. @defaultValue 1_048_576 */
  maxBodyBytes?: number | undefined
  /** Requests at work at the same time, without the signing of their responses. Above it, the response is `REQUEST_TRAFFIC_EXCEED_LIMIT`. @defaultValue 1_000 */
  maxConcurrent?: number | undefined
  /** Requests whose body is still arriving. Above it, the longest-arriving one is refused. @defaultValue 1_000 */
  maxReading?: number | undefined
  /** Bytes that arriving bodies may hold together. Above it, the longest-arriving one is refused. @defaultValue 67_108_864 */
  maxReadingBytes?: number | undefined
  /** Milliseconds for a body to arrive. @defaultValue 5_000 */
  bodyTimeoutMs?: number | undefined
  /**
   * Milliseconds after which the response is `UNKNOWN_EXCEPTION`, even if work still runs. A remote signer has the same time
   * again to sign the response. @defaultValue 10_000
   */
  timeoutMs?: number | undefined
  /** Milliseconds for which a delivery holds its order. Must exceed `timeoutMs`. @defaultValue 30_000 */
  leaseMs?: number | undefined
  /** Milliseconds for one call of the store. A call that takes longer has failed. @defaultValue 5_000 */
  storeTimeoutMs?: number | undefined
  /** Milliseconds to wait for another delivery of the same order before the response "try later". @defaultValue 2_000 */
  busyWaitMs?: number | undefined
  /** Milliseconds that an `orderModifyTime` may be ahead of our clock. @defaultValue 86_400_000 */
  maxFutureMs?: number | undefined
  /** What `orderModifyTime` is compared with. @defaultValue 'orderModifyTime' */
  compareModifyTimeWith?: ModifyTimeComparison | undefined
  /** How encrypted messages are encrypted. @defaultValue AES-256/ECB under RSAES-PKCS1-v1_5 */
  encryption?: EncryptionOptions | undefined
  /** Respond with HTTP 200 to everything, refusals included: only the result then tells them apart. @defaultValue false */
  alwaysStatus200?: boolean | undefined
  /** Accept numbers that are not safe integers in `extInfo` and in unknown members. @defaultValue false */
  allowFractions?: boolean | undefined
  /** The clock, in milliseconds since the epoch. @defaultValue Date.now */
  now?: (() => number) | undefined
  /** The source of random bytes. @defaultValue randomBytes of node:crypto */
  randomBytes?: RandomBytes | undefined
}

/** Each option of the handler: its default, and what it must be. */
// A function, so that bundlers can drop it, and all that it refers to, from programs that create no handler.
export const handlerOptionRules = () =>
  ({
    // Keys are parsed when the handler is created: a wrong key is found then, not by the first order.
    credentials: {
      required: true,
      assert: (value: unknown) => void (typeof value === 'function' || parseCredentials(value as Credentials)),
    },
    store: { required: true, assert: assertStore },
    onOrder: { required: true, assert: assertFunction },
    onEvent: { assert: assertFunction },
    extInfoSchema: { assert: assertStandardSchema },
    signedPath: textOrFunction(),
    clockToleranceSeconds: positiveNumber(300),
    maxBodyBytes: positiveNumber(1_048_576),
    maxConcurrent: positiveNumber(1_000),
    maxReading: positiveNumber(1_000),
    maxReadingBytes: positiveNumber(67_108_864),
    bodyTimeoutMs: positiveNumber(5_000, { isTimer: true }),
    timeoutMs: positiveNumber(10_000, { isTimer: true }),
    leaseMs: positiveNumber(30_000, { isTimer: true }),
    storeTimeoutMs: positiveNumber(5_000, { isTimer: true }),
    busyWaitMs: nonNegativeNumber(2_000),
    maxFutureMs: positiveNumber(86_400_000),
    compareModifyTimeWith: oneOf<ModifyTimeComparison>(['orderModifyTime', 'processedAt'], 'orderModifyTime'),
    encryption: anyValue(),
    alwaysStatus200: flag(false),
    allowFractions: flag(false),
    now: functionWithDefault(() => Date.now()),
    randomBytes: functionWithDefault<RandomBytes>(secureRandomBytes),
  }) as const satisfies OptionRules<HandlerOptions>

/** Checks the options and fills in the defaults, once, when the handler is created. */
export function resolveHandlerOptions<ExtInfo, Transaction>(options: HandlerOptions<ExtInfo, Transaction>) {
  const resolved = resolveOptions<HandlerOptions<ExtInfo, Transaction>, ReturnType<typeof handlerOptionRules>>(
    'createOrderSyncHandler',
    handlerOptionRules(),
    options,
  )
  const { timeoutMs, leaseMs, storeTimeoutMs, allowFractions, encryption } = resolved
  const randomBytes = named('randomBytes', resolved.randomBytes)
  // Otherwise a second delivery could start while the first one is still within its time.
  if (!(leaseMs > timeoutMs)) throw new RangeError('"leaseMs" must be greater than "timeoutMs"')
  if (resolved.maxReadingBytes < resolved.maxBodyBytes) {
    throw new RangeError('"maxReadingBytes" must not be less than "maxBodyBytes"')
  }
  return {
    ...resolved,
    now: named('now', resolved.now),
    randomBytes,
    store: boundStore(resolved.store, storeTimeoutMs),
    // Databases keep whole milliseconds.
    leaseMs: Math.ceil(leaseMs),
    json: { ...STRICT_JSON, allowFractions },
    encryption: { options: resolveEncryptionOptions(encryption), randomBytes },
  }
}

/** A function of the options whose errors name the option. */
function named<Parameters extends unknown[], Value>(name: string, option: (...parameters: Parameters) => Value) {
  return (...parameters: Parameters): Value => {
    try {
      return option(...parameters)
    } catch (error) {
      throw optionThrew(name, error)
    }
  }
}

function assertStore(value: unknown): void {
  if (!['claim', 'finish', 'release', 'read'].every((method) => hasMethod(value, method))) {
    throw new TypeError('"store" must be a store, such as memoryStore()')
  }
}

/** The options of a handler, resolved. */
export type HandlerSettings<ExtInfo, Transaction> = ReturnType<typeof resolveHandlerOptions<ExtInfo, Transaction>>

import { match } from 'ts-pattern'
import {
  type ConfigurationError,
  type ConfigurationErrorCode,
  type ErrorCode,
  type HandlerError,
  type HandlerErrorCode,
  inspectSymbol,
  type OrderRefusedError,
  type ProtocolError,
  type ProtocolErrorCode,
} from '../errors.ts'
import type { Order } from '../messages/order.ts'
import type { Outcome, StatusAndResponse } from './outcome.ts'
import type { RequestTrace } from './trace.ts'

/** Members of every {@link OrderSyncEvent}. */
export interface EventBase {
  /** The `Tracer-Id` of the response. Taken from the request, if that has a printable one. */
  readonly tracerId: string
  /** The HTTP status of the response. For `late`: of the response to the next delivery. */
  readonly status: number
  /** The result code of the response. For `late`: of the response to the next delivery. */
  readonly resultCode: string
  /** Milliseconds from receiving the request to its outcome. */
  readonly durationMs: number
  /** Milliseconds that the `Request-Time` is ahead of your clock; negative when it is behind. Present once the time is parsed. */
  readonly clockSkewMs?: number
  /** What went wrong. Contains no customer data. Present if there is an `error`. */
  readonly message?: string
  /** The error behind the outcome, if there is one. Not enumerable. */
  readonly error?: ProtocolError | OrderRefusedError | HandlerError | ConfigurationError
}

/** Members of an event about an order that verified and is valid. */
export interface OrderEvent extends EventBase {
  /** The caller. */
  readonly clientId: string
  /** The version of the peer's key that the signature verified with. */
  readonly keyVersion: string
  /** Whether the request was encrypted. */
  readonly encrypted: boolean
  /** The version of your key that the request was encrypted to. Absent when it was not encrypted. */
  readonly decryptionKeyVersion?: string
  readonly requestId: string
  /** The key of the order in the store: a hash. */
  readonly orderKey: string
  /** Customer data; not enumerable. */
  readonly merchantBizNo: string
  /** Customer data; not enumerable. */
  readonly tradeNo: string
  /** Customer data; not enumerable. */
  readonly order: Order<unknown>
}

/** Members of an event that may come before the order is accepted: each is present as soon as it is known. */
export interface RequestEvent extends EventBase, Partial<Omit<OrderEvent, keyof EventBase>> {
  /** The caller, if it is known. */
  readonly clientId?: string
  /** The version that the `Signature` header names, or the latest, as soon as the headers are checked. */
  readonly keyVersion?: string
  /** Whether the request is encrypted, as soon as the headers are checked. */
  readonly encrypted?: boolean
  /** Of the message, as soon as its signature has verified; also when the message is invalid. */
  readonly requestId?: string
  /** The key of the order in the store, if the order is valid. */
  readonly orderKey?: string
  /** As `requestId`. Customer data; not enumerable. */
  readonly merchantBizNo?: string
  /** As `requestId`. Customer data; not enumerable. */
  readonly tradeNo?: string
  /** The order, if its signature verified and it is valid. Customer data; not enumerable. */
  readonly order?: Order<unknown>
}

/** `onOrder` ran, and its response is stored. */
export interface ProcessedEvent extends OrderEvent {
  readonly kind: 'processed'
  readonly code: 'SUCCESS'
}

/** The same request was received again. It got the stored response. */
export interface ReplayEvent extends OrderEvent {
  readonly kind: 'replay'
  /** The result code of the stored response. */
  readonly code: string
}

/** Another request about an event that was processed (`duplicate`), or about an older one (`stale`). `onOrder` did not run. */
export interface KnownOrderEvent extends OrderEvent {
  readonly kind: 'duplicate' | 'stale'
  /** The result code of the stored response. */
  readonly code: string
  /** Of this request, in milliseconds since the epoch. */
  readonly orderModifyTime: number
  /** Of the last processed request of the order, in milliseconds since the epoch. */
  readonly lastOrderModifyTime: number
  /**
   * Whether the content differs from the last processed request, apart from `requestId` and `orderModifyTime`. A
   * `duplicate` whose content differs is a change that was not processed. Absent when the store does not know.
   */
  readonly contentDiffers?: boolean
}

/** `onOrder` threw an {@link OrderRefusedError}. */
export interface RefusedEvent extends OrderEvent {
  readonly kind: 'refused'
  readonly code: 'ERR_REFUSED'
  readonly message: string
  /** Not enumerable. */
  readonly error: OrderRefusedError
}

/** Another delivery of the order was being processed for longer than `busyWaitMs`. The peer retries. */
export interface BusyEvent extends OrderEvent {
  readonly kind: 'busy'
  readonly code: 'UNKNOWN_EXCEPTION'
}

/** `onOrder` ended after its lease. Its result was not stored, and it may have run twice. */
export interface FencedEvent extends OrderEvent {
  readonly kind: 'fenced'
  readonly code: 'ERR_FENCED'
  readonly message: string
  /** Not enumerable. */
  readonly error: HandlerError
}

/** The request breaks the protocol, is not verified, or contradicts an earlier one. */
export interface RejectedEvent extends RequestEvent {
  readonly kind: 'rejected'
  readonly code: ProtocolErrorCode
  /** What is wrong, and the likely cause. It quotes nothing of the message except the path and the key version. */
  readonly message: string
  /** For `ERR_CLIENT_UNKNOWN`: the received `Client-Id`. */
  readonly unknownClientId?: string
  /** Not enumerable. */
  readonly error: ProtocolError
}

/** Your side failed after the order was accepted: `onOrder`, the store, or the time was up. The peer retries. */
export interface FailedEvent extends OrderEvent {
  readonly kind: 'failed'
  readonly code: HandlerErrorCode | ConfigurationErrorCode
  /** What failed, with the class and the `code` of the error that your code threw. */
  readonly message: string
  /** Its `cause` is the error that your code threw, which may contain any data. Not enumerable. */
  readonly error: HandlerError | ConfigurationError
}

/**
 * Your side failed before the order was accepted (mounting, credentials, decryption, extInfoSchema), or when the response was
 * signed: then there is an event of the outcome, too. The response is unsigned, and the peer retries.
 */
export interface UnavailableEvent extends RequestEvent {
  readonly kind: 'unavailable'
  readonly code: HandlerErrorCode | ConfigurationErrorCode
  /** What failed, with the class and the `code` of the error that your code threw. */
  readonly message: string
  /** Its `cause` is the error that your code threw, which may contain any data. Not enumerable. */
  readonly error: HandlerError | ConfigurationError
}

/** The work ended after the response `UNKNOWN_EXCEPTION` was sent. The next delivery gets the result, if it is stored. */
export interface LateEvent extends OrderEvent {
  readonly kind: 'late'
  /** `processed` and `refused` are stored and sent from now on; `fenced` and `failed` are not stored. */
  readonly ended: Outcome['kind']
  /** The code of the error, or the result code of the response. */
  readonly code: ErrorCode | (string & {})
}

/**
 * The outcome of one request, for logs and metrics: a union that `kind` discriminates. There is a second event when the work
 * ends after the response was sent (`late`), or when the response could not be signed (`unavailable`).
 *
 * The enumerable members contain no customer data and no secret. `order`, `merchantBizNo`, `tradeNo` and `error` can be read,
 * but `console.log()`, `inspect()` and `JSON.stringify()` do not show them.
 *
 * docs/events.md says what each kind means, and who must act.
 */
export type OrderSyncEvent =
  | ProcessedEvent
  | ReplayEvent
  | KnownOrderEvent
  | RefusedEvent
  | BusyEvent
  | FencedEvent
  | RejectedEvent
  | FailedEvent
  | UnavailableEvent
  | LateEvent

/** What an event is about. */
export interface EventSource {
  readonly outcome: Outcome
  readonly response: StatusAndResponse
  /** The caller, if it is known. */
  readonly clientId: string | undefined
  readonly trace: RequestTrace
  /** The response was sent before the work ended. */
  readonly isLate: boolean
  /** The likely cause of the error. */
  readonly hint: string | undefined
}

/** Builds the event; {@link OrderSyncEvent} says which members are enumerable. */
export function toEvent({ outcome, response, clientId, trace, isLate, hint }: EventSource): OrderSyncEvent {
  const { resultCode } = response.response
  const { tracerId, unknownClientId, keyVersion, encrypted, requestId, orderKey, startedAt } = trace
  const { decryptionKeyVersion, clockSkewMs } = trace
  const error = errorOf(outcome)
  const event = {
    ...(isLate ? { kind: 'late', ended: outcome.kind } : { kind: outcome.kind }),
    code: error?.code ?? resultCode,
    status: response.status,
    resultCode,
    tracerId,
    ...withoutUndefined({
      clientId,
      unknownClientId,
      keyVersion,
      encrypted,
      decryptionKeyVersion,
      clockSkewMs,
      requestId,
      orderKey,
    }),
    ...('comparison' in outcome && outcome.comparison),
    ...(error && { message: hint === undefined ? error.message : `${error.message} ${hint}` }),
    durationMs: performance.now() - startedAt,
  }
  const { merchantBizNo, tradeNo, order } = trace
  return Object.defineProperties(event, {
    merchantBizNo: { value: merchantBizNo },
    tradeNo: { value: tradeNo },
    order: { value: order },
    error: { value: error },
    [inspectSymbol]: { value: inspectEvent },
    // The outcome decides which members there are: a test compares them with the types.
  }) as unknown as OrderSyncEvent
}

/** The error behind an outcome. */
export function errorOf(outcome: Outcome) {
  return match(outcome)
    .with({ kind: 'refused' }, ({ error }) => error)
    .with({ kind: 'rejected' }, ({ error }) => error)
    .with({ kind: 'failed' }, { kind: 'unavailable' }, { kind: 'fenced' }, ({ error }) => error)
    .with({ kind: 'processed' }, { kind: 'replay' }, { kind: 'duplicate' }, { kind: 'stale' }, { kind: 'busy' }, () => {
      return undefined
    })
    .exhaustive()
}

function withoutUndefined<Members extends object>(members: Members): Partial<Members> {
  return Object.fromEntries(Object.entries(members).filter(([, value]) => value !== undefined)) as Partial<Members>
}

/** Bun, `%o` and `showHidden` would print the members that are not enumerable. */
function inspectEvent(this: OrderSyncEvent): object {
  return { ...this }
}

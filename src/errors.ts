import type { OrderSyncResponse, ResultCode } from './result-codes.ts'

/**
 * Why a message is refused, and what the peer is told: the HTTP status and the result code it earns.
 * Codes are added, never renamed or reused.
 *
 * @see docs/protocol.md section 6
 */
export const PROTOCOL_ERRORS = {
  ERR_METHOD: { status: 405, resultCode: 'METHOD_NOT_SUPPORTED' },
  ERR_CONTENT_TYPE: { status: 415, resultCode: 'MEDIA_TYPE_NOT_ACCEPTABLE' },
  ERR_HEADER_MISSING: { status: 400, resultCode: 'PARAM_ILLEGAL' },
  ERR_HEADER_INVALID: { status: 400, resultCode: 'PARAM_ILLEGAL' },
  ERR_CLIENT_UNKNOWN: { status: 401, resultCode: 'INVALID_CLIENT' },
  ERR_TIME_RANGE: { status: 401, resultCode: 'INVALID_SIGNATURE' },
  ERR_SIGNATURE_INVALID: { status: 401, resultCode: 'INVALID_SIGNATURE' },
  ERR_BODY_TOO_LARGE: { status: 413, resultCode: 'PARAM_ILLEGAL' },
  ERR_BODY_INCOMPLETE: { status: 400, resultCode: 'PARAM_ILLEGAL' },
  ERR_DECRYPTION: { status: 400, resultCode: 'PARAM_ILLEGAL' },
  ERR_JSON_INVALID: { status: 400, resultCode: 'PARAM_ILLEGAL' },
  ERR_FIELD_INVALID: { status: 400, resultCode: 'PARAM_ILLEGAL' },
  ERR_REQUEST_CONFLICT: { status: 409, resultCode: 'REPEAT_REQ_INCONSISTENT' },
  ERR_TRAFFIC: { status: 429, resultCode: 'REQUEST_TRAFFIC_EXCEED_LIMIT' },
} as const

/** A key of {@link PROTOCOL_ERRORS}. */
export type ProtocolErrorCode = keyof typeof PROTOCOL_ERRORS

/** Codes of {@link ConfigurationError}: what is wrong on the merchant's own side. */
export type ConfigurationErrorCode =
  | 'ERR_KEY_FORMAT'
  | 'ERR_KEY_KIND'
  | 'ERR_KEY_ENCRYPTED'
  | 'ERR_KEY_WEAK'
  | 'ERR_KEY_ALGORITHM'
  | 'ERR_KEY_OWN'
  | 'ERR_KEY_RING'
  | 'ERR_KEY_USE'
  | 'ERR_CREDENTIALS'
  | 'ERR_BODY_PARSED'
  | 'ERR_ORDER_ID'
  | 'ERR_PATH'

/** Codes of {@link UntrustedResponseError}: why an answer cannot be trusted. */
export type UntrustedResponseCode =
  | 'ERR_REPLY_UNSIGNED'
  | 'ERR_REPLY_SIGNATURE'
  | 'ERR_REPLY_TIME'
  | 'ERR_REPLY_REDIRECT'
  | 'ERR_REPLY_TOO_LARGE'
  | 'ERR_REPLY_INVALID'

/** Codes of {@link DeliveryError}: why the outcome of a sync is not known. */
export type DeliveryErrorCode = 'ERR_TIMEOUT' | 'ERR_NETWORK' | 'ERR_HTTP_STATUS' | 'ERR_RESULT_UNKNOWN'

/** Every stable code an error of this package can carry. */
export type ErrorCode = ProtocolErrorCode | ConfigurationErrorCode | UntrustedResponseCode | DeliveryErrorCode | 'ERR_REFUSED'

const brand: unique symbol = Symbol.for('alipayhk-order-sync/error')

/** What all errors of this package have in common. The subclass says who must act; the code says why. */
export abstract class OrderSyncError extends Error {
  /** Stable, for `switch` and alerts; the message may change between releases. */
  abstract readonly code: ErrorCode

  constructor(message: string, options?: ErrorOptions) {
    super(message, options)
    // Not enumerable: `inspect()` shows a class name and a code, nothing that belongs to the mechanism.
    Object.defineProperty(this, brand, { value: true })
  }
}

/** One field that breaks a rule. Never holds the value itself. */
export interface FieldIssue {
  /** Where in the message, `amount.value`; empty for the message as a whole. */
  readonly field: string
  /** What was expected there, in words. */
  readonly expected: string
}

/**
 * A message that breaks the protocol, refused before anything is done with it. Its sender must act:
 * the peer for a message received, your own code for an order passed to the client.
 *
 * The message is for your logs; the peer is told the result code of {@link PROTOCOL_ERRORS} and no more.
 */
export class ProtocolError extends OrderSyncError {
  override readonly name = 'RejectionError'
  readonly code: ProtocolErrorCode
  /** The fields at fault, for `ERR_FIELD_INVALID`; empty otherwise. */
  readonly issues: readonly FieldIssue[]

  constructor(code: ProtocolErrorCode, message: string, options?: ErrorOptions & { issues?: readonly FieldIssue[] }) {
    super(message, options)
    this.code = code
    this.issues = options?.issues ?? []
  }
}

/** A key, a credential or the mounting is wrong. The merchant's developer must act; the message says how. */
export class ConfigurationError extends OrderSyncError {
  override readonly name = 'ConfigurationError'
  readonly code: ConfigurationErrorCode

  constructor(code: ConfigurationErrorCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.code = code
  }
}

/**
 * The receiver decided against the order: thrown by your `onOrder` to answer with a result code of your choice,
 * and by the client when the peer's verified answer is a refusal.
 *
 * In `onOrder`, use one of `RESULTS`; any other code, and `SUCCESS`, is answered as `PROCESS_FAIL`. One whose status is `U`
 * asks the peer to come again; the others are final.
 *
 * @see docs/protocol.md section 6.3
 * @example
 * ```ts
 * import { type Order, RefusalError } from 'alipayhk-order-sync'
 *
 * export function onOrder({ orderStatus, merchantBizNo }: Order) {
 *   if (orderStatus === 'UNHEARD_OF') throw new RefusalError('PROCESS_FAIL')
 *   return { orderId: `order-${merchantBizNo}` }
 * }
 * ```
 */
export class OrderRefusedError extends OrderSyncError {
  override readonly name = 'RefusalError'
  readonly code = 'ERR_REFUSED'
  /** The result code. */
  readonly resultCode: string
  /** The result message; at most 256 characters are answered. */
  readonly resultMessage: string | undefined
  /** The `requestId` of the refused order, where the client throws it. */
  readonly requestId: string | undefined
  /** The peer's whole answer, verified, where the client throws it. */
  declare readonly response: OrderSyncResponse | undefined

  constructor(
    resultCode: ResultCode | (string & {}),
    resultMessage?: string,
    options?: ErrorOptions & { requestId?: string; reply?: OrderSyncResponse },
  ) {
    super(`The order was refused with ${printable(resultCode, 64)}.`, options)
    Object.defineProperty(this, 'reply', { value: options?.reply })
    this.resultCode = resultCode
    this.resultMessage = resultMessage
    this.requestId = options?.requestId
  }
}

/** What is known of an HTTP answer that could not be used. */
export interface ResponseDetails {
  /** The HTTP status, where an answer came. */
  readonly httpStatus?: number
  /** The `requestId` to repeat when the same order is sent again. */
  readonly requestId?: string
  /** The beginning of the body: printable, at most 200 characters, long numbers, addresses and encoded runs masked. */
  readonly excerpt?: string
}

abstract class HttpResponseError extends OrderSyncError {
  readonly httpStatus: number | undefined
  readonly requestId: string | undefined
  /** See {@link ResponseDetails}. */
  declare readonly excerpt: string | undefined

  constructor(message: string, options: (ErrorOptions & ResponseDetails) | undefined) {
    super(message, options)
    this.httpStatus = options?.httpStatus
    this.requestId = options?.requestId
    // Not enumerable: what a stranger wrote does not get into a log by itself.
    Object.defineProperty(this, 'excerpt', { value: options?.excerpt })
  }
}

/**
 * An answer came and cannot be trusted: unsigned, wrongly signed, stale, redirected, too large or not of the
 * protocol's form. The order may or may not have been processed. Find out who answered before you send it again.
 */
export class UntrustedResponseError extends HttpResponseError {
  override readonly name = 'ReplyError'
  readonly code: UntrustedResponseCode

  constructor(code: UntrustedResponseCode, message: string, options?: ErrorOptions & ResponseDetails) {
    super(message, options)
    this.code = code
  }
}

/**
 * No final answer came, after all retries: a network failure, a time-out, an HTTP 5xx, or the peer's own "unknown".
 * The order may or may not have been processed; send it again later with the same `requestId`.
 */
export class DeliveryError extends HttpResponseError {
  override readonly name = 'DeliveryError'
  readonly code: DeliveryErrorCode
  /** For `ERR_RESULT_UNKNOWN`: the peer's whole answer, verified. */
  declare readonly response: OrderSyncResponse | undefined

  constructor(code: DeliveryErrorCode, message: string, options?: ErrorOptions & ResponseDetails & { reply?: OrderSyncResponse }) {
    super(message, options)
    this.code = code
    Object.defineProperty(this, 'reply', { value: options?.reply })
  }
}

/**
 * Tells whether a value is an error of this package. Like `instanceof`, but also true across its ESM and CJS builds.
 *
 * @example
 * ```ts
 * import { isOrderSyncError } from 'alipayhk-order-sync'
 *
 * export const codeOf = (error: unknown) => (isOrderSyncError(error) ? error.code : undefined)
 * ```
 */
export function isOrderSyncError(
  value: unknown,
): value is ProtocolError | ConfigurationError | OrderRefusedError | DeliveryError | UntrustedResponseError {
  return value instanceof Error && brand in value
}

/** A text that is safe to print: one line, no control characters, bounded. */
export function printable(text: string, maxLength: number): string {
  return text
    .slice(0, maxLength)
    .replace(/[^\p{L}\p{N}\p{P}\p{S} ]/gu, ' ')
    .trim()
}

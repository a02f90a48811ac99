import { isResultCode, type OrderSyncResponse, type ResultCode } from './result-codes.ts'

/**
 * The codes of {@link ProtocolError}, each with the HTTP status and the result code of the response.
 * Status 200: the signature verified, and the response is signed. Other statuses: it did not, and the response is unsigned.
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
  ERR_ENCRYPT_CHANGED: { status: 401, resultCode: 'INVALID_SIGNATURE' },
  ERR_BODY_TOO_LARGE: { status: 413, resultCode: 'PARAM_ILLEGAL' },
  ERR_BODY_INCOMPLETE: { status: 400, resultCode: 'PARAM_ILLEGAL' },
  ERR_BODY_TIMEOUT: { status: 408, resultCode: 'UNKNOWN_EXCEPTION' },
  ERR_DECRYPTION: { status: 200, resultCode: 'PARAM_ILLEGAL' },
  ERR_JSON_INVALID: { status: 200, resultCode: 'PARAM_ILLEGAL' },
  ERR_FIELD_INVALID: { status: 200, resultCode: 'PARAM_ILLEGAL' },
  ERR_REQUEST_CONFLICT: { status: 200, resultCode: 'REPEAT_REQ_INCONSISTENT' },
  ERR_TRAFFIC: { status: 429, resultCode: 'REQUEST_TRAFFIC_EXCEED_LIMIT' },
} as const

/** A key of {@link PROTOCOL_ERRORS}. */
export type ProtocolErrorCode = keyof typeof PROTOCOL_ERRORS

/** Codes of {@link ConfigurationError}: what is wrong on the merchant's side. */
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
  | 'ERR_REQUEST'
  | 'ERR_BODY_PARSED'
  | 'ERR_ORDER_ID'
  | 'ERR_PATH'
  | 'ERR_SIGNER_LIMIT'
  | 'ERR_SIGNER_RESULT'
  | 'ERR_STORE_NOT_MIGRATED'
  | 'ERR_OUTBOX_KEY'
  | 'ERR_TRANSACTION'

/** Codes of {@link HandlerError}: what failed on the merchant's side while the handler worked on a request. */
export type HandlerErrorCode =
  | 'ERR_STORE'
  | 'ERR_STORE_TIMEOUT'
  | 'ERR_ON_ORDER'
  | 'ERR_ON_ORDER_TIMEOUT'
  | 'ERR_CREDENTIALS_LOOKUP'
  | 'ERR_SIGNER'
  | 'ERR_OPTION'
  | 'ERR_HANDLER_TIMEOUT'
  | 'ERR_FENCED'
  | 'ERR_INTERNAL'

/** Codes of {@link UntrustedResponseError}: why a response cannot be trusted. */
export type UntrustedResponseCode =
  | 'ERR_REPLY_UNSIGNED'
  | 'ERR_REPLY_SIGNATURE'
  | 'ERR_REPLY_TIME'
  | 'ERR_REPLY_REDIRECT'
  | 'ERR_REPLY_TOO_LARGE'
  | 'ERR_REPLY_INVALID'

/** Codes of {@link DeliveryError}: why the outcome of a sync is unknown. */
export type DeliveryErrorCode = 'ERR_TIMEOUT' | 'ERR_NETWORK' | 'ERR_HTTP_STATUS' | 'ERR_RESULT_UNKNOWN'

/** Every code of the errors in this package. */
export type ErrorCode =
  | ProtocolErrorCode
  | ConfigurationErrorCode
  | HandlerErrorCode
  | UntrustedResponseCode
  | DeliveryErrorCode
  | 'ERR_REFUSED'

const brand: unique symbol = Symbol.for('alipayhk-order-sync/error')

/**
 * The name of the method that `console.log()` calls on Node, Bun, Deno and workerd. Without it, members that are not
 * enumerable are printed by Bun, by `%o` and by `showHidden`.
 */
export const inspectSymbol: unique symbol = Symbol.for('nodejs.util.inspect.custom')

type Inspect = (value: unknown, options?: unknown) => string

/**
 * Prints an error without its hidden members. The copy does not have this method, so it is printed in the default way.
 * The cause of a {@link HandlerError} is hidden too: an error of the merchant's code can quote customer data.
 */
function inspectError(this: Error, _depth?: number, options?: unknown, inspect?: Inspect): unknown {
  const copy: Error = Object.create(Object.getPrototypeOf(this), {
    stack: { value: this.stack },
    message: { value: this.message },
    ...('cause' in this && this.name !== 'HandlerError' && { cause: { value: this.cause } }),
  })
  Object.assign(copy, this)
  return inspect === undefined ? copy : inspect(copy, options)
}

/**
 * Keeps the name of a class, which `console.log()` shows, when the package is minified. Not a static field: compilers of
 * applications turn it into an assignment, which fails.
 */
function nameClass(target: object, name: string): void {
  Object.defineProperty(target, 'name', { value: name })
}

/** The base class of all errors in this package. The subclass shows who must act, the code shows why. */
export abstract class OrderSyncError extends Error {
  /** Stable: use it in code and in alerts. The message may change between releases. */
  abstract readonly code: ErrorCode

  constructor(message: string, options?: ErrorOptions) {
    super(message, options)
    // Not enumerable: `inspect()` must show the class name and the code only.
    Object.defineProperties(this, { [brand]: { value: true }, [inspectSymbol]: { value: inspectError } })
  }
}

/** A field that breaks a rule. Never contains the value. */
export interface FieldIssue {
  /** The path in the message, such as `amount.value`. Empty for the message as a whole. */
  readonly field: string
  /** What the field must be, as text. */
  readonly expected: string
}

/**
 * A message breaks the protocol and was rejected before it was processed. The sender must act:
 * the peer for a received message, your own code for an order passed to the client.
 *
 * The text is for your logs. The peer receives only the result code of {@link PROTOCOL_ERRORS}.
 */
export class ProtocolError extends OrderSyncError {
  static {
    nameClass(ProtocolError, 'ProtocolError')
  }
  override readonly name = 'ProtocolError'
  readonly code: ProtocolErrorCode
  /** The fields that are wrong, for `ERR_FIELD_INVALID`. Empty for other codes. */
  readonly issues: readonly FieldIssue[]

  constructor(code: ProtocolErrorCode, message: string, options?: ErrorOptions & { issues?: readonly FieldIssue[] }) {
    super(message, options)
    this.code = code
    this.issues = options?.issues ?? []
  }
}

/** A key, a credential or the mounting of the handler is wrong. You must act: the message says how. */
export class ConfigurationError extends OrderSyncError {
  static {
    nameClass(ConfigurationError, 'ConfigurationError')
  }
  override readonly name = 'ConfigurationError'
  readonly code: ConfigurationErrorCode

  constructor(code: ConfigurationErrorCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.code = code
  }
}

/**
 * Something on the merchant's side failed while the handler worked on a request: `onOrder`, the store, a signer, or another
 * function of the options. The peer retries. You must act when it happens again and again.
 *
 * The message names the part that failed. For an error of your own code, it also has its class and its `code`, such as
 * `ECONNREFUSED`. That error is the `cause`. It may contain customer data, so `console.log()` and `inspect()` do not show it.
 */
export class HandlerError extends OrderSyncError {
  static {
    nameClass(HandlerError, 'HandlerError')
  }
  override readonly name = 'HandlerError'
  readonly code: HandlerErrorCode

  constructor(code: HandlerErrorCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.code = code
  }
}

/**
 * The receiver refused the order. Throw it in `onOrder` to respond with a result code of your choice.
 * The client throws it when the peer's verified response is a refusal.
 *
 * In `onOrder`, use a code of `RESULT_CODES` other than `SUCCESS`. A code with status `U` makes the peer retry; the others are final.
 *
 * @throws TypeError any other code, in an error without `response`
 * @see docs/protocol.md section 6
 * @example
 * ```ts
 * import { type Order, OrderRefusedError } from 'alipayhk-order-sync'
 *
 * export function onOrder({ orderStatus, merchantBizNo }: Order) {
 *   if (orderStatus === 'NO_SUCH_STATUS') throw new OrderRefusedError('PROCESS_FAIL')
 *   return { orderId: `order-${merchantBizNo}` }
 * }
 * ```
 */
export class OrderRefusedError extends OrderSyncError {
  static {
    nameClass(OrderRefusedError, 'OrderRefusedError')
  }
  override readonly name = 'OrderRefusedError'
  readonly code = 'ERR_REFUSED'
  readonly resultCode: string
  /** The result message. The response contains at most 256 characters of it. */
  readonly resultMessage: string | undefined
  /** The `requestId` of the refused order, when the client throws the error. */
  readonly requestId: string | undefined
  /** The peer's verified response, when the client throws the error. */
  declare readonly response: OrderSyncResponse | undefined

  constructor(
    resultCode: ResultCode | (string & {}),
    resultMessage?: string,
    options?: ErrorOptions & { requestId?: string; response?: OrderSyncResponse; hint?: string },
  ) {
    // A peer may send a code that is not in the list.
    if (options?.response === undefined && (!isResultCode(resultCode) || resultCode === 'SUCCESS')) {
      throw new TypeError(
        `An OrderRefusedError needs a code of RESULT_CODES, for example PROCESS_FAIL, not "${printable(String(resultCode), 64)}"`,
      )
    }
    const hint = options?.hint === undefined ? '' : ` ${options.hint}`
    super(`The order was refused with ${printable(resultCode, 64)}.${hint}`, options)
    Object.defineProperty(this, 'response', { value: options?.response })
    this.resultCode = resultCode
    this.resultMessage = resultMessage
    this.requestId = options?.requestId
  }
}

/** What is known about an HTTP response that could not be used. */
export interface ResponseDetails {
  /** The HTTP status, if there was a response. */
  readonly httpStatus?: number
  /** The `requestId` to use when you send the same order again. */
  readonly requestId?: string
  /** The start of the body: printable, at most 200 characters; long numbers, e-mail addresses and tokens are masked. */
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
    // Not enumerable: text from an unverified sender must not reach a log by default.
    Object.defineProperty(this, 'excerpt', { value: options?.excerpt })
  }
}

/**
 * A response cannot be trusted: it is unsigned, wrongly signed, stale, redirected, too large or malformed.
 * The order may or may not have been processed. Find out who responded before you send it again.
 */
export class UntrustedResponseError extends HttpResponseError {
  static {
    nameClass(UntrustedResponseError, 'UntrustedResponseError')
  }
  override readonly name = 'UntrustedResponseError'
  readonly code: UntrustedResponseCode

  constructor(code: UntrustedResponseCode, message: string, options?: ErrorOptions & ResponseDetails) {
    super(message, options)
    this.code = code
  }
}

/**
 * The outcome is unknown after all retries: a network failure, a timeout, an HTTP 5xx, or the peer's own "unknown".
 * The order may or may not have been processed. Retry later with the same `requestId`.
 */
export class DeliveryError extends HttpResponseError {
  static {
    nameClass(DeliveryError, 'DeliveryError')
  }
  override readonly name = 'DeliveryError'
  readonly code: DeliveryErrorCode
  /** For `ERR_RESULT_UNKNOWN`: the peer's verified response. */
  declare readonly response: OrderSyncResponse | undefined
  /** Milliseconds to wait before the next attempt, if the response had a `Retry-After` header. The signature does not cover it. */
  readonly retryAfterMs: number | undefined

  constructor(
    code: DeliveryErrorCode,
    message: string,
    options?: ErrorOptions & ResponseDetails & { response?: OrderSyncResponse; retryAfterMs?: number | undefined },
  ) {
    super(message, options)
    this.code = code
    this.retryAfterMs = options?.retryAfterMs
    Object.defineProperty(this, 'response', { value: options?.response })
  }
}

/**
 * Whether a value is an error of this package. Like `instanceof`, but also true across the ESM and CJS builds.
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
): value is
  | ProtocolError
  | ConfigurationError
  | HandlerError
  | OrderRefusedError
  | DeliveryError
  | UntrustedResponseError {
  return isError(value) && brand in value
}

/** Makes a text safe to print: one line, no control characters, at most `maxLength` characters. */
export function printable(text: string, maxLength: number): string {
  return text
    .slice(0, maxLength)
    .replace(/[^\p{L}\p{N}\p{P}\p{S} ]/gu, ' ')
    .trim()
}

/** Describes the type of a value for a message: "a Promise", "undefined", "a number". Never quotes the value. */
export function describeKind(value: unknown): string {
  if (value === null || value === undefined) return String(value)
  const kind = typeof value === 'object' ? nameOfClass(value) : typeof value
  return /^[aeiou]/i.test(kind) ? `an ${kind}` : `a ${kind}`
}

/** "object" for a Proxy or a class without a name. */
function nameOfClass(value: object): string {
  try {
    const { name } = value.constructor
    return typeof name === 'string' && /^[A-Z]\w{0,63}$/.test(name) && name !== 'Object' ? name : 'object'
  } catch {
    return 'object'
  }
}

/** How many causes of an error {@link describeFailure} names. */
const MAX_CAUSES = 2

/**
 * Describes what another library or the merchant's code threw: the class and the `code` of the error and of its causes,
 * as in "TypeError, caused by Error (code ECONNREFUSED)". Never quotes the message, which may contain any data.
 */
export function describeFailure(thrown: unknown): string {
  const descriptions = [describeThrown(thrown)]
  let cause = readMember(thrown, 'cause')
  while (cause !== undefined && cause !== null && descriptions.length <= MAX_CAUSES) {
    descriptions.push(describeThrown(cause))
    cause = readMember(cause, 'cause')
  }
  return descriptions.join(', caused by ')
}

function describeThrown(thrown: unknown): string {
  const name = readMember(thrown, 'name')
  const code = readMember(thrown, 'code')
  const known = isError(thrown) && typeof name === 'string' && /^[A-Za-z_$][\w$]{0,63}$/.test(name)
  return `${known ? name : describeKind(thrown)}${isPrintableCode(code) ? ` (code ${code})` : ''}`
}

/** The first `code` of an error and its causes that can be printed, such as `ECONNREFUSED`. */
export function printableCode(thrown: unknown): string | undefined {
  let error = thrown
  for (let depth = 0; depth <= MAX_CAUSES && error !== undefined && error !== null; depth++) {
    const code = readMember(error, 'code')
    // A DOMException has a number as code, which does not help a reader.
    if (typeof code === 'string' && isPrintableCode(code)) return code
    error = readMember(error, 'cause')
  }
  return undefined
}

/** A code such as `ECONNREFUSED`, `23505` or `14`. A longer number may identify a customer. */
function isPrintableCode(code: unknown): code is string | number {
  return (
    (typeof code === 'string' || typeof code === 'number') &&
    /^[\w.:-]{1,64}$/.test(String(code)) &&
    !/\d{7}/.test(String(code))
  )
}

/** Like `instanceof`, but false for a value that throws on access: code can throw a revoked Proxy. */
function isError(value: unknown): value is Error {
  try {
    return value instanceof Error
  } catch {
    return false
  }
}

/** Undefined if there is no such member, or if reading it throws. */
function readMember(value: unknown, name: string): unknown {
  try {
    return typeof value === 'object' && value !== null ? Reflect.get(value, name) : undefined
  } catch {
    return undefined
  }
}

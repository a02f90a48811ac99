import { match } from 'ts-pattern'
import {
  ConfigurationError,
  type HandlerError,
  isOrderSyncError,
  type OrderRefusedError,
  PROTOCOL_ERRORS,
  type ProtocolError,
} from '../errors.ts'
import { isResultCode, type OrderSyncResponse, RESULT_CODES, type Result, type ResultCode } from '../result-codes.ts'
import { type OwnSideError, toOwnSideError, unreadableResponse } from './failures.ts'

/** An {@link OrderSyncResponse} as text, as it is stored and sent, with the members that the handler itself needs. */
export interface SerializedResponse extends Pick<Result, 'resultCode' | 'resultStatus'> {
  readonly text: string
}

/** All outcomes of a request. */
export type Outcome =
  /** `onOrder` ran, and its response is stored. */
  | { readonly kind: 'processed'; readonly response: SerializedResponse }
  /** This request has a stored response. */
  | { readonly kind: 'replay'; readonly response: SerializedResponse }
  /** The event is known, or older than the last one: the stored response of the last processed request of the order. */
  | { readonly kind: 'duplicate' | 'stale'; readonly response: SerializedResponse; readonly comparison: Comparison }
  /** `onOrder` threw an {@link OrderRefusedError}. */
  | { readonly kind: 'refused'; readonly response: SerializedResponse; readonly error: OrderRefusedError }
  /** Another delivery of the order is being processed. */
  | { readonly kind: 'busy' }
  /** `onOrder` ended after its lease: its response was not stored, and another delivery may run. */
  | { readonly kind: 'fenced'; readonly error: HandlerError }
  /** The message breaks the protocol, or contradicts an earlier one. */
  | { readonly kind: 'rejected'; readonly error: ProtocolError }
  /** A failure on our side after the message was accepted: in `onOrder` or the store, or the time was up. */
  | { readonly kind: 'failed'; readonly error: OwnSideError }
  /**
   * A failure on our side before the order was accepted (mounting, credentials, decryption key, extInfoSchema), or in the signer.
   * Nothing was decided, and the response is unsigned.
   */
  | { readonly kind: 'unavailable'; readonly error: OwnSideError }

/** The outcome of a request whose order was not accepted. */
export type NotAccepted = Extract<Outcome, { readonly kind: 'rejected' | 'unavailable' }>

/** The comparison that shows that an event is not new. */
export interface Comparison {
  /** Of this request, in milliseconds since the epoch. */
  readonly orderModifyTime: number
  /** Of the last processed request of the order. */
  readonly lastOrderModifyTime: number
  /** Absent when the store does not know the content of the last processed request. */
  readonly contentDiffers?: boolean
}

/** The status and the body of a response. */
export interface StatusAndResponse {
  readonly status: number
  readonly response: SerializedResponse
}

/** The only function that knows the response of each outcome. Errors are for our logs, never for the peer. */
export function toResponse(
  outcome: Outcome,
  { alwaysStatus200 }: { readonly alwaysStatus200: boolean },
): StatusAndResponse {
  const result = match(outcome)
    .with(
      { kind: 'processed' },
      { kind: 'replay' },
      { kind: 'duplicate' },
      { kind: 'stale' },
      { kind: 'refused' },
      ({ response }) => ({ status: 200, response }),
    )
    .with({ kind: 'busy' }, { kind: 'fenced' }, { kind: 'failed' }, () => ({
      status: 200,
      response: resultResponse('UNKNOWN_EXCEPTION'),
    }))
    .with({ kind: 'rejected' }, ({ error }) => rejectionResponse(error))
    .with({ kind: 'unavailable' }, () => ({ status: 500, response: resultResponse('UNKNOWN_EXCEPTION') }))
    .exhaustive()
  return alwaysStatus200 ? { ...result, status: 200 } : result
}

/** The outcome of an error that ended a request before its message was accepted. */
export function toOutcome(error: unknown): NotAccepted {
  // The code is checked too: the error may come from another version of this package.
  return isOrderSyncError(error) && error.name === 'ProtocolError' && Object.hasOwn(PROTOCOL_ERRORS, error.code)
    ? { kind: 'rejected', error }
    : { kind: 'unavailable', error: toOwnSideError(error) }
}

function rejectionResponse({ code }: ProtocolError): StatusAndResponse {
  const { status, resultCode } = PROTOCOL_ERRORS[code]
  return { status, response: resultResponse(resultCode) }
}

/** The response to an order that was processed. */
export function successResponse(orderId: string): SerializedResponse {
  return serialize({ result: resultOf('SUCCESS'), orderId })
}

/**
 * The id in the result of the merchant's code.
 *
 * @param rule The beginning of the error message: who must give the id.
 * @throws {@link ConfigurationError} `ERR_ORDER_ID`
 */
export function requireOrderId(result: { readonly orderId: string }, rule: string): string {
  const orderId: unknown = result?.orderId
  if (typeof orderId === 'string' && /^[\s\S]{1,64}$/u.test(orderId)) return orderId
  throw new ConfigurationError('ERR_ORDER_ID', `${rule} { orderId }, a string of 1 to 64 characters.`)
}

/** The response to an order that `onOrder` refused. An unknown code becomes PROCESS_FAIL. */
export function refusalResponse({ resultCode, resultMessage }: OrderRefusedError): SerializedResponse {
  const result = resultOf(isResultCode(resultCode) && resultCode !== 'SUCCESS' ? resultCode : 'PROCESS_FAIL')
  // Do not cut a surrogate pair: strict JSON parsers reject half a character.
  if (typeof resultMessage === 'string')
    result.resultMessage = resultMessage.slice(0, 256).replace(/[\ud800-\udbff]$/, '')
  return serialize({ result })
}

/**
 * The response that a store returned.
 *
 * @throws {@link HandlerError} `ERR_STORE` if it is not a valid response
 */
export function parseStoredResponse(text: string): SerializedResponse {
  try {
    const { result } = JSON.parse(text) as OrderSyncResponse
    return { resultCode: result.resultCode, resultStatus: result.resultStatus, text }
  } catch {
    // The error of JSON.parse() quotes the text.
    throw unreadableResponse()
  }
}

function resultResponse(resultCode: ResultCode): SerializedResponse {
  return serialize({ result: resultOf(resultCode) })
}

function resultOf(resultCode: ResultCode): Result {
  const { status, message } = RESULT_CODES[resultCode]
  return { resultCode, resultStatus: status, resultMessage: message }
}

function serialize(response: OrderSyncResponse): SerializedResponse {
  const { resultCode, resultStatus } = response.result
  return { resultCode, resultStatus, text: JSON.stringify(response) }
}

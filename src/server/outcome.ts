import { match } from 'ts-pattern'
import { isOrderSyncError, PROTOCOL_ERRORS, type OrderRefusedError, type ProtocolError } from '../errors.ts'
import type { OrderSyncResponse } from '../result-codes.ts'
import { isResultCode, RESULT_CODES, type Result, type ResultCode } from '../result-codes.ts'

/** A {@link OrderSyncResponse}, as it is kept and answered. */
export interface SerializedResponse extends Pick<Result, 'resultCode' | 'resultStatus'> {
  readonly text: string
}

/** All that can become of a request. */
export type Outcome =
  /** `onOrder` ran, and its answer is kept. */
  | { readonly kind: 'processed'; readonly reply: SerializedResponse }
  /** Known already: the stored answer of this request, or of the last processed one of the order. */
  | { readonly kind: 'replay' | 'duplicate' | 'stale'; readonly reply: SerializedResponse }
  /** `onOrder` threw a {@link RefusalError}. */
  | { readonly kind: 'refused'; readonly reply: SerializedResponse; readonly error: OrderRefusedError }
  /** Another delivery of the order is being processed. */
  | { readonly kind: 'busy' }
  /** `onOrder` ended after its lease had: its answer was not kept, and another delivery may run. */
  | { readonly kind: 'fenced' }
  /** The message breaks the protocol, or contradicts an earlier one. */
  | { readonly kind: 'rejected'; readonly error: ProtocolError }
  /** Ours to mend, after the message was accepted: `onOrder` threw, the store failed, or time ran out. */
  | { readonly kind: 'failed'; readonly error: unknown }
  /** Ours to mend, before the message could be judged: the body was parsed already, or the credentials failed. */
  | { readonly kind: 'unavailable'; readonly error: unknown }

/** What is answered: an HTTP status and a message. */
export interface Answer {
  readonly status: number
  readonly reply: SerializedResponse
}

/** The one place that knows what each outcome is answered with. An error is for our logs, never for the peer. */
export function toAnswer(outcome: Outcome, { alwaysStatus200 }: { readonly alwaysStatus200: boolean }): Answer {
  const answer = answerOf(outcome)
  return alwaysStatus200 ? { ...answer, status: 200 } : answer
}

function answerOf(outcome: Outcome): Answer {
  // Not matched: most outcomes are of these kinds, and matching makes more garbage than all of the answer.
  if ('reply' in outcome) return { status: 200, reply: outcome.reply }
  return match(outcome)
    .with({ kind: 'busy' }, { kind: 'fenced' }, { kind: 'failed' }, () => ({
      status: 200,
      reply: resultReply('UNKNOWN_EXCEPTION'),
    }))
    .with({ kind: 'rejected' }, ({ error }) => rejection(error))
    .with({ kind: 'unavailable' }, () => ({ status: 500, reply: resultReply('UNKNOWN_EXCEPTION') }))
    .exhaustive()
}

function rejection({ code }: ProtocolError): Answer {
  const { status, resultCode } = PROTOCOL_ERRORS[code]
  return { status, reply: resultReply(resultCode) }
}

/** The reply to an order that was processed. */
export function successReply(orderId: string): SerializedResponse {
  const result = resultOf('SUCCESS')
  return written(result, JSON.stringify({ result, orderId } satisfies OrderSyncResponse))
}

/** The reply to an order that the merchant's code refused. An unknown code would be nobody's to understand. */
export function refusalReply({ resultCode, resultMessage }: OrderRefusedError): SerializedResponse {
  const result = resultOf(isResultCode(resultCode) && resultCode !== 'SUCCESS' ? resultCode : 'PROCESS_FAIL')
  // Not in the middle of a surrogate pair: half a character is no UTF-8.
  if (resultMessage !== undefined) result.resultMessage = resultMessage.slice(0, 256).replace(/[\ud800-\udbff]$/, '')
  return written(result, JSON.stringify({ result } satisfies OrderSyncResponse))
}

/** The reply that a store has kept. */
export function keptReply(text: string): SerializedResponse {
  return written((JSON.parse(text) as OrderSyncResponse).result, text)
}

function resultReply(resultCode: ResultCode): SerializedResponse {
  const result = resultOf(resultCode)
  return written(result, JSON.stringify({ result } satisfies OrderSyncResponse))
}

function resultOf(resultCode: ResultCode): Result {
  const { status, message } = RESULT_CODES[resultCode]
  return { resultCode, resultStatus: status, resultMessage: message }
}

function written({ resultCode, resultStatus }: Result, text: string): SerializedResponse {
  return { resultCode, resultStatus, text }
}

/** What an error means that ended a request before its message was accepted. */
export function fromError(error: unknown): Outcome {
  return isOrderSyncError(error) && error.name === 'RejectionError'
    ? { kind: 'rejected', error }
    : { kind: 'unavailable', error }
}

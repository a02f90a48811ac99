import { match } from 'ts-pattern'
import { ConfigurationError, HandlerError, ProtocolError } from '../errors.ts'
import { toOwnSideError } from './failures.ts'
import type { HttpResponse } from './http.ts'
import type { NotAccepted } from './outcome.ts'
import { respondUnavailable } from './respond.ts'
import { createTrace } from './trace.ts'

const responses = new WeakMap<object, HttpResponse>()

/**
 * Notes the response that belongs to an error. Not a member of the error, so that printing the error does not print the response.
 *
 * @returns The error, or a copy: the merchant's code may throw the same object for two requests.
 */
export function withResponse(error: NotAccepted['error'], response: HttpResponse): NotAccepted['error'] {
  const own = responses.has(error) ? copyOf(error) : error
  responses.set(own, response)
  return own
}

function copyOf(error: NotAccepted['error']): NotAccepted['error'] {
  const { message, cause } = error
  return match<NotAccepted['error'], NotAccepted['error']>(error)
    .with({ name: 'ProtocolError' }, ({ code, issues }) => new ProtocolError(code, message, { cause, issues }))
    .with({ name: 'HandlerError' }, ({ code }) => new HandlerError(code, message, { cause }))
    .with({ name: 'ConfigurationError' }, ({ code }) => new ConfigurationError(code, message, { cause }))
    .exhaustive()
}

/**
 * The response to send for an error of `verifyRequest()` or of its `respond()`: signed if the request had verified,
 * otherwise unsigned. It contains only the result code. For any other error it is an unsigned `UNKNOWN_EXCEPTION` with
 * HTTP status 500, after which the peer retries.
 *
 * @see docs/protocol.md section 6
 * @example
 * ```ts
 * import { responseToError } from 'alipayhk-order-sync'
 *
 * const { status, headers, body } = responseToError(new Error('the queue is full'))
 * ```
 */
export function responseToError(error: unknown): HttpResponse {
  const made = typeof error === 'object' && error !== null ? responses.get(error) : undefined
  if (made !== undefined) return made
  const { tracerId } = createTrace()
  const settings = { now: () => Date.now(), alwaysStatus200: false }
  return respondUnavailable(toOwnSideError(error), settings, tracerId)
}

import { match } from 'ts-pattern'
import {
  DeliveryError,
  OrderRefusedError,
  ProtocolError,
  type ProtocolErrorCode,
  type UntrustedResponseCode,
  UntrustedResponseError,
} from '../errors.ts'
import { validateResponse } from '../messages/validate.ts'
import { ORDER_SYNC_METHOD } from '../protocol/endpoint.ts'
import { requireHeader } from '../protocol/headers.ts'
import { clockHint } from '../protocol/time.ts'
import type { OrderSyncResponse } from '../result-codes.ts'
import { parseFreshHead, verifyMessage } from '../secure-message/verify.ts'
import { describeOwnSignature, hintOf } from './hint.ts'
import type { ClientSettings } from './options.ts'
import { excerptOf, MAYBE_PROCESSED, type ReceivedResponse } from './read-response.ts'

/** The result of a sync that succeeded. */
export interface SyncResult {
  /** The order's id on the peer's side. */
  readonly orderId: string
  /** The id of the request, the same in every attempt. */
  readonly requestId: string
  /** How many attempts it took. */
  readonly attempts: number
  /** The peer's `Tracer-Id`, if it sent a printable one: quote it when you ask the peer. The signature does not cover it. */
  readonly tracerId: string | undefined
  /** The verified response. */
  readonly response: OrderSyncResponse
}

/** How far a `Response-Time` may be before the time of its own request: an allowance for the difference of the clocks. */
const CLOCK_DIFFERENCE_MS = 60_000

/**
 * Verifies a response with our own client id and the peer's key, and only then parses it.
 *
 * @param request The time is that of the `Request-Time` header, in milliseconds since the epoch.
 * @throws {@link UntrustedResponseError} every code except those of {@link readResponse}
 * @see docs/protocol.md section 6.4
 */
export async function verifyResponse<ExtInfo>(
  received: ReceivedResponse,
  settings: ClientSettings<ExtInfo>,
  { requestId, sentAt }: { readonly requestId: string; readonly sentAt: number },
): Promise<OrderSyncResponse> {
  const untrusted = (code: UntrustedResponseCode, message: string, cause: ProtocolError) =>
    new UntrustedResponseError(code, `${message} ${MAYBE_PROCESSED}`, {
      cause,
      httpStatus: received.status,
      requestId,
      excerpt: excerptOf(received.body),
    })
  let value: unknown
  try {
    value = await verifySigned(received, settings, sentAt)
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error
    const isSigned = Boolean(received.headers.get('signature'))
    const code = isSigned ? (RESPONSE_CODES[error.code] ?? 'ERR_REPLY_INVALID') : 'ERR_REPLY_UNSIGNED'
    const hint = await hintOf(error, received, settings, sentAt)
    throw untrusted(code, `The response cannot be trusted. ${error.message}${hint === '' ? '' : ` ${hint}`}`, error)
  }
  try {
    return validateResponse(value)
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error
    throw untrusted(
      'ERR_REPLY_INVALID',
      `The peer signed the response, but its content is invalid. ${error.message}`,
      error,
    )
  }
}

async function verifySigned<ExtInfo>(
  { headers, body }: ReceivedResponse,
  settings: ClientSettings<ExtInfo>,
  sentAt: number,
): Promise<unknown> {
  const { credentials, signedPath: path, clockToleranceSeconds, now } = settings
  requireHeader(headers, 'Signature')
  if (requireHeader(headers, 'Client-Id') !== credentials.clientId) {
    throw new ProtocolError('ERR_HEADER_INVALID', 'The Client-Id header differs from your "clientId".')
  }
  const head = parseFreshHead(headers, 'response', { now: now(), clockToleranceSeconds })
  assertNotBefore(head.sentAt, sentAt)
  const { value } = await verifyMessage({ method: ORDER_SYNC_METHOD, path, head, body }, credentials, settings)
  return value
}

/** A response that is older than its request belongs to another request: it may be a replay. */
function assertNotBefore(respondedAt: number, sentAt: number): void {
  if (respondedAt >= sentAt - CLOCK_DIFFERENCE_MS) return
  const seconds = Math.round((sentAt - respondedAt) / 1_000)
  const message = `Response-Time is ${seconds} s before the Request-Time of its own request. ${clockHint(seconds)}`
  throw new ProtocolError('ERR_TIME_RANGE', message)
}

const RESPONSE_CODES: { readonly [Code in ProtocolErrorCode]?: UntrustedResponseCode } = {
  ERR_SIGNATURE_INVALID: 'ERR_REPLY_SIGNATURE',
  ERR_TIME_RANGE: 'ERR_REPLY_TIME',
}

/** Unsigned statuses that mean "retry later": they come from the peer's HTTP layer or from a proxy, before any decision. */
const isTryLater = (status: number) => status >= 500 || status === 429 || status === 408

/**
 * The error of an untrusted response, for the caller. A status that means "retry later" contains no result to distrust:
 * the outcome is unknown, and a retry is safe.
 *
 * @see docs/protocol.md section 6.2
 */
export function asUnknownIfTryLater(
  error: UntrustedResponseError,
  retryAfterMs: number | undefined,
): UntrustedResponseError | DeliveryError {
  const { httpStatus, requestId = '', excerpt = '' } = error
  if (httpStatus === undefined || !isTryLater(httpStatus)) return error
  const message = `The peer responded with HTTP ${httpStatus}, without a valid signature.`
  return new DeliveryError('ERR_HTTP_STATUS', message, { cause: error, httpStatus, requestId, excerpt, retryAfterMs })
}

/**
 * The order id of a verified response that reports success.
 *
 * @throws {@link OrderRefusedError} for `F`
 * @throws {@link DeliveryError} `ERR_RESULT_UNKNOWN` for `U`, and for `A`, which is not final either
 */
export function requireSuccess<ExtInfo>(
  response: OrderSyncResponse,
  { status, headers }: ReceivedResponse,
  settings: ClientSettings<ExtInfo>,
  { requestId, sentAt, retryAfterMs }: { requestId: string; sentAt: number; retryAfterMs: number | undefined },
): string {
  const { resultCode, resultStatus, resultMessage } = response.result
  const undecided = () => {
    const message = `The peer has not decided yet: the result status is ${resultStatus}. Retry later with the same requestId.`
    return new DeliveryError('ERR_RESULT_UNKNOWN', message, { httpStatus: status, requestId, response, retryAfterMs })
  }
  return match(resultStatus)
    .with('S', () => {
      // The schema requires `orderId` with `S`. Without it, the outcome would be unknown.
      if (response.orderId === undefined) throw undecided()
      return response.orderId
    })
    .with('F', () => {
      const hint = resultCode === 'INVALID_SIGNATURE' ? describeOwnSignature(headers, settings, sentAt) : undefined
      throw new OrderRefusedError(resultCode, resultMessage, {
        requestId,
        response,
        ...(hint !== undefined && { hint }),
      })
    })
    .with('U', 'A', () => {
      throw undecided()
    })
    .exhaustive()
}

import { match } from 'ts-pattern'
import { diagnoseSignature } from '../diagnosis/signature.ts'
import {
  DeliveryError,
  OrderRefusedError,
  ProtocolError,
  type ProtocolErrorCode,
  printable,
  type UntrustedResponseCode,
  UntrustedResponseError,
} from '../errors.ts'
import { validateResponse } from '../messages/validate.ts'
import { ORDER_SYNC_METHOD } from '../protocol/endpoint.ts'
import { collectHeaders, parseMessageHead, requireHeader } from '../protocol/headers.ts'
import type { OrderSyncResponse } from '../result-codes.ts'
import { parseFreshHead, verifyMessage } from '../secure-message/verify.ts'
import type { ClientSettings } from './options.ts'

/** An HTTP response, read completely. */
export interface ReceivedResponse {
  readonly status: number
  /** By lower-case name. */
  readonly headers: ReadonlyMap<string, string>
  readonly body: Uint8Array
}

/**
 * Reads the body of a response, up to a limit.
 *
 * @throws {@link UntrustedResponseError} `ERR_REPLY_REDIRECT`, `ERR_REPLY_TOO_LARGE`
 */
export async function readResponse(response: Response, maxBytes: number, requestId: string): Promise<ReceivedResponse> {
  const { status, type } = response
  if (type === 'opaqueredirect' || (status >= 300 && status < 400)) {
    cancelQuietly(response.body)
    const message = 'The response is a redirect. Orders are sent only to the configured URL.'
    throw new UntrustedResponseError('ERR_REPLY_REDIRECT', message, { httpStatus: status, requestId })
  }
  return { status, headers: collectHeaders(response.headers), body: await readBody(response, maxBytes, requestId) }
}

async function readBody({ body, status }: Response, maxBytes: number, requestId: string): Promise<Uint8Array> {
  const chunks: Uint8Array[] = []
  let size = 0
  const reader = body?.getReader()
  for (;;) {
    const { value } = (await reader?.read()) ?? {}
    if (value === undefined) return Buffer.concat(chunks)
    size += value.length
    chunks.push(value)
    if (size > maxBytes) {
      cancelQuietly(reader)
      const details = { httpStatus: status, requestId, excerpt: excerptOf(Buffer.concat(chunks), { isCut: true }) }
      const message = `The response is larger than the limit of ${maxBytes} bytes.`
      throw new UntrustedResponseError('ERR_REPLY_TOO_LARGE', message, details)
    }
  }
}

/** Cancels a stream, and with it its connection. Not awaited: some streams never finish cancelling, or fail. */
function cancelQuietly(stream: { cancel(): Promise<void> } | null | undefined): void {
  stream?.cancel().catch(() => {})
}

/** How far a `Response-Time` may be before the time of its own request: the two clocks may differ by this much. */
const CLOCK_DIFFERENCE_MS = 60_000

/**
 * Verifies a response with our own client id and the peer's key, and only then parses it.
 *
 * @param request The time is that of the `Request-Time` header, in milliseconds since the epoch.
 * @throws {@link UntrustedResponseError} every code except those of {@link readResponse}
 * @see docs/protocol.md section 6.4
 */
export async function verifyResponse<ExtInfo>(
  { headers, body, status }: ReceivedResponse,
  settings: ClientSettings<ExtInfo>,
  { requestId, sentAt }: { readonly requestId: string; readonly sentAt: number },
): Promise<OrderSyncResponse> {
  const { credentials, signedPath: path, clockToleranceSeconds, now } = settings
  const received = { method: ORDER_SYNC_METHOD, path, body }
  const isSigned = Boolean(headers.get('signature'))
  try {
    requireHeader(headers, 'Signature')
    if (requireHeader(headers, 'Client-Id') !== credentials.clientId) {
      throw new ProtocolError('ERR_HEADER_INVALID', 'The Client-Id header is not ours.')
    }
    const head = parseFreshHead(headers, 'response', { now: now(), clockToleranceSeconds })
    assertNotBefore(head.sentAt, sentAt)
    const { value } = await verifyMessage({ ...received, head }, credentials, settings)
    return validateResponse(value)
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error
    const hint =
      error.code === 'ERR_SIGNATURE_INVALID'
        ? await diagnoseSignature({ ...received, head: parseMessageHead(headers, 'response') }, headers, credentials)
        : hintOf(status)
    const code = isSigned ? (RESPONSE_CODES[error.code] ?? 'ERR_REPLY_INVALID') : 'ERR_REPLY_UNSIGNED'
    throw new UntrustedResponseError(code, `The response cannot be trusted. ${error.message} ${hint}`, {
      cause: error,
      httpStatus: status,
      requestId,
      excerpt: excerptOf(body),
    })
  }
}

/** A response that is older than its request responds to another request: somebody may have recorded it. */
function assertNotBefore(respondedAt: number, sentAt: number): void {
  if (respondedAt >= sentAt - CLOCK_DIFFERENCE_MS) return
  const seconds = Math.round((sentAt - respondedAt) / 1_000)
  const message = `Response-Time is ${seconds} s before the Request-Time of its own request. Check the clocks of both machines.`
  throw new ProtocolError('ERR_TIME_RANGE', message)
}

/** Without a signature to diagnose, the HTTP status may explain the response. */
function hintOf(status: number): string {
  const known = status === 401 ? ' A receiver that does not know the Client-Id responds like this.' : ''
  return `The HTTP status is ${status}. error.excerpt shows the start of the unverified body.${known}`
}

const RESPONSE_CODES: { readonly [Code in ProtocolErrorCode]?: UntrustedResponseCode } = {
  ERR_SIGNATURE_INVALID: 'ERR_REPLY_SIGNATURE',
  ERR_TIME_RANGE: 'ERR_REPLY_TIME',
}

/**
 * The error that an untrusted response means for the caller. An HTTP 5xx says that the peer's HTTP layer is down, so
 * there is nobody to distrust: the outcome is unknown, and a retry is right.
 */
export function asUnknownIf5xx(error: UntrustedResponseError): UntrustedResponseError | DeliveryError {
  const { httpStatus, requestId = '', excerpt = '' } = error
  if (httpStatus === undefined || httpStatus < 500) return error
  return new DeliveryError('ERR_HTTP_STATUS', `The peer responded with HTTP ${httpStatus}, and no valid signature.`, {
    cause: error,
    httpStatus,
    requestId,
    excerpt,
  })
}

/**
 * The order id of a verified response that reports success.
 *
 * @throws {@link OrderRefusedError} for `F`
 * @throws {@link DeliveryError} `ERR_RESULT_UNKNOWN` for `U`, and for `A`, which is not final either
 */
export function requireSuccess(response: OrderSyncResponse, requestId: string, httpStatus: number): string {
  const { resultCode, resultStatus, resultMessage } = response.result
  const undecided = () => {
    const message = `The peer has not decided: its result status is ${resultStatus}. Retry later with the same requestId.`
    return new DeliveryError('ERR_RESULT_UNKNOWN', message, { httpStatus, requestId, response })
  }
  return match(resultStatus)
    .with('S', () => {
      // The schema requires `orderId` with `S`. Without it, nothing would be decided.
      if (response.orderId === undefined) throw undecided()
      return response.orderId
    })
    .with('F', () => {
      throw new OrderRefusedError(resultCode, resultMessage, { requestId, response })
    })
    .with('U', 'A', () => {
      throw undecided()
    })
    .exhaustive()
}

/**
 * The start of an unverified response, safe to show: enough to recognize a proxy's error page, with everything masked
 * that could be an id, an address, a token or a key.
 *
 * @param body The response, or its start when `isCut`.
 */
export function excerptOf(body: Uint8Array, { isCut = body.length > 1_000 }: { isCut?: boolean } = {}): string {
  const text = new TextDecoder().decode(body.subarray(0, 1_000))
  // Drop the last word of a cut text: the part that is missing may be what identifies a token.
  return printable(isCut ? text.replace(/\S*$/, '') : text, 1_000)
    .replace(/\s+/g, ' ')
    .replace(/\S+@\S+/g, '…')
    .replace(/[\w+/=%-]{24,}/g, '…')
    .replace(/\d{5,}/g, '…')
    .slice(0, 200)
}

import {
  DeliveryError,
  OrderRefusedError,
  type ProtocolErrorCode,
  ProtocolError,
  type UntrustedResponseCode,
  UntrustedResponseError,
} from '../errors.ts'
import { diagnoseSignature } from '../diagnosis/signature.ts'
import { requireHeader, verifyMessage } from '../secure-message/verify.ts'
import type { OrderSyncResponse } from '../result-codes.ts'
import { validateResponse } from '../messages/validate.ts'
import { ORDER_SYNC_METHOD } from '../protocol/endpoint.ts'
import { excerptOf } from './excerpt.ts'
import type { Settings } from './options.ts'

/** An HTTP answer, read whole. */
export interface ReceivedResponse {
  readonly status: number
  readonly headers: ReadonlyMap<string, string>
  readonly body: Uint8Array
}

/**
 * Reads the answer's body, up to a bound.
 *
 * @throws {@link ReplyError} `ERR_REPLY_REDIRECT`, `ERR_REPLY_TOO_LARGE`
 */
export async function readAnswer(response: Response, maxBytes: number, requestId: string): Promise<ReceivedResponse> {
  const { status, type } = response
  if (type === 'opaqueredirect' || (status >= 300 && status < 400)) {
    letGo(response.body)
    const message = 'The answer is a redirect; orders are sent to the configured URL and to no other.'
    throw new UntrustedResponseError('ERR_REPLY_REDIRECT', message, { httpStatus: status, requestId })
  }
  return { status, headers: ourHeaders(response.headers), body: await readWhole(response, maxBytes, requestId) }
}

async function readWhole({ body, status }: Response, maxBytes: number, requestId: string): Promise<Uint8Array> {
  const chunks: Uint8Array[] = []
  let size = 0
  const reader = body?.getReader()
  for (;;) {
    const { value } = (await reader?.read()) ?? {}
    if (value === undefined) return chunks.length === 1 ? (chunks[0] as Uint8Array) : Buffer.concat(chunks)
    size += value.length
    chunks.push(value)
    if (size > maxBytes) {
      letGo(reader)
      const details = { httpStatus: status, requestId, excerpt: excerptOf(Buffer.concat(chunks), { cut: true }) }
      const message = `The answer is larger than the ${maxBytes} bytes that are accepted.`
      throw new UntrustedResponseError('ERR_REPLY_TOO_LARGE', message, details)
    }
  }
}

/** And with the stream of its connection. Not awaited: some never end, or fail. */
function letGo(stream: { cancel(): Promise<void> } | null | undefined): void {
  stream?.cancel().catch(() => {})
}

/** The headers that matter here, one by one: Headers sorts all of them for who iterates. */
function ourHeaders(headers: Headers): ReadonlyMap<string, string> {
  const ours = new Map<string, string>()
  for (const name of ['client-id', 'content-type', 'signature', 'encrypt', 'response-time', 'tracer-id']) {
    const value = headers.get(name)
    if (value !== null) ours.set(name, value)
  }
  return ours
}

/**
 * Verifies an answer with our own client id and the peer's key, and only then parses it.
 *
 * @throws {@link ReplyError} every code but those of {@link readAnswer}
 * @see docs/protocol.md section 6.4
 */
export async function verifyAnswer<ExtInfo>(
  answer: ReceivedResponse,
  settings: Settings<ExtInfo>,
  requestId: string,
): Promise<OrderSyncResponse> {
  const { headers, body, status } = answer
  const { credentials, path, json, clockToleranceSeconds, envelope, now } = settings
  const arrived = { method: ORDER_SYNC_METHOD, path, timeHeader: 'Response-Time', headers, body: () => body } as const
  try {
    requireHeader(headers, 'Signature')
    if (requireHeader(headers, 'Client-Id') !== credentials.clientId) {
      throw new ProtocolError('ERR_HEADER_INVALID', 'The Client-Id header is not ours.')
    }
    const { message } = await verifyMessage(arrived, credentials, envelope, { now: now(), clockToleranceSeconds, json })
    return validateResponse(message)
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error
    const hint =
      error.code === 'ERR_SIGNATURE_INVALID' ? await diagnoseSignature(arrived, body, credentials) : undefined
    const code = headers.has('signature') ? (REPLY_CODES[error.code] ?? 'ERR_REPLY_INVALID') : 'ERR_REPLY_UNSIGNED'
    const words = ['The answer cannot be trusted.', error.message, hint ?? hintOf(status)]
    throw new UntrustedResponseError(code, words.join(' '), {
      cause: error,
      httpStatus: status,
      requestId,
      excerpt: excerptOf(body),
    })
  }
}

/** The signature tells why; where there is none, the HTTP status may. */
function hintOf(status: number): string {
  const known = status === 401 ? ' A receiver that does not know the Client-Id answers like this.' : ''
  return `The HTTP status is ${status}; what was said, unverified, begins as error.excerpt shows.${known}`
}

const REPLY_CODES: { readonly [Code in ProtocolErrorCode]?: UntrustedResponseCode } = {
  ERR_SIGNATURE_INVALID: 'ERR_REPLY_SIGNATURE',
  ERR_TIME_RANGE: 'ERR_REPLY_TIME',
}

/** The error that a verified reply other than `S` is to our caller. */
export function toError(reply: OrderSyncResponse, requestId: string, httpStatus: number): OrderRefusedError | DeliveryError {
  const { resultCode, resultStatus, resultMessage } = reply.result
  if (resultStatus === 'F') return new OrderRefusedError(resultCode, resultMessage, { requestId, reply })
  const message = `The peer has not decided: it answered ${resultStatus}. Send the order again later, with the same requestId.`
  return new DeliveryError('ERR_RESULT_UNKNOWN', message, { httpStatus, requestId, reply })
}

/** A 5xx that cannot be trusted says well enough that the peer's HTTP layer is down: there is nobody to distrust. */
export function toDeliveryError(error: UntrustedResponseError): UntrustedResponseError | DeliveryError {
  const { httpStatus = 0, requestId = '', excerpt = '' } = error
  if (httpStatus < 500) return error
  return new DeliveryError(
    'ERR_HTTP_STATUS',
    `The peer answered HTTP ${httpStatus}, and nothing that can be trusted.`,
    {
      cause: error,
      httpStatus,
      requestId,
      excerpt,
    },
  )
}

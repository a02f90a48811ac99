import { printable, UntrustedResponseError } from '../errors.ts'
import { collectHeaders } from '../protocol/headers.ts'

/** The advice for every response that cannot be trusted. */
export const MAYBE_PROCESSED =
  'The order may have been processed. Find out who responded, then send it again with the same requestId (error.requestId).'

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
    const message = `The response is a redirect. Orders are sent only to the configured URL. ${MAYBE_PROCESSED}`
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
      const message = `The response is larger than the limit of ${maxBytes} bytes. ${MAYBE_PROCESSED}`
      throw new UntrustedResponseError('ERR_REPLY_TOO_LARGE', message, details)
    }
  }
}

/** Cancels a stream and its connection. Not awaited: cancelling some streams never ends, or fails. */
function cancelQuietly(stream: { cancel(): Promise<void> } | null | undefined): void {
  stream?.cancel().catch(() => {})
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

import type { ParsedCredentials } from '../secure-message/credentials.ts'
import { findEncryptionKey, type MessageToSend, type SecuredMessage } from '../secure-message/secure.ts'
import { encodeUtf8 } from '../protocol/encoding.ts'
import { ORDER_SYNC_METHOD } from '../protocol/endpoint.ts'
import { CONTENT_TYPES } from '../protocol/headers.ts'
import { formatTime } from '../protocol/time.ts'
import type { Progress } from './event.ts'
import type { Settings } from './options.ts'
import type { Answer } from './outcome.ts'

/** An answer, as any HTTP layer can send it. */
export interface HttpResponse {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  /** The bytes that were signed; send them as they are. */
  readonly body: Uint8Array
}

/** The message that carries an answer: encrypted when the request was. */
export function toOutgoing<ExtInfo, Transaction>(
  { reply }: Answer,
  { method, path, headers }: Progress,
  caller: ParsedCredentials,
  settings: Settings<ExtInfo, Transaction>,
): MessageToSend {
  const encryptTo = headers.has('encrypt') ? findEncryptionKey(caller) : undefined
  const plaintext = encodeUtf8(reply.text)
  return { method, path, timeHeader: 'Response-Time', now: settings.now(), plaintext, encryptTo }
}

/** An answer to a caller that is known, secured: refusals too. */
export function signed(answer: Answer, { headers, body }: SecuredMessage): HttpResponse {
  return { status: answer.status, headers: withAllow(headers, answer), body }
}

/** RFC 9110 section 15.5.6: a 405 says what would have been right. */
function withAllow(headers: HttpResponse['headers'], { status }: Answer): HttpResponse['headers'] {
  return status === 405 ? { ...headers, Allow: ORDER_SYNC_METHOD } : headers
}

/** An answer to a stranger, or while the signer is out of reach. */
export function unsigned<ExtInfo, Transaction>(
  answer: Answer,
  settings: Settings<ExtInfo, Transaction>,
): HttpResponse {
  const headers = { 'Content-Type': CONTENT_TYPES.json, ...responseTime(settings) }
  return {
    status: answer.status,
    headers: withAllow(headers, answer),
    body: encodeUtf8(answer.reply.text),
  }
}

/** None where the clock fails: an answer is due all the same. */
function responseTime({ now }: { now: () => number }): { 'Response-Time'?: string } {
  try {
    return { 'Response-Time': formatTime(now()) }
  } catch {
    return {}
  }
}

import { findEncryptionKey, pack } from '../exchange/pack.ts'
import { encodeUtf8 } from '../protocol/bytes.ts'
import { ORDER_SYNC_METHOD } from '../protocol/endpoint.ts'
import { CONTENT_TYPES } from '../protocol/headers.ts'
import { formatTime } from '../protocol/time.ts'
import type { Progress } from './event.ts'
import type { Settings } from './options.ts'
import type { Answer } from './outcome.ts'

/** An answer, as any HTTP layer can send it. */
export interface OutgoingReply {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  /** The bytes that were signed; send them as they are. */
  readonly body: Uint8Array
}

/**
 * Secures an answer: signed when the caller is known, refusals too, and encrypted when the request was.
 *
 * @see docs/protocol.md section 6.3
 */
export async function respond<ExtInfo, Transaction>(
  answer: Answer,
  progress: Progress,
  settings: Settings<ExtInfo, Transaction>,
): Promise<OutgoingReply> {
  const { caller } = progress
  if (caller === undefined) return unsigned(answer, settings)
  const encryptTo = progress.headers.has('encrypt') ? findEncryptionKey(caller) : undefined
  const plaintext = encodeUtf8(JSON.stringify(answer.reply))
  const { method, path } = progress
  const message = { method, path, timeHeader: 'Response-Time', now: settings.now(), plaintext, encryptTo } as const
  const { headers, body } = await pack(message, caller, settings.envelope)
  return { status: answer.status, headers: withAllow(headers, answer), body }
}

/** Whether a signer of the merchant's is asked, which may take its time. */
export function isSignedElsewhere({ caller }: Progress): boolean {
  return caller?.signingKey.key.form === 'signer'
}

/** RFC 9110 section 15.5.6: a 405 says what would have been right. */
function withAllow(headers: OutgoingReply['headers'], { status }: Answer): OutgoingReply['headers'] {
  return status === 405 ? { ...headers, Allow: ORDER_SYNC_METHOD } : headers
}

/** An answer to a stranger, or while the signer is out of reach. */
export function unsigned<ExtInfo, Transaction>(
  answer: Answer,
  settings: Settings<ExtInfo, Transaction>,
): OutgoingReply {
  const headers = { 'Content-Type': CONTENT_TYPES.json, 'Response-Time': formatTime(settings.now()) }
  return {
    status: answer.status,
    headers: withAllow(headers, answer),
    body: encodeUtf8(JSON.stringify(answer.reply)),
  }
}

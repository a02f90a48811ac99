import { shownPath } from '../diagnosis/change.ts'
import { diagnoseSignature } from '../diagnosis/signature.ts'
import type { ProtocolError } from '../errors.ts'
import { ORDER_SYNC_METHOD } from '../protocol/endpoint.ts'
import { parseMessageHead } from '../protocol/headers.ts'
import { parseLoosely, STRICT_JSON } from '../protocol/json.ts'
import { clockHint, parseTime } from '../protocol/time.ts'
import type { ClientSettings } from './options.ts'
import type { ReceivedResponse } from './read-response.ts'

/** The likely cause of a response that cannot be trusted. Empty if the error message is enough. */
export async function hintOf<ExtInfo>(
  { code }: ProtocolError,
  { status, headers, body }: ReceivedResponse,
  settings: ClientSettings<ExtInfo>,
  sentAt: number,
): Promise<string> {
  if (code === 'ERR_TIME_RANGE') return ''
  if (code === 'ERR_SIGNATURE_INVALID') {
    const head = parseMessageHead(headers, 'response')
    const message = { method: ORDER_SYNC_METHOD, path: settings.signedPath, head, body }
    return await diagnoseSignature(message, headers, settings.credentials)
  }
  const shown = `The HTTP status is ${status}. error.excerpt shows the start of the unverified body.`
  if (status !== 401) return shown
  const { resultCode } = unverifiedResult(body)
  if (resultCode === 'INVALID_SIGNATURE') return `${shown} ${describeOwnSignature(headers, settings, sentAt)}`
  const known = 'Receivers respond like this if they do not know the Client-Id.'
  return resultCode === 'INVALID_CLIENT'
    ? `${shown} ${known}`
    : `${shown} ${known} ${describeOwnSignature(headers, settings, sentAt)}`
}

/** The result in an unsigned body: it only helps to explain the failure. */
function unverifiedResult(body: Uint8Array): { readonly resultCode?: unknown } {
  const value = parseLoosely(body, STRICT_JSON)?.value as { result?: { resultCode?: unknown } } | null | undefined
  return typeof value === 'object' && typeof value?.result === 'object' ? (value.result ?? {}) : {}
}

/** What to compare with a peer that rejects our signature. */
export function describeOwnSignature<ExtInfo>(
  headers: ReadonlyMap<string, string>,
  { credentials, signedPath, url }: ClientSettings<ExtInfo>,
  sentAt: number,
): string {
  const { version, key } = credentials.signingKey
  const fingerprint =
    key.fingerprint === undefined ? 'a signer or CryptoKey, without a fingerprint' : `fingerprint ${key.fingerprint}`
  return `If the peer rejects your signature, compare with the peer: the signed path ${shownPath(signedPath)} (the URL is ${url.origin}${shownPath(url.pathname)}); the key, privateKeys[${version}] (${fingerprint}); and the clock, ${clockDifference(headers, sentAt)}.`
}

/** A larger difference between two clocks gets an explanation. */
const MAX_NORMAL_SECONDS = 60

function clockDifference(headers: ReadonlyMap<string, string>, sentAt: number): string {
  for (const name of ['response-time', 'date']) {
    const time = timeOf(headers.get(name) ?? '')
    if (time === undefined) continue
    const seconds = Math.round((sentAt - time) / 1_000)
    const direction = seconds < 0 ? 'behind' : 'ahead of'
    const hint = Math.abs(seconds) > MAX_NORMAL_SECONDS ? ` (${clockHint(seconds).replace(/\.$/, '')})` : ''
    return `which is ${Math.abs(seconds)} s ${direction} the time in the response${hint}`
  }
  return 'which is unknown: the response has no time'
}

function timeOf(text: string): number | undefined {
  try {
    return parseTime(text)
  } catch {
    const time = Date.parse(text)
    return Number.isNaN(time) ? undefined : time
  }
}

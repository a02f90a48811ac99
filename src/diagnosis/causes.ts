import type { ProtocolError } from '../errors.ts'
import { parseSignatureHeader, timeHeaderOf } from '../protocol/headers.ts'
import type { ParsedCredentials } from '../secure-message/credentials.ts'
import type { Checks } from './checks.ts'
import { type ExplainedMessage, instantOf, isSignatureReadable } from './explained-message.ts'
import type { ExplainedCause } from './opening.ts'
import type { Found } from './search.ts'

/** The causes, most important first: what makes the signature verify, other broken rules, the time. */
export function toCauses(
  message: ExplainedMessage,
  { errors, isSigned }: Checks,
  found: Found | undefined,
): ExplainedCause[] {
  const causes: ExplainedCause[] = [...(found?.causes ?? [])]
  const add = (cause: ExplainedCause | undefined) => {
    if (cause !== undefined && !causes.some(({ code }) => code === cause.code)) causes.push(cause)
  }
  const isExplained = isSigned || found?.causes !== undefined
  for (const error of errors) {
    const cause = headerCause(error, message)
    // A badly formatted Signature header is already a cause.
    if (!(isExplained && cause?.code === 'signature-encoding')) add(cause)
  }
  if (!isExplained && message.body.length === 0) add(emptyBody(message))
  const expired = errors.find(({ code }) => code === 'ERR_TIME_RANGE')
  if (isExplained && expired !== undefined) {
    add({
      code: 'expired',
      fix: `${expired.message} A captured message expires: give the time at which it was received.`,
    })
  }
  return causes
}

/** Causes for which the handler rejects a message before it verifies the signature. */
function headerCause(
  { code, message }: ProtocolError,
  { headers, direction }: ExplainedMessage,
): ExplainedCause | undefined {
  if (code === 'ERR_METHOD') return { code: 'method', fix: `${message} Send the order with POST.` }
  if (code === 'ERR_CLIENT_UNKNOWN') {
    return { code: 'client-id', fix: `${message} Send the id that AlipayHK assigned, or correct "clientId".` }
  }
  if (code === 'ERR_HEADER_INVALID') {
    const isTime = instantOf(headers.get(timeHeaderOf(direction).toLowerCase())) === undefined
    return {
      code:
        isSignatureReadable(headers) && isTime
          ? 'time'
          : isSignatureReadable(headers)
            ? 'header'
            : 'signature-encoding',
      fix: message,
    }
  }
  return code === 'ERR_HEADER_MISSING' || code === 'ERR_CONTENT_TYPE' ? { code: 'header', fix: message } : undefined
}

function emptyBody({ headers }: ExplainedMessage): ExplainedCause {
  const length = Number(headers.get('content-length'))
  const announced = length > 0 ? ` Content-Length announced ${length} bytes.` : ''
  return {
    code: 'body-empty',
    fix: `The body is empty: something in front of the handler has read or dropped it.${announced} Mount the handler before any body parser, and look for a proxy or firewall that drops bodies, or a redirect that turned POST into a request without a body.`,
  }
}

/** Changes of the JSON format are not tested on a larger body. */
export const MAX_REWRITTEN_BYTES = 262_144

/** What to do when no cause was found. */
export function searchNotes(
  found: Found | undefined,
  { causes, bodyBytes }: { readonly causes: readonly ExplainedCause[]; readonly bodyBytes: number },
  { peerPublicKeys }: ParsedCredentials,
): string[] {
  if (found === undefined || found.causes !== undefined) return []
  const [latest] = peerPublicKeys.newestFirst
  const fingerprint = latest?.key.fingerprint
  const compare =
    fingerprint === undefined ? '' : ` The fingerprint of peerPublicKeys[${latest?.version}] is ${fingerprint}.`
  if (found.isByNoKey) {
    return [
      `The signature was made with a key that is not configured, or its bytes are damaged. Compare the fingerprint of the sender's public key with yours: describeKey() prints it.${compare}`,
    ]
  }
  if (bodyBytes > MAX_REWRITTEN_BYTES) {
    return [
      `No tested change makes the signature verify. The body has ${bodyBytes} bytes; above ${MAX_REWRITTEN_BYTES} bytes, changes of the JSON format are not tested.`,
    ]
  }
  if (found.isCut)
    return ['The search reached its limits before it had tested every change. Raise "maxMs" and "maxTrials".']
  return causes.length > 0
    ? []
    : [
        `No known change makes the signature verify. Compare the signed text with the sender, byte by byte. Start with its SHA-256 digest.${compare}`,
      ]
}

/** The length of an ECDSA signature over secp224r1 in IEEE P1363 form. */
const P1363_LENGTH = 56

/** Accepted forms that this library does not send. */
export function toleranceNotes({ headers }: ExplainedMessage, { peerPublicKeys }: ParsedCredentials): string[] {
  if (!isSignatureReadable(headers)) return []
  const { keyVersion, signature } = parseSignatureHeader(headers.get('signature') ?? '')
  const isP1363 = peerPublicKeys.get(keyVersion)?.key.algorithm === 'ECC224' && signature.length === P1363_LENGTH
  return isP1363
    ? ['The signature has the form of IEEE P1363. This library accepts it; other receivers may accept only ASN.1 DER.']
    : []
}

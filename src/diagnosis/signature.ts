import { printable } from '../errors.ts'
import type { ParsedCredentials } from '../secure-message/credentials.ts'
import type { ReceivedMessage } from '../secure-message/verify.ts'
import { shownPath } from './change.ts'
import { search } from './search.ts'

/** The largest body that is diagnosed, in bytes: anyone can send a body. */
const MAX_DIAGNOSED_BYTES = 65_536

/** The bytes that one diagnosis hashes at most: 500 texts of usual orders, or 32 of the largest body. */
const MAX_HASHED_BYTES = 2_097_152

/** An ECDSA verification takes as long as hashing 100 texts. */
const MAX_ECDSA_TRIALS = 64

/** Single changes only: pairs are for `explainRequest()`. */
const LIMITS = {
  maxChanges: 1,
  maxMs: 100,
  maxRewrittenBytes: 8_192,
  maxBodyBytes: MAX_DIAGNOSED_BYTES,
} as const

/**
 * Explains why a signature does not verify: tries the common mistakes, as `explainRequest()` does, with smaller limits. The
 * explanation is for the developer's log, never for the peer.
 *
 * @param headers All headers of the message by lower-case name: proxies write the original path into some.
 * @param clock A monotonic clock, in milliseconds.
 * @returns A sentence, also when no common mistake explains the failure.
 * @see docs/protocol.md section 3.4
 */
export async function diagnoseSignature(
  { method, path, head, body }: ReceivedMessage,
  headers: ReadonlyMap<string, string>,
  credentials: ParsedCredentials,
  clock: () => number = () => performance.now(),
): Promise<string> {
  if (body.length === 0) return emptyBody(headers.get('content-length'))
  if (body.length > MAX_DIAGNOSED_BYTES) return 'The body is too large to be diagnosed.'
  const timeHeader = headers.get('request-time') === head.time ? 'Request-Time' : 'Response-Time'
  // Do not trust the header: anyone can set it.
  const maxTexts = hasEcdsa(credentials) ? MAX_ECDSA_TRIALS : 500
  const maxTrials = Math.min(maxTexts, Math.floor(MAX_HASHED_BYTES / body.length))
  const evidence = { method, path, headers, timeHeader, body } as const
  const { causes, isByNoKey } = await search(evidence, credentials, { ...LIMITS, maxTrials, clock })
  if (causes !== undefined && causes.length > 0) return causes.map(({ fix }) => fix).join(' ')
  return unexplained({ path, head, body }, credentials, isByNoKey)
}

function hasEcdsa({ peerPublicKeys, privateKeys }: ParsedCredentials): boolean {
  return (
    peerPublicKeys.newestFirst.some(({ key }) => key.algorithm === 'ECC224') ||
    privateKeys.newestFirst.some(({ key }) => key.sign?.algorithm === 'ECC224')
  )
}

function unexplained(
  { path, head, body }: Omit<ReceivedMessage, 'method'>,
  { peerPublicKeys }: ParsedCredentials,
  isByNoKey: boolean,
): string {
  const { algorithm, keyVersion } = head.signature
  const named = peerPublicKeys.get(keyVersion)
  const versions = peerPublicKeys.newestFirst.map(({ version }) => version).join(', ')
  if (named === undefined) return `The header names keyVersion ${keyVersion}; peerPublicKeys has ${versions}.`
  if (named.key.algorithm !== algorithm) {
    return `The header names ${algorithm}; peerPublicKeys[${named.version}] is for ${named.key.algorithm}.`
  }
  const fingerprint =
    named.key.fingerprint === undefined
      ? 'a CryptoKey, which has no fingerprint'
      : `fingerprint ${named.key.fingerprint}`
  if (isByNoKey) {
    return `The signature was not made with peerPublicKeys[${named.version}] (${fingerprint}), or its bytes are damaged. Compare the fingerprint with the sender: describeKey() prints it.`
  }
  return `No common mistake explains it. Compare three things with the sender: the path (here ${shownPath(path)}; a proxy may have removed a prefix), the key (here peerPublicKeys[${named.version}], ${fingerprint}), and the body (here ${body.length} bytes; a proxy or middleware may rewrite it).`
}

function emptyBody(contentLength = '0'): string {
  const announced = Number(contentLength) > 0 ? ` Content-Length announced ${printable(contentLength, 20)} bytes.` : ''
  return `The body is empty: something in front of the handler has read or dropped it.${announced} Usual causes: a body parser or logger that read the stream, a proxy or firewall that drops bodies, or a redirect that turned POST into a request without a body.`
}

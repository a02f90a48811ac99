import type { PublicKey } from '../crypto/key.ts'
import { verify } from '../crypto/signature.ts'
import { printable } from '../errors.ts'
import { decodeUtf8, encodeUtf8 } from '../protocol/encoding.ts'
import { ORDER_SYNC_PATH } from '../protocol/endpoint.ts'
import { type SignedHead, signedContent } from '../protocol/signed-content.ts'
import type { ParsedCredentials } from '../secure-message/credentials.ts'
import type { ReceivedMessage } from '../secure-message/verify.ts'

/** The largest body that is diagnosed, in bytes: anybody can send one. */
const MAX_DIAGNOSED_BYTES = 65_536

/** A change that may make the signature verify, and the explanation to give if it does. */
interface Hypothesis {
  readonly head?: Partial<SignedHead>
  readonly body?: Uint8Array | undefined
  readonly key?: PublicKey
  readonly explanation: string
}

/**
 * Explains why a signature does not verify. It tries the usual mistakes: another path, another key version, a
 * re-serialized body. The explanation is for the developer's log, never for the peer.
 *
 * @param headers All headers of the message by lower-case name: proxies write the original path into some.
 * @returns A sentence, also when no usual mistake explains the failure.
 * @see docs/protocol.md section 3.4
 */
export async function diagnoseSignature(
  { method, path, head, body }: ReceivedMessage,
  headers: ReadonlyMap<string, string>,
  { clientId, peerPublicKeys }: ParsedCredentials,
): Promise<string> {
  if (body.length === 0) return emptyBody(headers.get('content-length'))
  if (body.length > MAX_DIAGNOSED_BYTES) return 'The body is too large to be diagnosed.'
  const { algorithm, keyVersion, signature } = head.signature
  const named = peerPublicKeys.get(keyVersion)
  const versions = peerPublicKeys.newestFirst.map(({ version }) => version).join(', ')
  if (named === undefined) return `The header names keyVersion ${keyVersion}; peerPublicKeys has ${versions}.`
  if (named.key.algorithm !== algorithm) {
    return `The header names ${algorithm}; peerPublicKeys[${named.version}] is for ${named.key.algorithm}.`
  }
  const hypotheses = [
    ...otherPaths(path, headers),
    ...otherKeys(peerPublicKeys.newestFirst, named.version, keyVersion),
    ...otherBodies(body),
  ]
  for (const { head: changedHead, body: changedBody = body, key = named.key, explanation } of hypotheses) {
    const content = signedContent({ method, path, clientId, time: head.time, ...changedHead }, changedBody)
    if (await verify(key, content, signature)) return explanation
  }
  const fingerprint =
    named.key.fingerprint === undefined
      ? 'a CryptoKey, which has no fingerprint'
      : `fingerprint ${named.key.fingerprint}`
  return `No usual mistake explains it. Compare three things with the sender: the path (here ${shownPath(path)}; a proxy may have removed a prefix), the key (here peerPublicKeys[${named.version}], ${fingerprint}), and the body (here ${body.length} bytes; a proxy or middleware may rewrite it).`
}

function emptyBody(contentLength = '0'): string {
  const announced = Number(contentLength) > 0 ? ` Content-Length announced ${printable(contentLength, 20)} bytes.` : ''
  return `The body is empty, and no order is empty: something in front has read or dropped it.${announced} Usual causes: a body parser or logger that read the stream, a proxy or firewall that drops bodies, or a redirect that turned POST into a request without a body.`
}

/** The headers in which proxies write the path that they received. */
const ORIGINAL_PATH_HEADERS = ['x-original-uri', 'x-original-url', 'x-forwarded-uri', 'x-envoy-original-path']

/** Paths that the sender may have signed instead. Values of headers are tried here, and trusted nowhere. */
function otherPaths(path: string, headers: ReadonlyMap<string, string>): Hypothesis[] {
  const pathOnly = path.split('?')[0] ?? path
  const prefix = headers.get('x-forwarded-prefix')
  const candidates = [
    ORDER_SYNC_PATH,
    pathOnly,
    pathOnly.endsWith('/') ? pathOnly.slice(0, -1) : `${pathOnly}/`,
    ...(prefix === undefined ? [] : [prefix.replace(/\/$/, '') + path]),
    ...ORIGINAL_PATH_HEADERS.flatMap((name) => headers.get(name) ?? []),
  ]
  return candidates
    .filter((candidate) => candidate !== path)
    .map((candidate) => ({
      head: { path: candidate },
      explanation: `The sender signed the path ${shownPath(candidate)}, but it was verified for ${shownPath(path)}. Set the option "signedPath" to the path that the sender signs.`,
    }))
}

function otherKeys(
  keys: ParsedCredentials['peerPublicKeys']['newestFirst'],
  usedVersion: string,
  namedVersion: string | undefined,
): Hypothesis[] {
  const claim = namedVersion ?? `none, which means the latest: ${usedVersion}`
  return keys
    .filter(({ version }) => version !== usedVersion)
    .map(({ version, key }) => ({
      key,
      explanation: `The sender signed with key version ${version}, but the header names ${claim}.`,
    }))
}

function otherBodies(body: Uint8Array): Hypothesis[] {
  const text = decodeUtf8(body)
  if (text === undefined) return []
  return [
    {
      body: encodeUtf8(text.trim()),
      explanation:
        'The sender signed the body without the white space around it: the sender, or something in between, added some.',
    },
    {
      body: encodeUtf8(removeJsonSpace(text)),
      explanation: 'The sender signed the body without white space: something in between reformats the JSON.',
    },
  ]
}

/** A path can contain anything that the HTTP layer accepts, and its query string a token. */
export function shownPath(path: string): string {
  return printable(path.replace(/=[^&]*/g, '=…'), 200)
}

/** Removes the white space of JSON without parsing it: the text is not verified. One pass, even with an open string. */
function removeJsonSpace(text: string): string {
  return text.replace(/("(?:[^"\\]+|\\[\s\S])*"?)|[ \t\r\n]+/g, '$1')
}

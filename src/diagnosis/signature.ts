import type { PublicKey } from '../keys/keys.ts'
import { verify } from '../crypto/signature.ts'
import { printable } from '../errors.ts'
import { decodeUtf8, encodeUtf8 } from '../protocol/encoding.ts'
import { type SignedHead, signedContent } from '../protocol/signed-content.ts'
import { ORDER_SYNC_PATH } from '../protocol/endpoint.ts'
import { parseSignatureHeader } from '../protocol/headers.ts'
import type { ParsedCredentials } from '../secure-message/credentials.ts'
import type { ReceivedMessage } from '../secure-message/verify.ts'

/** One thing that may be the matter: what would verify, and what to say if it does. */
interface Suspicion {
  readonly head?: Partial<SignedHead>
  readonly body?: Uint8Array | undefined
  readonly key?: PublicKey
  readonly says: string
}

/**
 * Finds out why a signature does not verify, by trying what usually goes wrong: another path, another key version, a
 * body that was written anew. For the developer's eyes only: it tells nothing that the peer should learn.
 *
 * @returns A sentence, or undefined when none of the usual causes fits.
 * @see docs/protocol.md section 3.4
 */
export async function diagnoseSignature(
  arrived: Omit<ReceivedMessage, 'body'>,
  body: Uint8Array,
  { clientId, peerPublicKeys }: ParsedCredentials,
): Promise<string | undefined> {
  const { method, path, timeHeader, headers } = arrived
  const { algorithm, keyVersion, signature } = parseSignatureHeader(headers.get('signature') ?? '')
  const named = peerPublicKeys.get(keyVersion)
  const versions = peerPublicKeys.newestFirst.map(({ version }) => version).join(', ')
  if (named === undefined) return `The header names keyVersion ${keyVersion}; peerPublicKeys has ${versions}.`
  if (named.key.algorithm !== algorithm)
    return `The header names ${algorithm}; peerPublicKeys[${named.version}] is for ${named.key.algorithm}.`
  const time = headers.get(timeHeader.toLowerCase()) ?? ''
  const meant = keyVersion ?? `none, which means the latest: ${named.version}`
  const others = peerPublicKeys.newestFirst.filter(({ version }) => version !== named.version)
  const paths = pathsOf(path, headers)
  for (const { head, body: otherBody = body, key = named.key, says } of suspicions(path, paths, body, meant, others)) {
    const content = signedContent({ method, path, clientId, time, ...head }, otherBody)
    if (await verify(key, content, signature)) return says
  }
  return `None of the usual slips explains it. Three things to compare with the sender: the path (here ${shown(path)}; a proxy may have cut a prefix off), the key (the fingerprint that describeKey() gives of peerPublicKeys[${named.version}]), and the body (here ${body.length} bytes; does anything rewrite it?).`
}

function suspicions(
  path: string,
  paths: readonly string[],
  body: Uint8Array,
  named: string,
  others: ParsedCredentials['peerPublicKeys']['newestFirst'],
): Suspicion[] {
  const text = decodeUtf8(body) ?? ''
  return [
    ...paths
      .filter((other) => other !== path)
      .map((other) => ({
        head: { path: other },
        says: `It was made for the path ${shown(other)}, and verified for ${shown(path)}: set the "path" option to what the sender signs.`,
      })),
    ...others.map(({ version, key }) => ({
      key,
      says: `It was made with key version ${version}, though the header names ${named}.`,
    })),
    {
      body: encodeUtf8(text.trim()),
      says: 'It was made over the body without the white space around it: something on the way, or the sender, added some.',
    },
    {
      body: compacted(text),
      says: 'It was made over the body without white space: something on the way formats JSON.',
    },
  ]
}

/** The path is whatever the HTTP layer lets through. */
function shown(path: string): string {
  return printable(path, 200)
}

/** Where proxies say what they have rewritten. */
const ORIGINAL_PATH = ['x-original-uri', 'x-original-url', 'x-forwarded-uri', 'x-envoy-original-path']

/** Paths that the sender may have signed instead. What a header says is tried out here, and believed nowhere. */
function pathsOf(path: string, headers: ReadonlyMap<string, string>): string[] {
  const bare = path.split('?')[0] ?? path
  const prefix = headers.get('x-forwarded-prefix')
  return [
    ...[ORDER_SYNC_PATH, bare, bare.endsWith('/') ? bare.slice(0, -1) : `${bare}/`],
    ...(prefix === undefined ? [] : [prefix.replace(/\/$/, '') + path]),
    ...ORIGINAL_PATH.flatMap((name) => headers.get(name) ?? []),
  ]
}

/**
 * JSON without its white space, and without parsing it: nobody has vouched for this text. One pass, also where a string
 * is left open.
 */
function compacted(text: string): Uint8Array {
  return encodeUtf8(text.replace(/("(?:[^"\\]+|\\[\s\S])*"?)|[ \t\r\n]+/g, '$1'))
}

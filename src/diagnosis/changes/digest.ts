import { sha256 } from '../../crypto/node.ts'
import { decodeAnyBase64, encodeUtf8 } from '../../protocol/encoding.ts'
import type { Change } from '../change.ts'

const rawDigest = (content: Uint8Array) => decodeAnyBase64(sha256(content, 'base64url')) ?? new Uint8Array()

const DIGESTS: readonly (readonly [what: string, digest: (content: Uint8Array) => Uint8Array])[] = [
  ['the SHA-256 digest of the text, which is hashed again', rawDigest],
  ['the SHA-256 digest of the text in hex', (content) => encodeUtf8(sha256(content, 'hex'))],
  [
    'the SHA-256 digest of the text in hex, in upper case',
    (content) => encodeUtf8(sha256(content, 'hex').toUpperCase()),
  ],
  [
    'the SHA-256 digest of the text in base64',
    (content) => encodeUtf8(Buffer.from(rawDigest(content)).toString('base64')),
  ],
  ['the signed text in base64', (content) => encodeUtf8(Buffer.from(content).toString('base64'))],
]

/** Digests that the sender may have taken before the signature algorithm takes its own. */
export function digestChanges(): Change[] {
  return DIGESTS.map(([what, digest]) => ({
    code: 'digest',
    part: 'digest',
    cost: 2,
    fix: `The sender signed ${what}. Sign the text itself: the signature algorithm hashes it once, with SHA-256. If a KMS signs a digest, set its message type to digest.`,
    apply: (parts) => ({ ...parts, digest }),
  }))
}

import { constants, createHash, type KeyObject, publicDecrypt, verify } from 'node:crypto'
import type { SignatureAlgorithm } from '../protocol/headers.ts'
import { decodeEcdsa } from './ecdsa-forms.ts'
import type { SignatureForm } from './key.ts'

// For diagnosis only. An RSA signature reveals to the holder of the public key whether the key made it, and over which
// digest: comparing digests takes 2 µs, where a verification takes 25 µs. No private key is used here.

/** The object identifiers of digests, in hex as they stand in a DigestInfo. */
const DIGEST_OIDS: Readonly<Record<string, string>> = {
  '608648016503040201': 'SHA-256',
  '2b0e03021a': 'SHA-1',
  '608648016503040204': 'SHA-224',
  '608648016503040202': 'SHA-384',
  '608648016503040203': 'SHA-512',
  '2a864886f70d0205': 'MD5',
}

const digestWith = (digest: string, content: Uint8Array): Buffer =>
  createHash(digest.replace('-', '').toLowerCase()).update(content).digest()

/**
 * The ways in which the key can have made the signature. Empty: this key did not make it. Undefined: the runtime cannot decide.
 */
export function examineSignature(
  key: KeyObject,
  algorithm: SignatureAlgorithm,
  signature: Uint8Array,
): readonly SignatureForm[] | undefined {
  return algorithm === 'RSA256' ? examineRsa(key, signature) : examineEcdsa(key, signature)
}

function examineRsa(key: KeyObject, signature: Uint8Array): readonly SignatureForm[] | undefined {
  const size = Math.ceil((key.asymmetricKeyDetails?.modulusLength ?? 0) / 8)
  if (signature.length > size || signature.length < size - 4) return []
  const padded = new Uint8Array(size)
  padded.set(signature, size - signature.length)
  const encodings = [
    { bytes: padded, encoding: signature.length === size ? undefined : 'without its leading zeros' },
    { bytes: padded.toReversed(), encoding: 'with its bytes in reverse order' },
  ]
  const possible: SignatureForm[] = []
  for (const { bytes, encoding } of encodings) {
    const block = rawPublicOperation(key, bytes)
    const form = block && (readPkcs1(block) ?? readPss(block, key))
    if (form === undefined) continue
    if (form.isCertain) return [{ ...form, encoding }]
    // Continue: one number in 2,048 looks like PSS with the longest salt by chance.
    possible.push({ ...form, encoding })
  }
  return canExamine(key, size) ? possible : undefined
}

/** Undefined for a number that is not below the modulus, and if the runtime has no such operation. */
function rawPublicOperation(key: KeyObject, signature: Uint8Array): Uint8Array | undefined {
  try {
    return publicDecrypt({ key, padding: constants.RSA_NO_PADDING }, signature)
  } catch {
    return undefined
  }
}

let hasRawOperation: boolean | undefined

/** Whether the runtime has the operation: tested once, with the number 1. */
function canExamine(key: KeyObject, size: number): boolean {
  if (hasRawOperation === undefined) {
    const one = new Uint8Array(size)
    one[size - 1] = 1
    hasRawOperation = rawPublicOperation(key, one)?.at(-1) === 1
  }
  return hasRawOperation
}

type Read = Omit<SignatureForm, 'encoding'>

/** EMSA-PKCS1-v1_5: 00 01, at least eight FF, 00, and a DigestInfo, or the content that was signed without one. */
function readPkcs1(block: Uint8Array): Read | undefined {
  if (block[0] !== 0 || block[1] !== 1) return undefined
  let at = 2
  while (block[at] === 0xff) at++
  if (at < 10 || block[at] !== 0) return undefined
  const payload = Buffer.from(block.subarray(at + 1))
  const hex = payload.toString('hex')
  const found = Object.entries(DIGEST_OIDS).find(
    ([oid]) => /^30..30/.test(hex) && hex.slice(0, 44).includes(`06${lengthOf(oid)}${oid}`),
  )
  if (found === undefined) {
    const matches = (content: Uint8Array) =>
      payload.equals(content) || RAW_DIGESTS.some((digest) => payload.equals(digestWith(digest, content)))
    return { padding: 'PKCS1', digest: 'none', isCertain: true, matches }
  }
  const [, digest] = found
  return {
    padding: 'PKCS1',
    digest,
    isCertain: true,
    matches: (content) => isEnd(payload, digestWith(digest, content)),
  }
}

/** Digests that are signed without a DigestInfo around them. */
const RAW_DIGESTS = ['SHA-256', 'SHA-1']

const lengthOf = (oid: string) => (oid.length / 2).toString(16).padStart(2, '0')

const isEnd = (payload: Buffer, digest: Buffer) =>
  payload.length > digest.length && payload.subarray(-digest.length).equals(digest)

const PSS_DIGESTS: readonly (readonly [name: string, length: number])[] = [
  ['SHA-256', 32],
  ['SHA-1', 20],
  ['SHA-384', 48],
  ['SHA-512', 64],
]

/** This many zeros in front of a salt do not occur by chance. The longest salt leaves none. */
const MIN_ZEROS = 8

/** EMSA-PSS, RFC 8017 section 9.1.2. The digest of the mask can differ from the digest of the message. */
function readPss(block: Uint8Array, key: KeyObject): Read | undefined {
  if (block.at(-1) !== 0xbc) return undefined
  // The encoded message has one bit less than the modulus.
  const bits = (key.asymmetricKeyDetails?.modulusLength ?? 0) - 1
  const encoded = block.subarray(block.length - Math.ceil(bits / 8))
  const found: Read[] = []
  for (const [digest, length] of PSS_DIGESTS) {
    const hash = encoded.subarray(encoded.length - length - 1, -1)
    for (const [maskDigest] of PSS_DIGESTS) {
      const salt = readSalt(encoded.subarray(0, encoded.length - length - 1), hash, maskDigest, bits)
      if (salt === undefined) continue
      const matches = (content: Uint8Array) =>
        digestWith(digest, Buffer.concat([new Uint8Array(8), digestWith(digest, content), salt.bytes])).equals(hash)
      found.push({ padding: 'PSS', digest, isCertain: salt.zeros >= MIN_ZEROS, matches })
    }
  }
  return found.find(({ isCertain }) => isCertain) ?? found[0]
}

/** The salt, if the mask of this digest uncovers zeros and a 1 in front of it. */
function readSalt(
  masked: Uint8Array,
  seed: Uint8Array,
  digest: string,
  bits: number,
): { bytes: Uint8Array; zeros: number } | undefined {
  const mask = mask1(digest, seed, masked.length)
  const data = masked.map((byte, index) => byte ^ (mask[index] ?? 0))
  data[0] = (data[0] ?? 0) & (0xff >> (8 * Math.ceil(bits / 8) - bits))
  const one = data.findIndex((byte) => byte !== 0)
  // The longest salt has no zeros before it.
  return data[one] === 1 && (one === 0 || one >= MIN_ZEROS) ? { bytes: data.subarray(one + 1), zeros: one } : undefined
}

/** MGF1, RFC 8017 appendix B.2.1. */
function mask1(digest: string, seed: Uint8Array, length: number): Uint8Array {
  const blocks: Uint8Array[] = []
  for (let counter = 0, size = 0; size < length; counter++) {
    const block = digestWith(digest, Buffer.concat([seed, Uint8Array.of(0, 0, 0, counter)]))
    blocks.push(block)
    size += block.length
  }
  return Buffer.concat(blocks).subarray(0, length)
}

const ECDSA_DIGESTS = ['SHA-256', 'SHA-1', 'SHA-224', 'SHA-384', 'SHA-512']

/** ECDSA does not reveal the digest: every digest is a separate form, and no form is certain. */
function examineEcdsa(key: KeyObject, signature: Uint8Array): readonly SignatureForm[] {
  return decodeEcdsa(signature).flatMap(({ p1363, encoding }) =>
    ECDSA_DIGESTS.map((digest) => ({
      padding: 'none' as const,
      digest,
      encoding,
      isCertain: false,
      matches: (content: Uint8Array) => {
        try {
          return verify(digest.replace('-', ''), content, { key, dsaEncoding: 'ieee-p1363' }, p1363)
        } catch {
          return false
        }
      },
    })),
  )
}

import { createPublicKey, type JsonWebKey, type KeyObject, type webcrypto } from 'node:crypto'
import { examineSignature } from '../crypto/examine.ts'
import type { Decrypter, DecryptionKey, DigestSigner, PrivateKey, PublicKey, Signer } from '../crypto/key.ts'
import { requireOperation } from '../crypto/key-use.ts'
import { wrap } from '../crypto/key-wrap.ts'
import { sha256 } from '../crypto/node.ts'
import {
  signWithCryptoKey,
  signWithDigestSigner,
  signWithKeyObject,
  signWithSigner,
  verifyWithCryptoKey,
  verifyWithKeyObject,
} from '../crypto/signature.ts'
import { unwrapOnPool } from '../crypto/unwrap-pool.ts'
import { ConfigurationError } from '../errors.ts'
import type { SignatureAlgorithm } from '../protocol/headers.ts'
import { isRecord, type KeyKind, toKeyObject, wrongKind } from './key-formats.ts'

/**
 * A public key in any common format: PEM (SPKI, PKCS#1, X.509 certificate), base64 DER, DER bytes, JWK, `KeyObject` or
 * `CryptoKey`. PEM may have escaped `\n`, CRLF, quotes around it, or no line breaks.
 */
export type PublicKeyInput = string | Uint8Array | JsonWebKey | KeyObject | webcrypto.CryptoKey

/**
 * A private key in any format of {@link PublicKeyInput} (with PKCS#8, PKCS#1 or SEC 1 inside), or a {@link DigestSigner} or
 * {@link Signer} that calls a KMS or HSM.
 */
export type PrivateKeyInput = PublicKeyInput | DigestSigner | Signer

/**
 * Parses a private key.
 *
 * @param name The name of the key in error messages: `privateKeys[1]`.
 * @throws {@link ConfigurationError} `ERR_KEY_FORMAT`, `ERR_KEY_KIND`, `ERR_KEY_ENCRYPTED`, `ERR_KEY_WEAK`, `ERR_KEY_ALGORITHM`
 * @see docs/protocol.md section 3.2
 * @example
 * ```ts
 * import { parsePrivateKey } from 'alipayhk-order-sync'
 *
 * const key = parsePrivateKey(process.env['MERCHANT_PRIVATE_KEY'] ?? '')
 * ```
 */
export function parsePrivateKey(input: PrivateKeyInput, name = 'private key'): PrivateKey {
  if (isSigner(input)) return parsedOnce(input, () => fromSigner(input, name))
  if (isCryptoKey(input)) {
    return parsedOnce(input, () => {
      const algorithm = cryptoKeyAlgorithm(input, 'private', name)
      return { algorithm, isRemote: false, sign: (content) => signWithCryptoKey(input, content) }
    })
  }
  const handle = toKeyObject(input, 'private', name)
  const algorithm = algorithmFor(handle, name)
  const half = publicHalf(handle)
  const key: PrivateKey = {
    algorithm,
    isRemote: false,
    fingerprint: fingerprint(half),
    sign: (content) => signWithKeyObject(handle, content),
    examine: (signature) => examineSignature(half, algorithm, signature),
  }
  if (algorithm !== 'RSA256') return key
  return {
    ...key,
    unwrap: (wrapped, keyWrap, substitute) => unwrapOnPool({ wrapped, key: handle, keyWrap, substitute }),
  }
}

/**
 * Parses a public key.
 *
 * @param name The name of the key in error messages: `peerPublicKeys[1]`.
 * @throws {@link ConfigurationError} `ERR_KEY_FORMAT`, `ERR_KEY_KIND`, `ERR_KEY_ENCRYPTED`, `ERR_KEY_WEAK`, `ERR_KEY_ALGORITHM`
 * @see docs/protocol.md section 3.2
 * @example
 * ```ts
 * import { parsePublicKey } from 'alipayhk-order-sync'
 *
 * const key = parsePublicKey(process.env['ALIPAYHK_PUBLIC_KEY'] ?? '')
 * ```
 */
export function parsePublicKey(input: PublicKeyInput, name = 'public key'): PublicKey {
  if (isCryptoKey(input)) {
    const algorithm = cryptoKeyAlgorithm(input, 'public', name)
    return { algorithm, verify: (content, signature) => verifyWithCryptoKey(input, content, signature) }
  }
  const handle = toKeyObject(input, 'public', name)
  const algorithm = algorithmFor(handle, name)
  const key: PublicKey = {
    algorithm,
    fingerprint: fingerprint(handle),
    verify: (content, signature) => verifyWithKeyObject(handle, algorithm, content, signature),
    examine: (signature) => examineSignature(handle, algorithm, signature),
  }
  if (algorithm !== 'RSA256') return key
  return { ...key, wrap: (aesKey, keyWrap) => wrap(aesKey, handle, keyWrap) }
}

const parsedHandles = new WeakMap<object, PrivateKey>()

/** Parses each signer or CryptoKey once, so that facts about the key can be cached by its parsed form. */
function parsedOnce(handle: object, parse: () => PrivateKey): PrivateKey {
  const known = parsedHandles.get(handle)
  if (known !== undefined) return known
  const key = parse()
  parsedHandles.set(handle, key)
  return key
}

function fromSigner(signer: Signer | DigestSigner, name: string): PrivateKey {
  const { algorithm } = signer
  if (algorithm !== 'RSA256' && algorithm !== 'ECC224') {
    throw new ConfigurationError(
      'ERR_KEY_ALGORITHM',
      `${name} is a signer whose "algorithm" is neither RSA256 nor ECC224.`,
    )
  }
  const sign: PrivateKey['sign'] = isDigestSigner(signer)
    ? (content) => signWithDigestSigner(signer, content)
    : (content) => signWithSigner(signer, content)
  const key: PrivateKey = { algorithm, isRemote: true, sign }
  return canDecrypt(signer) ? { ...key, ...fromDecrypter(signer) } : key
}

function fromDecrypter(decrypter: Decrypter): DecryptionKey {
  return {
    isRemote: true,
    unwrap: async (wrapped, _keyWrap, substitute) => (await decrypter.decrypt(Uint8Array.from(wrapped))) ?? substitute,
  }
}

/**
 * Parses a private key that only decrypts.
 *
 * @throws {@link ConfigurationError} the codes of {@link parsePrivateKey}; also `ERR_KEY_USE` when the key cannot decrypt
 */
export function parseDecryptionKey(input: PrivateKeyInput | Decrypter, name: string): DecryptionKey {
  if (canDecrypt(input) && !isSigner(input)) return fromDecrypter(input)
  const { unwrap, isRemote, fingerprint } = parsePrivateKey(input as PrivateKeyInput, name)
  return { unwrap: requireOperation(unwrap, 'decryption'), isRemote, ...(fingerprint !== undefined && { fingerprint }) }
}

/** The facts about a key that do not reveal it. */
export interface KeyDescription {
  readonly kind: 'private' | 'public'
  readonly algorithm: SignatureAlgorithm
  /** The size of the RSA modulus, or of the curve. */
  readonly bits: number
  /**
   * SHA-256 of the public half as SPKI DER, in hex. It is the same for both halves of a pair, and the same as the output of
   * `openssl pkey -pubin -in public.pem -outform DER | sha256sum`.
   */
  readonly fingerprint: string
  /** The JWK thumbprint of RFC 7638: SHA-256, in base64url. Absent for ECC224, because JWK has no name for secp224r1. */
  readonly thumbprint?: string
}

/**
 * Describes a key without revealing it. If signatures do not verify, check for a wrong key first: compare the fingerprint with
 * the fingerprint of the key in AlipayHK's console.
 *
 * @throws {@link ConfigurationError} `ERR_KEY_FORMAT`, `ERR_KEY_ENCRYPTED`, `ERR_KEY_WEAK`, `ERR_KEY_ALGORITHM`
 * @see docs/protocol.md section 3.2
 * @example
 * ```ts
 * import { describeKey } from 'alipayhk-order-sync'
 *
 * const { kind, algorithm, fingerprint } = describeKey(process.env['ALIPAYHK_PUBLIC_KEY'] ?? '')
 * console.log(`${kind} key for ${algorithm}, ${fingerprint}`)
 * ```
 */
export function describeKey(input: string | Uint8Array | JsonWebKey | KeyObject): KeyDescription {
  const key = toKeyObject(input, undefined, 'key')
  const algorithm = algorithmFor(key, 'key')
  return {
    kind: key.type === 'private' ? 'private' : 'public',
    algorithm,
    bits: key.asymmetricKeyDetails?.modulusLength ?? 224,
    fingerprint: fingerprint(key),
    ...(algorithm === 'RSA256' && { thumbprint: rsaThumbprint(key) }),
  }
}

/** SHA-256 of the key's public half as SPKI DER, in hex. */
function fingerprint(key: KeyObject): string {
  return sha256(publicHalf(key).export({ type: 'spki', format: 'der' }), 'hex')
}

/** RFC 7638 section 3. Not from jose, which only computes it asynchronously: see docs/decisions/0001. */
function rsaThumbprint(key: KeyObject): string {
  const { e, kty, n } = publicHalf(key).export({ format: 'jwk' })
  // RFC 7638 hashes this text: the sequence of the members matters, and white space is not allowed.
  return sha256(JSON.stringify({ e, kty, n }), 'base64url')
}

function publicHalf(key: KeyObject): KeyObject {
  return key.type === 'private' ? createPublicKey(key) : key
}

/**
 * The public half of a private key that signs with RSA256.
 *
 * @param name The name of the key in error messages: `privateKeys[1]`.
 * @throws {@link ConfigurationError} the codes of {@link parsePrivateKey}; also `ERR_KEY_ALGORITHM` for ECC224, and
 * `ERR_KEY_USE` for a signer or a CryptoKey, which does not give its public half away
 */
export function rsaPublicHalf(input: PrivateKeyInput | Decrypter, name: string): KeyObject {
  if (isSigner(input) || canDecrypt(input) || isCryptoKey(input)) {
    const found = isCryptoKey(input) ? 'CryptoKey' : 'signer'
    throw new ConfigurationError(
      'ERR_KEY_USE',
      `${name} is a ${found}, so its public half is unknown; export the public key where the private key was created.`,
    )
  }
  const handle = toKeyObject(input, 'private', name)
  if (algorithmFor(handle, name) === 'RSA256') return publicHalf(handle)
  throw new ConfigurationError(
    'ERR_KEY_ALGORITHM',
    `${name} is EC over secp224r1, but JWK has no name for secp224r1; send the public key as PEM.`,
  )
}

/** Returns the one algorithm that a key is good for. */
function algorithmFor(key: KeyObject, name: string): SignatureAlgorithm {
  const { modulusLength = 0, publicExponent = 0n, namedCurve } = key.asymmetricKeyDetails ?? {}
  if (key.asymmetricKeyType === 'rsa') {
    assertRsaStrength({ modulusLength, publicExponent: BigInt(publicExponent) }, name)
    return 'RSA256'
  }
  if (key.asymmetricKeyType === 'ec' && namedCurve === 'secp224r1') return 'ECC224'
  const found = key.asymmetricKeyType === 'ec' ? `EC over ${namedCurve}` : (key.asymmetricKeyType ?? key.type)
  throw new ConfigurationError(
    'ERR_KEY_ALGORITHM',
    `${name} is ${found}; RSA (for RSA256) or EC over secp224r1 (for ECC224) is needed.`,
  )
}

/**
 * Like {@link algorithmFor}. A CryptoKey stays with WebCrypto: converting it to a KeyObject is deprecated, and could
 * export a key that must not be exported.
 */
function cryptoKeyAlgorithm(key: webcrypto.CryptoKey, kind: KeyKind, name: string): SignatureAlgorithm {
  if (key.type !== kind) throw wrongKind(kind, key.type, name)
  const algorithm = key.algorithm as webcrypto.RsaHashedKeyAlgorithm
  const usage = kind === 'private' ? 'sign' : 'verify'
  if (algorithm.name !== 'RSASSA-PKCS1-v1_5' || algorithm.hash.name !== 'SHA-256' || !key.usages.includes(usage)) {
    throw new ConfigurationError(
      'ERR_KEY_ALGORITHM',
      `${name} is a CryptoKey that cannot ${usage} with RSASSA-PKCS1-v1_5 and SHA-256; import it for that use, or pass PEM.`,
    )
  }
  const publicExponent = algorithm.publicExponent.reduce((sum, byte) => sum * 256n + BigInt(byte), 0n)
  assertRsaStrength({ modulusLength: algorithm.modulusLength, publicExponent }, name)
  return 'RSA256'
}

function assertRsaStrength(rsa: { modulusLength: number; publicExponent: bigint }, name: string): void {
  if (!(rsa.modulusLength >= 2048)) {
    throw new ConfigurationError(
      'ERR_KEY_WEAK',
      `${name} is RSA of ${rsa.modulusLength} bits; at least 2048 is needed.`,
    )
  }
  // With an exponent of 1 a signature equals the padded message, so anyone can forge it.
  if (rsa.publicExponent < 3n || rsa.publicExponent % 2n === 0n) {
    throw new ConfigurationError('ERR_KEY_WEAK', `${name} is RSA with an unsafe public exponent; use 65537.`)
  }
}

/** A parsed PrivateKey has "sign" too, but must not count as a signer: ERR_KEY_OWN needs its fingerprint. */
function isSigner(input: unknown): input is Signer | DigestSigner {
  return isRecord(input) && (typeof input['sign'] === 'function' || isDigestSigner(input)) && !('isRemote' in input)
}

function isDigestSigner(input: object): input is DigestSigner {
  return 'signDigest' in input && typeof input.signDigest === 'function'
}

function canDecrypt(input: unknown): input is Decrypter {
  return isRecord(input) && typeof input['decrypt'] === 'function'
}

function isCryptoKey(input: unknown): input is webcrypto.CryptoKey {
  return Object.prototype.toString.call(input) === '[object CryptoKey]'
}

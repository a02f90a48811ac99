import { createPublicKey, type JsonWebKey, type KeyObject, type webcrypto } from 'node:crypto'
import { ConfigurationError } from '../errors.ts'
import type { SignatureAlgorithm } from '../protocol/headers.ts'
import { sha256 } from '../crypto/digest.ts'
import { isRecord, type KeyKind, toKeyObject, wrongKind } from './key-forms.ts'

/**
 * A private key that never leaves a KMS or HSM. Both methods get the bytes and return the bytes of the result.
 *
 * - `sign`: RSASSA-PKCS1-v1_5 with SHA-256 for RSA256; ECDSA over secp224r1 with SHA-256, in ASN.1 DER, for ECC224.
 * - `decrypt`: RSAES-PKCS1-v1_5 (or the suite's RSA-OAEP) of a wrapped AES key; needed for encrypted messages only.
 *   Resolve to undefined when the service refuses the ciphertext. Reject only when it is out of reach: the peer is
 *   then told to try later, and an order is not lost to an outage.
 *
 * @see docs/protocol.md section 3
 */
export interface Signer {
  readonly algorithm: SignatureAlgorithm
  sign(bytes: Uint8Array): Uint8Array | Promise<Uint8Array>
  decrypt?(bytes: Uint8Array): Uint8Array | undefined | Promise<Uint8Array | undefined>
}

/**
 * A public key as consoles, files and platforms hand it out: PEM (SPKI, PKCS#1, X.509 certificate), bare base64 DER,
 * DER bytes, JWK, `KeyObject` or `CryptoKey`. Escaped `\n`, CRLF, quotes and lost line breaks are understood.
 */
export type PublicKeyInput = string | Uint8Array | JsonWebKey | KeyObject | webcrypto.CryptoKey

/** A private key in any of the forms of {@link PublicKeyInput} (PKCS#8, PKCS#1 and SEC 1 inside), or a {@link Signer}. */
export type PrivateKeyInput = PublicKeyInput | Signer

/** A key, parsed once and known to fit its algorithm. */
export type PublicKey =
  | { readonly form: 'key-object'; readonly algorithm: SignatureAlgorithm; readonly key: KeyObject }
  | { readonly form: 'crypto-key'; readonly algorithm: SignatureAlgorithm; readonly key: webcrypto.CryptoKey }

/** A private key, parsed once and known to fit its algorithm. */
export type PrivateKey =
  | PublicKey
  | { readonly form: 'signer'; readonly algorithm: SignatureAlgorithm; readonly key: Signer }

/**
 * Parses a private key.
 *
 * @param name What to call the key in an error: `privateKeys[1]`.
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
  return isSigner(input) ? parseSigner(input, name) : parseKey(input, 'private', name)
}

/**
 * Parses a public key.
 *
 * @param name What to call the key in an error: `peerPublicKeys[1]`.
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
  return parseKey(input, 'public', name)
}

/** What there is to say of a key without revealing it. */
export interface KeyDescription {
  readonly kind: 'private' | 'public'
  readonly algorithm: SignatureAlgorithm
  /** Of the RSA modulus, or of the curve. */
  readonly bits: number
  /**
   * SHA-256 of the public half as SPKI DER, in hex: the same for a private key and its public key, and what
   * `openssl pkey -pubin -in public.pem -outform DER | sha256sum` prints.
   */
  readonly fingerprint: string
}

/**
 * Tells what a pasted key is, and gives the fingerprint to compare with the one in the console: when signatures
 * fail, the wrong key is the first suspect.
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
  }
}

/** SHA-256 of the key's public half as SPKI DER, in hex. */
export function fingerprint(key: KeyObject): string {
  const publicKey = key.type === 'private' ? createPublicKey(key) : key
  return sha256(publicKey.export({ type: 'spki', format: 'der' }), 'hex')
}

function parseKey(input: PublicKeyInput, kind: KeyKind, name: string): PublicKey {
  if (isCryptoKey(input)) return parseCryptoKey(input, kind, name)
  const key = toKeyObject(input, kind, name)
  return { form: 'key-object', algorithm: algorithmFor(key, name), key }
}

/** The one algorithm a key is good for. */
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

function assertRsaStrength(rsa: { modulusLength: number; publicExponent: bigint }, name: string): void {
  if (!(rsa.modulusLength >= 2048)) {
    throw new ConfigurationError(
      'ERR_KEY_WEAK',
      `${name} is RSA of ${rsa.modulusLength} bits; at least 2048 is needed.`,
    )
  }
  // With an exponent of 1 every signature is its own message: anyone can make one.
  if (rsa.publicExponent < 3n || rsa.publicExponent % 2n === 0n) {
    throw new ConfigurationError('ERR_KEY_WEAK', `${name} is RSA with an unsafe public exponent; 65537 is usual.`)
  }
}

/** A CryptoKey stays with WebCrypto: turning it into a KeyObject is deprecated, and could export what may not be. */
function parseCryptoKey(key: webcrypto.CryptoKey, kind: KeyKind, name: string): PublicKey {
  if (key.type !== kind) throw wrongKind(kind, key.type, name)
  const algorithm = key.algorithm as webcrypto.RsaHashedKeyAlgorithm
  const usage = kind === 'private' ? 'sign' : 'verify'
  if (algorithm.name !== 'RSASSA-PKCS1-v1_5' || algorithm.hash.name !== 'SHA-256' || !key.usages.includes(usage)) {
    throw new ConfigurationError(
      'ERR_KEY_ALGORITHM',
      `${name} is a CryptoKey that cannot ${usage} with RSASSA-PKCS1-v1_5 and SHA-256; import it so, or pass PEM.`,
    )
  }
  const publicExponent = algorithm.publicExponent.reduce((sum, byte) => sum * 256n + BigInt(byte), 0n)
  assertRsaStrength({ modulusLength: algorithm.modulusLength, publicExponent }, name)
  return { form: 'crypto-key', algorithm: 'RSA256', key }
}

function parseSigner(key: Signer, name: string): PrivateKey {
  if (key.algorithm !== 'RSA256' && key.algorithm !== 'ECC224') {
    throw new ConfigurationError(
      'ERR_KEY_ALGORITHM',
      `${name} is a signer whose "algorithm" is neither RSA256 nor ECC224.`,
    )
  }
  return { form: 'signer', algorithm: key.algorithm, key }
}

function isSigner(input: unknown): input is Signer {
  return isRecord(input) && typeof input['sign'] === 'function'
}

function isCryptoKey(input: unknown): input is webcrypto.CryptoKey {
  return Object.prototype.toString.call(input) === '[object CryptoKey]'
}

import {
  createPrivateKey,
  createPublicKey,
  type JsonWebKey,
  KeyObject,
  type webcrypto,
  X509Certificate,
} from 'node:crypto'
import { ConfigurationError } from '../errors.ts'
import { decodeAnyBase64 } from '../protocol/bytes.ts'
import type { SignatureAlgorithm } from '../protocol/headers.ts'
import { type DerShape, derShape } from './der.ts'
import { sha256 } from './digest.ts'

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

type KeyKind = 'private' | 'public'

/**
 * Parses a private key.
 *
 * @param name What to call the key in an error: `privateKeys[1]`.
 * @throws {@link ConfigurationError} `ERR_KEY_FORMAT`, `ERR_KEY_KIND`, `ERR_KEY_ENCRYPTED`, `ERR_KEY_WEAK`, `ERR_KEY_ALGORITHM`
 * @see docs/protocol.md section 3.2
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
  const algorithm = fitAlgorithm(key, 'key')
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
  return { form: 'key-object', algorithm: fitAlgorithm(key, name), key }
}

function toKeyObject(input: unknown, kind: KeyKind | undefined, name: string): KeyObject {
  if (input instanceof KeyObject) return ofKind(input, kind, name)
  if (typeof input === 'string') return fromText(input, kind, name)
  if (input instanceof Uint8Array) return fromBytes(input, kind, name)
  if (isRecord(input) && ('kty' in input || isJwkSet(input))) return fromJwk(input, kind, name)
  throw new ConfigurationError(
    'ERR_KEY_FORMAT',
    `${name} is ${input === null ? 'null' : typeof input}; pass PEM text, base64 or DER bytes, a JWK, a KeyObject or a CryptoKey.`,
  )
}

function fromText(text: string, kind: KeyKind | undefined, name: string): KeyObject {
  // trim() drops a byte order mark too.
  const plain = text
    .replaceAll('\\r', '')
    .replaceAll('\\n', '\n')
    .trim()
    .replace(/^(["'`])([\s\S]*)\1$/, '$2')
    .trim()
  if (plain === '') throw malformed(name, 'is empty; set the environment variable or the secret')
  if (plain.startsWith('{')) return fromJwkText(plain, kind, name)
  if (plain.includes('-----BEGIN')) return fromDer(decodePem(plain, name), kind, name)
  if (/^(ssh-|ecdsa-)/.test(plain))
    throw malformed(name, 'is in OpenSSH form; convert it: ssh-keygen -e -m PKCS8 -f FILE')
  // Asked first, since a path can be base64 by chance; a key never is a path, as its base64 begins with M or L.
  if (looksLikePath(text.trim())) {
    throw malformed(name, 'looks like the path of a file; read the file and pass its content')
  }
  const bytes = decodeAnyBase64(plain.replace(/\s+/g, ''))
  if (bytes === undefined) throw malformed(name, 'is neither PEM nor the base64 of a key; it may have been cut off')
  return fromBytes(bytes, kind, name)
}

function looksLikePath(text: string): boolean {
  return (
    /^([./~]|[a-z]:[\\/]|file:)[^\n]{0,255}$/i.test(text) || /^[^\n]{1,250}\.(pem|key|der|crt|cer|p8|txt)$/i.test(text)
  )
}

/** DER is a SEQUENCE; any other bytes are text: a file as it was read, or PEM in one more layer of base64. */
function fromBytes(bytes: Uint8Array, kind: KeyKind | undefined, name: string): KeyObject {
  return bytes[0] === 0x30 ? fromDer(bytes, kind, name) : fromText(new TextDecoder().decode(bytes), kind, name)
}

/** Five hyphens end the content; fewer occur in the headers of an encrypted key. */
const PEM_BLOCK = /-----BEGIN ([A-Z0-9 ]+)-----((?:[^-]|-(?!----))*)-----END \1-----/g

function decodePem(text: string, name: string): Uint8Array {
  const blocks = [...text.matchAll(PEM_BLOCK)].filter(([, label]) => label !== 'EC PARAMETERS')
  const [first] = blocks
  if (first === undefined) throw malformed(name, 'is PEM without a matching END line; it may have been cut off')
  const [, label = '', content = ''] = first
  // A certificate may be followed by those of its issuers; the first is the one it is about.
  if (blocks.length > 1 && !blocks.every(([, label]) => label === 'CERTIFICATE')) {
    throw malformed(name, `holds ${blocks.length} PEM blocks; pass the one that is meant`)
  }
  if (label === 'ENCRYPTED PRIVATE KEY' || content.includes('Proc-Type:')) throw encrypted(name)
  if (label === 'OPENSSH PRIVATE KEY') {
    throw malformed(name, 'is in OpenSSH form; convert it: ssh-keygen -p -m PKCS8 -f FILE')
  }
  const bytes = decodeAnyBase64(content.replace(/\s+/g, ''))
  if (bytes === undefined) throw malformed(name, 'is PEM whose content is not base64')
  return bytes
}

const KINDS: Readonly<Record<Exclude<DerShape, 'encrypted' | 'pkcs12'>, KeyKind>> = {
  pkcs8: 'private',
  'pkcs1-private': 'private',
  sec1: 'private',
  spki: 'public',
  'pkcs1-public': 'public',
  certificate: 'public',
}

/** The label of a PEM block is not believed: PKCS#8 content under "RSA PRIVATE KEY" is a common sight. */
function fromDer(der: Uint8Array, kind: KeyKind | undefined, name: string): KeyObject {
  const shape = derShape(der)
  if (shape === undefined)
    throw malformed(name, 'is no PKCS#8, PKCS#1, SEC 1, SPKI or X.509 structure; it may have been cut off')
  if (shape === 'encrypted') throw encrypted(name)
  if (shape === 'pkcs12') {
    throw malformed(name, 'is a PKCS#12 bundle; extract the key: openssl pkcs12 -in FILE -nodes -nocerts')
  }
  if (kind !== undefined && KINDS[shape] !== kind)
    throw wrongKind(kind, shape === 'certificate' ? shape : KINDS[shape], name)
  try {
    return parseShape(der, shape)
  } catch {
    // The cause is left out: what OpenSSL says of a key is not ours to vouch for.
    throw malformed(name, `has the outer form of ${shape} but its content cannot be parsed`)
  }
}

function parseShape(der: Uint8Array, shape: keyof typeof KINDS): KeyObject {
  const key = Buffer.from(der)
  if (shape === 'certificate') return new X509Certificate(key).publicKey
  if (shape === 'spki') return createPublicKey({ key, format: 'der', type: 'spki' })
  if (shape === 'pkcs1-public') return createPublicKey({ key, format: 'der', type: 'pkcs1' })
  return createPrivateKey({ key, format: 'der', type: shape === 'pkcs1-private' ? 'pkcs1' : shape })
}

function fromJwkText(text: string, kind: KeyKind | undefined, name: string): KeyObject {
  let jwk: unknown
  try {
    jwk = JSON.parse(text)
  } catch {
    throw malformed(name, 'begins like JSON but is not')
  }
  return fromJwk(jwk, kind, name)
}

function fromJwk(jwk: unknown, kind: KeyKind | undefined, name: string): KeyObject {
  if (isJwkSet(jwk)) throw malformed(name, 'is a JWK set; use importJwkSet() for it')
  if (!isRecord(jwk) || (jwk['kty'] !== 'RSA' && jwk['kty'] !== 'EC')) {
    throw new ConfigurationError('ERR_KEY_ALGORITHM', `${name} is a JWK whose "kty" is not RSA.`)
  }
  if (jwk['kty'] === 'EC') {
    // RFC 7518 registers no name for it, so runtimes cannot read it.
    throw new ConfigurationError(
      'ERR_KEY_ALGORITHM',
      `${name} is an EC JWK, but JWK has no name for secp224r1; pass PEM.`,
    )
  }
  const found = 'd' in jwk ? 'private' : 'public'
  if (kind !== undefined && found !== kind) throw wrongKind(kind, found, name)
  // Runtimes skip what is not base64url, and make another key of the rest.
  const isJunk = (member: string) => member in jwk && !/^[\w-]+$/.test(String(jwk[member]))
  if (['n', 'e', 'd', 'p', 'q', 'dp', 'dq', 'qi'].some(isJunk))
    throw malformed(name, 'is a JWK with missing or malformed members')
  try {
    const key = jwk as JsonWebKey
    return found === 'private' ? createPrivateKey({ key, format: 'jwk' }) : createPublicKey({ key, format: 'jwk' })
  } catch {
    throw malformed(name, 'is a JWK with missing or malformed members')
  }
}

function ofKind(key: KeyObject, kind: KeyKind | undefined, name: string): KeyObject {
  if (kind !== undefined && key.type !== kind) throw wrongKind(kind, key.type, name)
  return key
}

/** The one algorithm a key is good for. */
function fitAlgorithm(key: KeyObject, name: string): SignatureAlgorithm {
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

function isJwkSet(input: unknown): boolean {
  return isRecord(input) && Array.isArray(input['keys'])
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null
}

function malformed(name: string, why: string): ConfigurationError {
  return new ConfigurationError('ERR_KEY_FORMAT', `${name} ${why}.`)
}

function encrypted(name: string): ConfigurationError {
  return new ConfigurationError(
    'ERR_KEY_ENCRYPTED',
    `${name} is an encrypted private key; decrypt it first: openssl pkey -in FILE -out FILE.`,
  )
}

function wrongKind(wanted: KeyKind, found: string, name: string): ConfigurationError {
  return new ConfigurationError(
    'ERR_KEY_KIND',
    `${name} is a ${found}${found === 'certificate' ? '' : ' key'}; a ${wanted} key was expected.`,
  )
}

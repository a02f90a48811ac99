import { createCipheriv, createDecipheriv, publicEncrypt } from 'node:crypto'
import { ConfigurationError, ProtocolError } from '../errors.ts'
import { decodeBase64, encodeBase64, encodeUtf8 } from '../protocol/encoding.ts'
import type { PrivateKey, PublicKey } from '../keys/keys.ts'
import { type RandomBytes, secureRandomBytes } from './random.ts'
import { KEY_WRAPS } from './unwrap.ts'
import { unwrapOnPool } from './unwrap-pool.ts'

/**
 * How `RSA_AES` is carried out. The header does not say, so both sides must agree; the defaults are what every
 * known client of the gateway does.
 *
 * @see docs/protocol.md section 4.1
 */
export interface EncryptionOptions {
  /** Bits of the AES key of messages sent; messages received may use any of the three. @defaultValue 256 */
  readonly aesBits?: 128 | 192 | 256 | undefined
  /** AES mode, always with PKCS#7 padding; CBC carries its IV in front of the ciphertext. @defaultValue 'ECB' */
  readonly aesMode?: 'ECB' | 'CBC' | undefined
  /** How the AES key is encrypted; OAEP with SHA-1 or SHA-256, named as in RFC 7518. @defaultValue 'RSA1_5' */
  readonly keyWrap?: 'RSA1_5' | 'RSA-OAEP' | 'RSA-OAEP-256' | undefined
  /** Whether a key sent is random bytes, or the text of as many URL-safe characters. @defaultValue 'bytes' */
  readonly keyForm?: 'bytes' | 'text' | undefined
}

/** An {@link EncryptionOptions} with its defaults filled in. */
export type ResolvedEncryptionOptions = { readonly [K in keyof EncryptionOptions]-?: NonNullable<EncryptionOptions[K]> }

/** An encrypted body, and the AES key it is encrypted with, encrypted itself. */
export interface EncryptedBody {
  /** Standard base64, as bytes: what goes on the wire and is signed. */
  readonly body: Uint8Array
  readonly symmetricKey: Uint8Array
}

const AES_MODES = {
  ECB: { ivLength: 0 },
  CBC: { ivLength: 16 },
} as const

/** Fills in defaults and refuses nonsense. */
export function resolveEncryptionOptions(suite: EncryptionOptions = {}): ResolvedEncryptionOptions {
  const { aesBits = 256, aesMode = 'ECB', keyWrap = 'RSA1_5', keyForm = 'bytes' } = suite
  if (![128, 192, 256].includes(aesBits)) throw new RangeError('"suite.aesBits" must be 128, 192 or 256')
  if (!Object.hasOwn(AES_MODES, aesMode)) throw new RangeError('"suite.aesMode" must be ECB or CBC')
  if (!Object.hasOwn(KEY_WRAPS, keyWrap))
    throw new RangeError('"suite.keyWrap" must be RSA1_5, RSA-OAEP or RSA-OAEP-256')
  if (keyForm !== 'bytes' && keyForm !== 'text') throw new RangeError('"suite.keyForm" must be bytes or text')
  return { aesBits, aesMode, keyWrap, keyForm }
}

/** Whether a message can be encrypted to this key. */
export function canSeal(key: PublicKey): key is Extract<PublicKey, { form: 'key-object' }> {
  return key.form === 'key-object' && key.algorithm === 'RSA256'
}

/** Whether a message encrypted to this key can be opened. */
export function canOpen(key: PrivateKey): key is Exclude<PrivateKey, { form: 'crypto-key' }> {
  if (key.form === 'signer') return key.key.decrypt !== undefined
  return key.form === 'key-object' && key.algorithm === 'RSA256'
}

/**
 * Encrypts a body to the recipient's RSA key, under a fresh AES key.
 *
 * @throws {@link ConfigurationError} `ERR_KEY_USE` when the key is for ECC224, or a CryptoKey
 * @throws RangeError when the suite is none
 * @see docs/protocol.md section 4.1
 * @example
 * ```ts
 * import { formatEncryptHeader, parsePublicKey, seal } from 'alipayhk-order-sync'
 *
 * const key = parsePublicKey(process.env['ALIPAYHK_PUBLIC_KEY'] ?? '')
 * const { body, symmetricKey } = seal(Buffer.from('{}'), key)
 * const header = formatEncryptHeader({ algorithm: 'RSA_AES', symmetricKey })
 * ```
 */
export function encryptBody(
  plaintext: Uint8Array,
  key: PublicKey,
  suite: EncryptionOptions = {},
  randomBytes: RandomBytes = secureRandomBytes,
): EncryptedBody {
  if (!canSeal(key)) {
    throw new ConfigurationError('ERR_KEY_USE', 'Encryption needs an RSA key, given in any form but a CryptoKey.')
  }
  const { aesBits, aesMode, keyWrap, keyForm } = resolveEncryptionOptions(suite)
  const size = aesBits / 8
  const aesKey = keyForm === 'bytes' ? randomBytes(size) : textKey(randomBytes((size * 3) / 4))
  const { ivLength } = AES_MODES[aesMode]
  const iv = ivLength === 0 ? null : randomBytes(ivLength)
  const cipher = createCipheriv(cipherName(aesMode, aesKey), aesKey, iv)
  const blocks = [cipher.update(plaintext), cipher.final()]
  const ciphertext = Buffer.concat(iv === null ? blocks : [iv, ...blocks])
  return {
    body: encodeUtf8(encodeBase64(ciphertext)),
    symmetricKey: publicEncrypt({ key: key.key, ...KEY_WRAPS[keyWrap] }, aesKey),
  }
}

/**
 * Decrypts a body. Call it only once the signature over the ciphertext has verified: nothing in the envelope
 * authenticates it, and that order is what closes Bleichenbacher's oracle.
 *
 * @throws {@link RejectionError} `ERR_DECRYPTION`, the same for every cause
 * @throws {@link ConfigurationError} `ERR_KEY_USE` when the key is for ECC224, a CryptoKey, or a signer without `decrypt`
 * @throws RangeError when the suite is none
 * @see docs/protocol.md section 4.2
 * @example
 * ```ts
 * import { open, parseEncryptHeader, parsePrivateKey } from 'alipayhk-order-sync'
 *
 * const key = parsePrivateKey(process.env['MERCHANT_PRIVATE_KEY'] ?? '')
 *
 * export async function decrypt(verifiedBody: Uint8Array, encryptHeader: string) {
 *   const { symmetricKey } = parseEncryptHeader(encryptHeader)
 *   return await open({ body: verifiedBody, symmetricKey }, key)
 * }
 * ```
 */
export async function decryptBody(
  { body, symmetricKey }: EncryptedBody,
  key: PrivateKey,
  suite: EncryptionOptions = {},
  randomBytes: RandomBytes = secureRandomBytes,
): Promise<Uint8Array> {
  const { aesMode, keyWrap } = resolveEncryptionOptions(suite)
  const aesKey = await unwrapAesKey(symmetricKey, key, keyWrap, randomBytes(32))
  try {
    return decrypt(body, aesKey, aesMode)
  } catch {
    throw decryptionFailed()
  }
}

/** The one error of decryption. No cause: which step failed is nobody's business. */
export function decryptionFailed(): ProtocolError {
  return new ProtocolError(
    'ERR_DECRYPTION',
    'The encrypted body could not be opened. Check that the sender encrypts to your current public key, with the suite that you have configured.',
  )
}

type AesMode = ResolvedEncryptionOptions['aesMode']
type KeyWrap = ResolvedEncryptionOptions['keyWrap']

function decrypt(body: Uint8Array, aesKey: Uint8Array, aesMode: AesMode): Uint8Array {
  const ciphertext = decodeBase64(Buffer.from(body.buffer, body.byteOffset, body.byteLength).toString('latin1'))
  const { ivLength } = AES_MODES[aesMode]
  // Deno opens a ciphertext of no blocks to nothing; PKCS#7 always makes one.
  if (ciphertext === undefined || ciphertext.length <= ivLength) throw decryptionFailed()
  const iv = ivLength === 0 ? null : ciphertext.subarray(0, ivLength)
  const decipher = createDecipheriv(cipherName(aesMode, aesKey), aesKey, iv)
  return Buffer.concat([decipher.update(ciphertext.subarray(ivLength)), decipher.final()])
}

function cipherName(aesMode: AesMode, aesKey: Uint8Array): string {
  return `aes-${aesKey.length * 8}-${aesMode.toLowerCase()}`
}

function textKey(random: Uint8Array): Uint8Array {
  return encodeUtf8(Buffer.from(random).toString('base64url'))
}

/** The AES key, or the substitute: from here on nobody can tell which. */
async function unwrapAesKey(
  wrapped: Uint8Array,
  key: PrivateKey,
  keyWrap: KeyWrap,
  substitute: Uint8Array,
): Promise<Uint8Array> {
  if (!canOpen(key)) {
    throw new ConfigurationError(
      'ERR_KEY_USE',
      'Decryption needs an RSA key, given in any form but a CryptoKey, or a signer with "decrypt".',
    )
  }
  const unwrapped =
    key.form === 'signer'
      ? await key.key.decrypt?.(wrapped)
      : await unwrapOnPool({ wrapped, key: key.key, keyWrap, substitute })
  return unwrapped !== undefined && [16, 24, 32].includes(unwrapped.length) ? unwrapped : substitute
}

import { createCipheriv, createDecipheriv } from 'node:crypto'
import { ProtocolError } from '../errors.ts'
import { decodeBase64, encodeBase64, encodeUtf8 } from '../protocol/encoding.ts'
import type { KeyWrap, PrivateKey, PublicKey } from './key.ts'
import { requireOperation } from './key-use.ts'
import { KEY_WRAPS } from './key-wrap.ts'
import { type RandomBytes, secureRandomBytes } from './node.ts'
import { AES_KEY_LENGTHS } from './rsaes-pkcs1.ts'

/**
 * How messages are encrypted (`RSA_AES`). The header does not contain it, so both sides must agree. Every known client of
 * the gateway uses the defaults.
 *
 * @see docs/protocol.md section 4.1
 */
export interface EncryptionOptions {
  /** Size of the AES key of sent messages, in bits. Received messages may use any of the three. @defaultValue 256 */
  readonly aesBits?: 128 | 192 | 256 | undefined
  /** AES mode, always with PKCS#7 padding. With CBC, the IV precedes the ciphertext. @defaultValue 'ECB' */
  readonly aesMode?: 'ECB' | 'CBC' | undefined
  /** How the AES key is encrypted; OAEP with SHA-1 or SHA-256, named as in RFC 7518. @defaultValue 'RSA1_5' */
  readonly keyWrap?: KeyWrap | undefined
  /** Whether the AES key of a sent message is random bytes, or a text of the same number of URL-safe characters. @defaultValue 'bytes' */
  readonly keyForm?: 'bytes' | 'text' | undefined
}

/** {@link EncryptionOptions} with the defaults filled in. */
export type ResolvedEncryptionOptions = { readonly [K in keyof EncryptionOptions]-?: NonNullable<EncryptionOptions[K]> }

/** An encrypted body, and the AES key that it is encrypted with, itself encrypted. */
export interface EncryptedBody {
  /** Standard base64, as bytes. These bytes are sent and signed. */
  readonly body: Uint8Array
  readonly symmetricKey: Uint8Array
}

type AesBits = ResolvedEncryptionOptions['aesBits']
type AesMode = ResolvedEncryptionOptions['aesMode']

const AES_MODES: Readonly<Record<AesMode, { readonly ivLength: number }>> = {
  ECB: { ivLength: 0 },
  CBC: { ivLength: 16 },
}

const OPTION_NAMES = ['aesBits', 'aesMode', 'keyWrap', 'keyForm']

/**
 * Checks the options and fills in the defaults.
 *
 * @throws TypeError when an option is unknown
 * @throws RangeError when a value is out of range
 */
export function resolveEncryptionOptions(encryption: EncryptionOptions = {}): ResolvedEncryptionOptions {
  if (typeof encryption !== 'object' || encryption === null) throw new TypeError('"encryption" must be an object')
  for (const name of Object.keys(encryption)) {
    if (!OPTION_NAMES.includes(name)) throw new TypeError(`"encryption" has no option "${name.slice(0, 64)}"`)
  }
  const { aesBits = 256, aesMode = 'ECB', keyWrap = 'RSA1_5', keyForm = 'bytes' } = encryption
  if (![128, 192, 256].includes(aesBits)) throw new RangeError('"encryption.aesBits" must be 128, 192 or 256')
  if (!Object.hasOwn(AES_MODES, aesMode)) throw new RangeError('"encryption.aesMode" must be ECB or CBC')
  if (!Object.hasOwn(KEY_WRAPS, keyWrap)) {
    throw new RangeError('"encryption.keyWrap" must be RSA1_5, RSA-OAEP or RSA-OAEP-256')
  }
  if (keyForm !== 'bytes' && keyForm !== 'text') throw new RangeError('"encryption.keyForm" must be bytes or text')
  return { aesBits, aesMode, keyWrap, keyForm }
}

/**
 * Encrypts a body to the recipient's RSA key, under a new AES key.
 *
 * @throws {@link ConfigurationError} `ERR_KEY_USE` when the key is for ECC224, or a CryptoKey
 * @throws RangeError, TypeError when the encryption options are wrong
 * @see docs/protocol.md section 4.1
 * @example
 * ```ts
 * import { parsePublicKey } from 'alipayhk-order-sync'
 * import { encryptBody } from 'alipayhk-order-sync/crypto'
 * import { formatEncryptHeader } from 'alipayhk-order-sync/protocol'
 *
 * const key = parsePublicKey(process.env['ALIPAYHK_PUBLIC_KEY'] ?? '')
 * const { body, symmetricKey } = encryptBody(Buffer.from('{}'), key)
 * const header = formatEncryptHeader({ algorithm: 'RSA_AES', symmetricKey })
 * ```
 */
export function encryptBody(
  plaintext: Uint8Array,
  key: PublicKey,
  encryption: EncryptionOptions = {},
  randomBytes: RandomBytes = secureRandomBytes,
): EncryptedBody {
  const wrap = requireOperation(key.wrap, 'encryption')
  const { aesBits, aesMode, keyWrap, keyForm } = resolveEncryptionOptions(encryption)
  const size = aesBits / 8
  const aesKey = keyForm === 'bytes' ? randomBytes(size) : textKey(randomBytes((size * 3) / 4))
  const { ivLength } = AES_MODES[aesMode]
  const iv = ivLength === 0 ? null : randomBytes(ivLength)
  const cipher = createCipheriv(cipherName(aesMode, aesKey), aesKey, iv)
  const blocks = [cipher.update(plaintext), cipher.final()]
  const ciphertext = Buffer.concat(iv === null ? blocks : [iv, ...blocks])
  return { body: encodeUtf8(encodeBase64(ciphertext)), symmetricKey: wrap(aesKey, keyWrap) }
}

/**
 * Decrypts a body. Call it only after the signature over the ciphertext has been verified: encryption does not
 * authenticate anything, and decrypting unverified messages opens Bleichenbacher's oracle.
 *
 * @throws {@link ProtocolError} `ERR_DECRYPTION`, the same for every cause
 * @throws {@link ConfigurationError} `ERR_KEY_USE` when the key is for ECC224, a CryptoKey, or a signer without `decrypt`
 * @throws RangeError, TypeError when the encryption options are wrong
 * @see docs/protocol.md section 4.2
 * @example
 * ```ts
 * import { parsePrivateKey } from 'alipayhk-order-sync'
 * import { decryptBody } from 'alipayhk-order-sync/crypto'
 * import { parseEncryptHeader } from 'alipayhk-order-sync/protocol'
 *
 * const key = parsePrivateKey(process.env['MERCHANT_PRIVATE_KEY'] ?? '')
 *
 * export async function decrypt(verifiedBody: Uint8Array, encryptHeader: string) {
 *   const { symmetricKey } = parseEncryptHeader(encryptHeader)
 *   return await decryptBody({ body: verifiedBody, symmetricKey }, key)
 * }
 * ```
 */
export async function decryptBody(
  encrypted: EncryptedBody,
  key: PrivateKey,
  encryption: EncryptionOptions = {},
  randomBytes: RandomBytes = secureRandomBytes,
): Promise<Uint8Array> {
  const { plaintext } = await decryptBodyWithKeySize(encrypted, key, encryption, randomBytes)
  return plaintext
}

/** Like {@link decryptBody}. Also returns the size of the AES key, for a response that the same peer can decrypt. */
export async function decryptBodyWithKeySize(
  { body, symmetricKey }: EncryptedBody,
  key: Pick<PrivateKey, 'unwrap'>,
  encryption: EncryptionOptions,
  randomBytes: RandomBytes,
): Promise<{ plaintext: Uint8Array; aesBits: AesBits }> {
  const { aesMode, keyWrap } = resolveEncryptionOptions(encryption)
  const unwrap = requireOperation(key.unwrap, 'decryption')
  // Decryption under the substitute fails like decryption under a wrong key, so the sender cannot distinguish them.
  const substitute = randomBytes(32)
  const unwrapped = await unwrap(symmetricKey, keyWrap, substitute)
  const aesKey = AES_KEY_LENGTHS.includes(unwrapped.length) ? unwrapped : substitute
  try {
    return { plaintext: decryptAes(body, aesKey, aesMode), aesBits: (aesKey.length * 8) as AesBits }
  } catch {
    throw decryptionFailed()
  }
}

/** The one error of decryption. It has no cause and no detail, because it must not reveal which step failed. */
export function decryptionFailed(): ProtocolError {
  return new ProtocolError(
    'ERR_DECRYPTION',
    'The encrypted body could not be decrypted. Check that the sender encrypts to your current public key, with the same encryption options.',
  )
}

function decryptAes(body: Uint8Array, aesKey: Uint8Array, aesMode: AesMode): Uint8Array {
  const text = Buffer.from(body.buffer, body.byteOffset, body.byteLength).toString('latin1')
  // Many encoders wrap base64. The signature covers the line breaks; the ciphertext does not.
  const ciphertext = decodeBase64(text) ?? decodeBase64(text.replace(/[ \t\r\n]+/g, ''))
  const { ivLength } = AES_MODES[aesMode]
  // Deno decrypts a ciphertext without blocks to nothing; PKCS#7 padding always makes at least one block.
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

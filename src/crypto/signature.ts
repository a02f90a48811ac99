import {
  createHash,
  createVerify,
  type KeyObject,
  sign as signNode,
  verify as verifyNode,
  webcrypto,
} from 'node:crypto'
import { promisify } from 'node:util'
import { ConfigurationError, describeKind, isOrderSyncError } from '../errors.ts'
import type { SignatureAlgorithm } from '../protocol/headers.ts'
import type { DigestSigner, PrivateKey, PublicKey, Signer } from './key.ts'

/**
 * Signs the content with SHA-256 and the algorithm that the key is for.
 *
 * @see docs/protocol.md section 3
 * @example
 * ```ts
 * import { ORDER_SYNC_PATH, parsePrivateKey } from 'alipayhk-order-sync'
 * import { sign } from 'alipayhk-order-sync/crypto'
 * import { formatTime, signedContent } from 'alipayhk-order-sync/protocol'
 *
 * const key = parsePrivateKey(process.env['MERCHANT_PRIVATE_KEY'] ?? '')
 * const head = { method: 'POST', path: ORDER_SYNC_PATH, clientId: '4Q5Y8W0WSG45P907917', time: formatTime(Date.now()) }
 * const signature = await sign(key, signedContent(head, Buffer.from('{}')))
 * ```
 */
export function sign(key: PrivateKey, content: Uint8Array): Promise<Uint8Array> {
  return key.sign(content)
}

/**
 * Resolves to whether the signature over the content is valid, with SHA-256 and the algorithm that the key is for.
 * A valid signature alone does not make a message trustworthy: its time, its algorithm and its JSON must be checked
 * too. The handler and the client check all of them.
 *
 * @see docs/protocol.md section 3
 * @example
 * ```ts
 * import { parsePublicKey } from 'alipayhk-order-sync'
 * import { verify } from 'alipayhk-order-sync/crypto'
 * import { parseSignatureHeader, type SignedHead, signedContent } from 'alipayhk-order-sync/protocol'
 *
 * const key = parsePublicKey(process.env['ALIPAYHK_PUBLIC_KEY'] ?? '')
 *
 * export async function isFromAlipayHk(head: SignedHead, body: Uint8Array, header: string) {
 *   const { algorithm, signature } = parseSignatureHeader(header)
 *   return algorithm === key.algorithm && (await verify(key, signedContent(head, body), signature))
 * }
 * ```
 */
export function verify(key: PublicKey, content: Uint8Array, signature: Uint8Array): Promise<boolean> {
  return key.verify(content, signature)
}

// The operations behind a parsed key, one for each kind of handle that a runtime or a user has.

const WEB_ALGORITHM = 'RSASSA-PKCS1-v1_5'

/** The callback forms run on libuv's thread pool, so that the event loop is free meanwhile. */
const verifyOnPool = promisify(verifyNode)

/** A bare RSA key means PKCS#1 v1.5, and a bare EC key DER. workerd accepts no KeyObject with options beside it. */
export function signWithKeyObject(key: KeyObject, content: Uint8Array): Promise<Uint8Array> {
  return new Promise((resolve, reject) => {
    signNode('sha256', content, key, (error, signature) => (error ? reject(error) : resolve(signature)))
  })
}

export async function signWithCryptoKey(key: webcrypto.CryptoKey, content: Uint8Array): Promise<Uint8Array> {
  return new Uint8Array(await webcrypto.subtle.sign(WEB_ALGORITHM, key, content))
}

/** The longest message that most KMS services sign, in bytes. For a longer one, they sign its digest. */
const MAX_KMS_MESSAGE = 4_096

/**
 * @throws {@link ConfigurationError} `ERR_SIGNER_RESULT` when the signer returns no bytes, `ERR_SIGNER_LIMIT` when it fails
 * with content that may be too long
 */
export async function signWithSigner(signer: Signer, content: Uint8Array): Promise<Uint8Array> {
  let signature: unknown
  try {
    // A copy: small Buffers share memory, and the signer must not see or change what lies around the content.
    signature = await signer.sign(Uint8Array.from(content))
  } catch (error) {
    throw content.length > MAX_KMS_MESSAGE && mayBeOfSize(error) ? tooLongError(content.length, error) : error
  }
  return assertSignature(signature, 'sign')
}

/** @throws {@link ConfigurationError} `ERR_SIGNER_RESULT` when the signer returns no bytes */
export async function signWithDigestSigner(signer: DigestSigner, content: Uint8Array): Promise<Uint8Array> {
  return assertSignature(await signer.signDigest(createHash('sha256').update(content).digest()), 'signDigest')
}

function assertSignature(signature: unknown, method: 'sign' | 'signDigest'): Uint8Array {
  if (isBytes(signature)) return signature
  throw new ConfigurationError(
    'ERR_SIGNER_RESULT',
    `"${method}" of the signer returned ${describeKind(signature)}. Return the bytes of the signature. Decode base64 text with Buffer.from(text, 'base64').`,
  )
}

/** Errors of this package, timeouts and network failures have other causes. */
function mayBeOfSize(error: unknown): boolean {
  if (isOrderSyncError(error)) return false
  const { name, syscall } = (error ?? {}) as { name?: unknown; syscall?: unknown }
  return name !== 'TimeoutError' && name !== 'AbortError' && syscall === undefined
}

function tooLongError(length: number, cause: unknown): ConfigurationError {
  return new ConfigurationError(
    'ERR_SIGNER_LIMIT',
    `The signer failed to sign ${length} bytes. Many KMS services accept messages of at most ${MAX_KMS_MESSAGE} bytes. Sign the SHA-256 digest instead: implement "signDigest" instead of "sign" (AWS KMS: MessageType "DIGEST"; Google Cloud KMS: digest.sha256). The error of the signer is in "cause".`,
    { cause },
  )
}

/** Not by `instanceof`: test runners give each file a separate `Uint8Array` class. */
function isBytes(value: unknown): value is Uint8Array {
  return ArrayBuffer.isView(value)
}

/** The algorithm is the key's own; no header decides it. */
export async function verifyWithKeyObject(
  key: KeyObject,
  algorithm: SignatureAlgorithm,
  content: Uint8Array,
  signature: Uint8Array,
): Promise<boolean> {
  try {
    // 25 µs for RSA: less than a trip to the thread pool. The one-shot verify() takes 5 µs more.
    if (algorithm === 'RSA256') return createVerify('sha256').update(content).verify(key, signature)
    return await verifyOnPool('sha256', content, eccInput(key, signature), signature)
  } catch {
    // Some runtimes throw for malformed signatures, others return false.
    return false
  }
}

export async function verifyWithCryptoKey(
  key: webcrypto.CryptoKey,
  content: Uint8Array,
  signature: Uint8Array,
): Promise<boolean> {
  try {
    return await webcrypto.subtle.verify(WEB_ALGORITHM, key, signature, content)
  } catch {
    return false
  }
}

/** The length of an ECDSA signature over secp224r1 in IEEE P1363 form: two numbers of 28 bytes. */
const P1363_LENGTH = 56

/** DER, unless the length of the signature shows that it is in IEEE P1363 form. */
function eccInput(key: KeyObject, signature: Uint8Array) {
  return signature.length === P1363_LENGTH ? ({ key, dsaEncoding: 'ieee-p1363' } as const) : key
}

import {
  createVerify,
  type KeyObject,
  sign as signNode,
  type VerifyKeyObjectInput,
  verify as verifyNode,
  webcrypto,
} from 'node:crypto'
import { promisify } from 'node:util'
import type { SignedContent } from '../protocol/signed-content.ts'
import type { SignatureAlgorithm } from '../protocol/headers.ts'
import type { PrivateKey, PublicKey } from '../keys/keys.ts'

/** The callback forms run on libuv's thread pool: a signature takes 200 µs, in which the event loop goes on. */
const verifyOnPool = promisify(verifyNode)

/** An ECDSA signature over secp224r1 as IEEE P1363 writes it: two numbers of 28 bytes. */
const P1363_LENGTH = 56

interface Algorithm {
  /**
   * How node:crypto is told to use the key; the header has no say in it. A bare RSA key means PKCS#1 v1.5, a bare EC
   * key DER: options that said so could not be read by workerd, which takes no KeyObject beside them.
   */
  readonly verifyWith: (key: KeyObject, signature: Uint8Array) => KeyObject | VerifyKeyObjectInput
  /** RSA verification takes 30 µs: less than the way to the thread pool and back. */
  readonly verifiesOnPool: boolean
}

/** @see docs/protocol.md section 3.2 */
const ALGORITHMS: Readonly<Record<SignatureAlgorithm, Algorithm>> = {
  RSA256: { verifyWith: (key) => key, verifiesOnPool: false },
  ECC224: {
    verifyWith: (key, { length }) => (length === P1363_LENGTH ? { key, dsaEncoding: 'ieee-p1363' } : key),
    verifiesOnPool: true,
  },
}

/**
 * Signs the content with SHA-256 and the algorithm that the key is for.
 *
 * @see docs/protocol.md section 3
 * @example
 * ```ts
 * import { formatTime, ORDER_SYNC_PATH, parsePrivateKey, sign, signedContent } from 'alipayhk-order-sync'
 *
 * const key = parsePrivateKey(process.env['MERCHANT_PRIVATE_KEY'] ?? '')
 * const head = { method: 'POST', path: ORDER_SYNC_PATH, clientId: '4Q5Y8W0WSG45P907917', time: formatTime(Date.now()) }
 * const signature = await sign(key, signedContent(head, Buffer.from('{}')))
 * ```
 */
export function sign(key: PrivateKey, content: SignedContent): Promise<Uint8Array> {
  const bytes = join(content)
  return key.form === 'key-object' ? signOnPool(bytes, key.key) : signElsewhere(key, bytes)
}

function signOnPool(bytes: Uint8Array, key: KeyObject): Promise<Uint8Array> {
  return new Promise((resolve, reject) => {
    signNode('sha256', bytes, key, (error, signature) => (error ? reject(error) : resolve(signature)))
  })
}

async function signElsewhere(key: Exclude<PrivateKey, { form: 'key-object' }>, bytes: Uint8Array): Promise<Uint8Array> {
  // A copy: what lies around ours, in memory that Node shares out, is none of its business.
  if (key.form === 'signer') return await key.key.sign(Uint8Array.from(bytes))
  return new Uint8Array(await webcrypto.subtle.sign('RSASSA-PKCS1-v1_5', key.key, bytes))
}

/**
 * Tells whether the signature is the key's, over this content, with SHA-256 and the algorithm that the key is for.
 * A message must pass more than that: its time, its algorithm, its JSON; handler and client ask for all of it.
 *
 * @see docs/protocol.md section 3
 * @example
 * ```ts
 * import { parsePublicKey, parseSignatureHeader, type SignedHead, signedContent, verify } from 'alipayhk-order-sync'
 *
 * const key = parsePublicKey(process.env['ALIPAYHK_PUBLIC_KEY'] ?? '')
 *
 * export async function isTheirs(head: SignedHead, body: Uint8Array, header: string) {
 *   const { algorithm, signature } = parseSignatureHeader(header)
 *   return algorithm === key.algorithm && (await verify(key, signedContent(head, body), signature))
 * }
 * ```
 */
export async function verify(key: PublicKey, content: SignedContent, signature: Uint8Array): Promise<boolean> {
  return isSignature(key, content, signature)
}

/** Like {@link verify}; at once where that takes no time. */
export function isSignature(key: PublicKey, content: SignedContent, signature: Uint8Array): boolean | Promise<boolean> {
  if (key.form === 'crypto-key' || ALGORITHMS[key.algorithm].verifiesOnPool) return verifyLater(key, content, signature)
  try {
    // Hashed in pieces: a copy of the body would cost more than the second call.
    const input = ALGORITHMS[key.algorithm].verifyWith(key.key, signature)
    return createVerify('sha256').update(content.head).update(content.body).verify(input, signature)
  } catch {
    // Some runtimes throw where others say false, for bytes that are no signature at all.
    return false
  }
}

async function verifyLater(key: PublicKey, content: SignedContent, signature: Uint8Array): Promise<boolean> {
  try {
    if (key.form === 'crypto-key') {
      return await webcrypto.subtle.verify('RSASSA-PKCS1-v1_5', key.key, signature, join(content))
    }
    const input = ALGORITHMS[key.algorithm].verifyWith(key.key, signature)
    return await verifyOnPool('sha256', join(content), input, signature)
  } catch {
    return false
  }
}

function join({ head, body }: SignedContent): Uint8Array {
  return Buffer.concat([Buffer.from(head), body])
}

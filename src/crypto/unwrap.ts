import { constants, createPublicKey, type KeyObject, privateDecrypt, publicEncrypt } from 'node:crypto'
import { unpad } from './rsaes-pkcs1.ts'

/** How an AES key is encrypted, as node:crypto is told. */
export const KEY_WRAPS = {
  RSA1_5: { padding: constants.RSA_PKCS1_PADDING },
  'RSA-OAEP': { padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash: 'sha1' },
  'RSA-OAEP-256': { padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash: 'sha256' },
} as const

/** An encrypted AES key, and what takes its place when it cannot be decrypted: 32 random bytes. */
export interface UnwrapJob {
  readonly wrapped: Uint8Array
  readonly key: KeyObject
  readonly keyWrap: keyof typeof KEY_WRAPS
  readonly substitute: Uint8Array
}

/** RFC 8017 section 7.2.2 step 1. Runtimes differ: some take a ciphertext with zeros added in front or left out. */
export function hasModulusLength({ wrapped, key }: UnwrapJob): boolean {
  return wrapped.length === modulusBytes(key)
}

/** The AES key, or the substitute. It takes 250 µs, in which this thread does nothing else: node:crypto has no other way. */
export function unwrap({ wrapped, key, keyWrap, substitute }: UnwrapJob): Uint8Array {
  try {
    if (keyWrap !== 'RSA1_5' || rejectsImplicitly(key)) return privateDecrypt({ key, ...KEY_WRAPS[keyWrap] }, wrapped)
    return unpad(privateDecrypt({ key, padding: constants.RSA_NO_PADDING }, wrapped), substitute)
  } catch {
    return substitute
  }
}

function modulusBytes(key: KeyObject): number {
  return Math.ceil((key.asymmetricKeyDetails?.modulusLength ?? 0) / 8)
}

let implicitRejection: boolean | undefined

/**
 * Whether this runtime answers a bad PKCS#1 padding with a substitute of its own (OpenSSL 3.2 and later), instead of
 * refusing the padding altogether (Node 20, Bun) or failing in a way that can be told apart (Deno). Tried out once,
 * on a block that is certainly bad.
 */
function rejectsImplicitly(key: KeyObject): boolean {
  if (implicitRejection !== undefined) return implicitRejection
  const block = Buffer.alloc(modulusBytes(key), 1)
  block[0] = 0
  const bad = publicEncrypt({ key: createPublicKey(key), padding: constants.RSA_NO_PADDING }, block)
  try {
    privateDecrypt({ key, padding: constants.RSA_PKCS1_PADDING }, bad)
    implicitRejection = true
  } catch {
    implicitRejection = false
  }
  return implicitRejection
}

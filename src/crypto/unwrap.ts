import { constants, createPublicKey, type KeyObject, privateDecrypt, publicEncrypt } from 'node:crypto'
import type { KeyWrap } from './key.ts'
import { KEY_WRAPS } from './key-wrap.ts'
import { unpad } from './rsaes-pkcs1.ts'

/** An encrypted AES key, and the 32 random bytes that replace it when it cannot be decrypted. */
export interface UnwrapJob {
  readonly wrapped: Uint8Array
  readonly key: KeyObject
  readonly keyWrap: KeyWrap
  readonly substitute: Uint8Array
}

/** RFC 8017 section 7.2.2 step 1. Some runtimes also accept a ciphertext with zeros added or left out in front. */
export function hasModulusLength({ wrapped, key }: UnwrapJob): boolean {
  return wrapped.length === modulusBytes(key)
}

/** Returns the AES key, or the substitute. Blocks this thread for 250 µs: node:crypto has no asynchronous form. */
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
 * Whether this runtime returns its own substitute for a bad PKCS#1 padding (OpenSSL 3.2 and later). Others refuse
 * to use the padding at all (Node 20, Bun) or fail in a way that an attacker can observe (Deno). Tested once, with a
 * block whose padding is certainly bad.
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

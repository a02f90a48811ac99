import { constants, type KeyObject, publicEncrypt } from 'node:crypto'
import type { KeyWrap } from './key.ts'

/** The options of node:crypto for each key wrap. */
export const KEY_WRAPS = {
  RSA1_5: { padding: constants.RSA_PKCS1_PADDING },
  'RSA-OAEP': { padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash: 'sha1' },
  'RSA-OAEP-256': { padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash: 'sha256' },
} as const satisfies Record<KeyWrap, object>

/** Encrypts an AES key to an RSA key. */
export function wrap(aesKey: Uint8Array, key: KeyObject, keyWrap: KeyWrap): Uint8Array {
  return publicEncrypt({ key, ...KEY_WRAPS[keyWrap] }, aesKey)
}

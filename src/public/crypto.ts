/**
 * Signatures and encryption, on bytes.
 *
 * @packageDocumentation
 */
export { decryptBody, type EncryptedBody, type EncryptionOptions, encryptBody } from '../crypto/envelope.ts'
export type { KeyWrap } from '../crypto/key.ts'
export type { RandomBytes } from '../crypto/node.ts'
export { sign, verify } from '../crypto/signature.ts'

import type { EncryptionOptions } from 'alipayhk-order-sync/crypto'
import { oneOf, optional, type ValuesOf } from './option.ts'

/** How messages are encrypted: both sides must agree. Without them, the defaults of the package apply. */
export const ENCRYPTION_OPTIONS = {
  'aes-bits': optional(oneOf(['128', '192', '256'], 'the size of the AES key of encrypted messages')),
  'aes-mode': optional(oneOf(['ECB', 'CBC'], 'the mode of AES')),
  'key-wrap': optional(oneOf(['RSA1_5', 'RSA-OAEP', 'RSA-OAEP-256'], 'how the AES key is encrypted')),
  'key-form': optional(oneOf(['bytes', 'text'], 'whether the AES key is random bytes, or text')),
}

const AES_BITS = { 128: 128, 192: 192, 256: 256 } as const

/** The option `encryption` of a handler or client. */
export function encryptionOf(values: ValuesOf<typeof ENCRYPTION_OPTIONS>): EncryptionOptions {
  const { 'aes-bits': bits, 'aes-mode': aesMode, 'key-wrap': keyWrap, 'key-form': keyForm } = values
  return { aesBits: bits && AES_BITS[bits], aesMode, keyWrap, keyForm }
}

import { sha256 } from '../crypto/node.ts'
import { ProtocolError } from '../errors.ts'
import type { MessageHead } from '../protocol/headers.ts'

/** Remembers which `Encrypt` header came with which signature. */
export interface EncryptMemory {
  /**
   * Throws when this signature was seen with another `Encrypt` header. Call it after the signature has verified.
   *
   * @throws {@link ProtocolError} `ERR_ENCRYPT_CHANGED`
   */
  readonly assertUnchanged: (head: MessageHead, now: number) => void
}

/** Signatures that are remembered. Above it, the oldest are forgotten first. */
const MAX_SIGNATURES = 10_000

/**
 * The signature does not cover the `Encrypt` header. Whoever captured one encrypted message could send it again with a
 * symmetric key of their own, and have our private key decrypt it. This memory, one per process, refuses such a message
 * before any private-key operation. It holds hashes only, for as long as the time of a message is accepted.
 *
 * @see docs/protocol.md section 4.2
 */
export function createEncryptMemory(clockToleranceSeconds: number): EncryptMemory {
  const seen = new Map<string, { readonly encrypt: string; readonly expiresAt: number }>()
  return {
    assertUnchanged({ signature, encrypt, sentAt }, now) {
      if (encrypt === undefined) return
      const key = sha256(signature.signature, 'base64url')
      const value = `${encrypt.keyVersion ?? ''} ${sha256(encrypt.symmetricKey, 'base64url')}`
      const known = seen.get(key)
      if (known !== undefined && known.encrypt !== value) {
        throw new ProtocolError(
          'ERR_ENCRYPT_CHANGED',
          'The same signature was sent before with another Encrypt header.',
        )
      }
      if (known !== undefined) return
      for (const [old, { expiresAt }] of seen) {
        if (expiresAt > now && seen.size < MAX_SIGNATURES) break
        seen.delete(old)
      }
      seen.set(key, { encrypt: value, expiresAt: sentAt + clockToleranceSeconds * 1000 })
    },
  }
}

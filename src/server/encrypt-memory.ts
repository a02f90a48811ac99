import { sha256 } from '../crypto/node.ts'
import { ProtocolError } from '../errors.ts'
import { signedContent } from '../protocol/signed-content.ts'
import type { ReceivedMessage } from '../secure-message/verify.ts'

/** Remembers the `Encrypt` header of each signed content. */
export interface EncryptMemory {
  /**
   * Throws when this content was seen with another `Encrypt` header, or without one. Call it after the signature has verified.
   *
   * @throws {@link ProtocolError} `ERR_ENCRYPT_CHANGED`
   */
  readonly assertUnchanged: (message: ReceivedMessage, clientId: string, limits: MemoryLimits) => void
}

interface MemoryLimits {
  /** Milliseconds since the epoch. */
  readonly now: number
  readonly clockToleranceSeconds: number
  /** Milliseconds between the check of the time of a message and the end of its body. */
  readonly maxArrivalMs: number
}

/** The maximum number of remembered messages. Above it, the oldest are dropped first. */
const MAX_MESSAGES = 10_000

/**
 * The signature does not cover the `Encrypt` header. An attacker who captured one encrypted message could replace its
 * symmetric key and make the merchant's private key decrypt it. This memory, one per process, rejects such a message
 * before any private-key operation. It only has hashes, for as long as the time of a message is accepted.
 *
 * @see docs/protocol.md section 4.2
 */
export function createEncryptMemory(): EncryptMemory {
  const seen = new Map<string, { readonly encrypt: string; readonly expiresAt: number }>()
  return {
    assertUnchanged({ method, path, head, body }, clientId, { now, clockToleranceSeconds, maxArrivalMs }) {
      const { encrypt, sentAt, time } = head
      // Not the signature: a second valid one can be derived from an ECDSA signature.
      const key = sha256(signedContent({ method, path, clientId, time }, body), 'base64url')
      const value = encrypt ? `${encrypt.keyVersion ?? ''} ${sha256(encrypt.symmetricKey, 'base64url')}` : 'plaintext'
      const known = seen.get(key)
      if (known !== undefined && known.encrypt !== value) {
        throw new ProtocolError(
          'ERR_ENCRYPT_CHANGED',
          'The same signed content was sent before with another Encrypt header.',
        )
      }
      if (known !== undefined) return
      for (const [old, { expiresAt }] of seen) {
        if (expiresAt > now && seen.size < MAX_MESSAGES) break
        seen.delete(old)
      }
      seen.set(key, { encrypt: value, expiresAt: sentAt + clockToleranceSeconds * 1000 + maxArrivalMs })
    },
  }
}

import { canSeal, type ResolvedEncryptionOptions, encryptBody } from '../crypto/envelope.ts'
import type { VersionedKey } from '../keys/key-ring.ts'
import type { PublicKey } from '../keys/keys.ts'
import type { RandomBytes } from '../crypto/random.ts'
import { sign } from '../crypto/signature.ts'
import { ConfigurationError } from '../errors.ts'
import { signedContent } from '../protocol/signed-content.ts'
import { CONTENT_TYPES, formatEncryptHeader, formatSignatureHeader } from '../protocol/headers.ts'
import { formatTime } from '../protocol/time.ts'
import type { ParsedCredentials } from './credentials.ts'

/** How messages are encrypted, and with what randomness. */
export interface Encryption {
  readonly suite: ResolvedEncryptionOptions
  readonly randomBytes: RandomBytes
}

/** A message to be secured. */
export interface MessageToSend {
  /** The method and the request-target of the request, also where a response is packed. */
  readonly method: string
  readonly path: string
  readonly timeHeader: 'Request-Time' | 'Response-Time'
  /** The clock, in milliseconds since the epoch. */
  readonly now: number
  /** The message, serialised. */
  readonly plaintext: Uint8Array
  /** Absent: the message is sent in the clear. */
  readonly encryptTo?: VersionedKey<PublicKey> | undefined
}

/** A message, secured: what goes on the wire. */
export interface SecuredMessage {
  readonly headers: Readonly<Record<string, string>>
  readonly body: Uint8Array
}

/**
 * Secures one message: encrypts it when it is to be encrypted, then signs what results.
 *
 * @see docs/protocol.md sections 3.1 and 4.1
 */
export async function secureMessage(message: MessageToSend, credentials: ParsedCredentials, envelope: Encryption): Promise<SecuredMessage> {
  const { method, path, timeHeader, plaintext, encryptTo } = message
  const { clientId, signingKey } = credentials
  const sealed = encryptTo && encryptBody(plaintext, encryptTo.key, envelope.suite, envelope.randomBytes)
  const body = sealed?.body ?? plaintext
  const time = formatTime(message.now)
  const signature = await sign(signingKey.key, signedContent({ method, path, clientId, time }, body))
  const headers: Record<string, string> = {
    'Client-Id': clientId,
    'Content-Type': sealed ? CONTENT_TYPES.encrypted : CONTENT_TYPES.json,
    [timeHeader]: time,
    Signature: formatSignatureHeader({
      algorithm: signingKey.key.algorithm,
      keyVersion: signingKey.version,
      signature,
    }),
  }
  if (sealed && encryptTo) {
    const { symmetricKey } = sealed
    headers['Encrypt'] = formatEncryptHeader({ algorithm: 'RSA_AES', keyVersion: encryptTo.version, symmetricKey })
  }
  return { headers, body }
}

/** The peer's latest key that a message can be encrypted to, if there is one. */
export function findEncryptionKey({ peerPublicKeys }: ParsedCredentials): VersionedKey<PublicKey> | undefined {
  return peerPublicKeys.newestFirst.find(({ key }) => canSeal(key))
}

/**
 * Like {@link findEncryptionKey}, where there must be one.
 *
 * @throws {@link ConfigurationError} `ERR_KEY_USE`
 */
export function requireEncryptionKey(credentials: ParsedCredentials): VersionedKey<PublicKey> {
  const found = findEncryptionKey(credentials)
  if (found !== undefined) return found
  throw new ConfigurationError(
    'ERR_KEY_USE',
    'Encryption needs an RSA key in peerPublicKeys, given in any form but a CryptoKey; RSA_AES knows no other.',
  )
}

import { encryptBody, type ResolvedEncryptionOptions } from '../crypto/envelope.ts'
import type { PublicKey } from '../crypto/key.ts'
import type { RandomBytes } from '../crypto/node.ts'
import { sign } from '../crypto/signature.ts'
import type { VersionedKey } from '../keys/key-ring.ts'
import {
  CONTENT_TYPES,
  formatEncryptHeader,
  formatSignatureHeader,
  type MessageKind,
  timeHeaderOf,
} from '../protocol/headers.ts'
import { signedContent } from '../protocol/signed-content.ts'
import { formatTime } from '../protocol/time.ts'
import { traced } from '../telemetry/channels.ts'
import type { ParsedCredentials } from './credentials.ts'

/** How messages are encrypted, and the source of randomness. */
export interface Encryption {
  readonly options: ResolvedEncryptionOptions
  readonly randomBytes: RandomBytes
}

/** A message to be secured. */
export interface MessageToSend {
  readonly kind: MessageKind
  /** The method and the request-target of the request, also for a response. */
  readonly method: string
  readonly path: string
  /** The clock, in milliseconds since the epoch. */
  readonly now: number
  /** The serialized message. */
  readonly plaintext: Uint8Array
  /** The recipient's key. Absent: the message is not encrypted. */
  readonly encryptTo?: VersionedKey<PublicKey> | undefined
}

/** A secured message, as it is sent. */
export interface SecuredMessage {
  readonly headers: Readonly<Record<string, string>>
  readonly body: Uint8Array
}

/**
 * Secures one message: encrypts it if the recipient's key is given, then signs the result.
 *
 * @see docs/protocol.md sections 3.1 and 4.1
 */
export async function secureMessage(
  message: MessageToSend,
  credentials: ParsedCredentials,
  encryption: Encryption,
): Promise<SecuredMessage> {
  const { kind, method, path, plaintext, encryptTo } = message
  const { clientId, signingKey } = credentials
  const encrypted = encryptTo && encryptBody(plaintext, encryptTo.key, encryption.options, encryption.randomBytes)
  const body = encrypted?.body ?? plaintext
  const time = formatTime(message.now)
  const { version: keyVersion, key } = signingKey
  const content = signedContent({ method, path, clientId, time }, body)
  const signature = await traced(
    'sign',
    () => ({ clientId, keyVersion, message: kind }),
    () => sign(key, content),
  )
  const { algorithm } = key
  const headers = {
    'Client-Id': clientId,
    'Content-Type': encrypted ? CONTENT_TYPES.encrypted : CONTENT_TYPES.json,
    [timeHeaderOf(kind)]: time,
    Signature: formatSignatureHeader({ algorithm, keyVersion, signature }),
  }
  if (!encrypted) return { headers, body }
  const { symmetricKey } = encrypted
  const encrypt = formatEncryptHeader({ algorithm: 'RSA_AES', keyVersion: encryptTo.version, symmetricKey })
  return { headers: { ...headers, Encrypt: encrypt }, body }
}

import { decryptBodyWithKeySize, decryptionFailed, type ResolvedEncryptionOptions } from '../crypto/envelope.ts'
import { verify } from '../crypto/signature.ts'
import { ProtocolError } from '../errors.ts'
import {
  type EncryptHeader,
  type MessageHead,
  type MessageKind,
  parseMessageHead,
  timeHeaderOf,
} from '../protocol/headers.ts'
import { assertStrict, type JsonLimits, parseJson, parseLoosely } from '../protocol/json.ts'
import { signedContent } from '../protocol/signed-content.ts'
import { assertFresh } from '../protocol/time.ts'
import { traced } from '../telemetry/channels.ts'
import { findDecryptionKey, type ParsedCredentials } from './credentials.ts'
import type { Encryption } from './secure.ts'

/** A received message whose headers are parsed. */
export interface ReceivedMessage {
  /** The method and the request-target of the request, also for a response. */
  readonly method: string
  readonly path: string
  readonly head: MessageHead
  /** The received body, unchanged. */
  readonly body: Uint8Array
}

/** How strictly to verify. */
export interface VerifyOptions {
  readonly encryption: Encryption
  readonly json: JsonLimits
}

/** A message with a verified signature of the peer. */
export interface VerifiedMessage {
  /** The parsed JSON, not validated yet. */
  readonly value: unknown
  /** The size of the AES key, when the body was encrypted. */
  readonly aesBits?: ResolvedEncryptionOptions['aesBits']
}

/**
 * Parses the headers of a message and rejects one that is too old, or too far ahead. Needs no body.
 *
 * @param headers By lower-case name.
 * @param limits The clock in milliseconds since the epoch, and the tolerance in seconds.
 * @throws {@link ProtocolError} `ERR_HEADER_MISSING`, `ERR_HEADER_INVALID`, `ERR_CONTENT_TYPE`, `ERR_TIME_RANGE`
 * @see docs/protocol.md section 2
 */
export function parseFreshHead(
  headers: ReadonlyMap<string, string>,
  kind: MessageKind,
  { now, clockToleranceSeconds }: { now: number; clockToleranceSeconds: number },
): MessageHead {
  const head = parseMessageHead(headers, kind)
  assertFresh(head.sentAt, { now, clockToleranceSeconds, header: timeHeaderOf(kind) })
  return head
}

/**
 * Verifies the signature of a message. Only then does it decrypt the body and parse the JSON.
 *
 * @throws {@link ProtocolError} `ERR_SIGNATURE_INVALID`, `ERR_DECRYPTION`, `ERR_JSON_INVALID`
 * @throws {@link ConfigurationError} `ERR_KEY_USE`
 * @see docs/protocol.md sections 3 to 5
 */
export async function verifyMessage(
  message: ReceivedMessage,
  credentials: ParsedCredentials,
  options: VerifyOptions,
): Promise<VerifiedMessage> {
  await assertSigned(message, credentials)
  return await decryptAndParse(message, credentials, options)
}

/**
 * Verifies the signature of a message: the first half of {@link verifyMessage}.
 *
 * @returns the version of the peer's key that the signature verified with
 * @throws {@link ProtocolError} `ERR_SIGNATURE_INVALID`
 */
export async function assertSigned(
  { method, path, head, body }: ReceivedMessage,
  { clientId, peerPublicKeys }: ParsedCredentials,
): Promise<string> {
  const { algorithm, keyVersion, signature } = head.signature
  const found = peerPublicKeys.get(keyVersion)
  // The algorithm in the header must be the key's own: the sender never chooses how a key is used.
  if (found?.key.algorithm === algorithm) {
    const content = signedContent({ method, path, clientId, time: head.time }, body)
    const context = () => ({ clientId, keyVersion: found.version })
    if (await traced('verify', context, () => verify(found.key, content, signature))) return found.version
  }
  throw new ProtocolError(
    'ERR_SIGNATURE_INVALID',
    'The signature does not verify with the configured key for this method, path, Client-Id, time and body.',
  )
}

/**
 * Decrypts and parses a message whose signature is verified: the second half of {@link verifyMessage}.
 *
 * @throws {@link ProtocolError} `ERR_DECRYPTION`, `ERR_JSON_INVALID`
 * @throws {@link ConfigurationError} `ERR_KEY_USE`
 */
export async function decryptAndParse(
  message: ReceivedMessage,
  credentials: ParsedCredentials,
  { encryption, json }: VerifyOptions,
): Promise<VerifiedMessage> {
  return parseMessage(await decryptMessage(message, credentials, encryption), json)
}

/** A message whose signature is verified, in the clear. */
export interface DecryptedMessage {
  readonly plaintext: Uint8Array
  /** The size of the AES key, when the body was encrypted. */
  readonly aesBits?: ResolvedEncryptionOptions['aesBits']
}

/**
 * Decrypts a message whose signature is verified, if it is encrypted.
 *
 * @throws {@link ProtocolError} `ERR_DECRYPTION`
 * @throws {@link ConfigurationError} `ERR_KEY_USE`
 */
export async function decryptMessage(
  { head, body }: { readonly head: Pick<MessageHead, 'encrypt'>; readonly body: Uint8Array },
  credentials: ParsedCredentials,
  encryption: Encryption,
): Promise<DecryptedMessage> {
  return head.encrypt === undefined ? { plaintext: body } : await decrypt(head.encrypt, body, credentials, encryption)
}

/**
 * Parses a message in the clear.
 *
 * @throws {@link ProtocolError} `ERR_DECRYPTION`, `ERR_JSON_INVALID`
 */
export function parseMessage({ plaintext, aesBits }: DecryptedMessage, json: JsonLimits): VerifiedMessage {
  return aesBits === undefined
    ? { value: parseJson(plaintext, json) }
    : { value: parseDecrypted(plaintext, json), aesBits }
}

async function decrypt(
  { keyVersion, symmetricKey }: EncryptHeader,
  body: Uint8Array,
  credentials: ParsedCredentials,
  { options, randomBytes }: Encryption,
) {
  const { key, isKnownVersion } = findDecryptionKey(credentials, keyVersion)
  const context = () => ({ clientId: credentials.clientId, keyVersion })
  const decrypted = await traced('decrypt', context, () =>
    decryptBodyWithKeySize({ body, symmetricKey }, key, options, randomBytes),
  )
  // Checked after the work: an unknown version must cost as much, and look the same, as a wrong key.
  if (!isKnownVersion) throw decryptionFailed()
  return decrypted
}

/** A wrong key gives correct padding once in 256 times, so a plaintext other than a JSON object is a failed decryption. */
function parseDecrypted(plaintext: Uint8Array, limits: JsonLimits): unknown {
  const json = parseLoosely(plaintext, limits)
  if (!json?.isObject) throw decryptionFailed()
  return assertStrict(json, limits)
}

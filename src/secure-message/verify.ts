import { canOpen, decryptionFailed, decryptBody } from '../crypto/envelope.ts'
import type { PrivateKey } from '../keys/keys.ts'
import { isSignature } from '../crypto/signature.ts'
import { ConfigurationError, ProtocolError } from '../errors.ts'
import { assertStrict, type JsonLimits, parseJson, parseLoosely } from '../protocol/json.ts'
import { signedContent } from '../protocol/signed-content.ts'
import {
  assertContentType,
  type EncryptHeader,
  parseEncryptHeader,
  parseSignatureHeader,
  type SignatureHeader,
} from '../protocol/headers.ts'
import { assertFresh, parseTime } from '../protocol/time.ts'
import type { ParsedCredentials } from './credentials.ts'
import type { Encryption } from './secure.ts'

/** A message as it came. */
export interface ReceivedMessage {
  /** The method and the request-target of the request, also where a response is unpacked. */
  readonly method: string
  readonly path: string
  readonly timeHeader: 'Request-Time' | 'Response-Time'
  /** By lower-case name. */
  readonly headers: ReadonlyMap<string, string>
  /** Reads the body; called once the headers have been found in order. */
  readonly body: () => Uint8Array | Promise<Uint8Array>
}

/** How strict to be. */
export interface VerifyOptions {
  /** The clock, in milliseconds since the epoch. */
  readonly now: number
  readonly clockToleranceSeconds: number
  readonly json: JsonLimits
}

/** A message that its peer has certainly signed. */
export interface VerifiedMessage {
  /** The JSON value, not validated yet. */
  readonly message: unknown
  /** The bytes that it was parsed from. */
  readonly plaintext: Uint8Array
}

/**
 * Opens one message: parses its headers, checks its time, verifies its signature, and only then decrypts and parses
 * the body.
 *
 * @throws {@link RejectionError} `ERR_HEADER_MISSING`, `ERR_HEADER_INVALID`, `ERR_CONTENT_TYPE`, `ERR_TIME_RANGE`,
 * `ERR_SIGNATURE_INVALID`, `ERR_DECRYPTION`, `ERR_JSON_INVALID`
 * @throws {@link ConfigurationError} `ERR_KEY_USE`
 * @see docs/protocol.md sections 2 to 5
 */
export async function verifyMessage(
  arrived: ReceivedMessage,
  credentials: ParsedCredentials,
  envelope: Encryption,
  scrutiny: VerifyOptions,
): Promise<VerifiedMessage> {
  const head = parseHead(arrived)
  const { now, clockToleranceSeconds } = scrutiny
  assertFresh(head.sentAt, { now, clockToleranceSeconds, header: arrived.timeHeader })
  const body = await arrived.body()
  const signed = isSigned(arrived, head, body, credentials)
  if (signed !== true && !(await signed)) {
    throw new ProtocolError(
      'ERR_SIGNATURE_INVALID',
      'The signature is not that of the configured key over this method, path, Client-Id, time and body.',
    )
  }
  if (head.encrypt === undefined) return { message: parseJson(body, scrutiny.json), plaintext: body }
  const plaintext = await openBody(head.encrypt, body, credentials, envelope)
  return { message: parseDecrypted(plaintext, scrutiny.json), plaintext }
}

interface MessageHead {
  readonly signature: SignatureHeader
  readonly encrypt: EncryptHeader | undefined
  readonly time: string
  readonly sentAt: number
}

function parseHead({ headers, timeHeader }: ReceivedMessage): MessageHead {
  const encrypt = headers.get('encrypt')
  assertContentType(requireHeader(headers, 'Content-Type'), { encrypted: encrypt !== undefined })
  const time = requireHeader(headers, timeHeader)
  return {
    signature: parseSignatureHeader(requireHeader(headers, 'Signature')),
    encrypt: encrypt === undefined ? undefined : parseEncryptHeader(encrypt),
    time,
    sentAt: parseTime(time, timeHeader),
  }
}

/** @throws {@link RejectionError} `ERR_HEADER_MISSING` */
export function requireHeader(headers: ReadonlyMap<string, string>, name: string): string {
  const value = headers.get(name.toLowerCase())
  if (value === undefined || value === '')
    throw new ProtocolError('ERR_HEADER_MISSING', `The ${name} header is missing.`)
  return value
}

function isSigned(
  { method, path }: ReceivedMessage,
  { signature, time }: MessageHead,
  body: Uint8Array,
  { clientId, peerPublicKeys }: ParsedCredentials,
): boolean | Promise<boolean> {
  const found = peerPublicKeys.get(signature.keyVersion)
  // The header's algorithm must be the key's: it never chooses how a key is used.
  if (found === undefined || found.key.algorithm !== signature.algorithm) return false
  return isSignature(found.key, signedContent({ method, path, clientId, time }, body), signature.signature)
}

async function openBody(
  { keyVersion, symmetricKey }: EncryptHeader,
  body: Uint8Array,
  { privateKeys }: ParsedCredentials,
  { suite, randomBytes }: Encryption,
): Promise<Uint8Array> {
  const able = privateKeys.newestFirst.filter(({ key }) => canOpen(key))
  const [latest] = able
  if (latest === undefined) {
    throw new ConfigurationError(
      'ERR_KEY_USE',
      'An encrypted message came, but none of privateKeys can decrypt: an RSA key, or a signer with "decrypt", is needed.',
    )
  }
  const found: { key: PrivateKey } | undefined =
    keyVersion === undefined ? latest : able.find(({ version }) => version === keyVersion)
  // An unknown version costs as much, and looks the same, as a key that does not fit.
  const plaintext = await decryptBody({ body, symmetricKey }, (found ?? latest).key, suite, randomBytes)
  if (found === undefined) throw decryptionFailed()
  return plaintext
}

/** With a wrong key, padding comes out right once in 256 times: what is no JSON object then is a failure of decryption too. */
function parseDecrypted(plaintext: Uint8Array, limits: JsonLimits): unknown {
  const json = parseLoosely(plaintext)
  if (json === undefined || !isObject(json.value)) throw decryptionFailed()
  return assertStrict(json, limits)
}

function isObject(value: unknown): boolean {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

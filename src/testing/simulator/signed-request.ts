import { encryptBody, type ResolvedEncryptionOptions } from '../../crypto/envelope.ts'
import { type RandomBytes, secureRandomBytes } from '../../crypto/node.ts'
import { sign } from '../../crypto/signature.ts'
import { encodeBase64, encodeUtf8 } from '../../protocol/encoding.ts'
import { ORDER_SYNC_METHOD } from '../../protocol/endpoint.ts'
import { CONTENT_TYPES, formatEncryptHeader, formatSignatureHeader } from '../../protocol/headers.ts'
import { signedContent } from '../../protocol/signed-content.ts'
import { formatTime } from '../../protocol/time.ts'
import {
  type Credentials,
  type ParsedCredentials,
  parseCredentials,
  requireEncryptionKey,
} from '../../secure-message/credentials.ts'
import { OLD_REQUEST_MS, type SignedRequest, tamperWith, withKeyVersion, withoutHeader } from '../tamper.ts'
import { withStrangerKey } from '../test-keys.ts'
import type { Delivery, HeaderForm, SimulatedFault } from './scenario.ts'

/** The sender and the destination of a request. */
export interface Sender {
  readonly credentials: Credentials
  readonly path: string
  readonly encryption: ResolvedEncryptionOptions
}

/** The size of an RSA-2048 ciphertext, and of some AES blocks. */
const CIPHERTEXT_BYTES = 256

/** Signs a request for a delivery, with the current time. Every attempt gets a new signature. */
export async function signRequest(
  { headers: form, encrypt = false, keyVersion, tamper }: Delivery,
  plaintext: Uint8Array,
  { credentials, path, encryption }: Sender,
  now: number,
  randomBytes: RandomBytes = secureRandomBytes,
): Promise<SignedRequest> {
  const keys = keysFor(credentials, keyVersion, tamper)
  const { clientId, signingKey } = keys
  const write = (text: Uint8Array) => (encrypt ? encryptTo(keys, text, encryption, randomBytes) : undefined)
  const encrypted = write(plaintext)
  const body = tamper === 'ciphertext' ? encodeUtf8(encodeBase64(randomBytes(CIPHERTEXT_BYTES))) : encrypted?.body
  const method = tamper === 'method' ? 'GET' : ORDER_SYNC_METHOD
  const sent = method === 'GET' ? new Uint8Array() : (body ?? plaintext)
  const time = writeTime(tamper === 'time' ? now - OLD_REQUEST_MS : now, form)
  const signedPath = tamper === 'another-path' ? `${path}/another` : path
  const signature = await sign(signingKey.key, signedContent({ method, path: signedPath, clientId, time }, sent))
  const { algorithm } = signingKey.key
  const headers: Record<string, string> = {
    'Client-Id': clientId,
    'Content-Type': encrypted === undefined ? CONTENT_TYPES.json : CONTENT_TYPES.encrypted,
    'Request-Time': time,
    Signature: writeSignature({ algorithm, keyVersion: signingKey.version, signature }, form, keyVersion === 'none'),
    ...encrypted?.headers,
  }
  if (tamper !== 'body') return applyFault({ method, path, headers, body: sent }, tamper, randomBytes)
  // An attacker who changes an order can write a valid one and encrypt it: the recipient's key is public.
  const changed = changeOrder(plaintext)
  const replaced = write(changed)
  return { method, path, headers: { ...headers, ...replaced?.headers }, body: replaced?.body ?? changed }
}

/** Another order with the same ids. */
function changeOrder(plaintext: Uint8Array): Uint8Array {
  return encodeUtf8(new TextDecoder().decode(plaintext).replace('"T-', '"X-'))
}

function keysFor(credentials: Credentials, keyVersion: string | undefined, tamper: SimulatedFault | undefined) {
  const [first] = Object.keys(credentials.privateKeys)
  const signingKeyVersion = keyVersion === 'none' ? undefined : (keyVersion ?? credentials.signingKeyVersion ?? first)
  const signing = { ...credentials, signingKeyVersion }
  return parseCredentials(tamper === 'wrong-key' ? withStrangerKey(signing) : signing)
}

function encryptTo(
  keys: ParsedCredentials,
  plaintext: Uint8Array,
  encryption: ResolvedEncryptionOptions,
  randomBytes: RandomBytes,
) {
  const { version: keyVersion, key } = requireEncryptionKey(keys)
  const { body, symmetricKey } = encryptBody(plaintext, key, encryption, randomBytes)
  return { body, headers: { Encrypt: formatEncryptHeader({ algorithm: 'RSA_AES', keyVersion, symmetricKey }) } }
}

function writeTime(now: number, form: HeaderForm | undefined): string {
  if (form === 'time-milliseconds') return String(now)
  return form === 'time-utc' ? new Date(now).toISOString() : formatTime(now)
}

function writeSignature(
  header: Parameters<typeof formatSignatureHeader>[0],
  form: HeaderForm | undefined,
  isWithoutVersion: boolean,
): string {
  const { keyVersion, ...rest } = header
  const standard = formatSignatureHeader(isWithoutVersion ? rest : header)
  if (form === 'spaced') return standard.split(',').reverse().join(' , ')
  return form === 'raw-base64' ? decodeURIComponent(standard) : standard
}

function applyFault(sent: SignedRequest, tamper: SimulatedFault | undefined, randomBytes: RandomBytes): SignedRequest {
  const { headers } = sent
  const signature = headers['Signature'] ?? ''
  const change = (changed: Record<string, string>) => ({ ...sent, headers: { ...headers, ...changed } })
  switch (tamper) {
    case 'key-version':
      return change({ Signature: withKeyVersion(signature, '999') })
    case 'algorithm':
      return change({ Signature: signature.replace(/algorithm=\w+/, otherAlgorithm) })
    case 'no-encrypt':
      return { ...sent, headers: withoutHeader(headers, 'Encrypt') }
    case 'symmetric-key':
      return change({
        Encrypt: (headers['Encrypt'] ?? '').replace(
          /symmetricKey=.*/,
          `symmetricKey=${encodeURIComponent(encodeBase64(randomCiphertext(randomBytes)))}`,
        ),
      })
    case 'content-type':
      return change({ 'Content-Type': 'text/xml; charset=UTF-8' })
    default:
      return tamperWith(sent, tamper)
  }
}

/** Less than every modulus of this length: a larger number fails before its padding is looked at. */
function randomCiphertext(randomBytes: RandomBytes): Uint8Array {
  const bytes = Uint8Array.from(randomBytes(CIPHERTEXT_BYTES))
  bytes[0] = 0
  return bytes
}

const otherAlgorithm = (pair: string) => (pair.endsWith('RSA256') ? 'algorithm=ECC224' : 'algorithm=RSA256')

import {
  constants,
  createCipheriv,
  createDecipheriv,
  type KeyObject,
  privateDecrypt,
  publicEncrypt,
  randomBytes,
  sign,
  verify,
} from 'node:crypto'
import type { ResultStatus } from '../../src/result-codes.ts'
import { gatewayRsa, merchantRsa } from './keys.ts'

// A second implementation of the protocol, with node:crypto alone. The tests compare the library with this file, so that
// they do not compare the library with itself.

export const CLIENT_ID = '4Q5Y8W0WSG45P907917'
export const PATH = '/api/open/alipay/v1/merchant/order/sync'
export const TIME = '2024-05-22T09:12:21+08:00'
/** {@link TIME} in milliseconds. */
export const NOW = 1716340341000

/** A valid order. */
export const order = (changes: Record<string, unknown> = {}): Record<string, unknown> => ({
  requestId: '0c3f2d1e9b8a47c6a5d4e3f201928374',
  tradeNo: 'TRADE-20240522-0001',
  merchantBizNo: 'BIZ-0001',
  merchantBizType: 'TRADE_ORDER',
  amount: { value: '1000', currency: 'HKD' },
  orderStatus: 'PAID-STATUS',
  orderCreateTime: NOW - 60_000,
  orderModifyTime: NOW - 1_000,
  userId: 'USER-2088012345678901',
  extInfo: { note: 'NOTE-for-the-kitchen' },
  ...changes,
})

/** A valid order without one of its fields. */
export const orderWithout = (name: string): Record<string, unknown> => {
  const { [name]: _, ...rest } = order()
  return rest
}

type Bytes = Uint8Array

export const bytesOf = (value: unknown): Bytes =>
  value instanceof Uint8Array ? value : Buffer.from(typeof value === 'string' ? value : JSON.stringify(value))

export interface Head {
  readonly method: string
  readonly path: string
  readonly clientId: string
  readonly time: string
}

const contentOf = ({ method, path, clientId, time }: Head, body: Bytes): Bytes =>
  Buffer.concat([Buffer.from(`${method} ${path}\n${clientId}.${time}.`), body])

const algorithmOf = (key: KeyObject) => (key.asymmetricKeyType === 'rsa' ? 'RSA256' : 'ECC224')

/** A `Signature` header. */
export function signatureOver(head: Head, body: Bytes, key: KeyObject, keyVersion = '1'): string {
  const value = sign('sha256', contentOf(head, body), key).toString('base64')
  return `algorithm=${algorithmOf(key)},keyVersion=${keyVersion},signature=${encodeURIComponent(value)}`
}

/** An encrypted body and its `Encrypt` header. */
export function encrypted(plaintext: Bytes, to: KeyObject, aesKey: Bytes = randomBytes(32), keyVersion = '1') {
  const cipher = createCipheriv(`aes-${aesKey.length * 8}-ecb`, aesKey, null)
  const body = Buffer.concat([cipher.update(plaintext), cipher.final()]).toString('base64')
  return { body: Buffer.from(body), encrypt: encryptHeader(aesKey, to, keyVersion) }
}

/** An `Encrypt` header for an AES key of any length, valid or not. */
export function encryptHeader(aesKey: Bytes, to: KeyObject, keyVersion = '1'): string {
  const wrapped = publicEncrypt({ key: to, padding: constants.RSA_PKCS1_PADDING }, aesKey).toString('base64')
  return `algorithm=RSA_AES,keyVersion=${keyVersion},symmetricKey=${encodeURIComponent(wrapped)}`
}

export interface RequestParts extends Partial<Head> {
  /** The message: its text, its bytes, or a value to serialize as JSON. */
  readonly message?: unknown
  /** The key that signs. @defaultValue the gateway's */
  readonly key?: KeyObject
  readonly keyVersion?: string
  /** The recipient's key. Absent: the message is not encrypted. */
  readonly encryptTo?: KeyObject
  /** The version of the recipient's key. @defaultValue '1' */
  readonly encryptKeyVersion?: string
}

export interface TestRequest {
  readonly method: string
  readonly path: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: Bytes
}

/** A request with an order, as the gateway sends it by the specification. */
export function request(parts: RequestParts = {}): TestRequest {
  const { message = order(), key = gatewayRsa().privateKey, keyVersion = '1', encryptTo, encryptKeyVersion } = parts
  const head = { method: 'POST', path: PATH, clientId: CLIENT_ID, time: TIME, ...parts }
  const encryption = encryptTo && encrypted(bytesOf(message), encryptTo, undefined, encryptKeyVersion)
  const body = encryption?.body ?? bytesOf(message)
  return {
    method: head.method,
    path: head.path,
    headers: {
      'Client-Id': head.clientId,
      'Content-Type': encryption ? 'text/plain; charset=UTF-8' : 'application/json; charset=UTF-8',
      'Request-Time': head.time,
      Signature: signatureOver(head, body, key, keyVersion),
      ...(encryption && { Encrypt: encryption.encrypt }),
    },
    body,
  }
}

/** The request, encrypted to the merchant. */
export const encryptedRequest = (parts: RequestParts = {}) => request({ encryptTo: merchantRsa().publicKey, ...parts })

/** The same request with other headers. `undefined` removes a header. */
export function withHeaders(
  { headers, ...rest }: TestRequest,
  changes: Readonly<Record<string, string | undefined>>,
): TestRequest {
  const entries = Object.entries({ ...headers, ...changes })
  return {
    ...rest,
    headers: Object.fromEntries(entries.filter((entry): entry is [string, string] => entry[1] !== undefined)),
  }
}

/** A signed response, encrypted if `encryptTo` is given, as the specification says. */
export function signedResponse(
  message: unknown,
  parts: RequestParts = {},
): { headers: Record<string, string>; body: Uint8Array } {
  const { headers, body } = request({ message, ...parts })
  const { 'Request-Time': time = '', ...rest } = headers
  return { headers: { ...rest, 'Response-Time': time }, body }
}

export const success = (orderId = 'A-1') => ({
  result: { resultCode: 'SUCCESS', resultStatus: 'S', resultMessage: 'success' },
  orderId,
})

export const refusal = (resultCode: string, resultStatus: ResultStatus = 'F') => ({
  result: { resultCode, resultStatus, resultMessage: 'message' },
})

export interface Received {
  readonly headers: Readonly<Record<string, string | undefined>>
  readonly body: Bytes
}

const headerOf = ({ headers }: Received, name: string): string | undefined =>
  Object.entries(headers).find(([key]) => key.toLowerCase() === name.toLowerCase())?.[1]

/** Whether the key signed the message. The signed time is that of its headers; `head` overrides the rest. */
export function isSignedBy(received: Received, key: KeyObject, head: Partial<Head> = {}): boolean {
  const time = headerOf(received, 'Response-Time') ?? headerOf(received, 'Request-Time') ?? ''
  const match = /^algorithm=(RSA256|ECC224),keyVersion=([\w.~-]+),signature=([\w%.~-]+)$/.exec(
    headerOf(received, 'Signature') ?? '',
  )
  if (match === null || match[1] !== algorithmOf(key)) return false
  const content = contentOf({ method: 'POST', path: PATH, clientId: CLIENT_ID, time, ...head }, received.body)
  return verify('sha256', content, key, Buffer.from(decodeURIComponent(match[3] ?? ''), 'base64'))
}

/** The AES key of an encrypted message. */
export function aesKeyOf(received: Received, key: KeyObject): Bytes {
  const encrypt = headerOf(received, 'Encrypt') ?? ''
  const wrapped = Buffer.from(decodeURIComponent(/symmetricKey=([\w%.~-]+)$/.exec(encrypt)?.[1] ?? ''), 'base64')
  const block = privateDecrypt({ key, padding: constants.RSA_NO_PADDING }, wrapped)
  return block.subarray(block.indexOf(0, 2) + 1)
}

/** The plaintext of a message: decrypted with the key if the message is encrypted. */
export function plaintextOf(received: Received, key: KeyObject): Bytes {
  const encrypt = headerOf(received, 'Encrypt')
  if (encrypt === undefined) return received.body
  const wrapped = Buffer.from(decodeURIComponent(/symmetricKey=([\w%.~-]+)$/.exec(encrypt)?.[1] ?? ''), 'base64')
  const block = privateDecrypt({ key, padding: constants.RSA_NO_PADDING }, wrapped)
  const aesKey = block.subarray(block.indexOf(0, 2) + 1)
  const decipher = createDecipheriv(`aes-${aesKey.length * 8}-ecb`, aesKey, null)
  const ciphertext = Buffer.from(Buffer.from(received.body).toString('latin1'), 'base64')
  return Buffer.concat([decipher.update(ciphertext), decipher.final()])
}

/** The message, decrypted if it is encrypted, and parsed. */
export const messageOf = (received: Received, key: KeyObject = gatewayRsa().privateKey): unknown =>
  JSON.parse(Buffer.from(plaintextOf(received, key)).toString('utf8'))

/** The merchant's credentials: they accept {@link request}. */
export const merchantCredentials = () => ({
  clientId: CLIENT_ID,
  privateKeys: { 1: merchantRsa().privateKey },
  peerPublicKeys: { 1: gatewayRsa().publicKey },
})

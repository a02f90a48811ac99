import { randomBytes } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { resolveEncryptionOptions } from '../../src/crypto/envelope.ts'
import { parseCredentials } from '../../src/secure-message/credentials.ts'
import { type MessageToSend, secureMessage, requireEncryptionKey } from '../../src/secure-message/secure.ts'
import {
  bytesOf,
  CLIENT_ID,
  isSignedBy,
  merchantCredentials,
  messageOf,
  NOW,
  order,
  PATH,
  plaintextOf,
  TIME,
} from '../support/messages.ts'
import { gatewayEcc, gatewayRsa, merchantEcc, merchantRsa, strangerRsa } from '../support/keys.ts'

const plaintext = bytesOf(order())
const envelope = { suite: resolveEncryptionOptions(), randomBytes }
const outgoing = (changes: Partial<MessageToSend> = {}): MessageToSend => ({
  method: 'POST',
  path: PATH,
  timeHeader: 'Request-Time',
  now: NOW,
  plaintext,
  ...changes,
})

describe('a message in the clear', () => {
  test('has the headers of the page, and nothing but them', async () => {
    const { headers, body } = await secureMessage(outgoing(), parseCredentials(merchantCredentials()), envelope)
    expect(headers).toStrictEqual({
      'Client-Id': CLIENT_ID,
      'Content-Type': 'application/json; charset=UTF-8',
      'Request-Time': TIME,
      Signature: expect.stringMatching(/^algorithm=RSA256,keyVersion=1,signature=[\w%.~-]+$/),
    })
    expect(body).toStrictEqual(plaintext)
  })

  test('is signed with our latest key over method, path, id, time and body', async () => {
    const packed = await secureMessage(outgoing(), parseCredentials(merchantCredentials()), envelope)
    const key = merchantRsa().publicKey
    expect(isSignedBy(packed, key)).toBe(true)
    expect(isSignedBy(packed, strangerRsa().publicKey)).toBe(false)
    expect(isSignedBy(packed, key, { path: `${PATH}?` })).toBe(false)
    expect(isSignedBy(packed, key, { method: 'PUT' })).toBe(false)
    expect(isSignedBy(packed, key, { clientId: 'other' })).toBe(false)
    expect(isSignedBy({ ...packed, body: bytesOf('{}') }, key)).toBe(false)
  })

  test('carries Response-Time where it is a response', async () => {
    const packed = await secureMessage(
      outgoing({ timeHeader: 'Response-Time' }),
      parseCredentials(merchantCredentials()),
      envelope,
    )
    expect(packed.headers).toHaveProperty('Response-Time', TIME)
    expect(packed.headers).not.toHaveProperty('Request-Time')
    expect(isSignedBy(packed, merchantRsa().publicKey)).toBe(true)
  })

  test('names the algorithm and the version of the key that signs', async () => {
    const privateKeys = { 3: merchantRsa().privateKey, 12: merchantEcc().privateKey }
    const packed = await secureMessage(outgoing(), parseCredentials({ ...merchantCredentials(), privateKeys }), envelope)
    expect(packed.headers['Signature']).toMatch(/^algorithm=ECC224,keyVersion=12,signature=/)
    expect(isSignedBy(packed, merchantEcc().publicKey)).toBe(true)
  })
})

describe('an encrypted message', () => {
  const credentials = () => parseCredentials(merchantCredentials())
  const seal = (changes: Partial<MessageToSend> = {}) =>
    secureMessage(outgoing({ encryptTo: requireEncryptionKey(credentials()), ...changes }), credentials(), envelope)

  test('is base64 text that only the peer can open, and Encrypt tells how', async () => {
    const packed = await seal()
    expect(packed.headers).toMatchObject({
      'Content-Type': 'text/plain; charset=UTF-8',
      Encrypt: expect.stringMatching(/^algorithm=RSA_AES,keyVersion=1,symmetricKey=[\w%.~-]+$/),
    })
    expect(Buffer.from(packed.body).toString()).toMatch(/^[A-Za-z0-9+/]+={0,2}$/)
    expect(Buffer.from(plaintextOf(packed, gatewayRsa().privateKey))).toStrictEqual(plaintext)
    expect(() => messageOf(packed, strangerRsa().privateKey)).toThrow()
  })

  test('is signed over the ciphertext', async () => {
    const packed = await seal()
    expect(isSignedBy(packed, merchantRsa().publicKey)).toBe(true)
    expect(isSignedBy({ ...packed, body: plaintext }, merchantRsa().publicKey)).toBe(false)
  })

  test('has a fresh key each time', async () => {
    const [one, other] = [await seal(), await seal()]
    expect(one.body).not.toStrictEqual(other.body)
    expect(one.headers['Encrypt']).not.toBe(other.headers['Encrypt'])
  })
})

describe('requireEncryptionKey', () => {
  test('is the latest RSA key of the peer: an ECC key cannot encrypt', () => {
    const peerPublicKeys = { 1: strangerRsa().publicKey, 2: gatewayRsa().publicKey, 3: gatewayEcc().publicKey }
    expect(requireEncryptionKey(parseCredentials({ ...merchantCredentials(), peerPublicKeys })).version).toBe('2')
  })

  test('is an error of configuration where there is none', () => {
    const credentials = parseCredentials({ ...merchantCredentials(), peerPublicKeys: { 1: gatewayEcc().publicKey } })
    expect(() => requireEncryptionKey(credentials)).toThrow(
      expect.objectContaining({ name: 'ConfigurationError', code: 'ERR_KEY_USE' }),
    )
  })
})

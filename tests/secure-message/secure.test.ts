import { randomBytes } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { resolveEncryptionOptions } from '../../src/crypto/envelope.ts'
import { parseCredentials, requireEncryptionKey } from '../../src/secure-message/credentials.ts'
import { type MessageToSend, secureMessage } from '../../src/secure-message/secure.ts'
import { gatewayEcc, gatewayRsa, merchantEcc, merchantRsa, strangerRsa } from '../support/keys.ts'
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
import { thrownBy } from '../support/thrown.ts'

const plaintext = bytesOf(order())
const encryption = { options: resolveEncryptionOptions(), randomBytes }
const messageToSend = (changes: Partial<MessageToSend> = {}): MessageToSend => ({
  method: 'POST',
  path: PATH,
  kind: 'request',
  now: NOW,
  plaintext,
  ...changes,
})

describe('secureMessage, without encryption,', () => {
  test('creates exactly the documented headers, and leaves the body unchanged', async () => {
    const { headers, body } = await secureMessage(messageToSend(), parseCredentials(merchantCredentials()), encryption)
    expect(headers).toStrictEqual({
      'Client-Id': CLIENT_ID,
      'Content-Type': 'application/json; charset=UTF-8',
      'Request-Time': TIME,
      Signature: expect.stringMatching(/^algorithm=RSA256,keyVersion=1,signature=[\w%.~-]+$/),
    })
    expect(body).toStrictEqual(plaintext)
  })

  test('signs method, path, clientId, time and body with the latest private key', async () => {
    const secured = await secureMessage(messageToSend(), parseCredentials(merchantCredentials()), encryption)
    const key = merchantRsa().publicKey
    expect(isSignedBy(secured, key)).toBe(true)
    expect(isSignedBy(secured, strangerRsa().publicKey)).toBe(false)
    expect(isSignedBy(secured, key, { path: `${PATH}?` })).toBe(false)
    expect(isSignedBy(secured, key, { method: 'PUT' })).toBe(false)
    expect(isSignedBy(secured, key, { clientId: 'other' })).toBe(false)
    expect(isSignedBy({ ...secured, body: bytesOf('{}') }, key)).toBe(false)
  })

  test('sends Response-Time instead of Request-Time in a response', async () => {
    const secured = await secureMessage(
      messageToSend({ kind: 'response' }),
      parseCredentials(merchantCredentials()),
      encryption,
    )
    expect(secured.headers).toHaveProperty('Response-Time', TIME)
    expect(secured.headers).not.toHaveProperty('Request-Time')
    expect(isSignedBy(secured, merchantRsa().publicKey)).toBe(true)
  })

  test('names the algorithm and the version of the signing key', async () => {
    const privateKeys = { 3: merchantRsa().privateKey, 12: merchantEcc().privateKey }
    const secured = await secureMessage(
      messageToSend(),
      parseCredentials({ ...merchantCredentials(), privateKeys }),
      encryption,
    )
    expect(secured.headers['Signature']).toMatch(/^algorithm=ECC224,keyVersion=12,signature=/)
    expect(isSignedBy(secured, merchantEcc().publicKey)).toBe(true)
  })
})

describe('secureMessage, with encryption,', () => {
  const credentials = () => parseCredentials(merchantCredentials())
  const encrypt = (changes: Partial<MessageToSend> = {}) =>
    secureMessage(
      messageToSend({ encryptTo: requireEncryptionKey(credentials()), ...changes }),
      credentials(),
      encryption,
    )

  test('creates a base64 body that only the peer can decrypt, and an Encrypt header', async () => {
    const secured = await encrypt()
    expect(secured.headers).toMatchObject({
      'Content-Type': 'text/plain; charset=UTF-8',
      Encrypt: expect.stringMatching(/^algorithm=RSA_AES,keyVersion=1,symmetricKey=[\w%.~-]+$/),
    })
    expect(Buffer.from(secured.body).toString()).toMatch(/^[A-Za-z0-9+/]+={0,2}$/)
    expect(Buffer.from(plaintextOf(secured, gatewayRsa().privateKey))).toStrictEqual(plaintext)
    expect(() => messageOf(secured, strangerRsa().privateKey)).toThrow()
  })

  test('signs the ciphertext', async () => {
    const secured = await encrypt()
    expect(isSignedBy(secured, merchantRsa().publicKey)).toBe(true)
    expect(isSignedBy({ ...secured, body: plaintext }, merchantRsa().publicKey)).toBe(false)
  })

  test('uses a new AES key for each message', async () => {
    const [one, other] = [await encrypt(), await encrypt()]
    expect(one.body).not.toStrictEqual(other.body)
    expect(one.headers['Encrypt']).not.toBe(other.headers['Encrypt'])
  })
})

describe('requireEncryptionKey', () => {
  test('returns the latest RSA key of the peer, because an ECC key cannot encrypt', () => {
    const peerPublicKeys = { 1: strangerRsa().publicKey, 2: gatewayRsa().publicKey, 3: gatewayEcc().publicKey }
    expect(requireEncryptionKey(parseCredentials({ ...merchantCredentials(), peerPublicKeys })).version).toBe('2')
  })

  test('throws ERR_KEY_USE when the peer has no RSA key', () => {
    const credentials = parseCredentials({ ...merchantCredentials(), peerPublicKeys: { 1: gatewayEcc().publicKey } })
    expect(thrownBy(() => requireEncryptionKey(credentials))).toMatchObject({
      name: 'ConfigurationError',
      code: 'ERR_KEY_USE',
      message: 'Encryption needs an RSA key, given in any form but a CryptoKey.',
    })
  })
})

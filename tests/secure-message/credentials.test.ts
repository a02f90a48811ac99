import { describe, expect, test } from 'vitest'
import { type Credentials, parseCredentials } from '../../src/secure-message/credentials.ts'
import { gatewayEcc, gatewayRsa, merchantEcc, merchantRsa, pem, strangerRsa } from '../support/keys.ts'
import { CLIENT_ID, merchantCredentials } from '../support/messages.ts'
import { thrownBy } from '../support/thrown.ts'

const withClientId = (clientId: unknown) => ({ ...merchantCredentials(), clientId }) as Credentials

test.each([CLIENT_ID, 'x', '!~', 'x'.repeat(128)])('parseCredentials accepts the clientId %s', (clientId) => {
  expect(parseCredentials(withClientId(clientId)).clientId).toBe(clientId)
})

test.each<[unknown, string]>([
  ['', 'empty'],
  [' x', 'white space'],
  ['x\n', 'a line break'],
  ['é', 'not ASCII'],
  ['x'.repeat(129), 'too long'],
  [undefined, 'absent'],
  [5, 'a number'],
])('parseCredentials throws for the clientId %j: %s', (clientId) => {
  expect(thrownBy(() => parseCredentials(withClientId(clientId)))).toMatchObject({
    name: 'ConfigurationError',
    code: 'ERR_CREDENTIALS',
    message: '"clientId" must be 1 to 128 visible ASCII characters.',
  })
})

test('parseCredentials chooses the latest private key to sign', () => {
  const privateKeys = { 9: merchantRsa().privateKey, 10: merchantEcc().privateKey }
  const { signingKey } = parseCredentials({ ...merchantCredentials(), privateKeys })
  expect(signingKey).toMatchObject({ version: '10', key: { algorithm: 'ECC224' } })
})

test('parseCredentials parses the keys once for each object', () => {
  const credentials = merchantCredentials()
  expect(parseCredentials(credentials)).toBe(parseCredentials(credentials))
  expect(parseCredentials({ ...credentials })).not.toBe(parseCredentials(credentials))
})

describe('parseCredentials', () => {
  test.each<[string, Partial<Credentials>, string, string]>([
    [
      'a public key as the private key',
      { privateKeys: { 1: gatewayRsa().publicKey } },
      'ERR_KEY_KIND',
      'privateKeys[1]',
    ],
    [
      'a private key of the peer',
      { peerPublicKeys: { 2: gatewayRsa().privateKey } },
      'ERR_KEY_KIND',
      'peerPublicKeys[2]',
    ],
    ['an empty privateKeys', { privateKeys: {} }, 'ERR_KEY_RING', 'privateKeys'],
    ['an empty peerPublicKeys', { peerPublicKeys: {} }, 'ERR_KEY_RING', 'peerPublicKeys'],
    [
      'our own public key as the peer’s',
      { peerPublicKeys: { 1: merchantRsa().publicKey } },
      'ERR_KEY_OWN',
      'peerPublicKeys[1]',
    ],
    [
      'our own old key among the peer’s, in another format',
      {
        privateKeys: { 1: merchantEcc().privateKey, 2: merchantRsa().privateKey },
        peerPublicKeys: { 1: gatewayRsa().publicKey, 7: pem(merchantEcc().publicKey) },
      },
      'ERR_KEY_OWN',
      'peerPublicKeys[7]',
    ],
  ])('throws for %s, and names the member', (_, changes, code, place) => {
    const error = thrownBy(() => parseCredentials({ ...merchantCredentials(), ...changes }))
    expect(error).toMatchObject({ name: 'ConfigurationError', code })
    expect(error.message).toContain(place)
  })

  test.each(['privateKeys', 'peerPublicKeys'])('refuses credentials without %s', (name) => {
    const { [name as 'privateKeys']: _, ...rest } = merchantCredentials()
    expect(() => parseCredentials(rest as unknown as Credentials)).toThrow(
      expect.objectContaining({ code: 'ERR_KEY_RING' }),
    )
  })

  test('refuses privateKeys that only decrypt', () => {
    const privateKeys = { 1: { decrypt: merchantRsa().privateKey } }
    expect(thrownBy(() => parseCredentials({ ...merchantCredentials(), privateKeys }))).toMatchObject({
      code: 'ERR_KEY_RING',
      message: 'privateKeys has no key that signs; pass { 1: key } or { 1: { sign, decrypt } }.',
    })
  })

  test.each(['2', 2])('signs and encrypts with the versions that the options name: %j', (version) => {
    const credentials = {
      ...merchantCredentials(),
      privateKeys: { 1: strangerRsa().privateKey, 2: merchantRsa().privateKey, 3: merchantEcc().privateKey },
      peerPublicKeys: { 1: gatewayEcc().publicKey, 2: gatewayRsa().publicKey, 3: gatewayRsa().publicKey },
    }
    expect(parseCredentials(credentials)).toMatchObject({
      signingKey: { version: '3' },
      encryptionKey: { version: '3' },
    })
    const named = parseCredentials({ ...credentials, signingKeyVersion: version, encryptionKeyVersion: version })
    expect(named.signingKey).toMatchObject({ version: '2', key: { algorithm: 'RSA256' } })
    expect(named.encryptionKey).toMatchObject({ version: '2', key: { algorithm: 'RSA256' } })
  })

  test.each<[string, Partial<Credentials>, string]>([
    [
      'a version that does not exist',
      { privateKeys: { 1: merchantRsa().privateKey, 2: merchantEcc().privateKey }, signingKeyVersion: '3' },
      'No key matches signingKeyVersion: privateKeys can sign with 2, 1.',
    ],
    [
      'a version that cannot encrypt',
      { peerPublicKeys: { 1: gatewayEcc().publicKey }, encryptionKeyVersion: 1 },
      'No key matches encryptionKeyVersion: peerPublicKeys can encrypt to no version.',
    ],
  ])('refuses %s, and names those that can', (_, changes, message) => {
    expect(thrownBy(() => parseCredentials({ ...merchantCredentials(), ...changes }))).toMatchObject({
      code: 'ERR_CREDENTIALS',
      message,
    })
  })

  test('accepts several keys of the peer, if none is your own key', () => {
    const peerPublicKeys = { 1: gatewayRsa().publicKey, 2: gatewayEcc().publicKey, 3: strangerRsa().publicKey }
    expect(parseCredentials({ ...merchantCredentials(), peerPublicKeys }).peerPublicKeys.newestFirst).toHaveLength(3)
  })
})

test.each([undefined, null, 'key', 5])(
  'parseCredentials throws for %j, and names the required members',
  (credentials) => {
    expect(thrownBy(() => parseCredentials(credentials as unknown as Credentials))).toMatchObject({
      code: 'ERR_CREDENTIALS',
      message: '"credentials" must be { clientId, privateKeys, peerPublicKeys }.',
    })
  },
)

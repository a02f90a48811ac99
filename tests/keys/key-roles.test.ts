import { describe, expect, test } from 'vitest'
import { exportJwkSet } from '../../src/public/index.ts'
import { type Credentials, findDecryptionKey, parseCredentials } from '../../src/secure-message/credentials.ts'
import { gatewayEcc, gatewayRsa, merchantEcc, merchantRsa, pem, strangerRsa } from '../support/keys.ts'
import { merchant, SUCCESS, summarize } from '../support/merchant.ts'
import { encryptedRequest, merchantCredentials, request } from '../support/messages.ts'
import { rejectionOf, thrownBy } from '../support/thrown.ts'

const privateKeys = (keys: Credentials['privateKeys']): Credentials => ({ ...merchantCredentials(), privateKeys: keys })
const peerPublicKeys = (keys: Credentials['peerPublicKeys']): Credentials => ({
  ...merchantCredentials(),
  peerPublicKeys: keys,
})
const parse = (credentials: Credentials) => parseCredentials(credentials)
const signer = { algorithm: 'RSA256', signDigest: () => new Uint8Array(256) } as const
const decrypter = { decrypt: () => undefined }

describe('privateKeys by role', () => {
  test('sign with one key and decrypt with another', async () => {
    const credentials = privateKeys({ 1: { sign: merchantRsa().privateKey, decrypt: pem(strangerRsa().privateKey) } })
    const { handler, events } = merchant({ credentials })
    const incoming = encryptedRequest({ encryptTo: strangerRsa().publicKey })
    // summarize() verifies the signature with merchantRsa.
    expect(summarize(await handler(incoming))).toStrictEqual({ ...SUCCESS, encrypted: true })
    expect(events).toMatchObject([{ kind: 'processed', keyVersion: '1', decryptionKeyVersion: '1' }])
    await handler(encryptedRequest())
    expect(events.at(-1)).toMatchObject({ kind: 'rejected', code: 'ERR_DECRYPTION' })
  })

  test('sign with an ECC224 key and decrypt with an RSA key', () => {
    const parsed = parse(privateKeys({ 1: { sign: merchantEcc().privateKey, decrypt: merchantRsa().privateKey } }))
    expect(parsed.signingKey.key.algorithm).toBe('ECC224')
    expect(findDecryptionKey(parsed, '1')).toMatchObject({ version: '1', isKnownVersion: true })
  })

  test('of separate versions are found by their role', () => {
    const parsed = parse(
      privateKeys({ 1: { sign: signer }, 2: { decrypt: merchantRsa().privateKey }, 3: { decrypt: decrypter } }),
    )
    expect(parsed.signingKey.version).toBe('1')
    expect(findDecryptionKey(parsed, '2')).toMatchObject({
      version: '2',
      isKnownVersion: true,
      key: { isRemote: false },
    })
    expect(findDecryptionKey(parsed, undefined)).toMatchObject({ version: '3', key: { isRemote: true } })
    expect(findDecryptionKey(parsed, '1')).toMatchObject({ isKnownVersion: false })
  })

  test('without "decrypt" decrypt nothing, even with an RSA key', async () => {
    const { handler, events } = merchant({ credentials: privateKeys({ 1: { sign: merchantRsa().privateKey } }) })
    expect(summarize(await handler(request()))).toStrictEqual(SUCCESS)
    await handler(encryptedRequest())
    expect(events.at(-1)).toMatchObject({ kind: 'unavailable', code: 'ERR_KEY_USE' })
  })

  test.each<[string, unknown, string, string]>([
    ['no key', {}, 'ERR_KEY_FORMAT', 'privateKeys[1]'],
    [
      'keys that are undefined',
      { sign: undefined, decrypt: undefined },
      'ERR_KEY_RING',
      'neither "sign" nor "decrypt"',
    ],
    ['a misspelt role', { sign: signer, decypt: signer }, 'ERR_KEY_RING', 'a member besides "sign" and "decrypt"'],
    ['the roles of a peer', { verify: signer, sign: signer }, 'ERR_KEY_RING', 'a member besides'],
    ['a public key', { sign: gatewayRsa().publicKey }, 'ERR_KEY_KIND', 'privateKeys[1].sign'],
    ['a decryption key for ECC224', { decrypt: merchantEcc().privateKey }, 'ERR_KEY_USE', 'Decryption needs'],
    ['a signer that does not decrypt', { decrypt: signer }, 'ERR_KEY_USE', 'Decryption needs'],
    ['a decrypter that should sign', { sign: decrypter }, 'ERR_KEY_FORMAT', 'privateKeys[1].sign'],
    ['no key that signs', { decrypt: merchantRsa().privateKey }, 'ERR_KEY_RING', 'no key that signs'],
  ])('are refused with %s', (_, key, code, message) => {
    const error = thrownBy(() => parse(privateKeys({ 1: key as never })))
    expect(error).toMatchObject({ name: 'ConfigurationError', code, message: expect.stringContaining(message) })
  })

  test.each([{ sign: signer, decrypt: decrypter }, { signDigest: () => new Uint8Array(1) }, { verify: 'x' }])(
    'are refused without a version: %o',
    (keys) => {
      expect(thrownBy(() => parse(privateKeys(keys as never)))).toMatchObject({ code: 'ERR_KEY_RING' })
    },
  )

  test('must not be the key of the peer in any role', () => {
    for (const role of ['sign', 'decrypt']) {
      const keys = {
        sign: merchantRsa().privateKey,
        decrypt: merchantRsa().privateKey,
        [role]: gatewayRsa().privateKey,
      }
      expect(thrownBy(() => parse(privateKeys({ 1: keys })))).toMatchObject({ code: 'ERR_KEY_OWN' })
    }
  })

  test('are exported by exportJwkSet with their use', async () => {
    const keys = {
      1: merchantRsa().privateKey,
      2: { sign: merchantRsa().privateKey, decrypt: strangerRsa().privateKey },
    }
    const { keys: exported } = await exportJwkSet({ privateKeys: keys })
    expect(exported.map(({ kid, use }) => [kid, use])).toEqual([
      ['2', 'sig'],
      ['2', 'enc'],
      ['1', undefined],
    ])
    expect(exported[0]?.n).toBe(exported[2]?.n)
    expect(exported[1]?.n).not.toBe(exported[2]?.n)
    const remote = exportJwkSet({ privateKeys: { 1: { sign: merchantRsa().privateKey, decrypt: decrypter } } })
    expect(await rejectionOf(remote)).toMatchObject({ code: 'ERR_KEY_USE' })
  })
})

describe('peerPublicKeys by role', () => {
  test('verify with one key and encrypt with another', async () => {
    const credentials = peerPublicKeys({ 1: { verify: gatewayEcc().publicKey, encrypt: gatewayRsa().publicKey } })
    const { handler } = merchant({ credentials })
    const incoming = encryptedRequest({ key: gatewayEcc().privateKey })
    // summarize() decrypts the response with gatewayRsa.
    expect(summarize(await handler(incoming))).toStrictEqual({ ...SUCCESS, encrypted: true })
  })

  test('without "encrypt" encrypt nothing, even with an RSA key', () => {
    expect(parse(peerPublicKeys({ 1: { verify: gatewayRsa().publicKey } })).encryptionKey).toBeUndefined()
    expect(parse(peerPublicKeys({ 1: gatewayRsa().publicKey })).encryptionKey?.version).toBe('1')
  })

  test.each<[string, unknown, string, string]>([
    ['no "verify"', { encrypt: gatewayRsa().publicKey }, 'ERR_KEY_RING', 'no "verify"'],
    [
      'an encryption key for ECC224',
      { verify: gatewayRsa().publicKey, encrypt: gatewayEcc().publicKey },
      'ERR_KEY_USE',
      '',
    ],
    ['another member', { verify: gatewayRsa().publicKey, sign: 1 }, 'ERR_KEY_RING', 'besides "verify" and "encrypt"'],
  ])('are refused with %s', (_, key, code, message) => {
    const error = thrownBy(() => parse(peerPublicKeys({ 1: key as never })))
    expect(error).toMatchObject({ code, message: expect.stringContaining(message) })
  })
})

describe('signingKeyVersion and encryptionKeyVersion', () => {
  const both = {
    ...merchantCredentials(),
    privateKeys: { 1: merchantRsa().privateKey, 2: merchantEcc().privateKey },
    peerPublicKeys: { 1: gatewayRsa().publicKey, 2: strangerRsa().publicKey, 3: gatewayEcc().publicKey },
  }

  test.each([
    [{}, '2', '2'],
    [{ signingKeyVersion: '1', encryptionKeyVersion: '1' }, '1', '1'],
    [{ signingKeyVersion: 1, encryptionKeyVersion: 1 }, '1', '1'],
    [{ signingKeyVersion: undefined, encryptionKeyVersion: undefined }, '2', '2'],
  ])('%j choose the keys', (versions, signing, encryption) => {
    const { signingKey, encryptionKey } = parse({ ...both, ...versions })
    expect([signingKey.version, encryptionKey?.version]).toEqual([signing, encryption])
  })

  test.each<[Partial<Credentials>, string]>([
    [{ signingKeyVersion: '3' }, 'No key matches signingKeyVersion: privateKeys can sign with 2, 1.'],
    [{ signingKeyVersion: '' }, 'No key matches signingKeyVersion: privateKeys can sign with 2, 1.'],
    [{ encryptionKeyVersion: '3' }, 'No key matches encryptionKeyVersion: peerPublicKeys can encrypt to 2, 1.'],
    [{ encryptionKeyVersion: '9' }, 'No key matches encryptionKeyVersion: peerPublicKeys can encrypt to 2, 1.'],
  ])('%j are refused', (versions, message) => {
    expect(thrownBy(() => parse({ ...both, ...versions }))).toMatchObject({ code: 'ERR_CREDENTIALS', message })
  })
})

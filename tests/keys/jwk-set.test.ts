import { inspect } from 'node:util'
import { CompactSign, compactVerify, createLocalJWKSet } from 'jose'
import { describe, expect, test } from 'vitest'
import { exportJwkSet, importJwkSet } from '../../src/keys/jwk-set.ts'
import { createKeyRing } from '../../src/keys/key-ring.ts'
import { type PrivateKeyInput, parsePrivateKey, parsePublicKey } from '../../src/keys/keys.ts'
import { der, gatewayRsa, merchantEcc, merchantRsa, p256, pem, strangerRsa, weakRsa } from '../support/keys.ts'
import { rejectionOf } from '../support/thrown.ts'

const publicJwk = { ...gatewayRsa().publicKey.export({ format: 'jwk' }), kid: '1' }
const newerJwk = { ...strangerRsa().publicKey.export({ format: 'jwk' }), kid: '10', use: 'sig', alg: 'RS256' }
const privateJwk = { ...merchantRsa().privateKey.export({ format: 'jwk' }), kid: '1' }

describe('importJwkSet', () => {
  test('imports public keys for a key ring, with the kid as version', async () => {
    const keys = await importJwkSet({ keys: [newerJwk, { ...publicJwk, kid: '9' }] }, 'public')
    const ring = createKeyRing(keys, 'peerPublicKeys', parsePublicKey)
    expect(ring.newestFirst.map(({ version }) => version)).toEqual(['10', '9'])
    expect(keys['10']?.equals(strangerRsa().publicKey)).toBe(true)
    expect(keys['9']?.equals(gatewayRsa().publicKey)).toBe(true)
  })

  test('imports private keys for a key ring', async () => {
    const keys = await importJwkSet({ keys: [privateJwk] }, 'private')
    expect(keys['1']?.equals(merchantRsa().privateKey)).toBe(true)
    const ring = createKeyRing(keys, 'privateKeys', parsePrivateKey)
    expect(ring.get('1')?.key).toMatchObject({ algorithm: 'RSA256', isRemote: false, unwrap: expect.any(Function) })
  })

  test.each([
    ['encryption', { ...newerJwk, kid: 'x', use: 'enc' }],
    ['another algorithm', { ...newerJwk, kid: 'x', alg: 'PS256' }],
    ['operations other than verify', { ...newerJwk, kid: 'x', key_ops: ['encrypt'] }],
    ['another curve', { ...p256().publicKey.export({ format: 'jwk' }), kid: 'x' }],
    ['MACs', { kty: 'oct', k: 'AAAA', kid: 'x' }],
    ['an unknown key type', { kty: 'XYZ' }],
    ['no use, being empty', {}],
    ['no use, being null', null],
    ['no use, being text', 'RSA'],
  ])('ignores keys for %s', async (_, other) => {
    expect(Object.keys(await importJwkSet({ keys: [other as object, publicJwk] }, 'public'))).toEqual(['1'])
    await expect(importJwkSet({ keys: [other as object] }, 'public')).rejects.toMatchObject({
      code: 'ERR_KEY_RING',
      message: 'The JWK set has no RSA key for signatures.',
    })
  })

  test('imports keys whose use, alg and key_ops name signatures', async () => {
    const keys = await importJwkSet(
      { keys: [{ ...publicJwk, use: 'sig', alg: 'RS256', key_ops: ['verify'] }] },
      'public',
    )
    expect(Object.keys(keys)).toEqual(['1'])
  })

  test('accepts __proto__ as a kid', async () => {
    const keys = await importJwkSet({ keys: [{ ...publicJwk, kid: '__proto__' }] }, 'public')
    expect(createKeyRing(keys, 'peerPublicKeys', parsePublicKey).get('__proto__')).toBeDefined()
  })

  test.each([
    ['without keys', {}, 'public', 'ERR_KEY_RING', /no "keys" array/],
    ['whose keys are not an array', { keys: { 1: publicJwk } }, 'public', 'ERR_KEY_RING', /no "keys" array/],
    ['that is null', null, 'public', 'ERR_KEY_RING', /no "keys" array/],
    ['that is JSON text', JSON.stringify({ keys: [publicJwk] }), 'public', 'ERR_KEY_RING', /no "keys" array/],
    ['that is empty', { keys: [] }, 'public', 'ERR_KEY_RING', /has no RSA key/],
    [
      'with a key without kid',
      { keys: [{ ...publicJwk, kid: undefined }] },
      'public',
      'ERR_KEY_RING',
      /keys\[0\] has no "kid"/,
    ],
    [
      'with a kid that is a number',
      { keys: [{ ...publicJwk, kid: 1 }] },
      'public',
      'ERR_KEY_RING',
      /keys\[0\] has no "kid"/,
    ],
    [
      'with a repeated kid',
      { keys: [publicJwk, { ...newerJwk, kid: '1' }] },
      'public',
      'ERR_KEY_RING',
      /keys\[1\] repeats/,
    ],
    [
      'with a private key among public ones',
      { keys: [newerJwk, privateJwk] },
      'public',
      'ERR_KEY_KIND',
      /keys\[1\] is not a public key/,
    ],
    [
      'with a public key among private ones',
      { keys: [privateJwk, newerJwk] },
      'private',
      'ERR_KEY_KIND',
      /keys\[1\] is not a private key/,
    ],
    [
      'with a key without its modulus',
      { keys: [{ ...publicJwk, n: undefined }] },
      'public',
      'ERR_KEY_FORMAT',
      /keys\[0\] has missing or malformed/,
    ],
    [
      'with a key without its primes',
      { keys: [{ ...privateJwk, p: undefined }] },
      'private',
      'ERR_KEY_FORMAT',
      /keys\[0\] has missing or malformed/,
    ],
  ] as const)('refuses a set %s', async (_, set, kind, code, wanted) => {
    const error = await rejectionOf(importJwkSet(set as unknown as { keys: object[] }, kind))
    expect(error).toMatchObject({ name: 'ConfigurationError', code, message: expect.stringMatching(wanted) })
    expect(error.cause).toBeUndefined()
    const output = inspect(error, { depth: Infinity, showHidden: true })
    for (const secret of [privateJwk.d, privateJwk.n, publicJwk.n]) expect(output).not.toContain(secret?.slice(0, 12))
  })

  test('returns a kid that cannot be a version, which the key ring rejects', async () => {
    const keys = await importJwkSet({ keys: [{ ...publicJwk, kid: 'a b' }] }, 'public')
    expect(() => createKeyRing(keys, 'peerPublicKeys', parsePublicKey)).toThrow(
      expect.objectContaining({ code: 'ERR_KEY_RING' }),
    )
  })

  test('rejects a key of 1024 bits, at the latest in the key ring', async () => {
    const weak = { ...weakRsa().publicKey.export({ format: 'jwk' }), kid: '1' }
    const make = async () =>
      createKeyRing(await importJwkSet({ keys: [weak] }, 'public'), 'peerPublicKeys', parsePublicKey)
    await expect(make()).rejects.toMatchObject({ code: 'ERR_KEY_WEAK' })
  })
})

describe('exportJwkSet', () => {
  const { privateKey, publicKey } = merchantRsa()
  const forms: readonly (readonly [string, () => PrivateKeyInput])[] = [
    ['PEM', () => pem(privateKey)],
    ['PKCS#1', () => privateKey.export({ type: 'pkcs1', format: 'pem' })],
    ['DER', () => der(privateKey)],
    ['base64', () => Buffer.from(der(privateKey)).toString('base64')],
    ['a JWK with a use and an unknown member', () => ({ ...privateJwk, use: 'sig', secret: privateJwk.d })],
    ['JSON text', () => JSON.stringify(privateJwk)],
    ['a KeyObject', () => privateKey],
  ]

  test.each(forms)('exports the public half of %s, and no private member', async (_, input) => {
    const set = await exportJwkSet({ privateKeys: { 7: input() } })
    const { n, e } = publicKey.export({ format: 'jwk' })
    expect(set).toStrictEqual({ keys: [{ kty: 'RSA', kid: '7', n, e }] })
    const text = JSON.stringify(set)
    for (const member of ['d', 'p', 'q', 'dp', 'dq', 'qi'] as const) {
      expect(text).not.toContain(`"${member}"`)
      expect(text).not.toContain(privateJwk[member])
    }
  })

  test('exports every version, the latest first, and importJwkSet reads them', async () => {
    const pairs = { 9: merchantRsa(), 10: strangerRsa() }
    const privateKeys = { 9: pairs[9].privateKey, 10: pem(pairs[10].privateKey) }
    const set = await exportJwkSet({ privateKeys })
    expect(set.keys.map(({ kid }) => kid)).toEqual(['10', '9'])
    const imported = await importJwkSet(JSON.parse(JSON.stringify(set)), 'public')
    expect(imported['9']?.equals(pairs[9].publicKey)).toBe(true)
    expect(imported['10']?.equals(pairs[10].publicKey)).toBe(true)
    await expect(importJwkSet(set, 'private')).rejects.toMatchObject({ code: 'ERR_KEY_KIND' })
  })

  test('jose verifies a signature with the set, by the kid, and no other signature', async () => {
    const keys = createLocalJWKSet({
      keys: [...(await exportJwkSet({ privateKeys: { 1: strangerRsa().privateKey, 2: privateKey } })).keys],
    })
    const sign = (kid: string) =>
      new CompactSign(Buffer.from('text')).setProtectedHeader({ alg: 'RS256', kid }).sign(privateKey)
    await expect(compactVerify(await sign('2'), keys)).resolves.toMatchObject({ protectedHeader: { kid: '2' } })
    await expect(compactVerify(await sign('1'), keys)).rejects.toMatchObject({
      code: 'ERR_JWS_SIGNATURE_VERIFICATION_FAILED',
    })
  })

  const signer = { algorithm: 'RSA256' as const, sign: (bytes: Uint8Array) => bytes }
  const cryptoKey = async () =>
    globalThis.crypto.subtle.importKey(
      'pkcs8',
      new Uint8Array(der(privateKey)),
      { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256' },
      true,
      ['sign'],
    )
  test.each<[string, () => unknown, string, RegExp]>([
    ['a signer', () => ({ 1: signer }), 'ERR_KEY_USE', /^privateKeys\[1\] is a signer/],
    ['a CryptoKey', async () => ({ 1: await cryptoKey() }), 'ERR_KEY_USE', /^privateKeys\[1\] is a CryptoKey/],
    ['an ECC224 key', () => ({ 2: merchantEcc().privateKey }), 'ERR_KEY_ALGORITHM', /privateKeys\[2\].*as PEM/],
    ['a public key', () => ({ 1: pem(publicKey) }), 'ERR_KEY_KIND', /privateKeys\[1\] is a public key/],
    ['a weak key', () => ({ 1: pem(weakRsa().privateKey) }), 'ERR_KEY_WEAK', /privateKeys\[1\] is RSA of 1024/],
    ['a damaged JWK', () => ({ 1: { ...privateJwk, n: `${privateJwk.n}!` } }), 'ERR_KEY_FORMAT', /malformed members/],
    ['a version that no header can have', () => ({ 'a b': pem(privateKey) }), 'ERR_KEY_RING', /has a version/],
    ['no key', () => ({}), 'ERR_KEY_RING', /missing or empty/],
    ['undefined', () => undefined, 'ERR_KEY_RING', /missing or empty/],
    ['a single key', () => pem(privateKey), 'ERR_KEY_RING', /must map key versions to keys/],
  ])('refuses %s among the private keys', async (_, privateKeys, code, message) => {
    const keys = (await privateKeys()) as Record<string, PrivateKeyInput>
    const error = await rejectionOf(exportJwkSet({ privateKeys: keys }))
    expect(error).toMatchObject({ name: 'ConfigurationError', code, message: expect.stringMatching(message) })
    const output = inspect(error, { depth: Infinity, showHidden: true })
    for (const secret of [privateJwk.d, privateJwk.p]) expect(output).not.toContain(secret?.slice(0, 12))
  })
})

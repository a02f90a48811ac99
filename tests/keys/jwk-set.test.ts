import { inspect } from 'node:util'
import { describe, expect, test } from 'vitest'
import { importJwkSet } from '../../src/keys/jwk-set.ts'
import { createKeyRing } from '../../src/keys/key-ring.ts'
import { parsePrivateKey, parsePublicKey } from '../../src/keys/keys.ts'
import { gatewayRsa, merchantRsa, p256, strangerRsa, weakRsa } from '../support/keys.ts'
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
      message: 'The JWK set holds no RSA key for signatures.',
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
    ['that is empty', { keys: [] }, 'public', 'ERR_KEY_RING', /holds no RSA key/],
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

  test('leaves it to the key ring to refuse a kid that cannot be a version', async () => {
    const keys = await importJwkSet({ keys: [{ ...publicJwk, kid: 'a b' }] }, 'public')
    expect(() => createKeyRing(keys, 'peerPublicKeys', parsePublicKey)).toThrow(
      expect.objectContaining({ code: 'ERR_KEY_RING' }),
    )
  })

  test('refuses a key of 1024 bits, in the key ring at the latest', async () => {
    const weak = { ...weakRsa().publicKey.export({ format: 'jwk' }), kid: '1' }
    const make = async () =>
      createKeyRing(await importJwkSet({ keys: [weak] }, 'public'), 'peerPublicKeys', parsePublicKey)
    await expect(make()).rejects.toMatchObject({ code: 'ERR_KEY_WEAK' })
  })
})

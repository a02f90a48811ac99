import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { createKeyRing } from '../../src/keys/key-ring.ts'
import { parsePrivateKey } from '../../src/keys/keys.ts'
import { der, merchantRsa, pem } from '../support/keys.ts'

const refused = expect.objectContaining({ name: 'ConfigurationError', code: 'ERR_KEY_RING' })
const ring = (versions: readonly string[]) =>
  createKeyRing(Object.fromEntries(versions.map((version) => [version, `key ${version}`])), 'keys', (key) => key)
const order = (versions: readonly string[]) => ring(versions).newestFirst.map(({ version }) => version)

describe('createKeyRing', () => {
  test('returns the key of a version, and undefined for an unknown version', () => {
    const keys = ring(['1', '2'])
    expect(keys.get('1')).toEqual({ version: '1', key: 'key 1' })
    expect(keys.get('3')).toBeUndefined()
  })

  test.each(['', '01', '1 ', 'toString', 'constructor', '__proto__', 'latest'])(
    'has no version "%s" that was not passed',
    (version) => {
      expect(ring(['1', '2']).get(version)).toBeUndefined()
    },
  )

  test.each([
    ['1 alone', ['1'], '1'],
    ['of one digit each', ['1', '3', '2'], '3'],
    ['of several digits, as numbers', ['2', '10', '9'], '10'],
    ['with leading zeros, as numbers', ['010', '9'], '010'],
    ['greater than any safe integer', ['9007199254740993', '9007199254740992'], '9007199254740993'],
    ['of 64 digits', ['9'.repeat(63), `1${'0'.repeat(63)}`], `1${'0'.repeat(63)}`],
    ['that are dates', ['2024-05-22', '2023-12-31'], '2024-05-22'],
    ['that are not all integers, as text', ['10', '9', 'v1'], 'v1'],
    ['that are not all integers, as text, also the digits', ['10', '9', '-'], '9'],
    ['in upper and lower case, by code unit', ['a', 'B'], 'a'],
  ])('finds the latest of versions %s', (_, versions, latest) => {
    expect(ring(versions).get(undefined)?.version).toBe(latest)
    expect(ring(versions).latest.version).toBe(latest)
    expect(ring(versions.toReversed()).get(undefined)?.version).toBe(latest)
  })

  test('sorts integers as numbers and all other versions as text, in any input order', () => {
    fc.assert(
      fc.property(fc.uniqueArray(fc.bigInt({ min: 0n, max: 10n ** 40n }), { minLength: 1 }), (numbers) => {
        const sorted = numbers.toSorted((a, b) => (a < b ? 1 : -1)).map(String)
        expect(order(numbers.map(String))).toEqual(sorted)
      }),
    )
    const word = fc.stringMatching(/^[\w.~-]{1,8}$/)
    fc.assert(
      fc.property(fc.uniqueArray(word), (words) => {
        expect(order([...words, 'v'])).toEqual([...new Set([...words, 'v'])].toSorted().toReversed())
      }),
    )
  })

  test('accepts __proto__ and constructor as versions', () => {
    const keys = createKeyRing(
      JSON.parse('{"__proto__":"a","constructor":"b"}') as Record<string, string>,
      'keys',
      String,
    )
    expect(keys.get('__proto__')).toEqual({ version: '__proto__', key: 'a' })
    expect(keys.get('constructor')).toEqual({ version: 'constructor', key: 'b' })
  })

  test('accepts an object without a prototype, and ignores inherited properties', () => {
    const bare = Object.assign(Object.create(null) as Record<string, string>, { 1: 'a' })
    expect(createKeyRing(bare, 'keys', String).get(undefined)?.key).toBe('a')
    const inherited = Object.assign(Object.create({ 2: 'b' }) as Record<string, string>, { 1: 'a' })
    expect(createKeyRing(inherited, 'keys', String).newestFirst).toHaveLength(1)
  })

  test('passes the name of each key to the parser, with ring and version', () => {
    const names: string[] = []
    createKeyRing({ 7: 'a', v8: 'b' }, 'privateKeys', (_, name) => names.push(name))
    expect(names).toEqual(['privateKeys[7]', 'privateKeys[v8]'])
  })

  test('does not change when its input object changes later', () => {
    const input: Record<string, string> = { 1: 'a' }
    const keys = createKeyRing(input, 'keys', String)
    input['2'] = 'b'
    expect(keys.get(undefined)?.version).toBe('1')
  })
})

describe('createKeyRing rejects', () => {
  test.each(['', ' ', '1 ', 'a,b', 'a=b', '1/2', 'é', '１', 'x'.repeat(65), '1\n', '"1"'])(
    'the version "%s"',
    (version) => {
      expect(() => ring([version])).toThrow(refused)
    },
  )

  test.each(['1', 'v1.0_rc-2~a', 'x'.repeat(64)])('nothing in the version "%s"', (version) => {
    expect(ring([version]).get(version)?.version).toBe(version)
  })

  test.each([
    ['1', '01'],
    ['0', '00'],
    ['10', '0010'],
  ])('versions %s and %s, which are the same number', (a, b) => {
    expect(() => ring([a, b])).toThrow(refused)
    expect(order([a, b, 'v'])).toHaveLength(3)
  })

  test.each<[string, () => unknown]>([
    ['PEM', () => pem(merchantRsa().privateKey)],
    ['DER', () => der(merchantRsa().privateKey)],
    ['Buffer', () => Buffer.from(pem(merchantRsa().privateKey))],
    ['JWK', () => merchantRsa().privateKey.export({ format: 'jwk' })],
    ['KeyObject', () => merchantRsa().privateKey],
    ['signer', () => ({ algorithm: 'RSA256', sign: () => new Uint8Array() })],
    ['array of keys', () => [pem(merchantRsa().privateKey)]],
    ['Map of keys', () => new Map([['1', pem(merchantRsa().privateKey)]])],
    ['JWK set', () => ({ keys: [merchantRsa().privateKey.export({ format: 'jwk' })] })],
    ['null', () => null],
    ['undefined', () => undefined],
  ])('a %s instead of the ring, and describes a ring', (_, input) => {
    const create = () => createKeyRing(input() as Record<string, never>, 'privateKeys', parsePrivateKey)
    expect(create).toThrow(refused)
    expect(create).toThrow(/^privateKeys .*such as \{ 1: key \}/)
  })

  test('an empty ring', () => {
    expect(() => ring([])).toThrow(refused)
    expect(() => ring([])).toThrow('keys is missing or empty; pass { 1: key }.')
  })

  test('a key of the wrong kind, by the name of that key', () => {
    const keys = { 1: pem(merchantRsa().privateKey), 2: pem(merchantRsa().publicKey) }
    expect(() => createKeyRing(keys, 'privateKeys', parsePrivateKey)).toThrow(
      expect.objectContaining({
        code: 'ERR_KEY_KIND',
        message: expect.stringMatching(/^privateKeys\[2\] is a public key/),
      }),
    )
  })
})

import { constants, createHash, generateKeyPairSync, type SigningOptions, sign } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { decodeEcdsa } from '../../src/crypto/ecdsa-forms.ts'
import { examineSignature } from '../../src/crypto/examine.ts'
import { gatewayRsa, merchantEcc, strangerRsa } from '../support/keys.ts'

const CONTENT = Buffer.from('content')
const OTHER = Buffer.from('other content')
const PSS = { padding: constants.RSA_PKCS1_PSS_PADDING }

/** What is said of a signature, without the functions. */
const examine = (signature: Uint8Array, key = gatewayRsa().publicKey) =>
  examineSignature(key, 'RSA256', signature)?.map(({ matches, ...form }) => ({
    ...form,
    matches: [matches(CONTENT), matches(OTHER)],
  }))

/** One in some thousand signatures looks like PSS with the longest salt. It matches nothing. */
const certain = (signature: Uint8Array) =>
  examine(signature)?.filter(({ isCertain, matches }) => isCertain || matches.includes(true))

const RIGHT = { padding: 'PKCS1', digest: 'SHA-256', encoding: undefined, isCertain: true, matches: [true, false] }

describe('examineSignature, for RSA,', () => {
  test.each<readonly [string, string, SigningOptions, object]>([
    ['PKCS#1 v1.5 with SHA-256', 'sha256', {}, {}],
    ['SHA-1', 'sha1', {}, { digest: 'SHA-1' }],
    ['SHA-224', 'sha224', {}, { digest: 'SHA-224' }],
    ['SHA-384', 'sha384', {}, { digest: 'SHA-384' }],
    ['SHA-512', 'sha512', {}, { digest: 'SHA-512' }],
    ['MD5', 'md5', {}, { digest: 'MD5' }],
    ['PSS with a salt of 32 bytes', 'sha256', { ...PSS, saltLength: 32 }, { padding: 'PSS' }],
    ['PSS with SHA-1', 'sha1', { ...PSS, saltLength: 20 }, { padding: 'PSS', digest: 'SHA-1' }],
    ['PSS with SHA-512', 'sha512', { ...PSS, saltLength: 64 }, { padding: 'PSS', digest: 'SHA-512' }],
    ['PSS without a salt', 'sha256', { ...PSS, saltLength: 0 }, { padding: 'PSS' }],
    [
      'PSS with the longest salt',
      'sha256',
      { ...PSS, saltLength: constants.RSA_PSS_SALTLEN_MAX_SIGN },
      { padding: 'PSS', isCertain: false },
    ],
  ])('recognizes %s', (_, digest, options, changes) => {
    const signature = sign(digest, CONTENT, { key: gatewayRsa().privateKey, ...options })
    expect(examine(signature)).toEqual([{ ...RIGHT, ...changes }])
  })

  test.each([2048, 2049, 2056, 3072])('recognizes PKCS#1 v1.5 and PSS of a key of %i bits', (modulusLength) => {
    const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength })
    expect(examine(sign('sha256', CONTENT, privateKey), publicKey)).toEqual([RIGHT])
    const pss = sign('sha256', CONTENT, { key: privateKey, ...PSS, saltLength: 32 })
    expect(examine(pss, publicKey)).toEqual([{ ...RIGHT, padding: 'PSS' }])
  })

  test('recognizes reversed bytes', () => {
    const signature = sign('sha256', CONTENT, gatewayRsa().privateKey).reverse()
    expect(examine(signature)).toEqual([{ ...RIGHT, encoding: 'with its bytes in reverse order' }])
  })

  test('reports that another key made the signature', () => {
    expect(examine(sign('sha256', CONTENT, strangerRsa().privateKey))).toEqual([])
    expect(examine(sign('sha256', CONTENT, gatewayRsa().privateKey), strangerRsa().publicKey)).toEqual([])
  })

  test('reports another key for any other bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 0, maxLength: 300 }), (bytes) => {
        expect(certain(bytes)).toEqual([])
      }),
    )
  })

  test('reports another key when one bit is changed', () => {
    const signature = sign('sha256', CONTENT, gatewayRsa().privateKey)
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 255 }), fc.integer({ min: 0, max: 7 }), (at, bit) => {
        const changed = Uint8Array.from(signature)
        changed[at] = (changed[at] ?? 0) ^ (1 << bit)
        expect(certain(changed)).toEqual([])
      }),
    )
  })
})

const der = () => sign('sha256', CONTENT, merchantEcc().privateKey)
const p1363 = () => sign('sha256', CONTENT, { key: merchantEcc().privateKey, dsaEncoding: 'ieee-p1363' })
/** Both numbers with four zeros in front. */
const padded = (signature: Buffer) =>
  Buffer.concat([Buffer.alloc(4), signature.subarray(0, 28), Buffer.alloc(4), signature.subarray(28)])

describe('examineSignature, for ECDSA,', () => {
  const digests = (signature: Uint8Array) =>
    examineSignature(merchantEcc().publicKey, 'ECC224', signature)
      ?.filter(({ matches }) => matches(CONTENT))
      .map(({ digest, encoding, isCertain, matches }) => ({ digest, encoding, isCertain, other: matches(OTHER) }))

  test.each([
    ['DER', der, undefined],
    ['P1363', p1363, undefined],
    ['P1363 of 64 bytes', () => padded(p1363()), 'in P1363 form of 64 bytes instead of 56'],
  ])('recognizes %s', (_, signature, encoding) => {
    expect(digests(signature())).toEqual([{ digest: 'SHA-256', encoding, isCertain: false, other: false }])
  })

  test('recognizes SHA-1', () => {
    expect(digests(sign('sha1', CONTENT, merchantEcc().privateKey))).toEqual([
      { digest: 'SHA-1', encoding: undefined, isCertain: false, other: false },
    ])
  })
})

describe('decodeEcdsa', () => {
  test('reads DER with and without the zeros that numbers need', () => {
    const r = Buffer.from(createHash('sha224').update('r').digest())
    const s = Buffer.from(createHash('sha224').update('s').digest())
    r[0] = 0x80
    s[0] = 0x01
    const write = (...numbers: Buffer[]) => {
      const content = Buffer.concat(numbers.map((number) => Buffer.concat([Buffer.of(2, number.length), number])))
      return Buffer.concat([Buffer.of(0x30, content.length), content])
    }
    const expected = new Uint8Array(Buffer.concat([r, s]))
    const zero = Buffer.of(0)
    const cases: [Buffer, string | undefined][] = [
      [write(Buffer.concat([zero, r]), s), undefined],
      [write(r, s), 'in DER that is not canonical'],
      [write(Buffer.concat([zero, r]), Buffer.concat([zero, s])), 'in DER that is not canonical'],
    ]
    for (const [bytes, encoding] of cases) expect(decodeEcdsa(bytes)).toEqual([{ p1363: expected, encoding }])
  })

  test.each([
    '',
    '30',
    '3000',
    '3003020101',
    '30060201010201',
    '300602010102010100',
    'ff'.repeat(57),
    'ff'.repeat(64),
    'ff'.repeat(200),
  ])('reads nothing from %s', (hex) => {
    expect(decodeEcdsa(Buffer.from(hex, 'hex'))).toEqual([])
  })
})

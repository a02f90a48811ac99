import {
  constants,
  createHash,
  createPrivateKey,
  createPublicKey,
  createSecretKey,
  generateKeyPairSync,
  generatePrimeSync,
  type KeyObject,
  privateEncrypt,
  type SigningOptions,
  sign,
} from 'node:crypto'
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

/** OpenSSL generates no modulus with an odd number of bits. With 8 n + 1 bits, a PSS block is a byte shorter than the modulus. */
function oddKey(bits: number) {
  const prime = (size: number) => generatePrimeSync(size, { bigint: true })
  const [e, half] = [65_537n, (bits - 1) / 2]
  for (;;) {
    const [p, q] = [prime(half + 1), prime(half)]
    const [n, d] = [p * q, inverse(e, (p - 1n) * (q - 1n))]
    if (n.toString(2).length !== bits) continue
    const numbers = { n, e, d, p, q, dp: d % (p - 1n), dq: d % (q - 1n), qi: inverse(q, p) }
    const text = (number: bigint) => {
      const hex = number.toString(16)
      return Buffer.from(hex.padStart(hex.length + (hex.length % 2), '0'), 'hex').toString('base64url')
    }
    const members = Object.entries(numbers).map(([name, number]) => [name, text(number)])
    const privateKey = createPrivateKey({ key: { kty: 'RSA', ...Object.fromEntries(members) }, format: 'jwk' })
    return { privateKey, publicKey: createPublicKey(privateKey) }
  }
}

/** The inverse of a number by the extended Euclidean algorithm. */
function inverse(number: bigint, modulus: bigint): bigint {
  let [[a, x], [b, y]] = [
    [number, 1n],
    [modulus, 0n],
  ]
  while (b !== 0n)
    [[a, x], [b, y]] = [
      [b, y],
      [a % b, x - (a / b) * y],
    ]
  return ((x % modulus) + modulus) % modulus
}

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
    expect(certain(signature)).toEqual([{ ...RIGHT, ...changes }])
  })

  test('recognizes bytes in reverse order, also where they look like PSS by chance', () => {
    const { privateKey, publicKey } = gatewayRsa()
    const expected = [{ padding: 'PKCS1', isCertain: true, encoding: 'with its bytes in reverse order' }]
    // One signature in about 2,048 does.
    for (let index = 0; index < 4_096; index++) {
      const reversed = sign('sha256', Buffer.from(`content ${index}`), privateKey).reverse()
      expect(examineSignature(publicKey, 'RSA256', reversed)).toMatchObject(expected)
    }
  })

  test.each([2048, 2049, 2050, 2056, 3072])('recognizes PKCS#1 v1.5 and PSS of a key of %i bits', (bits) => {
    const { privateKey, publicKey } =
      bits % 2 === 0 ? generateKeyPairSync('rsa', { modulusLength: bits }) : oddKey(bits)
    expect(publicKey.asymmetricKeyDetails).toMatchObject({ modulusLength: bits })
    expect(examine(sign('sha256', CONTENT, privateKey), publicKey)).toEqual([RIGHT])
    const pss = sign('sha256', CONTENT, { key: privateKey, ...PSS, saltLength: 32 })
    expect(examine(pss, publicKey)).toEqual([{ ...RIGHT, padding: 'PSS' }])
  })

  test('recognizes reversed bytes', () => {
    const signature = sign('sha256', CONTENT, gatewayRsa().privateKey).reverse()
    expect(examine(signature)).toEqual([{ ...RIGHT, encoding: 'with its bytes in reverse order' }])
  })

  test('reports another key for a number above the modulus, and for a key that is not RSA', () => {
    expect(examine(new Uint8Array(256).fill(0xff))).toEqual([])
    expect(examine(new Uint8Array(256), createSecretKey(new Uint8Array(32)))).toEqual([])
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

/** The number that becomes this block when the public key is applied to it. */
const signBlock = (block: Uint8Array, key: KeyObject = gatewayRsa().privateKey) =>
  privateEncrypt({ key, padding: constants.RSA_NO_PADDING }, block)
/** `00 01 FF … 00 payload`, with other bytes at some places. */
const pkcs1 = (payload: Uint8Array, changes: Readonly<Record<number, number>> = {}) => {
  const block = Buffer.concat([Buffer.of(0, 1), Buffer.alloc(253 - payload.length, 0xff), Buffer.of(0), payload])
  for (const [at, byte] of Object.entries(changes)) block[Number(at)] = byte
  return block
}
const hash = (digest: string, content: Uint8Array) => createHash(digest).update(content).digest()

describe('examineSignature, for the block inside of an RSA signature,', () => {
  const NONE = { ...RIGHT, digest: 'none' }

  test.each([
    ['the content', CONTENT, CONTENT],
    ['its SHA-256 digest', hash('sha256', CONTENT), CONTENT],
    ['its SHA-1 digest', hash('sha1', CONTENT), CONTENT],
    ['the object identifier alone', Buffer.from('608648016503040201', 'hex'), Buffer.from('608648016503040201', 'hex')],
  ])('recognizes %s without a DigestInfo', (_, payload, content) => {
    const [form] = examineSignature(gatewayRsa().publicKey, 'RSA256', signBlock(pkcs1(payload))) ?? []
    expect(form).toMatchObject({ padding: 'PKCS1', digest: 'none', encoding: undefined, isCertain: true })
    expect(form?.matches(content)).toBe(true)
    expect(form?.matches(OTHER)).toBe(false)
  })

  test('does not take another digest for one without a DigestInfo', () => {
    expect(examine(signBlock(pkcs1(hash('sha512', CONTENT))))).toEqual([{ ...NONE, matches: [false, false] }])
  })

  test('recognizes a digest by the object identifier at the start of a DigestInfo only', () => {
    const digestInfo = Buffer.concat([
      Buffer.from('3031300d060960864801650304020105000420', 'hex'),
      hash('sha256', CONTENT),
    ])
    expect(examine(signBlock(pkcs1(digestInfo)))).toEqual([RIGHT])
    const shifted = Buffer.concat([Buffer.alloc(16, 0x30), digestInfo])
    expect(examine(signBlock(pkcs1(shifted)))).toEqual([{ ...NONE, matches: [false, false] }])
    const otherStart = Buffer.concat([Buffer.of(0x31), digestInfo])
    expect(examine(signBlock(pkcs1(otherStart)))).toEqual([{ ...NONE, matches: [false, false] }])
    const otherLength = Buffer.from(digestInfo)
    otherLength[5] = 0x08
    expect(examine(signBlock(pkcs1(otherLength)))).toEqual([{ ...NONE, matches: [false, false] }])
  })

  test('recognizes the padding by at least eight bytes of FF', () => {
    expect(examine(signBlock(pkcs1(Buffer.alloc(245, 1))))).toEqual([{ ...NONE, matches: [false, false] }])
    expect(examine(signBlock(pkcs1(Buffer.alloc(246, 1))))).toEqual([])
  })

  test.each<[what: string, changes: Readonly<Record<number, number>>]>([
    ['a first byte of 1', { 0: 1 }],
    ['the block type of encryption', { 1: 2 }],
    ['the block type 0', { 1: 0 }],
    ['padding that is not FF', { 100: 0xfe }],
    ['no separator', { 248: 1 }],
  ])('recognizes no padding in a block with %s', (_, changes) => {
    expect(examine(signBlock(pkcs1(CONTENT)))).toEqual([{ ...NONE, matches: [true, false] }])
    expect(examine(signBlock(pkcs1(CONTENT, changes)))).toEqual([])
  })

  test('recognizes a signature without its leading zeros, up to four', () => {
    const shortest = (length: number) => signBlock(pkcs1(CONTENT)).subarray(256 - length)
    expect(examine(shortest(251))).toEqual([])
    let number = 0
    let signature = sign('sha256', Buffer.from(String(number)), gatewayRsa().privateKey)
    while (signature[0] !== 0) signature = sign('sha256', Buffer.from(String(++number)), gatewayRsa().privateKey)
    const [form] = examineSignature(gatewayRsa().publicKey, 'RSA256', signature.subarray(1)) ?? []
    expect(form).toMatchObject({ encoding: 'without its leading zeros', digest: 'SHA-256', isCertain: true })
    expect(form?.matches(Buffer.from(String(number)))).toBe(true)
    expect(examine(Buffer.concat([Buffer.alloc(1), signature]))).toEqual([])
  })
})

/** EMSA-PSS of RFC 8017 section 9.1.1 for 2048 bits. The zeros are counted in front of the 1 before the salt. */
function pss(digest: string, maskDigest: string, salt: Uint8Array, lead?: Uint8Array): Buffer {
  const seed = hash(digest, Buffer.concat([Buffer.alloc(8), hash(digest, CONTENT), salt]))
  const length = 255 - seed.length
  const end = Buffer.concat([Buffer.of(1), salt])
  const data = Buffer.concat([Buffer.alloc(length - end.length), end])
  if (lead !== undefined) data.set(lead)
  const mask: Buffer[] = []
  for (let counter = 0; counter * 20 < length; counter++)
    mask.push(hash(maskDigest, Buffer.concat([seed, Buffer.of(0, 0, 0, counter)])))
  const masked = data.map((byte, at) => byte ^ (Buffer.concat(mask)[at] ?? 0))
  masked[0] = (masked[0] ?? 0) & 0x7f
  return Buffer.concat([masked, seed, Buffer.of(0xbc)])
}

describe('examineSignature, for PSS,', () => {
  const NAMES = { sha1: 'SHA-1', sha256: 'SHA-256', sha384: 'SHA-384', sha512: 'SHA-512' } as const
  const digests = ['sha1', 'sha256', 'sha384', 'sha512'] as const
  const salt = Buffer.alloc(20, 7)
  const found = (block: Uint8Array) => examine(signBlock(block))

  test.each(digests.flatMap((digest) => digests.map((mask) => [digest, mask] as const)))(
    'recognizes the digest %s with the mask of %s',
    (digest, mask) => {
      expect(found(pss(digest, mask, salt))).toEqual([{ ...RIGHT, padding: 'PSS', digest: NAMES[digest] }])
    },
  )

  test('is certain from eight zeros in front of the salt on', () => {
    const zeros = (count: number) => Buffer.alloc(255 - 32 - 1 - count, 7)
    const PSS_FORM = { ...RIGHT, padding: 'PSS' }
    expect(found(pss('sha256', 'sha256', zeros(0)))).toEqual([{ ...PSS_FORM, isCertain: false }])
    expect(found(pss('sha256', 'sha256', zeros(8)))).toEqual([PSS_FORM])
    expect(found(pss('sha256', 'sha256', zeros(7)))).toEqual([])
    expect(found(pss('sha256', 'sha256', zeros(1)))).toEqual([])
  })

  // With another digest, one block in 128 looks like one with the longest salt.
  test('prefers what is certain', () => {
    for (let first = 0; first < 50; first++) {
      const [form] = examine(signBlock(pss('sha512', 'sha512', Buffer.of(first, 7)))) ?? []
      expect(form).toEqual({ ...RIGHT, padding: 'PSS', digest: 'SHA-512' })
    }
  })

  test('recognizes nothing without the 1 in front of the salt, or without the last byte BC', () => {
    expect(found(pss('sha256', 'sha256', salt, Buffer.of(2)))).toEqual([])
    expect(found(pss('sha256', 'sha256', salt, Buffer.concat([Buffer.alloc(8), Buffer.of(2)])))).toEqual([])
    const block = pss('sha256', 'sha256', salt)
    block[255] = 0xbd
    expect(found(block)).toEqual([])
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

  test.each(['SHA-1', 'SHA-224', 'SHA-384', 'SHA-512'])('recognizes %s', (digest) => {
    expect(digests(sign(digest.replace('-', ''), CONTENT, merchantEcc().privateKey))).toEqual([
      { digest, encoding: undefined, isCertain: false, other: false },
    ])
  })

  test('matches nothing with a key that cannot verify', () => {
    const forms = examineSignature(createSecretKey(new Uint8Array(32)), 'ECC224', p1363()) ?? []
    expect(forms.map(({ matches }) => matches(CONTENT))).toEqual(Array(5).fill(false))
  })
})

/** DER with any numbers. */
const writeDer = (...numbers: Uint8Array[]) => {
  const content = Buffer.concat(numbers.map((number) => Buffer.concat([Buffer.of(2, number.length), number])))
  return Buffer.concat([Buffer.of(0x30, content.length), content])
}

describe('decodeEcdsa', () => {
  const NOT_CANONICAL = 'in DER that is not canonical'
  const number = (first: number) => Buffer.concat([Buffer.of(first), hash('sha224', Buffer.of(first)).subarray(1)])
  const zeros = (count: number, digits: Uint8Array) => Buffer.concat([Buffer.alloc(count), digits])
  const [high, low] = [number(0x80), number(0x7f)]
  const both = (r: Uint8Array, s: Uint8Array) => new Uint8Array(Buffer.concat([r, s]))

  test.each<[what: string, r: Uint8Array, s: Uint8Array, encoding: string | undefined, p1363: Uint8Array]>([
    ['with the zero that a high number needs', zeros(1, high), low, undefined, both(high, low)],
    ['with the zero that a high number needs, in s', low, zeros(1, high), undefined, both(low, high)],
    ['without the zero that r needs', high, low, NOT_CANONICAL, both(high, low)],
    ['without the zero that s needs', low, high, NOT_CANONICAL, both(low, high)],
    ['with a zero that r does not need', zeros(1, low), low, NOT_CANONICAL, both(low, low)],
    ['with a zero that s does not need', low, zeros(1, low), NOT_CANONICAL, both(low, low)],
    ['with two zeros', zeros(2, high), low, NOT_CANONICAL, both(high, low)],
    ['with many zeros', zeros(99, low), low, NOT_CANONICAL, both(low, low)],
    [
      'with short numbers',
      Buffer.of(1),
      Buffer.of(0x7f),
      undefined,
      both(zeros(27, Buffer.of(1)), zeros(27, Buffer.of(0x7f))),
    ],
  ])('reads DER %s', (_, r, s, encoding, p1363) => {
    expect(decodeEcdsa(writeDer(r, s))).toEqual([{ p1363, encoding }])
  })

  test('reads DER with a length of two bytes', () => {
    const [, ...rest] = writeDer(low, low)
    expect(decodeEcdsa(Buffer.from([0x30, 0x81, ...rest]))).toEqual([
      { p1363: both(low, low), encoding: NOT_CANONICAL },
    ])
  })

  test('reads P1363 of 56 bytes as it is', () => {
    expect(decodeEcdsa(both(high, low))).toEqual([{ p1363: both(high, low), encoding: undefined }])
  })

  test.each([58, 64, 132])('reads P1363 of %i bytes with zeros in front', (length) => {
    const pad = (digits: Uint8Array) => zeros(length / 2 - 28, digits)
    expect(decodeEcdsa(both(pad(high), pad(low)))).toEqual([
      { p1363: both(high, low), encoding: `in P1363 form of ${length} bytes instead of 56` },
    ])
  })

  test('reads bytes that only begin like DER as P1363', () => {
    const bytes = writeDer(new Uint8Array(), low)
    expect(decodeEcdsa(bytes)).toEqual([
      {
        p1363: both(zeros(11, bytes.subarray(0, 17)), zeros(11, bytes.subarray(17))),
        encoding: 'in P1363 form of 34 bytes instead of 56',
      },
    ])
  })

  test('reads P1363 that is shorter', () => {
    expect(decodeEcdsa(Buffer.of(1, 2))).toEqual([
      {
        p1363: both(zeros(27, Buffer.of(1)), zeros(27, Buffer.of(2))),
        encoding: 'in P1363 form of 2 bytes instead of 56',
      },
    ])
  })

  test.each<[what: string, bytes: Uint8Array]>([
    ['P1363 of 134 bytes', both(zeros(39, high), zeros(39, low))],
    ['P1363 of an odd length', both(zeros(1, high), low)],
    ['P1363 with a number that is too large', both(Buffer.concat([high, Buffer.of(1)]), zeros(1, low))],
    ['P1363 with a zero', both(Buffer.alloc(29), zeros(1, low))],
    ['DER with a zero', writeDer(Buffer.of(0), low)],
    ['DER with a number that is too large', writeDer(Buffer.concat([low, Buffer.of(1)]), low)],
    ['DER with a third number', writeDer(low, low, Buffer.of(1))],
    ['DER with another first byte', Buffer.from(writeDer(low, low)).fill(0x31, 0, 1)],
    ['DER with a number of 128 bytes', writeDer(zeros(100, low), low)],
    ['DER with a number of no bytes', writeDer(new Uint8Array(), zeros(1, high))],
    ['DER with another tag of a number', Buffer.from(writeDer(low, low)).fill(3, 2, 3)],
    ['DER with another tag of the second number', Buffer.from(writeDer(low, low)).fill(3, 32, 33)],
    ['DER with another length', Buffer.from(writeDer(low, low)).fill(57, 1, 2)],
  ])('reads nothing from %s', (_, bytes) => expect(decodeEcdsa(bytes)).toEqual([]))

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

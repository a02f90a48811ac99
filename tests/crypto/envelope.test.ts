import {
  constants,
  createCipheriv,
  createDecipheriv,
  generateKeyPairSync,
  privateDecrypt,
  publicEncrypt,
  randomBytes,
  webcrypto,
} from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  canOpen,
  canSeal,
  type EncryptionOptions,
  decryptBody,
  type ResolvedEncryptionOptions,
  resolveEncryptionOptions,
  type EncryptedBody,
  encryptBody,
} from '../../src/crypto/envelope.ts'
import { parsePrivateKey, parsePublicKey, type Signer } from '../../src/keys/keys.ts'
import { decodeBase64 } from '../../src/protocol/encoding.ts'
import { observableShape } from '../support/observable-shape.ts'
import { der, gatewayRsa, merchantEcc, merchantRsa } from '../support/keys.ts'
import { rejectionOf } from '../support/thrown.ts'

const publicKey = parsePublicKey(merchantRsa().publicKey)
const privateKey = parsePrivateKey(merchantRsa().privateKey)
const stranger = parsePrivateKey(gatewayRsa().privateKey)
const eccPublic = parsePublicKey(merchantEcc().publicKey)
const eccPrivate = parsePrivateKey(merchantEcc().privateKey)
const rsassa = { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256' }
const webPublic = parsePublicKey(
  await webcrypto.subtle.importKey('spki', der(merchantRsa().publicKey), rsassa, true, ['verify']),
)
const webPrivate = parsePrivateKey(
  await webcrypto.subtle.importKey('pkcs8', der(merchantRsa().privateKey), rsassa, true, ['sign']),
)

const text = (bytes: Uint8Array) => Buffer.from(bytes).toString()
const bytesOf = (text: string) => new TextEncoder().encode(text)
const plaintext = bytesOf('{"requestId":"0","orderStatus":"付款"}')

/** 0, 1, 2 … and on from there in the next call: what is taken from it can be foreseen. */
const counting = () => {
  let next = 0
  return (size: number) => Uint8Array.from({ length: size }, () => next++)
}

const SUITES: ResolvedEncryptionOptions[] = [128, 192, 256].flatMap((aesBits) =>
  ['ECB', 'CBC'].flatMap((aesMode) =>
    ['RSA1_5', 'RSA-OAEP', 'RSA-OAEP-256'].flatMap((keyWrap) =>
      ['bytes', 'text'].map((keyForm) => ({ aesBits, aesMode, keyWrap, keyForm }) as ResolvedEncryptionOptions),
    ),
  ),
)

/** Opens without our code, as any other implementation would. */
function openElsewhere({ body, symmetricKey }: EncryptedBody, { aesMode, keyWrap }: EncryptionOptions) {
  const key = merchantRsa().privateKey
  const oaepHash = keyWrap === 'RSA-OAEP' ? 'sha1' : 'sha256'
  // Node 20 refuses PKCS#1 padding, so it is taken off here.
  const raw = privateDecrypt({ key, padding: constants.RSA_NO_PADDING }, symmetricKey)
  const aesKey =
    keyWrap === 'RSA1_5'
      ? raw.subarray(raw.indexOf(0, 2) + 1)
      : privateDecrypt({ key, padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash }, symmetricKey)
  const ciphertext = Buffer.from(text(body), 'base64')
  const iv = aesMode === 'CBC' ? ciphertext.subarray(0, 16) : null
  const cipher = createDecipheriv(`aes-${aesKey.length * 8}-${aesMode === 'CBC' ? 'cbc' : 'ecb'}`, aesKey, iv)
  const opened = Buffer.concat([cipher.update(ciphertext.subarray(iv?.length ?? 0)), cipher.final()])
  return { raw, aesKey, opened, iv }
}

/** Seals without our code: AES-ECB, and whatever block is given to RSA. */
function sealElsewhere(aesKey: Uint8Array, symmetricKey: Uint8Array): EncryptedBody {
  const cipher = createCipheriv(`aes-${aesKey.length * 8}-ecb`, aesKey, null)
  const ciphertext = Buffer.concat([cipher.update(plaintext), cipher.final()])
  return { body: bytesOf(ciphertext.toString('base64')), symmetricKey }
}
const wrap = (content: Uint8Array) =>
  publicEncrypt({ key: merchantRsa().publicKey, padding: constants.RSA_PKCS1_PADDING }, content)
/** Wraps anew until the first byte is zero, as it is once in 256 times. */
function wrapToZero(content: Uint8Array): Uint8Array {
  for (;;) {
    const wrapped = wrap(content)
    if (wrapped[0] === 0) return wrapped
  }
}
const wrapBlock = (block: Uint8Array) =>
  publicEncrypt({ key: merchantRsa().publicKey, padding: constants.RSA_NO_PADDING }, block)
const padded = (key: Uint8Array) =>
  Buffer.concat([Buffer.from([0, 2]), Buffer.alloc(253 - key.length, 0x5a), Buffer.alloc(1), key])

describe.each(SUITES)('AES-$aesBits-$aesMode with a key of $keyForm under $keyWrap', (suite) => {
  test('is opened by its private key', async () => {
    expect(text(await decryptBody(encryptBody(plaintext, publicKey, suite), privateKey, suite))).toBe(text(plaintext))
  })

  test('is what the protocol says', () => {
    const sealed = encryptBody(plaintext, publicKey, suite, counting())
    const { raw, aesKey, opened, iv } = openElsewhere(sealed, suite)
    expect(text(opened)).toBe(text(plaintext))
    expect(decodeBase64(text(sealed.body))).toBeDefined()
    expect(sealed.symmetricKey).toHaveLength(256)
    expect(aesKey).toHaveLength(suite.aesBits / 8)
    if (suite.keyForm === 'text') expect(text(aesKey)).toMatch(/^[\w-]+$/)
    else expect([...aesKey]).toEqual([...new Array(aesKey.length).keys()])
    if (suite.keyWrap === 'RSA1_5') expect([...raw.subarray(0, 2)]).toEqual([0, 2])
    const before = suite.keyForm === 'text' ? (aesKey.length * 3) / 4 : aesKey.length
    if (iv !== null) expect([...iv]).toEqual([...new Array(16).keys()].map((index) => before + index))
  })

  test('is opened whatever the length of the AES key', async () => {
    for (const aesBits of [128, 192, 256] as const) {
      const sealed = encryptBody(plaintext, publicKey, { ...suite, aesBits })
      expect(text(await decryptBody(sealed, privateKey, suite))).toBe(text(plaintext))
    }
  })
})

describe('an envelope', () => {
  test('is AES-256/ECB/PKCS5Padding in base64 unless something else is agreed on, as openssl makes it', async () => {
    const { body } = encryptBody(bytesOf('{"requestId":"0","orderStatus":"PAID"}'), publicKey, undefined, counting())
    expect(text(body)).toBe('AhXMx4IKGYkEMJV3fFLnCV3cvh2EWYU5XveL1Dn0GzqBoivDujSrOr6psT6rMv9a')
  })

  test('has the IV in front of the ciphertext in CBC, as openssl makes it', () => {
    const suite = { aesBits: 128, aesMode: 'CBC' } as const
    const { body } = encryptBody(bytesOf('{"requestId":"0","orderStatus":"PAID"}'), publicKey, suite, counting())
    expect(Buffer.from(text(body), 'base64').toString('hex')).toBe(
      '101112131415161718191a1b1c1d1e1f' +
        '5eef92016f88bf6cb1f1abb9c2d4f7d80b123fdd714953eb097ade9e4c6fa5c75c0c82a53cda9d2359fcd1be66bebee5',
    )
  })

  test('opens again to any bytes, in any suite', async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 500 }), fc.constantFrom(...SUITES), async (bytes, suite) => {
        const opened = await decryptBody(encryptBody(bytes, publicKey, suite), privateKey, suite)
        expect(Buffer.from(opened)).toEqual(Buffer.from(bytes))
      }),
    )
  })

  test('is fresh every time, key and body', () => {
    const [a, b] = [encryptBody(plaintext, publicKey), encryptBody(plaintext, publicKey)]
    expect(text(a.body)).not.toBe(text(b.body))
    expect(a.symmetricKey).not.toEqual(b.symmetricKey)
  })

  test('does not touch the bytes it is made of', async () => {
    const bytes = Uint8Array.from(plaintext)
    const { body, symmetricKey } = encryptBody(bytes, publicKey)
    const copy = { body: Uint8Array.from(body), symmetricKey: Uint8Array.from(symmetricKey) }
    await decryptBody({ body, symmetricKey }, privateKey)
    expect(bytes).toEqual(plaintext)
    expect({ body: Uint8Array.from(body), symmetricKey: Uint8Array.from(symmetricKey) }).toEqual(copy)
  })

  test('is opened from a view into a larger buffer', async () => {
    const { body, symmetricKey } = encryptBody(plaintext, publicKey)
    const view = (bytes: Uint8Array) => Buffer.concat([Buffer.alloc(7, 1), bytes, Buffer.alloc(9, 1)]).subarray(7, -9)
    expect(text(await decryptBody({ body: view(body), symmetricKey: view(symmetricKey) }, privateKey))).toBe(text(plaintext))
  })

  test('is opened by a key whose modulus is no whole number of bytes', async () => {
    const odd = generateKeyPairSync('rsa', { modulusLength: 2050 })
    const sealed = encryptBody(plaintext, parsePublicKey(odd.publicKey))
    expect(sealed.symmetricKey).toHaveLength(257)
    expect(text(await decryptBody(sealed, parsePrivateKey(odd.privateKey)))).toBe(text(plaintext))
  })
})

describe('a key that is not for encryption', () => {
  const signer = (decrypt?: Signer['decrypt']) =>
    parsePrivateKey({ algorithm: 'RSA256', sign: () => new Uint8Array(), ...(decrypt && { decrypt }) })
  const unfit = expect.objectContaining({ name: 'ConfigurationError', code: 'ERR_KEY_USE' })

  test.each([
    ['RSA', publicKey, true],
    ['ECC', eccPublic, false],
    ['a CryptoKey', webPublic, false],
  ])('%s can seal: %s', (_, key, able) => {
    expect(canSeal(key)).toBe(able)
    const run = () => encryptBody(plaintext, key)
    if (able) expect(run).not.toThrow()
    else expect(run).toThrow(unfit)
  })

  test.each([
    ['RSA', privateKey, true],
    [
      'a signer that decrypts',
      signer((bytes) =>
        privateDecrypt({ key: merchantRsa().privateKey, padding: constants.RSA_PKCS1_OAEP_PADDING }, bytes),
      ),
      true,
    ],
    ['ECC', eccPrivate, false],
    ['a CryptoKey', webPrivate, false],
    ['a signer that does not decrypt', signer(), false],
  ])('%s can open: %s', async (_, key, able) => {
    expect(canOpen(key)).toBe(able)
    const suite = { keyWrap: 'RSA-OAEP' } as const
    const opened = decryptBody(encryptBody(plaintext, publicKey, suite), key, suite)
    if (able) expect(text(await opened)).toBe(text(plaintext))
    else await expect(opened).rejects.toEqual(unfit)
  })
})

describe('a suite', () => {
  test.each([undefined, {}, { aesBits: undefined, aesMode: undefined, keyWrap: undefined, keyForm: undefined }])(
    'of %j has the defaults of the gateway',
    (suite) => {
      expect(resolveEncryptionOptions(suite)).toEqual({ aesBits: 256, aesMode: 'ECB', keyWrap: 'RSA1_5', keyForm: 'bytes' })
    },
  )

  test.each(SUITES)('of $aesBits, $aesMode, $keyWrap, $keyForm is itself', (suite) => {
    expect(resolveEncryptionOptions(suite)).toEqual(suite)
  })

  test.each([
    { aesBits: 512 },
    { aesBits: '256' },
    { aesBits: null },
    { aesMode: 'GCM' },
    { aesMode: 'ecb' },
    { aesMode: '__proto__' },
    { keyWrap: 'RSA-OAEP-512' },
    { keyWrap: 'toString' },
    { keyWrap: '' },
    { keyForm: 'hex' },
    { keyForm: false },
  ])('of %j is refused, wherever it is passed', async (suite) => {
    const bad = suite as EncryptionOptions
    const [option = ''] = Object.keys(suite)
    const refused = expect.objectContaining({
      name: 'RangeError',
      message: expect.stringContaining(`"suite.${option}" must be`),
    })
    expect(() => resolveEncryptionOptions(bad)).toThrow(refused)
    expect(() => encryptBody(plaintext, publicKey, bad)).toThrow(refused)
    await expect(decryptBody(encryptBody(plaintext, publicKey), privateKey, bad)).rejects.toEqual(refused)
  })
})

/** The error of certain failure: the body cannot be decrypted under any key. */
const failure = async () =>
  observableShape(await rejectionOf(decryptBody({ ...encryptBody(plaintext, publicKey), body: bytesOf('AAAA') }, privateKey)))

describe('a failure of decryption', () => {
  test('has one code, one message, and no cause', async () => {
    const error = await rejectionOf(decryptBody({ ...encryptBody(plaintext, publicKey), body: bytesOf('AAAA') }, privateKey))
    expect(error).toMatchObject({ name: 'RejectionError', code: 'ERR_DECRYPTION', issues: [] })
    expect('cause' in error).toBe(false)
  })

  const key = randomBytes(32)
  const good = padded(key)
  const block = (at: number, value: number) => wrapBlock(Uint8Array.from(good).with(at, value))

  test('is for its reasons only: a block in order opens', async () => {
    expect(text(await decryptBody(sealElsewhere(key, wrapBlock(good)), privateKey))).toBe(text(plaintext))
    expect(text(await decryptBody(sealElsewhere(key.subarray(16), wrap(key.subarray(16))), privateKey))).toBe(text(plaintext))
    expect(text(await decryptBody(sealElsewhere(key, wrapToZero(key)), privateKey))).toBe(text(plaintext))
  })

  // Every one of them goes on with a random key, under which the padding of AES comes out right once in 256 times: what
  // comes of many is compared, and never is it the plaintext.
  test.each<[string, () => EncryptedBody, typeof privateKey?]>([
    ['another recipient', () => sealElsewhere(key, wrapBlock(good)), stranger],
    ['block type 1', () => sealElsewhere(key, block(1, 1))],
    ['block type 0', () => sealElsewhere(key, block(1, 0))],
    ['a first byte of 1', () => sealElsewhere(key, block(0, 1))],
    ['a zero within the first eight bytes of padding', () => sealElsewhere(key, block(9, 0))],
    ['a zero within the padding', () => sealElsewhere(key, block(100, 0))],
    ['no separator', () => sealElsewhere(key, block(223, 1))],
    ['no padding', () => sealElsewhere(key, wrapBlock(Buffer.concat([Buffer.alloc(224), key])))],
    ['a key of no bytes', () => sealElsewhere(key, wrap(new Uint8Array()))],
    ['a key of 15 bytes', () => sealElsewhere(key, wrap(key.subarray(17)))],
    ['a key of 33 bytes', () => sealElsewhere(key, wrap(Buffer.concat([key, key.subarray(31)])))],
    ['a key of 64 bytes, in hexadecimal', () => sealElsewhere(key, wrap(Buffer.from(key.toString('hex'))))],
    ['a key of 44 bytes, in base64', () => sealElsewhere(key, wrap(Buffer.from(key.toString('base64'))))],
    ['a key of the right length that is another', () => sealElsewhere(key, wrap(randomBytes(32)))],
    ['a wrapped key of no bytes', () => sealElsewhere(key, new Uint8Array())],
    ['a wrapped key of a byte too few', () => sealElsewhere(key, wrapBlock(good).subarray(1))],
    ['a wrapped key of a byte too many', () => sealElsewhere(key, Buffer.concat([Buffer.alloc(1), wrapBlock(good)]))],
    ['a wrapped key whose leading zero is left out', () => sealElsewhere(key, wrapToZero(key).subarray(1))],
    ['a wrapped key of zeros', () => sealElsewhere(key, new Uint8Array(256))],
    ['a wrapped key beyond the modulus', () => sealElsewhere(key, new Uint8Array(256).fill(0xff))],
    ['a key under RSA-OAEP', () => ({ ...encryptBody(plaintext, publicKey, { keyWrap: 'RSA-OAEP' }) })],
  ])('because of %s looks like any other', async (_, make, recipient = privateKey) => {
    const expected = await failure()
    const outcomes = await Promise.all(
      Array.from({ length: 12 }, () =>
        decryptBody(make(), recipient).then(
          (bytes) => ({ bytes }),
          (error: Error) => ({ error }),
        ),
      ),
    )
    const faces = outcomes.flatMap((outcome) => ('error' in outcome ? [observableShape(outcome.error)] : []))
    const opened = outcomes.flatMap((outcome) => ('bytes' in outcome ? [text(outcome.bytes)] : []))
    expect(opened).not.toContain(text(plaintext))
    // Twelve exceptions of one in 256 do not happen.
    expect(faces.length).toBeGreaterThan(0)
    expect(faces).toEqual(faces.map(() => expected))
  })

  test.each([
    ['that is empty', ''],
    ['that is no base64', '{"requestId":"0"}'],
    ['in base64url', '-_-_-_-_-_-_-_-_-_-_-w=='],
    ['with a line feed at its end', 'AhXMx4IKGYkEMJV3fFLnCV3cvh2EWYU5XveL1Dn0GzqBoivDujSrOr6psT6rMv9a\n'],
    ['without its padding', 'AAAAAAAAAAAAAAAAAAAAAA'],
    ['that is no whole number of blocks', Buffer.alloc(17).toString('base64')],
    ['that is not ASCII', 'ＡＡＡＡ'],
  ])('because of a body %s looks like any other, in every mode', async (_, body) => {
    const expected = await failure()
    for (const aesMode of ['ECB', 'CBC'] as const) {
      const sealed = { ...encryptBody(plaintext, publicKey, { aesMode }), body: bytesOf(body) }
      expect(observableShape(await rejectionOf(decryptBody(sealed, privateKey, { aesMode })))).toEqual(expected)
    }
  })

  test('because of a body of less than an IV looks like any other', async () => {
    const suite = { aesMode: 'CBC' } as const
    for (const length of [1, 15, 16]) {
      const sealed = { ...encryptBody(plaintext, publicKey, suite), body: bytesOf(Buffer.alloc(length).toString('base64')) }
      expect(observableShape(await rejectionOf(decryptBody(sealed, privateKey, suite)))).toEqual(await failure())
    }
  })

  test('because of a body without PKCS#7 padding looks like any other', async () => {
    const cipher = createCipheriv('aes-256-ecb', key, null).setAutoPadding(false)
    const body = bytesOf(Buffer.concat([cipher.update(Buffer.alloc(32)), cipher.final()]).toString('base64'))
    expect(observableShape(await rejectionOf(decryptBody({ body, symmetricKey: wrap(key) }, privateKey)))).toEqual(await failure())
  })

  test('is what comes of a flipped bit, or other bytes are, and nothing else', async () => {
    const expected = await failure()
    const cases = SUITES.map((suite) => ({ suite, sealed: encryptBody(plaintext, publicKey, suite) }))
    let failures = 0
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...cases), fc.boolean(), fc.nat(), async ({ suite, sealed }, inKey, at) => {
        const part = Uint8Array.from(inKey ? sealed.symmetricKey : sealed.body)
        const bit = at % (part.length * 8)
        part[bit >> 3] = (part[bit >> 3] ?? 0) ^ (1 << (bit & 7))
        try {
          const opened = await decryptBody({ ...sealed, [inKey ? 'symmetricKey' : 'body']: part }, privateKey, suite)
          expect(text(opened)).not.toBe(text(plaintext))
        } catch (error) {
          failures++
          expect(observableShape(error as Error)).toEqual(expected)
        }
      }),
      { numRuns: 200 },
    )
    expect(failures).toBeGreaterThan(50)
  })

  test('is what comes of a suite that was not agreed on, or other bytes are', async () => {
    const expected = await failure()
    const suites = SUITES.filter(({ aesBits, keyForm }) => aesBits === 256 && keyForm === 'bytes')
    const pairs = suites.flatMap((theirs) => suites.filter((ours) => ours !== theirs).map((ours) => ({ theirs, ours })))
    const outcomes = await Promise.all(
      pairs.map(({ theirs, ours }) =>
        decryptBody(encryptBody(plaintext, publicKey, theirs), privateKey, ours).then(text, (error: Error) => observableShape(error)),
      ),
    )
    const faces = outcomes.filter((outcome) => typeof outcome !== 'string')
    expect(outcomes).not.toContain(text(plaintext))
    expect(faces.length).toBeGreaterThan(pairs.length / 2)
    expect(faces).toEqual(faces.map(() => expected))
  })
})

describe('a signer that decrypts', () => {
  const sealed = encryptBody(plaintext, publicKey, { aesBits: 192 })
  const { aesKey } = openElsewhere(sealed, { aesMode: 'ECB', keyWrap: 'RSA1_5' })
  const openWith = (decrypt: NonNullable<Signer['decrypt']>) =>
    decryptBody(sealed, parsePrivateKey({ algorithm: 'RSA256', sign: () => new Uint8Array(), decrypt }))

  test.each<[string, NonNullable<Signer['decrypt']>]>([
    ['at once', () => aesKey],
    ['in time', async () => Uint8Array.from(aesKey)],
  ])('opens with the key that it gives %s, out of the wrapped key as it came', async (_, decrypt) => {
    const seen: Uint8Array[] = []
    const opened = await openWith((bytes) => {
      seen.push(bytes)
      return decrypt(bytes)
    })
    expect(text(opened)).toBe(text(plaintext))
    expect(seen).toEqual([sealed.symmetricKey])
  })

  test('keeps its `this`', async () => {
    class Vault {
      readonly algorithm = 'RSA256'
      readonly #key = aesKey
      sign = () => new Uint8Array()
      decrypt() {
        return this.#key
      }
    }
    expect(text(await decryptBody(sealed, parsePrivateKey(new Vault())))).toBe(text(plaintext))
  })

  test.each<[string, NonNullable<Signer['decrypt']>]>([
    ['refuses', () => undefined],
    ['refuses in time', async () => undefined],
    ['gives no bytes', () => new Uint8Array()],
    ['gives 23 bytes', () => aesKey.subarray(1)],
    ['gives 33 bytes', () => new Uint8Array(33)],
  ])('and %s is a failure of decryption like any other', async (_, decrypt) => {
    // A substitute that is certain to fail: under it the body has no PKCS#7 padding.
    const fixed = (size: number) => new Uint8Array(size)
    const signer = parsePrivateKey({ algorithm: 'RSA256', sign: () => new Uint8Array(), decrypt })
    const body = sealElsewhere(
      Uint8Array.from({ length: 24 }, (_, index) => index),
      sealed.symmetricKey,
    )
    expect(observableShape(await rejectionOf(decryptBody(body, signer, {}, fixed)))).toEqual(await failure())
  })

  test.each<[string, NonNullable<Signer['decrypt']>]>([
    [
      'throws',
      () => {
        throw new Error('vault is sealed')
      },
    ],
    ['rejects', () => Promise.reject(new Error('vault is sealed'))],
  ])('and %s, being out of reach, passes its error on: the order is not lost to an outage', async (_, decrypt) => {
    const error = await rejectionOf(openWith(decrypt))
    expect(error.message).toBe('vault is sealed')
    expect(error.name).not.toBe('RejectionError')
  })
})

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
  decryptBody,
  decryptBodyWithKeySize,
  type EncryptedBody,
  type EncryptionOptions,
  encryptBody,
  type ResolvedEncryptionOptions,
  resolveEncryptionOptions,
} from '../../src/crypto/envelope.ts'
import type { Signer } from '../../src/crypto/key.ts'
import { unwrap } from '../../src/crypto/unwrap.ts'
import { parsePrivateKey, parsePublicKey } from '../../src/keys/keys.ts'
import { decodeBase64 } from '../../src/protocol/encoding.ts'
import { der, gatewayRsa, merchantEcc, merchantRsa } from '../support/keys.ts'
import { observableShape } from '../support/observable-shape.ts'
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

/** Predictable random bytes: 0, 1, 2 …, continued in the next call. */
const counting = () => {
  let next = 0
  return (size: number) => Uint8Array.from({ length: size }, () => next++)
}

const ALL_OPTIONS: ResolvedEncryptionOptions[] = [128, 192, 256].flatMap((aesBits) =>
  ['ECB', 'CBC'].flatMap((aesMode) =>
    ['RSA1_5', 'RSA-OAEP', 'RSA-OAEP-256'].flatMap((keyWrap) =>
      ['bytes', 'text'].map((keyForm) => ({ aesBits, aesMode, keyWrap, keyForm }) as ResolvedEncryptionOptions),
    ),
  ),
)

/** Decrypts without our code, as another implementation does. */
function decryptWithNode({ body, symmetricKey }: EncryptedBody, { aesMode, keyWrap }: EncryptionOptions) {
  const key = merchantRsa().privateKey
  const oaepHash = keyWrap === 'RSA-OAEP' ? 'sha1' : 'sha256'
  // Node 20 refuses PKCS#1 padding, so this function removes it.
  const raw = privateDecrypt({ key, padding: constants.RSA_NO_PADDING }, symmetricKey)
  const aesKey =
    keyWrap === 'RSA1_5'
      ? raw.subarray(raw.indexOf(0, 2) + 1)
      : privateDecrypt({ key, padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash }, symmetricKey)
  const ciphertext = Buffer.from(text(body), 'base64')
  const iv = aesMode === 'CBC' ? ciphertext.subarray(0, 16) : null
  const cipher = createDecipheriv(`aes-${aesKey.length * 8}-${aesMode === 'CBC' ? 'cbc' : 'ecb'}`, aesKey, iv)
  const decrypted = Buffer.concat([cipher.update(ciphertext.subarray(iv?.length ?? 0)), cipher.final()])
  return { raw, aesKey, decrypted, iv }
}

/** Encrypts without our code: AES-ECB, and any wrapped key. */
function encryptWithNode(aesKey: Uint8Array, symmetricKey: Uint8Array): EncryptedBody {
  const cipher = createCipheriv(`aes-${aesKey.length * 8}-ecb`, aesKey, null)
  const ciphertext = Buffer.concat([cipher.update(plaintext), cipher.final()])
  return { body: bytesOf(ciphertext.toString('base64')), symmetricKey }
}
const wrap = (content: Uint8Array) =>
  publicEncrypt({ key: merchantRsa().publicKey, padding: constants.RSA_PKCS1_PADDING }, content)
/** Wraps again until the first byte is zero, which happens once in 256 times. */
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

describe.each(ALL_OPTIONS)('AES-$aesBits-$aesMode, a key of $keyForm under $keyWrap', (options) => {
  test('decryptBody returns the input of encryptBody', async () => {
    expect(text(await decryptBody(encryptBody(plaintext, publicKey, options), privateKey, options))).toBe(
      text(plaintext),
    )
  })

  test('encryptBody follows the protocol', () => {
    const encrypted = encryptBody(plaintext, publicKey, options, counting())
    const { raw, aesKey, decrypted, iv } = decryptWithNode(encrypted, options)
    expect(text(decrypted)).toBe(text(plaintext))
    expect(decodeBase64(text(encrypted.body))).toBeDefined()
    expect(encrypted.symmetricKey).toHaveLength(256)
    expect(aesKey).toHaveLength(options.aesBits / 8)
    if (options.keyForm === 'text') expect(text(aesKey)).toMatch(/^[\w-]+$/)
    else expect([...aesKey]).toEqual([...new Array(aesKey.length).keys()])
    if (options.keyWrap === 'RSA1_5') expect([...raw.subarray(0, 2)]).toEqual([0, 2])
    const before = options.keyForm === 'text' ? (aesKey.length * 3) / 4 : aesKey.length
    if (iv !== null) expect([...iv]).toEqual([...new Array(16).keys()].map((index) => before + index))
  })

  test('decryptBody accepts AES keys of 128, 192 and 256 bits', async () => {
    for (const aesBits of [128, 192, 256] as const) {
      const encrypted = encryptBody(plaintext, publicKey, { ...options, aesBits })
      expect(text(await decryptBody(encrypted, privateKey, options))).toBe(text(plaintext))
    }
  })
})

describe('encryptBody and decryptBody', () => {
  test('use AES-256/ECB/PKCS5Padding and base64 by default, as openssl does', async () => {
    const { body } = encryptBody(bytesOf('{"requestId":"0","orderStatus":"PAID"}'), publicKey, undefined, counting())
    expect(text(body)).toBe('AhXMx4IKGYkEMJV3fFLnCV3cvh2EWYU5XveL1Dn0GzqBoivDujSrOr6psT6rMv9a')
  })

  test('put the IV in front of the ciphertext in CBC, as openssl does', () => {
    const options = { aesBits: 128, aesMode: 'CBC' } as const
    const { body } = encryptBody(bytesOf('{"requestId":"0","orderStatus":"PAID"}'), publicKey, options, counting())
    expect(Buffer.from(text(body), 'base64').toString('hex')).toBe(
      '101112131415161718191a1b1c1d1e1f' +
        '5eef92016f88bf6cb1f1abb9c2d4f7d80b123fdd714953eb097ade9e4c6fa5c75c0c82a53cda9d2359fcd1be66bebee5',
    )
  })

  test('round-trip any bytes with any options', async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 500 }), fc.constantFrom(...ALL_OPTIONS), async (bytes, options) => {
        const decrypted = await decryptBody(encryptBody(bytes, publicKey, options), privateKey, options)
        expect(Buffer.from(decrypted)).toEqual(Buffer.from(bytes))
      }),
    )
  })

  test('use a new AES key for every body', () => {
    const [a, b] = [encryptBody(plaintext, publicKey), encryptBody(plaintext, publicKey)]
    expect(text(a.body)).not.toBe(text(b.body))
    expect(a.symmetricKey).not.toEqual(b.symmetricKey)
  })

  test('do not change their input bytes', async () => {
    const bytes = Uint8Array.from(plaintext)
    const { body, symmetricKey } = encryptBody(bytes, publicKey)
    const copy = { body: Uint8Array.from(body), symmetricKey: Uint8Array.from(symmetricKey) }
    await decryptBody({ body, symmetricKey }, privateKey)
    expect(bytes).toEqual(plaintext)
    expect({ body: Uint8Array.from(body), symmetricKey: Uint8Array.from(symmetricKey) }).toEqual(copy)
  })

  test('decrypt views into a larger buffer', async () => {
    const { body, symmetricKey } = encryptBody(plaintext, publicKey)
    const view = (bytes: Uint8Array) => Buffer.concat([Buffer.alloc(7, 1), bytes, Buffer.alloc(9, 1)]).subarray(7, -9)
    expect(text(await decryptBody({ body: view(body), symmetricKey: view(symmetricKey) }, privateKey))).toBe(
      text(plaintext),
    )
  })

  test.each(['\n', '\r\n', ' ', '\t', '\r\n\r\n '])(
    'decrypt base64 that an encoder has wrapped with %j',
    async (space) => {
      const { body, symmetricKey } = encryptBody(plaintext, publicKey)
      const wrapped = `${text(body).slice(0, 10)}${space}${text(body).slice(10)}${space}`
      expect(text(await decryptBody({ body: bytesOf(wrapped), symmetricKey }, privateKey))).toBe(text(plaintext))
    },
  )

  test('work with a key whose modulus is not a whole number of bytes', async () => {
    const odd = generateKeyPairSync('rsa', { modulusLength: 2050 })
    const encrypted = encryptBody(plaintext, parsePublicKey(odd.publicKey))
    expect(encrypted.symmetricKey).toHaveLength(257)
    expect(text(await decryptBody(encrypted, parsePrivateKey(odd.privateKey)))).toBe(text(plaintext))
  })
})

describe('a key', () => {
  const signer = (decrypt?: Signer['decrypt']) =>
    parsePrivateKey({ algorithm: 'RSA256', sign: () => new Uint8Array(), ...(decrypt && { decrypt }) })
  const unfit = (use: 'Encryption' | 'Decryption') =>
    expect.objectContaining({
      name: 'ConfigurationError',
      code: 'ERR_KEY_USE',
      message: expect.stringMatching(`^${use} needs an RSA key`),
    })

  test.each([
    ['for RSA256 has wrap, so that encryptBody accepts it', publicKey, true],
    ['for ECC224 lacks wrap: encryptBody throws ERR_KEY_USE', eccPublic, false],
    ['that is a CryptoKey lacks wrap: encryptBody throws ERR_KEY_USE', webPublic, false],
  ])('%s', (_, key, able) => {
    expect(key.wrap !== undefined).toBe(able)
    const run = () => encryptBody(plaintext, key)
    if (able) expect(run).not.toThrow()
    else expect(run).toThrow(unfit('Encryption'))
  })

  test.each([
    ['for RSA256 has unwrap, so that decryptBody accepts it', privateKey, true],
    [
      'that is a signer with "decrypt" has unwrap, so that decryptBody accepts it',
      signer((bytes) =>
        privateDecrypt({ key: merchantRsa().privateKey, padding: constants.RSA_PKCS1_OAEP_PADDING }, bytes),
      ),
      true,
    ],
    ['for ECC224 lacks unwrap: decryptBody rejects with ERR_KEY_USE', eccPrivate, false],
    ['that is a CryptoKey lacks unwrap: decryptBody rejects with ERR_KEY_USE', webPrivate, false],
    ['that is a signer without "decrypt" lacks unwrap: decryptBody rejects with ERR_KEY_USE', signer(), false],
  ])('%s', async (_, key, able) => {
    expect(key.unwrap !== undefined).toBe(able)
    const options = { keyWrap: 'RSA-OAEP' } as const
    const decrypting = decryptBody(encryptBody(plaintext, publicKey, options), key, options)
    if (able) expect(text(await decrypting)).toBe(text(plaintext))
    else await expect(decrypting).rejects.toEqual(unfit('Decryption'))
  })
})

describe('resolveEncryptionOptions', () => {
  test.each([undefined, {}, { aesBits: undefined, aesMode: undefined, keyWrap: undefined, keyForm: undefined }])(
    'fills in the defaults of the gateway for %j',
    (options) => {
      expect(resolveEncryptionOptions(options)).toEqual({
        aesBits: 256,
        aesMode: 'ECB',
        keyWrap: 'RSA1_5',
        keyForm: 'bytes',
      })
    },
  )

  test.each(ALL_OPTIONS)('returns $aesBits, $aesMode, $keyWrap, $keyForm unchanged', (options) => {
    expect(resolveEncryptionOptions(options)).toEqual(options)
  })

  /** Every function that takes the options must refuse them. */
  async function expectRefused(options: unknown, refused: unknown) {
    const bad = options as EncryptionOptions
    expect(() => resolveEncryptionOptions(bad)).toThrow(refused as Error)
    expect(() => encryptBody(plaintext, publicKey, bad)).toThrow(refused as Error)
    await expect(decryptBody(encryptBody(plaintext, publicKey), privateKey, bad)).rejects.toEqual(refused)
  }

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
  ])('throws a RangeError for %j, also through encryptBody and decryptBody', async (options) => {
    const [option = ''] = Object.keys(options)
    await expectRefused(
      options,
      expect.objectContaining({
        name: 'RangeError',
        message: expect.stringContaining(`"encryption.${option}" must be`),
      }),
    )
  })

  test.each([
    [{ aesbits: 128 }, '"encryption" has no option "aesbits"'],
    [{ aesBits: 128, mode: 'CBC' }, '"encryption" has no option "mode"'],
    [{ suite: undefined }, '"encryption" has no option "suite"'],
    [JSON.parse('{"__proto__":{}}'), '"encryption" has no option "__proto__"'],
    [{ ['x'.repeat(65)]: 1 }, `"encryption" has no option "${'x'.repeat(64)}"`],
    [null, '"encryption" must be an object'],
    ['CBC', '"encryption" must be an object'],
    [256, '"encryption" must be an object'],
    [true, '"encryption" must be an object'],
  ])('throws a TypeError for %j, also through encryptBody and decryptBody', async (options, message) => {
    await expectRefused(options, expect.objectContaining({ name: 'TypeError', message }))
  })
})

/** The error of a body that cannot be decrypted under any key. */
const failure = async () =>
  observableShape(
    await rejectionOf(decryptBody({ ...encryptBody(plaintext, publicKey), body: bytesOf('AAAA') }, privateKey)),
  )

describe('a decryption failure', () => {
  test('has one code, one message, and no cause', async () => {
    const error = await rejectionOf(
      decryptBody({ ...encryptBody(plaintext, publicKey), body: bytesOf('AAAA') }, privateKey),
    )
    expect(error).toMatchObject({
      name: 'ProtocolError',
      code: 'ERR_DECRYPTION',
      issues: [],
      message:
        'The encrypted body could not be decrypted. Check that the sender encrypts to your current public key, with the same encryption options.',
    })
    expect('cause' in error).toBe(false)
  })

  const key = randomBytes(32)
  const good = padded(key)
  const block = (at: number, value: number) => wrapBlock(Uint8Array.from(good).with(at, value))

  test('does not occur for a well-formed block', async () => {
    expect(text(await decryptBody(encryptWithNode(key, wrapBlock(good)), privateKey))).toBe(text(plaintext))
    expect(text(await decryptBody(encryptWithNode(key.subarray(16), wrap(key.subarray(16))), privateKey))).toBe(
      text(plaintext),
    )
    expect(text(await decryptBody(encryptWithNode(key, wrapToZero(key)), privateKey))).toBe(text(plaintext))
  })

  // Decryption continues under a random key, whose AES padding comes out right once in 256 times. So each test compares
  // many outcomes, and none of them may be the plaintext.
  test.each<[string, () => EncryptedBody, typeof privateKey?]>([
    ['another recipient', () => encryptWithNode(key, wrapBlock(good)), stranger],
    ['block type 1', () => encryptWithNode(key, block(1, 1))],
    ['block type 0', () => encryptWithNode(key, block(1, 0))],
    ['a first byte of 1', () => encryptWithNode(key, block(0, 1))],
    ['a zero within the first eight bytes of padding', () => encryptWithNode(key, block(9, 0))],
    ['a zero within the padding', () => encryptWithNode(key, block(100, 0))],
    ['no separator', () => encryptWithNode(key, block(223, 1))],
    ['no padding', () => encryptWithNode(key, wrapBlock(Buffer.concat([Buffer.alloc(224), key])))],
    ['a key of no bytes', () => encryptWithNode(key, wrap(new Uint8Array()))],
    ['a key of 15 bytes', () => encryptWithNode(key, wrap(key.subarray(17)))],
    ['a key of 33 bytes', () => encryptWithNode(key, wrap(Buffer.concat([key, key.subarray(31)])))],
    ['a key of 64 bytes, in hexadecimal', () => encryptWithNode(key, wrap(Buffer.from(key.toString('hex'))))],
    ['a key of 44 bytes, in base64', () => encryptWithNode(key, wrap(Buffer.from(key.toString('base64'))))],
    ['a key of the right length that is another', () => encryptWithNode(key, wrap(randomBytes(32)))],
    ['a wrapped key of no bytes', () => encryptWithNode(key, new Uint8Array())],
    ['a wrapped key of a byte too few', () => encryptWithNode(key, wrapBlock(good).subarray(1))],
    ['a wrapped key of a byte too many', () => encryptWithNode(key, Buffer.concat([Buffer.alloc(1), wrapBlock(good)]))],
    ['a wrapped key whose leading zero is left out', () => encryptWithNode(key, wrapToZero(key).subarray(1))],
    ['a wrapped key of zeros', () => encryptWithNode(key, new Uint8Array(256))],
    ['a wrapped key beyond the modulus', () => encryptWithNode(key, new Uint8Array(256).fill(0xff))],
    ['a key under RSA-OAEP', () => ({ ...encryptBody(plaintext, publicKey, { keyWrap: 'RSA-OAEP' }) })],
  ])('because of %s is the same as every other', async (_, make, recipient = privateKey) => {
    const expected = await failure()
    const outcomes = await Promise.all(
      Array.from({ length: 12 }, () =>
        decryptBody(make(), recipient).then(
          (bytes) => ({ bytes }),
          (error: Error) => ({ error }),
        ),
      ),
    )
    const failures = outcomes.flatMap((outcome) => ('error' in outcome ? [observableShape(outcome.error)] : []))
    const decrypted = outcomes.flatMap((outcome) => ('bytes' in outcome ? [text(outcome.bytes)] : []))
    expect(decrypted).not.toContain(text(plaintext))
    // An event with probability 1/256 does not happen twelve times.
    expect(failures.length).toBeGreaterThan(0)
    expect(failures).toEqual(failures.map(() => expected))
  })

  test.each([
    ['that is empty', ''],
    ['that is not base64', '{"requestId":"0"}'],
    ['in base64url', '-_-_-_-_-_-_-_-_-_-_-w=='],
    ['with a line feed at its end', 'AhXMx4IKGYkEMJV3fFLnCV3cvh2EWYU5XveL1Dn0GzqBoivDujSrOr6psT6rMv9a\n'],
    ['without its padding', 'AAAAAAAAAAAAAAAAAAAAAA'],
    ['that is not a whole number of blocks', Buffer.alloc(17).toString('base64')],
    ['that is not ASCII', 'ＡＡＡＡ'],
  ])('because of a body %s is the same as every other, in every mode', async (_, body) => {
    const expected = await failure()
    // The key is always the same: under a random one, a whole number of blocks has valid padding once in 256 times.
    const sameBytes = (length: number) => new Uint8Array(length).fill(7)
    for (const aesMode of ['ECB', 'CBC'] as const) {
      const encrypted = { ...encryptBody(plaintext, publicKey, { aesMode }, sameBytes), body: bytesOf(body) }
      expect(observableShape(await rejectionOf(decryptBody(encrypted, privateKey, { aesMode })))).toEqual(expected)
    }
  })

  test('because of a body that is not longer than an IV is the same as every other', async () => {
    const options = { aesMode: 'CBC' } as const
    for (const length of [1, 15, 16]) {
      const body = bytesOf(Buffer.alloc(length).toString('base64'))
      const encrypted = { ...encryptBody(plaintext, publicKey, options), body }
      expect(observableShape(await rejectionOf(decryptBody(encrypted, privateKey, options)))).toEqual(await failure())
    }
  })

  test('because of a body without PKCS#7 padding is the same as every other', async () => {
    const cipher = createCipheriv('aes-256-ecb', key, null).setAutoPadding(false)
    const body = bytesOf(Buffer.concat([cipher.update(Buffer.alloc(32)), cipher.final()]).toString('base64'))
    expect(observableShape(await rejectionOf(decryptBody({ body, symmetricKey: wrap(key) }, privateKey)))).toEqual(
      await failure(),
    )
  })

  test('or other bytes are the only outcomes of a flipped bit', async () => {
    const expected = await failure()
    const cases = ALL_OPTIONS.map((options) => ({ options, encrypted: encryptBody(plaintext, publicKey, options) }))
    let failures = 0
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...cases), fc.boolean(), fc.nat(), async ({ options, encrypted }, inKey, at) => {
        const part = Uint8Array.from(inKey ? encrypted.symmetricKey : encrypted.body)
        const bit = at % (part.length * 8)
        part[bit >> 3] = (part[bit >> 3] ?? 0) ^ (1 << (bit & 7))
        try {
          const changed = { ...encrypted, [inKey ? 'symmetricKey' : 'body']: part }
          expect(text(await decryptBody(changed, privateKey, options))).not.toBe(text(plaintext))
        } catch (error) {
          failures++
          expect(observableShape(error as Error)).toEqual(expected)
        }
      }),
      { numRuns: 200 },
    )
    expect(failures).toBeGreaterThan(50)
  })

  test("or other bytes are the only outcomes of options that differ from the sender's", async () => {
    const expected = await failure()
    const candidates = ALL_OPTIONS.filter(({ aesBits, keyForm }) => aesBits === 256 && keyForm === 'bytes')
    const pairs = candidates.flatMap((theirs) =>
      candidates.filter((ours) => ours !== theirs).map((ours) => ({ theirs, ours })),
    )
    const outcomes = await Promise.all(
      pairs.map(({ theirs, ours }) =>
        decryptBody(encryptBody(plaintext, publicKey, theirs), privateKey, ours).then(text, (error: Error) =>
          observableShape(error),
        ),
      ),
    )
    const failures = outcomes.filter((outcome) => typeof outcome !== 'string')
    expect(outcomes).not.toContain(text(plaintext))
    expect(failures.length).toBeGreaterThan(pairs.length / 2)
    expect(failures).toEqual(failures.map(() => expected))
  })
})

describe('a signer with "decrypt"', () => {
  const encrypted = encryptBody(plaintext, publicKey, { aesBits: 192 })
  const { aesKey } = decryptWithNode(encrypted, { aesMode: 'ECB', keyWrap: 'RSA1_5' })
  const decryptWith = (decrypt: NonNullable<Signer['decrypt']>) =>
    decryptBody(encrypted, parsePrivateKey({ algorithm: 'RSA256', sign: () => new Uint8Array(), decrypt }))

  test.each<[string, NonNullable<Signer['decrypt']>]>([
    ['synchronously', () => aesKey],
    ['asynchronously', async () => Uint8Array.from(aesKey)],
  ])('receives the wrapped key in a separate buffer, and may return the AES key %s', async (_, decrypt) => {
    const seen: Uint8Array[] = []
    const decrypted = await decryptWith((bytes) => {
      seen.push(Buffer.from(bytes))
      expect(bytes.buffer.byteLength).toBe(bytes.length)
      return decrypt(bytes)
    })
    expect(text(decrypted)).toBe(text(plaintext))
    expect(seen).toEqual([encrypted.symmetricKey])
  })

  test('is called as a method', async () => {
    class Vault {
      readonly algorithm = 'RSA256'
      readonly #key = aesKey
      sign = () => new Uint8Array()
      decrypt() {
        return this.#key
      }
    }
    expect(text(await decryptBody(encrypted, parsePrivateKey(new Vault())))).toBe(text(plaintext))
  })

  test.each<[string, NonNullable<Signer['decrypt']>]>([
    ['returns undefined', () => undefined],
    ['resolves to undefined', async () => undefined],
    ['returns no bytes', () => new Uint8Array()],
    ['returns 23 bytes', () => aesKey.subarray(1)],
    ['returns 33 bytes', () => new Uint8Array(33)],
  ])('that %s makes decryptBody fail in the same way as every other decryption failure', async (_, decrypt) => {
    // Under this substitute the body has no PKCS#7 padding, so decryption certainly fails.
    const fixed = (size: number) => new Uint8Array(size)
    const signer = parsePrivateKey({ algorithm: 'RSA256', sign: () => new Uint8Array(), decrypt })
    const body = encryptWithNode(
      Uint8Array.from({ length: 24 }, (_, index) => index),
      encrypted.symmetricKey,
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
  ])('that %s makes decryptBody reject with the same error, because the sender is not at fault', async (_, decrypt) => {
    const error = await rejectionOf(decryptWith(decrypt))
    expect(error.message).toBe('vault is sealed')
    expect(error.name).not.toBe('ProtocolError')
  })
})

describe('the substitute for an AES key that cannot be decrypted', () => {
  const substitutes = async (random?: typeof randomBytes) => {
    const seen: Uint8Array[] = []
    const unwrap = (_wrapped: Uint8Array, _wrap: unknown, substitute: Uint8Array) => {
      seen.push(substitute)
      return Promise.resolve(substitute)
    }
    const encrypted = encryptBody(Buffer.from('{}'), publicKey)
    for (let time = 0; time < 2; time++) {
      // Under one random key of 256, the body decrypts to bytes that end like a padding, and nothing is rejected.
      await decryptBodyWithKeySize(encrypted, { unwrap }, {}, random ?? randomBytes).catch(() => undefined)
    }
    return seen
  }

  test('is 32 random bytes, new each time', async () => {
    const [first, second] = await substitutes()
    expect(first).toHaveLength(32)
    expect(second).toHaveLength(32)
    expect(second).not.toEqual(first)
    const fixed = Buffer.alloc(32, 7)
    expect(await substitutes((() => fixed) as typeof randomBytes)).toEqual([fixed, fixed])
  })

  test.each([0, 15, 17, 20, 31, 33])('replaces an AES key of %i bytes', async (length) => {
    const substitute = Buffer.alloc(32, 7)
    const cipher = createCipheriv('aes-256-ecb', substitute, null)
    const body = Buffer.from(Buffer.concat([cipher.update('{}'), cipher.final()]).toString('base64'))
    const unwrap = () => Promise.resolve(new Uint8Array(length))
    const encrypted = { body, symmetricKey: new Uint8Array(256) }
    const { plaintext, aesBits } = await decryptBodyWithKeySize(encrypted, { unwrap }, {}, () => substitute)
    expect({ text: String(plaintext), aesBits }).toEqual({ text: '{}', aesBits: 256 })
  })

  test.each(['RSA1_5', 'RSA-OAEP', 'RSA-OAEP-256'] as const)(
    'is the result of unwrap() after a failure: %s',
    (keyWrap) => {
      const key = merchantRsa().privateKey
      const substitute = Buffer.alloc(32, 7)
      const job = { wrapped: Buffer.alloc(256, 0xff), key, keyWrap, substitute }
      expect(unwrap(job)).toBe(substitute)
    },
  )
})

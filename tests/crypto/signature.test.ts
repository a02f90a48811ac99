import { execFileSync } from 'node:child_process'
import {
  constants,
  createHash,
  createSecretKey,
  createSign,
  createVerify,
  type KeyObject,
  sign as signNode,
  webcrypto,
} from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { describe, expect, onTestFinished, test } from 'vitest'
import type { DigestSigner, Signer } from '../../src/crypto/key.ts'
import { sign, verify, verifyWithCryptoKey, verifyWithKeyObject } from '../../src/crypto/signature.ts'
import { DeliveryError } from '../../src/errors.ts'
import { parsePrivateKey, parsePublicKey } from '../../src/keys/keys.ts'
import { signedContent } from '../../src/protocol/signed-content.ts'
import { der, gatewayEcc, gatewayRsa, merchantEcc, merchantRsa, type Pair, pem } from '../support/keys.ts'

const encoder = new TextEncoder()
const head = {
  method: 'POST',
  path: '/order/sync?a=1',
  clientId: '4Q5Y8W0WSG45P907917',
  time: '2024-05-22T06:42:21+05:30',
}
const body = encoder.encode('{"orderStatus":"付款"}')
const content = signedContent(head, body)

const parse = ({ privateKey, publicKey }: Pair) => ({
  privateKey: parsePrivateKey(privateKey),
  publicKey: parsePublicKey(publicKey),
})
const rsassa = { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256' }
const webKeys = async ({ privateKey, publicKey }: Pair) => ({
  privateKey: parsePrivateKey(await webcrypto.subtle.importKey('pkcs8', der(privateKey), rsassa, false, ['sign'])),
  publicKey: parsePublicKey(await webcrypto.subtle.importKey('spki', der(publicKey), rsassa, false, ['verify'])),
})
const signer = (algorithm: Signer['algorithm'], { privateKey, publicKey }: Pair) => ({
  privateKey: parsePrivateKey({ algorithm, sign: (bytes) => createSign('sha256').update(bytes).sign(privateKey) }),
  publicKey: parsePublicKey(publicKey),
})

/** What a KMS does with a digest, by another program. */
function opensslSign(digest: Uint8Array, key: KeyObject): Uint8Array {
  const folder = mkdtempSync(join(tmpdir(), 'sign-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  const file = join(folder, 'key.pem')
  writeFileSync(file, pem(key))
  const args = ['pkeyutl', '-sign', '-inkey', file, '-pkeyopt', 'digest:sha256']
  return execFileSync('openssl', args, { input: digest, timeout: 10_000 })
}

const rows = [
  ['RSA256', 'KeyObjects', () => parse(merchantRsa()), () => parse(gatewayRsa())],
  ['RSA256', 'CryptoKeys', () => webKeys(merchantRsa()), () => webKeys(gatewayRsa())],
  ['RSA256', 'a signer', () => signer('RSA256', merchantRsa()), () => signer('RSA256', gatewayRsa())],
  ['ECC224', 'KeyObjects', () => parse(merchantEcc()), () => parse(gatewayEcc())],
  ['ECC224', 'a signer', () => signer('ECC224', merchantEcc()), () => signer('ECC224', gatewayEcc())],
] as const

describe.each(rows)('%s with %s', (algorithm, _, makeKeys, makeOthers) => {
  const pair = algorithm === 'RSA256' ? merchantRsa : merchantEcc

  test('verify accepts a signature under its key, and rejects it under another', async () => {
    const [keys, others] = [await makeKeys(), await makeOthers()]
    const signature = await sign(keys.privateKey, content)
    expect(await verify(keys.publicKey, content, signature)).toBe(true)
    expect(await verify(others.publicKey, content, signature)).toBe(false)
  })

  test('sign and verify agree with node:crypto on SHA-256 over the content', async () => {
    const keys = await makeKeys()
    const { privateKey, publicKey } = pair()
    const ours = await sign(keys.privateKey, content)
    expect(createVerify('sha256').update(content).verify(publicKey, ours)).toBe(true)
    const theirs = createSign('sha256').update(content).sign(privateKey)
    expect(await verify(keys.publicKey, content, theirs)).toBe(true)
    const otherHash = createSign('sha384').update(content).sign(privateKey)
    expect(await verify(keys.publicKey, content, otherHash)).toBe(false)
  })

  test('verify rejects a signature when any part of head or body has changed', async () => {
    const keys = await makeKeys()
    const signature = await sign(keys.privateKey, content)
    const changes: [string, Uint8Array][] = [
      ['method', signedContent({ ...head, method: 'PUT' }, body)],
      ['path', signedContent({ ...head, path: head.path.replace('a=1', 'a=2') }, body)],
      ['client id', signedContent({ ...head, clientId: head.clientId.replace('4Q5Y', '4Q5Z') }, body)],
      ['time, in another notation', signedContent({ ...head, time: head.time.replace('+05:30', '+0530') }, body)],
      ['a byte at the end', signedContent(head, new Uint8Array([...body, 0x0a]))],
      ['no body', signedContent(head, new Uint8Array())],
    ]
    for (const [, changed] of changes) expect(changed).not.toEqual(content)
    expect(await Promise.all(changes.map(([, changed]) => verify(keys.publicKey, changed, signature)))).toEqual(
      changes.map(() => false),
    )
  })

  test('sign accepts any text and any bytes', async () => {
    const keys = await makeKeys()
    await fc.assert(
      fc.asyncProperty(fc.string({ unit: 'grapheme' }), fc.uint8Array({ maxLength: 200 }), async (text, bytes) => {
        const signature = await sign(keys.privateKey, Buffer.concat([Buffer.from(text), bytes]))
        expect(await verify(keys.publicKey, Buffer.concat([Buffer.from(text), bytes]), signature)).toBe(true)
        expect(await verify(keys.publicKey, Buffer.concat([Buffer.from(`${text}.`), bytes]), signature)).toBe(false)
      }),
      { numRuns: 25 },
    )
  })

  test('verify rejects a signature with a flipped bit', async () => {
    const keys = await makeKeys()
    const signature = await sign(keys.privateKey, content)
    const bits = fc.integer({ min: 0, max: signature.length * 8 - 1 })
    await fc.assert(
      fc.asyncProperty(bits, async (bit) => {
        const flipped = Uint8Array.from(signature)
        flipped[bit >> 3] = (flipped[bit >> 3] ?? 0) ^ (1 << (bit & 7))
        expect(await verify(keys.publicKey, content, flipped)).toBe(false)
      }),
    )
  })

  test('verify resolves to false for bytes that are no signature', async () => {
    const keys = await makeKeys()
    const signature = await sign(keys.privateKey, content)
    const noise = fc.oneof(
      fc.uint8Array({ maxLength: 300 }),
      fc.nat(signature.length - 1).map((length) => signature.subarray(0, length)),
      fc.uint8Array({ minLength: 1, maxLength: 9 }).map((tail) => new Uint8Array([...signature, ...tail])),
      fc.uint8Array({ minLength: 1, maxLength: 9 }).map((head) => new Uint8Array([...head, ...signature])),
      fc.constantFrom(signature.length, 56, 256).map((length) => new Uint8Array(length)),
      fc.constantFrom(signature.length, 56, 256).map((length) => new Uint8Array(length).fill(0xff)),
    )
    await fc.assert(
      fc.asyncProperty(noise, async (bytes) => {
        expect(await verify(keys.publicKey, content, bytes)).toBe(false)
      }),
    )
  })
})

describe('RSA256', () => {
  test('sign returns a signature as long as the modulus, the same in every call', async () => {
    const { privateKey } = parse(merchantRsa())
    const signature = await sign(privateKey, content)
    expect(signature).toHaveLength(256)
    expect(await sign(privateKey, content)).toEqual(signature)
  })

  test('verify rejects RSASSA-PSS, and accepts RSASSA-PKCS1-v1_5', async () => {
    const { privateKey, publicKey } = merchantRsa()
    const pss = signNode('sha256', content, { key: privateKey, padding: constants.RSA_PKCS1_PSS_PADDING })
    const pkcs1 = signNode('sha256', content, { key: privateKey, padding: constants.RSA_PKCS1_PADDING })
    expect(await verify(parsePublicKey(publicKey), content, pss)).toBe(false)
    expect(await verify(parsePublicKey(publicKey), content, pkcs1)).toBe(true)
  })
})

describe('ECC224', () => {
  const { privateKey, publicKey } = merchantEcc()

  test('sign returns DER', async () => {
    const signature = await sign(parsePrivateKey(privateKey), content)
    expect(signature[0]).toBe(0x30)
    expect(signature[1]).toBe(signature.length - 2)
  })

  test('verify accepts IEEE P1363, recognized by its length of 56 bytes, as well as DER', async () => {
    const p1363 = signNode('sha256', content, { key: privateKey, dsaEncoding: 'ieee-p1363' })
    expect(p1363).toHaveLength(56)
    expect(await verify(parsePublicKey(publicKey), content, p1363)).toBe(true)
    expect(await verify(parsePublicKey(publicKey), content, p1363.subarray(1))).toBe(false)
    expect(await verify(parsePublicKey(publicKey), content, Buffer.concat([p1363, Buffer.alloc(1)]))).toBe(false)
    expect(await verify(parsePublicKey(gatewayEcc().publicKey), content, p1363)).toBe(false)
  })
})

describe('the key, not the caller, decides the algorithm', () => {
  test.each([
    ['RSA256', 'ECC224', merchantRsa, merchantEcc],
    ['ECC224', 'RSA256', merchantEcc, merchantRsa],
  ] as const)('verify rejects a signature for %s under a key for %s', async (_, __, ours, theirs) => {
    const signature = await sign(parsePrivateKey(ours().privateKey), content)
    expect(await verify(parsePublicKey(theirs().publicKey), content, signature)).toBe(false)
    expect(await verify(parsePublicKey(ours().publicKey), content, signature)).toBe(true)
  })
})

describe('a signer', () => {
  test('receives exactly the signed bytes, in a separate buffer', async () => {
    const seen: Uint8Array[] = []
    const recorder: Signer = {
      algorithm: 'RSA256',
      sign: async (bytes) => {
        seen.push(Uint8Array.from(bytes))
        expect(bytes.buffer.byteLength).toBe(bytes.length)
        bytes.fill(0)
        return new Uint8Array([1, 2, 3])
      },
    }
    const before = Uint8Array.from(content)
    expect(await sign(parsePrivateKey(recorder), content)).toEqual(new Uint8Array([1, 2, 3]))
    expect(seen).toEqual([before])
    expect(Uint8Array.from(content)).toEqual(before)
  })

  test.each([
    ['base64 text', 'AQID', 'a string'],
    ['an ArrayBuffer', new ArrayBuffer(3), 'an ArrayBuffer'],
    ['nothing', undefined, 'undefined'],
  ])('that returns %s makes sign reject with a message that names the right type', async (_, returned, kind) => {
    const signer = { algorithm: 'RSA256', sign: () => returned } as unknown as Signer
    await expect(sign(parsePrivateKey(signer), content)).rejects.toMatchObject({
      name: 'ConfigurationError',
      code: 'ERR_SIGNER_RESULT',
      message: expect.stringContaining(`"sign" of the signer returned ${kind}. Return the bytes of the signature`),
    })
  })

  test.each([
    ['RSA256', merchantRsa],
    ['ECC224', merchantEcc],
  ] as const)(
    'for %s with signDigest receives the SHA-256 digest, and its signature verifies',
    async (algorithm, pair) => {
      const { privateKey, publicKey } = pair()
      const digests: Uint8Array[] = []
      const signDigest = (digest: Uint8Array) => {
        digests.push(digest)
        return opensslSign(digest, privateKey)
      }
      const long = new Uint8Array(5_000).fill(1)
      const signature = await sign(parsePrivateKey({ algorithm, signDigest }), long)
      expect(digests).toEqual([createHash('sha256').update(long).digest()])
      expect(await verify(parsePublicKey(publicKey), long, signature)).toBe(true)
      expect(await verify(parsePublicKey(publicKey), long.subarray(1), signature)).toBe(false)
    },
  )

  test('with signDigest that returns text makes sign reject with ERR_SIGNER_RESULT', async () => {
    const signer = { algorithm: 'RSA256', signDigest: () => 'AQID' } as unknown as DigestSigner
    await expect(sign(parsePrivateKey(signer), content)).rejects.toMatchObject({
      code: 'ERR_SIGNER_RESULT',
      message: expect.stringContaining('"signDigest" of the signer returned a string.'),
    })
  })

  describe('whose KMS refuses more than 4,096 bytes', () => {
    const refusal = new Error('1 validation error: value at "message" must have length less than or equal to 4096')
    const kms = (sign: (bytes: Uint8Array) => Uint8Array): Signer => ({
      algorithm: 'RSA256',
      sign: async (bytes) => sign(bytes),
    })
    const limited = kms((bytes) => {
      if (bytes.length > 4_096) throw refusal
      return Uint8Array.of(1)
    })

    test('signs 4,096 bytes; sign rejects more with ERR_SIGNER_LIMIT, and suggests signing the digest', async () => {
      const key = parsePrivateKey(limited)
      expect(await sign(key, new Uint8Array(4_096))).toEqual(Uint8Array.of(1))
      await expect(sign(key, new Uint8Array(4_097))).rejects.toMatchObject({
        name: 'ConfigurationError',
        code: 'ERR_SIGNER_LIMIT',
        message: expect.stringMatching(
          /4097 bytes\. .* messages of at most 4096 bytes\. Sign the SHA-256 digest .*"DIGEST"/,
        ),
        cause: refusal,
      })
    })

    test.each([
      ['a failure with 4,096 bytes', 4_096, new Error('denied')],
      ['an own error', 5_000, new DeliveryError('ERR_TIMEOUT', 'The HSM did not respond.')],
      ['a timeout', 5_000, new DOMException('too late', 'TimeoutError')],
      ['an abort', 5_000, new DOMException('stop', 'AbortError')],
      [
        'a failure of the network',
        5_000,
        Object.assign(new Error('connect'), { code: 'ECONNREFUSED', syscall: 'connect' }),
      ],
    ])('is not blamed for the size after %s', async (_, length, failure) => {
      const key = parsePrivateKey(
        kms(() => {
          throw failure
        }),
      )
      await expect(sign(key, new Uint8Array(length))).rejects.toBe(failure)
    })

    test.each([
      ['nothing', undefined],
      ['a text', 'too long'],
    ])('and that throws %s is reported too', async (_, thrown) => {
      const key = parsePrivateKey(
        kms(() => {
          throw thrown
        }),
      )
      await expect(sign(key, new Uint8Array(4_097))).rejects.toMatchObject({ code: 'ERR_SIGNER_LIMIT', cause: thrown })
    })
  })

  test.each([
    [
      'throws',
      () => {
        throw new Error('vault is sealed')
      },
    ],
    ['rejects', () => Promise.reject(new Error('vault is sealed'))],
  ])('that %s makes sign reject with the same error', async (_, failing) => {
    await expect(sign(parsePrivateKey({ algorithm: 'RSA256', sign: failing }), content)).rejects.toThrow(
      'vault is sealed',
    )
  })
})

describe('when the runtime throws instead of returning false', () => {
  const signature = new Uint8Array(256)

  test.each(['RSA256', 'ECC224'] as const)('verify with a KeyObject resolves to false: %s', async (algorithm) => {
    // node:crypto throws for a key that cannot verify.
    const key = createSecretKey(new Uint8Array(32))
    expect(await verifyWithKeyObject(key, algorithm, content, signature)).toBe(false)
  })

  test('verify with a CryptoKey resolves to false', async () => {
    const key = await webcrypto.subtle.importKey('spki', der(gatewayRsa().publicKey), rsassa, false, [])
    await expect(webcrypto.subtle.verify(rsassa.name, key, signature, content)).rejects.toThrow()
    expect(await verifyWithCryptoKey(key, content, signature)).toBe(false)
  })
})

import { constants, createSign, createVerify, sign as signNode, webcrypto } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { parsePrivateKey, parsePublicKey, type Signer } from '../../src/keys/keys.ts'
import { sign, verify } from '../../src/crypto/signature.ts'
import { type SignedContent, signedContent } from '../../src/protocol/signed-content.ts'
import { der, gatewayEcc, gatewayRsa, merchantEcc, merchantRsa, type Pair } from '../support/keys.ts'

const encoder = new TextEncoder()
const content = signedContent(
  { method: 'POST', path: '/order/sync?a=1', clientId: '4Q5Y8W0WSG45P907917', time: '2024-05-22T06:42:21+05:30' },
  encoder.encode('{"orderStatus":"付款"}'),
)
const bytesOf = ({ head, body }: SignedContent) => Buffer.concat([Buffer.from(head), body])

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

const rows = [
  ['RSA256', 'KeyObjects', () => parse(merchantRsa()), () => parse(gatewayRsa())],
  ['RSA256', 'CryptoKeys', () => webKeys(merchantRsa()), () => webKeys(gatewayRsa())],
  ['RSA256', 'a signer', () => signer('RSA256', merchantRsa()), () => signer('RSA256', gatewayRsa())],
  ['ECC224', 'KeyObjects', () => parse(merchantEcc()), () => parse(gatewayEcc())],
  ['ECC224', 'a signer', () => signer('ECC224', merchantEcc()), () => signer('ECC224', gatewayEcc())],
] as const

describe.each(rows)('%s with %s', (algorithm, _, makeKeys, makeOthers) => {
  const pair = algorithm === 'RSA256' ? merchantRsa : merchantEcc

  test('a signature verifies under its key and no other', async () => {
    const [keys, others] = [await makeKeys(), await makeOthers()]
    const signature = await sign(keys.privateKey, content)
    expect(await verify(keys.publicKey, content, signature)).toBe(true)
    expect(await verify(others.publicKey, content, signature)).toBe(false)
  })

  test('a signature is SHA-256 over head and body in one, as anyone else makes it', async () => {
    const keys = await makeKeys()
    const { privateKey, publicKey } = pair()
    const ours = await sign(keys.privateKey, content)
    expect(createVerify('sha256').update(bytesOf(content)).verify(publicKey, ours)).toBe(true)
    const theirs = createSign('sha256').update(bytesOf(content)).sign(privateKey)
    expect(await verify(keys.publicKey, content, theirs)).toBe(true)
    const otherHash = createSign('sha384').update(bytesOf(content)).sign(privateKey)
    expect(await verify(keys.publicKey, content, otherHash)).toBe(false)
  })

  test('a signature covers every byte of head and body', async () => {
    const keys = await makeKeys()
    const signature = await sign(keys.privateKey, content)
    const changes: [string, SignedContent][] = [
      ['method', { ...content, head: content.head.replace('POST', 'PUT') }],
      ['path', { ...content, head: content.head.replace('a=1', 'a=2') }],
      ['client id', { ...content, head: content.head.replace('4Q5Y', '4Q5Z') }],
      ['time, written otherwise', { ...content, head: content.head.replace('+05:30', '+0530') }],
      ['a byte at the end', { ...content, body: new Uint8Array([...content.body, 0x0a]) }],
      ['no body', { ...content, body: new Uint8Array() }],
    ]
    for (const [, changed] of changes) expect(changed).not.toEqual(content)
    expect(await Promise.all(changes.map(([, changed]) => verify(keys.publicKey, changed, signature)))).toEqual(
      changes.map(() => false),
    )
  })

  test('any text and any bytes are signed', async () => {
    const keys = await makeKeys()
    await fc.assert(
      fc.asyncProperty(fc.string({ unit: 'grapheme' }), fc.uint8Array({ maxLength: 200 }), async (head, body) => {
        const signature = await sign(keys.privateKey, { head, body })
        expect(await verify(keys.publicKey, { head, body }, signature)).toBe(true)
        expect(await verify(keys.publicKey, { head: `${head}.`, body }, signature)).toBe(false)
      }),
      { numRuns: 25 },
    )
  })

  test('a signature with a flipped bit does not verify', async () => {
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

  test('bytes that are no signature do not verify, and nothing is thrown', async () => {
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
  test('a signature is as long as the modulus, and the same every time', async () => {
    const { privateKey } = parse(merchantRsa())
    const signature = await sign(privateKey, content)
    expect(signature).toHaveLength(256)
    expect(await sign(privateKey, content)).toEqual(signature)
  })

  test('a signature in RSASSA-PSS is refused', async () => {
    const { privateKey, publicKey } = merchantRsa()
    const bytes = bytesOf(content)
    const pss = signNode('sha256', bytes, { key: privateKey, padding: constants.RSA_PKCS1_PSS_PADDING })
    const pkcs1 = signNode('sha256', bytes, { key: privateKey, padding: constants.RSA_PKCS1_PADDING })
    expect(await verify(parsePublicKey(publicKey), content, pss)).toBe(false)
    expect(await verify(parsePublicKey(publicKey), content, pkcs1)).toBe(true)
  })
})

describe('ECC224', () => {
  const { privateKey, publicKey } = merchantEcc()

  test('is written in DER', async () => {
    const signature = await sign(parsePrivateKey(privateKey), content)
    expect(signature[0]).toBe(0x30)
    expect(signature[1]).toBe(signature.length - 2)
  })

  test('is read in DER and, told by its length of 56, in IEEE P1363', async () => {
    const bytes = bytesOf(content)
    const p1363 = signNode('sha256', bytes, { key: privateKey, dsaEncoding: 'ieee-p1363' })
    expect(p1363).toHaveLength(56)
    expect(await verify(parsePublicKey(publicKey), content, p1363)).toBe(true)
    expect(await verify(parsePublicKey(publicKey), content, p1363.subarray(1))).toBe(false)
    expect(await verify(parsePublicKey(publicKey), content, Buffer.concat([p1363, Buffer.alloc(1)]))).toBe(false)
    expect(await verify(parsePublicKey(gatewayEcc().publicKey), content, p1363)).toBe(false)
  })
})

describe('the key decides how it is used', () => {
  test.each([
    ['RSA256', 'ECC224', merchantRsa, merchantEcc],
    ['ECC224', 'RSA256', merchantEcc, merchantRsa],
  ] as const)('a signature for %s does not verify under a key for %s', async (_, __, ours, theirs) => {
    const signature = await sign(parsePrivateKey(ours().privateKey), content)
    expect(await verify(parsePublicKey(theirs().publicKey), content, signature)).toBe(false)
    expect(await verify(parsePublicKey(ours().publicKey), content, signature)).toBe(true)
  })

  test('the signer is given exactly the bytes that are signed, in a buffer of their own', async () => {
    const seen: Uint8Array[] = []
    const recorder: Signer = {
      algorithm: 'RSA256',
      sign: async (bytes) => {
        seen.push(Uint8Array.from(bytes))
        bytes.fill(0)
        return new Uint8Array([1, 2, 3])
      },
    }
    const before = bytesOf(content)
    expect(await sign(parsePrivateKey(recorder), content)).toEqual(new Uint8Array([1, 2, 3]))
    expect(seen.map((bytes) => Buffer.from(bytes))).toEqual([before])
    expect(bytesOf(content)).toEqual(before)
  })

  test.each([
    [
      'throws',
      () => {
        throw new Error('vault is sealed')
      },
    ],
    ['rejects', () => Promise.reject(new Error('vault is sealed'))],
  ])('what a signer %s is what the caller gets', async (_, failing) => {
    await expect(sign(parsePrivateKey({ algorithm: 'RSA256', sign: failing }), content)).rejects.toThrow(
      'vault is sealed',
    )
  })
})

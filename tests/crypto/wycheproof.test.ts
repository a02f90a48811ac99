import { constants, createCipheriv, createPrivateKey, privateDecrypt, publicEncrypt } from 'node:crypto'
import { beforeAll, describe, expect, test } from 'vitest'
import { decryptBody, encryptBody } from '../../src/crypto/envelope.ts'
import { unpad } from '../../src/crypto/rsaes-pkcs1.ts'
import { verify } from '../../src/crypto/signature.ts'
import { parsePrivateKey, parsePublicKey } from '../../src/keys/keys.ts'
import { merchantRsa } from '../support/keys.ts'
import { observableShape } from '../support/observable-shape.ts'
import { hasVectors, readVectors, type Vector } from '../support/vectors.ts'

const fromHex = (hex: string) => new Uint8Array(Buffer.from(hex, 'hex'))
const toHex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex')
const toBody = (bytes: Uint8Array) => new Uint8Array(Buffer.from(Buffer.from(bytes).toString('base64')))

interface SignatureGroup {
  readonly publicKeyPem: string
  readonly publicKeyDer: string
  readonly sha: string
  readonly tests: readonly (Vector & { readonly sig: string })[]
}

/** `acceptable` cases by number: whether this library accepts them. */
type Decisions = Readonly<Record<number, boolean>>

/**
 * 8 of rsa_signature_2048_sha256: the NULL after the hash's OID is missing. RFC 8017 appendix B.1 permits a verifier to
 * accept that. We reject it: it is not the signature that section 8.2.2 computes and compares, and lenient parsers of
 * this encoding have led to forgeries.
 */
const RSA_DECISIONS: Decisions = { 8: false }

describe.skipIf(!hasVectors)('verify, with the signatures of Wycheproof', () => {
  describe.each([
    { name: 'rsa_signature_2048_sha256', algorithm: 'RSA256', total: 259, valid: 9, decisions: RSA_DECISIONS },
    { name: 'ecdsa_secp224r1_sha256', algorithm: 'ECC224', total: 481, valid: 172, decisions: {} },
    { name: 'ecdsa_secp224r1_sha256_p1363', algorithm: 'ECC224', total: 258, valid: 171, decisions: {} },
  ])('$name', ({ name, algorithm, total, valid, decisions }) => {
    const { testGroups, numberOfTests } = readVectors<SignatureGroup>(name)
    const cases = testGroups.flatMap(({ tests, ...group }) => tests.map((vector) => ({ ...vector, ...group })))

    const verifyAll = async (key: (group: Omit<SignatureGroup, 'tests'>) => string | Uint8Array) =>
      await Promise.all(
        cases.map(async ({ tcId, comment, result, msg, sig, ...group }) => {
          const publicKey = parsePublicKey(key(group))
          expect(publicKey.algorithm).toBe(algorithm)
          const verified = await verify(publicKey, fromHex(msg), fromHex(sig))
          const expected = result === 'acceptable' ? (decisions as Decisions)[tcId] : result === 'valid'
          return { tcId, comment, result, verified, expected }
        }),
      )

    test(`has ${total} vectors, all over SHA-256, with a decision for every acceptable one`, () => {
      expect(cases).toHaveLength(total)
      expect(numberOfTests).toBe(total)
      expect(new Set(cases.map(({ tcId }) => tcId))).toHaveProperty('size', total)
      expect(cases.filter(({ sha }) => sha !== 'SHA-256')).toEqual([])
      const acceptable = cases.filter(({ result }) => result === 'acceptable').map(({ tcId }) => String(tcId))
      expect(acceptable).toEqual(Object.keys(decisions))
    })

    test.each([
      ['PEM', ({ publicKeyPem }: { publicKeyPem: string }) => publicKeyPem],
      ['DER', ({ publicKeyDer }: { publicKeyDer: string }) => fromHex(publicKeyDer)],
    ] as const)('returns the expected result for every vector, with keys in %s', async (_, key) => {
      const outcomes = await verifyAll(key)
      expect(outcomes.filter(({ verified, expected }) => verified !== expected)).toEqual([])
      expect(outcomes.filter(({ verified }) => verified)).toHaveLength(valid)
    })
  })
})

interface CbcGroup {
  readonly keySize: number
  readonly ivSize: number
  readonly tests: readonly (Vector & { readonly key: string; readonly iv: string; readonly ct: string })[]
}

describe.skipIf(!hasVectors)('encryptBody and decryptBody, with aes_cbc_pkcs5 of Wycheproof', () => {
  const encryption = { aesMode: 'CBC' } as const
  const { testGroups, numberOfTests } = readVectors<CbcGroup>('aes_cbc_pkcs5')
  const cases = testGroups.flatMap(({ tests, keySize }) => tests.map((vector) => ({ ...vector, keySize })))
  const privateKey = parsePrivateKey(merchantRsa().privateKey)
  const publicKey = parsePublicKey(merchantRsa().publicKey)
  const encrypted = ({ key, iv, ct }: { key: string; iv: string; ct: string }) => ({
    body: toBody(fromHex(iv + ct)),
    symmetricKey: publicEncrypt({ key: merchantRsa().publicKey, padding: constants.RSA_PKCS1_PADDING }, fromHex(key)),
  })

  test('has 216 vectors, 72 for each key size, none of them acceptable', () => {
    expect(cases).toHaveLength(216)
    expect(numberOfTests).toBe(216)
    for (const size of [128, 192, 256]) expect(cases.filter(({ keySize }) => keySize === size)).toHaveLength(72)
    expect(cases.filter(({ result }) => result === 'acceptable')).toEqual([])
  })

  test('decryptBody decrypts the valid vectors, and rejects the others with ERR_DECRYPTION', async () => {
    const outcomes = await Promise.all(
      cases.map(async (vector) => {
        const outcome = await decryptBody(encrypted(vector), privateKey, encryption).then(toHex, (error) => error.code)
        const expected = vector.result === 'valid' ? vector.msg : 'ERR_DECRYPTION'
        return { tcId: vector.tcId, comment: vector.comment, outcome, expected }
      }),
    )
    expect(outcomes.filter(({ outcome, expected }) => outcome !== expected)).toEqual([])
    expect(outcomes.filter(({ outcome }) => outcome === 'ERR_DECRYPTION')).toHaveLength(144)
  })

  test('encryptBody makes the ciphertext of the valid vectors from the same key and IV', () => {
    const valid = cases.filter(({ result }) => result === 'valid')
    const bodies = valid.map(({ keySize, key, iv, msg }) => {
      const random = [fromHex(key), fromHex(iv)]
      const give = () => random.shift() ?? new Uint8Array()
      return encryptBody(fromHex(msg), publicKey, { ...encryption, aesBits: keySize as 128 | 192 | 256 }, give).body
    })
    expect(valid).toHaveLength(72)
    expect(bodies.map(toHex)).toEqual(valid.map(({ iv, ct }) => toHex(toBody(fromHex(iv + ct)))))
  })
})

interface RsaesGroup {
  readonly privateKeyPem: string
  readonly keySize: number
  readonly tests: readonly (Vector & { readonly ct: string })[]
}

describe.skipIf(!hasVectors)('decryptBody, with rsa_pkcs1_2048 of Wycheproof', () => {
  const { testGroups, numberOfTests } = readVectors<RsaesGroup>('rsa_pkcs1_2048')
  const cases = testGroups.flatMap(({ tests, privateKeyPem }) => tests.map((vector) => ({ ...vector, privateKeyPem })))
  const isAesKey = ({ msg, result }: Vector) => result === 'valid' && [16, 24, 32].includes(msg.length / 2)

  const plaintext = new TextEncoder().encode('{"orderStatus":"PAID"}')
  const substitute = new Uint8Array(32).fill(0x77)
  /** A body under the key of the vector when that is an AES key, otherwise under one that is not the substitute. */
  const bodyFor = (vector: Vector, otherKey = new Uint8Array(32).fill(0x11)) => {
    const aesKey = isAesKey(vector) ? fromHex(vector.msg) : otherKey
    const cipher = createCipheriv(`aes-${aesKey.length * 8}-ecb`, aesKey, null)
    return toBody(Buffer.concat([cipher.update(plaintext), cipher.final()]))
  }

  const outcomeOf = (body: Uint8Array, symmetricKey: Uint8Array, pem: string) =>
    decryptBody({ body, symmetricKey }, parsePrivateKey(pem), {}, () => substitute).then(toHex, observableShape)

  /** What every failure must look like: the failure of a body that no key decrypts. */
  let failure: unknown
  beforeAll(async () => {
    const [group] = testGroups
    failure = await outcomeOf(toBody(new Uint8Array(1)), new Uint8Array(256), group?.privateKeyPem ?? '')
  })

  test('has 67 vectors, none of them acceptable, and two of them hold an AES key', () => {
    expect(cases).toHaveLength(67)
    expect(numberOfTests).toBe(67)
    expect(cases.filter(({ result }) => result === 'valid')).toHaveLength(42)
    expect(cases.filter(({ result }) => result === 'invalid')).toHaveLength(25)
    expect(cases.filter(isAesKey).map(({ tcId }) => tcId)).toEqual([7, 42])
  })

  test('decrypts when the vector holds an AES key; a bad padding and a key of another length fail in the same way', async () => {
    const outcomes = await Promise.all(
      cases.map(async (vector) => ({
        tcId: vector.tcId,
        outcome: await outcomeOf(bodyFor(vector), fromHex(vector.ct), vector.privateKeyPem),
        expected: isAesKey(vector) ? toHex(plaintext) : failure,
      })),
    )
    expect(outcomes.filter(({ outcome }) => outcome === toHex(plaintext))).toHaveLength(2)
    for (const { tcId, outcome, expected } of outcomes) expect({ tcId, outcome }).toEqual({ tcId, outcome: expected })
  })

  test('fails in the same way under a wrong AES key and under a wrong RSA key', async () => {
    const holders = cases.filter(isAesKey)
    const others = cases.filter(({ privateKeyPem }) =>
      holders.every((holder) => holder.privateKeyPem !== privateKeyPem),
    )
    const pem = others[0]?.privateKeyPem ?? ''
    for (const vector of holders) {
      const otherAes = bodyFor({ ...vector, result: 'invalid' })
      expect(await outcomeOf(otherAes, fromHex(vector.ct), vector.privateKeyPem)).toEqual(failure)
      expect(await outcomeOf(bodyFor(vector), fromHex(vector.ct), pem)).toEqual(failure)
    }
    expect(holders).toHaveLength(2)
  })

  test('fails with ERR_DECRYPTION, without a cause', () => {
    expect(failure).toMatchObject({
      enumerable: { name: 'ProtocolError', code: 'ERR_DECRYPTION', issues: [] },
      cause: undefined,
    })
    expect(failure).toHaveProperty('json', '{"name":"ProtocolError","code":"ERR_DECRYPTION","issues":[]}')
  })

  test('unpad returns the AES key of the raw block, or the substitute', () => {
    // The six others are not below the modulus, or not as long as it: only some runtimes decrypt them to a block.
    const raw = cases
      .filter(({ flags }) => !flags.includes('InvalidCiphertextFormat'))
      .map(({ privateKeyPem, ct, ...vector }) => {
        const key = createPrivateKey(privateKeyPem)
        return { vector, block: privateDecrypt({ key, padding: constants.RSA_NO_PADDING }, fromHex(ct)) }
      })
    expect(raw).toHaveLength(61)
    const keys = raw.map(({ vector, block }) => ({ tcId: vector.tcId, key: toHex(unpad(block, substitute)) }))
    expect(keys).toEqual(
      raw.map(({ vector }) => ({ tcId: vector.tcId, key: isAesKey(vector) ? vector.msg : toHex(substitute) })),
    )
  })
})

import { constants, type KeyObject, privateEncrypt, sign, webcrypto } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { findOpenings } from '../../src/diagnosis/opening.ts'
import { readSignature } from '../../src/diagnosis/signature-texts.ts'
import { type Credentials, parseCredentials } from '../../src/secure-message/credentials.ts'
import { der, gatewayEcc, gatewayRsa, merchantEcc, merchantRsa, strangerRsa } from '../support/keys.ts'
import { merchantCredentials } from '../support/messages.ts'

const CONTENT = Buffer.from('content')
const twoKeys = (): Credentials => ({
  ...merchantCredentials(),
  peerPublicKeys: { 1: strangerRsa().publicKey, 2: gatewayRsa().publicKey },
})
const ecc = (): Credentials => ({ ...merchantCredentials(), peerPublicKeys: { 1: gatewayEcc().publicKey } })
const signature = (key: KeyObject = gatewayRsa().privateKey, digest = 'sha256', options = {}) =>
  sign(digest, CONTENT, { key, ...options })
const header = (bytes: Uint8Array, pairs = 'algorithm=RSA256,keyVersion=1,') =>
  `${pairs}signature=${encodeURIComponent(Buffer.from(bytes).toString('base64'))}`

const open = (text: string, credentials: Credentials = merchantCredentials()) =>
  findOpenings(readSignature(text), parseCredentials(credentials))
/** The causes and the cost of the first opening that matches the content. */
const opening = async (text: string, credentials?: Credentials) => {
  for (const { causes, cost, isCertain, matches } of open(text, credentials).openings) {
    if (await matches(CONTENT)) return { causes, cost, isCertain }
  }
  return undefined
}
const PSS = { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: 32 }
const PADDING =
  'The signature has PSS padding. RSA256 is RSASSA-PKCS1-v1_5 with SHA-256: in Java "SHA256withRSA", in Python padding.PKCS1v15().'
const digestFix = (what: string) =>
  `The signature was made ${what}. Use SHA-256: in Java "SHA256withRSA", with openssl "dgst -sha256 -sign".`

describe('findOpenings finds', () => {
  test('no cause for a signature of the protocol', async () => {
    expect(await opening(header(signature()))).toEqual({ causes: [], cost: 0, isCertain: true })
    const ofEcc = header(signature(gatewayEcc().privateKey), 'algorithm=ECC224,')
    expect(await opening(ofEcc, ecc())).toEqual({ causes: [], cost: 0, isCertain: false })
  })

  test.each<[what: string, text: () => string, causes: readonly (readonly [code: string, fix: string])[]]>([
    [
      'another configured version',
      () => header(signature()),
      [
        [
          'key-version',
          'The sender signed with key version 2, but the header names 1. Correct the keyVersion in the Signature header, or the versions in peerPublicKeys.',
        ],
      ],
    ],
    [
      'a version that the header does not name',
      () => header(signature(strangerRsa().privateKey), ''),
      [
        [
          'key-version',
          'The sender signed with key version 1, but the header names no version, which means the latest: 2. Correct the keyVersion in the Signature header, or the versions in peerPublicKeys.',
        ],
      ],
    ],
    [
      'a version that is not configured',
      () => header(signature(strangerRsa().privateKey), 'keyVersion=9,'),
      [
        [
          'key-version',
          'The header names keyVersion 9; peerPublicKeys has 2, 1. The signature verifies with peerPublicKeys[1]: add the key under the version that the sender uses, or correct the header.',
        ],
      ],
    ],
    [
      'another algorithm',
      () => header(signature(), 'algorithm=ECC224,keyVersion=2,'),
      [
        [
          'algorithm',
          "The header names ECC224; peerPublicKeys[2] is for RSA256. Send algorithm=RSA256 in the Signature header, or configure the peer's key for the algorithm that it names.",
        ],
      ],
    ],
    [
      'your own key',
      () => header(signature(merchantRsa().privateKey)),
      [
        [
          'wrong-key-of-ours',
          "The message was signed with your own privateKeys[1], not with the peer's key. To check a message that you sent, use the peer's credentials: its private key, and your public key in peerPublicKeys. To simulate the peer in a test, sign with the private key that belongs to peerPublicKeys.",
        ],
      ],
    ],
    [
      'an encoding of the header',
      () => `keyVersion=2,signature=${signature().toString('hex')}`,
      [
        [
          'signature-encoding',
          'The signature is in hex. Send standard base64, URL-encoded once: signature=encodeURIComponent(base64).',
        ],
      ],
    ],
    [
      'an encoding of the bytes',
      () => header(signature().reverse(), 'keyVersion=2,'),
      [
        [
          'signature-form',
          'The signature is with its bytes in reverse order. Send all bytes, the most significant byte first.',
        ],
      ],
    ],
    ['the padding', () => header(signature(undefined, 'sha256', PSS), 'keyVersion=2,'), [['padding', PADDING]]],
    ['the digest', () => header(signature(undefined, 'sha1'), 'keyVersion=2,'), [['digest', digestFix('with SHA-1')]]],
    [
      'no digest',
      () =>
        header(
          privateEncrypt({ key: gatewayRsa().privateKey, padding: constants.RSA_PKCS1_PADDING }, CONTENT),
          'keyVersion=2,',
        ),
      [['digest', digestFix('over the bytes without a digest')]],
    ],
  ])('%s', async (_, text, causes) => {
    const expected = causes.map(([code, fix]) => ({ code, fix }))
    expect(await opening(text(), twoKeys())).toEqual({ causes: expected, cost: causes.length, isCertain: true })
  })

  test('the form of an ECDSA signature', async () => {
    const p1363 = sign('sha256', CONTENT, { key: gatewayEcc().privateKey, dsaEncoding: 'ieee-p1363' })
    const longer = Buffer.concat([Buffer.alloc(4), p1363.subarray(0, 28), Buffer.alloc(4), p1363.subarray(28)])
    const fix = 'The signature is in P1363 form of 64 bytes instead of 56. Send ASN.1 DER, or IEEE P1363 in 56 bytes.'
    expect(await opening(header(longer, 'algorithm=ECC224,'), ecc())).toEqual({
      causes: [{ code: 'signature-form', fix }],
      cost: 1,
      isCertain: false,
    })
  })

  test.each([
    ['sha1', 1],
    ['sha512', 2],
  ])('the digest %s at the cost %i', async (digest, cost) => {
    expect(await opening(header(signature(undefined, digest)))).toMatchObject({ cost })
    const ofEcc = header(signature(gatewayEcc().privateKey, digest), 'algorithm=ecc224,')
    expect(await opening(ofEcc, ecc())).toMatchObject({ cost, causes: [{ code: 'digest' }] })
  })

  test('several causes together, in the order of key, header, bytes, padding and digest', async () => {
    const bytes = signature(undefined, 'sha1', { ...PSS, saltLength: 20 }).reverse()
    const { causes, cost } = (await opening(`algorithm=X,keyVersion=9,signature=${bytes.toString('hex')}`)) ?? {}
    expect(causes?.map(({ code }) => code)).toEqual([
      'key-version',
      'algorithm',
      'signature-encoding',
      'signature-form',
      'padding',
      'digest',
    ])
    expect(cost).toBe(6)
  })

  test('the key that the header names before the others, and the cheap ways first', () => {
    const credentials = {
      ...merchantCredentials(),
      peerPublicKeys: { 1: gatewayEcc().publicKey, 2: gatewayRsa().publicKey },
    }
    const { openings } = open(header(signature(gatewayEcc().privateKey), 'algorithm=ECC224,keyVersion=1,'), credentials)
    expect(openings.map(({ cost }) => cost)).toEqual([0, 1, 2, 2, 2])
  })

  test('no version cause in a header without any pair', async () => {
    const hex = signature(strangerRsa().privateKey).toString('hex')
    expect(await opening(hex, twoKeys())).toMatchObject({ cost: 1, causes: [{ code: 'signature-encoding' }] })
    expect(await opening(`keyVersion: 9; sign=${hex}`, twoKeys())).toMatchObject({
      causes: [{ code: 'key-version' }, { code: 'signature-encoding' }],
    })
  })

  test('a CryptoKey by verification alone', async () => {
    const algorithm = { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256' }
    const key = await webcrypto.subtle.importKey('spki', der(gatewayRsa().publicKey), algorithm, true, ['verify'])
    const credentials = { ...merchantCredentials(), peerPublicKeys: { 1: key } }
    expect(await opening(header(signature()), credentials)).toEqual({ causes: [], cost: 0, isCertain: false })
    const others = open(header(signature(strangerRsa().privateKey)), credentials)
    expect(others).toMatchObject({ isByNoKey: false, openings: [{ causes: [], cost: 0 }] })
    expect(await others.openings[0]?.matches(CONTENT)).toBe(false)
  })

  test('the cheap ways of all keys first', () => {
    const credentials = {
      ...merchantCredentials(),
      peerPublicKeys: { 1: gatewayEcc().publicKey, 2: merchantEcc().publicKey },
    }
    const { openings } = open(header(signature(gatewayEcc().privateKey), 'algorithm=ECC224,keyVersion=1,'), credentials)
    expect(openings.map(({ cost }) => cost)).toEqual([0, 1, 1, 2, 2, 2, 2, 3, 3, 3])
  })

  test('one certain way instead of what a CryptoKey would have to verify', async () => {
    const algorithm = { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256' }
    const key = await webcrypto.subtle.importKey('spki', der(strangerRsa().publicKey), algorithm, true, ['verify'])
    const credentials = { ...merchantCredentials(), peerPublicKeys: { 1: key, 2: gatewayRsa().publicKey } }
    expect(open(header(signature()), credentials).openings.map(({ isCertain }) => isCertain)).toEqual([true])
  })

  test('the ways of the other keys, next to a key that only decrypts', async () => {
    const privateKeys = { 1: merchantRsa().privateKey, 2: { decrypt: strangerRsa().privateKey } }
    expect(await opening(header(signature()), { ...merchantCredentials(), privateKeys })).toMatchObject({ cost: 0 })
  })

  test('one certain way instead of all possible ways', () => {
    const credentials = {
      ...merchantCredentials(),
      peerPublicKeys: { 1: gatewayRsa().publicKey, 2: gatewayEcc().publicKey },
    }
    const { openings } = open(`keyVersion=1,signature=${signature().toString('hex')}`, credentials)
    expect(openings.map(({ isCertain }) => isCertain)).toEqual([true])
  })

  test('and shows names of a header as printable text, cut to a length', async () => {
    const text = header(signature(), `algorithm=${'A\u0007'.repeat(30)},keyVersion=${'9'.repeat(64)},`)
    const { causes = [] } = (await opening(text)) ?? {}
    expect(causes.map(({ fix }) => fix)).toEqual([
      expect.stringContaining(`The header names keyVersion ${'9'.repeat(64)}; peerPublicKeys has 1.`),
      expect.stringMatching(/^The header names (?:A ){9}A; peerPublicKeys\[1\] is for RSA256\./),
    ])
  })
})

describe('findOpenings is certain that no configured key made a signature', () => {
  test.each([
    ['of another key', () => header(signature(strangerRsa().privateKey)), true],
    ['of a configured key', () => header(signature()), false],
    ['that cannot be read', () => 'signature=?', false],
  ])('%s', (_, text, isByNoKey) => {
    const found = open(text())
    expect(found.isByNoKey).toBe(isByNoKey)
    expect(found.openings).toHaveLength(Number(text() !== 'signature=?' && !isByNoKey))
  })
})

import { describe, expect, test } from 'vitest'
import { type EncryptionOptions, encryptBody, resolveEncryptionOptions } from '../../src/crypto/envelope.ts'
import { openBody } from '../../src/diagnosis/content.ts'
import { parsePublicKey } from '../../src/keys/keys.ts'
import type { MessageKind } from '../../src/protocol/headers.ts'
import { type Credentials, parseCredentials } from '../../src/secure-message/credentials.ts'
import { merchantEcc, merchantRsa, strangerRsa } from '../support/keys.ts'
import { bytesOf, merchantCredentials, order, refusal } from '../support/messages.ts'

const JSON_TEXT = JSON.stringify(order())

/** A body that the library has encrypted, and its header. */
function encrypted(options: EncryptionOptions = {}, { text = JSON_TEXT, to = merchantRsa(), version = '1' } = {}) {
  const { body, symmetricKey } = encryptBody(bytesOf(text), parsePublicKey(to.publicKey), options)
  const pairs = version === '' ? 'algorithm=RSA_AES' : `algorithm=RSA_AES,keyVersion=${version}`
  return { body, header: `${pairs},symmetricKey=${encodeURIComponent(Buffer.from(symmetricKey).toString('base64'))}` }
}

async function open(
  { body, header }: { body: Uint8Array; header?: string },
  credentials: Credentials = merchantCredentials(),
  options: EncryptionOptions = {},
  direction: MessageKind = 'request',
) {
  const headers = new Map(header === undefined ? [] : [['encrypt', header]])
  const message = { direction, headers, body }
  const { plaintext, ...rest } = await openBody(
    message,
    parseCredentials(credentials),
    resolveEncryptionOptions(options),
  )
  return { ...rest, ...(plaintext && { plaintext: Buffer.from(plaintext).toString() }) }
}

describe('openBody, of a body that is not encrypted,', () => {
  test.each<[body: string, direction: MessageKind, issues: object[]]>([
    [JSON_TEXT, 'request', []],
    ['', 'request', []],
    ['5', 'request', [{ pointer: '', expected: 'a JSON object' }]],
    ['{', 'request', [{ pointer: '', expected: expect.stringMatching(/^The body is not valid JSON/) }]],
    [
      JSON.stringify(order({ amount: { value: 1, currency: 'HKD' } })),
      'request',
      [{ pointer: '/amount/value', expected: "a string of 1 to 64 digits, in the currency's minor unit" }],
    ],
    [JSON.stringify(refusal('PROCESS_FAIL')), 'response', []],
    [
      JSON_TEXT,
      'response',
      [{ pointer: '/result', expected: 'an object of "resultCode", "resultStatus" and "resultMessage"' }],
    ],
  ])('lists what the schema does not allow: %s as a %s', async (body, direction, issues) => {
    const opened = await open({ body: bytesOf(body) }, undefined, {}, direction)
    expect(opened).toEqual({ isEncrypted: false, issues, notes: [] })
  })
})

describe('openBody, of an encrypted body,', () => {
  const done = (notes: string[] = []) => ({ isEncrypted: true, plaintext: JSON_TEXT, issues: [], notes })
  const failed = (note: string) => ({ isEncrypted: true, issues: [], notes: [note] })

  test('decrypts it with the options of the protocol', async () => {
    expect(await open(encrypted())).toEqual(done())
  })

  const VARIANTS = (['RSA1_5', 'RSA-OAEP', 'RSA-OAEP-256'] as const).flatMap((keyWrap) =>
    (['ECB', 'CBC'] as const).map((aesMode) => ({ keyWrap, aesMode })),
  )

  test.each(VARIANTS.slice(1))('decrypts it with $keyWrap and $aesMode, and names these options', async (variant) => {
    const { keyWrap, aesMode } = variant
    expect(await open(encrypted(variant))).toEqual(
      done([
        `The body was encrypted with other options than configured. Set "encryption" to { aesMode: '${aesMode}', keyWrap: '${keyWrap}' }.`,
      ]),
    )
    expect(await open(encrypted(variant), undefined, variant)).toEqual(done())
  })

  test('decrypts it with the options of the protocol when others are configured', async () => {
    const { notes } = await open(encrypted(), undefined, { aesMode: 'CBC' })
    expect(notes).toEqual([
      `The body was encrypted with other options than configured. Set "encryption" to { aesMode: 'ECB', keyWrap: 'RSA1_5' }.`,
    ])
  })

  test('decrypts it with an older key, and names its version', async () => {
    const credentials = {
      ...merchantCredentials(),
      privateKeys: { 1: merchantRsa().privateKey, 2: strangerRsa().privateKey },
    }
    const note = (version: string) =>
      `The Encrypt header names another keyVersion than the one that decrypts: privateKeys[${version}].`
    expect(await open(encrypted(), credentials)).toEqual(done())
    expect(await open(encrypted({}, { version: '2' }), credentials)).toEqual(done([note('1')]))
    expect(await open(encrypted({}, { version: '' }), credentials)).toEqual(done([note('1')]))
    expect(await open(encrypted({}, { to: strangerRsa(), version: '' }), credentials)).toEqual(done())
    expect(await open(encrypted({ aesMode: 'CBC' }, { version: '9' }), credentials)).toEqual(
      done([expect.stringContaining("{ aesMode: 'CBC', keyWrap: 'RSA1_5' }"), note('1')]),
    )
  })

  test('lists what the schema does not allow in the plaintext', async () => {
    const text = JSON.stringify(order({ tradeNo: '' }))
    expect(await open(encrypted({}, { text }))).toEqual({
      isEncrypted: true,
      plaintext: text,
      issues: [{ pointer: '/tradeNo', expected: 'a string with content' }],
      notes: [],
    })
    const response = JSON.stringify(refusal('PROCESS_FAIL'))
    expect(await open(encrypted({}, { text: response }), undefined, {}, 'response')).toMatchObject({ issues: [] })
  })

  // A wrong key gives correct padding once in 256 times. JSON does not come out by chance.
  test.each([
    ['another key', { to: strangerRsa() }],
    ['a plaintext that is not JSON', { text: 'hello' }],
  ])('does not return the plaintext of %s', async (_, parts) => {
    expect(await open(encrypted({}, parts))).toEqual(
      failed(
        'The body is encrypted, but none of your privateKeys decrypts it. The sender uses an old or wrong public key, or other encryption options.',
      ),
    )
  })

  test.each<[what: string, header: string, key: Credentials['privateKeys'][string], note: string]>([
    [
      'a header that is malformed',
      'x',
      merchantRsa().privateKey,
      'The body is encrypted and was not decrypted. The Encrypt header is malformed: a pair has no "=".',
    ],
    [
      'a key that cannot decrypt',
      'symmetricKey=AAAA',
      merchantEcc().privateKey,
      'The body is encrypted and was not decrypted. Decryption needs an RSA key, given in any form but a CryptoKey, or a signer with "decrypt".',
    ],
    [
      'a key of a signer',
      'symmetricKey=AAAA',
      { algorithm: 'RSA256', sign: () => new Uint8Array(), decrypt: () => undefined },
      'The body is encrypted to a key of a signer. It was not decrypted.',
    ],
  ])('does not decrypt it with %s', async (_, header, key, note) => {
    const credentials = { ...merchantCredentials(), privateKeys: { 1: key } } as Credentials
    expect(await open({ body: bytesOf('AAAA'), header }, credentials)).toEqual(failed(note))
  })
})

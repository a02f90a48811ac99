import type { JsonWebKey } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { importJwkSet } from '../../src/keys/jwk-set.ts'
import { parsePrivateKey, parsePublicKey } from '../../src/keys/keys.ts'
import { merchantRsa } from '../support/keys.ts'
import { rejectionOf, thrownBy } from '../support/thrown.ts'

const publicJwk = merchantRsa().publicKey.export({ format: 'jwk' })
const privateJwk = merchantRsa().privateKey.export({ format: 'jwk' })

const REQUIRED = { public: ['n', 'e'], private: ['n', 'e', 'd'] } as const
const PRIVATE_MEMBERS = ['n', 'e', 'd', 'p', 'q', 'dp', 'dq', 'qi'] as const

/** Values that a lenient decoder reads as some number: of another key, or of no key. */
const MALFORMED: readonly (readonly [title: string, change: (value: string) => unknown])[] = [
  ['an empty string', () => ''],
  ['junk at its end', (value) => `${value}!!!!`],
  ['junk inside', (value) => `${value.slice(0, 2)}!!!!${value.slice(2)}`],
  ['a line feed at its end', (value) => `${value}\n`],
  ['spaces alone', () => '    '],
  ['padding', (value) => value + '='.repeat(-value.length & 3 || 4)],
  ['the alphabet of standard base64', (value) => `${value.slice(0, -4)}+/+/`],
  [
    'a length that no bytes have',
    (value) => value.slice(0, (value.length & ~3) + 1).padEnd((value.length & ~3) + 1, 'A'),
  ],
  ['unused bits that are set', () => 'AQB'],
  ['a number', () => 65537],
  ['null', () => null],
  ['an array', (value) => [value]],
  ['bytes', (value) => Buffer.from(value, 'base64url')],
]

const cases = (['public', 'private'] as const).flatMap((kind) => {
  const members = kind === 'public' ? REQUIRED.public : PRIVATE_MEMBERS
  return members.flatMap((member) => MALFORMED.map(([title, change]) => [kind, member, title, change] as const))
})

const parseSingle = (jwk: JsonWebKey, kind: 'public' | 'private') =>
  kind === 'private' ? parsePrivateKey(jwk) : parsePublicKey(jwk)

/** Both ways in which a JWK comes in must refuse it, and neither error may quote it. */
async function expectMalformed(jwk: JsonWebKey, kind: 'public' | 'private') {
  const errors = [
    thrownBy(() => parseSingle(jwk, kind)),
    thrownBy(() => parseSingle(JSON.parse(JSON.stringify(jwk)), kind)),
    await rejectionOf(importJwkSet({ keys: [{ ...jwk, kid: '1' }] }, kind)),
  ]
  for (const error of errors) {
    expect(error).toMatchObject({
      name: 'ConfigurationError',
      code: 'ERR_KEY_FORMAT',
      message: expect.stringMatching(/missing or malformed members\.$/),
    })
    expect(error.cause).toBeUndefined()
  }
}

describe('a single JWK and a JWK of a set', () => {
  test.each(cases)('of a %s key are refused when "%s" is or has %s', async (kind, member, _, change) => {
    const jwk = kind === 'public' ? publicJwk : privateJwk
    await expectMalformed({ ...jwk, [member]: change(String(jwk[member])) }, kind)
  })

  test.each(['n', 'e'])('of a public key are refused without "%s"', async (member) => {
    const { [member]: _, ...rest } = publicJwk
    await expectMalformed(rest, 'public')
  })

  test.each(PRIVATE_MEMBERS.filter((member) => member !== 'd'))(
    'of a private key are refused without "%s"',
    async (member) => {
      const { [member]: _, ...rest } = privateJwk
      await expectMalformed(rest, 'private')
    },
  )

  test('of a private key are refused when "d" is undefined', async () => {
    // As JSON, the same object is a public key.
    const jwk: object = { ...privateJwk, d: undefined }
    const set = importJwkSet({ keys: [{ ...jwk, kid: '1' }] }, 'private')
    expect(thrownBy(() => parsePrivateKey(jwk as JsonWebKey))).toMatchObject({ code: 'ERR_KEY_FORMAT' })
    expect(await rejectionOf(set)).toMatchObject({ code: 'ERR_KEY_FORMAT' })
  })

  test('of a key with more than two primes are refused: no runtime computes with "oth"', async () => {
    await expectMalformed({ ...privateJwk, oth: [{ r: 'AQAB', d: 'AQAB', t: 'AQAB' }] }, 'private')
  })

  test('are accepted with members that do not describe the key', async () => {
    const extra = { kid: '1', use: 'sig', alg: 'RS256', key_ops: ['sign'], x5t: '!!!!', comment: '' }
    const { 1: imported } = await importJwkSet({ keys: [{ ...privateJwk, ...extra }] }, 'private')
    expect(imported?.equals(merchantRsa().privateKey)).toBe(true)
    expect(parsePrivateKey({ ...privateJwk, ...extra }).algorithm).toBe('RSA256')
  })
})

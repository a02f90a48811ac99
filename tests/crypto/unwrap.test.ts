import { generateKeyPairSync, type KeyObject } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { wrap } from '../../src/crypto/key-wrap.ts'
import { hasModulusLength, unwrap } from '../../src/crypto/unwrap.ts'
import { gatewayRsa, merchantEcc, merchantRsa } from '../support/keys.ts'

// Worker threads run the built file. These tests run the source.

const AES_KEY = Uint8Array.from({ length: 32 }, (_, index) => index)
const substitute = new Uint8Array(32).fill(0xee)
const WRAPS = ['RSA1_5', 'RSA-OAEP', 'RSA-OAEP-256'] as const
const { privateKey: key, publicKey } = merchantRsa()

describe.each(WRAPS)('unwrap, with %s,', (keyWrap) => {
  const job = (wrapped: Uint8Array, withKey: KeyObject = key) => ({ wrapped, key: withKey, keyWrap, substitute })

  test.each([16, 24, 32])('returns an AES key of %i bytes', (length) => {
    const wrapped = wrap(AES_KEY.subarray(0, length), publicKey, keyWrap)
    expect(new Uint8Array(unwrap(job(wrapped)))).toEqual(AES_KEY.subarray(0, length))
  })

  test('does not return the AES key under another key, or from changed bytes', () => {
    const wrapped = wrap(AES_KEY, publicKey, keyWrap)
    const changed = Uint8Array.from(wrapped)
    changed[255] = (changed[255] ?? 0) ^ 1
    for (const result of [unwrap(job(wrapped, gatewayRsa().privateKey)), unwrap(job(changed))])
      expect(new Uint8Array(result)).not.toEqual(AES_KEY)
  })

  // With RSA1_5, OpenSSL 3.2 and later takes 255 bytes, and returns a substitute of its own. hasModulusLength() is asked before.
  test.each(keyWrap === 'RSA1_5' ? [0, 257] : [0, 255, 257])(
    'returns the substitute for a wrapped key of %i bytes',
    (length) => {
      expect(unwrap(job(new Uint8Array(length).fill(1)))).toEqual(substitute)
    },
  )

  test.each(WRAPS.filter((other) => other !== keyWrap && other !== 'RSA1_5'))(
    'does not return a key that is wrapped with %s',
    (other) => expect(new Uint8Array(unwrap(job(wrap(AES_KEY, publicKey, other))))).not.toEqual(AES_KEY),
  )
})

test.each([
  [2048, 256],
  [2050, 257],
])('hasModulusLength accepts for a key of %i bits a wrapped key of %i bytes, and no other length', (bits, bytes) => {
  const pair = bits === 2048 ? merchantRsa() : generateKeyPairSync('rsa', { modulusLength: bits })
  const accepts = (length: number) =>
    hasModulusLength({ wrapped: new Uint8Array(length), key: pair.privateKey, keyWrap: 'RSA1_5', substitute })
  expect([bytes - 1, bytes, bytes + 1].map(accepts)).toEqual([false, true, false])
})

test('hasModulusLength accepts no wrapped key for a key that is not RSA', () => {
  const job = { wrapped: AES_KEY, key: merchantEcc().privateKey, keyWrap: 'RSA1_5', substitute } as const
  expect(hasModulusLength(job)).toBe(false)
})

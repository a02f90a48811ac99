import { expect, test } from 'vitest'
import { sha256 } from '../../src/crypto/digest.ts'

test.each([
  ['', 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855'],
  ['abc', 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad'],
])('SHA-256 of "%s" is that of FIPS 180-4, of text and of bytes', (text, digest) => {
  expect(sha256(text, 'hex')).toBe(digest)
  expect(sha256(new TextEncoder().encode(text), 'hex')).toBe(digest)
  expect(sha256(text, 'base64url')).toBe(Buffer.from(digest, 'hex').toString('base64url'))
})

test('text is hashed as UTF-8', () => {
  expect(sha256('付款', 'hex')).toBe(sha256(new TextEncoder().encode('付款'), 'hex'))
  expect(sha256('付款', 'hex')).not.toBe(sha256('付', 'hex'))
})

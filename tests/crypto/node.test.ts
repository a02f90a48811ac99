import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { secureRandomBytes, secureRandomUUID, sha256 } from '../../src/crypto/node.ts'

describe('sha256', () => {
  test.each([
    ['', 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855'],
    ['abc', 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad'],
  ])('returns the digest of FIPS 180-4 for "%s", as text and as bytes', (text, digest) => {
    expect(sha256(text, 'hex')).toBe(digest)
    expect(sha256(new TextEncoder().encode(text), 'hex')).toBe(digest)
    expect(sha256(text, 'base64url')).toBe(Buffer.from(digest, 'hex').toString('base64url'))
  })

  test('returns the same where the runtime has no one-shot function', async () => {
    vi.doMock('node:crypto', async (original) => ({ ...(await original<object>()), hash: undefined }))
    onTestFinished(() => {
      vi.doUnmock('node:crypto')
      vi.resetModules()
    })
    vi.resetModules()
    const other = await import('../../src/crypto/node.ts')
    expect(other.sha256).not.toBe(sha256)
    expect(other.sha256('abc', 'hex')).toBe(sha256('abc', 'hex'))
    expect(other.sha256('abc', 'base64url')).toBe(sha256('abc', 'base64url'))
  })

  test('hashes text as UTF-8', () => {
    expect(sha256('付款', 'hex')).toBe(sha256(new TextEncoder().encode('付款'), 'hex'))
    expect(sha256('付款', 'hex')).not.toBe(sha256('付', 'hex'))
  })
})

test('secureRandomBytes returns the requested number of bytes, different in every call', () => {
  expect(secureRandomBytes(0)).toHaveLength(0)
  expect(secureRandomBytes(32)).toHaveLength(32)
  expect(secureRandomBytes(32)).not.toEqual(secureRandomBytes(32))
})

test('secureRandomUUID returns a UUID of version 4, different in every call', () => {
  expect(secureRandomUUID()).toMatch(/^[\da-f]{8}-[\da-f]{4}-4[\da-f]{3}-[89ab][\da-f]{3}-[\da-f]{12}$/)
  expect(secureRandomUUID()).not.toBe(secureRandomUUID())
})

import { expect, test } from 'vitest'
import { secureRandomBytes, secureRandomUUID } from '../../src/crypto/random.ts'

test('random bytes are as many as asked for, and others every time', () => {
  expect(secureRandomBytes(0)).toHaveLength(0)
  expect(secureRandomBytes(32)).toHaveLength(32)
  expect(secureRandomBytes(32)).not.toEqual(secureRandomBytes(32))
})

test('a random UUID is of version 4, and another every time', () => {
  expect(secureRandomUUID()).toMatch(/^[\da-f]{8}-[\da-f]{4}-4[\da-f]{3}-[89ab][\da-f]{3}-[\da-f]{12}$/)
  expect(secureRandomUUID()).not.toBe(secureRandomUUID())
})

import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { excerptOf } from '../../src/client/read-response.ts'

const excerpt = (text: string) => excerptOf(Buffer.from(text))

describe('excerptOf keeps the text of an error page', () => {
  test.each([
    ['{"error":"not found"}', '{"error":"not found"}'],
    ['<html>\r\n<head><title>502 Bad Gateway</title></head>', '<html> <head><title>502 Bad Gateway</title></head>'],
    ['Error 1020, 4 attempts', 'Error 1020, 4 attempts'],
    ['  spaces \n\n and lines ', 'spaces and lines'],
    ['服务不可用 😀', '服务不可用 😀'],
    ['', ''],
  ])('%j', (text, expected) => {
    expect(excerpt(text)).toBe(expected)
  })
})

describe('excerptOf masks ids, addresses, tokens and keys', () => {
  test.each([
    ['userId 2088012345678901 unknown', 'userId … unknown'],
    ['card 4111-1111-12345', 'card 4111-1111-…'],
    ['mail someone@example.com now', 'mail … now'],
    ['Bearer ZXlKaGJHY2lPaUpJVXpJMU5pSjk=', 'Bearer …'],
    ['signature=KEhXthj4bJ801Hqw8kaLvEKc0Rii8K%2Fx%3D%3D', '…'],
    ['id 0c3f2d1e-9b8a-47c6-a5d4-e3f201928374', 'id …'],
  ])('%j', (text, expected) => {
    expect(excerpt(text)).toBe(expected)
  })
})

test('excerptOf removes control characters, bidirectional characters and invalid UTF-8', () => {
  expect(excerpt('a\u0000b\u001b[31mc\u202ed\u2028e\u0007')).toBe('a b [31mc d e')
  expect(excerptOf(Uint8Array.of(0xff, 0x41))).toMatch(/^.?A$/)
})

test('excerptOf returns one line of at most 200 characters for any response', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 3_000 }), (text) => {
      expect(excerpt(text).length).toBeLessThanOrEqual(200)
      expect(excerpt(text)).not.toMatch(/[\p{Cc}\p{Cf}\u2028\u2029]/u)
    }),
  )
})

test('excerptOf does not show the start of a secret that the limit of 1000 bytes cuts', () => {
  const secret = 'Zk9xQ2pTb1RhVnJLd0hlTmJ5'
  for (let before = 950; before <= 1_000; before++) {
    // The text before the secret is masked, so that the secret is not beyond the limit of 200 characters.
    expect(excerpt(`${'A'.repeat(before - 1)} ${secret}`)).not.toContain(secret.slice(0, 3))
  }
})

test('excerptOf does not show the start of a secret at the end of a response that was cut', () => {
  const secret = 'Zk9xQ2pTb1RhVnJLd0hlTmJ5'
  expect(excerptOf(Buffer.from(`token ${secret.slice(0, 10)}`), { isCut: true })).toBe('token')
  expect(excerptOf(Buffer.from(`token ${secret.slice(0, 10)}`))).toBe('token Zk9xQ2pTb1')
})

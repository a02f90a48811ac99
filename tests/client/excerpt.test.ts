import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { excerptOf } from '../../src/client/response.ts'

const excerpt = (text: string) => excerptOf(Buffer.from(text))

describe('what tells a proxy’s page from another’s is kept', () => {
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

describe('what could be an id, an address, a token or a key is masked', () => {
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

test('control characters, bidirectional ones and broken UTF-8 do not reach a terminal', () => {
  expect(excerpt('a\u0000b\u001b[31mc\u202ed\u2028e\u0007')).toBe('a b [31mc d e')
  expect(excerptOf(Uint8Array.of(0xff, 0x41))).toMatch(/^.?A$/)
})

test('it is at most 200 characters of one line, however long the answer', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 3_000 }), (text) => {
      expect(excerpt(text).length).toBeLessThanOrEqual(200)
      expect(excerpt(text)).not.toMatch(/[\p{Cc}\p{Cf}\u2028\u2029]/u)
    }),
  )
})

test('a secret that reaches past what is looked at is not shown by its beginning', () => {
  const secret = 'Zk9xQ2pTb1RhVnJLd0hlTmJ5'
  for (let before = 950; before <= 1_000; before++) {
    // What comes before is masked, and so takes no room.
    expect(excerpt(`${'A'.repeat(before - 1)} ${secret}`)).not.toContain(secret.slice(0, 3))
  }
})

test('the part of an answer that was read before it grew too large is no exception', () => {
  const secret = 'Zk9xQ2pTb1RhVnJLd0hlTmJ5'
  expect(excerptOf(Buffer.from(`token ${secret.slice(0, 10)}`), { isCut: true })).toBe('token')
  expect(excerptOf(Buffer.from(`token ${secret.slice(0, 10)}`))).toBe('token Zk9xQ2pTb1')
})

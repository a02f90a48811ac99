import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { decodeAnyBase64, decodeBase64, decodeUtf8, encodeBase64, encodeUtf8 } from '../../src/protocol/encoding.ts'

const bytes = (...values: number[]) => Uint8Array.from(values)
const anyBytes = fc.uint8Array({ maxLength: 300 })

describe('decodeUtf8', () => {
  test('returns the text that encodeUtf8 encoded, unless it has a lone surrogate', () => {
    const scalar = fc.oneof(fc.integer({ max: 0xd7ff, min: 0 }), fc.integer({ min: 0xe000, max: 0x10ffff }))
    const text = fc.string({ unit: scalar.map((codePoint) => String.fromCodePoint(codePoint)) })
    fc.assert(fc.property(text, (text) => decodeUtf8(encodeUtf8(text)) === text))
  })

  test('keeps a byte order mark', () => {
    expect(decodeUtf8(bytes(0xef, 0xbb, 0xbf, 0x7b))).toBe('\uFEFF{')
  })

  test.each([
    ['a lone continuation byte', bytes(0x80)],
    ['a truncated sequence', bytes(0xe4, 0xbd)],
    ['an overlong sequence', bytes(0xc0, 0xaf)],
    ['an encoded surrogate', bytes(0xed, 0xa0, 0x80)],
    ['a code point beyond U+10FFFF', bytes(0xf4, 0x90, 0x80, 0x80)],
    ['Latin-1', bytes(0x63, 0x61, 0x66, 0xe9)],
  ])('returns undefined for %s', (_, input) => {
    expect(decodeUtf8(input)).toBeUndefined()
  })
})

describe('decodeBase64 and decodeAnyBase64', () => {
  test('decode what encodeBase64 encodes, also from a view of a larger buffer', () => {
    fc.assert(
      fc.property(anyBytes, fc.nat(20), (input, start) => {
        const view = input.subarray(Math.min(start, input.length))
        expect(decodeBase64(encodeBase64(view))).toEqual(Buffer.from(view))
      }),
    )
  })

  test('decodeAnyBase64 accepts both alphabets, with or without padding', () => {
    fc.assert(
      fc.property(anyBytes, fc.constantFrom('base64', 'base64url'), fc.boolean(), (input, alphabet, padded) => {
        const text = Buffer.from(input).toString(alphabet).replaceAll('=', '')
        const padding = padded ? '='.repeat(-text.length & 3) : ''
        expect(decodeAnyBase64(text + padding)).toEqual(Buffer.from(input))
      }),
    )
  })

  test.each([
    { text: '', strict: true, any: true },
    { text: '+/8=', strict: true, any: true },
    { text: '-_8=', strict: false, any: true },
    { text: '+/8', strict: false, any: true },
    { text: '-_8', strict: false, any: true },
    { text: '+_8=', strict: false, any: false, why: 'both alphabets' },
    { text: '-/8=', strict: false, any: false, why: 'both alphabets' },
    { text: '+/9=', strict: false, any: false, why: 'unused bits that are not zero' },
    { text: '-_9', strict: false, any: false, why: 'unused bits that are not zero' },
    { text: 'AAAAA', strict: false, any: false, why: 'an impossible length' },
    { text: 'AA=', strict: false, any: false, why: 'half of its padding' },
    { text: 'AA===', strict: false, any: false, why: 'too much padding' },
    { text: '====', strict: false, any: false, why: 'only padding' },
    { text: 'AA==AAAA', strict: false, any: false, why: 'padding in the middle' },
    { text: 'AAAA\n', strict: false, any: false, why: 'a line break' },
    { text: 'AA AA', strict: false, any: false, why: 'a space' },
    { text: 'AAA*', strict: false, any: false, why: 'a character outside the alphabet' },
    { text: 'ＡＡＡＡ', strict: false, any: false, why: 'full-width letters' },
  ])('"$text": decodeBase64 accepts it: $strict; decodeAnyBase64: $any', ({ text, strict, any }) => {
    expect(decodeBase64(text) !== undefined).toBe(strict)
    expect(decodeAnyBase64(text) !== undefined).toBe(any)
  })
})

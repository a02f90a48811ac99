import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { unpad } from '../../src/crypto/rsaes-pkcs1.ts'

const substitute = Uint8Array.from({ length: 32 }, (_, index) => 0xa0 + index)

/** RFC 8017 section 7.2.2, with all the branches that constant-time code must not have. */
function naive(block: Uint8Array): Uint8Array {
  const separator = block.indexOf(0, 2)
  const key = block.subarray(separator + 1)
  const good = block[0] === 0 && block[1] === 2 && separator >= 10 && [16, 24, 32].includes(key.length)
  return good ? key : substitute
}

/** `00 02`, padding without zeros, `00`, key: by default as long as a modulus of 2048 bits. */
const padded = (key: Uint8Array, size = 256) =>
  Uint8Array.from([0, 2, ...new Uint8Array(size - 3 - key.length).fill(0xff), 0, ...key])
const keyOf = (length: number) => Uint8Array.from({ length }, (_, index) => index + 1)
const withByte = (block: Uint8Array, at: number, value: number) => block.with(at, value)

describe('unpad returns the key', () => {
  test.each([16, 24, 32])('when it has %d bytes', (length) => {
    expect(unpad(padded(keyOf(length)), substitute)).toEqual(keyOf(length))
  })

  test.each([256, 257, 384, 512])('when the modulus has %d bytes', (size) => {
    expect(unpad(padded(keyOf(32), size), substitute)).toEqual(keyOf(32))
  })

  test('behind eight bytes of padding, but not behind seven', () => {
    expect(unpad(padded(keyOf(32), 43), substitute)).toEqual(keyOf(32))
    expect(unpad(padded(keyOf(32), 42), substitute)).toEqual(substitute)
  })

  test('when it contains zeros: only the first zero of the block is the separator', () => {
    expect(unpad(padded(new Uint8Array(32)), substitute)).toEqual(new Uint8Array(32))
    expect(unpad(padded(withByte(keyOf(16), 0, 0)), substitute)).toEqual(withByte(keyOf(16), 0, 0))
  })

  test('in new memory, which it shares neither with the block nor with the substitute', () => {
    const block = padded(keyOf(32))
    const key = unpad(block, substitute)
    block.fill(0)
    expect(key).toEqual(keyOf(32))
    const other = unpad(block, substitute)
    expect(other).toEqual(substitute)
    expect(other).not.toBe(substitute)
  })
})

describe('unpad returns the substitute for', () => {
  const block = padded(keyOf(32))

  test.each([
    ['a first byte of 1', withByte(block, 0, 1)],
    ['a first byte of 255', withByte(block, 0, 0xff)],
    ['a first byte of 128', withByte(block, 0, 0x80)],
    ['block type 0', withByte(block, 1, 0)],
    ['block type 1, of signatures', withByte(block, 1, 1)],
    ['block type 3', withByte(block, 1, 3)],
    ['block type 130', withByte(block, 1, 0x82)],
    ['no separator', withByte(block, 223, 1).map((byte, at) => (at > 1 && byte === 0 ? 1 : byte))],
    ['a zero in the first byte of padding', withByte(block, 2, 0)],
    ['a zero in the eighth byte of padding', withByte(block, 9, 0)],
    ['a zero in the ninth byte of padding', withByte(block, 10, 0)],
    ['a zero in the last byte of padding', withByte(block, 222, 0)],
    ['a separator that is not zero', withByte(block, 223, 1)],
    ['zeros alone', new Uint8Array(256)],
    ['ones alone', new Uint8Array(256).fill(0xff)],
    ['an empty block', new Uint8Array()],
    ['a block of one byte', new Uint8Array(1)],
    ['a block without room for padding', Uint8Array.from([0, 2, 0, ...keyOf(16)])],
  ])('%s', (_, bad) => {
    expect(unpad(bad, substitute)).toEqual(substitute)
  })

  test.each([0, 1, 4, 15, 17, 23, 25, 31, 33, 48, 64, 245])('a key of %d bytes', (length) => {
    expect(unpad(padded(keyOf(length)), substitute)).toEqual(substitute)
  })
})

test('unpad returns the same as a naive implementation of the RFC for any block', () => {
  const near = (usual: number) =>
    fc.oneof({ weight: 6, arbitrary: fc.constant(usual) }, { arbitrary: fc.nat(255), weight: 1 })
  const blocks = fc
    .record({
      first: near(0),
      second: near(2),
      keyLength: fc.oneof(fc.constantFrom(16, 24, 32), fc.constantFrom(15, 17, 23, 25, 31, 33), fc.nat(250)),
      size: fc.oneof(fc.constant(256), fc.integer({ min: 0, max: 300 })),
      filling: fc.uint8Array({ minLength: 300, maxLength: 300 }),
      zeros: fc.array(fc.nat(299), { maxLength: 2 }),
    })
    .map(({ first, second, keyLength, size, filling, zeros }) => {
      const block = filling.map((byte, at) => (at < size - 1 - keyLength && byte === 0 ? 1 : byte)).slice(0, size)
      block.set([first, second].slice(0, size))
      for (const at of [...zeros.slice(1), size - 1 - keyLength]) if (at >= 0 && at < size) block[at] = 0
      return block
    })
  let keys = 0
  fc.assert(
    fc.property(blocks, (block) => {
      const expected = naive(block)
      if (expected !== substitute) keys++
      expect(Buffer.from(unpad(block, substitute))).toEqual(Buffer.from(expected))
    }),
    { numRuns: 2000 },
  )
  // The property must not have compared substitutes only.
  expect(keys).toBeGreaterThan(100)
})

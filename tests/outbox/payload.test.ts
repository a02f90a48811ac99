import { randomBytes } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { ConfigurationError } from '../../src/errors.ts'
import { assertEncryptAtRest, createPayloadCodec, readPayload, writePayload } from '../../src/outbox/payload.ts'
import { thrownBy } from '../support/thrown.ts'

const [first, second] = [Buffer.alloc(32, 1), Buffer.alloc(32, 2)]
const event = { orderKey: 'key', eventTime: 1_716_342_180_000, requestId: 'r-1' }
const JSON_TEXT = '{"order":{"merchantBizNo":"訂單"}}'

const codec = (keys?: Uint8Array | readonly Uint8Array[]) => createPayloadCodec(keys, randomBytes)

describe('the payload of an event', () => {
  test('is the order as it is sent, and its tenant', () => {
    expect(writePayload('{"a": 1}', undefined)).toBe('{"order":{"a": 1}}')
    expect(writePayload('{"a": 1}', 'a "b"')).toBe('{"tenant":"a \\"b\\"","order":{"a": 1}}')
    expect(writePayload('{}', '')).toBe('{"tenant":"","order":{}}')
    expect(readPayload(writePayload('{"a": 1}', 't'))).toEqual({ tenant: 't', order: { a: 1 } })
  })

  test('is not encrypted without a key', () => {
    expect(codec().encode(JSON_TEXT, event)).toBe(JSON_TEXT)
    expect(codec([]).encode(JSON_TEXT, event)).toBe(JSON_TEXT)
    expect(codec().decode(JSON_TEXT, event)).toBe(JSON_TEXT)
  })

  test('is encrypted with AES-256-GCM, with 12 random bytes as the nonce and a tag of 16 bytes', () => {
    const sizes: number[] = []
    const { encode } = createPayloadCodec(first, (size) => {
      sizes.push(size)
      return Buffer.alloc(size, 7)
    })
    const text = encode(JSON_TEXT, event)
    const [prefix, id, iv = '', tag = '', ciphertext = '', ...more] = text.split('.')
    expect({ prefix, sizes, more }).toEqual({ prefix: 'A256GCM', sizes: [12], more: [] })
    expect(id).toMatch(/^[\w-]{8}$/)
    expect(Buffer.from(iv, 'base64url')).toEqual(Buffer.alloc(12, 7))
    expect(Buffer.from(tag, 'base64url')).toHaveLength(16)
    expect(Buffer.from(ciphertext, 'base64url')).toHaveLength(Buffer.byteLength(JSON_TEXT))
    expect(codec(first).decode(text, event)).toBe(JSON_TEXT)
  })

  test('is encrypted with the first of several keys, and decrypted with any of them', () => {
    const text = codec([second, first]).encode(JSON_TEXT, event)
    expect(codec(second).decode(text, event)).toBe(JSON_TEXT)
    expect(codec([first, second]).decode(text, event)).toBe(JSON_TEXT)
    expect(codec([first, second]).decode(JSON_TEXT, event)).toBe(JSON_TEXT)
  })

  test.each([undefined, first])('is not decrypted without its key', (keys) => {
    const text = codec(second).encode(JSON_TEXT, event)
    const error = thrownBy(() => codec(keys).decode(text, event))
    expect(error).toBeInstanceOf(ConfigurationError)
    expect(error).toMatchObject({
      code: 'ERR_OUTBOX_KEY',
      message: 'An order in the outbox cannot be decrypted. No key of "encryptAtRest" can decrypt it.',
    })
  })

  const changed = {
    code: 'ERR_OUTBOX_KEY',
    message: 'An order in the outbox cannot be decrypted. It was changed in the database.',
  }

  test.each([
    ['order', { ...event, orderKey: 'other' }],
    ['time', { ...event, eventTime: 1 }],
    ['requestId', { ...event, requestId: 'r-2' }],
  ])('is not decrypted for another %s', (_, other) => {
    const text = codec(first).encode(JSON_TEXT, event)
    expect(thrownBy(() => codec(first).decode(text, other))).toMatchObject(changed)
  })

  test.each([2, 3, 4])('is not decrypted if part %i was changed, cut off or removed', (part) => {
    const parts = codec(first).encode(JSON_TEXT, event).split('.')
    const whole = parts[part] ?? ''
    const flipped = `${whole.startsWith('A') ? 'B' : 'A'}${whole.slice(1)}`
    for (const instead of [flipped, whole.slice(0, 6), '']) {
      const text = parts.with(part, instead).join('.')
      expect(thrownBy(() => codec(first).decode(text, event))).toMatchObject(changed)
    }
    const text = parts.slice(0, part).join('.')
    expect(thrownBy(() => codec(first).decode(text, event))).toMatchObject(changed)
  })
})

describe('encryptAtRest', () => {
  test.each<[string, unknown]>([
    ['one key', first],
    ['several keys', [first, second]],
    ['a Uint8Array', new Uint8Array(32)],
  ])('accepts %s', (_, value) => {
    expect(() => assertEncryptAtRest(value, 'encryptAtRest')).not.toThrow()
  })

  test.each<[string, unknown]>([
    ['a key of 31 bytes', Buffer.alloc(31)],
    ['a key of 33 bytes', Buffer.alloc(33)],
    ['no keys', []],
    ['one wrong key among right ones', [first, Buffer.alloc(16)]],
    ['a text of 32 characters', 'x'.repeat(32)],
    ['null', null],
  ])('rejects %s', (_, value) => {
    const error = thrownBy(() => assertEncryptAtRest(value, 'encryptAtRest'))
    expect(error).toBeInstanceOf(TypeError)
    expect(error.message).toBe(
      `"encryptAtRest" must be a key of 32 bytes, or a list of such keys: Buffer.from(text, 'base64')`,
    )
  })
})

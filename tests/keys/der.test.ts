import { generateKeyPairSync } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type DerShape, derShape } from '../../src/keys/der.ts'
import { der, merchantEcc, merchantRsa } from '../support/keys.ts'

const { privateKey, publicKey } = merchantRsa()
const hex = (text: string) => new Uint8Array(Buffer.from(text.replaceAll(' ', ''), 'hex'))

describe('derShape', () => {
  test.each([
    ['pkcs8', () => der(privateKey)],
    ['pkcs8', () => der(merchantEcc().privateKey)],
    ['pkcs8', () => der(generateKeyPairSync('ed25519').privateKey)],
    ['pkcs1-private', () => privateKey.export({ type: 'pkcs1', format: 'der' })],
    ['sec1', () => merchantEcc().privateKey.export({ type: 'sec1', format: 'der' })],
    ['spki', () => der(publicKey)],
    ['spki', () => der(merchantEcc().publicKey)],
    ['pkcs1-public', () => publicKey.export({ type: 'pkcs1', format: 'der' })],
    ['encrypted', () => privateKey.export({ type: 'pkcs8', format: 'der', cipher: 'aes-128-cbc', passphrase: 'open' })],
    ['certificate', () => hex('3009 3000 3000 030300 0000')],
    ['pkcs12', () => hex('3007 020103 3000 3000')],
  ] as const)(
    'returns %s for a whole structure, and undefined without its last byte or with one more',
    (shape, make) => {
      const bytes = new Uint8Array(make())
      expect(derShape(bytes)).toBe(shape)
      expect(derShape(bytes.subarray(0, -1))).toBeUndefined()
      expect(derShape(new Uint8Array([...bytes, 0]))).toBeUndefined()
    },
  )

  test.each([
    ['nothing', ''],
    ['one byte', '30'],
    ['an empty SEQUENCE', '3000'],
    ['a SET', '3106 020100 020100'],
    ['a SEQUENCE of strings', '3006 0c0141 0c0142'],
    ['a child that reaches over the end', '3006 0205 00000000'],
    ['a third child that reaches over the end', '3008 020100 3000 040500'],
    ['a child of indefinite length', '3006 0280 3000 0400'],
    ['a child without a length', '3004 020100 02'],
    ['an indefinite length', '3080 020100 020100 0000'],
    ['a length of five bytes', '308500000000 06 020100 020100'],
    ['a length that is cut off', '3082 01'],
    ['a length of 4 GiB', '3084ffffffff 020100'],
  ])('returns undefined for %s', (_, text) => {
    expect(derShape(hex(text))).toBeUndefined()
  })

  test('returns a shape or undefined for any bytes, and never throws', () => {
    const bytes = fc.oneof(
      fc.uint8Array({ maxLength: 40 }),
      fc
        .array(fc.constantFrom(0x30, 0x02, 0x03, 0x04, 0x80, 0x81, 0x84, 0xff, 0x00, 0x01))
        .map((list) => Uint8Array.from(list)),
    )
    const shapes: (DerShape | undefined)[] = [
      'pkcs8',
      'pkcs1-private',
      'sec1',
      'spki',
      'pkcs1-public',
      'certificate',
      'encrypted',
      'pkcs12',
      undefined,
    ]
    fc.assert(fc.property(bytes, (input) => shapes.includes(derShape(input))))
  })
})

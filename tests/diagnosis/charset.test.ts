import { expect, onTestFinished, test, vi } from 'vitest'
import { decodeIn, encodeIn, readLatin1 } from '../../src/diagnosis/charset.ts'

test('readLatin1 reads every byte, as ISO 8859-1 or as Windows-1252', () => {
  const bytes = Uint8Array.from({ length: 256 }, (_, index) => index)
  expect([...readLatin1(bytes, false)].map((character) => character.charCodeAt(0))).toEqual([...bytes])
  const windows = readLatin1(bytes, true)
  // As the Encoding Standard has it.
  expect(windows.slice(0x80, 0xa0)).toBe('€\u0081‚ƒ„…†‡ˆ‰Š‹Œ\u008dŽ\u008f\u0090‘’“”•–—˜™š›œ\u009džŸ')
  expect(windows.slice(0, 0x80) + windows.slice(0xa0)).toBe(
    readLatin1(bytes, false).slice(0, 0x80) + readLatin1(bytes, false).slice(0xa0),
  )
})

test('encodeIn writes a replacement for what a charset lacks, and nothing without one', () => {
  expect(encodeIn('ascii', 'a點', 0x3f)).toEqual(Uint8Array.of(0x61, 0x3f))
  expect(encodeIn('ascii', 'a點')).toBeUndefined()
  expect(encodeIn('ascii', '\x7f')).toEqual(Uint8Array.of(0x7f))
})

test('encodeIn and decodeIn return undefined where the runtime lacks the charset', async () => {
  vi.stubGlobal(
    'TextDecoder',
    class {
      constructor(label: string) {
        throw new RangeError(`The "${label}" encoding is not supported`)
      }
    },
  )
  vi.resetModules()
  onTestFinished(() => {
    vi.unstubAllGlobals()
    // Without isolation, other tests would get this module with its empty tables.
    vi.resetModules()
  })
  const without = await import('../../src/diagnosis/charset.ts')
  expect(without.encodeIn('big5', '點')).toBeUndefined()
  expect(without.encodeIn('big5', 'a')).toEqual(Uint8Array.of(0x61))
  expect(without.decodeIn('big5', Uint8Array.of(0xc2, 0x49))).toBeUndefined()
  expect(decodeIn('big5', Uint8Array.of(0xc2, 0x49))).toBeUndefined()
})

test('decodeIn returns undefined for bytes that are not of the charset', () => {
  expect(decodeIn('big5', Uint8Array.of(0xc2, 0x49))).toBe('點')
  expect(decodeIn('big5', Uint8Array.of(0x61, 0xc2))).toBeUndefined()
})

import { describe, expect, test } from 'vitest'
import { readSignature } from '../../src/diagnosis/signature-texts.ts'

// In base64, with both characters that URL encoding changes, and with padding.
const SIGNATURE = Buffer.concat([Buffer.alloc(38, 0xfb), Buffer.from('Aÿ', 'latin1')])
const BASE64 = SIGNATURE.toString('base64')
const encode = encodeURIComponent
const RIGHT = 'Send standard base64, URL-encoded once: signature=encodeURIComponent(base64).'
const header = (text: string) => `algorithm=RSA256,keyVersion=1,signature=${text}`
const base64 = (text: string) => Buffer.from(text).toString('base64')
const HEX = SIGNATURE.toString('hex')

/** The explanations of the readings that have the right bytes. */
const explanations = (text: string, signature = SIGNATURE) =>
  readSignature(text)
    .readings.filter(({ bytes }) => signature.equals(bytes))
    .map(({ fix }) => fix)

describe('readSignature reads a signature', () => {
  test.each([
    ['in the format of the protocol', header(encode(BASE64))],
    ['in base64 without URL encoding', header(BASE64)],
    ['in base64url', header(SIGNATURE.toString('base64url'))],
    ['without padding', header(BASE64.replaceAll('=', ''))],
    ['in lines', header(`${BASE64.slice(0, 20)}\r\n\t${BASE64.slice(20)}`)],
    ['with an unknown algorithm', `algorithm=SHA256withRSA,keyVersion=1,signature=${encode(BASE64)}`],
  ])('%s without an explanation', (_, text) => expect(explanations(text)).toEqual([undefined]))

  test.each([
    ['URL-encoded twice', encode(encode(BASE64)), 'The signature is URL-encoded twice.'],
    [
      'URL-encoded twice, with spaces',
      encode(encode(BASE64.replaceAll('+', ' '))),
      'The signature is URL-encoded twice.',
    ],
    ['URL-encoded three times', encode(encode(encode(BASE64))), 'The signature is URL-encoded three times.'],
    ['in hex', HEX, 'The signature is in hex.'],
    ['in upper-case hex', HEX.toUpperCase(), 'The signature is in hex.'],
    ['in hex with colons and spaces', (HEX.match(/../g) ?? []).join(': '), 'The signature is in hex.'],
    ['in base64 twice', base64(BASE64), 'The signature is encoded as base64 twice.'],
    [
      'in base64 of URL encoding, with a line break',
      base64(`${encode(BASE64)}\n`),
      'The signature is encoded as base64 twice.',
    ],
    ['in base64 of hex, with a line break', base64(`${HEX}\n`), 'The signature is hex text, encoded as base64.'],
    ['with escaped slashes', BASE64.replaceAll('/', '\\/'), 'The signature contains JSON or HTML escapes.'],
    [
      'with escapes of JSON',
      BASE64.replaceAll('+', '\\u002b').replaceAll('=', '\\u003D'),
      'The signature contains JSON or HTML escapes.',
    ],
    [
      'with escapes of HTML',
      BASE64.replaceAll('+', '&#x2B;').replaceAll('=', '&#61;'),
      'The signature contains JSON or HTML escapes.',
    ],
    ['with escaped line breaks', BASE64.replaceAll('v', 'v\\r\\n'), 'The signature contains JSON or HTML escapes.'],
    ['between other characters', `*${BASE64}*`, 'The signature contains characters that are not base64.'],
    ['before another character', `${BASE64}!`, 'The signature contains characters that are not base64.'],
    ['with a quote inside', BASE64.replace('v', 'v"'), 'The signature contains characters that are not base64.'],
    [
      'in base64 of URL encoding, with spaces',
      base64(` ${encode(BASE64)} `),
      'The signature is encoded as base64 twice.',
    ],
    [
      'in both alphabets, the other way',
      BASE64.replace('/', '_'),
      'The signature is not in the format of the protocol.',
    ],
    ['in quotes and spaces', `" ${BASE64} "`, 'The signature is not in the format of the protocol.'],
    [
      'in quotes, in lines',
      `"${BASE64.slice(0, 20)}\r\n${BASE64.slice(20)}"`,
      'The signature is not in the format of the protocol.',
    ],
    ['in both alphabets', BASE64.replace('+', '-'), 'The signature is not in the format of the protocol.'],
    ['in quotes', `"${BASE64}"`, 'The signature is not in the format of the protocol.'],
    ['in single quotes', `'${BASE64}'`, 'The signature is not in the format of the protocol.'],
  ])('%s', (_, text, fix) => expect(explanations(header(text))).toEqual([`${fix} ${RIGHT}`]))

  // White space at the start of a value is removed: once in 64 times, the first "+" of a signature is lost.
  test.each([
    ['also the first', SIGNATURE],
    ['but not the first', Buffer.concat([Buffer.from('A'), SIGNATURE])],
    ['only the first', Buffer.concat([SIGNATURE.subarray(0, 1), Buffer.alloc(33)])],
  ])('in which a form decoder has turned each "+" into a space, %s', (_, signature) => {
    const spaces = signature.toString('base64').replaceAll('+', ' ')
    const fix = `The signature was URL-decoded once too often: each "+" has become a space. ${RIGHT}`
    expect(explanations(header(spaces), signature)).toEqual([fix])
    expect(explanations(header(encode(spaces)), signature)).toEqual([fix])
  })

  test.each([
    ['alone', BASE64],
    ['alone, in quotes', `"${BASE64}"`],
    ['with another name', `Sign: ${BASE64}`],
    ['with semicolons', `alg="x"; SIGNATURE = ${BASE64}; x=1`],
  ])('%s in the header', (_, text) =>
    expect(explanations(text)).toEqual([`The signature is not in the format of the protocol. ${RIGHT}`]),
  )

  test.each([
    [31, 0],
    [32, 1],
    [1_024, 1],
    [1_025, 0],
  ])('of %i bytes: %i times', (length, times) => {
    expect(readSignature(header(encode(Buffer.alloc(length, 1).toString('base64')))).readings).toHaveLength(times)
  })

  test.each([
    '',
    '?',
    'signature=',
    'signature=%zz',
    header('A'.repeat(45)),
    header('f'.repeat(63)),
    header(`${HEX}f`),
    header(`${HEX}zz`),
  ])('nowhere in %j', (text) => expect(explanations(text)).toEqual([]))

  test('with padding at the end only', () => {
    const fixes = readSignature(header(`${BASE64}AAAA`)).readings.map(({ fix }) => fix)
    expect(fixes).toEqual([`The signature contains characters that are not base64. ${RIGHT}`])
  })

  test('once for the same bytes', () => {
    for (const text of [BASE64, encode(BASE64), HEX, base64(BASE64)]) {
      const found = readSignature(header(text)).readings.map(({ bytes }) => Buffer.from(bytes).toString('hex'))
      expect(new Set(found).size).toBe(found.length)
    }
  })
})

describe('readSignature reads algorithm and version', () => {
  const parts = (text: string) => {
    const { isParsed, algorithm, keyVersion } = readSignature(text)
    return { isParsed, algorithm, keyVersion }
  }

  test.each([
    [header(encode(BASE64)), true, 'RSA256', '1'],
    [`signature=${encode(BASE64)}`, true, 'RSA256', undefined],
    [`ALGORITHM=NONE,keyVersion=3,signature=${encode(BASE64)}`, true, 'RSA256', '3'],
    [`algorithm=NONE,keyVersion=3,signature=${encode(BASE64)}`, true, 'NONE', '3'],
    [`algorithm=NONE,keyVersion=,signature=${encode(BASE64)}`, true, 'NONE', undefined],
    ['Algorithm: "SHA256withRSA"; KeyVersion = 2; sign=?', false, 'SHA256withRSA', '2'],
    ['keyVersion=;sign=?', false, undefined, undefined],
    ['x1keyVersion=2', false, undefined, '2'],
    ['', false, undefined, undefined],
  ])('%s', (text, isParsed, algorithm, keyVersion) => {
    expect(parts(text)).toEqual({ isParsed, algorithm, keyVersion })
  })

  test('only in the format of the protocol in a header above 8 KiB', () => {
    const long = (text: string, length: number) => text + 'y'.repeat(length - text.length)
    const right = `${header(encode(BASE64))},x=`
    expect(parts(long(right, 8_193))).toEqual({ isParsed: true, algorithm: 'RSA256', keyVersion: '1' })
    expect(explanations(long(right, 8_193))).toEqual([undefined])
    const twice = `signature=${encode(encode(BASE64))},keyVersion=2,algorithm=X,x=`
    expect(explanations(long(twice, 8_192))).toHaveLength(1)
    expect(explanations(long(twice, 8_193))).toEqual([])
    expect(parts(long(twice, 8_192))).toEqual({ isParsed: false, algorithm: 'X', keyVersion: '2' })
    expect(parts(long(twice, 8_193))).toEqual({ isParsed: false, algorithm: undefined, keyVersion: undefined })
  })
})

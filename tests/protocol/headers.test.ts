import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { decodeAnyBase64 } from '../../src/protocol/encoding.ts'
import {
  assertContentType,
  CONTENT_TYPES,
  collectHeaders,
  formatEncryptHeader,
  formatSignatureHeader,
  parseEncryptHeader,
  parseSignatureHeader,
} from '../../src/protocol/headers.ts'

const malformed = expect.objectContaining({ name: 'RejectionError', code: 'ERR_HEADER_INVALID' })
const unsupported = expect.objectContaining({ name: 'RejectionError', code: 'ERR_CONTENT_TYPE' })

/** The sample of the API page, verbatim: its white space falls between characters, and once into an escape ("% 2F"). */
const PAGE_SIGNATURE =
  'algorithm=RSA256,keyVersion=1,signature=KEhXthj4bJ801Hqw8kaLvEKc0Rii8KsNUazw7kZgjxyGSPuOZ48058UVJUkkR21iD9JkHBGR rWiHPae8ZRPuBagh2H3qu7fxY5GxVDWayJUhUYkr9m%2FOW4UQVmXaQ9yn%2Fw2dCtzwAW0htPHYrKMyrT pMk%2BfDDmRflA%2FAMJhQ71yeyhufIA2PCJV8%2FCMOa46303A0WHhH0YPJ9%2FI0UeLVMWlJ1XcBo3Jr bRFvcowQwt0lP1XkoPmSLGpBevDE8%2FQ9WnxjPNDfrHnKgV2fp0hpMKVXNM%2BrLHNyMv3MkHg9iTMOD% 2FFYDAwSd%2B6%2FEOFo9UbdlKcmodJwjKlQoxZZIzmF8w%3D%3D'
const PAGE_ENCRYPT = 'algorithm=RSA_AES,keyVersion=1,symmetricKey=bqS8HSmdaRrpKSuPy7CqUlyd8lJurG93'

const bytes = Buffer.from([0xfb, 0xef, 0xff, 0x00]) // "++//AA==" in base64, "--__AA" in base64url
const percent = (character: string) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`

function attempt<Value>(make: () => Value): Value | undefined {
  try {
    return make()
  } catch {
    return undefined
  }
}

const both = [
  { header: 'Signature', parse: parseSignatureHeader, algorithm: 'RSA256', key: 'signature' },
  { header: 'Encrypt', parse: parseEncryptHeader, algorithm: 'RSA_AES', key: 'symmetricKey' },
] as const

describe('the samples of the API page', () => {
  test('Signature, white space and all, is 256 bytes', () => {
    const { signature, ...rest } = parseSignatureHeader(PAGE_SIGNATURE)
    expect(rest).toEqual({ algorithm: 'RSA256', keyVersion: '1' })
    expect(signature).toHaveLength(256)
    expect(Buffer.from(signature).toString('base64')).toBe(
      decodeURIComponent(PAGE_SIGNATURE.replaceAll(' ', '').split('signature=')[1] ?? ''),
    )
  })

  test('and without one of its characters it is refused', () => {
    expect(() => parseSignatureHeader(PAGE_SIGNATURE.replace('KEhX', 'KEh'))).toThrow(malformed)
  })

  test('Encrypt is 24 bytes', () => {
    const { symmetricKey, ...rest } = parseEncryptHeader(PAGE_ENCRYPT)
    expect(rest).toEqual({ algorithm: 'RSA_AES', keyVersion: '1' })
    expect(symmetricKey).toHaveLength(24)
  })
})

describe.each(both)('$header', ({ header, parse, algorithm, key }) => {
  const full = { algorithm, keyVersion: '1', [key]: bytes }
  const latest = { algorithm, [key]: bytes }

  test.each([
    ['in the order of the page', `algorithm=${algorithm},keyVersion=1,${key}=%2B%2B%2F%2FAA%3D%3D`, full],
    ['in any order', `${key}=%2B%2B%2F%2FAA%3D%3D,keyVersion=1,algorithm=${algorithm}`, full],
    ['with white space around pairs', `  algorithm=${algorithm}, keyVersion=1,\t${key}=%2B%2B%2F%2FAA%3D%3D `, full],
    ['with white space around "="', `algorithm = ${algorithm}, keyVersion = 1, ${key} = %2B%2B%2F%2FAA%3D%3D`, full],
    ['with white space inside the value', `algorithm=${algorithm},keyVersion=1,${key}=%2B %2B%2F\t%2FA A%3D%3D`, full],
    ['with white space inside an escape', `algorithm=${algorithm},keyVersion=1,${key}=%2B%2B% 2F%2\nFAA%3D%3D`, full],
    ['with an algorithm in lower case', `algorithm=${algorithm.toLowerCase()},keyVersion=1,${key}=++//AA==`, full],
    ['without an algorithm', `keyVersion=1,${key}=++//AA==`, full],
    ['without a keyVersion: the latest', `algorithm=${algorithm},${key}=++//AA==`, latest],
    ['with an empty keyVersion: the latest', `algorithm=${algorithm},keyVersion=,${key}=++//AA==`, latest],
    ['with a blank keyVersion: the latest', `algorithm=${algorithm},keyVersion= ,${key}=++//AA==`, latest],
    ['with the value alone', `${key}=++//AA==`, latest],
    ['with escapes in lower case', `${key}=%2b%2b%2f%2fAA%3d%3d`, latest],
    ['with its padding escaped alone', `${key}=++//AA%3D%3D`, latest],
    ['in base64url', `${key}=--__AA`, latest],
    ['in base64url with padding', `${key}=--__AA==`, latest],
    ['without padding', `${key}=++//AA`, latest],
    ['with an unknown key', `realm=a=b,${key}=++//AA==,nonce=`, latest],
    [
      'with a version that is no number',
      `keyVersion=v2.0-rc_1~,${key}=++//AA==`,
      { ...latest, keyVersion: 'v2.0-rc_1~' },
    ],
    ['with a version that has a "=" of its own', `keyVersion=a=b,${key}=++//AA==`, { ...latest, keyVersion: 'a=b' }],
    [
      'with a version of 64 characters',
      `keyVersion=${'9'.repeat(64)},${key}=++//AA==`,
      { ...latest, keyVersion: '9'.repeat(64) },
    ],
  ])('is accepted %s', (_, text, parsed) => {
    expect(parse(text)).toEqual(parsed)
  })

  test.each([
    ['when empty', ''],
    ['when blank', '  '],
    ['without its value', `algorithm=${algorithm},keyVersion=1`],
    ['with an empty value', `algorithm=${algorithm},keyVersion=1,${key}=`],
    ['with a blank value', `algorithm=${algorithm},keyVersion=1,${key}= \t `],
    ['with nothing but the value', '++//AA=='],
    ['with its key in another case', `${key.toUpperCase()}=++//AA==`],
    [
      'with the value under the key of the other header',
      `${key === 'signature' ? 'symmetricKey' : 'signature'}=++//AA==`,
    ],
    ['with a repeated value', `${key}=++//AA==,${key}=++//AA==`],
    ['with a repeated algorithm', `algorithm=${algorithm},algorithm=${algorithm},${key}=++//AA==`],
    ['with a repeated keyVersion', `keyVersion=1, keyVersion=1,${key}=++//AA==`],
    ['with a repeated unknown key', `a=1,a=2,${key}=++//AA==`],
    ['when sent twice', `${key}=++//AA==, ${key}=++//AA==`],
    ['with a pair that has no "="', `${algorithm},${key}=++//AA==`],
    ['with a comma too many', `algorithm=${algorithm},,${key}=++//AA==`],
    ['with a comma at the end', `${key}=++//AA==,`],
    ['with semicolons between pairs', `algorithm=${algorithm};${key}=++//AA==`],
    ['with an unknown algorithm', `algorithm=RSA512,${key}=++//AA==`],
    ['with an empty algorithm', `algorithm=,${key}=++//AA==`],
    ['with the algorithm "none"', `algorithm=none,${key}=++//AA==`],
    ['with an algorithm named like a property of objects', `algorithm=__proto__,${key}=++//AA==`],
    ['with an escape cut off', `${key}=++//AA%3D%3`],
    ['with an escape of letters', `${key}=++//AA%ZZ`],
    ['with a lone percent sign', `${key}=++//AA==%`],
    ['with an escape that is not UTF-8', `${key}=++//AA%FF`],
    ['with the value encoded twice', `${key}=%252B%252B%252F%252FAA%253D%253D`],
    ['with white space that is encoded', `${key}=%2B%2B%2F%2F%0AAA%3D%3D`],
    ['with its plus decoded to a space', `${key}=  //AA==`],
    ['with both alphabets', `${key}=+-//AA==`],
    ['with both alphabets, one of them encoded', `${key}=%2B-%2F%2FAA%3D%3D`],
    ['in hexadecimal with a prefix', `${key}=0x:fbefff00`],
    ['with characters that are in no alphabet', `${key}=++//AA*=`],
    ['in quotes', `${key}="++//AA=="`],
    ['with padding in the middle', `${key}=++==//AA`],
    ['with too little padding', `${key}=++//AA=`],
    ['with too much padding', `${key}=++//AA===`],
    ['with bits left over', `${key}=++//AB==`],
    ['with a length that no bytes have', `${key}=++//A`],
    ['with nothing but padding', `${key}=%3D%3D`],
    ['with a space in the version', `keyVersion=1 2,${key}=++//AA==`],
    ['with a control character in the version', `keyVersion=1\u00002,${key}=++//AA==`],
    ['with a version that is not ASCII', `keyVersion=é,${key}=++//AA==`],
    ['with a version of 65 characters', `keyVersion=${'9'.repeat(65)},${key}=++//AA==`],
  ])('is refused %s', (_, text) => {
    expect(() => parse(text)).toThrow(malformed)
  })

  test.each([
    `${key}=s3cr3t*s3cr3t`,
    `${key}=s3cr3t%ZZ`,
    `algorithm=s3cr3t,${key}=AAAA`,
    `keyVersion=s3cr3t s3cr3t,${key}=AAAA`,
    `s3cr3t,${key}=AAAA`,
  ])('is refused by name, without repeating what was sent: %s', (text) => {
    expect(() => parse(text)).toThrow(new RegExp(`^The ${header} header is malformed: (?!.*s3cr3t)`))
  })
})

describe('Signature', () => {
  test.each([
    ['RSA256', 'RSA256'],
    ['ECC224', 'ECC224'],
    ['ecc224', 'ECC224'],
    ['Rsa256', 'RSA256'],
  ])('algorithm=%s is %s', (text, algorithm) => {
    expect(parseSignatureHeader(`algorithm=${text},signature=AAAA`)).toHaveProperty('algorithm', algorithm)
  })

  test.each(['RSA_AES', 'RSA', 'ECC', 'ECC256', 'SHA256withRSA'])('algorithm=%s is refused', (text) => {
    expect(() => parseSignatureHeader(`algorithm=${text},signature=AAAA`)).toThrow(malformed)
  })

  test('is written in the order of the page, URL-encoded, without white space', () => {
    expect(formatSignatureHeader({ algorithm: 'RSA256', keyVersion: '1', signature: bytes })).toBe(
      'algorithm=RSA256,keyVersion=1,signature=%2B%2B%2F%2FAA%3D%3D',
    )
    expect(formatSignatureHeader({ algorithm: 'ECC224', signature: bytes })).toBe(
      'algorithm=ECC224,signature=%2B%2B%2F%2FAA%3D%3D',
    )
  })
})

describe('Encrypt', () => {
  test.each(['RSA256', 'AES', 'RSA-AES', 'RSA_AES_GCM'])('algorithm=%s is refused', (text) => {
    expect(() => parseEncryptHeader(`algorithm=${text},symmetricKey=AAAA`)).toThrow(malformed)
  })

  test('is written in the order of the page, URL-encoded, without white space', () => {
    expect(formatEncryptHeader({ algorithm: 'RSA_AES', keyVersion: '2', symmetricKey: bytes })).toBe(
      'algorithm=RSA_AES,keyVersion=2,symmetricKey=%2B%2B%2F%2FAA%3D%3D',
    )
    expect(formatEncryptHeader({ algorithm: 'RSA_AES', symmetricKey: bytes })).toBe(
      'algorithm=RSA_AES,symmetricKey=%2B%2B%2F%2FAA%3D%3D',
    )
  })
})

describe('what is written is read back', () => {
  const keyVersion = fc.option(
    fc.stringMatching(/^[\w.~-]{1,64}$/).map((version) => ({ keyVersion: version })),
    { nil: {} },
  )
  const value = fc.uint8Array({ minLength: 1, maxLength: 300 }).map((array) => Buffer.from(array))

  test('Signature', () => {
    fc.assert(
      fc.property(fc.constantFrom('RSA256', 'ECC224'), keyVersion, value, (algorithm, version, signature) => {
        const header = { algorithm, ...version, signature } as const
        expect(parseSignatureHeader(formatSignatureHeader(header))).toEqual(header)
      }),
    )
  })

  test('Encrypt', () => {
    fc.assert(
      fc.property(keyVersion, value, (version, symmetricKey) => {
        const header = { algorithm: 'RSA_AES', ...version, symmetricKey } as const
        expect(parseEncryptHeader(formatEncryptHeader(header))).toEqual(header)
      }),
    )
  })

  test('whichever of its characters are percent-encoded, in whatever case', () => {
    const [raw, capitals] = [(character: string) => character, percent]
    const small = (character: string) => percent(character).toLowerCase()
    const forms = fc.array(fc.constantFrom(raw, raw, capitals, small), { minLength: 1, maxLength: 40 })
    fc.assert(
      fc.property(value, forms, (signature, list) => {
        const base64 = [...signature.toString('base64')]
        const text = base64.map((character, at) => list[at % list.length]?.(character)).join('')
        expect(parseSignatureHeader(`signature=${text}`).signature).toEqual(signature)
      }),
    )
  })

  test('and damaged, it is what decodeURIComponent makes of it, in base64, or refused', () => {
    const damage = fc.array(
      fc.tuple(fc.nat(), fc.constantFrom('', '%', '%2', '%2B', '%3D', '%252B', '+', '=', 'A', '-')),
      {
        minLength: 1,
        maxLength: 3,
      },
    )
    fc.assert(
      fc.property(value, damage, (signature, places) => {
        let text = encodeURIComponent(signature.toString('base64'))
        for (const [at, by] of places) text = text.slice(0, at % text.length) + by + text.slice((at % text.length) + 1)
        const expected = attempt(() => decodeAnyBase64(decodeURIComponent(text)))
        expect(attempt(() => parseSignatureHeader(`signature=${text}`).signature)).toEqual(expected)
      }),
      { numRuns: 1_000 },
    )
  })

  test('wherever white space is put between pairs and into the value', () => {
    const gap = fc.array(fc.constantFrom(' ', '\t', '\r\n'), { maxLength: 3 }).map((parts) => parts.join(''))
    fc.assert(
      fc.property(value, fc.nat(), gap, gap, (signature, at, outside, inside) => {
        const text = formatSignatureHeader({ algorithm: 'RSA256', keyVersion: '1', signature })
        const start = text.indexOf('signature=') + 'signature='.length
        const cut = start + (at % (text.length - start))
        const wrapped = (text.slice(0, cut) + inside + text.slice(cut)).replaceAll(',', `${outside},${outside}`)
        expect(parseSignatureHeader(wrapped).signature).toEqual(signature)
      }),
    )
  })

  test('and any text at all is parsed or refused, never anything else', () => {
    const noise = fc.oneof(
      fc.string({ unit: fc.nat(0xffff).map((unit) => String.fromCharCode(unit)) }),
      fc
        .array(fc.constantFrom('signature', 'algorithm', 'RSA256', '=', ',', '%', '2F', ' ', 'AA'))
        .map((parts) => parts.join('')),
    )
    fc.assert(
      fc.property(noise, (text) => {
        try {
          expect(parseSignatureHeader(text).signature.length).toBeGreaterThan(0)
        } catch (error) {
          expect(error).toEqual(malformed)
        }
      }),
    )
  })
})

describe('Content-Type', () => {
  test('is written as on the API page, and as text for an encrypted body', () => {
    expect(CONTENT_TYPES).toEqual({
      json: 'application/json; charset=UTF-8',
      encrypted: 'text/plain; charset=UTF-8',
    })
  })

  test.each([
    { text: 'application/json; charset=UTF-8', plain: true, encrypted: true },
    { text: 'application/json;charset=utf-8', plain: true, encrypted: true },
    { text: 'Application/JSON ; Charset=Utf-8', plain: true, encrypted: true },
    { text: 'application/json; charset="UTF-8"', plain: true, encrypted: true },
    { text: 'application/json', plain: true, encrypted: true },
    { text: 'application/json;', plain: true, encrypted: true },
    { text: 'application/json; version=1; charset=UTF-8', plain: true, encrypted: true },
    { text: 'text/plain; charset=UTF-8', plain: false, encrypted: true },
    { text: 'text/plain', plain: false, encrypted: true },
    { text: 'application/json; charset=GBK', plain: false, encrypted: false },
    { text: 'application/json; charset=ISO-8859-1', plain: false, encrypted: false },
    { text: 'application/json; charset=UTF-16', plain: false, encrypted: false },
    { text: 'application/json; charset=', plain: false, encrypted: false },
    { text: 'application/json; charset', plain: false, encrypted: false },
    { text: 'application/json; charset = UTF-8', plain: false, encrypted: false },
    { text: 'application/json; charset="UTF-8', plain: false, encrypted: false },
    { text: 'application/json; charset=UTF-8; charset=UTF-8', plain: false, encrypted: false },
    { text: 'application/json; charset=UTF-8; charset=GBK', plain: false, encrypted: false },
    { text: 'application/json, application/json', plain: false, encrypted: false },
    { text: 'text/plain; charset=GBK', plain: false, encrypted: false },
    { text: 'text/json; charset=UTF-8', plain: false, encrypted: false },
    { text: 'application/jsonp', plain: false, encrypted: false },
    { text: 'application/x-www-form-urlencoded', plain: false, encrypted: false },
    { text: 'application/octet-stream', plain: false, encrypted: false },
    { text: 'charset=UTF-8', plain: false, encrypted: false },
    { text: '', plain: false, encrypted: false },
  ])('"$text" fits a plain body: $plain, an encrypted one: $encrypted', ({ text, plain, encrypted }) => {
    for (const [isEncrypted, fits] of [
      [false, plain],
      [true, encrypted],
    ] as const) {
      const check = () => assertContentType(text, { encrypted: isEncrypted })
      if (fits) expect(check).not.toThrow()
      else expect(check).toThrow(unsupported)
    }
  })
})

describe('headers are collected', () => {
  const value = 'algorithm=RSA256,signature=AAAA'

  test.each([
    ['an object', { 'CLIENT-ID': 'a', signature: value, 'Agent-Token': undefined }],
    ['an object of arrays', { 'client-id': ['a'], Signature: [value] }],
    [
      'a list of pairs',
      [
        ['Client-Id', 'a'],
        ['Signature', value],
      ] as const,
    ],
    [
      'a Map',
      new Map([
        ['Client-Id', 'a'],
        ['Signature', value],
      ]),
    ],
    ['Headers', new Headers({ 'Client-Id': 'a', Signature: value })],
  ])('from %s, by lower-case name', (_, headers) => {
    expect(collectHeaders(headers)).toEqual(
      new Map([
        ['client-id', 'a'],
        ['signature', value],
      ]),
    )
  })

  test.each([
    ['an array', { Signature: [value, value] }],
    ['names that differ in case', { Signature: value, signature: value }],
    [
      'pairs',
      [
        ['Signature', value],
        ['Signature', value],
      ] as const,
    ],
    [
      'Headers',
      new Headers([
        ['Signature', value],
        ['Signature', value],
      ]),
    ],
  ])('and one that was sent twice, as %s, is refused when it is parsed', (_, headers) => {
    const joined = collectHeaders(headers).get('signature') ?? ''
    expect(joined).toBe(`${value}, ${value}`)
    expect(() => parseSignatureHeader(joined)).toThrow(malformed)
  })

  test('a name like a property of objects is a name', () => {
    const headers = collectHeaders(JSON.parse('{"__proto__":"a","constructor":"b"}'))
    expect(headers).toEqual(
      new Map([
        ['__proto__', 'a'],
        ['constructor', 'b'],
      ]),
    )
    expect(headers.get('tostring')).toBeUndefined()
  })
})

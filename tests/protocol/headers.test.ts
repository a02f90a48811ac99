import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { decodeAnyBase64 } from '../../src/protocol/encoding.ts'
import {
  assertContentType,
  CONTENT_TYPES,
  collectHeaders,
  formatEncryptHeader,
  formatSignatureHeader,
  type HeadersInput,
  parseEncryptHeader,
  parseMessageHead,
  parseSignatureHeader,
} from '../../src/protocol/headers.ts'

const invalidHeader = expect.objectContaining({ name: 'ProtocolError', code: 'ERR_HEADER_INVALID' })
const invalidContentType = expect.objectContaining({ name: 'ProtocolError', code: 'ERR_CONTENT_TYPE' })

/** The sample of the API page, unchanged. It contains white space, once inside an escape ("% 2F"). */
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

const HEADERS = [
  { header: 'Signature', parse: parseSignatureHeader, algorithm: 'RSA256', key: 'signature' },
  { header: 'Encrypt', parse: parseEncryptHeader, algorithm: 'RSA_AES', key: 'symmetricKey' },
] as const

describe('the parsers accept the samples of the API page:', () => {
  test('the Signature with its white space is 256 bytes', () => {
    const { signature, ...rest } = parseSignatureHeader(PAGE_SIGNATURE)
    expect(rest).toEqual({ algorithm: 'RSA256', keyVersion: '1' })
    expect(signature).toHaveLength(256)
    expect(Buffer.from(signature).toString('base64')).toBe(
      decodeURIComponent(PAGE_SIGNATURE.replaceAll(' ', '').split('signature=')[1] ?? ''),
    )
  })

  test('the Signature without one of its characters is rejected', () => {
    expect(() => parseSignatureHeader(PAGE_SIGNATURE.replace('KEhX', 'KEh'))).toThrow(invalidHeader)
  })

  test('the symmetric key of Encrypt is 24 bytes', () => {
    const { symmetricKey, ...rest } = parseEncryptHeader(PAGE_ENCRYPT)
    expect(rest).toEqual({ algorithm: 'RSA_AES', keyVersion: '1' })
    expect(symmetricKey).toHaveLength(24)
  })
})

describe.each(HEADERS)('the parser of the $header header', ({ header, parse, algorithm, key }) => {
  const full = { algorithm, keyVersion: '1', [key]: bytes }
  const latest = { algorithm, [key]: bytes }

  test.each([
    ['pairs in the documented order', `algorithm=${algorithm},keyVersion=1,${key}=%2B%2B%2F%2FAA%3D%3D`, full],
    ['pairs in another order', `${key}=%2B%2B%2F%2FAA%3D%3D,keyVersion=1,algorithm=${algorithm}`, full],
    ['white space around pairs', `  algorithm=${algorithm}, keyVersion=1,\t${key}=%2B%2B%2F%2FAA%3D%3D `, full],
    ['white space around "="', `algorithm = ${algorithm}, keyVersion = 1, ${key} = %2B%2B%2F%2FAA%3D%3D`, full],
    ['white space inside the value', `algorithm=${algorithm},keyVersion=1,${key}=%2B %2B%2F\t%2FA A%3D%3D`, full],
    [
      'line breaks that are URL-encoded',
      `algorithm=${algorithm},keyVersion=1,${key}=%2B%2B%0D%0A%2F%2FAA%3D%3D%0a`,
      full,
    ],
    ['white space inside an escape', `algorithm=${algorithm},keyVersion=1,${key}=%2B%2B% 2F%2\nFAA%3D%3D`, full],
    ['an algorithm in lower case', `algorithm=${algorithm.toLowerCase()},keyVersion=1,${key}=++//AA==`, full],
    ['no algorithm', `keyVersion=1,${key}=++//AA==`, full],
    ['no keyVersion, as the latest', `algorithm=${algorithm},${key}=++//AA==`, latest],
    ['an empty keyVersion, as the latest', `algorithm=${algorithm},keyVersion=,${key}=++//AA==`, latest],
    ['a blank keyVersion, as the latest', `algorithm=${algorithm},keyVersion= ,${key}=++//AA==`, latest],
    ['the value alone', `${key}=++//AA==`, latest],
    ['escapes in lower case', `${key}=%2b%2b%2f%2fAA%3d%3d`, latest],
    ['escaped padding after an unescaped value', `${key}=++//AA%3D%3D`, latest],
    ['base64url', `${key}=--__AA`, latest],
    ['base64url with padding', `${key}=--__AA==`, latest],
    ['base64 without padding', `${key}=++//AA`, latest],
    ['an unknown key', `realm=a=b,${key}=++//AA==,nonce=`, latest],
    [
      'a version that is not a number',
      `keyVersion=v2.0-rc_1~,${key}=++//AA==`,
      { ...latest, keyVersion: 'v2.0-rc_1~' },
    ],
    ['a version that contains "="', `keyVersion=a=b,${key}=++//AA==`, { ...latest, keyVersion: 'a=b' }],
    [
      'a version of 64 characters',
      `keyVersion=${'9'.repeat(64)},${key}=++//AA==`,
      { ...latest, keyVersion: '9'.repeat(64) },
    ],
  ])('accepts %s', (_, text, parsed) => {
    expect(parse(text)).toEqual(parsed)
  })

  test.each([
    ['an empty header', ''],
    ['a blank header', '  '],
    ['a header without the value', `algorithm=${algorithm},keyVersion=1`],
    ['an empty value', `algorithm=${algorithm},keyVersion=1,${key}=`],
    ['a blank value', `algorithm=${algorithm},keyVersion=1,${key}= \t `],
    ['a value without its key', '++//AA=='],
    ['the key in another case', `${key.toUpperCase()}=++//AA==`],
    ['the value under the key of the other header', `${key === 'signature' ? 'symmetricKey' : 'signature'}=++//AA==`],
    ['a repeated value', `${key}=++//AA==,${key}=++//AA==`],
    ['a repeated algorithm', `algorithm=${algorithm},algorithm=${algorithm},${key}=++//AA==`],
    ['a repeated keyVersion', `keyVersion=1, keyVersion=1,${key}=++//AA==`],
    ['a repeated unknown key', `a=1,a=2,${key}=++//AA==`],
    ['a header that was sent twice', `${key}=++//AA==, ${key}=++//AA==`],
    ['a pair without "="', `${algorithm},${key}=++//AA==`],
    ['two commas between pairs', `algorithm=${algorithm},,${key}=++//AA==`],
    ['a comma at the end', `${key}=++//AA==,`],
    ['semicolons between pairs', `algorithm=${algorithm};${key}=++//AA==`],
    ['an unknown algorithm', `algorithm=RSA512,${key}=++//AA==`],
    ['an empty algorithm', `algorithm=,${key}=++//AA==`],
    ['the algorithm "none"', `algorithm=none,${key}=++//AA==`],
    ['the algorithm "__proto__"', `algorithm=__proto__,${key}=++//AA==`],
    ['a truncated escape', `${key}=++//AA%3D%3`],
    ['an escape that is not hexadecimal', `${key}=++//AA%ZZ`],
    ['a lone percent sign', `${key}=++//AA==%`],
    ['an escape that is not UTF-8', `${key}=++//AA%FF`],
    ['a value that is URL-encoded twice', `${key}=%252B%252B%252F%252FAA%253D%253D`],
    ['spaces where "+" was URL-decoded', `${key}=  //AA==`],
    ['characters of both base64 alphabets', `${key}=+-//AA==`],
    ['characters of both base64 alphabets, some URL-encoded', `${key}=%2B-%2F%2FAA%3D%3D`],
    ['hexadecimal with a prefix', `${key}=0x:fbefff00`],
    ['characters that are not base64', `${key}=++//AA*=`],
    ['a value in quotes', `${key}="++//AA=="`],
    ['padding in the middle', `${key}=++==//AA`],
    ['too little padding', `${key}=++//AA=`],
    ['too much padding', `${key}=++//AA===`],
    ['base64 with unused bits that are not zero', `${key}=++//AB==`],
    ['base64 of an impossible length', `${key}=++//A`],
    ['padding alone', `${key}=%3D%3D`],
    ['white space alone, as escapes', `${key}=%20%0A`],
    ['a version with a space', `keyVersion=1 2,${key}=++//AA==`],
    ['a version with a control character', `keyVersion=1\u00002,${key}=++//AA==`],
    ['a version that is not ASCII', `keyVersion=é,${key}=++//AA==`],
    ['a version of 65 characters', `keyVersion=${'9'.repeat(65)},${key}=++//AA==`],
  ])('rejects %s', (_, text) => {
    expect(() => parse(text)).toThrow(invalidHeader)
  })

  test.each([
    [`${key}`, 'a pair has no "="'],
    [`,${key}=AAAA`, 'a pair has no "="'],
    [`${key}=AAAA,${key}=AAAA`, 'a key is repeated'],
    [`keyVersion=1 2,${key}=AAAA`, '"keyVersion" is not a version'],
    ['keyVersion=1', `"${key}" is missing`],
    [`${key}=`, `"${key}" is missing`],
    [`${key}=AAAA%ZZ`, `"${key}" has a bad percent escape`],
    [`${key}=AAA*`, `"${key}" is not base64`],
    [
      `algorithm=MD5,${key}=AAAA`,
      header === 'Signature' ? '"algorithm" is neither RSA256 nor ECC224' : '"algorithm" is not RSA_AES',
    ],
  ])('states in its error what is wrong with "%s": %s', (text, why) => {
    expect(() => parse(text)).toThrow(`The ${header} header is malformed: ${why}.`)
  })

  test.each([
    `${key}=s3cr3t*s3cr3t`,
    `${key}=s3cr3t%ZZ`,
    `algorithm=s3cr3t,${key}=AAAA`,
    `keyVersion=s3cr3t s3cr3t,${key}=AAAA`,
    `s3cr3t,${key}=AAAA`,
  ])('names the header in its error, and does not quote the value: %s', (text) => {
    expect(() => parse(text)).toThrow(new RegExp(`^The ${header} header is malformed: (?!.*s3cr3t)`))
  })
})

describe('the Signature header', () => {
  test.each([
    ['RSA256', 'RSA256'],
    ['ECC224', 'ECC224'],
    ['ecc224', 'ECC224'],
    ['Rsa256', 'RSA256'],
  ])('accepts algorithm=%s as %s', (text, algorithm) => {
    expect(parseSignatureHeader(`algorithm=${text},signature=AAAA`)).toHaveProperty('algorithm', algorithm)
  })

  test.each(['RSA_AES', 'RSA', 'ECC', 'ECC256', 'SHA256withRSA'])('rejects algorithm=%s', (text) => {
    expect(() => parseSignatureHeader(`algorithm=${text},signature=AAAA`)).toThrow(invalidHeader)
  })

  test('is formatted in the documented order, URL-encoded, without white space', () => {
    expect(formatSignatureHeader({ algorithm: 'RSA256', keyVersion: '1', signature: bytes })).toBe(
      'algorithm=RSA256,keyVersion=1,signature=%2B%2B%2F%2FAA%3D%3D',
    )
    expect(formatSignatureHeader({ algorithm: 'ECC224', signature: bytes })).toBe(
      'algorithm=ECC224,signature=%2B%2B%2F%2FAA%3D%3D',
    )
  })
})

describe('the Encrypt header', () => {
  test.each(['RSA256', 'AES', 'RSA-AES', 'RSA_AES_GCM'])('rejects algorithm=%s', (text) => {
    expect(() => parseEncryptHeader(`algorithm=${text},symmetricKey=AAAA`)).toThrow(invalidHeader)
  })

  test('is formatted in the documented order, URL-encoded, without white space', () => {
    expect(formatEncryptHeader({ algorithm: 'RSA_AES', keyVersion: '2', symmetricKey: bytes })).toBe(
      'algorithm=RSA_AES,keyVersion=2,symmetricKey=%2B%2B%2F%2FAA%3D%3D',
    )
    expect(formatEncryptHeader({ algorithm: 'RSA_AES', symmetricKey: bytes })).toBe(
      'algorithm=RSA_AES,symmetricKey=%2B%2B%2F%2FAA%3D%3D',
    )
  })
})

describe('for any value,', () => {
  const keyVersion = fc.option(
    fc.stringMatching(/^[\w.~-]{1,64}$/).map((version) => ({ keyVersion: version })),
    { nil: {} },
  )
  const value = fc.uint8Array({ minLength: 1, maxLength: 300 }).map((array) => Buffer.from(array))

  test('parseSignatureHeader returns the input of formatSignatureHeader', () => {
    fc.assert(
      fc.property(fc.constantFrom('RSA256', 'ECC224'), keyVersion, value, (algorithm, version, signature) => {
        const header = { algorithm, ...version, signature } as const
        expect(parseSignatureHeader(formatSignatureHeader(header))).toEqual(header)
      }),
    )
  })

  test('parseEncryptHeader returns the input of formatEncryptHeader', () => {
    fc.assert(
      fc.property(keyVersion, value, (version, symmetricKey) => {
        const header = { algorithm: 'RSA_AES', ...version, symmetricKey } as const
        expect(parseEncryptHeader(formatEncryptHeader(header))).toEqual(header)
      }),
    )
  })

  test('parseSignatureHeader decodes any mix of escaped and unescaped characters, in both cases', () => {
    const [unescaped, upperCase] = [(character: string) => character, percent]
    const lowerCase = (character: string) => percent(character).toLowerCase()
    const forms = fc.array(fc.constantFrom(unescaped, unescaped, upperCase, lowerCase), { minLength: 1, maxLength: 40 })
    fc.assert(
      fc.property(value, forms, (signature, list) => {
        const base64 = [...signature.toString('base64')]
        const text = base64.map((character, at) => list[at % list.length]?.(character)).join('')
        expect(parseSignatureHeader(`signature=${text}`).signature).toEqual(signature)
      }),
    )
  })

  test('parseSignatureHeader decodes a damaged value as decodeURIComponent and base64 do, or rejects it', () => {
    const replacements = fc.constantFrom('', '%', '%2', '%0', '%20', '%2B', '%3D', '%252B', '+', '=', 'A', '-', ' ')
    const damage = fc.array(fc.tuple(fc.nat(), replacements), { minLength: 1, maxLength: 3 })
    // "AC0A" becomes "%2B%20A": damage can make an escape for white space, which is removed.
    const spaceByDamage: [Buffer, [number, string][]] = [Buffer.of(0, 45, 0), [[1, '%2'], [0, '%2B']]] // biome-ignore format: the damage on one line
    const withoutSpace = (text: string) => text.replace(/[ \t\r\n]/g, '')
    fc.assert(
      fc.property(value, damage, (signature, places) => {
        let text = encodeURIComponent(signature.toString('base64'))
        for (const [at, replacement] of places)
          text = text.slice(0, at % text.length) + replacement + text.slice((at % text.length) + 1)
        const base64 = attempt(() => withoutSpace(decodeURIComponent(withoutSpace(text))))
        const expected = base64 === undefined || base64 === '' ? undefined : decodeAnyBase64(base64)
        expect(attempt(() => parseSignatureHeader(`signature=${text}`).signature)).toEqual(expected)
      }),
      { numRuns: 1_000, examples: [spaceByDamage] },
    )
  })

  test('parseSignatureHeader ignores white space between pairs and in the value', () => {
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

  test('parseSignatureHeader parses a text or throws ERR_HEADER_INVALID, and nothing else', () => {
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
          expect(error).toEqual(invalidHeader)
        }
      }),
    )
  })
})

describe('the Content-Type header', () => {
  test('is JSON, and plain text for an encrypted body', () => {
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
    { text: 'application/json, application/json', plain: true, encrypted: true },
    { text: 'application/json, text/html', plain: false, encrypted: false },
    { text: 'application/json, text/plain; charset=UTF-8', plain: false, encrypted: true },
    { text: 'application/json,', plain: false, encrypted: false },
    { text: 'application/json; charset=utf8', plain: true, encrypted: true },
    { text: 'application/json; charset="UTF8"', plain: true, encrypted: true },
    { text: 'application/json; charset=utf-88', plain: false, encrypted: false },
    { text: 'text/plain; charset=GBK', plain: false, encrypted: false },
    { text: 'text/json; charset=UTF-8', plain: false, encrypted: false },
    { text: 'application/jsonp', plain: false, encrypted: false },
    { text: 'application/x-www-form-urlencoded', plain: false, encrypted: false },
    { text: 'application/octet-stream', plain: false, encrypted: false },
    { text: 'application/json; charsetcharset=UTF-8', plain: false, encrypted: false },
    { text: 'charset=UTF-8', plain: false, encrypted: false },
    { text: '', plain: false, encrypted: false },
  ])(
    '"$text" is accepted for a plain body: $plain, for an encrypted body: $encrypted',
    ({ text, plain, encrypted }) => {
      for (const [isEncrypted, isAccepted] of [
        [false, plain],
        [true, encrypted],
      ] as const) {
        const check = () => assertContentType(text, { encrypted: isEncrypted })
        if (isAccepted) expect(check).not.toThrow()
        else expect(check).toThrow(invalidContentType)
      }
    },
  )
})

test.each([
  ['text/html', 'Content-Type is not application/json.'],
  ['application/json; charset=GBK', 'The charset of Content-Type is not UTF-8.'],
])('the error for the Content-Type "%s" states what is wrong', (text, message) => {
  expect(() => assertContentType(text, { encrypted: false })).toThrow(message)
})

describe.each(['request', 'response'] as const)('parseMessageHead of a %s', (kind) => {
  const complete = {
    'client-id': 'a',
    'content-type': 'application/json',
    [`${kind}-time`]: '2024-05-22T09:12:21+08:00',
    signature: 'signature=AAAA',
  }
  const names = ['Client-Id', 'Content-Type', kind === 'request' ? 'Request-Time' : 'Response-Time', 'Signature']

  test('accepts the four headers', () => {
    expect(parseMessageHead(new Map(Object.entries(complete)), kind)).toMatchObject({ sentAt: 1_716_340_341_000 })
  })

  test.each(names)(
    'throws ERR_HEADER_MISSING, and names %s, when it and those after it are missing or empty',
    (name) => {
      const missing = { name: 'ProtocolError', code: 'ERR_HEADER_MISSING', message: `The ${name} header is missing.` }
      const after = names.slice(names.indexOf(name)).map((each) => each.toLowerCase())
      const kept = Object.entries(complete).filter(([each]) => !after.includes(each))
      for (const headers of [kept, [...kept, [name.toLowerCase(), ''] as const]]) {
        expect(() => parseMessageHead(new Map(headers), kind)).toThrow(expect.objectContaining(missing))
      }
    },
  )
})

describe('collectHeaders', () => {
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
    ['a flat list, as the rawHeaders of Node', ['Client-Id', 'a', 'Signature', value]],
    [
      'a list of keys and values',
      [
        { key: 'Client-Id', value: 'a' },
        { key: 'Signature', value },
      ],
    ],
    [
      'an object of keys and values, as in Lambda@Edge',
      { 'client-id': [{ key: 'Client-Id', value: 'a' }], signature: [{ value }] },
    ],
    ['values that are null', { 'Client-Id': 'a', Signature: [null, value], Encrypt: null, 'Agent-Token': [] }],
  ] as const)('returns a Map by lower-case name from %s', (_, headers) => {
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
  ])('joins a header that was sent twice, from %s, and the parser rejects it', (_, headers) => {
    const joined = collectHeaders(headers).get('signature') ?? ''
    expect(joined).toBe(`${value}, ${value}`)
    expect(() => parseSignatureHeader(joined)).toThrow(invalidHeader)
  })

  test.each<[string, HeadersInput]>([
    ['an object', { 'content-length': 12, 'X-Flag': true, 'X-Big': 5n }],
    ['a list of numbers', { 'content-length': [12], 'x-flag': [true], 'x-big': [5n] }],
    [
      'pairs',
      [
        ['Content-Length', 12],
        ['X-Flag', true],
        ['X-Big', 5n],
      ],
    ],
    [
      'a Map',
      new Map<string, number | boolean | bigint>([
        ['Content-Length', 12],
        ['X-Flag', true],
        ['X-Big', 5n],
      ]),
    ],
  ])('takes numbers and booleans as text, from %s', (_, headers) => {
    expect(Object.fromEntries(collectHeaders(headers))).toEqual({
      'content-length': '12',
      'x-flag': 'true',
      'x-big': '5',
    })
  })

  test.each([
    ['undefined', undefined, '"headers" is undefined.'],
    ['null', null, '"headers" is null.'],
    ['a text', 'Client-Id: a', '"headers" is a string.'],
    ['a value that is a function', { Signature: () => value }, 'The value of the header "Signature" is a function.'],
    ['a value that is a Promise', { Signature: Promise.resolve(value) }, '"Signature" is a Promise.'],
    ['a value that is an object', { Signature: [{ text: value }] }, '"Signature" is an object.'],
    ['a value that is a symbol', { Signature: Symbol('x') }, '"Signature" is a symbol.'],
    ['a list of numbers', [1, 2], 'An entry of "headers" is a number.'],
    ['a list with null', [null], 'An entry of "headers" is null.'],
    ['a list of objects', [{ name: 'Signature' }], 'An entry of "headers" is an object.'],
    ['a pair without a name', [[undefined, value]], 'A name among the headers is undefined.'],
    ['a flat list without its last value', ['Client-Id', 'a', 'Signature'], 'A value among the headers is undefined.'],
    ['bytes', new Uint8Array([1]), 'An entry of "headers" is a number.'],
  ])('throws ERR_REQUEST, and quotes no value, for %s', (_, headers, message) => {
    expect(() => collectHeaders(headers as unknown as HeadersInput)).toThrow(
      expect.objectContaining({
        name: 'ConfigurationError',
        code: 'ERR_REQUEST',
        message: expect.stringContaining(message),
      }),
    )
  })

  test('keeps names such as "__proto__"', () => {
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

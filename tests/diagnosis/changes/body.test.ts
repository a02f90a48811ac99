import { brotliCompressSync, deflateRawSync, deflateSync, gunzipSync, gzipSync } from 'node:zlib'
import { describe, expect, test } from 'vitest'
import { type BodyFacts, bodyChanges } from '../../../src/diagnosis/changes/body.ts'
import { bytesOf } from '../../support/messages.ts'
import { bodiesSignedInstead, signedInstead } from './signed-instead.ts'

const FACTS: BodyFacts = { maxBodyBytes: 1_000, maxRewrittenBytes: 1_000, plaintext: undefined }
const changes = (body: string | Uint8Array, facts: Partial<BodyFacts> = {}) =>
  bodyChanges(bytesOf(body), { ...FACTS, ...facts })
/** The bodies with one of these explanations. */
const tried = (body: string | Uint8Array, fixes: RegExp, encoding?: BufferEncoding, facts: Partial<BodyFacts> = {}) =>
  bodiesSignedInstead(changes(body, facts), body, encoding).filter(([fix]) => fixes.test(fix))
/** The codes of the changes that lead to a body. */
const codesFor = (body: string | Uint8Array, signed: string | Uint8Array) => {
  const layout = ({ body }: { body: Uint8Array }) => body
  const found = signedInstead(changes(body), { body: bytesOf(body), layout })
  return found.filter(({ content }) => content.equals(bytesOf(signed))).map(({ code }) => code)
}

test('bodyChanges changes the body alone', () => {
  expect(new Set(changes('{}', { plaintext: bytesOf('') }).map(({ part }) => part))).toEqual(new Set(['body']))
})

test('bodyChanges tries an empty body, but not for an empty one', () => {
  const fix = 'The sender signed an empty body. Sign the body that is sent.'
  expect(tried('{}', /an empty body/)).toEqual([[fix, '']])
  expect(tried('', /an empty body/)).toEqual([])
  expect(codesFor('{}', '')).toEqual(['body-empty'])
})

test('bodyChanges tries the plaintext of an encrypted body first', () => {
  const [first] = signedInstead(changes('Y2lwaGVy', { plaintext: bytesOf('{}') }))
  expect(first).toMatchObject({
    code: 'plaintext-signed',
    fix: 'The sender signed the plaintext of the encrypted body. Encrypt first, then sign the base64 text of the ciphertext that is sent.',
  })
  expect(first?.content.toString()).toMatch(/\.\{\}$/)
  expect(tried('Y2lwaGVy', /plaintext/)).toEqual([])
})

describe('bodyChanges tries line breaks:', () => {
  const fix = (what: string) =>
    `The sender signed the body ${what}. Sign the bytes that are sent; editors, "echo" and "curl -d @file" change line breaks: use printf and --data-binary.`
  const lines = (body: string) => tried(body, /change line breaks/)
  /** Without the lines of base64: of another text, only a line break at its end is left of them, which comes earlier. */
  const breaks = (body: string) => lines(body).filter(([found]) => !found.includes('in lines of'))
  const endsWith = (body: string) => [
    [fix('with a line break at its end, which was lost'), `${body}\n`],
    [fix('with CRLF at its end, which was lost'), `${body}\r\n`],
  ]

  test('at the end of a body without any', () => {
    expect(breaks('{}')).toEqual(endsWith('{}'))
    expect(codesFor('{}', '{}\n')).toEqual(Array(3).fill('body-newline'))
  })

  test('of LF in the middle', () => {
    expect(breaks('{\n\n}')).toEqual([
      [fix('with a line break at its end, which was lost'), '{\n\n}\n'],
      [fix('with CRLF line breaks, but LF arrived'), '{\r\n\r\n}'],
      [fix('with CRLF at its end, which was lost'), '{\n\n}\r\n'],
      [fix('without line breaks'), '{}'],
    ])
  })

  test('of LF at the end', () => {
    expect(breaks('[]\n')[0]).toEqual([fix('without the line break at its end'), '[]'])
  })

  test('of base64 alone', () => {
    const long = 'a'.repeat(100)
    for (const body of [`{${long}`, `${long}}`])
      expect(lines(body).filter(([, signed]) => signed.trimEnd() !== body)).toEqual([])
  })

  test('of CRLF in the middle and at the end', () => {
    expect(breaks('{\r\n}\r\n\r\n')).toEqual([
      [fix('without the line break at its end'), '{\r\n}\r\n'],
      [fix('with a line break at its end, which was lost'), '{\r\n}\r\n\r\n\n'],
      [fix('with LF line breaks, but CRLF arrived'), '{\n}\n\n'],
      [fix('with CRLF at its end, which was lost'), '{\r\n}\r\n\r\n\r\n'],
      [fix('without the line breaks at its end'), '{\r\n}'],
      [fix('without line breaks'), '{}'],
    ])
  })

  test('of base64, in lines', () => {
    const [a, b, c] = ['a'.repeat(64), 'b'.repeat(12), 'c'.repeat(40)]
    const received = `${a}\n${b}${c}-_+/==`
    expect(lines(received)).toEqual([
      [fix('with a line break at its end, which was lost'), `${received}\n`],
      [fix('with CRLF line breaks, but LF arrived'), `${a}\r\n${b}${c}-_+/==`],
      [fix('with CRLF at its end, which was lost'), `${received}\r\n`],
      [fix('without line breaks'), `${a}${b}${c}-_+/==`],
      [fix('in lines of 76 characters'), `${a}${b}\r\n${c}-_+/==`],
      [fix('in lines of 76 characters, with LF'), `${a}${b}\n${c}-_+/==`],
      [fix('in lines of 76 characters, with LF at its end'), `${a}${b}\n${c}-_+/==\n`],
      [fix('in lines of 64 characters, with LF at its end'), `${a}\n${b}${c}-_+/==\n`],
    ])
    expect(lines(`${a}${b}`)).toContainEqual([fix('in lines of 64 characters'), `${a}\n${b}`])
  })
})

describe('bodyChanges tries the byte order mark:', () => {
  const fix = (what: string) =>
    `The sender signed ${what}. Write UTF-8 without a byte order mark: JSON does not allow one.`
  const marks = (body: string) => tried(body, /byte order mark/)

  test('in front of a body that has none', () => {
    expect(marks('{}')).toEqual([[fix('a byte order mark in front of the body, which was lost'), '\ufeff{}']])
    expect(codesFor('{}', '\ufeff{}')).toEqual(['body-bom'])
  })

  test('removed from the front, or from everywhere', () => {
    expect(marks('\ufeff{\ufeff}')).toEqual([
      [fix('the body without the byte order mark in front of it'), '{\ufeff}'],
      [fix('a byte order mark in front of the body, which was lost'), '\ufeff\ufeff{\ufeff}'],
      [fix('the body without U+FEFF inside'), '{}'],
    ])
    expect(codesFor('\ufeff[]', '[]')).toEqual(['body-bom', 'body-bom'])
  })
})

describe('bodyChanges tries compression:', () => {
  const json = '{"a":"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"}'
  const decompressed =
    'The sender signed the body before it was compressed. The signature covers the bytes on the wire: send the body without Content-Encoding, or sign after compression.'
  const compressed =
    'The sender signed the compressed body, but something between sender and receiver has decompressed it. Send the body without Content-Encoding.'

  test.each([
    ['gzip', gzipSync(json)],
    ['deflate', deflateSync(json)],
    ['brotli', brotliCompressSync(json)],
    ['deflate without a header', deflateRawSync(json)],
  ])('the body before %s, if it is not too large', (_, body) => {
    const found = () => tried(body, /ompress/)
    expect(found()).toEqual([[decompressed, json]])
    expect(codesFor(body, json)).toEqual(['body-compressed'])
    const limit = (maxBodyBytes: number) => tried(body, /ompress/, 'utf8', { maxBodyBytes }).length
    expect([limit(json.length), limit(json.length - 1)]).toEqual([1, 0])
  })

  test('nothing for bytes that only begin like gzip or deflate', () => {
    for (const start of [
      [0x1f, 0x8b, 0xff],
      [0x78, 0x9c, 0xff],
    ])
      expect(tried(Uint8Array.from(start), /ompress/)).toEqual([])
  })

  test('gzip in three levels, with the system that a header names, of a body that is text', () => {
    const found = tried(json, /ompress/, 'latin1')
    expect(found.map(([fix]) => fix)).toEqual(Array(9).fill(compressed))
    const bodies = found.map(([, body]) => Buffer.from(body, 'latin1'))
    expect(bodies.map((body) => gunzipSync(body).toString())).toEqual(Array(9).fill(json))
    expect(bodies.map((body) => body[9])).toEqual([0, 0, 0, 3, 3, 3, 255, 255, 255])
    expect(new Set(bodies.map((body) => body.toString('hex'))).size).toBe(9)
    expect(codesFor(json, bodies[0] ?? '')).toEqual(['body-compressed'])
  })
})

describe('bodyChanges tries base64:', () => {
  const decoded =
    'The sender signed the body before it was encoded as base64. Sign the bytes that are sent. If a gateway passes the body as base64, give the handler the decoded bytes.'
  const encoded = 'The sender signed the body as base64, but it arrived decoded. Sign the bytes that are sent.'

  test.each([
    ['eyJhIjoxfQ==', '{"a":1}'],
    ['"eyJhIjoxfQ"', '{"a":1}'],
    ['eyJh\r\nIjox\nfQ==\n', '{"a":1}'],
    ['Pz4_', '?>?'],
    ['Pz4/', '?>?'],
  ])('the body before it, for %j', (body, signed) => {
    expect(tried(body, /before it was encoded as base64/)).toEqual([[decoded, signed]])
    expect(codesFor(body, signed)).toContain('body-base64')
  })

  test.each(['abc', '', 'x"eyJhIjoxfQ"', '"eyJhIjoxfQ"==', '{"a":1}', '"a"b"', '===='])('nothing for %j', (body) => {
    expect(tried(body, /before it was encoded as base64/)).toEqual([])
  })

  test('the body in it', () => {
    expect(tried('~?~', /as base64, but it arrived decoded/)).toEqual([
      [encoded, 'fj9+'],
      [encoded, 'fj9-'],
      [encoded, '"fj9+"'],
    ])
    expect(codesFor('~?~', 'fj9+')).toEqual(['body-base64'])
  })
})

describe('bodyChanges tries JSON in a string:', () => {
  const inner =
    'The sender signed the JSON, but it was sent as a JSON string: it was serialized twice. Serialize it once.'
  const outer =
    'The sender signed the body as a JSON string: it was serialized twice before it was signed. Serialize it once.'
  const strings = (body: string) => tried(body, /serialized twice/)

  test('the text inside of the string', () => {
    expect(strings(' "{\\"a\\":1}"')[0]).toEqual([inner, '{"a":1}'])
    expect(codesFor('"[]"', '[]')).toEqual(['body-json-string'])
  })

  test('the body in a string, with and without its quotes', () => {
    expect(strings('{"a":1}')).toEqual([
      [outer, '"{\\"a\\":1}"'],
      [outer, '{\\"a\\":1}'],
    ])
    expect(codesFor('{"a":1}', '"{\\"a\\":1}"')).toEqual(['body-json-string'])
    expect(codesFor('{"a":1}', '{\\"a\\":1}')).toEqual(['body-json-string'])
  })

  test.each([
    ['{\\"a\\":\\"b\\\\c\\/d\\"}', '{"a":"b\\c/d"}'],
    [' [ \\"a\\"]', ' [ "a"]'],
  ])('the text of a string that has lost its quotes: %s', (body, signed) => {
    expect(strings(body)).toContainEqual([inner, signed])
    expect(codesFor(body, signed)).toEqual(['body-json-string'])
  })

  test.each(['"{', '{}', '"a" b', 'x {\\"a\\":1}'])('no inner text for %s', (body) => {
    expect(strings(body).filter(([fix]) => fix === inner)).toEqual([])
  })
})

describe('bodyChanges tries URL encoding:', () => {
  const form = 'Send the JSON itself as the body, with Content-Type application/json.'
  const decoded = `The sender signed the body before it was URL-encoded. ${form}`
  const encoded = `The sender signed the body in URL encoding. ${form}`

  test('the body before it, also that of a form', () => {
    expect(tried('data=%7b+%7D=', /before it was URL-encoded/)).toEqual([
      [decoded, 'data={+}='],
      [decoded, 'data={ }='],
      [decoded, 'data={ }'],
      [decoded, '{ }='],
    ])
    expect(tried('+x=%7B', /before it was URL-encoded/).at(-1)).toEqual([decoded, ' x={'])
    expect(codesFor('%5B%5d', '[]')).toEqual(Array(4).fill('body-url-encoded'))
  })

  test.each(['%', '%zz', '{"a":"+"}', '%7B%zz'])('nothing for %s', (body) => {
    expect(tried(body, /before it was URL-encoded/)).toEqual([])
  })

  test('the body in it', () => {
    expect(tried('{ }', /in URL encoding/)).toEqual([
      [encoded, '%7B%20%7D'],
      [encoded, '%7B+%7D'],
    ])
    expect(codesFor('{ }', '%7B+%7D')).toEqual(['body-url-encoded'])
  })
})

test('bodyChanges tries the texts that programs sign after they have lost the body', () => {
  const fix = (text: string) =>
    `The sender signed the text ${text} instead of the body: its program had no body text when it signed. Sign the body that is sent.`
  const texts = ['{}', 'null', 'undefined', '[object Object]', '""']
  expect(tried('{"a":1}', /instead of the body/)).toEqual(texts.map((text) => [fix(text), text]))
  expect(codesFor('{"a":1}', 'null')).toEqual(['body-empty'])
  expect(tried('{}', /the text \{\} instead/)).toEqual([])
})

test('bodyChanges rewrites JSON up to maxRewrittenBytes', () => {
  const body = '{"b":1,"a":"é"}'
  const rewrites = (maxRewrittenBytes: number) =>
    new Set(
      signedInstead(changes(body, { maxRewrittenBytes }), { body: bytesOf(body) })
        .map(({ code }) => code)
        .filter((code) => /^body-(?:whitespace|escaping|key-order)$/.test(code)),
    )
  const size = bytesOf(body).length
  expect(rewrites(size)).toEqual(new Set(['body-whitespace', 'body-escaping', 'body-key-order']))
  expect(rewrites(size - 1)).toEqual(new Set())
})

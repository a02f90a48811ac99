import { describe, expect, test } from 'vitest'
import { readCapture } from '../../src/diagnosis/capture/capture.ts'
import { ConfigurationError } from '../../src/errors.ts'

const MAX = 1_048_576
const PATH = '/hook?a=1'
const BODY = '{"a":"it\'s 50%"}'
const HEADERS = [
  ['Client-Id', 'CID'],
  ['Content-Type', 'application/json'],
  ['Signature', 'algorithm=RSA256,signature=AAAA'],
] as const
const lines = HEADERS.map(([name, value]) => `${name}: ${value}`)
const http = (end: string, first = `POST ${PATH} HTTP/1.1`, more: string[] = []) =>
  `${[first, ...lines, ...more].join(end)}${end}${end}${BODY}`
const har = {
  startedDateTime: '2024-05-22T01:12:21.000Z',
  request: {
    method: 'POST',
    url: `https://shop.example${PATH}`,
    headers: [{ name: ':authority', value: 'shop.example' }, ...HEADERS.map(([name, value]) => ({ name, value }))],
    postData: { mimeType: 'application/json', text: BODY },
  },
  response: {
    status: 200,
    headers: [{ name: 'Response-Time', value: 'now' }],
    content: { text: 'e30=', encoding: 'base64' },
  },
}
const quoted = BODY.replaceAll("'", "'\\''")

const FORMS: readonly (readonly [title: string, captured: unknown])[] = [
  ['raw HTTP', http('\r\n')],
  ['raw HTTP with LF', http('\n')],
  ['raw HTTP as bytes', Buffer.from(http('\r\n'))],
  ['raw HTTP behind a byte order mark and an empty line', `\ufeff\r\n${http('\r\n')}`],
  [
    'raw HTTP with a line break that an editor added',
    `${http('\r\n', undefined, [`Content-Length: ${BODY.length}`])}\n`,
  ],
  [
    'raw HTTP in chunks',
    `${http('\r\n', undefined, ['Transfer-Encoding: chunked']).replace(BODY, '')}4\r\n${BODY.slice(0, 4)}\r\n${(BODY.length - 4).toString(16)};x\r\n${BODY.slice(4)}\r\n0\r\n\r\n`,
  ],
  ['HTTP/2 with pseudo-headers', `:method: POST\n:path: ${PATH}\n${lines.join('\n')}\n\n${BODY}`],
  [
    'what curl -v prints',
    `${[`POST ${PATH} HTTP/1.1`, ...lines, ''].map((line) => `> ${line}`).join('\r\n')}\r\n${BODY}`,
  ],
  [
    'a curl command',
    `curl -X POST 'https://shop.example${PATH}' ${lines.map((line) => `-H '${line}'`).join(' ')} -d '${quoted}'`,
  ],
  [
    'a curl command on lines',
    `$ curl "https://shop.example${PATH}" \\\n${lines.map((line) => `  --header "${line}" \\\n`).join('')}  --data-raw '${quoted}' --compressed | jq .`,
  ],
  [
    'a curl command of a browser',
    `curl 'https://shop.example${PATH}' ${lines.map((line) => `-H $'${line}'`).join(' ')} --data-binary $'{"a":"it\\'s 50\\u0025"}'`,
  ],
  [
    'a curl command with = and joined options',
    `curl --request=POST -sS --url=https://shop.example${PATH} ${lines.map((line) => `-H"${line}"`).join(' ')} --data-raw="${BODY.replaceAll('"', '\\"')}" -o /dev/null`,
  ],
  ['a HAR file', JSON.stringify({ log: { entries: [har] } })],
  ['a HAR entry', har],
  ['JSON', JSON.stringify({ method: 'POST', path: PATH, headers: Object.fromEntries(HEADERS), body: BODY })],
  [
    'JSON behind a byte order mark',
    `\ufeff${JSON.stringify({ method: 'POST', path: PATH, headers: HEADERS, body: BODY })}`,
  ],
  [
    'JSON with base64',
    { method: 'POST', path: PATH, headers: HEADERS, bodyBase64: Buffer.from(BODY).toString('base64') },
  ],
  ['JSON with a URL', { method: 'POST', path: `https://shop.example${PATH}`, headers: HEADERS, body: BODY }],
  ['JSON with a Buffer', JSON.stringify({ method: 'POST', path: PATH, headers: HEADERS, body: Buffer.from(BODY) })],
  [
    'an object with bytes',
    { method: 'POST', path: PATH, headers: new Headers(Object.fromEntries(HEADERS)), body: Buffer.from(BODY) },
  ],
  [
    'an event of API Gateway',
    {
      rawPath: '/hook',
      rawQueryString: 'a=1',
      httpMethod: 'POST',
      headers: Object.fromEntries(HEADERS),
      body: Buffer.from(BODY).toString('base64'),
      isBase64Encoded: true,
    },
  ],
]

describe('readCapture reads', () => {
  test.each(FORMS)('%s', (_, captured) => {
    const { method, path, headers, body, notes } = readCapture(captured, MAX, undefined)
    expect({ method, path, body: Buffer.from(body).toString(), notes }).toEqual({
      method: 'POST',
      path: PATH,
      body: BODY,
      notes: [],
    })
    const known = new Map(headers.map(([name, value]) => [name.toLowerCase(), value]))
    for (const [name, value] of HEADERS) expect(known.get(name.toLowerCase())).toBe(value)
  })

  test.each(['constructor', '__proto__', 'toString'])('a curl command with the URL %s', (url) => {
    expect(readCapture(`curl ${url} -d x`, MAX, undefined)).toMatchObject({ path: '/', body: Buffer.from('x') })
    expect(() => readCapture(`curl -d ${url}`, MAX, undefined)).toThrow('The curl command has no URL.')
  })

  test('a response in raw HTTP', () => {
    const { direction, status, method, path } = readCapture(http('\r\n', 'HTTP/1.1 401 Unauthorized'), MAX, undefined)
    expect({ direction, status, method, path }).toEqual({
      direction: 'response',
      status: 401,
      method: undefined,
      path: undefined,
    })
  })

  test('the response of a HAR entry, with the path of its request, with direction "response"', () => {
    const { direction, status, method, path, body } = readCapture(har, MAX, 'response')
    expect({ direction, status, method, path, body: Buffer.from(body).toString() }).toEqual({
      ...{ direction: 'response', status: 200, method: 'POST', path: PATH, body: '{}' },
    })
  })

  test('the entry of a HAR file that has a signature, and notes that there are others', () => {
    const other = { ...har, request: { ...har.request, url: 'https://a.example/', headers: [] } }
    const { path, notes } = readCapture({ log: { entries: [other, har] } }, MAX, undefined)
    expect({ path, notes }).toEqual({ path: PATH, notes: [expect.stringContaining('has 2 entries')] })
  })

  test('a header that continues on the next line', () => {
    const { headers } = readCapture('POST / HTTP/1.1\r\nA: b,\r\n c\r\n\r\n', MAX, undefined)
    expect(headers).toEqual([['A', 'b, c']])
  })

  test('the bytes of a body that are not UTF-8', () => {
    const captured = Buffer.concat([Buffer.from('POST / HTTP/1.1\r\nA: b\r\n\r\n'), Buffer.of(0xff, 0x00, 0x0d, 0x0a)])
    expect([...readCapture(captured, MAX, undefined).body]).toEqual([0xff, 0x00, 0x0d, 0x0a])
  })
})

describe('readCapture recognizes', () => {
  const formOf = (captured: unknown) => readCapture(captured, MAX, undefined).form

  test.each([
    ['curl', 'curl https://a.example/'],
    ['curl', ' \n$ curl.exe https://a.example/'],
    ['http', 'POST /curl HTTP/1.1\r\nA: b\r\n\r\n'],
    ['json', ' \n{"headers":{}}'],
    ['har', [har][0]],
  ])('%s', (form, captured) => expect(formOf(captured)).toBe(form))

  test('a byte order mark at the start only', () => {
    expect(() => formOf('cu\ufeffrl https://a.example/')).toThrow('This is not a message')
    const { body } = readCapture('{"headers":{},"body":"\ufeffx"}', MAX, undefined)
    expect(Buffer.from(body).toString()).toBe('\ufeffx')
  })
})

describe('readCapture accepts', () => {
  test('a body of the largest size, and no larger one', () => {
    const captured = (size: number) => ({ headers: {}, body: 'x'.repeat(size) })
    expect(readCapture(captured(10), 10, undefined).body).toHaveLength(10)
    expect(() => readCapture(captured(11), 10, undefined)).toThrow('The limit is 10 bytes')
  })

  test('six characters for each byte of a body, and a mebibyte of headers', () => {
    const largest = 6 * 600 + 1_048_576
    expect(() => readCapture('x'.repeat(largest), 600, undefined)).toThrow('This is not a message')
    expect(() => readCapture('x'.repeat(largest + 1), 600, undefined)).toThrow('larger than a message')
  })
})

describe('readCapture notes', () => {
  test.each([
    [
      'a Content-Length that differs from the body',
      http('\r\n', undefined, ['Content-Length: 9']),
      /Content-Length is 9, but the captured body has 16/,
    ],
    ['chunks that are joined already', http('\r\n', undefined, ['Transfer-Encoding: chunked']), /has no chunks/],
    ['a body that is parsed', { headers: {}, body: { a: 1 } }, /is a parsed object, not text/],
  ])('%s', (_, captured, expected) => {
    expect(readCapture(captured, MAX, undefined).notes).toEqual([expect.stringMatching(expected)])
  })
})

describe('readCapture rejects with ERR_REQUEST', () => {
  test.each([
    ['nothing', '', /is not a message/],
    ['a sentence', 'SECRET of the customer', /is not a message/],
    ['a number', 1, /Pass the text or the bytes/],
    ['null', null, /Pass the text or the bytes/],
    ['a header that is none', 'POST / HTTP/1.1\nSECRET\n\n', /Line 2 of the message is not a header/],
    ['JSON that is cut off', '{"method":"POST","SECRET', /begins like JSON, but cannot be parsed/],
    ['JSON without headers', '{"method":"POST"}', /has no "headers"/],
    ['a list', '[1]', /is a list/],
    ['a HAR file without entries', { log: { entries: [] } }, /has no entry with a request/],
    ['base64 that is none', { headers: {}, bodyBase64: 'SECRET!' }, /base64 body of the capture cannot be decoded/],
    ['a curl command without a URL', "curl -H 'a: b'", /has no URL/],
    ['a curl command that is cut off', "curl https://a.example/ -d 'SECRET", /an unclosed quote/],
    ['a curl command with its body in a file', 'curl https://a.example/ --data-binary @SECRET', /is in a file/],
    ['a curl command in another charset', Buffer.from('curl https://a.example/ -d \xff', 'latin1'), /is not UTF-8/],
    ['a body that is too large', http('\r\n') + 'x'.repeat(MAX), /The limit is 1048576 bytes/],
    ['a text that is too large', 'x'.repeat(MAX * 8), /is larger than a message/],
    ['too many headers', `POST / HTTP/1.1\n${'A: b\n'.repeat(1_001)}\n`, /more than 1000 header lines/],
  ])('%s', (_, captured, expected) => {
    const run = () => readCapture(captured, MAX, undefined)
    expect(run).toThrow(ConfigurationError)
    expect(run).toThrow(expect.objectContaining({ code: 'ERR_REQUEST', message: expect.stringMatching(expected) }))
    expect(run).toThrow(expect.objectContaining({ message: expect.not.stringContaining('SECRET') }))
  })
})

import { describe, expect, test } from 'vitest'
import { readHttp } from '../../../src/diagnosis/capture/http.ts'
import { ConfigurationError } from '../../../src/errors.ts'
import { bytesOf } from '../../support/messages.ts'

const read = (text: string | Uint8Array) => {
  const { body, ...parts } = readHttp(bytesOf(text))
  return { ...parts, body: Buffer.from(body).toString('latin1') }
}
const headersOf = (lines: string) => read(`POST / HTTP/1.1\n${lines}\n\n`).headers

describe('readHttp reads the first line', () => {
  test.each([
    ['POST /a?b HTTP/1.1', 'POST', '/a?b'],
    ['post \t/a\tHTTP/2', 'post', '/a'],
    ['GET https://a.example/b HTTP/1.0', 'GET', 'https://a.example/b'],
    ['PUT /a', 'PUT', '/a'],
    ['> POST /a HTTP/1.1', 'POST', '/a'],
    ['>POST /a HTTP/1.1', 'POST', '/a'],
    ['\ufeffPOST /a HTTP/1.1', 'POST', '/a'],
    ['\r\n\n \nPOST /a HTTP/1.1', 'POST', '/a'],
    ['\nPOST /a HTTP/1.1', 'POST', '/a'],
    ['> \n> POST /a HTTP/1.1', 'POST', '/a'],
    ['POST /a  HTTP/1.1', 'POST', '/a'],
  ])('of a request: %j', (line, method, path) => {
    expect(read(`${line}\r\nA: b\r\n\r\nbody`)).toEqual({
      direction: 'request',
      method,
      path,
      status: undefined,
      headers: [['A', 'b']],
      body: 'body',
      notes: [],
    })
  })

  test.each(['HTTP/1.1 401 Unauthorized', 'HTTP/2 401', '< HTTP/1.1\t401', 'HTTP/1.1  401'])(
    'of a response: %j',
    (line) => {
      expect(read(`${line}\nA: b\n\nbody`)).toEqual({
        direction: 'response',
        method: undefined,
        path: undefined,
        status: 401,
        headers: [['A', 'b']],
        body: 'body',
        notes: [],
      })
    },
  )

  test('in the pseudo-headers of HTTP/2', () => {
    const request = ':method: POST\n:path: /a\n:authority: b.example\nA: b\n\nbody'
    expect(read(request)).toMatchObject({ direction: 'request', method: 'POST', path: '/a', headers: [['A', 'b']] })
    const response = ':status: 200\nA: b\n\nbody'
    expect(read(response)).toMatchObject({
      direction: 'response',
      status: 200,
      method: undefined,
      headers: [['A', 'b']],
    })
    expect(read(response).path).toBeUndefined()
  })

  test.each([
    'hello',
    'a POST /a HTTP/1.1',
    'POST',
    'POST /a HTTP/1.1 x',
    'POST /a b HTTP/1.1',
    'HTTP/1.1 20',
    ' HTTP/1.1 200',
    '',
  ])('and rejects %j', (line) => {
    expect(() => read(`${line}\nA: b\n\n`)).toThrow(
      new ConfigurationError(
        'ERR_REQUEST',
        'This is not a message: the first line is neither a request line such as "POST /path HTTP/1.1" nor a status line. Pass raw HTTP, a curl command, a HAR entry or JSON.',
      ),
    )
  })
})

describe('readHttp reads headers', () => {
  test.each<[lines: string, headers: string[][]]>([
    [
      'A: b\nC:d\nE : \t f \t',
      [
        ['A', 'b'],
        ['C', 'd'],
        ['E', 'f'],
      ],
    ],
    ['A: b: c', [['A', 'b: c']]],
    ['A:', [['A', '']]],
    ['A: b,\n c\n\t d ', [['A', 'b, c d']]],
    [
      '> A: b\n> C: d',
      [
        ['A', 'b'],
        ['C', 'd'],
      ],
    ],
    ['A: é', [['A', 'é']]],
    ['A: <b>', [['A', '<b>']]],
  ])('in %j', (lines, headers) => expect(headersOf(lines)).toEqual(headers))

  test.each([
    ['A: b\nC d', 3],
    ['A b: c', 2],
    [': b', 2],
    [' A: b', 2],
  ])('and rejects %j with the number of the line', (lines, line) => {
    expect(() => headersOf(lines)).toThrow(
      new ConfigurationError('ERR_REQUEST', `Line ${line} of the message is not a header such as "Name: value".`),
    )
  })

  test('up to 1,000 lines', () => {
    const request = (count: number) => `POST / HTTP/1.1\n${'A: b\n'.repeat(count)}\n`
    expect(read(request(999)).headers).toHaveLength(999)
    expect(() => read(request(1_000))).toThrow('The capture has more than 1000 header lines.')
  })
})

describe('readHttp reads the body', () => {
  test.each([
    ['POST / HTTP/1.1\r\nA: b\r\n\r\n\r\nx\n\n', '\r\nx\n\n'],
    ['POST / HTTP/1.1\nA: b\n>\nbody', 'body'],
    ['< HTTP/1.1 200\n< A: b\n< \nbody', 'body'],
    ['POST / HTTP/1.1\nA: b', ''],
    ['POST / HTTP/1.1\nA: b\n', ''],
    ['POST / HTTP/1.1\n\nbody', 'body'],
  ])('after the first empty line of %j', (text, body) => expect(read(text)).toMatchObject({ body, notes: [] }))

  const withLength = (length: string, rest: string) => read(`POST / HTTP/1.1\ncontent-LENGTH: ${length}\n\n${rest}`)

  test.each([
    ['4', 'body', 'body'],
    ['4', 'body\r\n\n', 'body'],
    ['x', 'body', 'body'],
    ['4 bytes', 'body!', 'body!'],
    ['1234567890123456', 'body', 'body'],
  ])('with Content-Length %s: %j', (length, rest, body) => {
    expect(withLength(length, rest)).toMatchObject({ body, notes: [] })
  })

  test.each([
    ['5', 'body', 4],
    ['3', 'body', 4],
    ['4', 'body\n ', 6],
    ['4', 'body \n', 6],
    ['123456789012345', 'body', 4],
  ])('whole, with a note, when Content-Length %s does not fit to %j', (length, rest, bytes) => {
    expect(withLength(length, rest)).toMatchObject({
      body: rest,
      notes: [
        `Content-Length is ${length}, but the captured body has ${bytes} bytes: the body was cut or changed, in transit or in the capture.`,
      ],
    })
  })

  const chunked = (rest: string) =>
    read(`POST / HTTP/1.1\nTransfer-Encoding: gzip, Chunked\nContent-Length: 1\n\n${rest}`)

  test.each([
    ['0\r\n\r\n', ''],
    ['4\r\nbody\r\n0\r\n\r\n', 'body'],
    ['2;x=1\r\nbo\r\n2 ; y\r\ndy\r\n0\r\nTrailer: x\r\n\r\n', 'body'],
    ['4\nbody\n0\n', 'body'],
    ['A\r\n0123456789\r\na\r\n0123456789\r\n0\r\n', '01234567890123456789'],
    ['00000002\r\n\r\n\r\n0\r\n', '\r\n'],
  ])('from chunks: %j', (rest, body) => expect(chunked(rest)).toMatchObject({ body, notes: [] }))

  test.each([
    'body',
    '',
    'body\r\n',
    '4\r\nbod',
    '4\r\nbody',
    '4\r\nbodyx\r\n0\r\n',
    '4\r\nbody\r\n',
    '4\r\nbody\r\n00',
    '4\r\nbodyx0\r\n\r\n',
    '4 4\r\nbody\r\n0\r\n',
    'x4\r\nbody\r\n0\r\n',
    '000000004\r\nbody\r\n0\r\n',
  ])('as it is, with a note, when it has no chunks: %j', (rest) => {
    expect(chunked(rest)).toMatchObject({
      body: rest,
      notes: ['Transfer-Encoding is chunked, but the body has no chunks: the capture has joined them.'],
    })
  })
})

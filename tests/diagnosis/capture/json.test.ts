import { describe, expect, test } from 'vitest'
import { readJson } from '../../../src/diagnosis/capture/json.ts'
import { ConfigurationError } from '../../../src/errors.ts'

const read = (value: object, expected?: 'request' | 'response') => {
  const { body, ...parts } = readJson(value, expected)
  return { ...parts, body: Buffer.from(body).toString() }
}
const rejects = (value: object, message: string) =>
  expect(() => readJson(value, undefined)).toThrow(new ConfigurationError('ERR_REQUEST', message))

describe('readJson reads an object', () => {
  test('with everything that it may have', () => {
    const message = { method: 'PUT', path: '/a', status: 201, headers: { A: 'b' }, body: 'x' }
    expect(read(message)).toEqual({
      form: 'json',
      direction: 'response',
      method: 'PUT',
      path: '/a',
      status: 201,
      headers: [['a', 'b']],
      body: 'x',
      notes: [],
    })
  })

  test('with headers alone', () => {
    expect(read({ headers: {} })).toEqual({
      form: 'json',
      direction: undefined,
      method: undefined,
      path: undefined,
      status: undefined,
      headers: [],
      body: '',
      notes: [],
    })
  })

  test.each([
    [{ path: '/a', url: '/b' }, '/a'],
    [{ url: '/b', rawPath: '/c' }, '/b'],
    [{ rawPath: '/c', rawQueryString: 'd=1' }, '/c?d=1'],
    [{ rawPath: '/c', rawQueryString: '' }, '/c'],
    [{ rawQueryString: 'd=1' }, undefined],
    [{ path: 'HTTPS://a.example/b?c#d' }, '/b?c'],
    [{ path: '/x?u=https://a.example/b#c' }, '/x?u=https://a.example/b#c'],
    [{ path: 'http://a.example/b' }, '/b'],
    [{ path: 1 }, undefined],
  ])('with the path of %j', (members, path) => expect(read({ headers: {}, ...members }).path).toBe(path))

  test.each([
    [{ method: 'PUT', httpMethod: 'POST' }, 'PUT'],
    [{ httpMethod: 'POST' }, 'POST'],
    [{ method: 1 }, undefined],
  ])('with the method of %j', (members, method) => expect(read({ headers: {}, ...members }).method).toBe(method))

  test('with a status that is a number only', () => {
    expect(read({ headers: {}, status: '200' })).toMatchObject({ direction: undefined, status: undefined })
  })

  test.each([
    [{ A: ['b', 'c'] }, [['a', 'b, c']]],
    [
      [
        ['A', 'b'],
        ['C', 'd'],
      ],
      [
        ['a', 'b'],
        ['c', 'd'],
      ],
    ],
    [
      [
        { name: 'A', value: 'b' },
        { name: ':path', value: '/c' },
        { name: 'D', value: 1 },
      ],
      [
        ['A', 'b'],
        ['D', ''],
      ],
    ],
    [[], []],
  ])('with the headers %j', (headers, expected) => expect(read({ headers }).headers).toEqual(expected))

  test.each<[members: object, body: string]>([
    [{ body: 'a', text: 'b' }, 'a'],
    [{ text: 'b' }, 'b'],
    [{ body: null, text: 'b' }, 'b'],
    [{ text: null }, ''],
    [{ bodyBase64: 'YQ==', body: 'b' }, 'a'],
    [{ bodyBase64: null, body: 'b' }, 'b'],
    [{ bodyBase64: '' }, ''],
    [{ bodyBase64: ' Y\nQ' }, 'a'],
    [{ body: 'YQ==', isBase64Encoded: true }, 'a'],
    [{ body: 'YQ==', encoding: 'base64' }, 'a'],
    [{ body: 'YQ==', isBase64Encoded: 'true', encoding: 'utf8' }, 'YQ=='],
    [{ body: new Uint8Array([0x61]) }, 'a'],
    [{ body: { type: 'Buffer', data: [0x61, 98] } }, 'ab'],
  ])('with the body of %j', (members, body) =>
    expect(read({ headers: {}, ...members })).toMatchObject({ body, notes: [] }),
  )

  test.each<[body: unknown, text: string]>([
    [{ a: 1 }, '{"a":1}'],
    [[1], '[1]'],
    [5, '5'],
    [{ type: 'Buffer' }, '{"type":"Buffer"}'],
    [{ data: [1] }, '{"data":[1]}'],
    [() => 1, ''],
  ])('with a body that is not text, and notes it: %j', (body, text) => {
    expect(read({ headers: {}, body })).toMatchObject({
      body: text,
      notes: ['The captured body is a parsed object, not text: the received bytes are lost. Capture the raw body.'],
    })
  })

  test.each([
    [{ body: 5n }, 'The captured body is an object that cannot be written as JSON. Pass its text or bytes.'],
    [{ bodyBase64: 5 }, 'The base64 body of the capture cannot be decoded.'],
    [{ bodyBase64: '!' }, 'The base64 body of the capture cannot be decoded.'],
  ])('and rejects it with a body that cannot be read', (members, message) =>
    rejects({ headers: {}, ...members }, message),
  )

  test('and rejects it with headers that are none', () => {
    expect(() => read({ headers: [null] })).toThrow(ConfigurationError)
  })

  test('and rejects it without headers', () => {
    rejects(
      { path: '/', body: '' },
      'The JSON has no "headers". Pass { method, path, headers, body }, or "bodyBase64" instead of "body".',
    )
  })
})

const entry = (request: object = {}, more: object = {}) => ({
  request: { method: 'PUT', url: 'https://a.example/b?c', headers: [{ name: 'A', value: 'b' }], ...request },
  ...more,
})

describe('readJson reads a HAR entry', () => {
  test('with everything that it may have', () => {
    const postData = { text: 'x' }
    expect(read(entry({ postData }, { startedDateTime: '2024-05-22T01:12:21.000Z' }))).toEqual({
      form: 'har',
      direction: 'request',
      method: 'PUT',
      path: '/b?c',
      status: undefined,
      headers: [
        ['A', 'b'],
        ['Host', 'a.example'],
      ],
      body: 'x',
      capturedAt: 1716340341000,
      notes: [],
    })
  })

  test('without what it may lack', () => {
    expect(read({ request: { headers: [] } })).toMatchObject({
      form: 'har',
      method: undefined,
      path: '/',
      headers: [],
      body: '',
      capturedAt: undefined,
    })
    expect(() => read({ request: { url: '/a' } })).toThrow('"headers" is undefined.')
    expect(read({ request: { headers: [], path: '/p' } }).path).toBe('/p')
    expect(read(entry({ text: 'own' })).body).toBe('own')
    expect(read(entry({ postData: 'x', text: 'own' })).body).toBe('own')
  })

  test('with the Host of its headers before that of its URL', () => {
    const [host, other] = [
      { name: 'HOST', value: 'h' },
      { name: 'A', value: 'b' },
    ]
    expect(read(entry({ headers: [host, other] })).headers).toEqual([
      ['HOST', 'h'],
      ['A', 'b'],
    ])
  })

  test('as a response', () => {
    const response = {
      status: 200,
      headers: [{ name: 'R', value: 's' }],
      content: { text: 'eA==', encoding: 'base64' },
    }
    expect(read(entry({}, { response }), 'response')).toMatchObject({
      direction: 'response',
      status: 200,
      method: 'PUT',
      path: '/b?c',
      headers: [
        ['R', 's'],
        ['Host', 'a.example'],
      ],
      body: 'x',
    })
    expect(read(entry({}, { response: { headers: [], status: 0 } }), 'response').status).toBeUndefined()
    expect(read(entry({ status: 5 }), 'request').status).toBeUndefined()
    expect(read(entry({}, { response }), 'request')).toMatchObject({ direction: 'request', status: undefined })
  })

  test('and notes what was lost', () => {
    expect(read(entry({ postData: { text: { a: 1 } } })).notes).toEqual([expect.stringContaining('is a parsed object')])
  })

  test('but not an object whose request is no request', () => {
    for (const request of ['x', null, {}]) expect(read({ request, headers: {} }).form).toBe('json')
  })
})

describe('readJson reads a HAR file', () => {
  const har = (...entries: unknown[]) => ({ log: { entries } })
  const signed = entry({ url: '/signed', headers: [{ name: 'SIGNATURE', value: 's' }] })

  test('with its first entry that has a signature, or its first entry', () => {
    expect(read(har(signed)).notes).toEqual([])
    const note = (count: number) => `The HAR file has ${count} entries: this is the first one with a Signature header.`
    expect(read(har(null, 'x', {}, entry(), signed, signed))).toMatchObject({ path: '/signed', notes: [note(3)] })
    expect(read(har(entry({ url: '/1' }), entry({ url: '/2' })))).toMatchObject({ path: '/1', notes: [note(2)] })
  })

  test('with the notes of the entry first', () => {
    const { notes } = read(har(entry({ postData: { text: 1 } }), entry()))
    expect(notes).toEqual([expect.stringContaining('parsed object'), expect.stringContaining('2 entries')])
  })

  test('and rejects it without an entry, and a list', () => {
    const message = 'The HAR file has no entry with a request.'
    rejects(har(), message)
    rejects(har({ response: {} }), message)
    expect(() => readJson(har(entry()), 'response')).toThrow(message)
    rejects([entry()], 'The capture is a list. Pass one message, or a HAR file.')
  })

  test('up to 10,000 entries', () => {
    const entries = Array.from({ length: 10_000 }, () => ({}))
    expect(read(har(...entries.slice(1), signed)).path).toBe('/signed')
    rejects(har(...entries, signed), 'The HAR file has no entry with a request.')
  })
})

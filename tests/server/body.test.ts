import { Readable } from 'node:stream'
import { describe, expect, test, vi } from 'vitest'
import { assertContentLength, readBody } from '../../src/server/body.ts'
import { PARSED_BODY, type RequestBody } from '../../src/server/http.ts'
import { deferred } from '../support/deferred.ts'
import { rejectionOf, thrownBy } from '../support/thrown.ts'

const limits = { maxBytes: 10 }
const textOf = async (body: RequestBody) => Buffer.from(await readBody(body, limits)).toString()

async function* stream(...parts: (Uint8Array | string | Error)[]): AsyncGenerator<Uint8Array | string> {
  for (const part of parts) {
    if (part instanceof Error) throw part
    yield part
  }
}

describe('readBody', () => {
  test.each<[string, () => RequestBody, string]>([
    ['a string', () => 'héllo', 'héllo'],
    ['bytes', () => Buffer.from('hello'), 'hello'],
    ['a stream of bytes', () => stream(Buffer.from('he'), Buffer.from('llo')), 'hello'],
    ['a stream of one chunk', () => stream(Buffer.from('hello')), 'hello'],
    ['a stream of strings', () => stream('hé', 'llo'), 'héllo'],
    ['a character split between two chunks', () => stream(Buffer.from([0xc3]), Buffer.from([0xa9])), 'é'],
    ['a stream of node:stream', () => Readable.from([Buffer.from('hello')]), 'hello'],
    ['a web stream', () => new Blob(['hello']).stream(), 'hello'],
    ['an empty stream', () => stream(), ''],
    ['null', () => null, ''],
    ['undefined', () => undefined, ''],
    ['a string of exactly maxBytes', () => '0123456789', '0123456789'],
    ['a stream of exactly maxBytes', () => stream('01234', '56789'), '0123456789'],
  ])('reads %s', async (_, body, text) => {
    expect(await textOf(body())).toBe(text)
  })
})

describe('readBody, above maxBytes,', () => {
  test.each<[string, () => RequestBody]>([
    ['a string', () => '0123456789a'],
    ['a string of fewer characters', () => 'éééééé'],
    ['bytes', () => new Uint8Array(11)],
    ['a stream', () => stream('012345', '6789a')],
    ['a stream of one chunk', () => stream('0123456789a')],
  ])('rejects %s with ERR_BODY_TOO_LARGE', async (_, body) => {
    expect(await rejectionOf(readBody(body(), limits))).toMatchObject({ code: 'ERR_BODY_TOO_LARGE' })
  })

  test('does not read a stream to its end', async () => {
    const produceChunk = vi.fn()
    const ended = vi.fn()
    async function* endless() {
      try {
        for (;;) {
          produceChunk()
          yield '01234'
        }
      } finally {
        ended()
      }
    }
    expect(await rejectionOf(readBody(endless(), limits))).toMatchObject({ code: 'ERR_BODY_TOO_LARGE' })
    expect(produceChunk).toHaveBeenCalledTimes(3)
    expect(ended).toHaveBeenCalledOnce()
  })
})

test('readBody rejects with ERR_BODY_INCOMPLETE when the stream fails with any error, and does not quote the error', async () => {
  for (const reason of [new Error('SECRET-1'), new TypeError('aborted')]) {
    const error = await rejectionOf(readBody(stream('0123', reason), limits))
    expect(error).toMatchObject({ code: 'ERR_BODY_INCOMPLETE' })
    expect(error).not.toHaveProperty('cause')
    expect(error.message).not.toContain('SECRET-1')
  }
})

test('readBody copies each chunk, so that a stream can reuse its buffer', async () => {
  async function* reuseBuffer() {
    const chunk = Buffer.alloc(1)
    for (const character of 'hello') {
      chunk.write(character)
      yield chunk
    }
  }
  expect(await textOf(reuseBuffer())).toBe('hello')
})

describe('readBody, with a stream that never continues,', () => {
  const silent = () => new ReadableStream<Uint8Array>()

  test('rejects with ERR_BODY_INCOMPLETE when its signal is aborted', async () => {
    const caller = new AbortController()
    const reading = rejectionOf(readBody(silent(), { ...limits, signal: caller.signal }))
    caller.abort()
    expect(await reading).toMatchObject({ code: 'ERR_BODY_INCOMPLETE' })
  })

  test('rejects with ERR_BODY_INCOMPLETE when its signal was aborted before', async () => {
    expect(await rejectionOf(readBody(silent(), { ...limits, signal: AbortSignal.abort() }))).toMatchObject({
      code: 'ERR_BODY_INCOMPLETE',
    })
  })

  test('stops reading when the stream continues after the abort', async () => {
    const caller = new AbortController()
    const gate = deferred()
    const ended = vi.fn()
    async function* lateStream() {
      try {
        await gate.promise
        yield '01234'
        yield '56789'
      } finally {
        ended()
      }
    }
    const reading = rejectionOf(readBody(lateStream(), { ...limits, signal: caller.signal }))
    caller.abort()
    await reading
    gate.resolve()
    await vi.waitFor(() => expect(ended).toHaveBeenCalledOnce())
  })
})

describe('readBody, after a body parser,', () => {
  test.each<[string, unknown]>([
    ['an object', { a: 1 }],
    ['an empty object', {}],
    ['an array', []],
    ['a number', 5],
    ['a boolean', false],
    ['form data', new FormData()],
    ['an ArrayBuffer', new ArrayBuffer(4)],
    ['PARSED_BODY', PARSED_BODY],
    ['a stream that yields PARSED_BODY', Readable.from([PARSED_BODY])],
  ])('rejects %s with ERR_BODY_PARSED and the hint', async (_, body) => {
    const error = await rejectionOf(readBody(body as RequestBody, { ...limits, parsedBodyHint: 'Do this.' }))
    expect(error).toMatchObject({ name: 'ConfigurationError', code: 'ERR_BODY_PARSED' })
    expect(error.message).toMatch(/parsed before its signature could be verified.* Do this\.$/)
  })

  test('rejects a stream of objects with ERR_BODY_PARSED', async () => {
    const error = await rejectionOf(readBody(Readable.from([{ a: 1 }]) as RequestBody, limits))
    expect(error).toMatchObject({ name: 'ConfigurationError', code: 'ERR_BODY_PARSED' })
  })
})

test.each([['11'], ['1e9'], ['0x7fffffff'], ['Infinity']])(
  'assertContentLength refuses the Content-Length %s above maxBytes',
  (length) => {
    expect(thrownBy(() => assertContentLength(length, 10))).toMatchObject({ code: 'ERR_BODY_TOO_LARGE' })
  },
)

test.each([['10'], ['0'], [''], ['nonsense'], [undefined]])(
  'assertContentLength accepts the Content-Length %s: the body is measured when it is read',
  (length) => {
    expect(() => assertContentLength(length, 10)).not.toThrow()
  },
)

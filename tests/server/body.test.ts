import { Readable } from 'node:stream'
import { describe, expect, test, vi } from 'vitest'
import { assertContentLength, readBody } from '../../src/server/body.ts'
import { PARSED_BODY, type RequestBody } from '../../src/server/http.ts'
import { deferred } from '../support/deferred.ts'
import { rejectionOf, thrownBy } from '../support/thrown.ts'

const limits = { maxBytes: 10 }
/** What is wrong with bytes is thrown at once, with a stream later: here both reject. */
const read = async (...args: Parameters<typeof readBody>) => await readBody(...args)
const textOf = async (body: RequestBody) => Buffer.from(await read(body, limits)).toString()

async function* stream(...parts: (Uint8Array | string | Error)[]): AsyncGenerator<Uint8Array | string> {
  for (const part of parts) {
    if (part instanceof Error) throw part
    yield part
  }
}

describe('the bytes are read as they are', () => {
  test.each<[string, () => RequestBody, string]>([
    ['a string', () => 'héllo', 'héllo'],
    ['bytes', () => Buffer.from('hello'), 'hello'],
    ['a stream of bytes', () => stream(Buffer.from('he'), Buffer.from('llo')), 'hello'],
    ['a stream of one piece', () => stream(Buffer.from('hello')), 'hello'],
    ['a stream of strings', () => stream('hé', 'llo'), 'héllo'],
    ['a character cut between two pieces', () => stream(Buffer.from([0xc3]), Buffer.from([0xa9])), 'é'],
    ['a stream of node:stream', () => Readable.from([Buffer.from('hello')]), 'hello'],
    ['a web stream', () => new Blob(['hello']).stream(), 'hello'],
    ['an empty stream', () => stream(), ''],
    ['null', () => null, ''],
    ['undefined', () => undefined, ''],
    ['exactly as many bytes as are accepted', () => '0123456789', '0123456789'],
    ['a stream of exactly as many bytes', () => stream('01234', '56789'), '0123456789'],
  ])('%s', async (_, body, text) => {
    expect(await textOf(body())).toBe(text)
  })
})

describe('more bytes than are accepted are refused', () => {
  test.each<[string, () => RequestBody]>([
    ['a string', () => '0123456789a'],
    ['a string of fewer characters', () => 'éééééé'],
    ['bytes', () => new Uint8Array(11)],
    ['a stream', () => stream('012345', '6789a')],
    ['a stream of one piece', () => stream('0123456789a')],
  ])('%s', async (_, body) => {
    expect(await rejectionOf(read(body(), limits))).toMatchObject({ code: 'ERR_BODY_TOO_LARGE' })
  })

  test('and the stream is not read to its end', async () => {
    const asked = vi.fn()
    const ended = vi.fn()
    async function* endless() {
      try {
        for (;;) {
          asked()
          yield '01234'
        }
      } finally {
        ended()
      }
    }
    expect(await rejectionOf(read(endless(), limits))).toMatchObject({ code: 'ERR_BODY_TOO_LARGE' })
    expect(asked).toHaveBeenCalledTimes(3)
    expect(ended).toHaveBeenCalledOnce()
  })
})

test('a stream that breaks off is an incomplete body, whatever it broke off with', async () => {
  for (const reason of [new Error('SECRET-1'), new TypeError('aborted')]) {
    const error = await rejectionOf(read(stream('0123', reason), limits))
    expect(error).toMatchObject({ code: 'ERR_BODY_INCOMPLETE' })
    expect(error).not.toHaveProperty('cause')
    expect(error.message).not.toContain('SECRET-1')
  }
})

test('no piece is kept: a body that comes byte by byte costs no object for each', async () => {
  async function* reusing() {
    const piece = Buffer.alloc(1)
    for (const character of 'hello') {
      piece.write(character)
      yield piece
    }
  }
  expect(await textOf(reusing())).toBe('hello')
})

describe('a stream that never goes on', () => {
  const silent = () => new ReadableStream<Uint8Array>()

  test('is left when time is up', async () => {
    const deadline = new AbortController()
    const reading = rejectionOf(read(silent(), { ...limits, signal: deadline.signal }))
    deadline.abort()
    expect(await reading).toMatchObject({ code: 'ERR_BODY_INCOMPLETE' })
  })

  test('is not waited for at all when time was up before', async () => {
    expect(await rejectionOf(read(silent(), { ...limits, signal: AbortSignal.abort() }))).toMatchObject({
      code: 'ERR_BODY_INCOMPLETE',
    })
  })

  test('and is not read on when it goes on after all', async () => {
    const deadline = new AbortController()
    const gate = deferred()
    const ended = vi.fn()
    async function* late() {
      try {
        await gate.promise
        yield '01234'
        yield '56789'
      } finally {
        ended()
      }
    }
    const reading = rejectionOf(read(late(), { ...limits, signal: deadline.signal }))
    deadline.abort()
    await reading
    gate.resolve()
    await vi.waitFor(() => expect(ended).toHaveBeenCalledOnce())
  })
})

describe('what a parser has made of the bytes is refused', () => {
  test.each<[string, unknown]>([
    ['an object', { a: 1 }],
    ['an empty object', {}],
    ['an array', []],
    ['a number', 5],
    ['a boolean', false],
    ['form data', new FormData()],
    ['an ArrayBuffer', new ArrayBuffer(4)],
    ['the symbol that says so', PARSED_BODY],
    ['a stream that yields the symbol', Readable.from([PARSED_BODY])],
  ])('%s', async (_, body) => {
    const error = await rejectionOf(read(body as RequestBody, { ...limits, parsedBodyHint: 'Do this.' }))
    expect(error).toMatchObject({ name: 'ConfigurationError', code: 'ERR_BODY_PARSED' })
    expect(error.message).toMatch(/parsed before its signature could be verified.* Do this\.$/)
  })

  test('also when it comes in a stream of objects', async () => {
    const error = await rejectionOf(read(Readable.from([{ a: 1 }]) as RequestBody, limits))
    expect(error).toMatchObject({ name: 'ConfigurationError', code: 'ERR_BODY_PARSED' })
  })
})

test.each([['11'], ['1e9'], ['0x7fffffff'], ['Infinity']])('an announced length of %s is refused', (length) => {
  expect(thrownBy(() => assertContentLength(length, 10))).toMatchObject({ code: 'ERR_BODY_TOO_LARGE' })
})

test.each([['10'], ['0'], [''], ['nonsense'], [undefined]])(
  'an announced length of %s is left to the body to prove',
  (length) => {
    expect(() => assertContentLength(length, 10)).not.toThrow()
  },
)

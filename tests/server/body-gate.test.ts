import { Readable } from 'node:stream'
import { runInNewContext } from 'node:vm'
import { describe, expect, test, vi } from 'vitest'
import { createBodyGate } from '../../src/server/body-gate.ts'
import { PARSED_BODY, type RequestBody } from '../../src/server/http.ts'
import { deferred, until } from '../support/deferred.ts'
import { merchant, SUCCESS, summarize } from '../support/merchant.ts'
import { merchantCredentials, request } from '../support/messages.ts'
import { rejectionOf, thrownBy } from '../support/thrown.ts'

const LIMITS = { maxBodyBytes: 10, maxReading: 100, maxReadingBytes: 1_000, bodyTimeoutMs: 5_000 }

const readBody = (body: RequestBody, options: { parsedBodyHint?: string; connection?: AbortSignal } = {}) =>
  createBodyGate(LIMITS)(undefined).read(body, { request: options, connection: options.connection })
const textOf = async (body: RequestBody) => Buffer.from(await readBody(body)).toString()

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
    ['a string of exactly maxBodyBytes', () => '0123456789', '0123456789'],
    ['a stream of exactly maxBodyBytes', () => stream('01234', '56789'), '0123456789'],
  ])('reads %s', async (_, body, text) => {
    expect(await textOf(body())).toBe(text)
  })
})

describe('readBody, above maxBodyBytes,', () => {
  test.each<[string, () => RequestBody]>([
    ['a string', () => '0123456789a'],
    ['a string of fewer characters', () => 'éééééé'],
    ['bytes', () => new Uint8Array(11)],
    ['a stream', () => stream('012345', '6789a')],
    ['a stream of one chunk', () => stream('0123456789a')],
  ])('rejects %s with ERR_BODY_TOO_LARGE', async (_, body) => {
    const message = 'The body is larger than the limit of 10 bytes.'
    expect(await rejectionOf(readBody(body()))).toMatchObject({ code: 'ERR_BODY_TOO_LARGE', message })
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
    expect(await rejectionOf(readBody(endless()))).toMatchObject({ code: 'ERR_BODY_TOO_LARGE' })
    expect(produceChunk).toHaveBeenCalledTimes(3)
    expect(ended).toHaveBeenCalledOnce()
  })
})

test('readBody rejects with ERR_BODY_INCOMPLETE when the stream fails with any error, and does not quote the error', async () => {
  for (const reason of [new Error('SECRET-1'), new TypeError('aborted')]) {
    const error = await rejectionOf(readBody(stream('0123', reason)))
    const message = 'The connection closed before the body was complete.'
    expect(error).toMatchObject({ code: 'ERR_BODY_INCOMPLETE', message })
    expect(error).not.toHaveProperty('cause')
  }
})

test('readBody rejects with ERR_BODY_INCOMPLETE when the stream fails before its first chunk', async () => {
  expect(await rejectionOf(readBody(stream(new Error('SECRET-1'))))).toMatchObject({ code: 'ERR_BODY_INCOMPLETE' })
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

test("readBody rethrows an error of the merchant's side: only an error of the stream is ERR_BODY_INCOMPLETE", async () => {
  const ours = new Error('ours')
  const options = {
    get parsedBodyHint(): string {
      throw ours
    },
  }
  async function* parsed() {
    yield {}
  }
  async function* broken() {
    yield 'half'
    throw new Error('the stream')
  }
  expect(await rejectionOf(readBody(parsed() as never, options))).toBe(ours)
  expect(await rejectionOf(readBody(broken()))).toMatchObject({ code: 'ERR_BODY_INCOMPLETE' })
})

describe('readBody, with a stream that never continues,', () => {
  const silent = () => new ReadableStream<Uint8Array>()

  test('rejects with ERR_BODY_INCOMPLETE when the connection closes', async () => {
    const caller = new AbortController()
    const reading = rejectionOf(readBody(silent(), { connection: caller.signal }))
    caller.abort()
    expect(await reading).toMatchObject({ code: 'ERR_BODY_INCOMPLETE' })
  })

  test('rejects with ERR_BODY_INCOMPLETE when the connection closed before', async () => {
    expect(await rejectionOf(readBody(silent(), { connection: AbortSignal.abort() }))).toMatchObject({
      code: 'ERR_BODY_INCOMPLETE',
    })
  })

  test('stops reading when the stream continues after the abort', async () => {
    const caller = new AbortController()
    const gate = deferred()
    const ended = vi.fn()
    const producedMore = vi.fn()
    async function* lateStream() {
      try {
        await gate.promise
        yield '01234'
        producedMore()
        yield '56789'
      } finally {
        ended()
      }
    }
    const reading = rejectionOf(readBody(lateStream(), { connection: caller.signal }))
    caller.abort()
    await reading
    gate.resolve()
    await vi.waitFor(() => expect(ended).toHaveBeenCalledOnce())
    expect(producedMore).not.toHaveBeenCalled()
  })
})

describe('maxReadingBytes', () => {
  const gateOf = (maxReadingBytes: number) => createBodyGate({ ...LIMITS, maxBodyBytes: 100, maxReadingBytes })

  test.each<[string, number, string | undefined, string[]]>([
    ['chunks that need a second buffer', 10, '10', ['01234', '56789']],
    ['chunks that fit into a buffer of twice the first chunk', 12, undefined, ['012345', '6', '7', '8901']],
    ['no more than Content-Length', 7, '7', ['012345', '6']],
  ])('is exactly enough for %s', async (_, limit, contentLength, chunks) => {
    const bytes = await gateOf(limit)(contentLength).read(stream(...chunks))
    expect(Buffer.from(bytes).toString()).toBe(chunks.join(''))
  })

  test.each<[string, number, string | undefined, string[]]>([
    ['chunks that need a second buffer', 9, '10', ['01234', '56789']],
    ['a buffer of twice the first chunk', 11, undefined, ['012345', '6']],
    ['Content-Length', 6, '7', ['012345', '6']],
  ])('is too little for %s', async (_, limit, contentLength, chunks) => {
    expect(await rejectionOf(gateOf(limit)(contentLength).read(stream(...chunks)))).toMatchObject({
      code: 'ERR_TRAFFIC',
    })
  })

  test('does not count a body that was aborted and continues later', async () => {
    const enter = gateOf(20)
    const [late, other] = [deferred(), deferred()]
    async function* chunksAfter(gate: Promise<void>, first: string) {
      yield first
      await gate
      yield '56789'
    }
    const caller = new AbortController()
    const aborted = rejectionOf(enter('10').read(chunksAfter(late.promise, '01234'), { connection: caller.signal }))
    caller.abort()
    await aborted
    late.resolve()
    await new Promise((resolve) => setImmediate(resolve))
    const both = ['a', 'b'].map((text) => enter('10').read(chunksAfter(other.promise, text.repeat(5))))
    other.resolve()
    expect((await Promise.all(both)).map(String)).toHaveLength(2)
  })
})

test.each<[string, RequestBody]>([
  ['an ArrayBuffer', Uint8Array.of(49, 50).buffer],
  ['an ArrayBuffer of another realm', runInNewContext('Uint8Array.of(49, 50).buffer')],
  ['a Uint8Array of another realm', runInNewContext('Uint8Array.of(49, 50)')],
  ['a stream of ArrayBuffers', Readable.from([Uint8Array.of(49).buffer, Uint8Array.of(50).buffer])],
])('readBody accepts %s as bytes', async (_, body) => {
  expect(Buffer.from(await readBody(body)).toString()).toBe('12')
})

describe('readBody, after a body parser,', () => {
  test('asks for the bytes when there is no hint', async () => {
    const message = /Give the handler the raw bytes of the request\.$/
    for (const body of [{ a: 1 }, Readable.from([{ a: 1 }])]) {
      const error = await rejectionOf(createBodyGate(LIMITS)(undefined).read(body as never))
      expect(error).toMatchObject({ code: 'ERR_BODY_PARSED', message: expect.stringMatching(message) })
    }
  })

  test('completes the hint if the stream can, and only then', async () => {
    const completeHint = vi.fn((hint: string) => `${hint} And this.`)
    const lost = Object.assign(Readable.from([PARSED_BODY]), { completeHint })
    const error = await rejectionOf(readBody(lost, { parsedBodyHint: 'Do this.' }))
    expect(error.message).toMatch(/ Do this\. And this\.$/)
    expect(completeHint).toHaveBeenCalledOnce()
    const whole = Object.assign(Readable.from([Buffer.from('0')]), { completeHint })
    expect(String(await readBody(whole, { parsedBodyHint: 'Do this.' }))).toBe('48')
    expect(completeHint).toHaveBeenCalledOnce()
  })

  test.each<[string, unknown]>([
    ['an object', { a: 1 }],
    ['an empty object', {}],
    ['an array', []],
    ['a number', 5],
    ['a boolean', false],
    ['form data', new FormData()],
    ['PARSED_BODY', PARSED_BODY],
    ['a stream that yields PARSED_BODY', Readable.from([PARSED_BODY])],
  ])('rejects %s with ERR_BODY_PARSED and the hint', async (_, body) => {
    const error = await rejectionOf(readBody(body as RequestBody, { parsedBodyHint: 'Do this.' }))
    expect(error).toMatchObject({ name: 'ConfigurationError', code: 'ERR_BODY_PARSED' })
    expect(error.message).toMatch(/parsed before its signature could be verified.* Do this\.$/)
  })

  test.each<[string, unknown, string]>([
    ['a Promise', Promise.resolve('{}'), 'The request body is a Promise. Await it'],
    ['a Blob', new Blob(['{}']), 'The request body is a Blob. Give the handler its bytes: await body.arrayBuffer().'],
    ['a Response', new Response('{}'), 'The request body is a Response. Give the handler its bytes'],
    ['a function', () => '{}', 'The request body is a function. Give the handler the raw bytes'],
    ['a symbol', Symbol('any'), 'The request body is a symbol. Give the handler the raw bytes'],
    [
      'a stream without an iterator',
      { getReader: () => {} },
      'The request body is an object. Give the handler a stream',
    ],
    ['a stream of an old kind', { pipe: () => {} }, 'The request body is an object. Give the handler a stream'],
    ['a stream of Blobs', Readable.from([new Blob(['{}'])]), 'The request body is a Blob.'],
  ])('rejects %s with ERR_REQUEST, and names it', async (_, body, message) => {
    const error = await rejectionOf(readBody(body as RequestBody))
    expect(error).toMatchObject({ name: 'ConfigurationError', code: 'ERR_REQUEST' })
    expect(error.message).toContain(message)
  })

  test('names what the parser returned', async () => {
    const error = await rejectionOf(readBody({ a: 1 } as unknown as RequestBody))
    expect(error.message).toContain('The request body is an object: it was parsed before')
  })

  test('says what to give the handler if there is no hint', async () => {
    const error = await rejectionOf(createBodyGate(LIMITS)(undefined).read({ a: 1 } as never))
    expect(error).toMatchObject({ code: 'ERR_BODY_PARSED' })
    expect(error.message).toMatch(/ Give the handler the raw bytes of the request\.$/)
  })

  test('rejects a stream of objects with ERR_BODY_PARSED', async () => {
    const error = await rejectionOf(readBody(Readable.from([{ a: 1 }]) as RequestBody))
    expect(error).toMatchObject({ name: 'ConfigurationError', code: 'ERR_BODY_PARSED' })
  })
})

test.each([['11'], ['1e9'], ['0x7fffffff'], ['Infinity']])(
  'the gate rejects the Content-Length %s above maxBodyBytes before anything is read',
  (length) => {
    expect(thrownBy(() => createBodyGate(LIMITS)(length))).toMatchObject({ code: 'ERR_BODY_TOO_LARGE' })
  },
)

test.each([['10'], ['0'], [''], ['nonsense'], ['2.5'], [undefined]])(
  'the gate accepts the Content-Length %s: the body is measured when it is read',
  async (length) => {
    const enter = createBodyGate(LIMITS)
    expect(Buffer.from(await enter(length).read(stream('01234', '56789'))).toString()).toBe('0123456789')
    expect(await rejectionOf(enter(length).read(stream('01234', '56789a')))).toMatchObject({
      code: 'ERR_BODY_TOO_LARGE',
    })
  },
)

describe('bodies that are received slowly', () => {
  /** A body that sends its first part and then nothing. */
  const halfSent = () => {
    const gate = deferred()
    async function* body() {
      yield '0123'
      await gate.promise
    }
    return body()
  }
  const TRAFFIC = {
    name: 'ProtocolError',
    code: 'ERR_TRAFFIC',
    message: 'Too many request bodies are being received at the same time.',
  }

  test('above maxReading, the oldest is rejected, and the newest is read', async () => {
    const enter = createBodyGate({ ...LIMITS, maxReading: 2 })
    const [first, second] = [enter('8').read(halfSent()), enter('8').read(halfSent())]
    expect(Buffer.from(await enter('5').read(stream('hello'))).toString()).toBe('hello')
    expect(await rejectionOf(first)).toMatchObject(TRAFFIC)
    // There is room for the second one again.
    expect(Buffer.from(await enter('5').read(stream('hello'))).toString()).toBe('hello')
    enter('8')
      .read(halfSent())
      .catch(() => {})
    enter('8')
      .read(halfSent())
      .catch(() => {})
    expect(await rejectionOf(second)).toMatchObject(TRAFFIC)
  })

  test('above maxReadingBytes, the oldest are rejected until the new one fits', async () => {
    const enter = createBodyGate({ ...LIMITS, maxReadingBytes: 14 })
    const slow = [enter('8').read(halfSent()), enter('8').read(halfSent())]
    expect(Buffer.from(await enter('9').read(stream('123456789'))).toString()).toBe('123456789')
    expect(await rejectionOf(slow[0] ?? expect.fail())).toMatchObject(TRAFFIC)
    const isPending = Symbol('pending')
    expect(await Promise.race([slow[1], Promise.resolve(isPending)])).toBe(isPending)
    slow[1]?.catch(() => {})
  })

  test('a body that takes longer than bodyTimeoutMs is rejected with ERR_BODY_TIMEOUT', async () => {
    const enter = createBodyGate({ ...LIMITS, bodyTimeoutMs: 1 })
    const message = 'The body was not received in time.'
    expect(await rejectionOf(enter('8').read(halfSent()))).toMatchObject({ code: 'ERR_BODY_TIMEOUT', message })
  })

  test('a place that is released without reading is free again', async () => {
    const enter = createBodyGate({ ...LIMITS, maxReading: 1 })
    const place = enter('8')
    place.leave()
    expect(Buffer.from(await enter('5').read(stream('hello'))).toString()).toBe('hello')
  })

  test('a place during the credentials lookup is not taken away: the new request is rejected', async () => {
    const enter = createBodyGate({ ...LIMITS, maxReading: 1 })
    const first = enter('8')
    expect(thrownBy(() => enter('8'))).toMatchObject(TRAFFIC)
    expect(Buffer.from(await first.read(stream('hello'))).toString()).toBe('hello')
    expect(Buffer.from(await enter('5').read(stream('hello'))).toString()).toBe('hello')
  })

  test('a Content-Length alone reserves no memory', async () => {
    const enter = createBodyGate({ ...LIMITS, maxBodyBytes: 1_000, maxReadingBytes: 1_000 })
    const slow = Array.from({ length: 50 }, () => enter('1000').read(halfSent()))
    const isPending = Symbol('pending')
    await new Promise(setImmediate)
    expect(Buffer.from(await enter('5').read(stream('hello'))).toString()).toBe('hello')
    for (const reading of slow) {
      reading.catch(() => {})
      expect(await Promise.race([reading, Promise.resolve(isPending)])).toBe(isPending)
    }
  })
})

test('a request whose credentials lookup fails releases its place', async () => {
  const arrival = deferred()
  let isKnown = true
  const credentials = () => {
    if (isKnown) return merchantCredentials()
    throw new Error('the database is down')
  }
  const { handler, events } = merchant({ credentials, maxReading: 2 })
  const { body, ...head } = request()
  let isRead = false
  async function* slowly() {
    isRead = true
    await arrival.promise
    yield body
  }
  const slow = handler({ ...head, body: slowly() })
  await until(() => isRead)
  isKnown = false
  for (let count = 0; count < 3; count++) await handler(request())
  isKnown = true
  arrival.resolve()
  // Places that were not given back would push out the request that is arriving.
  expect(summarize(await slow)).toStrictEqual(SUCCESS)
  expect(events.map(({ code }) => code)).toEqual([...Array(3).fill('ERR_CREDENTIALS_LOOKUP'), 'SUCCESS'])
})

import { beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest'
import { discardRest, fromWebRequest } from '../../src/server/fetch.ts'
import { type IncomingRequest, PARSED_BODY } from '../../src/server/http.ts'
import { createObservers, type ObservedDelivery, readUnread } from '../../src/server/observation.ts'

const MIB = 1_048_576
const URL_OF = 'https://merchant.example'

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
  onTestFinished(() => void vi.useRealTimers())
})

/** Lets everything happen that needs no timer. */
const settle = async () => {
  for (let turn = 0; turn < 10; turn++) await new Promise((resolve) => setImmediate(resolve))
}

/** A stream of chunks, which does not end if it is endless. */
function streamOf(chunks: readonly Uint8Array[], { isEndless = false } = {}) {
  const left = [...chunks]
  const pull = vi.fn((controller: ReadableStreamDefaultController<Uint8Array>) => {
    const chunk = left.shift()
    if (chunk !== undefined) controller.enqueue(chunk)
    else if (!isEndless) controller.close()
  })
  const cancel = vi.fn()
  return { pull, cancel, stream: new ReadableStream<Uint8Array>({ pull, cancel }, { highWaterMark: 0 }) }
}

const post = (path: string, body?: BodyInit | null) =>
  new Request(`${URL_OF}${path}`, { method: 'POST', ...(body && { body, duplex: 'half' }) } as RequestInit)

describe('a Request of the Fetch API', () => {
  test.each([
    ['/hook', '/hook'],
    ['/hook?a=1&b=2', '/hook?a=1&b=2'],
    ['/hook?', '/hook?'],
    ['/hook#part-1', '/hook'],
    ['/hook?a=1#part#2', '/hook?a=1'],
  ])('has the path that the sender signs: %s', (url, path) => {
    expect(fromWebRequest(post(url))).toMatchObject({ method: 'POST', path, body: null })
  })

  test('is not cancelled when the handler stops reading', async () => {
    const { stream, cancel } = streamOf([Buffer.from('a'), Buffer.from('b')])
    const { body } = fromWebRequest(post('/', stream))
    for await (const chunk of body as AsyncIterable<Uint8Array>) {
      expect(Buffer.from(chunk).toString()).toBe('a')
      break
    }
    await settle()
    expect(cancel).not.toHaveBeenCalled()
  })

  test('whose body was read, or is being read, counts as parsed', async () => {
    const read = post('/', '{}')
    await read.text()
    const locked = post('/', '{}')
    locked.body?.getReader()
    for (const request of [read, locked]) expect(fromWebRequest(request).body).toBe(PARSED_BODY)
  })
})

describe('the rest of a body after the response', () => {
  test('is read to its end', async () => {
    const { stream, pull, cancel } = streamOf([Buffer.from('a'), Buffer.from('b')])
    await discardRest(post('/', stream))
    expect(pull).toHaveBeenCalledTimes(3)
    expect(cancel).not.toHaveBeenCalled()
    expect(vi.getTimerCount()).toBe(0)
  })

  test('is cancelled after 16 MiB', async () => {
    const { stream, pull, cancel } = streamOf(Array.from({ length: 20 }, () => new Uint8Array(MIB)))
    await discardRest(post('/', stream))
    expect(pull).toHaveBeenCalledTimes(16)
    expect(cancel).toHaveBeenCalledOnce()
    expect(vi.getTimerCount()).toBe(0)
  })

  test('is cancelled after two seconds', async () => {
    const { stream, cancel } = streamOf([], { isEndless: true })
    const discarding = discardRest(post('/', stream))
    await vi.advanceTimersByTimeAsync(1_999)
    expect(cancel).not.toHaveBeenCalled()
    await vi.advanceTimersByTimeAsync(1)
    await discarding
    expect(cancel).toHaveBeenCalledOnce()
  })

  test('is left alone if there is none, or another reader has it', async () => {
    const locked = post('/', '{}')
    locked.body?.getReader()
    for (const request of [post('/'), locked]) await expect(discardRest(request)).resolves.toBeUndefined()
    expect(vi.getTimerCount()).toBe(0)
  })
})

describe('the body of a request that was rejected for its headers', () => {
  const delivery = (): ObservedDelivery => ({
    startedAt: 0,
    request: { method: 'POST' } as never,
    steps: [],
    events: [],
  })
  const requestWith = (body: unknown) => ({ method: 'POST', path: '/', headers: {}, body }) as IncomingRequest

  async function* chunks(...parts: unknown[]) {
    yield* parts
  }

  test.each<[string, () => unknown, string | undefined]>([
    ['text', () => 'héllo', 'héllo'],
    ['bytes', () => Buffer.from('hello'), 'hello'],
    ['an ArrayBuffer', () => new TextEncoder().encode('hello').buffer, 'hello'],
    ['a stream of bytes', () => chunks(Buffer.from('he'), Buffer.from('llo')), 'hello'],
    ['a stream of text', () => chunks('hé', 'llo'), 'héllo'],
    ['a stream of 1 MiB', () => chunks('x'.repeat(MIB - 1), 'x'), 'x'.repeat(MIB)],
    ['a stream of more than 1 MiB', () => chunks('x'.repeat(MIB), 'x'), undefined],
    ['a stream that another reader has', () => chunks(PARSED_BODY), undefined],
    ['null', () => null, undefined],
    ['undefined', () => undefined, undefined],
    ['a number', () => 5, undefined],
    ['an object', () => ({}), undefined],
  ])('is shown to an observer: %s', async (_, body, expected) => {
    const observed = delivery()
    await readUnread(observed, requestWith(body()))
    expect(observed.body && Buffer.from(observed.body).toString()).toBe(expected)
    expect('body' in observed).toBe(expected !== undefined)
    expect(vi.getTimerCount()).toBe(0)
  })

  test('is awaited for at most a second', async () => {
    const observed = delivery()
    const onRead = vi.fn()
    const reading = readUnread(observed, requestWith(streamOf([], { isEndless: true }).stream)).then(onRead)
    await vi.advanceTimersByTimeAsync(999)
    expect(onRead).not.toHaveBeenCalled()
    await vi.advanceTimersByTimeAsync(1)
    await reading
    expect('body' in observed).toBe(false)
  })

  test('is not read without an observer, or if the handler reads it', async () => {
    const { stream, pull } = streamOf([Buffer.from('a')])
    await readUnread(undefined, requestWith(stream))
    await readUnread({ ...delivery(), isBodyTaken: true }, requestWith(stream))
    expect(pull).not.toHaveBeenCalled()
  })
})

test('an observer gets deliveries until it stops, even without a request', () => {
  const observers = createObservers()
  const request = { method: 'POST', path: '/', headers: {}, body: 'SECRET' }
  expect(observers.start(request, 5)).toBeUndefined()
  const observer = vi.fn()
  const stop = observers.add(observer)
  const delivery = observers.start(request, 5)
  const { body, ...head } = request
  expect(delivery).toStrictEqual({ startedAt: 5, request: head, steps: [], events: [] })
  expect(observers.start(undefined as never, 5)).toMatchObject({ request: {} })
  observers.publish(delivery)
  observers.publish(undefined)
  expect(observer.mock.calls).toStrictEqual([[delivery]])
  stop()
  observers.publish(delivery)
  expect(observer).toHaveBeenCalledOnce()
  expect(observers.start(request, 5)).toBeUndefined()
})

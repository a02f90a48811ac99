import { afterEach, describe, expect, test, vi } from 'vitest'
import { deferred } from '../support/deferred.ts'
import { merchant, SUCCESS, summarize, TRY_LATER } from '../support/merchant.ts'
import { CLIENT_ID, encryptedRequest, PATH, request, type TestRequest } from '../support/messages.ts'

afterEach(() => vi.restoreAllMocks())

const toWeb = ({ method, path, headers, body }: TestRequest, init: RequestInit = {}) =>
  new Request(`https://merchant.example${path}`, { method, headers, body: Buffer.from(body), ...init })

const judged = async (response: Response, path = PATH) =>
  summarize(
    {
      status: response.status,
      headers: Object.fromEntries([...response.headers].map(([name, value]) => [NAMES[name] ?? name, value])),
      body: new Uint8Array(await response.arrayBuffer()),
    },
    { path },
  )

/** Headers come back in lower case. */
const NAMES: Record<string, string> = { encrypt: 'Encrypt' }

describe('a Request is answered with a Response', () => {
  test('in the clear', async () => {
    const response = await merchant().handler.fetch(toWeb(request()))
    expect(response.headers.get('Client-Id')).toBe(CLIENT_ID)
    expect(response.headers.get('Content-Type')).toBe('application/json; charset=UTF-8')
    expect(await judged(response)).toStrictEqual(SUCCESS)
  })

  test('encrypted', async () => {
    expect(await judged(await merchant().handler.fetch(toWeb(encryptedRequest())))).toStrictEqual({
      ...SUCCESS,
      encrypted: true,
    })
  })

  test('over the path and the query string, and not over the host', async () => {
    for (const path of ['/hook?b=2&a=%20', '/hook?', '/hook']) {
      expect(await judged(await merchant().handler.fetch(toWeb(request({ path }))), path)).toStrictEqual(SUCCESS)
    }
  })

  test('whose body is a stream', async () => {
    const body = new Blob([Buffer.from(request().body)]).stream()
    const init = { body, duplex: 'half' } as RequestInit
    expect(await judged(await merchant().handler.fetch(toWeb(request(), init)))).toStrictEqual(SUCCESS)
  })

  test('that a middleware has cloned before it read it', async () => {
    const web = toWeb(request())
    await web.clone().json()
    expect(await judged(await merchant().handler.fetch(web))).toStrictEqual(SUCCESS)
  })

  test('that has no body', async () => {
    const response = await merchant().handler.fetch(new Request(`https://merchant.example${PATH}`))
    expect(await judged(response)).toMatchObject({ status: 405, resultCode: 'METHOD_NOT_SUPPORTED' })
  })

  test('without "this"', async () => {
    const { fetch: POST } = merchant().handler
    expect(await judged(await POST(toWeb(request())))).toStrictEqual(SUCCESS)
  })
})

test.each([
  ['was read before', (web: Request) => web.json()],
  ['is being read', (web: Request) => web.body?.getReader()],
])('a Request that %s tells the developer what to do', async (_, read) => {
  const warn = vi.spyOn(process, 'emitWarning').mockImplementation(() => {})
  const { handler, onOrder, events } = merchant()
  const web = toWeb(request())
  await read(web)
  expect(await judged(await handler.fetch(web))).toStrictEqual({ ...TRY_LATER, status: 500 })
  expect(events).toMatchObject([
    { code: 'ERR_BODY_PARSED', message: expect.stringContaining('request.clone().json()') },
  ])
  expect(warn).toHaveBeenCalledOnce()
  expect(onOrder).not.toHaveBeenCalled()
})

test('a body larger than is accepted is refused before its end; the rest is taken in for a while, and then cancelled', async () => {
  let pulled = 0
  const cancelled = deferred()
  const body = new ReadableStream({
    pull(controller) {
      pulled++
      controller.enqueue(new Uint8Array(100_000))
    },
    cancel: () => cancelled.resolve(),
  })
  const init = { body, duplex: 'half' } as RequestInit
  const response = await merchant({ maxBodyBytes: 200_000 }).handler.fetch(toWeb(request(), init))
  expect(pulled).toBeLessThan(10)
  expect(await judged(response)).toMatchObject({ status: 413 })
  await cancelled.promise
  expect(pulled).toBeLessThan(200)
})

test('the signal of the Request reaches onOrder', async () => {
  const peer = new AbortController()
  const { handler, onOrder } = merchant()
  onOrder.mockImplementationOnce((_, { signal }) => {
    peer.abort()
    return { orderId: String(signal.aborted) }
  })
  const response = await handler.fetch(toWeb(request(), { signal: peer.signal }))
  expect(await judged(response)).toMatchObject({ orderId: 'true' })
})

test('what runs through fetch is waited for by drain', async () => {
  const { handler, onOrder } = merchant()
  const response = handler.fetch(toWeb(request()))
  await handler.drain()
  expect(onOrder).toHaveBeenCalledOnce()
  expect((await response).status).toBe(200)
})

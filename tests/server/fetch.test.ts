import { describe, expect, test } from 'vitest'
import { deferred } from '../support/deferred.ts'
import { merchant, SUCCESS, summarize, TRY_LATER } from '../support/merchant.ts'
import { CLIENT_ID, encryptedRequest, PATH, request, type TestRequest } from '../support/messages.ts'
import { recordWarnings } from '../support/warnings.ts'

const webRequest = ({ method, path, headers, body }: TestRequest, init: RequestInit = {}) =>
  new Request(`https://merchant.example${path}`, { method, headers, body: Buffer.from(body), ...init })

const summarizeResponse = async (response: Response, path = PATH) =>
  summarize(
    {
      status: response.status,
      headers: Object.fromEntries([...response.headers].map(([name, value]) => [NAMES[name] ?? name, value])),
      body: new Uint8Array(await response.arrayBuffer()),
    },
    { path },
  )

/** A Response has lower-case names. */
const NAMES: Record<string, string> = { encrypt: 'Encrypt' }

describe('handler.fetch', () => {
  test('responds to a request that is not encrypted', async () => {
    const response = await merchant().handler.fetch(webRequest(request()))
    expect(response.headers.get('Client-Id')).toBe(CLIENT_ID)
    expect(response.headers.get('Content-Type')).toBe('application/json; charset=UTF-8')
    expect(await summarizeResponse(response)).toStrictEqual(SUCCESS)
  })

  test('responds encrypted to an encrypted request', async () => {
    expect(await summarizeResponse(await merchant().handler.fetch(webRequest(encryptedRequest())))).toStrictEqual({
      ...SUCCESS,
      encrypted: true,
    })
  })

  test('verifies and signs the path and the query string, without the host', async () => {
    for (const path of ['/hook?b=2&a=%20', '/hook?', '/hook']) {
      expect(
        await summarizeResponse(await merchant().handler.fetch(webRequest(request({ path }))), path),
      ).toStrictEqual(SUCCESS)
    }
  })

  test('accepts a body that is a stream', async () => {
    const body = new Blob([Buffer.from(request().body)]).stream()
    const init = { body, duplex: 'half' } as RequestInit
    expect(await summarizeResponse(await merchant().handler.fetch(webRequest(request(), init)))).toStrictEqual(SUCCESS)
  })

  test('accepts a request that a middleware cloned before it read the clone', async () => {
    const web = webRequest(request())
    await web.clone().json()
    expect(await summarizeResponse(await merchant().handler.fetch(web))).toStrictEqual(SUCCESS)
  })

  test('responds with HTTP 405 to a GET without a body', async () => {
    const response = await merchant().handler.fetch(new Request(`https://merchant.example${PATH}`))
    expect(await summarizeResponse(response)).toMatchObject({ status: 405, resultCode: 'METHOD_NOT_SUPPORTED' })
  })

  test('works without "this"', async () => {
    const { fetch: POST } = merchant().handler
    expect(await summarizeResponse(await POST(webRequest(request())))).toStrictEqual(SUCCESS)
  })
})

test.each([
  ['was read', (web: Request) => web.json()],
  ['is locked by a reader', (web: Request) => web.body?.getReader()],
])('handler.fetch reports ERR_BODY_PARSED with the fix when the body %s before', async (_, read) => {
  const emitWarning = recordWarnings()
  const { handler, onOrder, events } = merchant()
  const web = webRequest(request())
  await read(web)
  expect(await summarizeResponse(await handler.fetch(web))).toStrictEqual({ ...TRY_LATER, status: 500, signed: false })
  expect(events).toMatchObject([
    { code: 'ERR_BODY_PARSED', message: expect.stringContaining('request.clone().json()') },
  ])
  expect(emitWarning).toHaveBeenCalledOnce()
  expect(onOrder).not.toHaveBeenCalled()
})

test('handler.fetch responds to a body above maxBodyBytes before its end, drains a part of the rest and cancels it', async () => {
  let chunks = 0
  const cancelled = deferred()
  const body = new ReadableStream({
    pull(controller) {
      chunks++
      controller.enqueue(new Uint8Array(100_000))
    },
    cancel: () => cancelled.resolve(),
  })
  const init = { body, duplex: 'half' } as RequestInit
  const response = await merchant({ maxBodyBytes: 200_000 }).handler.fetch(webRequest(request(), init))
  expect(chunks).toBeLessThan(10)
  expect(await summarizeResponse(response)).toMatchObject({ status: 413 })
  await cancelled.promise
  expect(chunks).toBeLessThan(200)
})

test('handler.fetch passes an abort of the Request to onOrder', async () => {
  const peer = new AbortController()
  const { handler, onOrder } = merchant()
  onOrder.mockImplementationOnce((_, { signal }) => {
    peer.abort()
    return { orderId: String(signal.aborted) }
  })
  const response = await handler.fetch(webRequest(request(), { signal: peer.signal }))
  expect(await summarizeResponse(response)).toMatchObject({ orderId: 'true' })
})

test('handler.drain waits for requests of handler.fetch', async () => {
  const { handler, onOrder } = merchant()
  const response = handler.fetch(webRequest(request()))
  await handler.drain()
  expect(onOrder).toHaveBeenCalledOnce()
  expect((await response).status).toBe(200)
})

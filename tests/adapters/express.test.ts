import { createServer, type IncomingMessage } from 'node:http'
import express, { type Express, Router } from 'express'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { expressOrderSync } from '../../src/adapters/express.ts'
import type { OrderSyncHandler } from '../../src/public/index.ts'
import { listen, send } from '../support/http.ts'
import { merchant, SUCCESS, summarize, TRY_LATER } from '../support/merchant.ts'
import { encryptedRequest, order, PATH, request } from '../support/messages.ts'

type Mount = (app: Express, handler: OrderSyncHandler) => void

async function serve(mount: Mount, options: Parameters<typeof merchant>[0] = {}) {
  const created = merchant(options)
  const app = express()
  mount(app, created.handler)
  const { port, close } = await listen(createServer(app))
  onTestFinished(close)
  return { ...created, port }
}

const keepBytes = (incoming: IncomingMessage, _: unknown, bytes: Buffer) =>
  void Object.assign(incoming, { rawBody: bytes })

describe('expressOrderSync', () => {
  test.each<[string, Mount]>([
    ['without body parsers', (app, handler) => app.post(PATH, expressOrderSync(handler))],
    ['before express.json()', (app, handler) => app.post(PATH, expressOrderSync(handler)).use(express.json())],
    [
      'behind an express.json() that keeps the bytes',
      (app, handler) => app.use(express.json({ verify: keepBytes })).post(PATH, expressOrderSync(handler)),
    ],
    [
      'behind express.raw()',
      (app, handler) => app.use(express.raw({ type: () => true })).post(PATH, expressOrderSync(handler)),
    ],
    [
      'behind express.text()',
      (app, handler) => app.use(express.text({ type: () => true })).post(PATH, expressOrderSync(handler)),
    ],
    [
      'behind express.urlencoded(), which ignores JSON',
      (app, handler) => app.use(express.urlencoded()).post(PATH, expressOrderSync(handler)),
    ],
    ['with use()', (app, handler) => app.use(expressOrderSync(handler))],
    [
      'on a router',
      (app, handler) =>
        app.use('/api/open', Router().post('/alipay/v1/merchant/order/sync', expressOrderSync(handler))),
    ],
    [
      'on a router inside a router',
      (app, handler) => app.use('/api', Router().use('/open', Router().use('/alipay', expressOrderSync(handler)))),
    ],
  ])('processes an order when mounted %s', async (_, mount) => {
    const { port, onOrder } = await serve(mount)
    expect(summarize(await send(port, request()))).toStrictEqual(SUCCESS)
    expect(onOrder.mock.calls[0]?.[0]).toStrictEqual(order())
  })

  test.each<[string, Mount]>([
    ['without body parsers', (app, handler) => app.post(PATH, expressOrderSync(handler))],
    [
      'behind express.json(), which ignores text/plain',
      (app, handler) => app.use(express.json()).post(PATH, expressOrderSync(handler)),
    ],
    ['behind express.text()', (app, handler) => app.use(express.text()).post(PATH, expressOrderSync(handler))],
  ])('processes an encrypted order when mounted %s', async (_, mount) => {
    const { port } = await serve(mount)
    expect(summarize(await send(port, encryptedRequest()))).toStrictEqual({ ...SUCCESS, encrypted: true })
  })

  test('verifies the path and query string as sent when a router shortens the path', async () => {
    const { port } = await serve((app, handler) => app.use('/hooks', Router().post('/sync', expressOrderSync(handler))))
    const path = '/hooks/sync?a=%20'
    expect(summarize(await send(port, request({ path })), { path })).toStrictEqual(SUCCESS)
  })

  test('leaves other routes and their body parser alone', async () => {
    const { port } = await serve((app, handler) => {
      app.post(PATH, expressOrderSync(handler))
      app.use(express.json())
      app.post('/echo', (incoming, response) => void response.json(incoming.body))
    })
    const response = await send(port, {
      method: 'POST',
      path: '/echo',
      headers: { 'Content-Type': 'application/json' },
      body: Buffer.from('{"a":1}'),
    })
    expect(response.body.toString()).toBe('{"a":1}')
  })

  test('responds 413 to a body that is too large', async () => {
    const { port, onOrder } = await serve((app, handler) => app.post(PATH, expressOrderSync(handler)), {
      maxBodyBytes: 1_000,
    })
    const response = await send(port, request({ message: 'x'.repeat(100_000) }))
    expect(summarize(response)).toMatchObject({ status: 413, resultCode: 'PARAM_ILLEGAL', signed: false })
    expect(onOrder).not.toHaveBeenCalled()
  })

  test('verifies the same path when the application trusts X-Forwarded headers', async () => {
    const { port } = await serve((app, handler) => app.set('trust proxy', true).post(PATH, expressOrderSync(handler)))
    const { headers, ...rest } = request()
    const response = await send(port, {
      ...rest,
      headers: { ...headers, 'X-Forwarded-Host': 'evil.example', 'X-Forwarded-Prefix': '/x' },
    })
    expect(summarize(response)).toStrictEqual(SUCCESS)
  })
})

describe('expressOrderSync behind express.json()', () => {
  test.each([
    ['JSON that is not an order', '{"a":1}'],
    ['an order', JSON.stringify(order())],
  ])('responds 500 UNKNOWN_EXCEPTION to %s, and explains the fix in an event and a warning', async (_, message) => {
    const warn = vi.spyOn(process, 'emitWarning').mockImplementation(() => {})
    const { port, onOrder, events, store } = await serve((app, handler) =>
      app.use(express.json()).post(PATH, expressOrderSync(handler)),
    )
    const response = await send(port, request({ message }))
    expect(summarize(response)).toStrictEqual({ ...TRY_LATER, status: 500, signed: false })
    expect(response.body.toString()).not.toMatch(/express|parse/)
    const hint = `  app.post(path, expressOrderSync(handler))
  app.use(express.json())

or keep express.json() away from this path:

  const parseJson = express.json()
  app.use((req, res, next) => (req.path === path ? next() : parseJson(req, res, next)))`
    expect(events).toMatchObject([
      { kind: 'unavailable', code: 'ERR_BODY_PARSED', status: 500, message: expect.stringContaining(hint) },
    ])
    expect(warn.mock.calls).toStrictEqual([
      [expect.stringContaining(hint), { type: 'OrderSyncWarning', code: 'ERR_BODY_PARSED' }],
    ])
    expect(onOrder).not.toHaveBeenCalled()
    expect(store.claim).not.toHaveBeenCalled()
  })

  test('warns once for any number of orders', async () => {
    const warn = vi.spyOn(process, 'emitWarning').mockImplementation(() => {})
    const { port, events } = await serve((app, handler) =>
      app.use(express.json()).post(PATH, expressOrderSync(handler)),
    )
    for (let times = 0; times < 3; times++) await send(port, request())
    expect(events).toHaveLength(3)
    expect(warn).toHaveBeenCalledOnce()
  })

  test.each<[string, Mount]>([
    ['mounts the handler first', (app, handler) => app.post(PATH, expressOrderSync(handler)).use(express.json())],
    [
      'keeps express.json() away from the path',
      (app, handler) => {
        const parseJson = express.json()
        app.use((req, res, next) => (req.path === PATH ? next() : parseJson(req, res, next)))
        app.post(PATH, expressOrderSync(handler))
      },
    ],
  ])(
    'suggests a fix that works for orders of 1 kB and 200 kB, and for bodies that are not JSON: it %s',
    async (_, mount) => {
      const { port } = await serve(mount)
      expect(summarize(await send(port, request()))).toStrictEqual(SUCCESS)
      const large = order({ requestId: 'r-large', merchantBizNo: 'large', extInfo: { note: 'x'.repeat(200_000) } })
      expect(summarize(await send(port, request({ message: large })))).toStrictEqual(SUCCESS)
      expect(summarize(await send(port, request({ message: '{' })))).toMatchObject({
        resultCode: 'PARAM_ILLEGAL',
        signed: true,
      })
    },
  )
})

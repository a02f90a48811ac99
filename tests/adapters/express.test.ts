import { createServer, type IncomingMessage } from 'node:http'
import express, { type Express, Router } from 'express'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { expressOrderSync } from '../../src/adapters/express.ts'
import type { OrderSyncHandler } from '../../src/public/index.ts'
import { order, PATH, request, encryptedRequest } from '../support/messages.ts'
import { listen, send } from '../support/http.ts'
import { summarize, merchant, SUCCESS, TRY_LATER } from '../support/merchant.ts'

const ends: (() => Promise<unknown>)[] = []
afterEach(async () => {
  vi.restoreAllMocks()
  for (const end of ends.splice(0)) await end()
})

async function serve(
  mount: (app: Express, handler: OrderSyncHandler) => void,
  options: Parameters<typeof merchant>[0] = {},
) {
  const made = merchant(options)
  const app = express()
  mount(app, made.handler)
  const { port, close } = await listen(createServer(app))
  ends.push(close)
  return { ...made, port }
}

const keepBytes = (incoming: IncomingMessage, _: unknown, bytes: Buffer) =>
  void Object.assign(incoming, { rawBody: bytes })

describe('an order is answered', () => {
  test.each<[string, (app: Express, handler: OrderSyncHandler) => void]>([
    ['without any parser', (app, handler) => app.post(PATH, expressOrderSync(handler))],
    ['with express.json() behind it', (app, handler) => app.post(PATH, expressOrderSync(handler)).use(express.json())],
    [
      'with express.json() in front, that keeps the bytes',
      (app, handler) => app.use(express.json({ verify: keepBytes })).post(PATH, expressOrderSync(handler)),
    ],
    [
      'with express.raw() in front',
      (app, handler) => app.use(express.raw({ type: () => true })).post(PATH, expressOrderSync(handler)),
    ],
    [
      'with express.text() in front',
      (app, handler) => app.use(express.text({ type: () => true })).post(PATH, expressOrderSync(handler)),
    ],
    [
      'with express.urlencoded() in front, which leaves it alone',
      (app, handler) => app.use(express.urlencoded()).post(PATH, expressOrderSync(handler)),
    ],
    ['mounted by use()', (app, handler) => app.use(expressOrderSync(handler))],
    [
      'mounted under a router',
      (app, handler) => app.use('/api/open', Router().post('/alipay/v1/merchant/order/sync', expressOrderSync(handler))),
    ],
    [
      'mounted under two routers',
      (app, handler) => app.use('/api', Router().use('/open', Router().use('/alipay', expressOrderSync(handler)))),
    ],
  ])('%s', async (_, mount) => {
    const { port, onOrder } = await serve(mount)
    expect(summarize(await send(port, request()))).toStrictEqual(SUCCESS)
    expect(onOrder.mock.calls[0]?.[0]).toStrictEqual(order())
  })

  test.each<[string, (app: Express, handler: OrderSyncHandler) => void]>([
    ['without any parser', (app, handler) => app.post(PATH, expressOrderSync(handler))],
    [
      'with express.json() in front, which leaves text/plain alone',
      (app, handler) => app.use(express.json()).post(PATH, expressOrderSync(handler)),
    ],
    ['with express.text() in front', (app, handler) => app.use(express.text()).post(PATH, expressOrderSync(handler))],
  ])('encrypted, %s', async (_, mount) => {
    const { port } = await serve(mount)
    expect(summarize(await send(port, encryptedRequest()))).toStrictEqual({ ...SUCCESS, encrypted: true })
  })

  test('under a router, over the path and query string as they were sent', async () => {
    const { port } = await serve((app, handler) => app.use('/hooks', Router().post('/sync', expressOrderSync(handler))))
    const path = '/hooks/sync?a=%20'
    expect(summarize(await send(port, request({ path })), { path })).toStrictEqual(SUCCESS)
  })

  test('and the other routes are not in its way', async () => {
    const { port } = await serve((app, handler) => {
      app.post(PATH, expressOrderSync(handler))
      app.use(express.json())
      app.post('/echo', (incoming, response) => void response.json(incoming.body))
    })
    const reply = await send(port, {
      method: 'POST',
      path: '/echo',
      headers: { 'Content-Type': 'application/json' },
      body: Buffer.from('{"a":1}'),
    })
    expect(reply.body.toString()).toBe('{"a":1}')
  })
})

describe('with express.json() in front, the body is not written anew', () => {
  test.each([
    ['no order', '{"a":1}'],
    ['an order', JSON.stringify(order())],
  ])('%s: the peer is told to try later, and the developer which lines to write', async (_, message) => {
    const warn = vi.spyOn(process, 'emitWarning').mockImplementation(() => {})
    const { port, onOrder, events, store } = await serve((app, handler) =>
      app.use(express.json()).post(PATH, expressOrderSync(handler)),
    )
    const reply = await send(port, request({ message }))
    expect(summarize(reply)).toStrictEqual({ ...TRY_LATER, status: 500 })
    expect(reply.body.toString()).not.toMatch(/express|parse/)
    const lines = `  app.post(path, orderSync(handler))
  app.use(express.json())

or let express.json() keep the bytes:

  app.use(express.json({ verify: (req, _res, rawBody) => { Object.assign(req, { rawBody }) } }))`
    expect(events).toMatchObject([
      { kind: 'unavailable', code: 'ERR_BODY_PARSED', status: 500, message: expect.stringContaining(lines) },
    ])
    expect(warn.mock.calls).toStrictEqual([
      [expect.stringContaining(lines), { type: 'OrderSyncWarning', code: 'ERR_BODY_PARSED' }],
    ])
    expect(onOrder).not.toHaveBeenCalled()
    expect(store.claim).not.toHaveBeenCalled()
  })

  test('the warning comes once, however many orders come', async () => {
    const warn = vi.spyOn(process, 'emitWarning').mockImplementation(() => {})
    const { port, events } = await serve((app, handler) => app.use(express.json()).post(PATH, expressOrderSync(handler)))
    for (let times = 0; times < 3; times++) await send(port, request())
    expect(events).toHaveLength(3)
    expect(warn).toHaveBeenCalledOnce()
  })

  test('the lines that are told are those that mend it', async () => {
    const { port } = await serve((app, handler) => {
      app.post(PATH, expressOrderSync(handler))
      app.use(express.json())
    })
    expect(summarize(await send(port, request()))).toStrictEqual(SUCCESS)
    const kept = await serve((app, handler) => {
      app.use(
        express.json({
          verify: (req, _res, rawBody) => {
            Object.assign(req, { rawBody })
          },
        }),
      )
      app.post(PATH, expressOrderSync(handler))
    })
    expect(summarize(await send(kept.port, request()))).toStrictEqual(SUCCESS)
  })
})

test('a body larger than is accepted is refused with 413', async () => {
  const { port, onOrder } = await serve((app, handler) => app.post(PATH, expressOrderSync(handler)), { maxBodyBytes: 1_000 })
  const reply = await send(port, request({ message: 'x'.repeat(100_000) }))
  expect(summarize(reply)).toMatchObject({ status: 413, resultCode: 'PARAM_ILLEGAL', signed: true })
  expect(onOrder).not.toHaveBeenCalled()
})

test('what an application trusts behind its proxy changes nothing of what is verified', async () => {
  const { port } = await serve((app, handler) => app.set('trust proxy', true).post(PATH, expressOrderSync(handler)))
  const { headers, ...rest } = request()
  const reply = await send(port, {
    ...rest,
    headers: { ...headers, 'X-Forwarded-Host': 'evil.example', 'X-Forwarded-Prefix': '/x' },
  })
  expect(summarize(reply)).toStrictEqual(SUCCESS)
})

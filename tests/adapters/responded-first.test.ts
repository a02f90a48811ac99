import { createServer, Server } from 'node:http'
import { connect as connectHttp2, createServer as createHttp2Server } from 'node:http2'
import { type AddressInfo, connect, type Server as NetServer } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import express from 'express'
import createFastify from 'fastify'
import Koa from 'koa'
import { describe, expect, onTestFinished, test } from 'vitest'
import { expressOrderSync } from '../../src/adapters/express.ts'
import { fastifyOrderSync } from '../../src/adapters/fastify.ts'
import { koaOrderSync } from '../../src/adapters/koa.ts'
import { nextPagesOrderSync } from '../../src/adapters/next-pages.ts'
import { toNodeListener } from '../../src/adapters/node.ts'
import type { OrderSyncHandler } from '../../src/public/index.ts'
import { deferred, until } from '../support/deferred.ts'
import { merchant } from '../support/merchant.ts'
import { order, PATH, request } from '../support/messages.ts'
import { connectOverHttp, formatHead } from './client.ts'
import { connectOverHttp2 } from './http2-client.ts'

/** The members that a watchdog uses of a response of HTTP/1.1 and HTTP/2. */
interface WatchedResponse {
  writeHead(status: number): unknown
  write(chunk: string): unknown
  end(): unknown
  readonly destroy: () => unknown
  once(event: 'pipe', listener: () => void): unknown
  emit(event: 'error', error: Error): unknown
}

/** Runs before the handler, with each response. */
type Watchdog = (response: WatchedResponse) => void

type ServeWatched = (
  handler: OrderSyncHandler,
  watchdog: Watchdog,
) => Promise<{ port: number; close: () => Promise<unknown> }>

async function listenAndClose(server: NetServer) {
  server.listen(0, '127.0.0.1')
  await until(() => server.address() !== null)
  const { port } = server.address() as AddressInfo
  const close = async () => {
    if (server instanceof Server) server.closeAllConnections()
    server.close()
  }
  return { port, close }
}

const SERVERS: Readonly<Record<string, ServeWatched>> = {
  'node:http': (handler, watchdog) => {
    const listener = toNodeListener(handler)
    return listenAndClose(
      createServer((incoming, response) => {
        watchdog(response)
        void listener(incoming, response)
      }),
    )
  },
  'node:http2': (handler, watchdog) => {
    const listener = toNodeListener(handler)
    return listenAndClose(
      createHttp2Server((incoming, response) => {
        watchdog(response)
        void listener(incoming, response)
      }),
    )
  },
  Express: (handler, watchdog) => {
    const app = express()
    app.use((_request, response, next) => {
      watchdog(response)
      next()
    })
    app.post(PATH, expressOrderSync(handler))
    return listenAndClose(createServer(app))
  },
  Koa: (handler, watchdog) => {
    const app = new Koa()
    app.silent = true
    app.use((context, next) => {
      watchdog(context.res)
      return next()
    })
    app.use(koaOrderSync(handler))
    return listenAndClose(createServer(app.callback()))
  },
  Fastify: async (handler, watchdog) => {
    const app = createFastify({ forceCloseConnections: true })
    app.addHook('onRequest', async (_request, reply) => watchdog(reply.raw))
    app.register(fastifyOrderSync, { handler })
    await app.listen({ port: 0, host: '127.0.0.1' })
    return { port: (app.server.address() as AddressInfo).port, close: () => app.close() }
  },
  'Next.js pages': (handler, watchdog) => {
    const route = nextPagesOrderSync(handler)
    return listenAndClose(
      createServer((incoming, response) => {
        watchdog(response)
        void route(incoming, response)
      }),
    )
  },
}

/** What the process would end with. */
function recordFaults() {
  const faults: unknown[] = []
  const record = (error: unknown) => void faults.push(error)
  for (const event of ['unhandledRejection', 'uncaughtException'] as const) {
    const others = process.listeners(event as 'uncaughtException')
    process.removeAllListeners(event)
    process.on(event, record)
    onTestFinished(() => {
      process.removeAllListeners(event)
      for (const listener of others) process.on(event, listener)
    })
  }
  return faults
}

const BUSY = '{"error":"busy"}'

describe.each(Object.entries(SERVERS))('on %s', (name, serve) => {
  const isHttp2 = name === 'node:http2'

  /** The first `onOrder` waits for `gate`; the watchdog acts on the first response only. */
  async function start(watchdog: Watchdog, options: Parameters<typeof merchant>[0] = {}) {
    const faults = recordFaults()
    const gate = deferred()
    let requests = 0
    const created = merchant({
      onOrder: async () => {
        if (created.onOrder.mock.calls.length === 1) await gate.promise
        return { orderId: 'A-1' }
      },
      ...options,
    })
    const { port, close } = await serve(created.handler, (response) => {
      if (++requests === 1) watchdog(response)
    })
    onTestFinished(async () => void (await close()))
    const open = () => {
      const connection = isHttp2 ? connectOverHttp2()(port) : connectOverHttp(port)
      onTestFinished(connection.close)
      return connection
    }
    /** The process must be well, and the next order is processed. */
    const expectHealthy = async () => {
      await sleep(20)
      expect(faults).toEqual([])
      const next = request({ message: order({ requestId: 'r-next', merchantBizNo: 'BIZ-next' }) })
      expect((await open().send(next)).status).toBe(200)
    }
    return { ...created, port, gate, open, expectHealthy }
  }

  /** Sends headers that announce a body, and no body. */
  function sendHead(port: number, contentLength: number): void {
    const { method, path, headers } = request()
    if (isHttp2) {
      const session = connectHttp2(`http://127.0.0.1:${port}`)
      onTestFinished(() => session.destroy())
      session.on('error', () => {})
      const head = { ':method': method, ':path': path, ...headers, 'content-length': contentLength }
      session.request(head, { endStream: false }).on('error', () => {})
    } else {
      const socket = connect(port, '127.0.0.1')
      onTestFinished(() => void socket.destroy())
      socket.on('error', () => {})
      const length = { 'Content-Length': String(contentLength) }
      socket.write(formatHead({ method, path, headers: { ...headers, ...length }, body: Buffer.of() }))
    }
  }

  test.each<[string, Watchdog, object]>([
    [
      'has sent a 503',
      (response) => void [response.writeHead(503), response.write(BUSY), response.end()],
      { status: 503 },
    ],
    [
      'has sent a 503, and ends it later',
      (response) => {
        response.writeHead(503)
        response.write(BUSY.slice(0, 5))
        setTimeout(() => {
          response.write(BUSY.slice(5))
          response.end()
        }, 60)
      },
      { status: 503 },
    ],
    ['has destroyed the response', (response) => void response.destroy(), { destroyed: true }],
  ])('leaves the response alone when a watchdog %s, and keeps the outcome', async (_, act, expected) => {
    const acting = deferred<() => void>()
    const { open, gate, handler, events, onOrder, expectHealthy } = await start((response) =>
      acting.resolve(() => act(response)),
    )
    const responding = open()
      .send(request())
      .then(
        ({ status, body }) => ({ status, body: String(body) }),
        () => ({ destroyed: true }),
      )
    await until(() => onOrder.mock.calls.length > 0)
    const actNow = await acting.promise
    actNow()
    gate.resolve()
    await handler.drain()
    expect(await responding).toEqual('status' in expected ? { ...expected, body: BUSY } : expected)
    expect(events).toMatchObject([{ kind: 'processed', status: 200 }])
    await expectHealthy()
    // Sent again by the peer, which never saw the response.
    const again = await open().send(request())
    expect(again.status).toBe(200)
    expect(onOrder).toHaveBeenCalledTimes(2)
    expect(events.at(-1)).toMatchObject({ kind: 'replay' })
  })

  test.each<[string, Watchdog]>([
    ['503', (response) => void [response.writeHead(503), response.write(BUSY), response.end()]],
    ['destroy', (response) => void response.destroy()],
  ])('survives an attacker who sends headers and no body, when a watchdog acts first (%s)', async (_, act) => {
    const { port, gate, handler, events, onOrder, expectHealthy } = await start(
      (response) => void setTimeout(() => act(response), 20),
      { bodyTimeoutMs: 80 },
    )
    gate.resolve()
    sendHead(port, 1_000)
    await until(() => events.length > 0)
    await handler.drain()
    expect(onOrder).not.toHaveBeenCalled()
    await expectHealthy()
  })

  test.each<[string, (response: WatchedResponse) => void]>([
    ['ends', (response) => void response.end()],
    ['destroys', (response) => void response.destroy()],
    ['emits an error on', (response) => void setImmediate(() => response.emit('error', new Error('write EPIPE')))],
  ])('survives a watchdog that %s the response while the rest of a large body is drained', async (_, act) => {
    const { port, gate, events, expectHealthy } = await start(
      (response) => void response.once('pipe', () => act(response)),
      {
        maxBodyBytes: 2_000,
      },
    )
    gate.resolve()
    sendHead(port, 100_000)
    await until(() => events.length > 0)
    expect(events).toMatchObject([{ code: 'ERR_BODY_TOO_LARGE' }])
    await expectHealthy()
  })
})

import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { type ClientHttp2Session, connect, createSecureServer, Http2ServerResponse } from 'node:http2'
import { Agent, createServer } from 'node:https'
import type { AddressInfo, Server } from 'node:net'
import { join } from 'node:path'
import { buffer } from 'node:stream/consumers'
import createFastify from 'fastify'
import Koa from 'koa'
import { afterEach, describe, expect, test, vi } from 'vitest'
import * as fastify from '../../src/adapters/fastify.ts'
import * as koa from '../../src/adapters/koa.ts'
import { toNodeListener } from '../../src/adapters/node.ts'
import type { OrderSyncHandler } from '../../src/public/index.ts'
import { temporaryFolder } from '../support/cli.ts'
import { deferred, until } from '../support/deferred.ts'
import { PATH, request } from '../support/messages.ts'
import { summarize, merchant, SUCCESS } from '../support/merchant.ts'
import { type Connect, exchange } from './client.ts'
import { connectOverHttp2, headersOf } from './http2-client.ts'
import { describeAdapter, type Served } from './suite.ts'

/** For a server; its certificate is also the one that a client is to trust. */
const tls = makeCertificate()
const trust = { ca: tls.cert }

const connectOverTls: Connect = (port) => {
  const agent = new Agent({ ...trust, keepAlive: true, maxSockets: 1 })
  return {
    send: (sent) => exchange(port, sent, { agent, protocol: 'https:' }),
    end: () => agent.destroy(),
  }
}

async function listen(server: Server): Promise<Served> {
  await once(server.listen(0, '127.0.0.1'), 'listening')
  const { port } = server.address() as AddressInfo
  return { port, close: () => new Promise((resolve) => server.close(resolve)) }
}

/** HTTP/2, and HTTP/1.1 for clients that ask for that. */
const onHttp2 = (handler: OrderSyncHandler) =>
  listen(createSecureServer({ ...tls, allowHTTP1: true }, toNodeListener(handler)))

const onKoa = (handler: OrderSyncHandler) =>
  listen(createSecureServer(tls, new Koa().use(koa.koaOrderSync(handler)).callback()))

async function onFastify(handler: OrderSyncHandler, path: string): Promise<Served> {
  const app = createFastify({ http2: true, https: tls })
  app.register(fastify.fastifyOrderSync, { handler, path })
  await app.listen({ port: 0, host: '127.0.0.1' })
  return { port: (app.server.address() as AddressInfo).port, close: () => app.close() }
}

const http2 = { 'node:http2': onHttp2, Koa: onKoa, Fastify: onFastify }

describeAdapter('HTTP/1.1 over TLS', {
  connect: connectOverTls,
  ways: {
    'node:https': (handler) => listen(createServer(tls, toNodeListener(handler))),
    'node:http2': onHttp2,
  },
})
describeAdapter('HTTP/2', { connect: connectOverHttp2(trust), ways: http2 })

describe.each(Object.entries(http2))('HTTP/2 on %s', (_, serve) => {
  const ends: (() => unknown)[] = []
  afterEach(async () => {
    for (const end of ends.splice(0).reverse()) await end()
  })

  async function start(options: Parameters<typeof merchant>[0] = {}) {
    const made = merchant(options)
    const { port, close } = await serve(made.handler, PATH)
    ends.push(close)
    return { ...made, port }
  }

  test('of a body that is refused half-way nothing is lost but the rest, and no header is sent that HTTP/2 has not', async () => {
    const setHeader = vi.spyOn(Http2ServerResponse.prototype, 'setHeader')
    const { port, onOrder } = await start({ maxBodyBytes: 100_000 })
    const { send, end } = connectOverHttp2(trust)(port)
    ends.push(end)
    const reply = await send({ ...request(), body: Buffer.alloc(8_000_000, 'x') })
    expect(reply).toMatchObject({ status: 413, headers: { 'content-length': String(reply.body.length) } })
    expect(onOrder).not.toHaveBeenCalled()
    expect((await send(request())).status).toBe(200)
    expect(setHeader.mock.calls.filter(([name]) => name === 'Connection')).toEqual([])
  })

  test('a stream on which the rest of a body never comes is closed when patience ends, and its session goes on', async () => {
    const patience = new AbortController()
    const { port } = await start({ maxBodyBytes: 10 })
    const session = connect(`https://127.0.0.1:${port}`, trust)
    ends.push(() => session.destroy())
    vi.spyOn(AbortSignal, 'timeout').mockReturnValue(patience.signal)
    const stream = session.request(headersOf(request()))
    stream.write('half')
    const [headers] = await once(stream, 'response')
    expect(headers[':status']).toBe(413)
    stream.resume()
    patience.abort()
    await once(stream, 'close')
    expect(stream.rstCode).toBe(0)
    expect(session.closed).toBe(false)
  })

  test('a peer that goes away while onOrder runs: its signal tells', async () => {
    const gate = deferred<{ orderId: string }>()
    const { port, onOrder } = await start({ onOrder: () => gate.promise })
    const session = connect(`https://127.0.0.1:${port}`, trust)
    deliver(session)
    await until(() => onOrder.mock.calls.length > 0)
    const signal = onOrder.mock.calls[0]?.[1].signal
    session.destroy()
    await until(() => signal?.aborted === true)
    gate.resolve({ orderId: 'A-1' })
  })

  test('a peer that has been answered has not gone', async () => {
    const { port, onOrder } = await start()
    const { send, end } = connectOverHttp2(trust)(port)
    ends.push(end)
    const reply = await send(request())
    expect(summarize({ ...reply, headers: { ...reply.headers } })).toStrictEqual(SUCCESS)
    await send(request())
    expect(onOrder.mock.calls[0]?.[1].signal.aborted).toBe(false)
  })
})

test('HTTP/2: a peer that has gone before anybody asked for the signal: it is aborted then', async () => {
  const gate = deferred<{ orderId: string }>()
  const { handler, onOrder } = merchant({ onOrder: () => gate.promise })
  const gone = deferred<unknown>()
  const listener = toNodeListener(handler)
  const server = createSecureServer(tls, async (incoming, response) => {
    response.on('close', () => gone.resolve(undefined))
    // Kept by a parser: the handler itself has nothing to read, and so has not asked yet.
    await listener(Object.assign(incoming, { rawBody: await buffer(incoming) }), response)
  })
  const { port, close } = await listen(server)
  const session = connect(`https://127.0.0.1:${port}`, trust)
  deliver(session)
  await until(() => onOrder.mock.calls.length > 0)
  session.destroy()
  await gone.promise
  expect(onOrder.mock.calls[0]?.[1].signal).toMatchObject({ aborted: true, reason: { message: 'The peer has gone' } })
  gate.resolve({ orderId: 'A-1' })
  await handler.drain()
  await close()
})

/** Sends an order whose answer is not waited for. */
function deliver(session: ClientHttp2Session): void {
  const stream = session.request(headersOf(request()), { endStream: false })
  stream.on('error', () => {}).end(request().body)
}

function makeCertificate() {
  const folder = temporaryFolder()
  const files = ['-keyout', join(folder, 'key.pem'), '-out', join(folder, 'cert.pem')]
  const subject = ['-subj', '/CN=127.0.0.1', '-addext', 'subjectAltName=IP:127.0.0.1']
  execFileSync('openssl', ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', ...subject, ...files], { stdio: 'pipe' })
  return { key: readFileSync(join(folder, 'key.pem')), cert: readFileSync(join(folder, 'cert.pem')) }
}

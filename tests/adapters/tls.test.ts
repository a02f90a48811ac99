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
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { fastifyOrderSync } from '../../src/adapters/fastify.ts'
import { koaOrderSync } from '../../src/adapters/koa.ts'
import { toNodeListener } from '../../src/adapters/node.ts'
import { temporaryFolder } from '../support/cli.ts'
import { deferred, until } from '../support/deferred.ts'
import { merchant, SUCCESS, summarize } from '../support/merchant.ts'
import { PATH, request } from '../support/messages.ts'
import { mainMount, mount, type Serve, type Served, SOCKET_GROUPS } from './adapter.ts'
import { type Connect, sendRequest } from './client.ts'
import { connectOverHttp2, toHttp2Headers } from './http2-client.ts'
import { describeAdapter } from './suite.ts'

/** The server's key and certificate. Clients trust the same certificate. */
const tls = createCertificate()
const trust = { ca: tls.cert }

const connectOverTls: Connect = (port) => {
  const agent = new Agent({ ...trust, keepAlive: true, maxSockets: 1 })
  return {
    send: (sent) => sendRequest(port, sent, { agent, protocol: 'https:' }),
    close: () => agent.destroy(),
  }
}

async function listen(server: Server): Promise<Served> {
  await once(server.listen(0, '127.0.0.1'), 'listening')
  const { port } = server.address() as AddressInfo
  return { port, close: () => new Promise((resolve) => server.close(resolve)) }
}

const serveHttps: Serve = (handler) => listen(createServer(tls, toNodeListener(handler)))

/** HTTP/2, and HTTP/1.1 for clients that ask for it. */
const serveHttp2: Serve = (handler) => listen(createSecureServer({ ...tls, allowHTTP1: true }, toNodeListener(handler)))

const serveKoa: Serve = (handler) => listen(createSecureServer(tls, new Koa().use(koaOrderSync(handler)).callback()))

const serveFastify: Serve = async (handler, path) => {
  const app = createFastify({ http2: true, https: tls })
  app.register(fastifyOrderSync, { handler, path })
  await app.listen({ port: 0, host: '127.0.0.1' })
  return { port: (app.server.address() as AddressInfo).port, close: () => app.close() }
}

describeAdapter('HTTP/1.1 over TLS', {
  connect: connectOverTls,
  without: SOCKET_GROUPS,
  mounts: { 'node:https': mainMount(serveHttps), 'node:http2': mount(serveHttp2) },
})
describeAdapter('HTTP/2', {
  connect: connectOverHttp2(trust),
  without: SOCKET_GROUPS,
  mounts: { 'node:http2': mainMount(serveHttp2), Koa: mount(serveKoa), Fastify: mount(serveFastify) },
})

describe.each([
  ['node:http2', serveHttp2],
  ['Koa', serveKoa],
  ['Fastify', serveFastify],
])('HTTP/2 on %s', (_, serve) => {
  async function start(options: Parameters<typeof merchant>[0] = {}) {
    const created = merchant(options)
    const { port, close } = await serve(created.handler, PATH)
    // Hooks run in reverse order: the clients close first, and the server waits for them.
    onTestFinished(async () => void (await close()))
    return { ...created, port }
  }

  function openConnection(port: number) {
    const connection = connectOverHttp2(trust)(port)
    onTestFinished(connection.close)
    return connection
  }

  function openSession(port: number) {
    const session = connect(`https://127.0.0.1:${port}`, trust)
    onTestFinished(() => session.destroy())
    return session
  }

  test('responds 413 to a body that is too large, keeps the session, and sends no Connection header', async () => {
    const setHeader = vi.spyOn(Http2ServerResponse.prototype, 'setHeader')
    const { port, onOrder } = await start({ maxBodyBytes: 100_000 })
    const { send } = openConnection(port)
    const response = await send({ ...request(), body: Buffer.alloc(8_000_000, 'x') })
    expect(response).toMatchObject({ status: 413, headers: { 'content-length': String(response.body.length) } })
    expect(onOrder).not.toHaveBeenCalled()
    expect((await send(request())).status).toBe(200)
    expect(setHeader.mock.calls.filter(([name]) => name === 'Connection')).toEqual([])
  })

  test('closes the stream two seconds after the response if the rest of the body is never sent, and keeps the session', async () => {
    const { port } = await start({ maxBodyBytes: 10 })
    const session = openSession(port)
    const stream = session.request(toHttp2Headers(request()))
    stream.write('half')
    const [headers] = await once(stream, 'response')
    const respondedAt = performance.now()
    expect(headers[':status']).toBe(413)
    stream.resume()
    await once(stream, 'close')
    // A timer may run a millisecond early, and the response takes a moment to arrive.
    expect(performance.now() - respondedAt).toBeGreaterThan(1_900)
    expect(stream.rstCode).toBe(0)
    expect(session.closed).toBe(false)
  })

  test("aborts onOrder's signal when the peer disconnects", async () => {
    const gate = deferred<{ orderId: string }>()
    const { port, onOrder } = await start({ onOrder: () => gate.promise })
    const session = openSession(port)
    sendWithoutWaiting(session)
    await until(() => onOrder.mock.calls.length > 0)
    const signal = onOrder.mock.calls[0]?.[1].signal
    session.destroy()
    await until(() => signal?.aborted === true)
    gate.resolve({ orderId: 'A-1' })
  })

  test("does not abort onOrder's signal after the response was sent", async () => {
    const { port, onOrder } = await start()
    const { send } = openConnection(port)
    const response = await send(request())
    expect(summarize({ ...response, headers: { ...response.headers } })).toStrictEqual(SUCCESS)
    await send(request())
    expect(onOrder.mock.calls[0]?.[1].signal.aborted).toBe(false)
  })
})

test("HTTP/2: onOrder's signal is aborted when the peer disconnected before the signal was read", async () => {
  const gate = deferred<{ orderId: string }>()
  const { handler, onOrder } = merchant({ onOrder: () => gate.promise })
  const closed = deferred<unknown>()
  const listener = toNodeListener(handler)
  const server = createSecureServer(tls, async (incoming, response) => {
    response.on('close', () => closed.resolve(undefined))
    // The bytes are kept, so the handler reads nothing from the connection itself.
    await listener(Object.assign(incoming, { rawBody: await buffer(incoming) }), response)
  })
  const { port, close } = await listen(server)
  const session = connect(`https://127.0.0.1:${port}`, trust)
  sendWithoutWaiting(session)
  await until(() => onOrder.mock.calls.length > 0)
  session.destroy()
  await closed.promise
  expect(onOrder.mock.calls[0]?.[1].signal).toMatchObject({
    aborted: true,
    reason: { message: 'The peer has disconnected' },
  })
  gate.resolve({ orderId: 'A-1' })
  await handler.drain()
  await close()
})

/** Sends an order, and ignores the response. */
function sendWithoutWaiting(session: ClientHttp2Session): void {
  const stream = session.request(toHttp2Headers(request()), { endStream: false })
  stream.on('error', () => {}).end(request().body)
}

function createCertificate() {
  const folder = temporaryFolder()
  const files = ['-keyout', join(folder, 'key.pem'), '-out', join(folder, 'cert.pem')]
  const subject = ['-subj', '/CN=127.0.0.1', '-addext', 'subjectAltName=IP:127.0.0.1']
  execFileSync('openssl', ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', ...subject, ...files], { stdio: 'pipe' })
  return { key: readFileSync(join(folder, 'key.pem')), cert: readFileSync(join(folder, 'cert.pem')) }
}

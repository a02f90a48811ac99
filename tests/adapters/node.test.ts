import { Agent, createServer, type IncomingMessage } from 'node:http'
import { connect } from 'node:net'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { createOrderSyncServer, toIncomingRequest, toNodeListener } from '../../src/adapters/node.ts'
import { OrderRefusedError } from '../../src/public/index.ts'
import { deferred, until } from '../support/deferred.ts'
import { exchangeRaw, listen, send, wire } from '../support/http.ts'
import { merchant, SUCCESS, summarize, TRY_LATER } from '../support/merchant.ts'
import { encryptedRequest, messageOf, order, PATH, request, withHeaders } from '../support/messages.ts'

async function serve(options: Parameters<typeof merchant>[0] = {}) {
  const created = merchant(options)
  const server = createOrderSyncServer(created.handler)
  const { port, close } = await listen(server)
  onTestFinished(close)
  return { ...created, server, port }
}

function openSocket(port: number, onConnect?: () => void) {
  const socket = connect(port, '127.0.0.1', onConnect)
  onTestFinished(() => void socket.destroy())
  return socket
}

function createAgent() {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  onTestFinished(() => agent.destroy())
  return agent
}

describe('createOrderSyncServer', () => {
  test('processes a plain order', async () => {
    const { port, onOrder } = await serve()
    const response = await send(port, request())
    expect(summarize(response)).toStrictEqual(SUCCESS)
    expect(response.headers['Content-Length']).toBe(String(response.body.length))
    expect(onOrder.mock.calls[0]?.[0]).toStrictEqual(order())
  })

  test('processes an encrypted order', async () => {
    const { port } = await serve()
    expect(summarize(await send(port, encryptedRequest()))).toStrictEqual({ ...SUCCESS, encrypted: true })
  })

  test('accepts every path, and verifies the path and query string as sent', async () => {
    const { port } = await serve()
    const path = '/any/where?b=%2F&a='
    expect(summarize(await send(port, request({ path })), { path })).toStrictEqual(SUCCESS)
  })

  test('processes an order when a custom adapter changes the path of toIncomingRequest()', async () => {
    const { handler } = merchant()
    const { port, close } = await listen(
      createServer(async (request, response) => {
        const { status, headers, body } = await handler({ ...toIncomingRequest(request, response), path: PATH })
        response.writeHead(status, headers).end(body)
      }),
    )
    onTestFinished(close)
    expect(summarize(await send(port, { ...request(), path: '/inside' }))).toStrictEqual(SUCCESS)
  })

  test('reports ERR_BODY_PARSED, and no wrong signature, when a request is handled a second time', async () => {
    const { handler, events } = merchant()
    const { port, close } = await listen(
      createServer(async (request, response) => {
        const incoming = toIncomingRequest(request, response)
        const { status, headers, body } = await handler(incoming)
        await handler(incoming)
        response.writeHead(status, headers).end(body)
      }),
    )
    onTestFinished(close)
    expect(summarize(await send(port, request()))).toStrictEqual(SUCCESS)
    expect(events).toMatchObject([{ kind: 'processed' }, { kind: 'unavailable', code: 'ERR_BODY_PARSED' }])
  })

  test.each([
    ['in one piece', (bytes: Buffer) => [bytes]],
    ['byte by byte', (bytes: Buffer) => [...bytes].map((byte) => Buffer.of(byte))],
  ])('emits "end" and "close" on a request that is sent %s', async (_, cut) => {
    const { handler } = merchant()
    const listener = toNodeListener(handler)
    const emitted: string[] = []
    const { port, close } = await listen(
      createServer((request, response) => {
        request.on('end', () => emitted.push('end')).on('close', () => emitted.push('close'))
        void listener(request, response)
      }),
    )
    onTestFinished(close)
    const socket = openSocket(port)
    for (const piece of cut(wire(request()))) socket.write(piece)
    await until(() => emitted.length === 2)
    expect(emitted).toEqual(['end', 'close'])
  })

  test('processes an order that is sent byte by byte', async () => {
    const { port } = await serve()
    const bytes = wire(request())
    const socket = openSocket(port)
    const received: Buffer[] = []
    socket.on('data', (chunk) => received.push(chunk))
    for (const byte of bytes) {
      socket.write(Uint8Array.of(byte))
      if (byte === 0x0a) await new Promise(setImmediate)
    }
    await until(() => received.length > 0)
    expect(Buffer.concat(received).toString()).toMatch(/^HTTP\/1\.1 200 OK\r\n/)
  })

  test('processes an order in chunks, without a Content-Length', async () => {
    const { port } = await serve()
    const { headers, ...rest } = request()
    const response = await send(port, { ...rest, headers: { ...headers, 'Transfer-Encoding': 'chunked' } })
    expect(summarize(response)).toStrictEqual(SUCCESS)
  })

  test('sends 100 Continue to a peer that waits for it, and processes the order', async () => {
    const { port } = await serve()
    expect(summarize(await send(port, withHeaders(request(), { Expect: '100-continue' })))).toStrictEqual(SUCCESS)
  })

  test.each<[string, () => ReturnType<typeof request>, object]>([
    [
      'GET',
      () => request({ method: 'GET', message: '' }),
      { status: 405, resultCode: 'METHOD_NOT_SUPPORTED', signed: false },
    ],
    [
      'an unknown Client-Id',
      () => request({ clientId: 'stranger' }),
      { status: 401, resultCode: 'INVALID_CLIENT', signed: false },
    ],
    [
      'a forged body',
      () => ({ ...request(), body: Buffer.from('{}') }),
      { status: 401, resultCode: 'INVALID_SIGNATURE', signed: false },
    ],
  ])('rejects %s', async (_, createRequest, expected) => {
    const { port, onOrder } = await serve()
    const { method, ...rest } = createRequest()
    expect(summarize(await send(port, { method, ...rest }), { method })).toMatchObject(expected)
    expect(onOrder).not.toHaveBeenCalled()
  })
})

test.each(['Signature', 'Client-Id', 'Request-Time', 'Encrypt'])(
  'createOrderSyncServer rejects a repeated %s header',
  async (name) => {
    const { port, onOrder } = await serve()
    const { [name]: value = '' } = encryptedRequest().headers
    const [response] = await exchangeRaw(
      port,
      wire(withHeaders(encryptedRequest(), { [name.toLowerCase()]: value })),
      1,
    )
    expect(response?.status).toBe(400)
    expect(onOrder).not.toHaveBeenCalled()
  },
)

describe('createOrderSyncServer with a body that is too large', () => {
  test.each([
    ['by its Content-Length, before it is read', {}],
    ['by its bytes', { 'Transfer-Encoding': 'chunked' }],
  ])('responds 413 and closes the connection, detected %s', async (_, headers) => {
    const { port, onOrder, events } = await serve({ maxBodyBytes: 100_000 })
    const large = withHeaders(request({ message: 'x'.repeat(3_000_000) }), headers)
    const response = await send(port, large)
    expect(summarize(response)).toMatchObject({ status: 413, resultCode: 'PARAM_ILLEGAL', signed: false })
    expect(response.headers['Connection']).toBe('close')
    expect(events).toMatchObject([{ code: 'ERR_BODY_TOO_LARGE' }])
    expect(onOrder).not.toHaveBeenCalled()
  })

  test('never takes the rest of the body for the next request', async () => {
    const { port, onOrder, events } = await serve({ maxBodyBytes: 1_000 })
    const inner = wire(request())
    const outer = wire({ ...request(), body: Buffer.concat([Buffer.alloc(200_000, 'x'), inner, inner]) })
    const responses = await exchangeRaw(port, outer, 2)
    expect(responses.map(({ status }) => status)).toStrictEqual([413])
    expect(events).toHaveLength(1)
    expect(onOrder).not.toHaveBeenCalled()
  })
})

describe('createOrderSyncServer on one connection', () => {
  test('serves the next request after a success and after a rejection', async () => {
    const { port, onOrder } = await serve()
    const agent = createAgent()
    const sockets = new Set<unknown>()
    const sendOn = async (message: ReturnType<typeof request>) => {
      const response = await send(port, message, { agent })
      for (const list of Object.values(agent.freeSockets)) for (const socket of list ?? []) sockets.add(socket)
      return response.status
    }
    expect(await sendOn(request())).toBe(200)
    expect(await sendOn(request({ message: '{' }))).toBe(200)
    expect(await sendOn({ ...request(), body: Buffer.from('{}') })).toBe(401)
    expect(await sendOn(request({ message: order({ requestId: 'r2', merchantBizNo: 'x' }) }))).toBe(200)
    expect(sockets.size).toBe(1)
    expect(onOrder).toHaveBeenCalledTimes(2)
  })

  test.each<[string, () => ReturnType<typeof request>, number]>([
    ['was processed', () => request({ message: order({ requestId: 'r2', merchantBizNo: 'x' }) }), 200],
    ['was rejected after its body was read', () => ({ ...request(), body: Buffer.from('{') }), 401],
  ])('serves a pipelined request behind one that %s', async (_, first, status) => {
    const { port } = await serve()
    const responses = await exchangeRaw(port, Buffer.concat([wire(first()), wire(request())]), 2)
    expect(responses.map((response) => response.status)).toStrictEqual([status, 200])
    expect(responses[1] && summarize(responses[1])).toStrictEqual(SUCCESS)
  })
})

describe('createOrderSyncServer, when it rejects a request before it reads the body,', () => {
  test('closes the connection, and serves the next one', async () => {
    const { port } = await serve()
    const agent = createAgent()
    const rejected = await send(port, request({ clientId: 'stranger' }), { agent })
    expect(rejected).toMatchObject({ status: 401, headers: { Connection: 'close' } })
    expect(summarize(await send(port, request(), { agent }))).toStrictEqual(SUCCESS)
  })

  test('serves or ignores a pipelined request, but never takes it for the body', async () => {
    const { port, onOrder } = await serve()
    const bytes = Buffer.concat([wire(request({ clientId: 'stranger' })), wire(request())])
    const [first, second] = await exchangeRaw(port, bytes, 2)
    expect(first?.status).toBe(401)
    expect(second === undefined ? 'ignored' : summarize(second).resultCode).toMatch(/^(ignored|SUCCESS)$/)
    expect(onOrder.mock.calls.length).toBeLessThanOrEqual(1)
  })
})

describe('createOrderSyncServer, when the peer disconnects', () => {
  test('during the body, reports ERR_BODY_INCOMPLETE and serves the next request', async () => {
    const { port, events, onOrder } = await serve()
    const socket = openSocket(port)
    const { body, ...rest } = request()
    socket.write(wire({ ...rest, body: body.subarray(0, 30) }, body.length), () => socket.destroy())
    await until(() => events.length > 0)
    expect(events).toMatchObject([{ kind: 'rejected', code: 'ERR_BODY_INCOMPLETE', status: 400 }])
    expect(onOrder).not.toHaveBeenCalled()
    expect(summarize(await send(port, request()))).toStrictEqual(SUCCESS)
  })

  test("while onOrder runs, aborts onOrder's signal and stores the outcome", async () => {
    const gate = deferred<{ orderId: string }>()
    const { port, onOrder, handler } = await serve({ onOrder: () => gate.promise })
    const socket = openSocket(port, () => socket.write(wire(request())))
    await until(() => onOrder.mock.calls.length > 0)
    const signal = onOrder.mock.calls[0]?.[1].signal
    expect(signal?.aborted).toBe(false)
    socket.destroy()
    await until(() => signal?.aborted === true)
    expect(signal?.reason).toMatchObject({ message: 'The peer has disconnected' })
    gate.resolve({ orderId: 'A-1' })
    await handler.drain()
    expect(summarize(await send(port, request()))).toStrictEqual(SUCCESS)
    expect(onOrder).toHaveBeenCalledOnce()
  })

  test('before onOrder reads its signal, passes a signal that is aborted', async () => {
    const gate = deferred<{ orderId: string }>()
    const { server, port, onOrder, handler } = await serve({ onOrder: () => gate.promise })
    const closed = deferred<unknown>()
    server.on('connection', (socket) => socket.on('close', closed.resolve))
    const socket = openSocket(port, () => socket.write(wire(request())))
    await until(() => onOrder.mock.calls.length > 0)
    socket.destroy()
    await closed.promise
    expect(onOrder.mock.calls[0]?.[1].signal).toMatchObject({
      aborted: true,
      reason: { message: 'The peer has disconnected' },
    })
    gate.resolve({ orderId: 'A-1' })
    await handler.drain()
  })

  test('after the response was sent, aborts no signal', async () => {
    const { port, onOrder } = await serve()
    await send(port, request(), { agent: new Agent({ keepAlive: false }) })
    await new Promise(setImmediate)
    expect(onOrder.mock.calls[0]?.[1].signal.aborted).toBe(false)
  })
})

describe('toNodeListener behind middleware', () => {
  /** Starts a server that runs the middleware before the handler. */
  async function serveBehind(
    middleware: (
      request: IncomingMessage & { body?: unknown; rawBody?: unknown; originalUrl?: string },
    ) => Promise<void>,
  ) {
    const created = merchant()
    const listener = toNodeListener(created.handler)
    const { port, close } = await listen(
      createServer(async (incoming, response) => {
        await middleware(incoming)
        await listener(incoming, response)
      }),
    )
    onTestFinished(close)
    return { ...created, port }
  }

  const readAll = async (incoming: IncomingMessage) => {
    const chunks: Buffer[] = []
    for await (const chunk of incoming) chunks.push(chunk as Buffer)
    return Buffer.concat(chunks)
  }

  /** As on Vercel, where `body` is parsed on first access. */
  const defineThrowingBody = (incoming: IncomingMessage) =>
    void Object.defineProperty(incoming, 'body', {
      get() {
        throw new Error('Invalid JSON')
      },
    })

  test.each<[string, Parameters<typeof serveBehind>[0]]>([
    [
      'kept rawBody as bytes',
      async (incoming) => void Object.assign(incoming, { rawBody: await readAll(incoming), body: {} }),
    ],
    [
      'kept rawBody as a string',
      async (incoming) => void Object.assign(incoming, { rawBody: String(await readAll(incoming)), body: {} }),
    ],
    ['kept body as bytes', async (incoming) => void Object.assign(incoming, { body: await readAll(incoming) })],
    [
      'kept body as a string',
      async (incoming) => void Object.assign(incoming, { body: String(await readAll(incoming)) }),
    ],
    ['has not read the body', async () => {}],
    ['has not read the body, and set body to {}', async (incoming) => void Object.assign(incoming, { body: {} })],
    ['defined a body getter that throws', async (incoming) => defineThrowingBody(incoming)],
  ])('processes an order when the middleware %s', async (_, middleware) => {
    const { port } = await serveBehind(middleware)
    expect(summarize(await send(port, request()))).toStrictEqual(SUCCESS)
  })

  test.each<[string, Parameters<typeof serveBehind>[0]]>([
    [
      'replaced body by an object',
      async (incoming) => void Object.assign(incoming, { body: JSON.parse(String(await readAll(incoming))) }),
    ],
    ['read the body and kept nothing', async (incoming) => void (await readAll(incoming))],
    [
      'read the body and defined a body getter that throws',
      async (incoming) => {
        await readAll(incoming)
        defineThrowingBody(incoming)
      },
    ],
  ])('responds 500 and explains the fix when the middleware %s', async (_, middleware) => {
    const warn = vi.spyOn(process, 'emitWarning').mockImplementation(() => {})
    const { port, onOrder, events } = await serveBehind(middleware)
    expect(summarize(await send(port, request()))).toStrictEqual({ ...TRY_LATER, status: 500, signed: false })
    const hint =
      'Mount the handler before any body parser, or make the parser keep the bytes as request.rawBody (a Buffer).'
    expect(events).toMatchObject([{ code: 'ERR_BODY_PARSED', message: expect.stringContaining(hint) }])
    expect(warn.mock.calls).toStrictEqual([
      [expect.stringContaining(hint), { type: 'OrderSyncWarning', code: 'ERR_BODY_PARSED' }],
    ])
    expect(onOrder).not.toHaveBeenCalled()
  })

  test.each<[string, object, RegExp]>([
    [
      'the fix for the framework',
      {},
      / Mount the handler .*\n\nIn Sails, .*\n\nTest with a plain and with an encrypted order: /s,
    ],
    ['the hint of the copy', { parsedBodyHint: 'Ask Ada.' }, / Ask Ada\.$/],
  ])('shows %s when the request is a copy of toIncomingRequest()', async (_, changes, hint) => {
    vi.spyOn(process, 'emitWarning').mockImplementation(() => {})
    const { handler, events } = merchant()
    const { port, close } = await listen(
      createServer(async (incoming, response) => {
        await readAll(incoming)
        // As Sails does.
        Object.assign(incoming, { _sails: {} })
        const copy = { ...toIncomingRequest(incoming, response), ...changes }
        const { status, headers, body } = await handler(copy)
        response.writeHead(status, headers).end(body)
      }),
    )
    onTestFinished(close)
    expect(summarize(await send(port, request()))).toStrictEqual({ ...TRY_LATER, status: 500, signed: false })
    expect(events).toMatchObject([{ code: 'ERR_BODY_PARSED', message: expect.stringMatching(hint) }])
  })

  test('verifies the path as received when the middleware shortened it', async () => {
    const { port } = await serveBehind(async (incoming) => {
      Object.assign(incoming, { originalUrl: incoming.url, url: '/' })
    })
    expect(summarize(await send(port, request()))).toStrictEqual(SUCCESS)
  })
})

test('toNodeListener sends the signed bytes through a response that encodes every string as UTF-8', async () => {
  const refusal = new OrderRefusedError('PROCESS_FAIL', '庫存不足')
  const { handler } = merchant({ onOrder: () => Promise.reject(refusal) })
  const listener = toNodeListener(handler)
  const server = createServer((incoming, response) => {
    const end = response.end.bind(response)
    Object.assign(response, { end: (content: string | Uint8Array) => end(Buffer.from(content as string)) })
    return listener(incoming, response)
  })
  const { port, close } = await listen(server)
  onTestFinished(close)
  const response = await send(port, request())
  expect(summarize(response)).toMatchObject({ resultCode: 'PROCESS_FAIL', signed: true })
  expect(messageOf(response)).toMatchObject({ result: { resultMessage: '庫存不足' } })
})

test('createOrderSyncServer returns a server that listens on a given port', async () => {
  const server = createOrderSyncServer(merchant().handler)
  const { port, close } = await listen(server)
  onTestFinished(close)
  expect(server.listening).toBe(true)
  expect((await send(port, request({ path: PATH }))).status).toBe(200)
})

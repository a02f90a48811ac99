import { Agent, createServer as createHttpServer, type IncomingMessage } from 'node:http'
import { connect } from 'node:net'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { createOrderSyncServer, toIncomingRequest, toNodeListener } from '../../src/adapters/node.ts'
import { OrderRefusedError } from '../../src/public/index.ts'
import { deferred, until } from '../support/deferred.ts'
import { messageOf, order, PATH, request, encryptedRequest, withHeaders } from '../support/messages.ts'
import { exchangeRaw, listen, send, wire } from '../support/http.ts'
import { summarize, merchant, SUCCESS, TRY_LATER } from '../support/merchant.ts'

const ends: (() => unknown)[] = []
afterEach(async () => {
  vi.restoreAllMocks()
  for (const end of ends.splice(0)) await end()
})

async function serve(options: Parameters<typeof merchant>[0] = {}) {
  const made = merchant(options)
  const server = createOrderSyncServer(made.handler)
  const { port, close } = await listen(server)
  ends.push(close)
  return { ...made, server, port }
}

describe('an order over a real socket', () => {
  test('is answered, in the clear', async () => {
    const { port, onOrder } = await serve()
    const reply = await send(port, request())
    expect(summarize(reply)).toStrictEqual(SUCCESS)
    expect(reply.headers['Content-Length']).toBe(String(reply.body.length))
    expect(onOrder.mock.calls[0]?.[0]).toStrictEqual(order())
  })

  test('is answered, encrypted', async () => {
    const { port } = await serve()
    expect(summarize(await send(port, encryptedRequest()))).toStrictEqual({ ...SUCCESS, encrypted: true })
  })

  test('is answered on every path, over the path and query string as they were sent', async () => {
    const { port } = await serve()
    const path = '/any/where?b=%2F&a='
    expect(summarize(await send(port, request({ path })), { path })).toStrictEqual(SUCCESS)
  })

  test('is answered when an adapter of somebody else passes on a copy, with a path of its own', async () => {
    const { handler } = merchant()
    const { port, close } = await listen(
      createHttpServer(async (request, response) => {
        const { status, headers, body } = await handler({ ...toIncomingRequest(request, response), path: PATH })
        response.writeHead(status, headers).end(body)
      }),
    )
    ends.push(close)
    expect(summarize(await send(port, { ...request(), path: '/inside' }))).toStrictEqual(SUCCESS)
  })

  test.each([
    ['in one piece', (bytes: Buffer) => [bytes]],
    ['byte by byte', (bytes: Buffer) => [...bytes].map((byte) => Buffer.of(byte))],
  ])('%s, and whoever waits for the end of its request is told', async (_, cut) => {
    const { handler } = merchant()
    const listener = toNodeListener(handler)
    const told: string[] = []
    const { port, close } = await listen(
      createHttpServer((request, response) => {
        request.on('end', () => told.push('end')).on('close', () => told.push('close'))
        void listener(request, response)
      }),
    )
    ends.push(close)
    const socket = connect(port, '127.0.0.1')
    ends.push(() => void socket.destroy())
    for (const piece of cut(wire(request()))) socket.write(piece)
    await until(() => told.length === 2)
    expect(told).toEqual(['end', 'close'])
  })

  test('is answered when it comes byte by byte', async () => {
    const { port } = await serve()
    const bytes = wire(request())
    const socket = connect(port, '127.0.0.1')
    ends.push(() => void socket.destroy())
    const received: Buffer[] = []
    socket.on('data', (chunk) => received.push(chunk))
    for (const byte of bytes) {
      socket.write(Uint8Array.of(byte))
      if (byte === 0x0a) await new Promise(setImmediate)
    }
    await until(() => received.length > 0)
    expect(Buffer.concat(received).toString()).toMatch(/^HTTP\/1\.1 200 OK\r\n/)
  })

  test('is answered when it comes in chunks, without a length', async () => {
    const { port } = await serve()
    const { headers, ...rest } = request()
    const reply = await send(port, { ...rest, headers: { ...headers, 'Transfer-Encoding': 'chunked' } })
    expect(summarize(reply)).toStrictEqual(SUCCESS)
  })

  test('is answered after 100 Continue, when the peer asks for it', async () => {
    const { port } = await serve()
    expect(summarize(await send(port, withHeaders(request(), { Expect: '100-continue' })))).toStrictEqual(SUCCESS)
  })

  test.each<[string, () => ReturnType<typeof request>, object]>([
    [
      'GET',
      () => request({ method: 'GET', message: '' }),
      { status: 405, resultCode: 'METHOD_NOT_SUPPORTED', signed: true },
    ],
    [
      'a stranger',
      () => request({ clientId: 'stranger' }),
      { status: 401, resultCode: 'INVALID_CLIENT', signed: false },
    ],
    [
      'a forgery',
      () => ({ ...request(), body: Buffer.from('{}') }),
      { status: 401, resultCode: 'INVALID_SIGNATURE', signed: true },
    ],
  ])('is refused: %s', async (_, make, expected) => {
    const { port, onOrder } = await serve()
    const { method, ...rest } = make()
    expect(summarize(await send(port, { method, ...rest }), { method })).toMatchObject(expected)
    expect(onOrder).not.toHaveBeenCalled()
  })
})

test.each(['Signature', 'Client-Id', 'Request-Time', 'Encrypt'])(
  'a %s that was sent twice is refused',
  async (name) => {
    const { port, onOrder } = await serve()
    const { [name]: value = '' } = encryptedRequest().headers
    const [reply] = await exchangeRaw(port, wire(withHeaders(encryptedRequest(), { [name.toLowerCase()]: value })), 1)
    expect(reply?.status).toBe(name === 'Client-Id' ? 401 : 400)
    expect(onOrder).not.toHaveBeenCalled()
  },
)

describe('a body larger than is accepted', () => {
  test.each([
    ['by its announced length, before it is read', {}],
    ['by its bytes', { 'Transfer-Encoding': 'chunked' }],
  ])('is refused with 413, and the connection closed: %s', async (_, headers) => {
    const { port, onOrder, events } = await serve({ maxBodyBytes: 100_000 })
    const large = withHeaders(request({ message: 'x'.repeat(3_000_000) }), headers)
    const reply = await send(port, large)
    expect(summarize(reply)).toMatchObject({ status: 413, resultCode: 'PARAM_ILLEGAL', signed: true })
    expect(reply.headers['Connection']).toBe('close')
    expect(events).toMatchObject([{ code: 'ERR_BODY_TOO_LARGE' }])
    expect(onOrder).not.toHaveBeenCalled()
  })

  test('never reaches the handler as the next request', async () => {
    const { port, onOrder, events } = await serve({ maxBodyBytes: 1_000 })
    const inner = wire(request())
    const outer = wire({ ...request(), body: Buffer.concat([Buffer.alloc(200_000, 'x'), inner, inner]) })
    const answers = await exchangeRaw(port, outer, 2)
    expect(answers.map(({ status }) => status)).toStrictEqual([413])
    expect(events).toHaveLength(1)
    expect(onOrder).not.toHaveBeenCalled()
  })
})

describe('one connection', () => {
  test('serves the next request after a success and after a refusal', async () => {
    const { port, onOrder } = await serve()
    const agent = new Agent({ keepAlive: true, maxSockets: 1 })
    ends.push(() => agent.destroy())
    const sockets = new Set<unknown>()
    const sendOn = async (message: ReturnType<typeof request>) => {
      const reply = await send(port, message, { agent })
      for (const list of Object.values(agent.freeSockets)) for (const socket of list ?? []) sockets.add(socket)
      return reply.status
    }
    expect(await sendOn(request())).toBe(200)
    expect(await sendOn(request({ message: '{' }))).toBe(400)
    expect(await sendOn({ ...request(), body: Buffer.from('{}') })).toBe(401)
    expect(await sendOn(request({ message: order({ requestId: 'r2', merchantBizNo: 'x' }) }))).toBe(200)
    expect(sockets.size).toBe(1)
    expect(onOrder).toHaveBeenCalledTimes(2)
  })

  test.each<[string, () => ReturnType<typeof request>, number]>([
    ['was processed', () => request({ message: order({ requestId: 'r2', merchantBizNo: 'x' }) }), 200],
    ['was refused after its body was read', () => request({ message: '{' }), 400],
  ])('serves a request that was sent right behind one that %s', async (_, first, status) => {
    const { port } = await serve()
    const answers = await exchangeRaw(port, Buffer.concat([wire(first()), wire(request())]), 2)
    expect(answers.map((answer) => answer.status)).toStrictEqual([status, 200])
    expect(answers[1] && summarize(answers[1])).toStrictEqual(SUCCESS)
  })
})

describe('a refusal before the body is read', () => {
  test('closes the connection, and the next one is served', async () => {
    const { port } = await serve()
    const agent = new Agent({ keepAlive: true, maxSockets: 1 })
    ends.push(() => agent.destroy())
    const refused = await send(port, request({ clientId: 'stranger' }), { agent })
    expect(refused).toMatchObject({ status: 401, headers: { Connection: 'close' } })
    expect(summarize(await send(port, request(), { agent }))).toStrictEqual(SUCCESS)
  })

  test('leaves a request that was sent right behind it unanswered, or answers it; it is never taken for a body', async () => {
    const { port, onOrder } = await serve()
    const bytes = Buffer.concat([wire(request({ clientId: 'stranger' })), wire(request())])
    const [first, second] = await exchangeRaw(port, bytes, 2)
    expect(first?.status).toBe(401)
    expect(second === undefined ? 'unanswered' : summarize(second).resultCode).toMatch(/^(unanswered|SUCCESS)$/)
    expect(onOrder.mock.calls.length).toBeLessThanOrEqual(1)
  })
})

describe('a peer that goes away', () => {
  test('half-way through the body: it is incomplete, nothing runs, and the server goes on', async () => {
    const { port, events, onOrder } = await serve()
    const socket = connect(port, '127.0.0.1')
    ends.push(() => void socket.destroy())
    const { body, ...rest } = request()
    socket.write(wire({ ...rest, body: body.subarray(0, 30) }, body.length), () => socket.destroy())
    await until(() => events.length > 0)
    expect(events).toMatchObject([{ kind: 'rejected', code: 'ERR_BODY_INCOMPLETE', status: 400 }])
    expect(onOrder).not.toHaveBeenCalled()
    expect(summarize(await send(port, request()))).toStrictEqual(SUCCESS)
  })

  test('while onOrder runs: its signal tells, and what it does is kept', async () => {
    const gate = deferred<{ orderId: string }>()
    const { port, onOrder, handler } = await serve({ onOrder: () => gate.promise })
    const socket = connect(port, '127.0.0.1', () => socket.write(wire(request())))
    ends.push(() => void socket.destroy())
    await until(() => onOrder.mock.calls.length > 0)
    const signal = onOrder.mock.calls[0]?.[1].signal
    expect(signal?.aborted).toBe(false)
    socket.destroy()
    await until(() => signal?.aborted === true)
    expect(signal?.reason).toMatchObject({ message: 'The peer has gone' })
    gate.resolve({ orderId: 'A-1' })
    await handler.drain()
    expect(summarize(await send(port, request()))).toStrictEqual(SUCCESS)
    expect(onOrder).toHaveBeenCalledOnce()
  })

  test('before anybody asked for the signal: it is aborted then', async () => {
    const gate = deferred<{ orderId: string }>()
    const { server, port, onOrder, handler } = await serve({ onOrder: () => gate.promise })
    const gone = deferred<unknown>()
    server.on('connection', (socket) => socket.on('close', gone.resolve))
    const socket = connect(port, '127.0.0.1', () => socket.write(wire(request())))
    await until(() => onOrder.mock.calls.length > 0)
    socket.destroy()
    await gone.promise
    expect(onOrder.mock.calls[0]?.[1].signal).toMatchObject({ aborted: true, reason: { message: 'The peer has gone' } })
    gate.resolve({ orderId: 'A-1' })
    await handler.drain()
  })

  test('is not mistaken for one that has been answered', async () => {
    const { port, onOrder } = await serve()
    await send(port, request(), { agent: new Agent({ keepAlive: false }) })
    await new Promise(setImmediate)
    expect(onOrder.mock.calls[0]?.[1].signal.aborted).toBe(false)
  })
})

describe('behind something that reads first', () => {
  /** A server whose middleware has a go at the request before the handler. */
  async function behind(
    middleware: (
      request: IncomingMessage & { body?: unknown; rawBody?: unknown; originalUrl?: string },
    ) => Promise<void>,
  ) {
    const made = merchant()
    const listener = toNodeListener(made.handler)
    const { port, close } = await listen(
      createHttpServer(async (incoming, response) => {
        await middleware(incoming)
        await listener(incoming, response)
      }),
    )
    ends.push(close)
    return { ...made, port }
  }

  const read = async (incoming: IncomingMessage) => {
    const chunks: Buffer[] = []
    for await (const chunk of incoming) chunks.push(chunk as Buffer)
    return Buffer.concat(chunks)
  }

  test.each<[string, Parameters<typeof behind>[0]]>([
    [
      'rawBody, as bytes',
      async (incoming) => void Object.assign(incoming, { rawBody: await read(incoming), body: {} }),
    ],
    [
      'rawBody, as a string',
      async (incoming) => void Object.assign(incoming, { rawBody: String(await read(incoming)), body: {} }),
    ],
    ['body, as bytes', async (incoming) => void Object.assign(incoming, { body: await read(incoming) })],
    ['body, as a string', async (incoming) => void Object.assign(incoming, { body: String(await read(incoming)) })],
    ['nothing, and did not read', async () => {}],
    ['an empty body, and did not read', async (incoming) => void Object.assign(incoming, { body: {} })],
  ])('and kept %s: the order is answered', async (_, middleware) => {
    const { port } = await behind(middleware)
    expect(summarize(await send(port, request()))).toStrictEqual(SUCCESS)
  })

  test.each<[string, Parameters<typeof behind>[0]]>([
    ['an object', async (incoming) => void Object.assign(incoming, { body: JSON.parse(String(await read(incoming))) })],
    ['nothing', async (incoming) => void (await read(incoming))],
  ])('and kept %s: the developer is told how to mend it', async (_, middleware) => {
    const warn = vi.spyOn(process, 'emitWarning').mockImplementation(() => {})
    const { port, onOrder, events } = await behind(middleware)
    expect(summarize(await send(port, request()))).toStrictEqual({ ...TRY_LATER, status: 500 })
    const mend =
      'Mount the handler before any body parser, or have the parser keep the bytes as request.rawBody (a Buffer).'
    expect(events).toMatchObject([{ code: 'ERR_BODY_PARSED', message: expect.stringContaining(mend) }])
    expect(warn.mock.calls).toStrictEqual([
      [expect.stringContaining(mend), { type: 'OrderSyncWarning', code: 'ERR_BODY_PARSED' }],
    ])
    expect(onOrder).not.toHaveBeenCalled()
  })

  test('and cut the path: the one that was received counts', async () => {
    const { port } = await behind(async (incoming) => {
      Object.assign(incoming, { originalUrl: incoming.url, url: '/' })
    })
    expect(summarize(await send(port, request()))).toStrictEqual(SUCCESS)
  })
})

test('an answer is the same bytes to what takes every text for UTF-8, as stand-ins for a response do', async () => {
  const refusal = new OrderRefusedError('PROCESS_FAIL', '庫存不足')
  const { handler } = merchant({ onOrder: () => Promise.reject(refusal) })
  const listener = toNodeListener(handler)
  const server = createHttpServer((incoming, response) => {
    const end = response.end.bind(response)
    Object.assign(response, { end: (content: string | Uint8Array) => end(Buffer.from(content as string)) })
    return listener(incoming, response)
  })
  const { port, close } = await listen(server)
  ends.push(close)
  const reply = await send(port, request())
  expect(summarize(reply)).toMatchObject({ resultCode: 'PROCESS_FAIL', signed: true })
  expect(messageOf(reply)).toMatchObject({ result: { resultMessage: '庫存不足' } })
})

test('createServer makes a server that listens where it is told', async () => {
  const server = createOrderSyncServer(merchant().handler)
  const { port, close } = await listen(server)
  ends.push(close)
  expect(server.listening).toBe(true)
  expect((await send(port, request({ path: PATH }))).status).toBe(200)
})

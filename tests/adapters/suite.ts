import { Agent } from 'node:http'
import { connect } from 'node:net'
import { gunzipSync } from 'node:zlib'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import type { OrderSyncHandler } from '../../src/index.ts'
import { deferred } from '../support/deferred.ts'
import { isSignedBy, messageOf, order, PATH, request, type TestRequest } from '../support/exchange.ts'
import type { HttpReply } from '../support/http.ts'
import { gatewayEcc, merchantEcc, merchantRsa } from '../support/keys.ts'
import { merchant } from '../support/merchant.ts'
import { answerOn, exchange, headOf, lowerCased } from './client.ts'
import { EXCHANGES, type Exchange, SHORT_MS, type SuiteRequest } from './exchanges.ts'

/** Lets a server listen on a port of its own, on which the handler answers at the path. */
export type Serve = (handler: OrderSyncHandler, path: string) => Promise<Served>

export interface Served {
  readonly port: number
  readonly close: () => Promise<unknown>
}

/** An adapter, mounted in all the ways that the suite is to hold for. */
export interface Adapter {
  /** Ways in which everything must go as if nothing else were there; the first with all exchanges, the others in brief. */
  readonly ways: Readonly<Record<string, Serve>>
  /** With a parser in front that keeps the bytes of what it parses; in brief. */
  readonly kept?: Readonly<Record<string, Serve>>
  /** With a parser in front that keeps only what it made, and what the developer must be told then. */
  readonly parsed?: Parsed
  /** The platform in front takes a request in whole before it passes it on: AWS Lambda. */
  readonly whole?: true
  /** What comes of an exchange instead, by its name, because the platform in front passes on something else. */
  readonly instead?: Readonly<Record<string, Partial<Exchange>>>
}

interface Parsed {
  readonly ways: Readonly<Record<string, Serve>>
  readonly tells: readonly string[]
  /** Where it is mounted so. */
  readonly path?: string
}

const ends: (() => unknown)[] = []

/** Runs the suite over an adapter: whatever comes over a real socket is answered as the handler itself answers it. */
export function describeAdapter(name: string, { ways, kept = {}, parsed, whole, instead = {} }: Adapter): void {
  describe(name, () => {
    // A parser that ran before is warned of.
    beforeEach(() => void vi.spyOn(process, 'emitWarning').mockImplementation(() => {}))
    afterEach(async () => {
      for (const end of ends.splice(0).reverse()) await end()
    })
    const all = EXCHANGES.map((one) => ({ ...one, ...instead[one.name], plain: !(one.name in instead) }))
    const brief = all.filter(({ brief }) => brief)
    for (const [index, [way, serve]] of Object.entries(ways).entries()) {
      describe(way, () => {
        testExchanges(serve, index === 0 ? all : brief)
        testCompression(serve, /compress/.test(way))
        testPath(serve)
        if (!whole) testConnections(serve)
        if (!whole && index === 0) testHanging(serve)
      })
    }
    for (const [way, serve] of Object.entries(kept)) {
      describe(way, () => testExchanges(serve, brief))
    }
    for (const [way, serve] of Object.entries(parsed?.ways ?? {})) {
      if (parsed) describe(way, () => testParsed(serve, parsed))
    }
  })
}

async function start(serve: Serve, options: Parameters<typeof merchant>[0] = {}, path = PATH) {
  const made = merchant(options)
  const { port, close } = await serve(made.handler, path)
  ends.push(close)
  return { ...made, port }
}

/** The options of a client that keeps to one connection. */
function keepAlive() {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  ends.push(() => agent.destroy())
  return { agent }
}

function dial(port: number) {
  const socket = connect(port, '127.0.0.1')
  ends.push(() => void socket.destroy())
  return socket
}

function testExchanges(serve: Serve, exchanges: readonly (Exchange & { readonly plain: boolean })[]) {
  test.each(exchanges)('$name: $status $resultCode', async (one) => {
    const { port, onOrder, events } = await start(serve, one.options?.())
    const agent = keepAlive()
    if (one.before) await exchange(port, one.before(), agent)
    const sent = one.send()
    const [received, plain] = await Promise.all([exchange(port, sent, agent), plainly(one, sent)])
    const reply = judge(received, sent)
    if (one.plain) expect(reply).toStrictEqual(plain)
    expect(reply).toMatchObject({ status: one.status, resultCode: one.resultCode, signed: !one.unsigned })
    expect([events.at(-1)?.kind, events.at(-1)?.code]).toContain(one.event)
    expect(onOrder).toHaveBeenCalledTimes(one.ran)
    // Whatever has come, the next order is answered, on the same connection unless it was closed.
    expect((await exchange(port, another(sent), agent)).status).toBe(200)
    expect(onOrder).toHaveBeenCalledTimes(one.ran + 1)
  })
}

function testCompression(serve: Serve, compresses: boolean) {
  test('an answer is signed over what a client has that has undone compression', async () => {
    const { port } = await start(serve)
    const { headers, ...rest } = request()
    const reply = await exchange(port, { ...rest, headers: { ...headers, 'Accept-Encoding': 'gzip' } })
    // Next.js compresses some answers by itself.
    const compressed = reply.headers['content-encoding'] === 'gzip'
    if (compresses) expect(compressed).toBe(true)
    const body = compressed ? gunzipSync(reply.body) : reply.body
    expect(judge({ ...reply, body }, request())).toMatchObject({ resultCode: 'SUCCESS', signed: true })
  })
}

function testPath(serve: Serve) {
  const path = '/api/hooks/sync'

  test('at another path than the sender signs: diagnostics say so, and "path" mends it', async () => {
    const { port, events } = await start(serve, {}, path)
    const sent = { ...request(), path }
    expect(judge(await exchange(port, sent), sent)).toMatchObject({ status: 401, resultCode: 'INVALID_SIGNATURE' })
    const told = `It was made for the path ${PATH}, and verified for ${path}: set the "path" option`
    expect(events).toMatchObject([{ code: 'ERR_SIGNATURE_INVALID', message: expect.stringContaining(told) }])
    const mended = await start(serve, { path: PATH }, path)
    expect(judge(await exchange(mended.port, sent), request())).toMatchObject({ status: 200, signed: true })
  })

  test('at another path, that the sender signs too', async () => {
    const { port } = await start(serve, {}, path)
    const sent = request({ path: `${path}?tenant=1` })
    expect(judge(await exchange(port, sent), sent)).toMatchObject({ resultCode: 'SUCCESS', signed: true })
  })
}

function testConnections(serve: Serve) {
  test('half a body, and the client goes: nothing runs, and the next order is answered', async () => {
    const ended = deferred<unknown>()
    const { port, onOrder } = await start(serve, { onEvent: ended.resolve })
    const { body, ...sent } = announced(request())
    const socket = dial(port)
    socket.write(headOf({ ...sent, body }))
    socket.write(body.subarray(0, 30), () => socket.destroy())
    expect(await ended.promise).toMatchObject({ kind: 'rejected', code: 'ERR_BODY_INCOMPLETE', status: 400 })
    expect(onOrder).not.toHaveBeenCalled()
    expect(judge(await exchange(port, request()), request())).toMatchObject({ resultCode: 'SUCCESS' })
    expect(onOrder).toHaveBeenCalledOnce()
  })

  test.each(FRAMINGS)(
    '8 MB, $how, from a client that reads nothing before all is sent: it can read the 413',
    async (framing) => {
      const { port, onOrder } = await start(serve, { maxBodyBytes: 100_000 })
      const sent = framing.head({ ...request(), body: Buffer.alloc(8_000_000, 'x') })
      const socket = dial(port).pause()
      const failure = deferred<never>()
      socket.on('error', failure.reject)
      const write = (bytes: string | Uint8Array) => new Promise((resolve) => socket.write(bytes, resolve))
      await write(headOf(sent))
      for (let at = 0; at < sent.body.length; at += 100_000) {
        await Promise.race([write(framing.part(sent.body.subarray(at, at + 100_000))), failure.promise])
      }
      await write(framing.part(Buffer.of()))
      const reply = judge(await answerOn(socket), sent)
      expect(reply).toMatchObject({ status: 413, resultCode: 'PARAM_ILLEGAL', signed: true })
      expect(onOrder).not.toHaveBeenCalled()
    },
  )

  test('what comes behind a body that is too large is not taken for a request', async () => {
    const { port, onOrder, events } = await start(serve, { maxBodyBytes: 1_000 })
    const inner = announced(request())
    const body = Buffer.concat([Buffer.alloc(200_000, 'x'), Buffer.from(headOf(inner)), inner.body])
    const socket = dial(port)
    const sent = announced({ ...request(), body })
    socket.write(headOf(sent))
    socket.write(body)
    expect(judge(await answerOn(socket), sent)).toMatchObject({ status: 413 })
    expect(events).toHaveLength(1)
    expect(onOrder).not.toHaveBeenCalled()
  })
}

function testHanging(serve: Serve) {
  test.each(FRAMINGS)('half a body, $how, and the client hangs: it is told when its time is up', async (framing) => {
    const { port, onOrder, events } = await start(serve, { timeoutMs: SHORT_MS })
    const sent = framing.head(request())
    const socket = dial(port)
    socket.write(headOf(sent))
    socket.write(framing.part(sent.body.subarray(0, 30)))
    const reply = judge(await answerOn(socket), sent)
    expect(reply).toMatchObject({ status: 500, resultCode: 'UNKNOWN_EXCEPTION', signed: true })
    // How the work has ended is told as well, once it has.
    expect(events[0]).toMatchObject({ kind: 'unavailable' })
    expect(onOrder).not.toHaveBeenCalled()
  })
}

function testParsed(serve: Serve, { tells, path = PATH }: Parsed) {
  test('the body is not written anew: the peer is to try later, the developer is told the lines to write', async () => {
    const { port, events, onOrder, store } = await start(serve, {}, path)
    const agent = keepAlive()
    const sent = request({ path })
    const reply = judge(await exchange(port, sent, agent), sent)
    const plain = await plainly({ options: () => ({ onOrder: () => Promise.reject(new Error()) }) }, sent)
    expect(reply).toStrictEqual({ ...plain, status: 500, resultCode: 'UNKNOWN_EXCEPTION', signed: true })
    expect(events).toMatchObject([{ kind: 'unavailable', code: 'ERR_BODY_PARSED', status: 500 }])
    for (const told of tells.map((lines) => expect.stringContaining(lines))) {
      expect(events).toMatchObject([{ message: told }])
      const kind = { type: 'OrderSyncWarning', code: 'ERR_BODY_PARSED' }
      expect(process.emitWarning).toHaveBeenCalledWith(told, kind)
    }
    expect((await exchange(port, request({ path, message: '{"a":1}' }), agent)).status).toBe(500)
    expect(onOrder).not.toHaveBeenCalled()
    expect(store.claim).not.toHaveBeenCalled()
  })
}

/** With the length of its body. */
const announced = ({ headers, ...rest }: TestRequest): TestRequest => ({
  ...rest,
  headers: { ...headers, 'Content-Length': String(rest.body.length) },
})

/** The two ways to write a body to a socket; an empty part ends it. */
const FRAMINGS = [
  { how: 'announced', head: announced, part: (bytes: Uint8Array) => bytes },
  {
    how: 'in chunks',
    head: ({ headers, ...rest }: TestRequest): TestRequest => ({
      ...rest,
      headers: { ...headers, 'Transfer-Encoding': 'chunked' },
    }),
    part: (bytes: Uint8Array) =>
      Buffer.concat([Buffer.from(`${bytes.length.toString(16)}\r\n`), bytes, Buffer.from('\r\n')]),
  },
]

/** An order that none of the exchanges has sent, from the same signer. */
const another = ({ headers }: SuiteRequest) =>
  request({
    message: order({ requestId: 'r-another', merchantBizNo: 'BIZ-another' }),
    ...(String(headers['Signature']).includes('ECC224') && { key: gatewayEcc().privateKey }),
  })

/** What the handler itself answers, without any HTTP. */
async function plainly({ options, before }: Pick<Exchange, 'options' | 'before'>, sent: SuiteRequest) {
  const { handler } = merchant(options?.())
  if (before) await handler(before())
  return judge(lowerCased(await handler(sent)), sent)
}

/** All of an answer that is to be the same everywhere: every byte, unless it is encrypted or signed at random. */
function judge({ status, headers, body }: Omit<HttpReply, 'body'> & { readonly body: Uint8Array }, sent: SuiteRequest) {
  const { encrypt, signature = '' } = headers
  const ecc = signature.includes('ECC224')
  const { method, path } = sent
  const message = messageOf({ headers, body }) as { readonly result: { readonly resultCode: string } }
  return {
    status,
    resultCode: message.result.resultCode,
    message,
    signed: isSignedBy({ headers, body }, (ecc ? merchantEcc() : merchantRsa()).publicKey, { method, path }),
    encrypted: encrypt !== undefined,
    headers: ['client-id', 'content-type', 'response-time'].map((name) => headers[name]),
    ...(encrypt === undefined && !ecc && { signature, body: Buffer.from(body).toString() }),
  }
}

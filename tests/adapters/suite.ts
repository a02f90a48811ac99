import { connect as connectOverTcp } from 'node:net'
import { gunzipSync } from 'node:zlib'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import type { OrderSyncHandler } from '../../src/public/index.ts'
import { deferred, until } from '../support/deferred.ts'
import { isSignedBy, messageOf, order, PATH, request, type TestRequest } from '../support/messages.ts'
import type { ReceivedResponse } from '../support/http.ts'
import { gatewayEcc, merchantEcc, merchantRsa } from '../support/keys.ts'
import { answerOn, type Connect, type Connection, connectOverHttp, headOf, lowerCased } from './client.ts'
import { EXCHANGES, type Exchange, rsaCredentials, SHORT_MS, type SuiteRequest } from './exchanges.ts'
import { createMerchant, type MerchantOptions, type Seen } from './merchant.ts'

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
  /** The server in front closes a connection, once it has answered, on what is still coming: its peer is reset. */
  readonly resets?: true
  /** How to speak to it, where that is not HTTP/1.1 over TCP. */
  readonly connect?: Connect
  /** What comes of an exchange instead, by its name, because the platform in front passes on something else. */
  readonly instead?: Readonly<Record<string, Partial<Exchange>>>
}

/** Where a merchant is to live, and how. */
export interface Mount {
  readonly adapter: string
  readonly way: string
  readonly serve: Serve
  readonly path: string
  readonly options: MerchantOptions
}

/** A merchant that answers at a port. */
export interface Merchant extends Served {
  readonly seen: () => Promise<Seen & { readonly warnings: readonly unknown[] }>
}

type Start = (options?: Partial<MerchantOptions>, path?: string) => Promise<Merchant & Pick<Connection, 'send'>>

interface Parsed {
  readonly ways: Readonly<Record<string, Serve>>
  readonly tells: readonly string[]
  /** Where it is mounted so. */
  readonly path?: string
}

const ends: (() => unknown)[] = []

async function inThisProcess({ serve, path, options }: Mount): Promise<Merchant> {
  const { handler, seen } = createMerchant(options)
  const warnings = vi.mocked(process.emitWarning).mock.calls
  return { ...(await serve(handler, path)), seen: async () => ({ ...seen, warnings }) }
}

/**
 * Runs the suite over an adapter: whatever comes over a real socket is answered as the handler itself answers it.
 *
 * @param host What starts a merchant.
 */
export function describeAdapter(adapter: string, mounts: Adapter, host = inThisProcess): void {
  const { ways, kept = {}, parsed, whole, resets, connect, instead = {} } = mounts
  const sockets = !whole && !connect
  const starting =
    (way: string, serve: Serve): Start =>
    async (options, path = PATH) => {
      const all = { credentials: rsaCredentials(), ...options }
      const merchant = await host({ adapter, way, serve, path, options: all })
      const { send, end } = (connect ?? connectOverHttp)(merchant.port)
      ends.push(merchant.close, end)
      return { ...merchant, send }
    }
  describe(adapter, () => {
    // A parser that ran before is warned of.
    beforeEach(() => void vi.spyOn(process, 'emitWarning').mockImplementation(() => {}))
    afterEach(async () => {
      for (const end of ends.splice(0).reverse()) await end()
    })
    const all = EXCHANGES.map((one) => ({ ...one, ...instead[one.name], plain: !(one.name in instead) }))
    const brief = all.filter(({ brief }) => brief)
    for (const [index, [way, serve]] of Object.entries(ways).entries()) {
      const start = starting(way, serve)
      describe(way, () => {
        testExchanges(start, index === 0 ? all : brief)
        testCompression(start, /compress/.test(way))
        testPath(start)
        if (sockets) testConnections(start)
        if (sockets && !resets) testLargeBodies(start)
        if (sockets && index === 0) testHanging(start)
      })
    }
    for (const [way, serve] of Object.entries(kept)) {
      describe(way, () => testExchanges(starting(way, serve), brief))
    }
    for (const [way, serve] of Object.entries(parsed?.ways ?? {})) {
      if (parsed) describe(way, () => testParsed(starting(way, serve), parsed))
    }
  })
}

function dial(port: number) {
  const socket = connectOverTcp(port, '127.0.0.1')
  ends.push(() => void socket.destroy())
  return socket
}

function testExchanges(start: Start, exchanges: readonly (Exchange & { readonly plain: boolean })[]) {
  test.each(exchanges)('$name: $status $resultCode', async (one) => {
    const { send, seen } = await start(one.options?.())
    if (one.before) await send(one.before())
    const sent = one.send()
    const [received, plain] = await Promise.all([send(sent), plainly(one, sent)])
    const reply = judge(received, sent)
    if (one.plain) expect(reply).toStrictEqual(plain)
    expect(reply).toMatchObject({ status: one.status, resultCode: one.resultCode, signed: !one.unsigned })
    const { events, ran } = await seen()
    expect([events.at(-1)?.kind, events.at(-1)?.code]).toContain(one.event)
    expect(ran).toBe(one.ran)
    // Whatever has come, the next order is answered, on the same connection unless it was closed.
    expect((await send(another(sent))).status).toBe(200)
    expect((await seen()).ran).toBe(one.ran + 1)
  })
}

function testCompression(start: Start, compresses: boolean) {
  test('an answer is signed over what a client has that has undone compression', async () => {
    const { send } = await start()
    const { headers, ...rest } = request()
    const reply = await send({ ...rest, headers: { ...headers, 'Accept-Encoding': 'gzip' } })
    // Next.js compresses some answers by itself.
    const compressed = reply.headers['content-encoding'] === 'gzip'
    if (compresses) expect(compressed).toBe(true)
    const body = compressed ? gunzipSync(reply.body) : reply.body
    expect(judge({ ...reply, body }, request())).toMatchObject({ resultCode: 'SUCCESS', signed: true })
  })
}

function testPath(start: Start) {
  const path = '/api/hooks/sync'

  test('at another path than the sender signs: diagnostics say so, and "path" mends it', async () => {
    const { send, seen } = await start({}, path)
    const sent = { ...request(), path }
    expect(judge(await send(sent), sent)).toMatchObject({ status: 401, resultCode: 'INVALID_SIGNATURE' })
    const hint = `It was made for the path ${PATH}, and verified for ${path}: set the "path" option`
    const told = [{ code: 'ERR_SIGNATURE_INVALID', message: expect.stringContaining(hint) }]
    expect(await seen()).toMatchObject({ events: told })
    const mended = await start({ path: PATH }, path)
    expect(judge(await mended.send(sent), request())).toMatchObject({ status: 200, signed: true })
  })

  test('at another path, that the sender signs too', async () => {
    const { send } = await start({}, path)
    const sent = request({ path: `${path}?tenant=1` })
    expect(judge(await send(sent), sent)).toMatchObject({ resultCode: 'SUCCESS', signed: true })
  })
}

function testConnections(start: Start) {
  test('half a body, and the client goes: nothing runs, and the next order is answered', async () => {
    const { port, send, seen } = await start()
    const { body, ...sent } = announced(request())
    const socket = dial(port)
    socket.write(headOf({ ...sent, body }))
    socket.write(body.subarray(0, 30), () => socket.destroy())
    await until(async () => (await seen()).events.length > 0)
    const told = [{ kind: 'rejected', code: 'ERR_BODY_INCOMPLETE', status: 400 }]
    expect(await seen()).toMatchObject({ events: told, ran: 0 })
    expect(judge(await send(request()), request())).toMatchObject({ resultCode: 'SUCCESS' })
    expect((await seen()).ran).toBe(1)
  })

  test('what comes behind a body that is too large is not taken for a request', async () => {
    const { port, seen } = await start({ maxBodyBytes: 1_000 })
    const inner = announced(request())
    const body = Buffer.concat([Buffer.alloc(200_000, 'x'), Buffer.from(headOf(inner)), inner.body])
    const socket = dial(port)
    const sent = announced({ ...request(), body })
    socket.write(headOf(sent))
    socket.write(body)
    expect(judge(await answerOn(socket), sent)).toMatchObject({ status: 413 })
    expect(await seen()).toMatchObject({ events: [{ status: 413 }], ran: 0 })
  })
}

function testLargeBodies(start: Start) {
  test.each(FRAMINGS)(
    '8 MB, $how, from a client that reads nothing before all is sent: it can read the 413',
    async (framing) => {
      const { port, seen } = await start({ maxBodyBytes: 100_000 })
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
      expect((await seen()).ran).toBe(0)
    },
  )
}

function testHanging(start: Start) {
  test.each(FRAMINGS)('half a body, $how, and the client hangs: it is told when its time is up', async (framing) => {
    const { port, seen } = await start({ timeoutMs: SHORT_MS })
    const sent = framing.head(request())
    const socket = dial(port)
    socket.write(headOf(sent))
    socket.write(framing.part(sent.body.subarray(0, 30)))
    const reply = judge(await answerOn(socket), sent)
    expect(reply).toMatchObject({ status: 500, resultCode: 'UNKNOWN_EXCEPTION', signed: true })
    expect(await seen()).toMatchObject({ events: [{ kind: 'unavailable' }], ran: 0 })
  })

  test('an order hangs, and another that came with it is done: it is told when its time is up', async () => {
    const { port, seen } = await start({ timeoutMs: SHORT_MS, onOrder: 'takes a while, then hangs' })
    const replies = ['1', '2'].map(async (id) => {
      const { send, end } = connectOverHttp(port)
      ends.push(end)
      const sent = request({ message: order({ requestId: `r-${id}`, merchantBizNo: `b-${id}` }) })
      return judge(await send(sent), sent).resultCode
    })
    expect((await Promise.all(replies)).sort()).toEqual(['SUCCESS', 'UNKNOWN_EXCEPTION'])
    expect((await seen()).ran).toBe(2)
  })
}

function testParsed(start: Start, { tells, path = PATH }: Parsed) {
  test('the body is not written anew: the peer is to try later, the developer is told the lines to write', async () => {
    const { send, seen } = await start({}, path)
    const sent = request({ path })
    const reply = judge(await send(sent), sent)
    const plain = await plainly({ options: () => ({ onOrder: 'fails' }) }, sent)
    expect(reply).toStrictEqual({ ...plain, status: 500, resultCode: 'UNKNOWN_EXCEPTION', signed: true })
    const { events, warnings } = await seen()
    expect(events).toMatchObject([{ kind: 'unavailable', code: 'ERR_BODY_PARSED', status: 500 }])
    for (const told of tells.map((lines) => expect.stringContaining(lines))) {
      expect(events).toMatchObject([{ message: told }])
      expect(warnings).toContainEqual([told, { type: 'OrderSyncWarning', code: 'ERR_BODY_PARSED' }])
    }
    expect((await send(request({ path, message: '{"a":1}' }))).status).toBe(500)
    expect(await seen()).toMatchObject({ ran: 0, claims: 0 })
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
  const { handler } = createMerchant({ credentials: rsaCredentials(), ...options?.() })
  if (before) await handler(before())
  return judge(lowerCased(await handler(sent)), sent)
}

/** All of an answer that is to be the same everywhere: every byte, unless it is encrypted or signed at random. */
function judge({ status, headers, body }: Omit<ReceivedResponse, 'body'> & { readonly body: Uint8Array }, sent: SuiteRequest) {
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

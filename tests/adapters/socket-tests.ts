import { connect } from 'node:net'
import { expect, onTestFinished, test } from 'vitest'
import { deferred, until } from '../support/deferred.ts'
import { order, request, type TestRequest } from '../support/messages.ts'
import { connectOverHttp, formatHead, readResponse } from './client.ts'
import { toComparable } from './comparison.ts'
import type { Start } from './fixture.ts'
import { SHORT_TIMEOUT_MS } from './request-cases.ts'

// The groups of the suite that write to a TCP socket themselves.

const withContentLength = ({ headers, ...rest }: TestRequest): TestRequest => ({
  ...rest,
  headers: { ...headers, 'Content-Length': String(rest.body.length) },
})

/** The two ways to send a body in HTTP/1.1. An empty part ends it. */
const FRAMINGS = [
  { framing: 'Content-Length', withFraming: withContentLength, formatPart: (bytes: Uint8Array) => bytes },
  {
    framing: 'chunks',
    withFraming: ({ headers, ...rest }: TestRequest): TestRequest => ({
      ...rest,
      headers: { ...headers, 'Transfer-Encoding': 'chunked' },
    }),
    formatPart: (bytes: Uint8Array) =>
      Buffer.concat([Buffer.from(`${bytes.length.toString(16)}\r\n`), bytes, Buffer.from('\r\n')]),
  },
]

function openSocket(port: number) {
  const socket = connect(port, '127.0.0.1')
  onTestFinished(() => void socket.destroy())
  return socket
}

export function testConnections(start: Start): void {
  test('reports ERR_BODY_INCOMPLETE when the client disconnects within the body, and processes the next order', async () => {
    const { port, send, recorded } = await start()
    const sent = withContentLength(request())
    const socket = openSocket(port)
    socket.write(formatHead(sent))
    socket.write(sent.body.subarray(0, 30), () => socket.destroy())
    await until(async () => (await recorded()).events.length > 0)
    const events = [{ kind: 'rejected', code: 'ERR_BODY_INCOMPLETE', status: 400 }]
    expect(await recorded()).toMatchObject({ events, onOrderCalls: 0 })
    expect(toComparable(await send(request()), request())).toMatchObject({ resultCode: 'SUCCESS' })
    expect((await recorded()).onOrderCalls).toBe(1)
  })

  test('does not take the rest of a body that is too large for the next request', async () => {
    const { port, recorded } = await start({ maxBodyBytes: 1_000 })
    const inner = withContentLength(request())
    const body = Buffer.concat([Buffer.alloc(200_000, 'x'), Buffer.from(formatHead(inner)), inner.body])
    const socket = openSocket(port)
    const sent = withContentLength({ ...request(), body })
    socket.write(formatHead(sent))
    socket.write(body)
    expect(toComparable(await readResponse(socket), sent)).toMatchObject({ status: 413 })
    expect(await recorded()).toMatchObject({ events: [{ status: 413 }], onOrderCalls: 0 })
  })
}

export function testLargeBodies(start: Start): void {
  for (const { framing, withFraming, formatPart } of FRAMINGS) {
    test(`delivers the 413 to a client that sends 8 MB with ${framing} before it reads`, async () => {
      const { port, recorded } = await start({ maxBodyBytes: 100_000 })
      const sent = withFraming({ ...request(), body: Buffer.alloc(8_000_000, 'x') })
      const socket = openSocket(port).pause()
      const failure = deferred<never>()
      socket.on('error', failure.reject)
      const write = (bytes: string | Uint8Array) => new Promise((resolve) => socket.write(bytes, resolve))
      await write(formatHead(sent))
      for (let at = 0; at < sent.body.length; at += 100_000) {
        await Promise.race([write(formatPart(sent.body.subarray(at, at + 100_000))), failure.promise])
      }
      await write(formatPart(Buffer.of()))
      const response = toComparable(await readResponse(socket), sent)
      expect(response).toMatchObject({ status: 413, resultCode: 'PARAM_ILLEGAL', signed: false })
      expect((await recorded()).onOrderCalls).toBe(0)
    })
  }
}

export function testTimeouts(start: Start): void {
  for (const { framing, withFraming, formatPart } of FRAMINGS) {
    test(`responds 500 UNKNOWN_EXCEPTION after the timeout when a client stops within a body with ${framing}`, async () => {
      const { port, recorded } = await start({ timeoutMs: SHORT_TIMEOUT_MS })
      const sent = withFraming(request())
      const socket = openSocket(port)
      socket.write(formatHead(sent))
      socket.write(formatPart(sent.body.subarray(0, 30)))
      const response = toComparable(await readResponse(socket), sent)
      expect(response).toMatchObject({ status: 500, resultCode: 'UNKNOWN_EXCEPTION', signed: false })
      expect(await recorded()).toMatchObject({ events: [{ kind: 'unavailable' }], onOrderCalls: 0 })
    })
  }

  test('responds UNKNOWN_EXCEPTION after the timeout when onOrder hangs, and SUCCESS to a concurrent order', async () => {
    const { port, recorded } = await start({ timeoutMs: SHORT_TIMEOUT_MS, onOrder: 'is slow once, then hangs' })
    const resultCodes = ['1', '2'].map(async (id) => {
      const { send, close } = connectOverHttp(port)
      onTestFinished(close)
      const sent = request({ message: order({ requestId: `r-${id}`, merchantBizNo: `b-${id}` }) })
      return toComparable(await send(sent), sent).resultCode
    })
    expect((await Promise.all(resultCodes)).sort()).toEqual(['SUCCESS', 'UNKNOWN_EXCEPTION'])
    expect((await recorded()).onOrderCalls).toBe(2)
  })
}

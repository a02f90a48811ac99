import { inspect } from 'node:util'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { OrderRefusedError, type RequestBody } from '../../src/public/index.ts'
import { deferred } from '../support/deferred.ts'
import { gatewayEcc, gatewayRsa, merchantEcc, merchantRsa, pem, strangerRsa } from '../support/keys.ts'
import { merchant, SUCCESS, summarize, TRY_LATER } from '../support/merchant.ts'
import {
  bytesOf,
  CLIENT_ID,
  encryptedRequest,
  isSignedBy,
  merchantCredentials,
  messageOf,
  NOW,
  order,
  PATH,
  request,
  success,
  TIME,
  withHeaders,
} from '../support/messages.ts'

afterEach(() => vi.restoreAllMocks())

describe('an order is answered', () => {
  test('in the clear: the handler’s answer has the headers of the page and the message of the page', async () => {
    const { handler, onOrder } = merchant()
    const reply = await handler(request())
    expect(reply.status).toBe(200)
    expect(reply.headers).toStrictEqual({
      'Client-Id': CLIENT_ID,
      'Content-Type': 'application/json; charset=UTF-8',
      'Response-Time': TIME,
      Signature: expect.stringMatching(/^algorithm=RSA256,keyVersion=1,signature=/),
    })
    expect(isSignedBy(reply, merchantRsa().publicKey)).toBe(true)
    expect(messageOf(reply)).toStrictEqual(success())
    expect(onOrder).toHaveBeenCalledOnce()
  })

  test('encrypted, when it came encrypted', async () => {
    const { handler } = merchant()
    const reply = await handler(encryptedRequest())
    expect(summarize(reply)).toStrictEqual({ ...SUCCESS, encrypted: true })
    expect(reply.headers['Content-Type']).toBe('text/plain; charset=UTF-8')
    expect(Buffer.from(reply.body).toString()).not.toContain('SUCCESS')
  })

  test.each([
    ['in the clear', request()],
    ['encrypted', encryptedRequest()],
    ['to a stranger', request({ clientId: 'STRANGER' })],
  ])('%s, in memory that holds nothing else', async (_, sent) => {
    const { body } = await merchant().handler(sent)
    expect(body.buffer.byteLength).toBe(body.length)
  })

  test('with ECC224 keys on both sides', async () => {
    const credentials = {
      clientId: CLIENT_ID,
      privateKeys: { 1: merchantEcc().privateKey },
      peerPublicKeys: { 1: gatewayEcc().publicKey },
    }
    const { handler } = merchant({ credentials })
    const reply = await handler(request({ key: gatewayEcc().privateKey }))
    expect(isSignedBy(reply, merchantEcc().publicKey)).toBe(true)
    expect(messageOf(reply)).toStrictEqual(success())
  })

  test('encrypted, with RSA keys to encrypt and ECC224 keys to sign', async () => {
    const credentials = {
      clientId: CLIENT_ID,
      privateKeys: { 1: merchantRsa().privateKey, 2: merchantEcc().privateKey },
      peerPublicKeys: { 1: gatewayRsa().publicKey, 2: gatewayEcc().publicKey },
    }
    const { handler } = merchant({ credentials })
    const reply = await handler(encryptedRequest({ key: gatewayEcc().privateKey, keyVersion: '2' }))
    expect(isSignedBy(reply, merchantEcc().publicKey)).toBe(true)
    expect(reply.headers['Encrypt']).toMatch(/keyVersion=1/)
    expect(messageOf(reply)).toStrictEqual(success())
  })

  test('over the path and query string of the request', async () => {
    const { handler } = merchant()
    const path = '/hook?tenant=7&x=%20'
    const reply = await handler(request({ path }))
    expect(summarize(reply, { path })).toStrictEqual(SUCCESS)
    expect(summarize(reply)).toMatchObject({ signed: false })
  })

  test.each<[string, () => RequestBody]>([
    ['a string', () => JSON.stringify(order())],
    ['a Buffer', () => Buffer.from(JSON.stringify(order()))],
    ['a view into a larger buffer', () => Buffer.from(`##${JSON.stringify(order())}##`).subarray(2, -2)],
    ['a Uint8Array', () => new TextEncoder().encode(JSON.stringify(order()))],
    ['a stream of bytes', () => inPieces(bytesOf(order()), 7)],
    ['a stream of one piece', () => inPieces(bytesOf(order()), 10_000)],
    ['a stream of strings', () => stringsOf(JSON.stringify(order()))],
    ['a web stream', () => new Blob([JSON.stringify(order())]).stream()],
  ])('whose body is %s', async (_, body) => {
    const { handler, onOrder } = merchant()
    expect(summarize(await handler({ ...request(), body: body() }))).toStrictEqual(SUCCESS)
    expect(onOrder.mock.calls[0]?.[0]).toStrictEqual(order())
  })

  test.each([
    ['a Map-like', (headers: Record<string, string>) => new Map(Object.entries(headers))],
    ['a Headers object', (headers: Record<string, string>) => new Headers(headers)],
    ['pairs', (headers: Record<string, string>) => Object.entries(headers)],
    [
      'lower-case names',
      (headers: Record<string, string>) =>
        Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value])),
    ],
    [
      'arrays of values',
      (headers: Record<string, string>) =>
        Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, [value]])),
    ],
  ])('whose headers are %s', async (_, headers) => {
    const { handler } = merchant()
    expect(summarize(await handler({ ...request(), headers: headers(request().headers) }))).toStrictEqual(SUCCESS)
  })

  test.each([
    ['300 s ago', '2024-05-22T09:07:21+08:00'],
    ['300 s ahead', '2024-05-22T09:17:21+08:00'],
    ['in another offset', '2024-05-22T06:42:21+05:30'],
    ['with a fraction', '2024-05-22T01:12:21.123456Z'],
    ['in milliseconds', String(NOW)],
  ])('made %s', async (_, time) => {
    expect(summarize(await merchant().handler(request({ time })))).toStrictEqual(SUCCESS)
  })

  test('with numbers that are no safe integers, where allowFractions lets them through', async () => {
    const message = order({ extInfo: { rate: 0.5 }, more: 1.5 })
    const { handler, onOrder } = merchant({ allowFractions: true })
    expect(summarize(await handler(request({ message })))).toStrictEqual(SUCCESS)
    expect(onOrder.mock.calls[0]?.[0]).toStrictEqual(message)
    const times = order({ requestId: 'r2', orderModifyTime: NOW + 0.5 })
    expect(summarize(await handler(request({ message: times })))).toMatchObject({ resultCode: 'PARAM_ILLEGAL' })
  })
})

describe('onOrder is told', () => {
  test('the order as it was sent, unknown fields included', async () => {
    const { handler, onOrder } = merchant()
    const message = order({ newFieldjrPOUb: { a: [1] }, amount: { value: '1', currency: 'HKD', unit: 'x' } })
    await handler(request({ message }))
    expect(onOrder.mock.calls[0]?.[0]).toStrictEqual(message)
  })

  test('the context', async () => {
    const { handler, onOrder } = merchant()
    await handler(withHeaders(request(), { 'Agent-Token': 'agent-7' }))
    await handler(encryptedRequest({ message: order({ requestId: 'r2', merchantBizNo: 'other' }) }))
    const [first, second] = onOrder.mock.calls.map(([, context]) => context)
    expect(first).toMatchObject({ clientId: CLIENT_ID, agentToken: 'agent-7', encrypted: false })
    expect(second).toMatchObject({ clientId: CLIENT_ID, agentToken: undefined, encrypted: true })
    expect(first?.signal.aborted).toBe(false)
    expect({ ...first }.signal).toBe(first?.signal)
    expect(second?.fencingToken).toBeGreaterThan(first?.fencingToken ?? Number.POSITIVE_INFINITY)
  })
})

describe('path', () => {
  test('as a string, is what the sender signed, behind a proxy that rewrites it', async () => {
    const { handler } = merchant({ signedPath: PATH })
    const { path: _, ...rest } = request()
    const reply = await handler({ ...rest, path: '/internal/hook' })
    expect(summarize(reply)).toStrictEqual(SUCCESS)
  })

  test('as a function, is told of the request', async () => {
    const { handler } = merchant({ signedPath: ({ path }) => path.replace(/^\/internal/, '') })
    const reply = await handler({ ...request(), path: `/internal${PATH}` })
    expect(summarize(reply)).toStrictEqual(SUCCESS)
    expect(
      summarize(await handler({ ...request(), path: `/elsewhere${PATH}` }), { path: `/elsewhere${PATH}` }),
    ).toMatchObject({
      resultCode: 'INVALID_SIGNATURE',
      signed: true,
    })
  })

  test.each([
    ['nothing', () => undefined],
    ['a promise', async () => PATH],
    ['a URL', () => new URL(`https://merchant.example${PATH}`)],
  ])('as a function that returns %s, is ours to mend', async (_, path) => {
    const warn = vi.spyOn(process, 'emitWarning').mockImplementation(() => {})
    const { handler, events, onOrder } = merchant({ signedPath: path as never })
    expect(summarize(await handler(request()))).toMatchObject({ status: 500, resultCode: 'UNKNOWN_EXCEPTION' })
    expect(events).toMatchObject([
      { kind: 'unavailable', code: 'ERR_PATH', message: expect.stringContaining('"signedPath"') },
    ])
    expect(warn).toHaveBeenCalledOnce()
    expect(onOrder).not.toHaveBeenCalled()
  })

  test('as a function that throws, is ours to mend', async () => {
    const error = new Error('SECRET-1')
    const { handler, events } = merchant({
      signedPath: () => {
        throw error
      },
    })
    expect(summarize(await handler(request()))).toMatchObject({ status: 500, resultCode: 'UNKNOWN_EXCEPTION' })
    expect(events).toMatchObject([{ kind: 'unavailable', code: 'UNKNOWN_EXCEPTION' }])
    expect(events[0]?.error).toBe(error)
  })
})

describe('several tenants, by a function', () => {
  const other = () => ({
    clientId: 'OTHER',
    privateKeys: { 1: merchantEcc().privateKey },
    peerPublicKeys: { 1: strangerRsa().publicKey },
  })

  test.each([
    ['at once', <T>(value: T) => value],
    ['later', <T>(value: T) => Promise.resolve(value)],
  ])('that answers %s, each with keys of its own', async (_, give) => {
    const tenants = [merchantCredentials(), other()]
    const find = vi.fn((clientId: string) => give(tenants.find((tenant) => tenant.clientId === clientId)))
    const { handler, onOrder } = merchant({ credentials: find })
    expect(summarize(await handler(request()))).toStrictEqual(SUCCESS)
    const reply = await handler(request({ clientId: 'OTHER', key: strangerRsa().privateKey }))
    expect(messageOf(reply)).toStrictEqual(success())
    expect(isSignedBy(reply, merchantEcc().publicKey, { clientId: 'OTHER' })).toBe(true)
    // The same order number at two tenants is two orders.
    expect(onOrder.mock.calls.map(([, { clientId }]) => clientId)).toStrictEqual([CLIENT_ID, 'OTHER'])
    expect(find.mock.calls).toStrictEqual([[CLIENT_ID], ['OTHER']])
  })

  test('a tenant cannot speak for another', async () => {
    const tenants = [merchantCredentials(), other()]
    const { handler } = merchant({ credentials: (clientId) => tenants.find((tenant) => tenant.clientId === clientId) })
    const forged = await handler(request({ key: strangerRsa().privateKey }))
    expect(summarize(forged)).toMatchObject({ status: 401, resultCode: 'INVALID_SIGNATURE', signed: true })
  })

  test.each([
    ['undefined', () => undefined],
    ['a promise of undefined', () => Promise.resolve(undefined)],
    ['null, as JavaScript may', () => null as unknown as undefined],
    ['another tenant', other],
    ['the tenant in another spelling', () => ({ ...merchantCredentials(), clientId: CLIENT_ID.toLowerCase() })],
  ])('that gives %s, makes the caller a stranger', async (_, credentials) => {
    const { handler, onOrder, events } = merchant({ credentials })
    expect(summarize(await handler(request()))).toMatchObject({
      status: 401,
      resultCode: 'INVALID_CLIENT',
      signed: false,
    })
    expect(onOrder).not.toHaveBeenCalled()
    expect(events[0]).not.toHaveProperty('clientId')
  })

  test.each([
    [
      'throws',
      () => {
        throw new Error('SECRET-1')
      },
    ],
    ['rejects', () => Promise.reject(new Error('SECRET-1'))],
  ])('that %s, is ours to mend: try later', async (_, credentials) => {
    const { handler, events } = merchant({ credentials })
    const reply = await handler(request())
    expect(summarize(reply)).toMatchObject({
      status: 500,
      resultCode: 'UNKNOWN_EXCEPTION',
      resultStatus: 'U',
      signed: false,
    })
    expect(events).toMatchObject([{ kind: 'unavailable', status: 500 }])
    expect(inspect(events) + JSON.stringify(events) + Buffer.from(reply.body)).not.toContain('SECRET-1')
  })

  test('that gives a key which is none, is ours to mend, and is told once', async () => {
    const warn = vi.spyOn(process, 'emitWarning').mockImplementation(() => {})
    const { handler, events } = merchant({
      credentials: () => ({ ...merchantCredentials(), privateKeys: { 1: 'SECRET-1' } }),
    })
    for (let times = 0; times < 2; times++) {
      expect(summarize(await handler(request()))).toMatchObject({ status: 500, resultCode: 'UNKNOWN_EXCEPTION' })
    }
    expect(events).toMatchObject([{ code: 'ERR_KEY_FORMAT' }, { code: 'ERR_KEY_FORMAT' }])
    expect(warn.mock.calls).toStrictEqual([
      [expect.stringMatching(/^privateKeys\[1\] is /), { type: 'OrderSyncWarning', code: 'ERR_KEY_FORMAT' }],
    ])
    expect(inspect([events, warn.mock.calls], { depth: 9 })).not.toContain('SECRET-1')
  })

  test('that gives the same object, has its keys parsed once', async () => {
    const [credentials, key] = [merchantCredentials(), pem(merchantRsa().privateKey)]
    let reads = 0
    const privateKeys = {
      get 1() {
        reads++
        return key
      },
    }
    const tenant = { ...credentials, privateKeys }
    const { handler } = merchant({ credentials: () => tenant })
    await handler(request())
    await handler(request())
    expect(reads).toBe(1)
  })
})

describe('a body that a parser has been at', () => {
  test.each<[string, unknown]>([
    ['an object', order()],
    ['an array', []],
    ['a number', 5],
    ['true', true],
  ])('%s is never written anew: the developer is told, and the peer is to try later', async (_, body) => {
    const warn = vi.spyOn(process, 'emitWarning').mockImplementation(() => {})
    const { handler, onOrder, events, store } = merchant()
    const reply = await handler({ ...request(), body: body as RequestBody, parsedBodyHint: 'Mount it first.' })
    expect(summarize(reply)).toStrictEqual({ ...TRY_LATER, status: 500 })
    expect(events).toMatchObject([
      { kind: 'unavailable', code: 'ERR_BODY_PARSED', message: expect.stringContaining('Mount it first.') },
    ])
    expect(warn.mock.calls[0]?.[0]).toContain('Mount it first.')
    expect(onOrder).not.toHaveBeenCalled()
    expect(store.claim).not.toHaveBeenCalled()
  })
})

describe('an encrypted message that cannot be answered encrypted', () => {
  test('is ours to mend, and is found before the order is processed', async () => {
    vi.spyOn(process, 'emitWarning').mockImplementation(() => {})
    const credentials = { ...merchantCredentials(), peerPublicKeys: { 1: gatewayEcc().publicKey } }
    const { handler, onOrder, events } = merchant({ credentials })
    const reply = await handler(encryptedRequest({ key: gatewayEcc().privateKey }))
    expect(summarize(reply)).toStrictEqual({ ...TRY_LATER, status: 500 })
    expect(events).toMatchObject([{ kind: 'unavailable', code: 'ERR_KEY_USE' }])
    expect(onOrder).not.toHaveBeenCalled()
  })
})

describe('a line break in the first line of what is signed', () => {
  // Signed, the answer would begin as a message of ours for another path, with content of the stranger's choice.
  const forged = `/pay\n${CLIENT_ID}.2024-05-22T09:12:21+08:00.{"amount":1}`

  test.each([
    ['path', { path: forged }],
    ['method', { method: `POST ${forged}` }],
    ['method, as a space', { method: 'POST /pay' }],
  ])('in the %s is refused, and its answer not signed', async (_, part) => {
    const { handler, events } = merchant()
    const reply = await handler({ ...request(), ...part })
    expect(reply.status).toBe(400)
    expect(reply.headers).not.toHaveProperty('Signature')
    expect(events).toMatchObject([{ kind: 'rejected', code: 'ERR_HEADER_INVALID' }])
  })
})

describe('a signer that is out of reach', () => {
  const signer = (sign: () => Promise<Uint8Array>) => ({
    ...merchantCredentials(),
    privateKeys: { 1: { algorithm: 'RSA256' as const, sign } },
  })

  test('leaves the answer unsigned: try later; the order is kept, and answered when it comes again', async () => {
    const { privateKey } = merchantRsa()
    const { sign } = await import('node:crypto')
    let up = false
    const credentials = {
      ...merchantCredentials(),
      privateKeys: {
        1: {
          algorithm: 'RSA256' as const,
          sign: async (bytes: Uint8Array) => {
            if (!up) throw new Error('the HSM is down')
            return sign('sha256', bytes, privateKey)
          },
        },
      },
    }
    const { handler, onOrder, events } = merchant({ credentials })
    expect(summarize(await handler(request()))).toStrictEqual({ ...TRY_LATER, status: 500, signed: false })
    expect(events.map(({ kind, status }) => [kind, status])).toStrictEqual([
      ['processed', 200],
      ['unavailable', 500],
    ])
    up = true
    expect(summarize(await handler(request()))).toStrictEqual(SUCCESS)
    expect(onOrder).toHaveBeenCalledOnce()
  })

  test('or does not come back: is waited for as long as an order is, and no longer', async () => {
    const { handler, events } = merchant({ timeoutMs: 5, credentials: signer(() => new Promise(() => {})) })
    expect(summarize(await handler(request({ message: '{' })))).toStrictEqual({
      ...TRY_LATER,
      status: 500,
      signed: false,
    })
    expect(events[1]).toMatchObject({
      kind: 'unavailable',
      error: { name: 'TimeoutError', message: 'The signer took longer than 5 ms' },
    })
    await handler.drain()
  })

  test('does so for refusals as well', async () => {
    const { handler } = merchant({ credentials: signer(() => Promise.reject(new Error('down'))) })
    expect(summarize(await handler(request({ message: '{' })))).toStrictEqual({
      ...TRY_LATER,
      status: 500,
      signed: false,
    })
  })
})

describe('an event', () => {
  test('of an order that was processed', async () => {
    const { handler, events } = merchant()
    await handler(request())
    expect(events).toStrictEqual([
      {
        kind: 'processed',
        code: 'SUCCESS',
        status: 200,
        resultCode: 'SUCCESS',
        clientId: CLIENT_ID,
        requestId: order()['requestId'],
        durationMs: expect.any(Number),
      },
    ])
    expect(events[0]?.durationMs).toBeGreaterThan(0)
    expect(events[0]?.order).toStrictEqual(order())
    expect(events[0]?.error).toBeUndefined()
  })

  test('shows nothing of the order, nor of what the merchant’s code threw, unless it is asked', async () => {
    const error = new Error('SECRET-1 of USER-2088012345678901')
    const { handler, events } = merchant({ onOrder: () => Promise.reject(error) })
    const reply = await handler(request())
    const shown = `${inspect(events, { depth: 9 })}${JSON.stringify(events)}${inspect({ ...events[0] })}${Buffer.from(reply.body)}`
    expect(shown).not.toMatch(/SECRET-1|USER-2088|TRADE-2024|NOTE-for/)
    expect(events[0]?.error).toBe(error)
    expect(events[0]?.order).toStrictEqual(order())
  })

  test.each([
    [
      'throws',
      () => {
        throw new Error('SECRET-1')
      },
    ],
    ['rejects', () => Promise.reject(new Error('SECRET-1'))],
  ])('whose listener %s changes nothing: the answer is given, and a warning', async (_, onEvent) => {
    const warn = vi.spyOn(process, 'emitWarning').mockImplementation(() => {})
    const unhandled = vi.fn()
    process.on('unhandledRejection', unhandled)
    const { handler } = merchant({ onEvent: onEvent as () => void })
    expect(summarize(await handler(request()))).toStrictEqual(SUCCESS)
    await new Promise(setImmediate)
    process.off('unhandledRejection', unhandled)
    expect(unhandled).not.toHaveBeenCalled()
    expect(warn).toHaveBeenCalledOnce()
    expect(warn.mock.calls[0]).toStrictEqual([expect.stringContaining('"onEvent"'), 'OrderSyncWarning'])
  })

  test('whose listener takes its time does not keep the peer waiting', async () => {
    const never = new Promise<void>(() => {})
    const { handler } = merchant({ onEvent: (() => never) as () => void })
    expect(summarize(await handler(request()))).toStrictEqual(SUCCESS)
  })

  test('is not needed', async () => {
    const { handler } = merchant({ onEvent: undefined })
    expect(summarize(await handler(request()))).toStrictEqual(SUCCESS)
    expect(summarize(await handler(request({ key: strangerRsa().privateKey })))).toMatchObject({ status: 401 })
  })
})

describe('a signature that does not verify is explained to the developer, and not to the peer', () => {
  const explained = async (
    make: () => Parameters<ReturnType<typeof merchant>['handler']>[0],
    credentials = merchantCredentials(),
  ) => {
    const { handler, events } = merchant({ credentials })
    const reply = await handler(make())
    expect(messageOf(reply)).toMatchObject({ result: { resultMessage: 'The signature is invalid.' } })
    return events[0]?.message ?? ''
  }

  test('the path', async () => {
    expect(await explained(() => ({ ...request(), path: '/internal/hook' }))).toContain(
      `The sender signed the path ${PATH}, but it was verified for /internal/hook. Set the option "signedPath" to the path that the sender signs.`,
    )
  })

  test('the key version', async () => {
    const peerPublicKeys = { 1: strangerRsa().publicKey, 2: gatewayRsa().publicKey }
    expect(await explained(() => request(), { ...merchantCredentials(), peerPublicKeys } as never)).toContain(
      'The sender signed with key version 2, but the header names 1.',
    )
    expect(await explained(() => request({ keyVersion: '9' }))).toContain(
      'The header names keyVersion 9; peerPublicKeys has 1.',
    )
  })

  test('the body', async () => {
    const formatted = JSON.stringify(order(), null, 2)
    expect(await explained(() => ({ ...request(), body: formatted }))).toContain(
      'something in between reformats the JSON',
    )
  })

  test('or that nothing usual explains it', async () => {
    expect(await explained(() => request({ key: strangerRsa().privateKey }))).toContain('No usual mistake explains it')
  })
})

test.each([
  ['at once', 0],
  ['when the answer is dated', 1],
])('a clock that fails %s is ours to mend: the answer has no date, and is not signed', async (_, times) => {
  let asked = 0
  const now = () => {
    if (asked++ >= times) throw new Error('no clock')
    return NOW
  }
  const { handler, events } = merchant({ now })
  const { status, headers, body } = await handler(request())
  expect(status).toBe(500)
  expect(headers).toStrictEqual({ 'Content-Type': 'application/json; charset=UTF-8' })
  expect(messageOf({ headers, body })).toMatchObject({ result: { resultCode: 'UNKNOWN_EXCEPTION' } })
  expect(events.at(-1)).toMatchObject({ kind: 'unavailable' })
  await handler.drain()
})

describe('drain', () => {
  test('resolves at once when nothing runs', async () => {
    await merchant().handler.drain()
  })

  test('waits for the answers that are due', async () => {
    const gate = deferred<{ orderId: string }>()
    const { handler } = merchant({ onOrder: () => gate.promise })
    const reply = handler(request())
    const drained = vi.fn()
    const draining = handler.drain().then(drained)
    await new Promise(setImmediate)
    expect(drained).not.toHaveBeenCalled()
    gate.resolve({ orderId: 'A-1' })
    await draining
    expect(summarize(await reply)).toStrictEqual(SUCCESS)
  })

  test('lets the last answer be sent before it resolves: the process may be ended then', async () => {
    const { handler } = merchant()
    const order: string[] = []
    const sent = handler(request()).then(async () => {
      // As a framework would, on its way to the socket.
      for (let hooks = 0; hooks < 20; hooks++) await undefined
      order.push('sent')
    })
    await handler.drain()
    order.push('drained')
    await sent
    expect(order).toEqual(['sent', 'drained'])
  })

  test('waits for requests that came while it waited', async () => {
    const gates = [deferred<{ orderId: string }>(), deferred<{ orderId: string }>()]
    const queue = [...gates]
    const { handler } = merchant({ onOrder: () => queue.shift()?.promise ?? { orderId: 'none' } })
    const replies = [handler(request())]
    const drained = vi.fn()
    const draining = handler.drain().then(drained)
    replies.push(handler(request({ message: order({ requestId: 'r2', merchantBizNo: 'other' }) })))
    gates[0]?.resolve({ orderId: 'A-1' })
    await replies[0]
    await new Promise(setImmediate)
    expect(drained).not.toHaveBeenCalled()
    gates[1]?.resolve({ orderId: 'A-2' })
    await draining
    expect(summarize(await (replies[1] ?? expect.fail()))).toMatchObject({ orderId: 'A-2' })
  })
})

describe('the answer to what the application refused is HTTP 200', () => {
  test.each([
    'PROCESS_FAIL',
    'ACCESS_DENIED',
    'KEY_NOT_FOUND',
    'PARAM_ILLEGAL',
    'REQUEST_TRAFFIC_EXCEED_LIMIT',
    'UNKNOWN_EXCEPTION',
  ])('%s', async (resultCode) => {
    const { handler } = merchant({
      onOrder: () => {
        throw new OrderRefusedError(resultCode)
      },
    })
    expect(summarize(await handler(request()))).toMatchObject({ status: 200, resultCode, signed: true })
  })
})

describe('a request that is rejected by its headers', () => {
  test('does not have its body read', async () => {
    const read = vi.fn()
    async function* body() {
      read()
      yield* inPieces(bytesOf(order()), 100)
    }
    const rejected = withHeaders(request(), { Signature: 'signature=AAAA,signature=AAAA' })
    expect(summarize(await merchant().handler({ ...rejected, body: body() }))).toMatchObject({ status: 400 })
    expect(read).not.toHaveBeenCalled()
    expect(summarize(await merchant().handler({ ...request(), body: body() }))).toStrictEqual(SUCCESS)
    expect(read).toHaveBeenCalledOnce()
  })
})

test('the handler never rejects, whatever it is given', async () => {
  vi.spyOn(process, 'emitWarning').mockImplementation(() => {})
  const { handler } = merchant()
  for (const broken of [
    {},
    { headers: null },
    { headers: { 'Client-Id': 5 } },
    { ...request(), method: undefined },
    { ...request(), path: undefined },
  ]) {
    const reply = await handler(broken as never)
    expect([400, 401, 405, 500]).toContain(reply.status)
  }
  // Nobody asked for it.
  expect((await handler({ ...request(), signal: {} } as never)).status).toBe(200)
})

async function* inPieces(bytes: Uint8Array, size: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size)
}

async function* stringsOf(text: string): AsyncGenerator<string> {
  yield text.slice(0, 9)
  yield text.slice(9)
}

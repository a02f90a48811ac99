import { randomBytes, sign } from 'node:crypto'
import { inspect } from 'node:util'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import {
  type HandlerOptions,
  type IncomingRequest,
  memoryStore,
  OrderRefusedError,
  ProtocolError,
  parsePrivateKey,
  type RequestBody,
} from '../../src/public/index.ts'
import { deferred } from '../support/deferred.ts'
import { gatewayEcc, gatewayRsa, merchantEcc, merchantRsa, pem, strangerRsa } from '../support/keys.ts'
import { merchant, SUCCESS, summarize, TRY_LATER } from '../support/merchant.ts'
import {
  aesKeyOf,
  bytesOf,
  CLIENT_ID,
  encrypted,
  encryptedRequest,
  isSignedBy,
  merchantCredentials,
  messageOf,
  NOW,
  order,
  PATH,
  request,
  signatureOver,
  success,
  TIME,
  withHeaders,
} from '../support/messages.ts'
import { recordWarnings } from '../support/warnings.ts'

describe('the handler', () => {
  test('responds with the documented headers and message', async () => {
    const { handler, onOrder } = merchant()
    const response = await handler(request())
    expect(response.status).toBe(200)
    expect(response.headers).toStrictEqual({
      'Client-Id': CLIENT_ID,
      'Content-Type': 'application/json; charset=UTF-8',
      'Response-Time': TIME,
      'Tracer-Id': expect.stringMatching(/^[0-9a-f]{32}$/),
      Signature: expect.stringMatching(/^algorithm=RSA256,keyVersion=1,signature=/),
    })
    expect(isSignedBy(response, merchantRsa().publicKey)).toBe(true)
    expect(messageOf(response)).toStrictEqual(success())
    expect(onOrder).toHaveBeenCalledOnce()
  })

  test('responds encrypted to an encrypted request', async () => {
    const { handler } = merchant()
    const response = await handler(encryptedRequest())
    expect(summarize(response)).toStrictEqual({ ...SUCCESS, encrypted: true })
    expect(response.headers['Content-Type']).toBe('text/plain; charset=UTF-8')
    expect(Buffer.from(response.body).toString()).not.toContain('SUCCESS')
  })

  test.each([
    ['unencrypted', request()],
    ['encrypted', encryptedRequest()],
    ['unsigned', request({ clientId: 'STRANGER' })],
  ])('returns an %s body in a buffer that contains nothing else', async (_, received) => {
    const { body } = await merchant().handler(received)
    expect(body.buffer.byteLength).toBe(body.length)
  })

  test('verifies and signs with ECC224 keys', async () => {
    const credentials = {
      clientId: CLIENT_ID,
      privateKeys: { 1: merchantEcc().privateKey },
      peerPublicKeys: { 1: gatewayEcc().publicKey },
    }
    const { handler } = merchant({ credentials })
    const response = await handler(request({ key: gatewayEcc().privateKey }))
    expect(isSignedBy(response, merchantEcc().publicKey)).toBe(true)
    expect(messageOf(response)).toStrictEqual(success())
  })

  test('encrypts with RSA keys while it signs with ECC224 keys', async () => {
    const credentials = {
      clientId: CLIENT_ID,
      privateKeys: { 1: merchantRsa().privateKey, 2: merchantEcc().privateKey },
      peerPublicKeys: { 1: gatewayRsa().publicKey, 2: gatewayEcc().publicKey },
    }
    const { handler } = merchant({ credentials })
    const response = await handler(encryptedRequest({ key: gatewayEcc().privateKey, keyVersion: '2' }))
    expect(isSignedBy(response, merchantEcc().publicKey)).toBe(true)
    expect(response.headers['Encrypt']).toMatch(/keyVersion=1/)
    expect(messageOf(response)).toStrictEqual(success())
  })

  test('verifies and signs the path and the query string', async () => {
    const { handler } = merchant()
    const path = '/hook?tenant=7&x=%20'
    const response = await handler(request({ path }))
    expect(summarize(response, { path })).toStrictEqual(SUCCESS)
    expect(summarize(response)).toMatchObject({ signed: false })
  })

  test.each<[string, () => RequestBody]>([
    ['a string', () => JSON.stringify(order())],
    ['a Buffer', () => Buffer.from(JSON.stringify(order()))],
    ['a view into a larger buffer', () => Buffer.from(`##${JSON.stringify(order())}##`).subarray(2, -2)],
    ['a Uint8Array', () => new TextEncoder().encode(JSON.stringify(order()))],
    ['a stream of bytes', () => inChunks(bytesOf(order()), 7)],
    ['a stream of one chunk', () => inChunks(bytesOf(order()), 10_000)],
    ['a stream of strings', () => stringsOf(JSON.stringify(order()))],
    ['a web stream', () => new Blob([JSON.stringify(order())]).stream()],
  ])('accepts a body that is %s', async (_, body) => {
    const { handler, onOrder } = merchant()
    expect(summarize(await handler({ ...request(), body: body() }))).toStrictEqual(SUCCESS)
    expect(onOrder.mock.calls[0]?.[0]).toStrictEqual(order())
  })

  test.each([
    ['a Map', (headers: Record<string, string>) => new Map(Object.entries(headers))],
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
  ])('accepts headers as %s', async (_, headers) => {
    const { handler } = merchant()
    expect(summarize(await handler({ ...request(), headers: headers(request().headers) }))).toStrictEqual(SUCCESS)
  })

  test.each([
    ['300 s ago', '2024-05-22T09:07:21+08:00'],
    ['300 s ahead', '2024-05-22T09:17:21+08:00'],
    ['in another offset', '2024-05-22T06:42:21+05:30'],
    ['with a fraction', '2024-05-22T01:12:21.123456Z'],
    ['in milliseconds', String(NOW)],
  ])('accepts a Request-Time %s', async (_, time) => {
    expect(summarize(await merchant().handler(request({ time })))).toStrictEqual(SUCCESS)
  })

  test('accepts fractions in extInfo and unknown members with allowFractions, and no fraction of a time', async () => {
    const message = order({ extInfo: { rate: 0.5 }, more: 1.5 })
    const { handler, onOrder } = merchant({ allowFractions: true })
    expect(summarize(await handler(request({ message })))).toStrictEqual(SUCCESS)
    expect(onOrder.mock.calls[0]?.[0]).toStrictEqual(message)
    const times = order({ requestId: 'r2', orderModifyTime: NOW + 0.5 })
    expect(summarize(await handler(request({ message: times })))).toMatchObject({ resultCode: 'PARAM_ILLEGAL' })
  })
})

describe('onOrder receives', () => {
  test('the order as it was sent, with unknown fields', async () => {
    const { handler, onOrder } = merchant()
    const message = order({ newFieldjrPOUb: { a: [1] }, amount: { value: '1', currency: 'HKD', unit: 'x' } })
    await handler(request({ message }))
    expect(onOrder.mock.calls[0]?.[0]).toStrictEqual(message)
  })

  test('clientId, agentToken, encrypted, signal and a growing fencingToken', async () => {
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

describe('the option "signedPath"', () => {
  test('is the path that the sender signed, when it is a string', async () => {
    const { handler } = merchant({ signedPath: PATH })
    const { path: _, ...rest } = request()
    const response = await handler({ ...rest, path: '/internal/hook' })
    expect(summarize(response)).toStrictEqual(SUCCESS)
  })

  test('receives the request and returns the signed path, when it is a function', async () => {
    const { handler } = merchant({ signedPath: ({ path }) => path.replace(/^\/internal/, '') })
    const response = await handler({ ...request(), path: `/internal${PATH}` })
    expect(summarize(response)).toStrictEqual(SUCCESS)
    expect(summarize(await handler({ ...request(), path: `/other${PATH}` }), { path: `/other${PATH}` })).toMatchObject({
      resultCode: 'INVALID_SIGNATURE',
      signed: false,
    })
  })

  test.each([
    ['undefined', () => undefined],
    ['a promise', async () => PATH],
    ['a URL', () => new URL(`https://merchant.example${PATH}`)],
  ])('is reported as ERR_PATH when it is a function that returns %s', async (_, path) => {
    const emitWarning = recordWarnings()
    const { handler, events, onOrder } = merchant({ signedPath: path as never })
    expect(summarize(await handler(request()))).toMatchObject({ status: 500, resultCode: 'UNKNOWN_EXCEPTION' })
    expect(events).toMatchObject([
      { kind: 'unavailable', code: 'ERR_PATH', message: expect.stringContaining('"signedPath"') },
    ])
    expect(emitWarning).toHaveBeenCalledOnce()
    expect(onOrder).not.toHaveBeenCalled()
  })

  test('is reported as "unavailable" when it is a function that throws', async () => {
    const error = new Error('SECRET-1')
    const { handler, events } = merchant({
      signedPath: () => {
        throw error
      },
    })
    expect(summarize(await handler(request()))).toMatchObject({ status: 500, resultCode: 'UNKNOWN_EXCEPTION' })
    expect(events).toMatchObject([
      { kind: 'unavailable', code: 'ERR_OPTION', message: expect.stringContaining('"signedPath" threw Error') },
    ])
    expect(events[0]?.error?.cause).toBe(error)
  })
})

describe('the option "credentials", as a function,', () => {
  const other = () => ({
    clientId: 'OTHER',
    privateKeys: { 1: merchantEcc().privateKey },
    peerPublicKeys: { 1: strangerRsa().publicKey },
  })

  test.each([
    ['a value', <T>(value: T) => value],
    ['a promise', <T>(value: T) => Promise.resolve(value)],
  ])('returns the keys of each tenant, as %s', async (_, give) => {
    const tenants = [merchantCredentials(), other()]
    const find = vi.fn((clientId: string) => give(tenants.find((tenant) => tenant.clientId === clientId)))
    const { handler, onOrder } = merchant({ credentials: find })
    expect(summarize(await handler(request()))).toStrictEqual(SUCCESS)
    const response = await handler(request({ clientId: 'OTHER', key: strangerRsa().privateKey }))
    expect(messageOf(response)).toStrictEqual(success())
    expect(isSignedBy(response, merchantEcc().publicKey, { clientId: 'OTHER' })).toBe(true)
    // The same merchantBizNo of two tenants is two orders.
    expect(onOrder.mock.calls.map(([, { clientId }]) => clientId)).toStrictEqual([CLIENT_ID, 'OTHER'])
    expect(find.mock.calls).toStrictEqual([[CLIENT_ID], ['OTHER']])
  })

  test('does not accept the signature of one tenant for another', async () => {
    const tenants = [merchantCredentials(), other()]
    const { handler } = merchant({ credentials: (clientId) => tenants.find((tenant) => tenant.clientId === clientId) })
    const forged = await handler(request({ key: strangerRsa().privateKey }))
    expect(summarize(forged)).toMatchObject({ status: 401, resultCode: 'INVALID_SIGNATURE', signed: false })
  })

  test.each([
    ['undefined', () => undefined],
    ['a promise of undefined', () => Promise.resolve(undefined)],
    ['null', () => null as unknown as undefined],
    ['another tenant', other],
    [
      'the tenant with a clientId in another case',
      () => ({ ...merchantCredentials(), clientId: CLIENT_ID.toLowerCase() }),
    ],
  ])('makes the caller unknown when it returns %s', async (_, credentials) => {
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
  ])('%s: the response is an unsigned HTTP 500 UNKNOWN_EXCEPTION without the error', async (_, credentials) => {
    const { handler, events } = merchant({ credentials })
    const response = await handler(request())
    expect(summarize(response)).toMatchObject({
      status: 500,
      resultCode: 'UNKNOWN_EXCEPTION',
      resultStatus: 'U',
      signed: false,
    })
    expect(events).toMatchObject([{ kind: 'unavailable', code: 'ERR_CREDENTIALS_LOOKUP', status: 500 }])
    expect(inspect(events) + JSON.stringify(events) + Buffer.from(response.body)).not.toContain('SECRET-1')
  })

  test('returns a wrong key: each event reports it, and one warning does', async () => {
    const emitWarning = recordWarnings()
    const { handler, events } = merchant({
      credentials: () => ({ ...merchantCredentials(), privateKeys: { 1: 'SECRET-1' } }),
    })
    for (let times = 0; times < 2; times++) {
      expect(summarize(await handler(request()))).toMatchObject({ status: 500, resultCode: 'UNKNOWN_EXCEPTION' })
    }
    expect(events).toMatchObject([{ code: 'ERR_KEY_FORMAT' }, { code: 'ERR_KEY_FORMAT' }])
    expect(emitWarning.mock.calls).toStrictEqual([
      [expect.stringMatching(/^privateKeys\[1\] is /), { type: 'OrderSyncWarning', code: 'ERR_KEY_FORMAT' }],
    ])
    expect(inspect([events, emitWarning.mock.calls], { depth: 9 })).not.toContain('SECRET-1')
  })

  test('returns the same object: its keys are parsed once', async () => {
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

describe('a body that was parsed before', () => {
  test.each<[string, unknown]>([
    ['an object', order()],
    ['an array', []],
    ['a number', 5],
    ['true', true],
  ])('as %s is reported as ERR_BODY_PARSED with the hint, and the response is UNKNOWN_EXCEPTION', async (_, body) => {
    const emitWarning = recordWarnings()
    const { handler, onOrder, events, store } = merchant()
    const response = await handler({ ...request(), body: body as RequestBody, parsedBodyHint: 'Mount it first.' })
    expect(summarize(response)).toStrictEqual({ ...TRY_LATER, status: 500, signed: false })
    expect(events).toMatchObject([
      { kind: 'unavailable', code: 'ERR_BODY_PARSED', message: expect.stringContaining('Mount it first.') },
    ])
    expect(emitWarning.mock.calls[0]?.[0]).toContain('Mount it first.')
    expect(onOrder).not.toHaveBeenCalled()
    expect(store.claim).not.toHaveBeenCalled()
  })
})

describe('a request that the HTTP layer passed incorrectly', () => {
  test.each<[string, unknown, string]>([
    ['undefined', undefined, 'The request is undefined.'],
    ['a request without a method', { ...request(), method: undefined }, '"method" is undefined.'],
    ['a request without headers', { ...request(), headers: undefined }, '"headers" is undefined.'],
    [
      'a header that is a function',
      { ...request(), headers: { Signature: () => 'x' } },
      'The value of the header "Signature" is a function.',
    ],
    ['a body that is a Promise', { ...request(), body: Promise.resolve('{}') }, 'The request body is a Promise.'],
  ])('is reported as ERR_REQUEST, and the response is HTTP 500: %s', async (_, given, message) => {
    const emitWarning = recordWarnings()
    const { handler, onOrder, events } = merchant()
    const response = await handler(given as IncomingRequest)
    expect(summarize(response)).toStrictEqual({ ...TRY_LATER, status: 500, signed: false })
    expect(events).toMatchObject([
      { kind: 'unavailable', code: 'ERR_REQUEST', message: expect.stringContaining(message) },
    ])
    expect(emitWarning.mock.calls[0]?.[0]).toContain(message)
    expect(onOrder).not.toHaveBeenCalled()
  })

  test('is processed when a framework sets Content-Length as a number, as serverless-http does', async () => {
    const { handler } = merchant()
    const { headers, body, ...rest } = request()
    expect(
      summarize(await handler({ ...rest, body, headers: { ...headers, 'content-length': body.length } })),
    ).toStrictEqual(SUCCESS)
  })
})

describe('an encrypted request, without a key to encrypt the response,', () => {
  test('is reported as ERR_KEY_USE before the order is processed', async () => {
    recordWarnings()
    const credentials = { ...merchantCredentials(), peerPublicKeys: { 1: gatewayEcc().publicKey } }
    const { handler, onOrder, events } = merchant({ credentials })
    const response = await handler(encryptedRequest({ key: gatewayEcc().privateKey }))
    expect(summarize(response)).toStrictEqual({ ...TRY_LATER, status: 500, signed: false })
    expect(events).toMatchObject([{ kind: 'unavailable', code: 'ERR_KEY_USE' }])
    expect(onOrder).not.toHaveBeenCalled()
  })
})

describe('a control character or a space in the signed line', () => {
  // A signed response would start like a message of ours for another path, with content that the attacker chose.
  const forged = `/pay\n${CLIENT_ID}.2024-05-22T09:12:21+08:00.{"amount":1}`

  test.each([
    ['a line break in the path', { path: forged }],
    ['a line break in the method', { method: `POST ${forged}` }],
    ['a space in the method', { method: 'POST /pay' }],
  ])('is rejected, and the response is not signed: %s', async (_, part) => {
    const { handler, events } = merchant()
    const response = await handler({ ...request(), ...part })
    expect(response.status).toBe(400)
    expect(response.headers).not.toHaveProperty('Signature')
    expect(events).toMatchObject([{ kind: 'rejected', code: 'ERR_HEADER_INVALID' }])
  })
})

describe('when the signer fails', () => {
  const withSigner = (sign: (bytes: Uint8Array) => Promise<Uint8Array>) => ({
    ...merchantCredentials(),
    privateKeys: { 1: { algorithm: 'RSA256' as const, sign } },
  })

  test('the response is HTTP 500, unsigned, and the next delivery gets the stored response', async () => {
    const { privateKey } = merchantRsa()
    let isUp = false
    const credentials = withSigner(async (bytes) => {
      if (!isUp) throw new Error('the HSM is down')
      return sign('sha256', bytes, privateKey)
    })
    const { handler, onOrder, events } = merchant({ credentials })
    expect(summarize(await handler(request()))).toStrictEqual({ ...TRY_LATER, status: 500, signed: false })
    expect(events.map(({ kind, status }) => [kind, status])).toStrictEqual([
      ['processed', 200],
      ['unavailable', 500],
    ])
    isUp = true
    expect(summarize(await handler(request()))).toStrictEqual(SUCCESS)
    expect(onOrder).toHaveBeenCalledOnce()
  })

  test('the event and a warning say to sign the digest, if the KMS refuses more than 4,096 bytes', async () => {
    const warnings = recordWarnings()
    const { privateKey } = merchantRsa()
    const credentials = withSigner(async (bytes) => {
      if (bytes.length > 4_096) throw new Error('ValidationException')
      return sign('sha256', bytes, privateKey)
    })
    const { handler, events } = merchant({ credentials })
    const path = `${PATH}?padding=${'x'.repeat(4_096)}`
    expect(summarize(await handler(request({ path })))).toMatchObject({ status: 500, signed: false })
    expect(events[1]).toMatchObject({
      kind: 'unavailable',
      code: 'ERR_SIGNER_LIMIT',
      message: expect.stringContaining('Sign the SHA-256 digest'),
      error: { cause: { message: 'ValidationException' } },
    })
    expect(warnings).toHaveBeenCalledWith(
      expect.stringContaining('Sign the SHA-256 digest'),
      expect.objectContaining({ code: 'ERR_SIGNER_LIMIT' }),
    )
    expect(summarize(await handler(request()))).toStrictEqual(SUCCESS)
  })

  test('the response to a rejected request is HTTP 500, unsigned, too', async () => {
    const { handler } = merchant({ credentials: withSigner(() => Promise.reject(new Error('down'))) })
    expect(summarize(await handler(request({ message: '{' })))).toStrictEqual({
      ...TRY_LATER,
      status: 500,
      signed: false,
    })
  })
})

describe('onEvent', () => {
  test('receives an event for a processed order, with order and error not enumerable', async () => {
    const { handler, events } = merchant()
    const startedAt = performance.now()
    await handler(request())
    const elapsedMs = performance.now() - startedAt
    expect(events).toStrictEqual([
      {
        kind: 'processed',
        code: 'SUCCESS',
        status: 200,
        resultCode: 'SUCCESS',
        tracerId: expect.stringMatching(/^[0-9a-f]{32}$/),
        clientId: CLIENT_ID,
        keyVersion: '1',
        encrypted: false,
        clockSkewMs: 0,
        requestId: order()['requestId'],
        orderKey: expect.stringMatching(/^[\w-]{43}$/),
        durationMs: expect.any(Number),
      },
    ])
    expect(events[0]?.durationMs).toBeGreaterThan(0)
    expect(events[0]?.durationMs).toBeLessThanOrEqual(elapsedMs)
    expect(events[0]?.order).toStrictEqual(order())
    expect(events[0]?.error).toBeUndefined()
  })

  test('receives an event that does not show the order and the error in inspect() and JSON.stringify()', async () => {
    const error = new Error('SECRET-1 of USER-2088012345678901')
    const { handler, events } = merchant({ onOrder: () => Promise.reject(error) })
    const response = await handler(request())
    const shown = `${inspect(events, { depth: 9 })}${JSON.stringify(events)}${inspect({ ...events[0] })}${Buffer.from(response.body)}`
    expect(shown).not.toMatch(/SECRET-1|USER-2088|TRADE-2024|NOTE-for/)
    expect(events[0]?.error?.cause).toBe(error)
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
  ])('%s: the response is sent, and a warning is emitted', async (_, onEvent) => {
    const emitWarning = recordWarnings()
    const unhandled = vi.fn()
    process.on('unhandledRejection', unhandled)
    onTestFinished(() => void process.off('unhandledRejection', unhandled))
    const { handler } = merchant({ onEvent: onEvent as () => void })
    expect(summarize(await handler(request()))).toStrictEqual(SUCCESS)
    await new Promise(setImmediate)
    expect(unhandled).not.toHaveBeenCalled()
    expect(emitWarning).toHaveBeenCalledOnce()
    expect(emitWarning.mock.calls[0]).toStrictEqual([
      '"onEvent" threw Error. The response was sent anyway.',
      { type: 'OrderSyncWarning', code: 'ERR_ON_EVENT' },
    ])
  })

  test('never ends: the response is sent anyway', async () => {
    const never = new Promise<void>(() => {})
    const { handler } = merchant({ onEvent: (() => never) as () => void })
    expect(summarize(await handler(request()))).toStrictEqual(SUCCESS)
  })

  test('is optional', async () => {
    const { handler } = merchant({ onEvent: undefined })
    expect(summarize(await handler(request()))).toStrictEqual(SUCCESS)
    expect(summarize(await handler(request({ key: strangerRsa().privateKey })))).toMatchObject({ status: 401 })
  })
})

describe('the event of a wrong signature explains it, and the response does not:', () => {
  const explanationOf = async (
    make: () => Parameters<ReturnType<typeof merchant>['handler']>[0],
    credentials = merchantCredentials(),
  ) => {
    const { handler, events } = merchant({ credentials })
    // The search ends after 100 ms; a busy machine may need longer.
    vi.spyOn(performance, 'now').mockReturnValue(performance.now())
    const response = await handler(make())
    expect(messageOf(response)).toMatchObject({ result: { resultMessage: 'The signature is invalid.' } })
    return events[0]?.message ?? ''
  }

  test('another path', async () => {
    expect(await explanationOf(() => ({ ...request(), path: '/internal/hook' }))).toContain(
      `The sender signed the path ${PATH}, but it was verified for /internal/hook. Set the option "signedPath" to the path that the sender signs.`,
    )
  })

  test('another key version', async () => {
    const peerPublicKeys = { 1: strangerRsa().publicKey, 2: gatewayRsa().publicKey }
    expect(await explanationOf(() => request(), { ...merchantCredentials(), peerPublicKeys } as never)).toContain(
      'The sender signed with key version 2, but the header names 1.',
    )
    expect(await explanationOf(() => request({ keyVersion: '9' }))).toContain(
      'The header names keyVersion 9; peerPublicKeys has 1.',
    )
  })

  test('a reformatted body', async () => {
    const formatted = JSON.stringify(order(), null, 2)
    expect(await explanationOf(() => ({ ...request(), body: formatted }))).toContain(
      'something in transit reformats the JSON',
    )
  })

  test('another key', async () => {
    expect(await explanationOf(() => request({ key: strangerRsa().privateKey }))).toContain(
      'The signature was not made with peerPublicKeys[1]',
    )
  })

  test('no common mistake', async () => {
    const received = () => ({ ...request({ path: '/of/another/api' }), path: PATH })
    expect(await explanationOf(received)).toContain('No common mistake explains it')
  })
})

test.each([
  ['before the request is verified', 0],
  ['before the response is signed', 1],
])(
  'a clock that fails %s is reported as "unavailable", and the response has no time and no signature',
  async (_, times) => {
    let calls = 0
    const now = () => {
      if (calls++ >= times) throw new Error('no clock')
      return NOW
    }
    const { handler, events } = merchant({ now })
    const { status, headers, body } = await handler(request())
    expect(status).toBe(500)
    expect(headers).toStrictEqual({
      'Content-Type': 'application/json; charset=UTF-8',
      'Tracer-Id': expect.stringMatching(/^[0-9a-f]{32}$/),
    })
    expect(messageOf({ headers, body })).toMatchObject({ result: { resultCode: 'UNKNOWN_EXCEPTION' } })
    expect(events.at(-1)).toMatchObject({ kind: 'unavailable', code: 'ERR_OPTION' })
    await handler.drain()
  },
)

describe('drain', () => {
  test('resolves at once when nothing is in flight', async () => {
    await merchant().handler.drain()
  })

  test('waits for the responses of requests in flight', async () => {
    const gate = deferred<{ orderId: string }>()
    const { handler } = merchant({ onOrder: () => gate.promise })
    const response = handler(request())
    const drained = vi.fn()
    const draining = handler.drain().then(drained)
    await new Promise(setImmediate)
    expect(drained).not.toHaveBeenCalled()
    gate.resolve({ orderId: 'A-1' })
    await draining
    expect(summarize(await response)).toStrictEqual(SUCCESS)
  })

  test('resolves after the HTTP layer could send the last response, so that the process can exit', async () => {
    const { handler } = merchant()
    const steps: string[] = []
    const sent = handler(request()).then(async () => {
      // A framework awaits its hooks before it writes the response.
      for (let hooks = 0; hooks < 20; hooks++) await undefined
      steps.push('sent')
    })
    await handler.drain()
    steps.push('drained')
    await sent
    expect(steps).toEqual(['sent', 'drained'])
  })

  test('waits for requests that arrive while it waits', async () => {
    const gates = [deferred<{ orderId: string }>(), deferred<{ orderId: string }>()]
    const queue = [...gates]
    const { handler } = merchant({ onOrder: () => queue.shift()?.promise ?? { orderId: 'none' } })
    const responses = [handler(request())]
    const drained = vi.fn()
    const draining = handler.drain().then(drained)
    responses.push(handler(request({ message: order({ requestId: 'r2', merchantBizNo: 'other' }) })))
    gates[0]?.resolve({ orderId: 'A-1' })
    await responses[0]
    await new Promise(setImmediate)
    expect(drained).not.toHaveBeenCalled()
    gates[1]?.resolve({ orderId: 'A-2' })
    await draining
    expect(summarize(await (responses[1] ?? expect.fail()))).toMatchObject({ orderId: 'A-2' })
  })
})

describe('the response to an OrderRefusedError is HTTP 200', () => {
  test.each([
    'PROCESS_FAIL',
    'ACCESS_DENIED',
    'KEY_NOT_FOUND',
    'PARAM_ILLEGAL',
    'REQUEST_TRAFFIC_EXCEED_LIMIT',
    'UNKNOWN_EXCEPTION',
  ])('with the result code %s', async (resultCode) => {
    const { handler } = merchant({
      onOrder: () => {
        throw new OrderRefusedError(resultCode)
      },
    })
    expect(summarize(await handler(request()))).toMatchObject({ status: 200, resultCode, signed: true })
  })
})

describe('a request that is rejected by its headers', () => {
  test('gets a response before its body is read', async () => {
    const read = vi.fn()
    async function* body() {
      read()
      yield* inChunks(bytesOf(order()), 100)
    }
    const rejected = withHeaders(request(), { Signature: 'signature=AAAA,signature=AAAA' })
    expect(summarize(await merchant().handler({ ...rejected, body: body() }))).toMatchObject({ status: 400 })
    expect(read).not.toHaveBeenCalled()
    expect(summarize(await merchant().handler({ ...request(), body: body() }))).toStrictEqual(SUCCESS)
    expect(read).toHaveBeenCalledOnce()
  })
})

test('the handler resolves for malformed requests too', async () => {
  recordWarnings()
  const { handler } = merchant()
  for (const broken of [
    {},
    { headers: null },
    { headers: { 'Client-Id': 5 } },
    { ...request(), method: undefined },
    { ...request(), path: undefined },
  ]) {
    const response = await handler(broken as never)
    expect([400, 401, 405, 500]).toContain(response.status)
  }
  // A signal that is not an AbortSignal is ignored.
  expect((await handler({ ...request(), signal: {} } as never)).status).toBe(200)
})

async function* inChunks(bytes: Uint8Array, size: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size)
}

async function* stringsOf(text: string): AsyncGenerator<string> {
  yield text.slice(0, 9)
  yield text.slice(9)
}

describe('the response to an encrypted request', () => {
  test.each([16, 24, 32])('is encrypted with an AES key of the size of the request: %d bytes', async (size) => {
    const { handler } = merchant()
    const { body, encrypt } = encrypted(bytesOf(order()), merchantRsa().publicKey, randomBytes(size))
    const head = { method: 'POST', path: PATH, clientId: CLIENT_ID, time: TIME }
    const Signature = signatureOver(head, body, gatewayRsa().privateKey)
    const response = await handler({ ...withHeaders(encryptedRequest(), { Encrypt: encrypt, Signature }), body })
    expect(summarize(response)).toStrictEqual({ ...SUCCESS, encrypted: true })
    expect(aesKeyOf(response, gatewayRsa().privateKey)).toHaveLength(size)
  })
})

describe('orderModifyTime', () => {
  const DAY = 86_400_000

  test.each([
    ['a day ahead of the clock is accepted', DAY, 'SUCCESS'],
    ['more than a day ahead of the clock is rejected, signed', DAY + 1, 'PARAM_ILLEGAL'],
  ])('%s', async (_, aheadMs, resultCode) => {
    const { handler } = merchant()
    const message = order({ orderModifyTime: NOW + aheadMs })
    expect(summarize(await handler(request({ message })))).toMatchObject({ status: 200, resultCode, signed: true })
  })

  test('may be ahead by maxFutureMs', async () => {
    const { handler } = merchant({ maxFutureMs: 1_000 })
    expect(summarize(await handler(request({ message: order({ orderModifyTime: NOW + 1_001 }) })))).toMatchObject({
      resultCode: 'PARAM_ILLEGAL',
    })
    expect(summarize(await handler(request({ message: order({ orderModifyTime: NOW + 1_000 }) })))).toStrictEqual(
      SUCCESS,
    )
  })
})

describe('an orderModifyTime of ten digits', () => {
  const seconds = Math.floor(NOW / 1_000)

  test('is accepted, with one process warning per handler', async () => {
    const emitWarning = recordWarnings()
    const { handler } = merchant()
    for (const later of [0, 1]) {
      const message = order({ requestId: `r${later}`, orderModifyTime: seconds + later })
      expect(summarize(await handler(request({ message })))).toStrictEqual(SUCCESS)
    }
    expect(emitWarning.mock.calls).toStrictEqual([
      [expect.stringContaining('seconds instead of milliseconds'), 'OrderSyncWarning'],
    ])
    await merchant().handler(request({ message: order({ orderModifyTime: seconds }) }))
    expect(emitWarning).toHaveBeenCalledTimes(2)
  })

  test.each([NOW, 1, 0])('is the only one that the handler warns about: %d', async (orderModifyTime) => {
    const emitWarning = recordWarnings()
    await merchant().handler(request({ message: order({ orderModifyTime }) }))
    expect(emitWarning).not.toHaveBeenCalled()
  })
})

describe('an encrypted body with line breaks in its base64', () => {
  test.each([['\n'], ['\r\n']])('is decrypted: %j', async (lineBreak) => {
    const { handler, onOrder } = merchant()
    const { body, encrypt } = encrypted(bytesOf(order()), merchantRsa().publicKey)
    const wrapped = Buffer.from(`${body.toString().replace(/.{76}/g, `$&${lineBreak}`)}${lineBreak}`)
    const head = { method: 'POST', path: PATH, clientId: CLIENT_ID, time: TIME }
    const Signature = signatureOver(head, wrapped, gatewayRsa().privateKey)
    const sent = { ...withHeaders(encryptedRequest(), { Encrypt: encrypt, Signature }), body: wrapped }
    expect(summarize(await handler(sent))).toStrictEqual({ ...SUCCESS, encrypted: true })
    expect(onOrder.mock.calls[0]?.[0]).toStrictEqual(order())
  })
})

describe('a request-target in absolute form', () => {
  test.each([
    [`https://merchant.example${PATH}`, PATH],
    [`http://merchant.example:8080${PATH}?a=1`, `${PATH}?a=1`],
    ['https://merchant.example', '/'],
    ['https://merchant.example?a=1', '/?a=1'],
  ])('%s is verified as %s', async (target, path) => {
    const { handler } = merchant()
    expect(summarize(await handler({ ...request({ path }), path: target }), { path })).toStrictEqual(SUCCESS)
  })

  test('that was signed whole is rejected', async () => {
    const target = `https://merchant.example${PATH}`
    expect(summarize(await merchant().handler(request({ path: target })))).toMatchObject({ status: 401 })
  })
})

test('drain rejects an invalid timeout, and waits without a limit for a timeout above the limit of timers', async () => {
  const gate = deferred<{ orderId: string }>()
  const { handler } = merchant({ onOrder: () => gate.promise })
  const response = handler(request())
  for (const timeoutMs of [-1, Number.NaN]) {
    await expect(handler.drain({ timeoutMs })).rejects.toThrow(RangeError)
  }
  const drained = vi.fn()
  const draining = handler.drain({ timeoutMs: Number.POSITIVE_INFINITY }).then(drained)
  await new Promise((resolve) => setTimeout(resolve, 5))
  expect(drained).not.toHaveBeenCalled()
  gate.resolve({ orderId: 'A-1' })
  await Promise.all([response, draining])
  expect(drained).toHaveBeenCalledWith({ stillRunning: [] })
})

test('drain lists a request whose body is being received', async () => {
  const { handler } = merchant()
  async function* endless(): AsyncGenerator<Uint8Array> {
    yield Buffer.from('{')
    await new Promise<never>(() => {})
  }
  const connection = new AbortController()
  const response = handler({ ...request(), body: endless(), signal: connection.signal })
  expect(await handler.drain({ timeoutMs: 1 })).toMatchObject({ stillRunning: [{ runningMs: expect.any(Number) }] })
  connection.abort()
  expect((await response).status).toBe(400)
})

test('a body getter that throws makes the response HTTP 500, and the handler does not reject', async () => {
  const { handler, events } = merchant()
  const { body: _, ...rest } = request()
  const broken = Object.defineProperty(rest, 'body', {
    get() {
      throw new Error('SECRET-1')
    },
  })
  expect((await handler(broken)).status).toBe(500)
  expect(events).toMatchObject([{ kind: 'unavailable' }])
  await handler.drain()
})

test.each<[string, () => unknown]>([
  ['throws when it is read', () => expect.fail('the signal')],
  ['cannot be listened to', () => ({ aborted: false })],
  ['keeps its listeners', () => ({ aborted: false, addEventListener() {} })],
])('a signal that %s is ignored', async (_, get) => {
  const { handler } = merchant()
  expect(summarize(await handler(Object.defineProperty(request(), 'signal', { get }) as never))).toMatchObject(SUCCESS)
  await handler.drain()
})

describe('a revoked Proxy, which throws on every access,', () => {
  const { proxy: revoked, revoke } = Proxy.revocable({}, {})
  revoke()
  const fail = () => {
    throw revoked
  }

  test.each<[string, string, Partial<HandlerOptions<unknown>>]>([
    ['onOrder', 'ERR_ON_ORDER', { onOrder: fail }],
    ['credentials', 'ERR_CREDENTIALS_LOOKUP', { credentials: fail }],
    ['signedPath', 'ERR_OPTION', { signedPath: fail }],
    ['now', 'ERR_OPTION', { now: fail }],
    ['the store', 'ERR_STORE', { store: { ...memoryStore(), claim: fail } }],
  ])('can be thrown by %s: the response is UNKNOWN_EXCEPTION', async (_, code, options) => {
    const { handler, events } = merchant(options)
    expect(summarize(await handler(request()))).toMatchObject({ resultCode: 'UNKNOWN_EXCEPTION' })
    expect(events).toMatchObject([{ code }])
  })

  test('can be thrown by onEvent: the order is processed', async () => {
    const emitWarning = recordWarnings()
    const { handler } = merchant({ onEvent: fail })
    expect(summarize(await handler(request()))).toMatchObject(SUCCESS)
    expect(emitWarning).toHaveBeenCalledWith(expect.any(String), { type: 'OrderSyncWarning', code: 'ERR_ON_EVENT' })
  })
})

test.each([
  ['a promise', async (size: number) => randomBytes(size)],
  ['fewer bytes', (size: number) => randomBytes(size - 1)],
  ['a text', (size: number) => '\r\n'.repeat(size / 2)],
  ['nothing', () => undefined],
])('the Tracer-Id is random when randomBytes returns %s', async (_, source) => {
  const { handler } = merchant({ randomBytes: source as never })
  const { headers } = await handler(request())
  expect(headers['Tracer-Id']).toMatch(/^[0-9a-f]{32}$/)
})

test('an error of another version of the package, with a code that this one does not know, makes the response HTTP 500', async () => {
  const { handler } = merchant({
    credentials: () => {
      throw Object.assign(new ProtocolError('ERR_METHOD', 'x'), { code: 'ERR_FROM_THE_FUTURE' })
    },
  })
  expect((await handler(request())).status).toBe(500)
})

test('processes an order when the check of the own keys gets no response: it may use half of timeoutMs', async () => {
  let calls = 0
  // The first call is the check, the second one signs the response.
  const sign = (bytes: Uint8Array) =>
    calls++ === 0 ? new Promise<never>(() => {}) : parsePrivateKey(merchantRsa().privateKey).sign(bytes)
  const privateKeys = { 1: { algorithm: 'RSA256' as const, sign } }
  const { handler } = merchant({ credentials: { ...merchantCredentials(), privateKeys }, timeoutMs: 1_000 })
  expect(summarize(await handler(request()))).toStrictEqual(SUCCESS)
})

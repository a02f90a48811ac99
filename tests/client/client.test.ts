import { sign } from 'node:crypto'
import { createServer } from 'node:net'
import { inspect } from 'node:util'
import { afterEach, describe, expect, test, vi } from 'vitest'
import {
  type ClientOptions,
  type Credentials,
  createOrderSyncClient,
  isOrderSyncError,
  type OrderInput,
  type Signer,
} from '../../src/public/index.ts'
import { until } from '../support/deferred.ts'
import {
  type Behaviour,
  hangsUp,
  neverResponds,
  respondsSigned,
  respondsWith,
  type Seen,
  startGateway,
} from '../support/gateway.ts'
import { gatewayEcc, gatewayRsa, merchantEcc, merchantRsa, pem, strangerRsa } from '../support/keys.ts'
import {
  CLIENT_ID,
  isSignedBy,
  merchantCredentials,
  messageOf,
  NOW,
  order,
  PATH,
  refusal,
  signedResponse,
  success,
  TIME,
  withHeaders,
} from '../support/messages.ts'
import { rejectionOf } from '../support/thrown.ts'

const ends: (() => Promise<unknown>)[] = []
afterEach(async () => {
  vi.restoreAllMocks()
  for (const end of ends.splice(0)) await end()
})

const STANDARD = { version: 1, vendor: 'test' } as const

const ORDER = order() as unknown as OrderInput

/** A client, and the gateway that it talks to. */
async function pair(script: readonly Behaviour[] = [], options: Partial<ClientOptions> = {}) {
  const gateway = await startGateway(...script)
  ends.push(gateway.close)
  const client = createOrderSyncClient({
    credentials: merchantCredentials(),
    url: gateway.url,
    now: () => NOW,
    random: () => 0,
    ...options,
  })
  return { client, gateway, seen: gateway.seen }
}

const errorOf = async (script: readonly Behaviour[], options: Partial<ClientOptions> = {}, input = ORDER) => {
  const { client, seen } = await pair(script, options)
  const error = (await rejectionOf(client.syncOrder(input))) as Error & { code?: string; excerpt?: string }
  return { error, requests: seen.length, seen }
}

const messageIn = ({ body, headers }: Seen) =>
  messageOf({
    body,
    headers: Object.fromEntries(Object.entries(headers).map(([k, v]) => [k === 'encrypt' ? 'Encrypt' : k, v])),
  })

describe('a sync that succeeds', () => {
  test('in the clear: the request has the headers of the page, and is signed over what is sent', async () => {
    const { client, seen } = await pair()
    expect(await client.syncOrder(ORDER)).toStrictEqual({
      orderId: 'A-1',
      requestId: order()['requestId'],
      attempts: 1,
      tracerId: undefined,
      response: success(),
    })
    const [sent] = seen
    expect(sent).toMatchObject({
      method: 'POST',
      path: PATH,
      headers: {
        'client-id': CLIENT_ID,
        'content-type': 'application/json; charset=UTF-8',
        'request-time': TIME,
        signature: expect.stringMatching(/^algorithm=RSA256,keyVersion=1,signature=[\w%.~-]+$/),
      },
    })
    expect(sent?.headers).not.toHaveProperty('encrypt')
    expect(sent?.headers).not.toHaveProperty('agent-token')
    expect(sent && isSignedBy(sent, merchantRsa().publicKey)).toBe(true)
    expect(sent && messageIn(sent)).toStrictEqual(order())
  })

  test('encrypted, and the answer too', async () => {
    const { client, seen } = await pair([respondsSigned(success(), { encryptTo: merchantRsa().publicKey })], {
      encrypt: true,
    })
    expect(await client.syncOrder(ORDER)).toMatchObject({ orderId: 'A-1' })
    const [sent] = seen
    expect(sent?.headers['content-type']).toBe('text/plain; charset=UTF-8')
    expect(sent && isSignedBy(sent, merchantRsa().publicKey)).toBe(true)
    expect(sent && messageIn(sent)).toStrictEqual(order())
    expect(sent?.body.toString()).not.toContain('TRADE')
  })

  test('with ECC224 keys', async () => {
    const credentials = {
      clientId: CLIENT_ID,
      privateKeys: { 4: merchantEcc().privateKey },
      peerPublicKeys: { 1: gatewayEcc().publicKey },
    }
    const { client, seen } = await pair([respondsSigned(success(), { key: gatewayEcc().privateKey })], { credentials })
    expect(await client.syncOrder(ORDER)).toMatchObject({ orderId: 'A-1' })
    expect(seen[0]?.headers['signature']).toMatch(/^algorithm=ECC224,keyVersion=4,/)
    expect(seen[0] && isSignedBy(seen[0], merchantEcc().publicKey)).toBe(true)
  })

  test('fills in requestId and merchantBizType where they are missing', async () => {
    const { requestId: _, merchantBizType: __, ...input } = order()
    const { client, seen } = await pair([], { randomUUID: () => '01234567-89ab-cdef-0123-456789abcdef' })
    const { requestId } = await client.syncOrder(input as unknown as OrderInput)
    expect(requestId).toBe('0123456789abcdef0123456789abcdef')
    expect(seen[0] && messageIn(seen[0])).toStrictEqual({ ...order(), requestId, merchantBizType: 'TRADE_ORDER' })
  })

  test('makes another requestId for each sync', async () => {
    const { requestId: _, ...input } = order()
    const { client } = await pair()
    const [one, two] = [
      await client.syncOrder(input as unknown as OrderInput),
      await client.syncOrder(input as unknown as OrderInput),
    ]
    expect(one.requestId).toMatch(/^[0-9a-f]{32}$/)
    expect(two.requestId).not.toBe(one.requestId)
  })

  test('sends members that nobody has described', async () => {
    const { client, seen } = await pair()
    await client.syncOrder({ ...ORDER, somethingNew: { a: 1 } } as OrderInput)
    expect(seen[0] && messageIn(seen[0])).toMatchObject({ somethingNew: { a: 1 } })
  })

  test('tells the Tracer-Id of the peer', async () => {
    const withTracer: Behaviour = (response, { path }) => {
      const { headers, body } = signedResponse(success(), { path })
      response.writeHead(200, { ...headers, 'Tracer-Id': 'trace-7' }).end(body)
    }
    const { client } = await pair([withTracer])
    expect(await client.syncOrder(ORDER)).toMatchObject({ tracerId: 'trace-7' })
  })

  test('sends the Agent-Token that it is given', async () => {
    const { client, seen } = await pair([], { agentToken: 'agent-7' })
    await client.syncOrder(ORDER)
    expect(seen[0]?.headers['agent-token']).toBe('agent-7')
  })

  test('whatever the HTTP status of the verified answer', async () => {
    const { client } = await pair([respondsSigned(success(), {}, 500)])
    expect(await client.syncOrder(ORDER)).toMatchObject({ orderId: 'A-1', attempts: 1 })
  })

  test('over the path and query string of the URL', async () => {
    const gateway = await startGateway()
    ends.push(gateway.close)
    const client = createOrderSyncClient({
      credentials: merchantCredentials(),
      url: `${gateway.url}/hook?a=1&b=%20#c`,
      now: () => NOW,
    })
    await client.syncOrder(ORDER)
    const [sent] = gateway.seen
    expect(sent?.path).toBe('/hook?a=1&b=%20')
    expect(sent && isSignedBy(sent, merchantRsa().publicKey, { path: '/hook?a=1&b=%20' })).toBe(true)
  })

  test('over the path that it is told, where a proxy rewrites it', async () => {
    const { client, seen } = await pair([respondsSigned(success(), { path: '/outside' })], { signedPath: '/outside' })
    await client.syncOrder(ORDER)
    expect(seen[0]?.path).toBe(PATH)
    expect(seen[0] && isSignedBy(seen[0], merchantRsa().publicKey, { path: '/outside' })).toBe(true)
  })

  test('through a fetch that is called without a "this", as that of some platforms must be', async () => {
    const thises: unknown[] = []
    function fetch(this: unknown): Promise<Response> {
      thises.push(this)
      return Promise.reject(new Error('down'))
    }
    const { client } = await pair([], { fetch, retries: 0 })
    await rejectionOf(client.syncOrder(ORDER))
    expect(thises).toStrictEqual([undefined])
  })

  test('through a fetch of the caller’s own', async () => {
    const fetch = vi.fn<typeof globalThis.fetch>(async () => responseOf(success()))
    const client = createOrderSyncClient({
      credentials: merchantCredentials(),
      environment: 'testing',
      now: () => NOW,
      fetch,
    })
    expect(await client.syncOrder(ORDER)).toMatchObject({ orderId: 'A-1' })
    const [url, init] = fetch.mock.calls[0] ?? []
    expect(String(url)).toBe(`https://open-id-pre.alipay.com${PATH}`)
    expect(init).toMatchObject({ method: 'POST', redirect: 'manual', signal: expect.any(AbortSignal) })
  })
})

describe('an order that breaks the protocol is not sent', () => {
  test.each<[string, Record<string, unknown>, string]>([
    ['a missing field', { tradeNo: undefined }, 'tradeNo'],
    ['an empty requestId', { requestId: '' }, 'requestId'],
    ['neither userId nor openId', { userId: undefined }, 'userId'],
    ['an amount that is a number', { amount: { value: 1000, currency: 'HKD' } }, 'amount.value'],
    ['NaN in extInfo', { extInfo: { rate: Number.NaN } }, 'rate'],
    ['a fraction in extInfo', { extInfo: { rate: 0.5 } }, 'rate'],
    ['a BigInt in extInfo', { extInfo: { big: 1n } }, 'big'],
  ])('%s', async (_, changes, field) => {
    const { error, requests } = await errorOf([], {}, { ...ORDER, ...changes } as OrderInput)
    expect(error).toMatchObject({ name: 'ProtocolError', code: 'ERR_FIELD_INVALID', issues: [{ field }] })
    expect(requests).toBe(0)
  })

  test('while a fraction is, where allowFractions says so', async () => {
    const { client, seen } = await pair([], { allowFractions: true })
    await client.syncOrder({ ...ORDER, extInfo: { rate: 0.5 } })
    expect(seen[0] && messageIn(seen[0])).toMatchObject({ extInfo: { rate: 0.5 } })
  })
})

describe('a refusal', () => {
  test('is an error of its own, and is not tried again', async () => {
    const { error, requests } = await errorOf([respondsSigned(refusal('PROCESS_FAIL'), {}, 200)])
    expect(error).toMatchObject({
      name: 'OrderRefusedError',
      code: 'ERR_REFUSED',
      resultCode: 'PROCESS_FAIL',
      resultMessage: 'message',
      requestId: order()['requestId'],
    })
    expect(requests).toBe(1)
  })

  test('is one whatever its HTTP status', async () => {
    for (const status of [400, 401, 500]) {
      const { error, requests } = await errorOf([respondsSigned(refusal('INVALID_SIGNATURE'), {}, status)])
      expect(error).toMatchObject({ code: 'ERR_REFUSED', resultCode: 'INVALID_SIGNATURE' })
      expect(requests).toBe(1)
    }
  })

  test('with a code that nobody knows is one too, and is printed in one line', async () => {
    const { error } = await errorOf([respondsSigned(refusal('NEW_CODE\nERROR forged'))])
    expect(error).toMatchObject({ code: 'ERR_REFUSED', resultCode: 'NEW_CODE\nERROR forged' })
    expect(error.message).not.toContain('\n')
  })
})

describe('tried again', () => {
  const clock = () => {
    let now = NOW - 1_000
    return () => (now += 1_000)
  }

  test('after U: the same message under the same requestId, with a new time and a new signature', async () => {
    const { client, seen } = await pair([respondsSigned(refusal('UNKNOWN_EXCEPTION', 'U')), respondsSigned()], {
      now: clock(),
      clockToleranceSeconds: 3_600,
    })
    expect(await client.syncOrder(ORDER)).toMatchObject({ orderId: 'A-1', attempts: 2 })
    const [one, two] = seen
    expect(two?.body).toStrictEqual(one?.body)
    expect(two?.headers['request-time']).not.toBe(one?.headers['request-time'])
    expect(two?.headers['signature']).not.toBe(one?.headers['signature'])
    expect(two && isSignedBy(two, merchantRsa().publicKey)).toBe(true)
  })

  test('encrypted: the same plaintext under a new key', async () => {
    const { client, seen } = await pair([respondsSigned(refusal('UNKNOWN_EXCEPTION', 'U')), respondsSigned()], {
      encrypt: true,
    })
    await client.syncOrder(ORDER)
    const [one, two] = seen
    expect(two?.body).not.toStrictEqual(one?.body)
    expect(two?.headers['encrypt']).not.toBe(one?.headers['encrypt'])
    expect(two && messageIn(two)).toStrictEqual(one && messageIn(one))
  })

  test('with a requestId that was made up, the same one', async () => {
    const { requestId: _, ...input } = order()
    const { client, seen } = await pair([respondsWith(502), hangsUp, respondsSigned()])
    const { requestId, attempts } = await client.syncOrder(input as unknown as OrderInput)
    expect(attempts).toBe(3)
    expect(seen.map((sent) => (messageIn(sent) as { requestId: string }).requestId)).toStrictEqual([
      requestId,
      requestId,
      requestId,
    ])
  })

  test.each<[string, Behaviour]>([
    ['after A, which is not final', respondsSigned(refusal('ACCEPTED', 'A'))],
    ['after REQUEST_TRAFFIC_EXCEED_LIMIT', respondsSigned(refusal('REQUEST_TRAFFIC_EXCEED_LIMIT', 'U'))],
    ['after an HTTP 503 that nobody signed', respondsWith(503, '<html>Service Unavailable</html>')],
    ['after an HTTP 500 signed by a stranger', respondsSigned(success(), { key: strangerRsa().privateKey }, 500)],
    ['after a connection that was closed', hangsUp],
    [
      'after an answer that breaks off',
      (response) => void response.writeHead(200, { 'Content-Length': '100' }).write('{', () => response.destroy()),
    ],
  ])('%s', async (_, behaviour) => {
    const { client, seen } = await pair([behaviour, respondsSigned()])
    expect(await client.syncOrder(ORDER)).toMatchObject({ orderId: 'A-1', attempts: 2 })
    expect(seen).toHaveLength(2)
  })

  test.each([0, 1, 3])('at most as often as "retries" says: %i', async (retries) => {
    const { error, requests } = await errorOf([respondsSigned(refusal('UNKNOWN_EXCEPTION', 'U'))], { retries })
    expect(error).toMatchObject({
      name: 'DeliveryError',
      code: 'ERR_RESULT_UNKNOWN',
      httpStatus: 200,
      requestId: order()['requestId'],
    })
    expect(requests).toBe(retries + 1)
  })

  test('after a pause that is a random part of a ceiling that doubles', async () => {
    const pauses: unknown[] = []
    const original = globalThis.setTimeout
    vi.doMock('node:timers/promises', () => ({
      setTimeout: (milliseconds: number) => {
        pauses.push(milliseconds)
        return new Promise((resolve) => original(resolve, 0))
      },
    }))
    vi.resetModules()
    const { createOrderSyncClient: create } = await import('../../src/client/client.ts')
    vi.doUnmock('node:timers/promises')
    const gateway = await startGateway(respondsWith(503))
    ends.push(gateway.close)
    const client = create({
      credentials: merchantCredentials(),
      url: gateway.url,
      retries: 4,
      baseDelayMs: 100,
      maxDelayMs: 300,
      random: () => 0.5,
    })
    await rejectionOf(client.syncOrder(ORDER))
    expect(pauses).toStrictEqual([50, 100, 150, 150])
  })
})

describe('no answer', () => {
  test.each<[string, number]>([
    ['HTTP 500', 500],
    ['HTTP 502', 502],
    ['HTTP 504', 504],
  ])('%s that nobody signed, again and again', async (_, status) => {
    const { error, requests } = await errorOf([respondsWith(status, '<h1>Bad Gateway</h1> nginx')], { retries: 2 })
    expect(error).toMatchObject({
      name: 'DeliveryError',
      code: 'ERR_HTTP_STATUS',
      httpStatus: status,
      requestId: order()['requestId'],
    })
    expect(error.excerpt).toBe('<h1>Bad Gateway</h1> nginx')
    expect(error.message).toBe(`The peer responded with HTTP ${status}, and no valid signature.`)
    expect(requests).toBe(3)
  })

  test('to be trusted, but HTTP 500 with the signature of a stranger, is told as what it is', async () => {
    const { error } = await errorOf([respondsSigned(success(), { key: strangerRsa().privateKey }, 500)], { retries: 0 })
    expect(error).toMatchObject({ code: 'ERR_HTTP_STATUS', cause: { code: 'ERR_REPLY_SIGNATURE' } })
    expect(error.message).not.toContain('unsigned')
  })

  test('within the time for an attempt', async () => {
    const { error, requests } = await errorOf([neverResponds], { timeoutMs: 40, retries: 1 })
    expect(error).toMatchObject({
      name: 'DeliveryError',
      code: 'ERR_TIMEOUT',
      message: 'No response arrived within 40 ms.',
      requestId: order()['requestId'],
    })
    expect(requests).toBe(2)
  })

  test('within a time that is no whole number', async () => {
    const { error } = await errorOf([neverResponds], { timeoutMs: 20.5, retries: 0 })
    expect(error).toMatchObject({ code: 'ERR_TIMEOUT', message: 'No response arrived within 20.5 ms.' })
  })

  test('within the time for an attempt, signing included', async () => {
    const credentials = hangingCredentials({ sign: () => new Promise(() => {}) })
    const { error, requests } = await errorOf([], { timeoutMs: 40, retries: 0, credentials })
    expect(error).toMatchObject({ name: 'DeliveryError', code: 'ERR_TIMEOUT' })
    expect(requests).toBe(0)
  })

  test('within the time for an attempt, decryption included', async () => {
    const credentials = hangingCredentials({ decrypt: () => new Promise(() => {}) })
    const script = [respondsSigned(success(), { encryptTo: merchantRsa().publicKey })]
    const { error } = await errorOf(script, { timeoutMs: 200, retries: 0, credentials })
    expect(error).toMatchObject({ name: 'DeliveryError', code: 'ERR_TIMEOUT' })
  })

  test('within the time for an attempt, its body included', async () => {
    const trickle: Behaviour = (response) => void response.writeHead(200).write('{')
    const { error } = await errorOf([trickle], { timeoutMs: 40, retries: 0 })
    expect(error).toMatchObject({ code: 'ERR_TIMEOUT' })
  })

  test.each<[string, () => Promise<Response>]>([
    ['a fetch', () => new Promise(() => {})],
    ['a body', () => Promise.resolve(new Response(new ReadableStream()))],
  ])('within the time for an attempt, from %s that knows of no signals', async (_, fetch) => {
    const { error } = await errorOf([], { timeoutMs: 20, retries: 0, fetch })
    expect(error).toMatchObject({ code: 'ERR_TIMEOUT' })
  })

  test('because nobody listens', async () => {
    const port = await freePort()
    const { error } = await errorOf([], { url: `http://127.0.0.1:${port}`, retries: 1 })
    expect(error).toMatchObject({ name: 'DeliveryError', code: 'ERR_NETWORK', requestId: order()['requestId'] })
    expect(inspect(error)).toContain('ECONNREFUSED')
  })

  test('because the peer hangs up', async () => {
    const { error, requests } = await errorOf([hangsUp], { retries: 1 })
    expect(error).toMatchObject({ name: 'DeliveryError', code: 'ERR_NETWORK' })
    expect(requests).toBe(2)
  })
})

describe('an answer that cannot be trusted is an error, and is not tried again', () => {
  const stale = '2024-05-22T09:07:20+08:00'
  const changed =
    (changes: Record<string, string | undefined>, status = 200): Behaviour =>
    (response, { path }) => {
      const made = signedResponse(success(), { path })
      const { headers } = withHeaders({ method: '', path: '', ...made }, changes)
      response.writeHead(status, headers).end(made.body)
    }

  test.each<[string, Behaviour, string]>([
    ['unsigned', changed({ Signature: undefined }), 'ERR_REPLY_UNSIGNED'],
    ['with an empty Signature', changed({ Signature: '' }), 'ERR_REPLY_INVALID'],
    [
      'HTML, unsigned',
      respondsWith(200, '<html>Welcome</html>', { 'Content-Type': 'text/html' }),
      'ERR_REPLY_UNSIGNED',
    ],
    ['HTTP 404, unsigned', respondsWith(404, 'Not Found'), 'ERR_REPLY_UNSIGNED'],
    ['HTTP 401, unsigned', respondsWith(401), 'ERR_REPLY_UNSIGNED'],
    ['empty', respondsWith(200), 'ERR_REPLY_UNSIGNED'],
    ['with a Signature that is malformed', changed({ Signature: 'signature=%' }), 'ERR_REPLY_INVALID'],
    ['without a Client-Id', changed({ 'Client-Id': undefined }), 'ERR_REPLY_INVALID'],
    ['for another client', respondsSigned(success(), { clientId: 'OTHER' }), 'ERR_REPLY_INVALID'],
    [
      'under our Client-Id, signed for another client',
      changed({ Signature: signedResponse(success(), { clientId: 'OTHER' }).headers['Signature'] }),
      'ERR_REPLY_SIGNATURE',
    ],
    ['signed by a stranger', respondsSigned(success(), { key: strangerRsa().privateKey }), 'ERR_REPLY_SIGNATURE'],
    ['signed by ourselves', respondsSigned(success(), { key: merchantRsa().privateKey }), 'ERR_REPLY_SIGNATURE'],
    ['signed with an unknown key version', respondsSigned(success(), { keyVersion: '7' }), 'ERR_REPLY_SIGNATURE'],
    ['signed for another path', respondsSigned(success(), { path: '/other' }), 'ERR_REPLY_SIGNATURE'],
    ['signed for another method', respondsSigned(success(), { method: 'GET' }), 'ERR_REPLY_SIGNATURE'],
    [
      'signed over another body',
      changed({ Signature: signedResponse(success('A-2')).headers['Signature'] }),
      'ERR_REPLY_SIGNATURE',
    ],
    ['signed over another time', changed({ 'Response-Time': '2024-05-22T09:12:22+08:00' }), 'ERR_REPLY_SIGNATURE'],
    ['301 s old', respondsSigned(success(), { time: stale }), 'ERR_REPLY_TIME'],
    ['301 s ahead', respondsSigned(success(), { time: '2024-05-22T09:17:22+08:00' }), 'ERR_REPLY_TIME'],
    ['without a Response-Time', changed({ 'Response-Time': undefined }), 'ERR_REPLY_INVALID'],
    ['without a Content-Type', changed({ 'Content-Type': undefined }), 'ERR_REPLY_INVALID'],
    ['of another Content-Type', changed({ 'Content-Type': 'text/html' }), 'ERR_REPLY_INVALID'],
    ['signed, and no JSON', respondsSigned('<html>'), 'ERR_REPLY_INVALID'],
    [
      'signed, and no strict JSON',
      respondsSigned('{"result":{"resultCode":"SUCCESS","resultStatus":"S"},"orderId":"A","orderId":"B"}'),
      'ERR_REPLY_INVALID',
    ],
    ['signed, and no reply', respondsSigned({}), 'ERR_REPLY_INVALID'],
    ['of success without an orderId', respondsSigned({ result: success().result }), 'ERR_REPLY_INVALID'],
    [
      'encrypted to another key',
      respondsSigned(success(), { encryptTo: strangerRsa().publicKey }),
      'ERR_REPLY_INVALID',
    ],
  ])('%s', async (_, behaviour, code) => {
    const { error, requests } = await errorOf([behaviour, respondsSigned()])
    expect(error).toMatchObject({ name: 'UntrustedResponseError', code, requestId: order()['requestId'] })
    expect(error).toHaveProperty('httpStatus', expect.any(Number))
    expect(requests).toBe(1)
  })

  test('nothing of it is decrypted before its signature has verified', async () => {
    const decrypt = vi.fn(() => Promise.resolve(undefined))
    const privateKeys = { 1: { algorithm: 'RSA256' as const, sign: () => new Uint8Array(256), decrypt } }
    const credentials = { ...merchantCredentials(), privateKeys }
    const sealed = { encryptTo: merchantRsa().publicKey }
    const forged = await errorOf([respondsSigned(success(), { ...sealed, key: strangerRsa().privateKey })], {
      credentials,
    })
    expect(forged.error).toMatchObject({ code: 'ERR_REPLY_SIGNATURE' })
    expect(decrypt).not.toHaveBeenCalled()
    const { error } = await errorOf([respondsSigned(success(), sealed)], { credentials })
    expect(error).toMatchObject({ code: 'ERR_REPLY_INVALID' })
    expect(decrypt).toHaveBeenCalledOnce()
  })

  test('an old key of the peer is trusted as long as it is configured', async () => {
    const peerPublicKeys = { 1: gatewayRsa().publicKey, 2: strangerRsa().publicKey }
    const { client } = await pair([respondsSigned(success(), { keyVersion: '1' })], {
      credentials: { ...merchantCredentials(), peerPublicKeys },
    })
    expect(await client.syncOrder(ORDER)).toMatchObject({ orderId: 'A-1' })
  })

  test.each([301, 302, 303, 307, 308])('a redirect, HTTP %i: nobody is followed', async (status) => {
    const elsewhere = await startGateway()
    ends.push(elsewhere.close)
    const { error, requests } = await errorOf([respondsWith(status, 'moved', { Location: elsewhere.url })])
    expect(error).toMatchObject({ name: 'UntrustedResponseError', code: 'ERR_REPLY_REDIRECT', httpStatus: status })
    expect(requests).toBe(1)
    expect(elsewhere.seen).toStrictEqual([])
  })

  test.each([
    ['fails', () => Promise.reject(new Error('no'))],
    ['never ends', () => new Promise<void>(() => {})],
  ])('a redirect whose body is given up, which %s', async (_, cancel) => {
    const fetch = vi.fn(async () => new Response(new ReadableStream({ cancel }), { status: 302 }))
    const { error } = await errorOf([], { fetch, timeoutMs: 2_000 })
    expect(error).toMatchObject({ code: 'ERR_REPLY_REDIRECT' })
    expect(fetch).toHaveBeenCalledOnce()
  })

  test('a redirect that a fetch of the caller’s own hides', async () => {
    const response = Object.defineProperty(new Response(null), 'type', { value: 'opaqueredirect' })
    const { error } = await errorOf([], { fetch: () => Promise.resolve(response) })
    expect(error).toMatchObject({ code: 'ERR_REPLY_REDIRECT' })
  })

  test('one larger than is accepted, which is not read to its end', async () => {
    let written = 0
    const endless: Behaviour = (response) => {
      response.writeHead(200)
      const more = () => {
        while (!response.destroyed && response.write('x'.repeat(16_384))) written++
      }
      response.on('drain', more)
      more()
    }
    const { error, requests } = await errorOf([endless], { maxResponseBytes: 100_000 })
    expect(error).toMatchObject({ name: 'UntrustedResponseError', code: 'ERR_REPLY_TOO_LARGE', httpStatus: 200 })
    expect(requests).toBe(1)
    expect(written).toBeLessThan(10_000)
  })

  test('while one of just the size is', async () => {
    const size = Buffer.from(JSON.stringify(success())).length
    const fits = await pair([], { maxResponseBytes: size })
    expect(await fits.client.syncOrder(ORDER)).toMatchObject({ orderId: 'A-1' })
    const { error } = await errorOf([respondsSigned()], { maxResponseBytes: size - 1 })
    expect(error).toMatchObject({ code: 'ERR_REPLY_TOO_LARGE' })
  })
})

describe('an error', () => {
  test('explains a signature that does not verify', async () => {
    const { error } = await errorOf([respondsSigned(success(), { path: '/' })])
    expect(error.message).toMatch(
      /^The response cannot be trusted\. The signature is not .* No usual mistake explains it\. .* the body \(here \d+ bytes/,
    )
    const { error: formatted } = await errorOf([
      (response) => {
        const { headers } = signedResponse(success())
        response.writeHead(200, headers).end(JSON.stringify(success(), null, 2))
      },
    ])
    expect(formatted.message).toContain('something on the way formats JSON')
  })

  test('shows the beginning of the answer, masked, to whoever asks, and to no log by itself', async () => {
    const page = '<html>Ray 4111111111111111 of me@example.com, token abcdefghijklmnopqrstuvwxyz\n\u001b[31m</html>'
    const { error } = await errorOf([respondsWith(403, page)])
    expect(error.excerpt).toBe('<html>Ray … of … token … [31m</html>')
    expect(Object.keys(error)).not.toContain('excerpt')
    expect(inspect(error) + JSON.stringify(error)).not.toContain('Ray')
  })

  test.each<[string, Behaviour, Partial<ClientOptions>]>([
    ['refused', respondsSigned(refusal('PROCESS_FAIL')), {}],
    ['unknown', respondsSigned(refusal('UNKNOWN_EXCEPTION', 'U')), { retries: 0 }],
    ['unsigned', respondsWith(404, JSON.stringify(order())), {}],
    ['HTTP 500', respondsWith(500, JSON.stringify(order())), { retries: 0 }],
    ['wrongly signed', respondsSigned(order(), { key: strangerRsa().privateKey }), {}],
    ['not of the form', respondsSigned(order()), {}],
    ['too large', respondsWith(200, JSON.stringify(order())), { maxResponseBytes: 9 }],
    ['cut', hangsUp, { retries: 0, encrypt: true }],
    ['timed out', neverResponds, { retries: 0, timeoutMs: 30 }],
  ])('shows nothing secret in inspect() or JSON.stringify(): %s', async (_, behaviour, options) => {
    const { error, seen } = await errorOf([behaviour], options)
    expect(isOrderSyncError(error)).toBe(true)
    const shown = `${inspect(error, { depth: 9 })}${JSON.stringify(error)}${error.stack}`
    const { tradeNo, merchantBizNo, userId, orderStatus } = order()
    const keys = [merchantRsa(), gatewayRsa()].flatMap(({ privateKey, publicKey }) =>
      [privateKey, publicKey].map((key) => pem(key).split('\n')[3]),
    )
    const signature = seen[0]?.headers['signature']?.slice(-60)
    for (const secret of [tradeNo, merchantBizNo, userId, orderStatus, 'NOTE-for', signature, ...keys]) {
      expect(shown).not.toContain(String(secret))
    }
  })
})

describe('an abort by the caller rejects with his reason', () => {
  const reason = new Error('enough')

  test('before anything is sent', async () => {
    const { client, seen } = await pair()
    expect(await rejectionOf(client.syncOrder(ORDER, { signal: AbortSignal.abort(reason) }))).toBe(reason)
    expect(seen).toStrictEqual([])
  })

  test('before anything is sent, by a fetch that knows of no signals', async () => {
    const fetch = vi.fn(() => Promise.resolve(new Response()))
    const { client } = await pair([], { fetch })
    expect(await rejectionOf(client.syncOrder(ORDER, { signal: AbortSignal.abort(reason) }))).toBe(reason)
    expect(fetch).not.toHaveBeenCalled()
  })

  test('while the order is signed, and then it is not sent', async () => {
    const fetch = vi.fn(() => new Promise<Response>(() => {}))
    const caller = new AbortController()
    const now = () => {
      caller.abort(reason)
      return Date.now()
    }
    const { client } = await pair([], { fetch, now })
    expect(await rejectionOf(client.syncOrder(ORDER, { signal: caller.signal }))).toBe(reason)
    expect(fetch).not.toHaveBeenCalled()
  })

  test.each([0, 3])(
    'while the answer is awaited, and is not tried again, whatever "retries" says: %i',
    async (retries) => {
      const { client, seen } = await pair([neverResponds], { retries })
      const caller = new AbortController()
      const sync = rejectionOf(client.syncOrder(ORDER, { signal: caller.signal }))
      await until(() => seen.length > 0)
      caller.abort(reason)
      expect(await sync).toBe(reason)
      expect(seen).toHaveLength(1)
    },
  )

  test('while the body of the answer is read', async () => {
    const { client, seen } = await pair([(response) => void response.writeHead(200).write('{')])
    const caller = new AbortController()
    const sync = rejectionOf(client.syncOrder(ORDER, { signal: caller.signal }))
    await until(() => seen.length > 0)
    await new Promise(setImmediate)
    caller.abort(reason)
    expect(await sync).toBe(reason)
  })

  test('while a fetch that knows of no signals goes on', async () => {
    const fetch = vi.fn(() => new Promise<Response>(() => {}))
    const { client } = await pair([], { fetch })
    const caller = new AbortController()
    const sync = rejectionOf(client.syncOrder(ORDER, { signal: caller.signal }))
    await until(() => fetch.mock.calls.length > 0)
    caller.abort(reason)
    expect(await sync).toBe(reason)
  })

  test('in the pause before the next attempt', async () => {
    let failed = false
    const { client, seen } = await pair(
      [
        (response) => {
          response.once('close', () => {
            failed = true
          })
          response.writeHead(503).end()
        },
      ],
      { random: () => 0.99, baseDelayMs: 60_000, maxDelayMs: 60_000 },
    )
    const caller = new AbortController()
    const sync = rejectionOf(client.syncOrder(ORDER, { signal: caller.signal }))
    await until(() => failed)
    await new Promise(setImmediate)
    caller.abort(reason)
    expect(await sync).toBe(reason)
    expect(seen).toHaveLength(1)
  })

  test.each<[string, Partial<ClientOptions>]>([
    ['a signer', { credentials: hangingCredentials({ sign: () => new Promise(() => {}) }) }],
    [
      'a validator of extInfo',
      { extInfoSchema: { '~standard': { ...STANDARD, validate: () => new Promise(() => {}) } } },
    ],
  ])('while %s of his own goes on for ever', async (_, options) => {
    const { client, seen } = await pair([], options)
    const caller = new AbortController()
    const sync = rejectionOf(client.syncOrder(ORDER, { signal: caller.signal }))
    await new Promise(setImmediate)
    caller.abort(reason)
    expect(await sync).toBe(reason)
    expect(seen).toHaveLength(0)
  })

  test('and one signal can serve any number of orders: one listens to it for all, in their pauses too', async () => {
    const { client } = await pair([], { fetch: () => Promise.reject(new Error('down')), random: () => 0 })
    const caller = new AbortController()
    const listen = vi.spyOn(caller.signal, 'addEventListener')
    const any = vi.spyOn(AbortSignal, 'any')
    const options = { signal: caller.signal }
    const syncs = Array.from({ length: 30 }, () => rejectionOf(client.syncOrder(ORDER, options)))
    for (const error of await Promise.all(syncs)) expect(error).toMatchObject({ code: 'ERR_NETWORK' })
    expect(listen).toHaveBeenCalledOnce()
    // On Node 20, what it makes leaves something behind.
    expect(any).not.toHaveBeenCalled()
  })

  test('for all orders that it serves, and no other', async () => {
    const fetch = vi.fn(() => new Promise<Response>(() => {}))
    const { client } = await pair([], { fetch, timeoutMs: 50, retries: 0 })
    const caller = new AbortController()
    const served = [1, 2, 3].map(() => rejectionOf(client.syncOrder(ORDER, { signal: caller.signal })))
    const other = rejectionOf(client.syncOrder(ORDER))
    await until(() => fetch.mock.calls.length === 4)
    caller.abort(reason)
    expect(await Promise.all(served)).toEqual([reason, reason, reason])
    expect(await other).toMatchObject({ code: 'ERR_TIMEOUT' })
    expect(await rejectionOf(client.syncOrder(ORDER, { signal: caller.signal }))).toBe(reason)
    expect(fetch).toHaveBeenCalledTimes(4)
  })

  test('and a signal that is never aborted changes nothing', async () => {
    const { client } = await pair()
    expect(await client.syncOrder(ORDER, { signal: new AbortController().signal })).toMatchObject({ orderId: 'A-1' })
  })
})

describe('the time of an attempt ends with it, its timer too', () => {
  test.each<[string, () => Promise<Response>, string | undefined]>([
    ['a success', async () => responseOf(success()), undefined],
    ['a refusal', async () => responseOf(refusal('PROCESS_FAIL')), 'ERR_REFUSED'],
    ['a failure of the network', () => Promise.reject(new Error('down')), 'ERR_NETWORK'],
    ['its end, with a fetch that never ends', () => new Promise(() => {}), 'ERR_TIMEOUT'],
  ])('after %s', async (_, respond, code) => {
    const [set, clear] = [vi.spyOn(globalThis, 'setTimeout'), vi.spyOn(globalThis, 'clearTimeout')]
    const timeoutMs = code === 'ERR_TIMEOUT' ? 23 : 12_345
    let signal: AbortSignal | null | undefined
    const { syncOrder } = createOrderSyncClient({
      ...{ credentials: merchantCredentials(), environment: 'testing', now: () => NOW, retries: 0, timeoutMs },
      fetch(_url, init) {
        signal = init?.signal
        return respond()
      },
    })
    const ended = await syncOrder(ORDER).then(
      () => undefined,
      (error: { code: string }) => error.code,
    )
    expect(ended).toBe(code)
    const timers = set.mock.results.filter((_, call) => set.mock.calls[call]?.[1] === timeoutMs)
    expect(timers).toHaveLength(1)
    expect(clear).toHaveBeenCalledWith(timers[0]?.value)
    expect(signal?.aborted).toBe(code === 'ERR_TIMEOUT')
  })

  test('after an abort, with a fetch that never ends: nobody listens to the caller any more', async () => {
    const [set, clear] = [vi.spyOn(globalThis, 'setTimeout'), vi.spyOn(globalThis, 'clearTimeout')]
    const listen = vi.spyOn(AbortSignal.prototype, 'addEventListener')
    const leave = vi.spyOn(AbortSignal.prototype, 'removeEventListener')
    const caller = new AbortController()
    const { client } = await pair([], { fetch: () => new Promise(() => {}), timeoutMs: 12_345 })
    const synced = rejectionOf(client.syncOrder(ORDER, { signal: caller.signal }))
    await until(() => listen.mock.calls.length > 0)
    caller.abort(new Error('enough'))
    expect(await synced).toMatchObject({ message: 'enough' })
    // But for the one that listens for all of his orders.
    const own = listen.mock.calls.filter((_, call) => listen.mock.contexts[call] !== caller.signal)
    expect(own.length).toBeGreaterThan(0)
    expect(leave.mock.calls.map(([, listener]) => listener)).toEqual(own.map(([, listener]) => listener))
    const timer = set.mock.results.find((_, call) => set.mock.calls[call]?.[1] === 12_345)
    expect(clear).toHaveBeenCalledWith(timer?.value)
  })
})

/** A signer of the caller's own, one half of which never ends. */
function hangingCredentials(hanging: Partial<Pick<Signer, 'sign' | 'decrypt'>>): Credentials {
  const { privateKey } = merchantRsa()
  const signer: Signer = {
    algorithm: 'RSA256',
    sign: async (bytes) => sign('sha256', bytes, privateKey),
    decrypt: async () => new Uint8Array(32),
    ...hanging,
  }
  return { ...merchantCredentials(), privateKeys: { 1: signer } }
}

function responseOf(message: unknown): Response {
  const { headers, body } = signedResponse(message)
  return new Response(Buffer.from(body), { headers })
}

async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  await new Promise((resolve) => server.close(resolve))
  if (address === null || typeof address === 'string') throw new Error('no port')
  return address.port
}

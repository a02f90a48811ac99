import { sign } from 'node:crypto'
import { getEventListeners } from 'node:events'
import { createServer } from 'node:net'
import { inspect } from 'node:util'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import {
  type ClientOptions,
  createOrderSyncClient,
  DeliveryError,
  isOrderSyncError,
  type OrderInput,
  type Signer,
} from '../../src/public/index.ts'
import { deferred, until } from '../support/deferred.ts'
import { countAbortSignals } from '../support/garbage.ts'
import {
  type Behaviour,
  closesConnection,
  type GatewayRequest,
  neverResponds,
  respondsSigned,
  respondsWith,
  startGateway as startGatewayServer,
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

const STANDARD = { version: 1, vendor: 'test' } as const

const ORDER = order() as unknown as OrderInput

/** A gateway that is closed at the end of the test. */
async function startGateway(...script: readonly Behaviour[]) {
  const gateway = await startGatewayServer(...script)
  onTestFinished(gateway.close)
  return gateway
}

/** A client, and the gateway that it sends to. */
async function startClientAndGateway(script: readonly Behaviour[] = [], options: Partial<ClientOptions> = {}) {
  const gateway = await startGateway(...script)
  const client = createOrderSyncClient({
    credentials: merchantCredentials(),
    url: gateway.url,
    now: () => NOW,
    random: () => 0,
    ...options,
  })
  return { client, gateway, requests: gateway.requests }
}

/** The error of a sync, and the requests that the gateway received. */
const errorOf = async (script: readonly Behaviour[], options: Partial<ClientOptions> = {}, input = ORDER) => {
  const { client, requests } = await startClientAndGateway(script, options)
  const error = (await rejectionOf(client.syncOrder(input))) as Error & { code?: string; excerpt?: string }
  return { error, requests }
}

/** The order in a request. */
const messageIn = ({ body, headers }: GatewayRequest) =>
  messageOf({
    body,
    headers: Object.fromEntries(Object.entries(headers).map(([k, v]) => [k === 'encrypt' ? 'Encrypt' : k, v])),
  })

describe('syncOrder', () => {
  test('sends an order with the documented headers, signed over the bytes it sends', async () => {
    const { client, requests } = await startClientAndGateway()
    expect(await client.syncOrder(ORDER)).toStrictEqual({
      orderId: 'A-1',
      requestId: order()['requestId'],
      attempts: 1,
      tracerId: undefined,
      response: success(),
    })
    const [sent] = requests
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

  test('encrypts an order with the option "encrypt", and decrypts the response', async () => {
    const { client, requests } = await startClientAndGateway(
      [respondsSigned(success(), { encryptTo: merchantRsa().publicKey })],
      {
        encrypt: true,
      },
    )
    expect(await client.syncOrder(ORDER)).toMatchObject({ orderId: 'A-1' })
    const [sent] = requests
    expect(sent?.headers['content-type']).toBe('text/plain; charset=UTF-8')
    expect(sent && isSignedBy(sent, merchantRsa().publicKey)).toBe(true)
    expect(sent && messageIn(sent)).toStrictEqual(order())
    expect(sent?.body.toString()).not.toContain('TRADE')
  })

  test('signs and verifies with ECC224 keys', async () => {
    const credentials = {
      clientId: CLIENT_ID,
      privateKeys: { 4: merchantEcc().privateKey },
      peerPublicKeys: { 1: gatewayEcc().publicKey },
    }
    const { client, requests } = await startClientAndGateway(
      [respondsSigned(success(), { key: gatewayEcc().privateKey })],
      { credentials },
    )
    expect(await client.syncOrder(ORDER)).toMatchObject({ orderId: 'A-1' })
    expect(requests[0]?.headers['signature']).toMatch(/^algorithm=ECC224,keyVersion=4,/)
    expect(requests[0] && isSignedBy(requests[0], merchantEcc().publicKey)).toBe(true)
  })

  test('fills in requestId and merchantBizType when they are missing', async () => {
    const { requestId: _, merchantBizType: __, ...input } = order()
    const { client, requests } = await startClientAndGateway([], {
      randomUUID: () => '01234567-89ab-cdef-0123-456789abcdef',
    })
    const { requestId } = await client.syncOrder(input as unknown as OrderInput)
    expect(requestId).toBe('0123456789abcdef0123456789abcdef')
    expect(requests[0] && messageIn(requests[0])).toStrictEqual({
      ...order(),
      requestId,
      merchantBizType: 'TRADE_ORDER',
    })
  })

  test('creates a different requestId for each order', async () => {
    const { requestId: _, ...input } = order()
    const { client } = await startClientAndGateway()
    const [one, two] = [
      await client.syncOrder(input as unknown as OrderInput),
      await client.syncOrder(input as unknown as OrderInput),
    ]
    expect(one.requestId).toMatch(/^[0-9a-f]{32}$/)
    expect(two.requestId).not.toBe(one.requestId)
  })

  test('sends unknown members unchanged', async () => {
    const { client, requests } = await startClientAndGateway()
    await client.syncOrder({ ...ORDER, somethingNew: { a: 1 } } as OrderInput)
    expect(requests[0] && messageIn(requests[0])).toMatchObject({ somethingNew: { a: 1 } })
  })

  test('returns the Tracer-Id of the response', async () => {
    const withTracer: Behaviour = (response, { path }) => {
      const { headers, body } = signedResponse(success(), { path })
      response.writeHead(200, { ...headers, 'Tracer-Id': 'trace-7' }).end(body)
    }
    const { client } = await startClientAndGateway([withTracer])
    expect(await client.syncOrder(ORDER)).toMatchObject({ tracerId: 'trace-7' })
  })

  test('sends the option "agentToken" as the Agent-Token header', async () => {
    const { client, requests } = await startClientAndGateway([], { agentToken: 'agent-7' })
    await client.syncOrder(ORDER)
    expect(requests[0]?.headers['agent-token']).toBe('agent-7')
  })

  test('accepts a verified success with any HTTP status', async () => {
    const { client } = await startClientAndGateway([respondsSigned(success(), {}, 500)])
    expect(await client.syncOrder(ORDER)).toMatchObject({ orderId: 'A-1', attempts: 1 })
  })

  test('accepts a response signed with an older key of the peer that is configured', async () => {
    const peerPublicKeys = { 1: gatewayRsa().publicKey, 2: strangerRsa().publicKey }
    const { client } = await startClientAndGateway([respondsSigned(success(), { keyVersion: '1' })], {
      credentials: { ...merchantCredentials(), peerPublicKeys },
    })
    expect(await client.syncOrder(ORDER)).toMatchObject({ orderId: 'A-1' })
  })

  test('sends a fraction in extInfo with the option "allowFractions"', async () => {
    const { client, requests } = await startClientAndGateway([], { allowFractions: true })
    await client.syncOrder({ ...ORDER, extInfo: { rate: 0.5 } })
    expect(requests[0] && messageIn(requests[0])).toMatchObject({ extInfo: { rate: 0.5 } })
  })

  test('signs the path and the query string of the URL', async () => {
    const gateway = await startGateway()
    const client = createOrderSyncClient({
      credentials: merchantCredentials(),
      url: `${gateway.url}/hook?a=1&b=%20#c`,
      now: () => NOW,
    })
    await client.syncOrder(ORDER)
    const [sent] = gateway.requests
    expect(sent?.path).toBe('/hook?a=1&b=%20')
    expect(sent && isSignedBy(sent, merchantRsa().publicKey, { path: '/hook?a=1&b=%20' })).toBe(true)
  })

  test('signs the option "signedPath" instead of the path of the URL', async () => {
    const { client, requests } = await startClientAndGateway([respondsSigned(success(), { path: '/outside' })], {
      signedPath: '/outside',
    })
    await client.syncOrder(ORDER)
    expect(requests[0]?.path).toBe(PATH)
    expect(requests[0] && isSignedBy(requests[0], merchantRsa().publicKey, { path: '/outside' })).toBe(true)
  })

  test('calls fetch without "this", because some platforms require it', async () => {
    const receivers: unknown[] = []
    function fetch(this: unknown): Promise<Response> {
      receivers.push(this)
      return Promise.reject(new Error('down'))
    }
    const { client } = await startClientAndGateway([], { fetch, retries: 0 })
    await rejectionOf(client.syncOrder(ORDER))
    expect(receivers).toStrictEqual([undefined])
  })

  test('sends through the option "fetch"', async () => {
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

describe('syncOrder rejects with ERR_FIELD_INVALID, and sends nothing', () => {
  test.each<[string, Record<string, unknown>, string]>([
    ['when a field is missing', { tradeNo: undefined }, 'tradeNo'],
    ['when requestId is empty', { requestId: '' }, 'requestId'],
    ['without userId and openId', { userId: undefined }, 'userId'],
    ['when amount.value is a number', { amount: { value: 1000, currency: 'HKD' } }, 'amount.value'],
    ['when extInfo contains NaN', { extInfo: { rate: Number.NaN } }, 'extInfo.rate'],
    ['when extInfo contains a fraction', { extInfo: { rate: 0.5 } }, 'extInfo.rate'],
    ['when a parsed order has a "__proto__" member', JSON.parse('{"__proto__":{"merchantId":"M-2"}}'), '__proto__'],
    ['when extInfo contains a BigInt', { extInfo: { big: 1n } }, 'extInfo.big'],
  ])('%s', async (_, changes, field) => {
    const { error, requests } = await errorOf([], {}, { ...ORDER, ...changes } as OrderInput)
    expect(error).toMatchObject({ name: 'ProtocolError', code: 'ERR_FIELD_INVALID', issues: [{ field }] })
    expect(requests).toHaveLength(0)
  })
})

describe('a verified response with status F', () => {
  test('rejects with OrderRefusedError, without a retry', async () => {
    const { error, requests } = await errorOf([respondsSigned(refusal('PROCESS_FAIL'), {}, 200)])
    expect(error).toMatchObject({
      name: 'OrderRefusedError',
      code: 'ERR_REFUSED',
      resultCode: 'PROCESS_FAIL',
      resultMessage: 'message',
      requestId: order()['requestId'],
    })
    expect(requests).toHaveLength(1)
  })

  test('rejects with ERR_REFUSED for every HTTP status', async () => {
    for (const status of [400, 401, 500]) {
      const { error, requests } = await errorOf([respondsSigned(refusal('INVALID_SIGNATURE'), {}, status)])
      expect(error).toMatchObject({ code: 'ERR_REFUSED', resultCode: 'INVALID_SIGNATURE' })
      expect(requests).toHaveLength(1)
    }
  })

  test('rejects with ERR_REFUSED for an unknown result code, and keeps the message on one line', async () => {
    const { error } = await errorOf([respondsSigned(refusal('NEW_CODE\nERROR forged'))])
    expect(error).toMatchObject({ code: 'ERR_REFUSED', resultCode: 'NEW_CODE\nERROR forged' })
    expect(error.message).not.toContain('\n')
  })
})

describe('a verified response with an orderId', () => {
  test.each([
    ['F', 'OrderRefusedError', 'ERR_REFUSED'],
    ['U', 'DeliveryError', 'ERR_RESULT_UNKNOWN'],
    ['A', 'DeliveryError', 'ERR_RESULT_UNKNOWN'],
  ] as const)('and the status %s is not a success: rejects with %s', async (status, name, code) => {
    const message = { ...refusal('PROCESS_FAIL', status), orderId: 'A-1' }
    const { error } = await errorOf([respondsSigned(message)], { retries: 0 })
    expect(error).toMatchObject({ name, code, response: message })
  })
})

test('syncOrder accepts a response whose Response-Time is 60 s before its own request', async () => {
  const { client } = await startClientAndGateway([respondsSigned(success(), { time: '2024-05-22T09:11:21+08:00' })])
  expect(await client.syncOrder(ORDER)).toMatchObject({ orderId: 'A-1' })
})

describe('a retry', () => {
  const clock = () => {
    let now = NOW - 1_000
    return () => (now += 1_000)
  }

  test('sends the same body after U, with a new time and a new signature', async () => {
    const { client, requests } = await startClientAndGateway(
      [respondsSigned(refusal('UNKNOWN_EXCEPTION', 'U')), respondsSigned()],
      {
        now: clock(),
        clockToleranceSeconds: 3_600,
      },
    )
    expect(await client.syncOrder(ORDER)).toMatchObject({ orderId: 'A-1', attempts: 2 })
    const [one, two] = requests
    expect(two?.body).toStrictEqual(one?.body)
    expect(two?.headers['request-time']).not.toBe(one?.headers['request-time'])
    expect(two?.headers['signature']).not.toBe(one?.headers['signature'])
    expect(two && isSignedBy(two, merchantRsa().publicKey)).toBe(true)
  })

  test('encrypts the same plaintext with a new AES key', async () => {
    const { client, requests } = await startClientAndGateway(
      [respondsSigned(refusal('UNKNOWN_EXCEPTION', 'U')), respondsSigned()],
      {
        encrypt: true,
      },
    )
    await client.syncOrder(ORDER)
    const [one, two] = requests
    expect(two?.body).not.toStrictEqual(one?.body)
    expect(two?.headers['encrypt']).not.toBe(one?.headers['encrypt'])
    expect(two && messageIn(two)).toStrictEqual(one && messageIn(one))
  })

  test('keeps the requestId that the client created', async () => {
    const { requestId: _, ...input } = order()
    const { client, requests } = await startClientAndGateway([respondsWith(502), closesConnection, respondsSigned()])
    const { requestId, attempts } = await client.syncOrder(input as unknown as OrderInput)
    expect(attempts).toBe(3)
    expect(requests.map((sent) => (messageIn(sent) as { requestId: string }).requestId)).toStrictEqual([
      requestId,
      requestId,
      requestId,
    ])
  })

  test.each<[string, Behaviour]>([
    ['status A, which is not final', respondsSigned(refusal('ACCEPTED', 'A'))],
    ['REQUEST_TRAFFIC_EXCEED_LIMIT', respondsSigned(refusal('REQUEST_TRAFFIC_EXCEED_LIMIT', 'U'))],
    ['an unsigned HTTP 503', respondsWith(503, '<html>Service Unavailable</html>')],
    ['an HTTP 500 signed with an unknown key', respondsSigned(success(), { key: strangerRsa().privateKey }, 500)],
    ['a closed connection', closesConnection],
    [
      'a response that breaks off',
      (response) => void response.writeHead(200, { 'Content-Length': '100' }).write('{', () => response.destroy()),
    ],
  ])('follows %s', async (_, behaviour) => {
    const { client, requests } = await startClientAndGateway([behaviour, respondsSigned()])
    expect(await client.syncOrder(ORDER)).toMatchObject({ orderId: 'A-1', attempts: 2 })
    expect(requests).toHaveLength(2)
  })

  test('follows a DeliveryError that a custom signer throws', async () => {
    const { privateKey } = merchantRsa()
    const signWithKey = vi.fn<Signer['sign']>((bytes) => Promise.resolve(sign('sha256', bytes, privateKey)))
    // The first signature is the probe for ERR_KEY_OWN.
    signWithKey
      .mockResolvedValueOnce(Uint8Array.of(1))
      .mockRejectedValueOnce(new DeliveryError('ERR_TIMEOUT', 'The HSM did not respond.'))
    const credentials = { ...merchantCredentials(), privateKeys: { 1: customSigner({ sign: signWithKey }) } }
    const { client, requests } = await startClientAndGateway([], { credentials })
    expect(await client.syncOrder(ORDER)).toMatchObject({ orderId: 'A-1', attempts: 2 })
    expect(requests).toHaveLength(1)
  })

  test('does not follow ERR_SIGNER_LIMIT: a KMS that refuses more than 4,096 bytes, which refuses only the long order', async () => {
    const { privateKey } = merchantRsa()
    const failure = new Error('ValidationException')
    const limited = customSigner({
      sign(bytes) {
        if (bytes.length > 4_096) throw failure
        return sign('sha256', bytes, privateKey)
      },
    })
    const credentials = { ...merchantCredentials(), privateKeys: { 1: limited } }
    const { client, requests } = await startClientAndGateway([], { credentials })
    expect(await client.syncOrder(ORDER)).toMatchObject({ orderId: 'A-1', attempts: 1 })
    await expect(client.syncOrder({ ...ORDER, extInfo: { note: 'x'.repeat(4_096) } })).rejects.toMatchObject({
      code: 'ERR_SIGNER_LIMIT',
      message: expect.stringContaining('Sign the SHA-256 digest'),
      cause: failure,
    })
    expect(requests).toHaveLength(1)
  })

  test('does not follow another error of a custom signer', async () => {
    const failure = new Error('The HSM is broken.')
    const signWithKey = vi.fn<Signer['sign']>(() => Promise.reject(failure))
    const credentials = { ...merchantCredentials(), privateKeys: { 1: customSigner({ sign: signWithKey }) } }
    const { error, requests } = await errorOf([], { credentials })
    expect(error).toBe(failure)
    const messages = signWithKey.mock.calls.filter(([bytes]) => Buffer.from(bytes).toString().startsWith('POST '))
    expect(messages).toHaveLength(1)
    expect(requests).toHaveLength(0)
  })

  test.each([0, 1, 3])('follows at most "retries" times: %i', async (retries) => {
    const { error, requests } = await errorOf([respondsSigned(refusal('UNKNOWN_EXCEPTION', 'U'))], { retries })
    expect(error).toMatchObject({
      name: 'DeliveryError',
      code: 'ERR_RESULT_UNKNOWN',
      httpStatus: 200,
      requestId: order()['requestId'],
    })
    expect(requests).toHaveLength(retries + 1)
  })
})

describe('without a trusted response, syncOrder', () => {
  test.each<[string, number]>([
    ['HTTP 500', 500],
    ['HTTP 502', 502],
    ['HTTP 504', 504],
  ])('rejects with ERR_HTTP_STATUS when every attempt gets an unsigned %s', async (_, status) => {
    const { error, requests } = await errorOf([respondsWith(status, '<h1>Bad Gateway</h1> nginx')], { retries: 2 })
    expect(error).toMatchObject({
      name: 'DeliveryError',
      code: 'ERR_HTTP_STATUS',
      httpStatus: status,
      requestId: order()['requestId'],
    })
    expect(error.excerpt).toBe('<h1>Bad Gateway</h1> nginx')
    expect(error.message).toBe(`The peer responded with HTTP ${status}, without a valid signature.`)
    expect(requests).toHaveLength(3)
  })

  test('names the signature as the cause when an HTTP 500 is signed with an unknown key', async () => {
    const { error } = await errorOf([respondsSigned(success(), { key: strangerRsa().privateKey }, 500)], { retries: 0 })
    expect(error).toMatchObject({ code: 'ERR_HTTP_STATUS', cause: { code: 'ERR_REPLY_SIGNATURE' } })
    expect(error.message).not.toContain('unsigned')
  })

  test('rejects with ERR_TIMEOUT when no response arrives within timeoutMs', async () => {
    const { error } = await errorOf([neverResponds], { timeoutMs: 40, retries: 1 })
    expect(error).toMatchObject({
      name: 'DeliveryError',
      code: 'ERR_TIMEOUT',
      message: expect.stringMatching(/^There was no verified response from 127\.0\.0\.1:\d+ within 40 ms\.$/),
      requestId: order()['requestId'],
    })
  })

  test('rejects with ERR_TIMEOUT when timeoutMs is a fraction', async () => {
    const { error } = await errorOf([neverResponds], { timeoutMs: 20.5, retries: 0 })
    expect(error).toMatchObject({ code: 'ERR_TIMEOUT', message: expect.stringContaining(' within 20.5 ms.') })
  })

  test('rejects with ERR_TIMEOUT when the signer never signs', async () => {
    const credentials = {
      ...merchantCredentials(),
      privateKeys: { 1: customSigner({ sign: () => new Promise(() => {}) }) },
    }
    const { error, requests } = await errorOf([], { timeoutMs: 40, retries: 0, credentials })
    expect(error).toMatchObject({ name: 'DeliveryError', code: 'ERR_TIMEOUT' })
    expect(requests).toHaveLength(0)
  })

  test('rejects with ERR_TIMEOUT when the signer never decrypts', async () => {
    const credentials = {
      ...merchantCredentials(),
      privateKeys: { 1: customSigner({ decrypt: () => new Promise(() => {}) }) },
    }
    const script = [respondsSigned(success(), { encryptTo: merchantRsa().publicKey })]
    const { error } = await errorOf(script, { timeoutMs: 200, retries: 0, credentials })
    expect(error).toMatchObject({ name: 'DeliveryError', code: 'ERR_TIMEOUT' })
  })

  test('rejects with ERR_TIMEOUT when the body of the response never ends', async () => {
    const trickle: Behaviour = (response) => void response.writeHead(200).write('{')
    const { error } = await errorOf([trickle], { timeoutMs: 40, retries: 0 })
    expect(error).toMatchObject({ code: 'ERR_TIMEOUT' })
  })

  test.each<[string, () => Promise<Response>]>([
    ['fetch', () => new Promise(() => {})],
    ['the body', () => Promise.resolve(new Response(new ReadableStream()))],
  ])('rejects with ERR_TIMEOUT when %s ignores its signal', async (_, fetch) => {
    const { error } = await errorOf([], { timeoutMs: 20, retries: 0, fetch })
    expect(error).toMatchObject({ code: 'ERR_TIMEOUT' })
  })

  test('rejects with ERR_NETWORK when no server listens', async () => {
    const port = await freePort()
    const { error } = await errorOf([], { url: `http://127.0.0.1:${port}`, retries: 1 })
    expect(error).toMatchObject({ name: 'DeliveryError', code: 'ERR_NETWORK', requestId: order()['requestId'] })
    expect(inspect(error)).toContain('ECONNREFUSED')
  })

  test('rejects with ERR_NETWORK when the peer closes the connection', async () => {
    const { error, requests } = await errorOf([closesConnection], { retries: 1 })
    expect(error).toMatchObject({ name: 'DeliveryError', code: 'ERR_NETWORK' })
    expect(requests).toHaveLength(2)
  })
})

describe('an untrusted response', () => {
  const stale = '2024-05-22T09:07:20+08:00'
  const changed =
    (changes: Record<string, string | undefined>, status = 200): Behaviour =>
    (response, { path }) => {
      const made = signedResponse(success(), { path })
      const { headers } = withHeaders({ method: '', path: '', ...made }, changes)
      response.writeHead(status, headers).end(made.body)
    }

  test.each<[string, Behaviour, string]>([
    ['is unsigned', changed({ Signature: undefined }), 'ERR_REPLY_UNSIGNED'],
    ['has an empty Signature', changed({ Signature: '' }), 'ERR_REPLY_UNSIGNED'],
    [
      'is unsigned HTML',
      respondsWith(200, '<html>Welcome</html>', { 'Content-Type': 'text/html' }),
      'ERR_REPLY_UNSIGNED',
    ],
    ['is an unsigned HTTP 404', respondsWith(404, 'Not Found'), 'ERR_REPLY_UNSIGNED'],
    ['is an unsigned HTTP 401', respondsWith(401), 'ERR_REPLY_UNSIGNED'],
    ['is empty', respondsWith(200), 'ERR_REPLY_UNSIGNED'],
    ['has a malformed Signature', changed({ Signature: 'signature=%' }), 'ERR_REPLY_INVALID'],
    ['has no Client-Id', changed({ 'Client-Id': undefined }), 'ERR_REPLY_INVALID'],
    ['has another Client-Id', respondsSigned(success(), { clientId: 'OTHER' }), 'ERR_REPLY_INVALID'],
    [
      'has our Client-Id, and is signed for another client',
      changed({ Signature: signedResponse(success(), { clientId: 'OTHER' }).headers['Signature'] }),
      'ERR_REPLY_SIGNATURE',
    ],
    [
      'is signed with an unknown key',
      respondsSigned(success(), { key: strangerRsa().privateKey }),
      'ERR_REPLY_SIGNATURE',
    ],
    ['is signed with our own key', respondsSigned(success(), { key: merchantRsa().privateKey }), 'ERR_REPLY_SIGNATURE'],
    ['names an unknown key version', respondsSigned(success(), { keyVersion: '7' }), 'ERR_REPLY_SIGNATURE'],
    ['is signed for another path', respondsSigned(success(), { path: '/other' }), 'ERR_REPLY_SIGNATURE'],
    ['is signed for another method', respondsSigned(success(), { method: 'GET' }), 'ERR_REPLY_SIGNATURE'],
    [
      'is signed over another body',
      changed({ Signature: signedResponse(success('A-2')).headers['Signature'] }),
      'ERR_REPLY_SIGNATURE',
    ],
    ['is signed over another time', changed({ 'Response-Time': '2024-05-22T09:12:22+08:00' }), 'ERR_REPLY_SIGNATURE'],
    ['is 301 s old', respondsSigned(success(), { time: stale }), 'ERR_REPLY_TIME'],
    ['is 301 s ahead', respondsSigned(success(), { time: '2024-05-22T09:17:22+08:00' }), 'ERR_REPLY_TIME'],
    [
      'is 61 s before its own request',
      respondsSigned(success(), { time: '2024-05-22T09:11:20+08:00' }),
      'ERR_REPLY_TIME',
    ],
    ['has no Response-Time', changed({ 'Response-Time': undefined }), 'ERR_REPLY_INVALID'],
    ['has no Content-Type', changed({ 'Content-Type': undefined }), 'ERR_REPLY_INVALID'],
    ['has another Content-Type', changed({ 'Content-Type': 'text/html' }), 'ERR_REPLY_INVALID'],
    ['is signed, and is not JSON', respondsSigned('<html>'), 'ERR_REPLY_INVALID'],
    [
      'is signed, and is not strict JSON',
      respondsSigned('{"result":{"resultCode":"SUCCESS","resultStatus":"S"},"orderId":"A","orderId":"B"}'),
      'ERR_REPLY_INVALID',
    ],
    ['is signed, and has no result', respondsSigned({}), 'ERR_REPLY_INVALID'],
    ['reports success without an orderId', respondsSigned({ result: success().result }), 'ERR_REPLY_INVALID'],
    [
      'is encrypted with another key',
      respondsSigned(success(), { encryptTo: strangerRsa().publicKey }),
      'ERR_REPLY_INVALID',
    ],
  ])('that %s rejects without a retry', async (_, behaviour, code) => {
    const { error, requests } = await errorOf([behaviour, respondsSigned()])
    expect(error).toMatchObject({ name: 'UntrustedResponseError', code, requestId: order()['requestId'] })
    expect(error).toHaveProperty('httpStatus', expect.any(Number))
    expect(requests).toHaveLength(1)
  })

  test('is not decrypted before its signature verifies', async () => {
    const decrypt = vi.fn(() => Promise.resolve(undefined))
    const privateKeys = { 1: { algorithm: 'RSA256' as const, sign: () => new Uint8Array(256), decrypt } }
    const credentials = { ...merchantCredentials(), privateKeys }
    const encryption = { encryptTo: merchantRsa().publicKey }
    const forged = await errorOf([respondsSigned(success(), { ...encryption, key: strangerRsa().privateKey })], {
      credentials,
    })
    expect(forged.error).toMatchObject({ code: 'ERR_REPLY_SIGNATURE' })
    expect(decrypt).not.toHaveBeenCalled()
    const { error } = await errorOf([respondsSigned(success(), encryption)], { credentials })
    expect(error).toMatchObject({ code: 'ERR_REPLY_INVALID' })
    expect(decrypt).toHaveBeenCalledOnce()
  })

  test.each([301, 302, 303, 307, 308])(
    'with the redirect HTTP %i rejects with ERR_REPLY_REDIRECT, and is not followed',
    async (status) => {
      const target = await startGateway()
      const { error, requests } = await errorOf([respondsWith(status, 'moved', { Location: target.url })])
      expect(error).toMatchObject({ name: 'UntrustedResponseError', code: 'ERR_REPLY_REDIRECT', httpStatus: status })
      expect(requests).toHaveLength(1)
      expect(target.requests).toStrictEqual([])
    },
  )

  test.each([
    ['fails', () => Promise.reject(new Error('no'))],
    ['never ends', () => new Promise<void>(() => {})],
  ])('that is a redirect rejects with ERR_REPLY_REDIRECT when cancelling its body %s', async (_, cancel) => {
    const fetch = vi.fn(async () => new Response(new ReadableStream({ cancel }), { status: 302 }))
    const { error } = await errorOf([], { fetch, timeoutMs: 2_000 })
    expect(error).toMatchObject({ code: 'ERR_REPLY_REDIRECT' })
    expect(fetch).toHaveBeenCalledOnce()
  })

  test('that a custom fetch reports as "opaqueredirect" rejects with ERR_REPLY_REDIRECT', async () => {
    const response = Object.defineProperty(new Response(null), 'type', { value: 'opaqueredirect' })
    const { error } = await errorOf([], { fetch: () => Promise.resolve(response) })
    expect(error).toMatchObject({ code: 'ERR_REPLY_REDIRECT' })
  })

  test('larger than maxResponseBytes rejects with ERR_REPLY_TOO_LARGE before it is read to its end', async () => {
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
    expect(requests).toHaveLength(1)
    expect(written).toBeLessThan(10_000)
  })

  test('rejects with ERR_REPLY_TOO_LARGE from one byte above maxResponseBytes', async () => {
    const size = Buffer.from(JSON.stringify(success())).length
    const fitting = await startClientAndGateway([], { maxResponseBytes: size })
    expect(await fitting.client.syncOrder(ORDER)).toMatchObject({ orderId: 'A-1' })
    const { error } = await errorOf([respondsSigned()], { maxResponseBytes: size - 1 })
    expect(error).toMatchObject({ code: 'ERR_REPLY_TOO_LARGE' })
  })
})

describe('an error of syncOrder', () => {
  test('explains why the signature does not verify', async () => {
    const { error } = await errorOf([respondsSigned(success(), { path: '/of/another/api' })])
    expect(error.message).toMatch(
      /^The response cannot be trusted\. The signature does not .* No common mistake explains it\. .* the body \(here \d+ bytes/,
    )
    const { error: formatted } = await errorOf([
      (response) => {
        const { headers } = signedResponse(success())
        response.writeHead(200, headers).end(JSON.stringify(success(), null, 2))
      },
    ])
    expect(formatted.message).toContain('something in transit reformats the JSON')
  })

  test('has a masked excerpt of the response that inspect() and JSON.stringify() do not show', async () => {
    const page = '<html>Ray 4111111111111111 of me@example.com, token abcdefghijklmnopqrstuvwxyz\n\u001b[31m</html>'
    const { error } = await errorOf([respondsWith(403, page)])
    expect(error.excerpt).toBe('<html>Ray … of … token … [31m</html>')
    expect(Object.keys(error)).not.toContain('excerpt')
    expect(inspect(error) + JSON.stringify(error)).not.toContain('Ray')
  })

  test.each<[string, Behaviour, Partial<ClientOptions>]>([
    ['a refusal', respondsSigned(refusal('PROCESS_FAIL')), {}],
    ['an unknown result', respondsSigned(refusal('UNKNOWN_EXCEPTION', 'U')), { retries: 0 }],
    ['an unsigned response', respondsWith(404, JSON.stringify(order())), {}],
    ['an HTTP 500', respondsWith(500, JSON.stringify(order())), { retries: 0 }],
    ['a wrong signature', respondsSigned(order(), { key: strangerRsa().privateKey }), {}],
    ['an invalid response', respondsSigned(order()), {}],
    ['a response too large', respondsWith(200, JSON.stringify(order())), { maxResponseBytes: 9 }],
    ['a closed connection', closesConnection, { retries: 0, encrypt: true }],
    ['a timeout', neverResponds, { retries: 0, timeoutMs: 300 }],
  ])('shows no secret in inspect() and JSON.stringify(), after %s', async (_, behaviour, options) => {
    const { error, requests } = await errorOf([behaviour], options)
    expect(isOrderSyncError(error)).toBe(true)
    const shown = `${inspect(error, { depth: 9 })}${JSON.stringify(error)}${error.stack}`
    const { tradeNo, merchantBizNo, userId, orderStatus } = order()
    const keys = [merchantRsa(), gatewayRsa()].flatMap(({ privateKey, publicKey }) =>
      [privateKey, publicKey].map((key) => pem(key).split('\n')[3]),
    )
    const signature = requests[0]?.headers['signature']?.slice(-60)
    for (const secret of [tradeNo, merchantBizNo, userId, orderStatus, 'NOTE-for', signature, ...keys]) {
      expect(shown).not.toContain(String(secret))
    }
  })
})

describe('an abort by the caller rejects with the signal’s reason', () => {
  const reason = new Error('enough')

  test('before the order is sent', async () => {
    const { client, requests } = await startClientAndGateway()
    expect(await rejectionOf(client.syncOrder(ORDER, { signal: AbortSignal.abort(reason) }))).toBe(reason)
    expect(requests).toStrictEqual([])
  })

  test('before the order is sent, also with a fetch that ignores signals', async () => {
    const fetch = vi.fn(() => Promise.resolve(new Response()))
    const { client } = await startClientAndGateway([], { fetch })
    expect(await rejectionOf(client.syncOrder(ORDER, { signal: AbortSignal.abort(reason) }))).toBe(reason)
    expect(fetch).not.toHaveBeenCalled()
  })

  test('while the order is being signed, and the order is not sent', async () => {
    const fetch = vi.fn(() => new Promise<Response>(() => {}))
    const caller = new AbortController()
    const now = () => {
      caller.abort(reason)
      return Date.now()
    }
    const { client } = await startClientAndGateway([], { fetch, now })
    expect(await rejectionOf(client.syncOrder(ORDER, { signal: caller.signal }))).toBe(reason)
    expect(fetch).not.toHaveBeenCalled()
  })

  test.each([0, 3])('while the response is awaited, without a retry, when "retries" is %i', async (retries) => {
    const { client, requests } = await startClientAndGateway([neverResponds], { retries })
    const caller = new AbortController()
    const sync = rejectionOf(client.syncOrder(ORDER, { signal: caller.signal }))
    await until(() => requests.length > 0)
    caller.abort(reason)
    expect(await sync).toBe(reason)
    expect(requests).toHaveLength(1)
  })

  test('while the body of the response is read', async () => {
    const { client, requests } = await startClientAndGateway([(response) => void response.writeHead(200).write('{')])
    const caller = new AbortController()
    const sync = rejectionOf(client.syncOrder(ORDER, { signal: caller.signal }))
    await until(() => requests.length > 0)
    await new Promise(setImmediate)
    caller.abort(reason)
    expect(await sync).toBe(reason)
  })

  test('while a fetch that ignores signals runs', async () => {
    const fetch = vi.fn(() => new Promise<Response>(() => {}))
    const { client } = await startClientAndGateway([], { fetch })
    const caller = new AbortController()
    const sync = rejectionOf(client.syncOrder(ORDER, { signal: caller.signal }))
    await until(() => fetch.mock.calls.length > 0)
    caller.abort(reason)
    expect(await sync).toBe(reason)
  })

  test('in the pause before a retry', async () => {
    let isResponseSent = false
    const { client, requests } = await startClientAndGateway(
      [
        (response) => {
          response.once('close', () => {
            isResponseSent = true
          })
          response.writeHead(503).end()
        },
      ],
      { random: () => 0.99, baseDelayMs: 60_000, maxDelayMs: 60_000 },
    )
    const caller = new AbortController()
    const sync = rejectionOf(client.syncOrder(ORDER, { signal: caller.signal }))
    await until(() => isResponseSent)
    await new Promise(setImmediate)
    caller.abort(reason)
    expect(await sync).toBe(reason)
    expect(requests).toHaveLength(1)
  })

  test.each<[string, Partial<ClientOptions>]>([
    [
      'a signer',
      {
        credentials: {
          ...merchantCredentials(),
          privateKeys: { 1: customSigner({ sign: () => new Promise(() => {}) }) },
        },
      },
    ],
    [
      'a validator of extInfo',
      { extInfoSchema: { '~standard': { ...STANDARD, validate: () => new Promise(() => {}) } } },
    ],
  ])('while %s never ends', async (_, options) => {
    const { client, requests } = await startClientAndGateway([], options)
    const caller = new AbortController()
    const sync = rejectionOf(client.syncOrder(ORDER, { signal: caller.signal }))
    await new Promise(setImmediate)
    caller.abort(reason)
    expect(await sync).toBe(reason)
    expect(requests).toHaveLength(0)
  })

  test('of all orders that use the signal, and of no other', async () => {
    const response = deferred<Response>()
    const fetch = vi.fn(() => new Promise<Response>(() => {}))
    const { client } = await startClientAndGateway([], { fetch })
    const caller = new AbortController()
    const aborted = [1, 2, 3].map(() => rejectionOf(client.syncOrder(ORDER, { signal: caller.signal })))
    await until(() => fetch.mock.calls.length === 3)
    fetch.mockReturnValueOnce(response.promise)
    const other = client.syncOrder(ORDER)
    await until(() => fetch.mock.calls.length === 4)
    caller.abort(reason)
    expect(await Promise.all(aborted)).toEqual([reason, reason, reason])
    response.resolve(responseOf(success()))
    expect(await other).toMatchObject({ orderId: 'A-1' })
    expect(await rejectionOf(client.syncOrder(ORDER, { signal: caller.signal }))).toBe(reason)
    expect(fetch).toHaveBeenCalledTimes(4)
  })

  test('and a signal that is never aborted has no effect', async () => {
    const { client } = await startClientAndGateway()
    expect(await client.syncOrder(ORDER, { signal: new AbortController().signal })).toMatchObject({ orderId: 'A-1' })
  })
})

describe('one signal for many orders', () => {
  test('gets one listener for all orders, also while they wait for a retry, and no warning', async () => {
    const warnings = collectWarnings()
    const caller = new AbortController()
    const listenerCounts = new Set<number>()
    const countListeners = () => listenerCounts.add(getEventListeners(caller.signal, 'abort').length)
    const fetch = () => {
      countListeners()
      return Promise.reject(new Error('down'))
    }
    const random = () => {
      // Called before the pause: count when the pause has begun.
      setImmediate(countListeners)
      return 0
    }
    const { client } = await startClientAndGateway([], { fetch, random })
    const options = { signal: caller.signal }
    const errors = await Promise.all(Array.from({ length: 30 }, () => rejectionOf(client.syncOrder(ORDER, options))))
    for (const error of errors) expect(error).toMatchObject({ code: 'ERR_NETWORK' })
    expect(listenerCounts).toStrictEqual(new Set([1]))
    // Node keeps a composite or timeout signal in memory for as long as it has a listener.
    expect(getEventListeners(caller.signal, 'abort')).toStrictEqual([])
    await new Promise(setImmediate)
    expect(warnings).toStrictEqual([])
  })

  test.each<[string, () => Promise<Response>, Partial<ClientOptions>]>([
    ['succeeds', async () => responseOf(success()), {}],
    ['fails', () => Promise.reject(new Error('down')), { retries: 1 }],
    ['times out, when fetch never ends', () => new Promise(() => {}), { retries: 0, timeoutMs: 20 }],
  ])('keeps no order in memory that %s, while the signal lives', async (_, respond, options) => {
    const caller = new AbortController()
    const { client } = await startClientAndGateway([], {
      ...options,
      fetch(_url, init) {
        // As the global fetch does.
        init?.signal?.addEventListener('abort', () => {})
        return respond()
      },
    })
    const syncOrders = async (count: number) => {
      for (let orders = 0; orders < count; orders++) {
        await client.syncOrder(ORDER, { signal: caller.signal }).catch(() => {})
      }
      return await countAbortSignals()
    }
    const before = await syncOrders(1)
    expect((await syncOrders(20)) - before).toBeLessThan(10)
    expect(caller.signal.aborted).toBe(false)
  })

  test('has no listener left after an abort, when fetch never ends', async () => {
    const fetch = vi.fn(() => new Promise<Response>(() => {}))
    const { client } = await startClientAndGateway([], { fetch })
    const caller = new AbortController()
    const error = rejectionOf(client.syncOrder(ORDER, { signal: caller.signal }))
    await until(() => fetch.mock.calls.length > 0)
    caller.abort(new Error('enough'))
    expect(await error).toMatchObject({ message: 'enough' })
    expect(getEventListeners(caller.signal, 'abort')).toStrictEqual([])
  })
})

/** The warnings of the process until the end of the test. */
function collectWarnings(): Error[] {
  const warnings: Error[] = []
  const collect = (warning: Error) => void warnings.push(warning)
  process.on('warning', collect)
  onTestFinished(() => void process.off('warning', collect))
  return warnings
}

/** A custom signer that signs with the merchant's key, with some of its functions replaced. */
function customSigner(changes: Partial<Pick<Signer, 'sign' | 'decrypt'>>): Signer {
  const { privateKey } = merchantRsa()
  return {
    algorithm: 'RSA256',
    sign: async (bytes) => sign('sha256', bytes, privateKey),
    decrypt: async () => new Uint8Array(32),
    ...changes,
  }
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

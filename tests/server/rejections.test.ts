import { randomBytes } from 'node:crypto'
import { inspect } from 'node:util'
import { beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest'
import { z } from 'zod'
import {
  type HandlerOptions,
  type IncomingRequest,
  memoryStore,
  type Order,
  PROTOCOL_ERRORS,
  type ProtocolErrorCode,
  RESULT_CODES,
  responseToError,
  type VerifyRequestOptions,
} from '../../src/public/index.ts'
import { createVerifyState, verifyWith } from '../../src/server/verify-request.ts'
import { BAD_ORDERS } from '../support/fields.ts'
import { gatewayEcc, gatewayRsa, merchantEcc, merchantRsa, pem, strangerRsa } from '../support/keys.ts'
import { merchant, summarize } from '../support/merchant.ts'
import {
  bytesOf,
  CLIENT_ID,
  encryptedRequest,
  encryptHeader,
  merchantCredentials,
  messageOf,
  NOW,
  order,
  PATH,
  type RequestParts,
  request,
  signatureOver,
  type TestRequest,
  TIME,
  withHeaders,
} from '../support/messages.ts'
import { rejectionOf } from '../support/thrown.ts'

/** A request that the handler rejects. */
interface Rejection {
  /** What is wrong with the request. */
  readonly rule: string
  readonly code: ProtocolErrorCode
  readonly make: () => IncomingRequest
  readonly options?: () => Partial<HandlerOptions<unknown>>
}

const rejection = (
  code: ProtocolErrorCode,
  rule: string,
  make: () => IncomingRequest,
  rest: Pick<Rejection, 'options'> = {},
): Rejection => ({ code, rule, make, ...rest })

/** A valid request with one header changed. The signature is correct. */
const header = (
  code: ProtocolErrorCode,
  name: string,
  value: string | undefined,
  description = value,
  make: () => TestRequest = request,
): Rejection =>
  rejection(code, `${name}: ${description?.slice(0, 60) ?? 'absent'}`, () => withHeaders(make(), { [name]: value }))

/** A request whose signature is over something else. */
const signedOver = (description: string, parts: RequestParts, actual: Partial<TestRequest> = {}): Rejection =>
  rejection('ERR_SIGNATURE_INVALID', `signed over ${description}`, () => {
    const { Signature } = request(parts).headers
    return { ...withHeaders(request(), { Signature }), ...actual }
  })

const value = () => encodeURIComponent(Buffer.alloc(256, 7).toString('base64'))
const invalidJson = (rule: string, message: unknown): Rejection[] => [
  rejection('ERR_JSON_INVALID', rule, () => request({ message })),
  rejection('ERR_JSON_INVALID', `${rule}, encrypted`, () => encryptedRequest({ message })),
]

const orderWithMember = (member: string) => `{${JSON.stringify(order()).slice(1, -1)},${member}}`
const offset = (seconds: number) =>
  `${new Date(Date.parse(TIME) + seconds * 1000 + 28_800_000).toISOString().slice(0, 19)}+08:00`

async function* streamOf(...parts: (Uint8Array | Error)[]): AsyncGenerator<Uint8Array> {
  for (const part of parts) {
    if (part instanceof Error) throw part
    yield part
  }
}

const SECTION_1: readonly Rejection[] = [
  ...['GET', 'PUT', 'HEAD', 'DELETE', 'post', ''].map((method) =>
    rejection('ERR_METHOD', `the method ${method || 'none'}`, () => request({ method })),
  ),
  rejection('ERR_METHOD', 'a wrong method of an unknown client', () =>
    request({ method: 'GET', clientId: 'stranger' }),
  ),
  rejection('ERR_METHOD', 'a wrong method of an encrypted request', () => encryptedRequest({ method: 'PUT' })),
]

const SECTION_2: readonly Rejection[] = [
  ...[undefined, ''].map((id) => header('ERR_HEADER_MISSING', 'Client-Id', id)),
  ...['stranger', CLIENT_ID.toLowerCase(), `${CLIENT_ID}0`, '__proto__'].map((id) =>
    header('ERR_CLIENT_UNKNOWN', 'Client-Id', id),
  ),
  ...[`${CLIENT_ID}, ${CLIENT_ID}`, 'x'.repeat(129), 'é', ' '].map((id) =>
    header('ERR_HEADER_INVALID', 'Client-Id', id),
  ),
  rejection('ERR_CLIENT_UNKNOWN', 'an unknown client with its own signature', () =>
    request({ clientId: 'stranger', key: strangerRsa().privateKey }),
  ),
  rejection('ERR_CLIENT_UNKNOWN', 'an unknown client, encrypted', () => encryptedRequest({ clientId: 'stranger' })),

  ...['Content-Type', 'Request-Time', 'Signature'].flatMap((name) => [
    header('ERR_HEADER_MISSING', name, undefined),
    header('ERR_HEADER_MISSING', name, '', 'empty'),
    header('ERR_HEADER_MISSING', name, undefined, 'absent in an encrypted request', encryptedRequest),
  ]),

  header('ERR_CONTENT_TYPE', 'Content-Type', 'text/plain; charset=UTF-8', 'plain text without encryption'),
  ...[
    'text/html',
    'application/xml',
    'application/jsonp',
    'json',
    'application/json; charset=GBK',
    'application/json; charset=utf-16',
    'application/json; charset=UTF-8; charset=UTF-8',
    'application/json;charset',
  ].map((type) => header('ERR_CONTENT_TYPE', 'Content-Type', type)),
  header(
    'ERR_CONTENT_TYPE',
    'Content-Type',
    'text/plain; charset=iso-8859-1',
    'not UTF-8, encrypted',
    encryptedRequest,
  ),
  header('ERR_CONTENT_TYPE', 'Content-Type', 'application/octet-stream', 'not text, encrypted', encryptedRequest),

  ...[
    'now',
    '2024-05-22T09:12:21',
    '2024-05-22 09:12:21+08:00',
    '2024-02-30T09:12:21+08:00',
    '2024-05-22T24:00:00+08:00',
    '2024-05-22T09:12:21+08',
    '2024-05-22',
    '1716340341',
    '17163403410000',
    `${TIME}, ${TIME}`,
  ].map((time) => header('ERR_HEADER_INVALID', 'Request-Time', time)),

  header('ERR_HEADER_INVALID', 'Signature', 'signature', 'a pair without "="'),
  header('ERR_HEADER_INVALID', 'Signature', 'algorithm=RSA256,keyVersion=1', 'no signature'),
  header('ERR_HEADER_INVALID', 'Signature', 'algorithm=RSA256,keyVersion=1,signature=', 'an empty signature'),
  header('ERR_HEADER_INVALID', 'Signature', `signature=${value()},`, 'a comma too many'),
  header('ERR_HEADER_INVALID', 'Signature', `signature=${value()},signature=${value()}`, 'a repeated signature'),
  header('ERR_HEADER_INVALID', 'Signature', `keyVersion=1,keyVersion=1,signature=${value()}`, 'a repeated version'),
  header('ERR_HEADER_INVALID', 'Signature', 'signature=%zz', 'a bad percent escape'),
  header('ERR_HEADER_INVALID', 'Signature', 'signature=%ff', 'a percent escape that is not UTF-8'),
  header('ERR_HEADER_INVALID', 'Signature', 'signature=@@@@', 'not base64'),
  header('ERR_HEADER_INVALID', 'Signature', 'signature=+_+_', 'characters of both base64 alphabets'),
  header('ERR_HEADER_INVALID', 'Signature', `algorithm=RSA512,signature=${value()}`, 'an unknown algorithm'),
  header('ERR_HEADER_INVALID', 'Signature', `algorithm=none,signature=${value()}`, 'the algorithm none'),
  header('ERR_HEADER_INVALID', 'Signature', `algorithm=,signature=${value()}`, 'an empty algorithm'),
  header('ERR_HEADER_INVALID', 'Signature', `keyVersion=a b,signature=${value()}`, 'a version with white space'),
  header(
    'ERR_HEADER_INVALID',
    'Signature',
    `keyVersion=${'1'.repeat(65)},signature=${value()}`,
    'a version of 65 digits',
  ),
  rejection('ERR_HEADER_INVALID', 'Signature: sent twice', () => {
    const { headers, ...rest } = request()
    return { ...rest, headers: { ...headers, Signature: [headers['Signature'] ?? '', headers['Signature'] ?? ''] } }
  }),

  ...[
    '',
    'symmetricKey',
    'algorithm=RSA_AES,keyVersion=1',
    'symmetricKey=',
    'symmetricKey=AAAA,symmetricKey=AAAA',
    'symmetricKey=%',
    'symmetricKey=@',
    'algorithm=RSA_GCM,symmetricKey=AAAA',
    'algorithm=AES,symmetricKey=AAAA',
  ].map((encrypt) => header('ERR_HEADER_INVALID', 'Encrypt', encrypt, encrypt || 'empty', encryptedRequest)),

  header('ERR_BODY_TOO_LARGE', 'Content-Length', '1048577', 'above maxBodyBytes'),
  rejection(
    'ERR_BODY_TOO_LARGE',
    'a body above maxBodyBytes',
    () => request({ message: orderWithMember(`"pad":"${'x'.repeat(2000)}"`) }),
    { options: () => ({ maxBodyBytes: 2000 }) },
  ),
  rejection(
    'ERR_BODY_TOO_LARGE',
    'a stream above maxBodyBytes',
    () => ({ ...request(), body: streamOf(Buffer.alloc(1500), Buffer.alloc(1500)) }),
    { options: () => ({ maxBodyBytes: 2000 }) },
  ),
  rejection(
    'ERR_BODY_TOO_LARGE',
    'an encrypted body above maxBodyBytes',
    () => encryptedRequest({ message: orderWithMember(`"pad":"${'x'.repeat(2000)}"`) }),
    { options: () => ({ maxBodyBytes: 2000 }) },
  ),
  rejection('ERR_BODY_INCOMPLETE', 'a connection that closes before the body is complete', () => ({
    ...request(),
    body: streamOf(request().body.subarray(0, 20), new Error('aborted')),
  })),
]

const SECTION_3: readonly Rejection[] = [
  ...[-301, 301, -86_400, 86_400].map((seconds) =>
    rejection('ERR_TIME_RANGE', `a time ${seconds} s off`, () => request({ time: offset(seconds) })),
  ),
  rejection('ERR_TIME_RANGE', 'a time in milliseconds 301 s off', () =>
    request({ time: String(Date.parse(TIME) - 301_000) }),
  ),
  rejection(
    'ERR_TIME_RANGE',
    'a time 11 s off with a clockToleranceSeconds of 10',
    () => request({ time: offset(-11) }),
    {
      options: () => ({ clockToleranceSeconds: 10 }),
    },
  ),
  rejection('ERR_TIME_RANGE', 'a time off, encrypted', () => encryptedRequest({ time: offset(-301) })),

  rejection('ERR_SIGNATURE_INVALID', 'signed with an unknown key', () => request({ key: strangerRsa().privateKey })),
  rejection('ERR_SIGNATURE_INVALID', 'signed with an unknown key, encrypted', () =>
    encryptedRequest({ key: strangerRsa().privateKey }),
  ),
  rejection('ERR_SIGNATURE_INVALID', 'signed with our own key', () => request({ key: merchantRsa().privateKey })),
  rejection('ERR_SIGNATURE_INVALID', 'signed with an unknown key version', () => request({ keyVersion: '2' })),
  rejection('ERR_SIGNATURE_INVALID', 'a key version with a leading zero', () => request({ keyVersion: '01' })),
  rejection('ERR_SIGNATURE_INVALID', 'signed with a key of another algorithm', () =>
    request({ key: gatewayEcc().privateKey }),
  ),
  rejection('ERR_SIGNATURE_INVALID', 'another algorithm in the header than the key has', () => {
    const { headers } = request()
    return withHeaders(request(), { Signature: headers['Signature']?.replace('RSA256', 'ECC224') })
  }),
  signedOver('another path', { path: `${PATH}/` }),
  signedOver('the path with a query string', { path: `${PATH}?a=1` }),
  signedOver('another query string', { path: `${PATH}?a=1` }, { path: `${PATH}?a=2` }),
  signedOver('another method', { method: 'PUT' }),
  signedOver('another Client-Id', { clientId: '4Q5Y8W0WSG45P907918' }),
  signedOver('another time', { time: offset(1) }),
  signedOver('the same time in another notation', { time: '2024-05-22T01:12:21Z' }),
  signedOver('another body', { message: order({ tradeNo: 'other' }) }),
  signedOver('no body', { message: '' }),
  signedOver('the reformatted body', { message: JSON.stringify(order(), null, 1) }),
  signedOver('the body and a line break', { message: `${JSON.stringify(order())}\n` }),
  rejection('ERR_SIGNATURE_INVALID', 'no body at all', () => ({ ...request(), body: undefined })),
  rejection('ERR_SIGNATURE_INVALID', 'an empty body', () => ({ ...request(), body: '' })),
  header('ERR_SIGNATURE_INVALID', 'Signature', `signature=${value()}`, '256 bytes that are not a signature'),
  header('ERR_SIGNATURE_INVALID', 'Signature', 'signature=AAAA', 'a signature of three bytes'),
  rejection('ERR_SIGNATURE_INVALID', 'a signature over the plaintext of an encrypted body', () => {
    const { Signature } = request().headers
    return withHeaders(encryptedRequest(), { Signature })
  }),
  rejection(
    'ERR_SIGNATURE_INVALID',
    'signed with an unknown ECC224 key',
    () => request({ key: merchantEcc().privateKey }),
    {
      options: () => ({ credentials: { ...credentialsOf(), peerPublicKeys: { 1: gatewayEcc().publicKey } } }),
    },
  ),
]

const SECTION_4: readonly Rejection[] = [
  rejection('ERR_DECRYPTION', 'encrypted with another key', () =>
    encryptedRequest({ encryptTo: strangerRsa().publicKey }),
  ),
  header('ERR_DECRYPTION', 'Encrypt', 'symmetricKey=AAAA', 'a symmetricKey that is not a ciphertext', encryptedRequest),
  ...[0, 8, 20, 33].map((length) =>
    rejection('ERR_DECRYPTION', `an AES key of ${length} bytes`, () =>
      withHeaders(encryptedRequest(), { Encrypt: encryptHeader(randomBytes(length), merchantRsa().publicKey) }),
    ),
  ),
  rejection('ERR_DECRYPTION', 'the symmetricKey of another message', () =>
    withHeaders(encryptedRequest(), { Encrypt: encryptedRequest().headers['Encrypt'] }),
  ),
  rejection('ERR_DECRYPTION', 'encrypted for an unknown key version', () => {
    const encrypted = encryptedRequest()
    return withHeaders(encrypted, { Encrypt: encrypted.headers['Encrypt']?.replace('keyVersion=1', 'keyVersion=2') })
  }),
  ...['', 'no base64 @', 'AAAA', randomBytes(15).toString('base64')].map((body) =>
    rejection('ERR_DECRYPTION', `the ciphertext ${JSON.stringify(body).slice(0, 16)}`, () =>
      resigned(encryptedRequest(), bytesOf(body)),
    ),
  ),
  rejection('ERR_DECRYPTION', 'a truncated ciphertext', () => {
    const { body, ...rest } = encryptedRequest()
    return resigned(
      { ...rest, body },
      Buffer.from(Buffer.from(String(body), 'base64').subarray(0, -16).toString('base64')),
    )
  }),
  rejection('ERR_DECRYPTION', 'plaintext with an Encrypt header', () =>
    withHeaders(request(), { Encrypt: encryptedRequest().headers['Encrypt'] }),
  ),
  rejection('ERR_JSON_INVALID', 'ciphertext without an Encrypt header', () =>
    withHeaders(encryptedRequest(), { Encrypt: undefined, 'Content-Type': 'application/json' }),
  ),
  ...[[], 'text', '', '{', Uint8Array.of(0xff)].map((message) =>
    rejection('ERR_DECRYPTION', `the plaintext ${inspect(message)}`, () => encryptedRequest({ message })),
  ),
]

const SECTION_5: readonly Rejection[] = [
  ...BAD_ORDERS.map(({ rule, message }) =>
    rejection('ERR_FIELD_INVALID', rule, () => request({ message: textOf(message) })),
  ),
  ...BAD_ORDERS.filter(({ field }) => field !== '')
    .filter((_, index) => index % 10 === 0)
    .map(({ rule, message }) =>
      rejection('ERR_FIELD_INVALID', `${rule}, encrypted`, () => encryptedRequest({ message })),
    ),
  rejection('ERR_FIELD_INVALID', 'extInfo that extInfoSchema refuses', () => request(), {
    options: () => ({ extInfoSchema: z.object({ table: z.number() }) }),
  }),
  ...invalidJson('a duplicate key', orderWithMember('"tradeNo":"SECRET-other"')),
  ...invalidJson('a duplicate key, escaped', orderWithMember('"trade\\u004eo":"x"')),
  ...invalidJson('a nested duplicate key', orderWithMember('"a":{"b":1,"b":1}')),
  ...invalidJson('a __proto__ key', orderWithMember('"__proto__":{}')),
  ...invalidJson('a __proto__ key, escaped', orderWithMember('"\\u005f_proto__":{}')),
  ...invalidJson('65 levels', orderWithMember(`"deep":${'['.repeat(64)}${']'.repeat(64)}`)),
  ...invalidJson('a fraction', orderWithMember('"rate":0.5')),
  ...invalidJson('an integer that is not a safe one', orderWithMember('"big":9007199254740992')),
  ...invalidJson('a number that overflows', orderWithMember('"big":1e999')),
  rejection('ERR_JSON_INVALID', 'an empty message', () => request({ message: '' })),
  rejection('ERR_JSON_INVALID', 'a truncated object', () => request({ message: JSON.stringify(order()).slice(0, -1) })),
  rejection('ERR_JSON_INVALID', 'two objects', () => request({ message: '{}{}' })),
  rejection('ERR_JSON_INVALID', 'a form', () => request({ message: 'tradeNo=1&amount=2' })),
  rejection('ERR_JSON_INVALID', 'a byte order mark', () => request({ message: `\uFEFF${JSON.stringify(order())}` })),
  rejection('ERR_JSON_INVALID', 'Latin-1', () =>
    request({ message: Buffer.from(JSON.stringify(order({ orderStatus: 'é' })), 'latin1') }),
  ),
  rejection('ERR_JSON_INVALID', 'UTF-16', () => request({ message: Buffer.from(JSON.stringify(order()), 'utf16le') })),
]

/** Section 7: a requestId that is known, with another body. */
const SECTION_7: readonly Rejection[] = [
  rejection('ERR_REQUEST_CONFLICT', 'a known requestId with another body', () =>
    request({ message: order({ tradeNo: 'other' }) }),
  ),
  rejection('ERR_REQUEST_CONFLICT', 'a known requestId with a newer event', () =>
    request({ message: order({ orderModifyTime: Date.parse(TIME) }) }),
  ),
  rejection('ERR_REQUEST_CONFLICT', 'a known requestId for another order', () =>
    request({ message: order({ merchantBizNo: 'other' }) }),
  ),
  rejection('ERR_REQUEST_CONFLICT', 'a known requestId with another body, encrypted', () =>
    encryptedRequest({ message: order({ tradeNo: 'other' }) }),
  ),
]

const ALL = [...SECTION_1, ...SECTION_2, ...SECTION_3, ...SECTION_4, ...SECTION_5, ...SECTION_7]

const printed: unknown[][] = []

beforeEach(() => {
  printed.length = 0
  for (const name of ['log', 'info', 'warn', 'error', 'debug', 'trace', 'dir'] as const) {
    vi.spyOn(console, name).mockImplementation((...args: unknown[]) => void printed.push(args))
  }
  vi.spyOn(process, 'emitWarning').mockImplementation((...args: unknown[]) => void printed.push(args))
  onTestFinished(() => void vi.restoreAllMocks())
})

test('the table has every code of PROTOCOL_ERRORS, and no rule twice', () => {
  // These depend on other requests, or on time: see traffic, body and encrypt-memory tests.
  const others = ['ERR_TRAFFIC', 'ERR_BODY_TIMEOUT', 'ERR_ENCRYPT_CHANGED']
  const codes = Object.keys(PROTOCOL_ERRORS).filter((code) => !others.includes(code))
  expect(new Set(ALL.map(({ code }) => code))).toStrictEqual(new Set(codes))
  const rules = ALL.map(({ rule }) => rule)
  expect(rules.filter((rule, index) => rules.indexOf(rule) !== index)).toStrictEqual([])
})

test('the handler accepts the unchanged requests of the table', async () => {
  for (const make of [request, encryptedRequest]) {
    const { handler, onOrder } = merchant()
    expect(summarize(await handler(make()))).toMatchObject({ status: 200, resultCode: 'SUCCESS' })
    expect(onOrder).toHaveBeenCalledOnce()
  }
})

describe.each([false, true])('with alwaysStatus200 %s, the handler rejects with', (alwaysStatus200) => {
  test.each(ALL)('$code: $rule', async ({ code, make, options }) => {
    const store = memoryStore()
    if (code === 'ERR_REQUEST_CONFLICT') await merchant({ store }).handler(request())
    const { handler, onOrder, events, store: calls } = merchant({ ...options?.(), store, alwaysStatus200 })
    const incoming = make()

    const response = await handler(incoming)

    const { resultCode } = PROTOCOL_ERRORS[code]
    const status = alwaysStatus200 ? 200 : PROTOCOL_ERRORS[code].status
    // Status 200 in the table: the signature verified, and only then the response is signed.
    const isVerified = PROTOCOL_ERRORS[code].status === 200
    const isEncrypted = 'Encrypt' in incoming.headers && isVerified
    expect(summarize(response, incoming)).toStrictEqual({
      status,
      resultCode,
      resultStatus: 'F',
      signed: isVerified,
      encrypted: isEncrypted,
    })
    // The response has the message of the result code, and no detail.
    expect(messageOf(response, gatewayRsa().privateKey)).toStrictEqual({
      result: { resultCode, resultStatus: 'F', resultMessage: RESULT_CODES[resultCode].message },
    })

    expect(onOrder).not.toHaveBeenCalled()
    expect(calls.claim).toHaveBeenCalledTimes(code === 'ERR_REQUEST_CONFLICT' ? 1 : 0)
    expect(calls.finish).not.toHaveBeenCalled()
    expect(calls.release).not.toHaveBeenCalled()

    expect(events).toHaveLength(1)
    expect(events[0]).toMatchObject({ kind: 'rejected', code, status, resultCode })
    const shown = [
      JSON.stringify(events),
      inspect(events, { depth: 9 }),
      inspect(events[0]?.error, { depth: 9, showHidden: true }),
      inspect(response),
      Buffer.from(response.body).toString(),
    ]
    const shownInFull = [...shown, inspect(printed, { depth: 9 }), JSON.stringify(response.headers)]
    const found = secretsIn(shownInFull.join('\n'), incoming)
    // An event contains the requestId of a message whose signature verified, and of no other.
    expect(found).toStrictEqual(events[0]?.requestId === order()['requestId'] ? [order()['requestId']] : [])
    if (!isVerified) expect(events[0]?.requestId).toBeUndefined()
    // A final rejection of a readable message: somebody must be able to find the order.
    if (code === 'ERR_REQUEST_CONFLICT') expect(events[0]).toHaveProperty('merchantBizNo')
    if (!isVerified) expect([events[0]?.merchantBizNo, events[0]?.tradeNo]).toStrictEqual([undefined, undefined])
    expect(printed).toStrictEqual([])
  })
})

describe('verifyRequest rejects with', () => {
  // It remembers no order, and so no conflict.
  const rows = ALL.filter(({ code }) => code !== 'ERR_REQUEST_CONFLICT')

  test.each(rows)('$code: $rule', async ({ code, make, options }) => {
    const incoming = make()
    const defaults = { credentials: merchantCredentials(), now: () => NOW }
    const verifying = verifyWith(createVerifyState(), incoming, {
      ...defaults,
      ...(options?.() as Partial<VerifyRequestOptions<unknown>>),
    })

    const error = await rejectionOf(verifying)

    expect(error).toMatchObject({ name: 'ProtocolError', code })
    const response = responseToError(error)
    const { status, resultCode } = PROTOCOL_ERRORS[code]
    expect(summarize(response, incoming)).toStrictEqual({
      status,
      resultCode,
      resultStatus: 'F',
      signed: status === 200,
      encrypted: 'Encrypt' in incoming.headers && status === 200,
    })
    expect(response.headers).toHaveProperty('Tracer-Id')
    const shown = [
      inspect(error, { depth: 9, showHidden: true }),
      JSON.stringify(error),
      inspect(printed, { depth: 9 }),
    ]
    expect(secretsIn(shown.join('\n'), incoming)).toStrictEqual([])
  })
})

test('a rejected conflict does not change the stored order', async () => {
  const { handler, store } = merchant()
  await handler(request())
  const { delivery } = store.finish.mock.calls[0]?.[0] ?? expect.fail('nothing was stored')
  const before = await store.read(delivery.orderKey)
  await handler(request({ message: order({ tradeNo: 'other' }) }))
  expect(await store.read(delivery.orderKey)).toStrictEqual(before)
  expect(summarize(await handler(request()))).toMatchObject({ resultCode: 'SUCCESS', orderId: 'A-1' })
})

test('secretsIn finds headers, bodies, keys and customer data', () => {
  const incoming = request()
  for (const leak of [
    inspect(incoming.headers),
    Buffer.from(incoming.body).toString(),
    pem(merchantRsa().privateKey),
    'x USER-2088012345678901 x',
  ]) {
    expect(secretsIn(leak, incoming)).not.toStrictEqual([])
  }
})

/** The secrets of both sides, and of this message, that a text contains. */
function secretsIn(text: string, { headers }: IncomingRequest): string[] {
  const { Signature = '', Encrypt = '' } = headers as Record<string, string | string[]>
  const values = [Signature, Encrypt].flat().flatMap((header) => header.match(/[^=,\s]{40,}/g) ?? [])
  const { tradeNo, merchantBizNo, orderStatus, requestId, userId, extInfo } = order() as unknown as Order<{
    note: string
  }>
  const keys = [merchantRsa(), gatewayRsa(), strangerRsa()].flatMap(({ privateKey, publicKey }) =>
    [privateKey, publicKey].map((key) => pem(key).split('\n')[3] ?? ''),
  )
  return [
    ...values,
    ...keys,
    tradeNo,
    merchantBizNo,
    orderStatus,
    requestId,
    userId ?? '',
    extInfo.note,
    'SECRET-',
  ].filter((value) => value !== '' && text.includes(value))
}

/** The message with another body and a correct signature over it. */
function resigned(message: TestRequest, body: Uint8Array): TestRequest {
  const head = { method: 'POST', path: PATH, clientId: CLIENT_ID, time: TIME }
  return { ...withHeaders(message, { Signature: signatureOver(head, body, gatewayRsa().privateKey) }), body }
}

function textOf(message: unknown): string {
  return typeof message === 'string' ? message : JSON.stringify(message)
}

function credentialsOf() {
  return { clientId: CLIENT_ID, privateKeys: { 1: merchantRsa().privateKey } }
}

import { randomBytes } from 'node:crypto'
import { inspect } from 'node:util'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { z } from 'zod'
import {
  type HandlerOptions,
  type IncomingRequest,
  memoryStore,
  type Order,
  PROTOCOL_ERRORS,
  type ProtocolErrorCode,
  RESULT_CODES,
} from '../../src/public/index.ts'
import { BAD_ORDERS } from '../support/fields.ts'
import { gatewayEcc, gatewayRsa, merchantEcc, merchantRsa, pem, strangerRsa } from '../support/keys.ts'
import { merchant, summarize } from '../support/merchant.ts'
import {
  bytesOf,
  CLIENT_ID,
  encryptedRequest,
  encryptHeader,
  messageOf,
  order,
  PATH,
  type RequestParts,
  request,
  signatureOver,
  type TestRequest,
  TIME,
  withHeaders,
} from '../support/messages.ts'

interface Refusal {
  /** The rule that is broken. */
  readonly rule: string
  readonly code: ProtocolErrorCode
  readonly make: () => IncomingRequest
  readonly options?: () => Partial<HandlerOptions<unknown>>
  /** Whether nobody can tell who is calling, so that the answer is not signed. */
  readonly stranger?: true
}

const refusal = (
  code: ProtocolErrorCode,
  rule: string,
  make: () => IncomingRequest,
  rest: Pick<Refusal, 'options' | 'stranger'> = {},
): Refusal => ({ code, rule, make, ...rest })

/** A header of a message that is otherwise right, signature included. */
const header = (
  code: ProtocolErrorCode,
  name: string,
  value: string | undefined,
  what = value,
  make: () => TestRequest = request,
): Refusal => refusal(code, `${name}: ${what?.slice(0, 60) ?? 'absent'}`, () => withHeaders(make(), { [name]: value }))

/** A message that says one thing, under a signature over another. */
const signedOver = (what: string, parts: RequestParts, actual: Partial<TestRequest> = {}): Refusal =>
  refusal('ERR_SIGNATURE_INVALID', `signed over ${what}`, () => {
    const { Signature } = request(parts).headers
    return { ...withHeaders(request(), { Signature }), ...actual }
  })

const value = () => encodeURIComponent(Buffer.alloc(256, 7).toString('base64'))
const json = (rule: string, message: unknown): Refusal[] => [
  refusal('ERR_JSON_INVALID', rule, () => request({ message })),
  refusal('ERR_JSON_INVALID', `${rule}, encrypted`, () => encryptedRequest({ message })),
]

const inJson = (member: string) => `{${JSON.stringify(order()).slice(1, -1)},${member}}`
const offset = (seconds: number) =>
  `${new Date(Date.parse(TIME) + seconds * 1000 + 28_800_000).toISOString().slice(0, 19)}+08:00`

async function* chunks(...parts: (Uint8Array | Error)[]): AsyncGenerator<Uint8Array> {
  for (const part of parts) {
    if (part instanceof Error) throw part
    yield part
  }
}

const SECTION_1: readonly Refusal[] = [
  ...['GET', 'PUT', 'HEAD', 'DELETE', 'post', ''].map((method) =>
    refusal('ERR_METHOD', `the method ${method || 'none'}`, () => request({ method })),
  ),
  refusal('ERR_METHOD', 'a method of a stranger', () => request({ method: 'GET', clientId: 'stranger' }), {
    stranger: true,
  }),
  refusal('ERR_METHOD', 'a method, of a message that is encrypted', () => encryptedRequest({ method: 'PUT' })),
]

const SECTION_2: readonly Refusal[] = [
  ...[undefined, ''].map((id) => ({ ...header('ERR_HEADER_MISSING', 'Client-Id', id), stranger: true as const })),
  ...['stranger', CLIENT_ID.toLowerCase(), `${CLIENT_ID}0`, `${CLIENT_ID}, ${CLIENT_ID}`, '__proto__'].map((id) => ({
    ...header('ERR_CLIENT_UNKNOWN', 'Client-Id', id),
    stranger: true as const,
  })),
  refusal(
    'ERR_CLIENT_UNKNOWN',
    'a stranger, with a signature of his own',
    () => request({ clientId: 'stranger', key: strangerRsa().privateKey }),
    { stranger: true },
  ),
  refusal('ERR_CLIENT_UNKNOWN', 'a stranger, encrypted', () => encryptedRequest({ clientId: 'stranger' }), {
    stranger: true,
  }),

  ...['Content-Type', 'Request-Time', 'Signature'].flatMap((name) => [
    header('ERR_HEADER_MISSING', name, undefined),
    header('ERR_HEADER_MISSING', name, '', 'empty'),
    header('ERR_HEADER_MISSING', name, undefined, 'absent, in a message that is encrypted', encryptedRequest),
  ]),

  header('ERR_CONTENT_TYPE', 'Content-Type', 'text/plain; charset=UTF-8', 'plain text that is not encrypted'),
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
    'encrypted, and not UTF-8',
    encryptedRequest,
  ),
  header('ERR_CONTENT_TYPE', 'Content-Type', 'application/octet-stream', 'encrypted, and not text', encryptedRequest),

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
  header('ERR_HEADER_INVALID', 'Signature', 'signature=@@@@', 'no base64'),
  header('ERR_HEADER_INVALID', 'Signature', 'signature=+_+_', 'a mixture of both base64 alphabets'),
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
  refusal('ERR_HEADER_INVALID', 'Signature: sent twice', () => {
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

  header('ERR_BODY_TOO_LARGE', 'Content-Length', '1048577', 'more than is accepted'),
  refusal(
    'ERR_BODY_TOO_LARGE',
    'a body larger than is accepted',
    () => request({ message: inJson(`"pad":"${'x'.repeat(2000)}"`) }),
    { options: () => ({ maxBodyBytes: 2000 }) },
  ),
  refusal(
    'ERR_BODY_TOO_LARGE',
    'a stream larger than is accepted',
    () => ({ ...request(), body: chunks(Buffer.alloc(1500), Buffer.alloc(1500)) }),
    { options: () => ({ maxBodyBytes: 2000 }) },
  ),
  refusal(
    'ERR_BODY_TOO_LARGE',
    'an encrypted body larger than is accepted',
    () => encryptedRequest({ message: inJson(`"pad":"${'x'.repeat(2000)}"`) }),
    { options: () => ({ maxBodyBytes: 2000 }) },
  ),
  refusal('ERR_BODY_INCOMPLETE', 'a connection that ends half-way', () => ({
    ...request(),
    body: chunks(request().body.subarray(0, 20), new Error('aborted')),
  })),
]

const SECTION_3: readonly Refusal[] = [
  ...[-301, 301, -86_400, 86_400].map((seconds) =>
    refusal('ERR_TIME_RANGE', `a time ${seconds} s off`, () => request({ time: offset(seconds) })),
  ),
  refusal('ERR_TIME_RANGE', 'a time in milliseconds 301 s off', () =>
    request({ time: String(Date.parse(TIME) - 301_000) }),
  ),
  refusal('ERR_TIME_RANGE', 'a time 11 s off, where 10 are accepted', () => request({ time: offset(-11) }), {
    options: () => ({ clockToleranceSeconds: 10 }),
  }),
  refusal('ERR_TIME_RANGE', 'a time off, encrypted', () => encryptedRequest({ time: offset(-301) })),

  refusal('ERR_SIGNATURE_INVALID', 'signed by a stranger', () => request({ key: strangerRsa().privateKey })),
  refusal('ERR_SIGNATURE_INVALID', 'signed by a stranger, encrypted', () =>
    encryptedRequest({ key: strangerRsa().privateKey }),
  ),
  refusal('ERR_SIGNATURE_INVALID', 'signed by ourselves', () => request({ key: merchantRsa().privateKey })),
  refusal('ERR_SIGNATURE_INVALID', 'of an unknown key version', () => request({ keyVersion: '2' })),
  refusal('ERR_SIGNATURE_INVALID', 'of a key version written otherwise', () => request({ keyVersion: '01' })),
  refusal('ERR_SIGNATURE_INVALID', 'by a key of another algorithm', () => request({ key: gatewayEcc().privateKey })),
  refusal('ERR_SIGNATURE_INVALID', 'under another algorithm than the key’s', () => {
    const { headers } = request()
    return withHeaders(request(), { Signature: headers['Signature']?.replace('RSA256', 'ECC224') })
  }),
  signedOver('another path', { path: `${PATH}/` }),
  signedOver('the path with a query string', { path: `${PATH}?a=1` }),
  signedOver('another query string', { path: `${PATH}?a=1` }, { path: `${PATH}?a=2` }),
  signedOver('another method', { method: 'PUT' }),
  signedOver('another Client-Id', { clientId: '4Q5Y8W0WSG45P907918' }),
  signedOver('another time', { time: offset(1) }),
  signedOver('the same time, written otherwise', { time: '2024-05-22T01:12:21Z' }),
  signedOver('another body', { message: order({ tradeNo: 'other' }) }),
  signedOver('no body', { message: '' }),
  signedOver('the body, formatted', { message: JSON.stringify(order(), null, 1) }),
  signedOver('the body and a line break', { message: `${JSON.stringify(order())}\n` }),
  refusal('ERR_SIGNATURE_INVALID', 'no body at all', () => ({ ...request(), body: undefined })),
  refusal('ERR_SIGNATURE_INVALID', 'an empty body', () => ({ ...request(), body: '' })),
  header('ERR_SIGNATURE_INVALID', 'Signature', `signature=${value()}`, 'bytes that are no signature'),
  header('ERR_SIGNATURE_INVALID', 'Signature', 'signature=AAAA', 'a signature of three bytes'),
  refusal('ERR_SIGNATURE_INVALID', 'a signature over the plaintext of an encrypted body', () => {
    const { Signature } = request().headers
    return withHeaders(encryptedRequest(), { Signature })
  }),
  refusal('ERR_SIGNATURE_INVALID', 'ECC224 by another key', () => request({ key: merchantEcc().privateKey }), {
    options: () => ({ credentials: { ...credentialsOf(), peerPublicKeys: { 1: gatewayEcc().publicKey } } }),
  }),
]

const SECTION_4: readonly Refusal[] = [
  refusal('ERR_DECRYPTION', 'encrypted to another key', () => encryptedRequest({ encryptTo: strangerRsa().publicKey })),
  header('ERR_DECRYPTION', 'Encrypt', 'symmetricKey=AAAA', 'a key that is no ciphertext', encryptedRequest),
  ...[0, 8, 20, 33].map((length) =>
    refusal('ERR_DECRYPTION', `a key of ${length} bytes`, () =>
      withHeaders(encryptedRequest(), { Encrypt: encryptHeader(randomBytes(length), merchantRsa().publicKey) }),
    ),
  ),
  refusal('ERR_DECRYPTION', 'the key of another message', () =>
    withHeaders(encryptedRequest(), { Encrypt: encryptedRequest().headers['Encrypt'] }),
  ),
  refusal('ERR_DECRYPTION', 'an unknown key version', () => {
    const sealed = encryptedRequest()
    return withHeaders(sealed, { Encrypt: sealed.headers['Encrypt']?.replace('keyVersion=1', 'keyVersion=2') })
  }),
  ...['', 'no base64 @', 'AAAA', randomBytes(15).toString('base64')].map((body) =>
    refusal('ERR_DECRYPTION', `the ciphertext ${JSON.stringify(body).slice(0, 16)}`, () =>
      resigned(encryptedRequest(), bytesOf(body)),
    ),
  ),
  refusal('ERR_DECRYPTION', 'a ciphertext that is cut', () => {
    const { body, ...rest } = encryptedRequest()
    return resigned(
      { ...rest, body },
      Buffer.from(Buffer.from(String(body), 'base64').subarray(0, -16).toString('base64')),
    )
  }),
  refusal('ERR_DECRYPTION', 'plaintext under an Encrypt header', () =>
    withHeaders(request(), { Encrypt: encryptedRequest().headers['Encrypt'] }),
  ),
  refusal('ERR_JSON_INVALID', 'ciphertext without an Encrypt header', () =>
    withHeaders(encryptedRequest(), { Encrypt: undefined, 'Content-Type': 'application/json' }),
  ),
  ...[[], 'text', '', '{', Uint8Array.of(0xff)].map((message) =>
    refusal('ERR_DECRYPTION', `inside is ${inspect(message)}`, () => encryptedRequest({ message })),
  ),
]

const SECTION_5: readonly Refusal[] = [
  ...BAD_ORDERS.map(({ rule, message }) =>
    refusal('ERR_FIELD_INVALID', rule, () => request({ message: textOf(message) })),
  ),
  ...BAD_ORDERS.filter(({ field }) => field !== '')
    .filter((_, index) => index % 10 === 0)
    .map(({ rule, message }) =>
      refusal('ERR_FIELD_INVALID', `${rule}, encrypted`, () => encryptedRequest({ message })),
    ),
  refusal('ERR_FIELD_INVALID', 'extInfo is not as its schema says', () => request(), {
    options: () => ({ extInfoSchema: z.object({ table: z.number() }) }),
  }),
  ...json('a duplicate key', inJson('"tradeNo":"SECRET-other"')),
  ...json('a duplicate key, escaped', inJson('"trade\\u004eo":"x"')),
  ...json('a duplicate key deep inside', inJson('"a":{"b":1,"b":1}')),
  ...json('a __proto__ key', inJson('"__proto__":{}')),
  ...json('a __proto__ key, escaped', inJson('"\\u005f_proto__":{}')),
  ...json('65 levels', inJson(`"deep":${'['.repeat(64)}${']'.repeat(64)}`)),
  ...json('a fraction', inJson('"rate":0.5')),
  ...json('an integer that is not safe', inJson('"big":9007199254740992')),
  ...json('a number past all bounds', inJson('"big":1e999')),
  refusal('ERR_JSON_INVALID', 'nothing', () => request({ message: '' })),
  refusal('ERR_JSON_INVALID', 'an object cut off', () => request({ message: JSON.stringify(order()).slice(0, -1) })),
  refusal('ERR_JSON_INVALID', 'two objects', () => request({ message: '{}{}' })),
  refusal('ERR_JSON_INVALID', 'a form', () => request({ message: 'tradeNo=1&amount=2' })),
  refusal('ERR_JSON_INVALID', 'a byte order mark', () => request({ message: `\uFEFF${JSON.stringify(order())}` })),
  refusal('ERR_JSON_INVALID', 'Latin-1', () =>
    request({ message: Buffer.from(JSON.stringify(order({ orderStatus: 'é' })), 'latin1') }),
  ),
  refusal('ERR_JSON_INVALID', 'UTF-16', () => request({ message: Buffer.from(JSON.stringify(order()), 'utf16le') })),
]

/** Sections 6 and 7: a requestId that is known, with another body; processed, refused for good, and failed before. */
const SECTION_7: readonly Refusal[] = [
  refusal('ERR_REQUEST_CONFLICT', 'a known requestId with another body', () =>
    request({ message: order({ tradeNo: 'other' }) }),
  ),
  refusal('ERR_REQUEST_CONFLICT', 'a known requestId with the same body, written otherwise', () =>
    request({ message: JSON.stringify(order(), null, 1) }),
  ),
  refusal('ERR_REQUEST_CONFLICT', 'a known requestId with a newer event', () =>
    request({ message: order({ orderModifyTime: Date.parse(TIME) }) }),
  ),
  refusal('ERR_REQUEST_CONFLICT', 'a known requestId for another order', () =>
    request({ message: order({ merchantBizNo: 'other' }) }),
  ),
  refusal('ERR_REQUEST_CONFLICT', 'a known requestId with another body, encrypted', () =>
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
})

afterEach(() => vi.restoreAllMocks())

test('the table has every code, and every rule once', () => {
  // Too much traffic is no fault of the message: see traffic.test.ts.
  const codes = Object.keys(PROTOCOL_ERRORS).filter((code) => code !== 'ERR_TRAFFIC')
  expect(new Set(ALL.map(({ code }) => code))).toStrictEqual(new Set(codes))
  const rules = ALL.map(({ rule }) => rule)
  expect(rules.filter((rule, index) => rules.indexOf(rule) !== index)).toStrictEqual([])
})

test('every row is refused for its own reason: the message that it changes is accepted', async () => {
  for (const make of [request, encryptedRequest]) {
    const { handler, onOrder } = merchant()
    expect(summarize(await handler(make()))).toMatchObject({ status: 200, resultCode: 'SUCCESS' })
    expect(onOrder).toHaveBeenCalledOnce()
  }
})

describe.each([false, true])('refused, with alwaysStatus200 %s', (alwaysStatus200) => {
  test.each(ALL)('$code, $rule', async ({ code, make, options, stranger }) => {
    const store = memoryStore()
    if (code === 'ERR_REQUEST_CONFLICT') await merchant({ store }).handler(request())
    const { handler, onOrder, events, store: calls } = merchant({ ...options?.(), store, alwaysStatus200 })
    const incoming = make()

    const reply = await handler(incoming)

    const { resultCode } = PROTOCOL_ERRORS[code]
    const status = alwaysStatus200 ? 200 : PROTOCOL_ERRORS[code].status
    const wantsEncryption = 'Encrypt' in incoming.headers && stranger === undefined
    expect(summarize(reply, incoming)).toStrictEqual({
      status,
      resultCode,
      resultStatus: 'F',
      signed: stranger === undefined,
      encrypted: wantsEncryption,
    })
    // The reply tells what the table tells, and no more.
    expect(messageOf(reply, gatewayRsa().privateKey)).toStrictEqual({
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
      inspect(reply),
      Buffer.from(reply.body).toString(),
    ]
    const shownInFull = [...shown, inspect(printed, { depth: 9 }), JSON.stringify(reply.headers)]
    const found = secretsIn(shownInFull.join('\n'), incoming)
    // The one thing that an event tells of a message, once its signature has verified.
    const requestId = code === 'ERR_REQUEST_CONFLICT' ? [order()['requestId']] : []
    expect(found).toStrictEqual(requestId)
    expect(printed).toStrictEqual([])
  })
})

test('a conflict leaves what is remembered as it was', async () => {
  const { handler, store } = merchant()
  await handler(request())
  const { delivery } = store.finish.mock.calls[0]?.[0] ?? expect.fail('nothing was stored')
  const before = await store.read(delivery.orderKey)
  await handler(request({ message: order({ tradeNo: 'other' }) }))
  expect(await store.read(delivery.orderKey)).toStrictEqual(before)
  expect(summarize(await handler(request()))).toMatchObject({ resultCode: 'SUCCESS', orderId: 'A-1' })
})

test('what the search for secrets would find, it does find', () => {
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

/** The secrets of both sides, and of this message, that a text gives away. */
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

/** The message with another body, and a signature that is right over it. */
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

import type { Credentials } from '../../src/public/index.ts'
import { gatewayEcc, gatewayRsa, merchantEcc, merchantRsa, type Pair, pem, strangerRsa } from '../support/keys.ts'
import {
  CLIENT_ID,
  encryptedRequest,
  order,
  orderWithout,
  PATH,
  request,
  type TestRequest,
  withHeaders,
} from '../support/messages.ts'
import type { MerchantOptions } from './merchant.ts'

/** A request that may repeat a header. */
export type SuiteRequest = Omit<TestRequest, 'headers'> & {
  readonly headers: Readonly<Record<string, string | string[]>>
}

/** A request, and what must come of it on every platform. */
export interface RequestCase {
  readonly name: string
  readonly options?: () => Partial<MerchantOptions>
  /** A request that was processed earlier. */
  readonly earlier?: () => SuiteRequest
  readonly request: () => SuiteRequest
  readonly status: number
  readonly resultCode: string
  /** The `kind` or the `code` of the last event. */
  readonly event: string
  /** Calls of `onOrder`, the earlier request included. */
  readonly onOrderCalls: number
  readonly isUnsigned?: true
  /** One of the `main cases`: together they cover each kind of outcome, and body parsers accept them. */
  readonly isMain?: true
}

const processed = { status: 200, resultCode: 'SUCCESS', event: 'processed', onOrderCalls: 1 } as const
const known = { status: 200, resultCode: 'SUCCESS', onOrderCalls: 1 } as const
const rejected = (status: number, resultCode: string, event: string) => ({
  status,
  resultCode,
  event,
  onOrderCalls: 0,
})

const laterRequest = (changes: Record<string, unknown>) =>
  request({ message: order({ requestId: 'r-next', ...changes }) })
const inChunks = (original: TestRequest) => withHeaders(original, { 'Transfer-Encoding': 'chunked' })
const ofType = (type: string | undefined) => () => withHeaders(request(), { 'Content-Type': type })
const withRepeated = (name: string) => (): SuiteRequest => {
  const { headers, ...rest } = request()
  return { ...rest, headers: { ...headers, [name]: [headers[name] ?? '', headers[name] ?? ''] } }
}
const credentialsOf = (merchant: Pair, gateway: Pair): Credentials => ({
  clientId: CLIENT_ID,
  privateKeys: { 1: pem(merchant.privateKey) },
  peerPublicKeys: { 1: pem(gateway.publicKey) },
})
/** The credentials of a merchant, when a case has none of its own. */
export const rsaCredentials = () => credentialsOf(merchantRsa(), gatewayRsa())
/** The other side of {@link rsaCredentials}. */
export const gatewayCredentials = () => credentialsOf(gatewayRsa(), merchantRsa())
/** A timeout in milliseconds, long enough to sign a response on a busy machine. */
export const SHORT_TIMEOUT_MS = 150
const largeRequest = () => request({ message: 'x'.repeat(200_000) })

export const REQUEST_CASES: readonly RequestCase[] = [
  { name: 'a valid order', isMain: true, request, ...processed },
  { name: 'an encrypted order', isMain: true, request: encryptedRequest, ...processed },
  {
    name: 'an order signed with ECC224',
    options: () => ({ credentials: credentialsOf(merchantEcc(), gatewayEcc()) }),
    request: () => request({ key: gatewayEcc().privateKey }),
    ...processed,
  },
  {
    name: 'an order with white space and Chinese characters in its JSON',
    isMain: true,
    request: () => request({ message: `\n${JSON.stringify(order({ extInfo: { note: '凍檸茶少甜' } }), null, 2)}\r\n` }),
    ...processed,
  },
  {
    name: 'an order of 900 kB',
    request: () => request({ message: order({ extInfo: { note: 'x'.repeat(900_000) } }) }),
    ...processed,
  },
  { name: 'an order in chunks', request: () => inChunks(request()), ...processed },
  {
    name: 'an encrypted order in chunks',
    isMain: true,
    request: () => inChunks(encryptedRequest()),
    ...processed,
  },
  {
    name: 'an order that waits for 100 Continue',
    request: () => withHeaders(request(), { Expect: '100-continue' }),
    ...processed,
  },
  {
    name: 'an order with a query string',
    isMain: true,
    request: () => request({ path: `${PATH}?b=2&a=%20%2F&c=` }),
    ...processed,
  },
  {
    name: 'a duplicate',
    isMain: true,
    earlier: request,
    request: () => laterRequest({}),
    event: 'duplicate',
    ...known,
  },
  {
    name: 'a stale order',
    earlier: request,
    request: () => laterRequest({ orderModifyTime: 1_716_340_339_000 }),
    event: 'stale',
    ...known,
  },
  { name: 'a replayed request', isMain: true, earlier: request, request, event: 'replay', ...known },
  {
    name: 'a known requestId with another body',
    earlier: request,
    request: () => request({ message: order({ orderStatus: 'OTHER' }) }),
    ...rejected(200, 'REPEAT_REQ_INCONSISTENT', 'ERR_REQUEST_CONFLICT'),
    onOrderCalls: 1,
  },
  {
    name: 'a forged body',
    isMain: true,
    request: () => ({ ...request(), body: request({ message: order({ orderStatus: 'OTHER' }) }).body }),
    ...rejected(401, 'INVALID_SIGNATURE', 'ERR_SIGNATURE_INVALID'),
  },
  {
    name: 'an order signed with an unknown key',
    request: () => request({ key: strangerRsa().privateKey }),
    ...rejected(401, 'INVALID_SIGNATURE', 'ERR_SIGNATURE_INVALID'),
  },
  {
    name: 'an encrypted order signed with an unknown key',
    request: () => encryptedRequest({ key: strangerRsa().privateKey }),
    ...rejected(401, 'INVALID_SIGNATURE', 'ERR_SIGNATURE_INVALID'),
  },
  {
    name: 'an order encrypted with an unknown key',
    request: () => encryptedRequest({ encryptTo: strangerRsa().publicKey }),
    ...rejected(200, 'PARAM_ILLEGAL', 'ERR_DECRYPTION'),
  },
  {
    name: 'an order whose Request-Time is too old',
    request: () => request({ time: '2024-05-22T09:07:20+08:00' }),
    ...rejected(401, 'INVALID_SIGNATURE', 'ERR_TIME_RANGE'),
  },
  {
    name: 'an order whose Request-Time is in the future',
    request: () => request({ time: '2024-05-22T09:17:22+08:00' }),
    ...rejected(401, 'INVALID_SIGNATURE', 'ERR_TIME_RANGE'),
  },
  {
    name: 'an unknown Client-Id',
    isMain: true,
    request: () => request({ clientId: 'stranger' }),
    ...rejected(401, 'INVALID_CLIENT', 'ERR_CLIENT_UNKNOWN'),
  },
  {
    name: 'a request without Client-Id',
    request: () => withHeaders(request(), { 'Client-Id': undefined }),
    ...rejected(400, 'PARAM_ILLEGAL', 'ERR_HEADER_MISSING'),
  },
  {
    name: 'a request without Signature',
    request: () => withHeaders(request(), { Signature: undefined }),
    ...rejected(400, 'PARAM_ILLEGAL', 'ERR_HEADER_MISSING'),
  },
  {
    name: 'a repeated Signature header',
    request: withRepeated('Signature'),
    ...rejected(400, 'PARAM_ILLEGAL', 'ERR_HEADER_INVALID'),
  },
  {
    name: 'a body whose Content-Length is too large',
    options: () => ({ maxBodyBytes: 100_000 }),
    request: largeRequest,
    ...rejected(413, 'PARAM_ILLEGAL', 'ERR_BODY_TOO_LARGE'),
  },
  {
    name: 'a body in chunks that is too large',
    options: () => ({ maxBodyBytes: 100_000 }),
    request: () => inChunks(largeRequest()),
    ...rejected(413, 'PARAM_ILLEGAL', 'ERR_BODY_TOO_LARGE'),
  },
  ...['PUT', 'DELETE', 'PATCH'].map((method) => ({
    name: `${method} with a body`,
    request: () => request({ method }),
    ...rejected(405, 'METHOD_NOT_SUPPORTED', 'ERR_METHOD'),
  })),
  {
    name: 'GET',
    request: () => request({ method: 'GET', message: '' }),
    ...rejected(405, 'METHOD_NOT_SUPPORTED', 'ERR_METHOD'),
  },
  ...[
    'application/xml',
    'application/x-www-form-urlencoded',
    'multipart/form-data; boundary=x',
    'text/html',
    'application/json; charset=GBK',
    'nonsense',
  ].map((type) => ({
    name: `Content-Type: ${type}`,
    request: ofType(type),
    ...rejected(415, 'MEDIA_TYPE_NOT_ACCEPTABLE', 'ERR_CONTENT_TYPE'),
  })),
  {
    name: 'a request without Content-Type',
    request: ofType(undefined),
    ...rejected(400, 'PARAM_ILLEGAL', 'ERR_HEADER_MISSING'),
  },
  {
    name: 'an empty body',
    request: () => request({ message: '' }),
    ...rejected(200, 'PARAM_ILLEGAL', 'ERR_JSON_INVALID'),
  },
  {
    name: 'a body of incomplete JSON',
    request: () => request({ message: '{' }),
    ...rejected(200, 'PARAM_ILLEGAL', 'ERR_JSON_INVALID'),
  },
  {
    name: 'a body that is not UTF-8',
    request: () => request({ message: Uint8Array.of(0x22, 0xff, 0x22) }),
    ...rejected(200, 'PARAM_ILLEGAL', 'ERR_JSON_INVALID'),
  },
  {
    name: 'an order without extInfo',
    isMain: true,
    request: () => request({ message: orderWithout('extInfo') }),
    ...rejected(200, 'PARAM_ILLEGAL', 'ERR_FIELD_INVALID'),
  },
  {
    name: 'an encrypted message that is not an order',
    request: () => encryptedRequest({ message: {} }),
    ...rejected(200, 'PARAM_ILLEGAL', 'ERR_FIELD_INVALID'),
  },
  {
    name: 'an order that onOrder refuses',
    options: () => ({ onOrder: 'refuses' }),
    request,
    ...rejected(200, 'PROCESS_FAIL', 'ERR_REFUSED'),
    onOrderCalls: 1,
  },
  {
    name: 'an order for which onOrder throws',
    options: () => ({ onOrder: 'throws' }),
    request,
    ...rejected(200, 'UNKNOWN_EXCEPTION', 'ERR_ON_ORDER'),
    onOrderCalls: 1,
  },
  {
    name: 'an order for which onOrder takes too long',
    options: () => ({ timeoutMs: SHORT_TIMEOUT_MS, onOrder: 'hangs once' }),
    request,
    ...rejected(200, 'UNKNOWN_EXCEPTION', 'ERR_ON_ORDER_TIMEOUT'),
    onOrderCalls: 1,
  },
  {
    name: 'a forged body, with alwaysStatus200',
    options: () => ({ alwaysStatus200: true }),
    request: () => ({ ...request(), body: Buffer.from('{}') }),
    ...rejected(200, 'INVALID_SIGNATURE', 'ERR_SIGNATURE_INVALID'),
  },
]

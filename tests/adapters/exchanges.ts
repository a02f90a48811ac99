import type { Credentials } from '../../src/public/index.ts'
import { CLIENT_ID, order, PATH, request, encryptedRequest, type TestRequest, withHeaders, orderWithout } from '../support/messages.ts'
import { gatewayEcc, gatewayRsa, merchantEcc, merchantRsa, type Pair, pem, strangerRsa } from '../support/keys.ts'
import type { MerchantOptions } from './merchant.ts'

export type SuiteRequest = Omit<TestRequest, 'headers'> & {
  readonly headers: Readonly<Record<string, string | string[]>>
}

/** One exchange, and what must come of it. */
export interface Exchange {
  readonly name: string
  readonly options?: () => Partial<MerchantOptions>
  /** What was delivered before. */
  readonly before?: () => SuiteRequest
  readonly send: () => SuiteRequest
  readonly status: number
  readonly resultCode: string
  /** What the merchant is told has happened. */
  readonly event: string
  /** How often `onOrder` has run in the end. */
  readonly ran: number
  /** The answer is to a stranger. */
  readonly unsigned?: true
  /** The answer has something random in it: its bytes differ from those of any other. */
  readonly random?: true
  /** One of the few that stand for the others; parsers of JSON let them through. */
  readonly brief?: true
}

const processed = { status: 200, resultCode: 'SUCCESS', event: 'processed', ran: 1 } as const
const known = { status: 200, resultCode: 'SUCCESS', ran: 1 } as const
const refused = (status: number, resultCode: string, event: string) => ({ status, resultCode, event, ran: 0 })

const next = (changes: Record<string, unknown>) => request({ message: order({ requestId: 'r-next', ...changes }) })
const chunked = (made: TestRequest) => withHeaders(made, { 'Transfer-Encoding': 'chunked' })
const typed = (type: string | undefined) => () => withHeaders(request(), { 'Content-Type': type })
const twice = (name: string) => (): SuiteRequest => {
  const { headers, ...rest } = request()
  return { ...rest, headers: { ...headers, [name]: [headers[name] ?? '', headers[name] ?? ''] } }
}
const credentialsOf = (merchant: Pair, gateway: Pair): Credentials => ({
  clientId: CLIENT_ID,
  privateKeys: { 1: pem(merchant.privateKey) },
  peerPublicKeys: { 1: pem(gateway.publicKey) },
})
/** A merchant's credentials, unless an exchange has others. */
export const rsaCredentials = () => credentialsOf(merchantRsa(), gatewayRsa())
/** Milliseconds after which a handler gives up; enough to sign an answer on a machine that is busy. */
export const SHORT_MS = 150
const large = () => request({ message: 'x'.repeat(200_000) })

export const EXCHANGES: readonly Exchange[] = [
  { name: 'a good order', brief: true, send: request, ...processed },
  { name: 'an encrypted order', brief: true, send: encryptedRequest, random: true, ...processed },
  {
    name: 'an order signed with ECC224',
    options: () => ({ credentials: credentialsOf(merchantEcc(), gatewayEcc()) }),
    send: () => request({ key: gatewayEcc().privateKey }),
    random: true,
    ...processed,
  },
  {
    name: 'an order with white space and Chinese in its JSON',
    brief: true,
    send: () => request({ message: `\n${JSON.stringify(order({ extInfo: { note: '凍檸茶少甜' } }), null, 2)}\r\n` }),
    ...processed,
  },
  {
    name: 'an order of 900 kB',
    send: () => request({ message: order({ extInfo: { note: 'x'.repeat(900_000) } }) }),
    ...processed,
  },
  { name: 'an order in chunks', send: () => chunked(request()), ...processed },
  { name: 'an encrypted order in chunks', brief: true, send: () => chunked(encryptedRequest()), random: true, ...processed },
  {
    name: 'an order that waits for 100 Continue',
    send: () => withHeaders(request(), { Expect: '100-continue' }),
    ...processed,
  },
  {
    name: 'an order with a query string',
    brief: true,
    send: () => request({ path: `${PATH}?b=2&a=%20%2F&c=` }),
    ...processed,
  },
  {
    name: 'a duplicate',
    brief: true,
    before: request,
    send: () => next({}),
    event: 'duplicate',
    ...known,
  },
  {
    name: 'a stale order',
    before: request,
    send: () => next({ orderModifyTime: 1_716_340_339_000 }),
    event: 'stale',
    ...known,
  },
  { name: 'a replayed request', brief: true, before: request, send: request, event: 'replay', ...known },
  {
    name: 'a known requestId with another body',
    before: request,
    send: () => request({ message: order({ orderStatus: 'OTHER' }) }),
    ...refused(409, 'REPEAT_REQ_INCONSISTENT', 'ERR_REQUEST_CONFLICT'),
    ran: 1,
  },
  {
    name: 'a body that was forged',
    brief: true,
    send: () => ({ ...request(), body: request({ message: order({ orderStatus: 'OTHER' }) }).body }),
    ...refused(401, 'INVALID_SIGNATURE', 'ERR_SIGNATURE_INVALID'),
  },
  {
    name: 'an order signed by a stranger',
    send: () => request({ key: strangerRsa().privateKey }),
    ...refused(401, 'INVALID_SIGNATURE', 'ERR_SIGNATURE_INVALID'),
  },
  {
    name: 'an encrypted order signed by a stranger',
    send: () => encryptedRequest({ key: strangerRsa().privateKey }),
    random: true,
    ...refused(401, 'INVALID_SIGNATURE', 'ERR_SIGNATURE_INVALID'),
  },
  {
    name: 'an order encrypted to a stranger',
    send: () => encryptedRequest({ encryptTo: strangerRsa().publicKey }),
    random: true,
    ...refused(400, 'PARAM_ILLEGAL', 'ERR_DECRYPTION'),
  },
  {
    name: 'an order that comes late',
    send: () => request({ time: '2024-05-22T09:07:20+08:00' }),
    ...refused(401, 'INVALID_SIGNATURE', 'ERR_TIME_RANGE'),
  },
  {
    name: 'an order that comes early',
    send: () => request({ time: '2024-05-22T09:17:22+08:00' }),
    ...refused(401, 'INVALID_SIGNATURE', 'ERR_TIME_RANGE'),
  },
  {
    name: 'an unknown Client-Id',
    brief: true,
    send: () => request({ clientId: 'stranger' }),
    unsigned: true,
    ...refused(401, 'INVALID_CLIENT', 'ERR_CLIENT_UNKNOWN'),
  },
  {
    name: 'no Client-Id',
    send: () => withHeaders(request(), { 'Client-Id': undefined }),
    unsigned: true,
    ...refused(400, 'PARAM_ILLEGAL', 'ERR_HEADER_MISSING'),
  },
  {
    name: 'no Signature',
    send: () => withHeaders(request(), { Signature: undefined }),
    ...refused(400, 'PARAM_ILLEGAL', 'ERR_HEADER_MISSING'),
  },
  {
    name: 'a Signature that is sent twice',
    send: twice('Signature'),
    ...refused(400, 'PARAM_ILLEGAL', 'ERR_HEADER_INVALID'),
  },
  {
    name: 'a body that is announced as too large',
    options: () => ({ maxBodyBytes: 100_000 }),
    send: large,
    ...refused(413, 'PARAM_ILLEGAL', 'ERR_BODY_TOO_LARGE'),
  },
  {
    name: 'a body that turns out to be too large',
    options: () => ({ maxBodyBytes: 100_000 }),
    send: () => chunked(large()),
    ...refused(413, 'PARAM_ILLEGAL', 'ERR_BODY_TOO_LARGE'),
  },
  ...['PUT', 'DELETE', 'PATCH'].map((method) => ({
    name: `${method} with a body`,
    send: () => request({ method }),
    ...refused(405, 'METHOD_NOT_SUPPORTED', 'ERR_METHOD'),
  })),
  {
    name: 'GET',
    send: () => request({ method: 'GET', message: '' }),
    ...refused(405, 'METHOD_NOT_SUPPORTED', 'ERR_METHOD'),
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
    send: typed(type),
    ...refused(415, 'MEDIA_TYPE_NOT_ACCEPTABLE', 'ERR_CONTENT_TYPE'),
  })),
  { name: 'no Content-Type', send: typed(undefined), ...refused(400, 'PARAM_ILLEGAL', 'ERR_HEADER_MISSING') },
  { name: 'no body', send: () => request({ message: '' }), ...refused(400, 'PARAM_ILLEGAL', 'ERR_JSON_INVALID') },
  {
    name: 'half a body of JSON',
    send: () => request({ message: '{' }),
    ...refused(400, 'PARAM_ILLEGAL', 'ERR_JSON_INVALID'),
  },
  {
    name: 'bytes that are not UTF-8',
    send: () => request({ message: Uint8Array.of(0x22, 0xff, 0x22) }),
    ...refused(400, 'PARAM_ILLEGAL', 'ERR_JSON_INVALID'),
  },
  {
    name: 'an order without its extInfo',
    brief: true,
    send: () => request({ message: orderWithout('extInfo') }),
    ...refused(400, 'PARAM_ILLEGAL', 'ERR_FIELD_INVALID'),
  },
  {
    name: 'an encrypted message that is no order',
    send: () => encryptedRequest({ message: {} }),
    random: true,
    ...refused(400, 'PARAM_ILLEGAL', 'ERR_FIELD_INVALID'),
  },
  {
    name: 'an order that the merchant refuses',
    options: () => ({ onOrder: 'refuses' }),
    send: request,
    ...refused(200, 'PROCESS_FAIL', 'ERR_REFUSED'),
    ran: 1,
  },
  {
    name: 'an order that the merchant fails at',
    options: () => ({ onOrder: 'fails' }),
    send: request,
    ...refused(200, 'UNKNOWN_EXCEPTION', 'UNKNOWN_EXCEPTION'),
    ran: 1,
  },
  {
    name: 'an order that takes the merchant too long',
    options: () => ({ timeoutMs: SHORT_MS, onOrder: 'hangs once' }),
    send: request,
    ...refused(200, 'UNKNOWN_EXCEPTION', 'UNKNOWN_EXCEPTION'),
    ran: 1,
  },
  {
    name: 'a forged body, where every status is 200',
    options: () => ({ alwaysStatus200: true }),
    send: () => ({ ...request(), body: Buffer.from('{}') }),
    ...refused(200, 'INVALID_SIGNATURE', 'ERR_SIGNATURE_INVALID'),
  },
]

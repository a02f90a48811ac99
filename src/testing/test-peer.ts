import { resolveEncryptionOptions } from '../crypto/envelope.ts'
import { secureRandomBytes } from '../crypto/node.ts'
import { encodeUtf8 } from '../protocol/encoding.ts'
import { ORDER_SYNC_METHOD, ORDER_SYNC_PATH } from '../protocol/endpoint.ts'
import { collectHeaders, parseMessageHead } from '../protocol/headers.ts'
import { parseLoosely, STRICT_JSON } from '../protocol/json.ts'
import type { OrderSyncResponse, Result } from '../result-codes.ts'
import { type Credentials, parseCredentials, requireEncryptionKey } from '../secure-message/credentials.ts'
import { secureMessage } from '../secure-message/secure.ts'
import { verifyMessage } from '../secure-message/verify.ts'
import type { HttpResponse, IncomingRequest } from '../server/http.ts'
import { OLD_REQUEST_MS, type SignedRequest, type TestFault, tamperWith, withKeyVersion } from './tamper.ts'
import { createTestCredentials, withStrangerKey } from './test-keys.ts'

/** The target of {@link createTestPeer}: a handler, or the URL of your application. */
export type TestTarget = ((request: IncomingRequest) => Promise<HttpResponse>) | string | URL

/** Options of one request. */
export interface TestRequestOptions {
  /** Whether the message is encrypted. @defaultValue false */
  readonly encrypt?: boolean | undefined
  /** The time of the request, in milliseconds since the epoch. @defaultValue now */
  readonly time?: number | undefined
  /** The fault of the request. @defaultValue none */
  readonly tamper?: TestFault | undefined
  /** The key version in the `Signature` header. @defaultValue the version of the signing key */
  readonly keyVersion?: string | undefined
  /** Replaces the `requestId` of the order. */
  readonly requestId?: string | undefined
}

/** The response to one request. */
export interface TestResponse {
  readonly status: number
  readonly result: Result
  readonly orderId?: string
  /** Whether the response is signed, and the signature is valid. */
  readonly signed: boolean
  readonly encrypted: boolean
  /** By lower-case name. */
  readonly headers: ReadonlyMap<string, string>
}

/** Simulates AlipayHK in a test of your handler. */
export interface TestPeer {
  /**
   * Sends one order, and verifies the response.
   *
   * @throws Error if the signature or the content of a signed response is wrong
   * @throws Error if an unsigned response does not come from a handler
   */
  readonly send: (order: object, options?: TestRequestOptions) => Promise<TestResponse>
}

/** Options of {@link createTestPeer}. */
export interface TestPeerOptions {
  /**
   * The credentials of AlipayHK's side. The default keys are new in each process: pass your own for an application that runs in another process.
   * @defaultValue `createTestCredentials().peer`
   */
  readonly credentials?: Credentials | undefined
  /** The signed path. @defaultValue the path of the URL, otherwise the path of the API */
  readonly path?: string | undefined
}

const ENCRYPTION = { options: resolveEncryptionOptions({}), randomBytes: secureRandomBytes }

/**
 * Creates a sender that simulates AlipayHK. It tests your handler without a network, or your running application. It needs
 * no timers.
 *
 * @param target Your handler, or the URL of your application: an origin, or a whole URL.
 * @see docs/protocol.md sections 1 to 6
 * @example
 * ```ts
 * import type { OrderSyncHandler } from 'alipayhk-order-sync'
 * import { createTestOrder, createTestPeer } from 'alipayhk-order-sync/testing'
 *
 * export async function testHandler(handler: OrderSyncHandler) {
 *   const peer = createTestPeer(handler)
 *   const { result, signed } = await peer.send(createTestOrder(), { encrypt: true })
 *   const forged = await peer.send(createTestOrder(), { tamper: 'wrong-key' })
 *   console.log(result.resultCode, signed, forged.status) // SUCCESS true 401
 * }
 * ```
 */
export function createTestPeer(
  target: TestTarget,
  { credentials = createTestCredentials().peer, path }: TestPeerOptions = {},
): TestPeer {
  const url = typeof target === 'function' ? undefined : toUrl(target)
  const signedPath = path ?? (url === undefined ? ORDER_SYNC_PATH : url.pathname + url.search)
  const deliver = typeof target === 'function' ? target : (request: IncomingRequest) => post(toUrl(target), request)
  return {
    async send(order, options = {}) {
      const request = await secure(order, signedPath, credentials, options)
      return await read(await deliver(request), signedPath, credentials)
    },
  }
}

function toUrl(target: string | URL): URL {
  const url = new URL(target)
  if (url.pathname === '/') url.pathname = ORDER_SYNC_PATH
  return url
}

async function secure(
  order: object,
  path: string,
  own: Credentials,
  { encrypt = false, time = Date.now(), tamper, keyVersion, requestId }: TestRequestOptions,
): Promise<SignedRequest> {
  const signing = tamper === 'wrong-key' ? withStrangerKey(own) : own
  const credentials = parseCredentials(signing)
  const message = JSON.stringify({ ...order, ...(requestId !== undefined && { requestId }) })
  const { headers, body } = await secureMessage(
    {
      kind: 'request',
      method: ORDER_SYNC_METHOD,
      path: tamper === 'another-path' ? `${path}/another` : path,
      now: tamper === 'time' ? time - OLD_REQUEST_MS : time,
      plaintext: encodeUtf8(message),
      encryptTo: encrypt ? requireEncryptionKey(credentials) : undefined,
    },
    credentials,
    ENCRYPTION,
  )
  const sent = { method: ORDER_SYNC_METHOD, path, headers: { ...headers }, body }
  if (keyVersion !== undefined) sent.headers['Signature'] = withKeyVersion(sent.headers['Signature'] ?? '', keyVersion)
  return tamperWith(sent, tamper)
}

async function post(url: URL, { headers, body }: IncomingRequest): Promise<HttpResponse> {
  const init = { method: ORDER_SYNC_METHOD, headers: headers as HeadersInit, body: body as BodyInit }
  const response = await fetch(url, { ...init, redirect: 'manual', signal: AbortSignal.timeout(30_000) })
  const received = Object.fromEntries(response.headers)
  return { status: response.status, headers: received, body: new Uint8Array(await response.arrayBuffer()) }
}

async function read(
  { status, headers: sent, body }: HttpResponse,
  path: string,
  own: Credentials,
): Promise<TestResponse> {
  const headers = collectHeaders(sent)
  const signed = headers.has('signature')
  const encrypted = headers.has('encrypt')
  const { result, orderId } = signed ? await verify({ path, headers, body }, own) : readUnsigned(status, body)
  return { status, result, ...(orderId !== undefined && { orderId }), signed, encrypted, headers }
}

/** @throws Error when it is not the response of a handler. It quotes nothing. */
function readUnsigned(status: number, body: Uint8Array): OrderSyncResponse {
  const value = parseLoosely(body, STRICT_JSON)?.value as Partial<OrderSyncResponse> | null | undefined
  if (typeof value?.result?.resultStatus === 'string') return value as OrderSyncResponse
  throw new Error(`HTTP ${status}, not a response of a handler. Check the URL, and any proxy in front of the handler.`)
}

async function verify(
  { path, headers, body }: { path: string; headers: ReadonlyMap<string, string>; body: Uint8Array },
  own: Credentials,
): Promise<OrderSyncResponse> {
  const head = parseMessageHead(headers, 'response')
  const message = { method: ORDER_SYNC_METHOD, path, head, body }
  const { value } = await verifyMessage(message, parseCredentials(own), { encryption: ENCRYPTION, json: STRICT_JSON })
  return value as OrderSyncResponse
}

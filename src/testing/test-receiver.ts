import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as pause } from 'node:timers/promises'
import { OrderRefusedError } from '../errors.ts'
import type { Order } from '../messages/order.ts'
import { assertText, functionWithDefault, type OptionRules, positiveNumber, resolveOptions } from '../option-rules.ts'
import { ORDER_SYNC_PATH } from '../protocol/endpoint.ts'
import { type Credentials, parseCredentials } from '../secure-message/credentials.ts'
import { createOrderSyncHandler } from '../server/handler.ts'
import type { HttpResponse } from '../server/http.ts'
import { memoryStore } from '../stores/memory.ts'
import { withoutHeader } from './tamper.ts'
import { createTestCredentials } from './test-keys.ts'

/** How the receiver responds to one request. */
export type ReceiverResponse =
  /** The normal response: `S`, unless `respond` throws. */
  | 'S'
  /** Signed, `F` and `PROCESS_FAIL`. */
  | 'F'
  /** Signed, `U` and `UNKNOWN_EXCEPTION`. */
  | 'U'
  /** Like `S`, after `slowMs`. */
  | 'slow'
  /** The order is processed, and the connection breaks in the middle of the response. */
  | 'broken'
  /** The order is processed, and the response has no signature. */
  | 'unsigned'
  /** HTTP 502 with HTML, as from a proxy. The order is not processed. */
  | 'html-502'

/** A received request. */
export interface ReceivedTestRequest {
  /** By lower-case name. */
  readonly headers: Readonly<Record<string, string>>
  /** The received body. */
  readonly body: Uint8Array
  /** How the receiver responded. */
  readonly responded: ReceiverResponse
}

/** Simulates AlipayHK's receiving side in a test of your client. */
export interface TestReceiver {
  /** Pass it to `createOrderSyncClient()`: requests then go to this receiver instead of the network. */
  readonly fetch: typeof globalThis.fetch
  /** Starts a server on this machine. Pass its `url` to `createOrderSyncClient()`, and close it after the test. */
  readonly listen: (options?: {
    /** @defaultValue a free port */
    readonly port?: number | undefined
  }) => Promise<TestReceiverServer>
  /** The last 1,000 verified orders, each event once. */
  readonly orders: readonly Order[]
  /** The last 1,000 requests, verified or not. */
  readonly requests: readonly ReceivedTestRequest[]
}

/** A running server of a {@link TestReceiver}. */
export interface TestReceiverServer {
  /** The URL of the API. */
  readonly url: string
  /** Closes all connections, and stops. */
  readonly close: () => Promise<void>
}

/** Options of {@link createTestReceiver}. */
export interface TestReceiverOptions {
  /** The credentials of AlipayHK's side. @defaultValue `createTestCredentials().peer` */
  readonly credentials?: Credentials | undefined
  /** The path that the client signs. @defaultValue the path of each request */
  readonly signedPath?: string | undefined
  /** The responses to the first requests, in sequence. Every later request gets `S`. @defaultValue none */
  readonly responses?: readonly ReceiverResponse[] | undefined
  /** The delay of `slow`, in milliseconds. @defaultValue 30_000 */
  readonly slowMs?: number | undefined
  /**
   * The response to an order. Throw an `OrderRefusedError` for a refusal, any other error for `UNKNOWN_EXCEPTION`.
   * @defaultValue `{ orderId }` for every order
   */
  readonly respond?: ((order: Order) => { orderId: string } | Promise<{ orderId: string }>) | undefined
}

const MAX_REMEMBERED = 1_000

const RESPONSES: readonly ReceiverResponse[] = ['S', 'F', 'U', 'slow', 'broken', 'unsigned', 'html-502']

const RULES = {
  credentials: { assert: (value: unknown) => void parseCredentials(value as Credentials) },
  signedPath: { assert: assertText },
  responses: { assert: assertResponses },
  slowMs: positiveNumber(30_000, { isTimer: true }),
  respond: functionWithDefault(({ merchantBizNo }: Order): { orderId: string } | Promise<{ orderId: string }> => ({
    orderId: merchantBizNo.slice(0, 64),
  })),
} as const satisfies OptionRules<TestReceiverOptions>

function assertResponses(value: unknown, name: string): void {
  if (Array.isArray(value) && value.every((one) => RESPONSES.includes(one))) return
  throw new TypeError(`"${name}" must be a list of ${RESPONSES.join(', ')}`)
}

/**
 * Creates a receiver that simulates AlipayHK: it verifies and remembers orders, and responds signed, or with the faults in
 * `responses`.
 *
 * @throws TypeError, RangeError when an option is wrong
 * @throws {@link ConfigurationError} for the credentials and keys
 * @see docs/protocol.md sections 1 to 7
 * @example
 * ```ts
 * import { createOrderSyncClient } from 'alipayhk-order-sync'
 * import { createTestCredentials, createTestReceiver } from 'alipayhk-order-sync/testing'
 *
 * // The first attempt fails, the second one succeeds.
 * const receiver = createTestReceiver({ responses: ['html-502'] })
 * const credentials = createTestCredentials().merchant
 * const client = createOrderSyncClient({ credentials, environment: 'testing', fetch: receiver.fetch })
 * ```
 */
export function createTestReceiver(options: TestReceiverOptions = {}): TestReceiver {
  const {
    responses = [],
    slowMs,
    ...merchant
  } = resolveOptions<TestReceiverOptions, typeof RULES>('createTestReceiver', RULES, options)
  const queue = [...responses]
  const orders: Order[] = []
  const requests: ReceivedTestRequest[] = []
  const handle = createHandlers(merchant, orders)
  /** Undefined: the connection breaks after the order was processed. */
  const receive = async (request: Received, signal: AbortSignal | undefined) => {
    const responded = queue.shift() ?? 'S'
    remember(requests, { headers: request.headers, body: request.body, responded })
    if (responded === 'html-502') return BAD_GATEWAY
    if (responded === 'slow') await pause(slowMs, undefined, signal && { signal })
    const response = await handle(responded, request)
    if (responded === 'unsigned') return { ...response, headers: withoutHeader(response.headers, 'Signature') }
    return responded === 'broken' ? undefined : response
  }
  return { orders, requests, fetch: createFetch(receive), listen: ({ port = 0 } = {}) => listen(receive, port) }
}

interface Received {
  readonly method: string
  readonly path: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: Uint8Array
}

type Receive = (request: Received, signal: AbortSignal | undefined) => Promise<HttpResponse | undefined>

const BAD_GATEWAY: HttpResponse = {
  status: 502,
  headers: { 'Content-Type': 'text/html' },
  body: Buffer.from('<html><body><h1>502 Bad Gateway</h1></body></html>\n'),
}

/** `F` and `U` have separate stores, so that the same order succeeds later. */
function createHandlers(
  {
    credentials = createTestCredentials().peer,
    signedPath,
    respond,
  }: Pick<TestReceiverOptions, 'credentials' | 'signedPath'> & {
    readonly respond: NonNullable<TestReceiverOptions['respond']>
  },
  orders: Order[],
) {
  const create = (onOrder: (order: Order) => Promise<{ orderId: string }>) =>
    // Prints nothing: the test can read the requests.
    createOrderSyncHandler({ credentials, signedPath, store: memoryStore(), onOrder, onEvent: () => {} })
  const process = create(async (order) => {
    remember(orders, order)
    return await respond(order)
  })
  return (responded: ReceiverResponse, request: Received) => {
    if (responded !== 'F' && responded !== 'U') return process(request)
    const handler = create(() => {
      throw responded === 'F' ? new OrderRefusedError('PROCESS_FAIL') : new Error('The receiver responds U.')
    })
    return handler(request)
  }
}

function remember<Item>(list: Item[], item: Item): void {
  list.push(item)
  if (list.length > MAX_REMEMBERED) list.shift()
}

function createFetch(receive: Receive): typeof globalThis.fetch {
  return async (input, init) => {
    const request = new Request(input, init)
    const { method, headers, signal } = request
    const { pathname, search } = new URL(request.url)
    const body = new Uint8Array(await request.arrayBuffer())
    const received = { method, path: pathname + search, headers: Object.fromEntries(headers), body }
    const response = await receive(received, signal).catch((error: unknown) => {
      throw signal.aborted ? signal.reason : error
    })
    // The error of fetch.
    if (response === undefined) throw new TypeError('fetch failed', { cause: new Error('The connection was broken') })
    return new Response(response.body as BodyInit, { status: response.status, headers: response.headers })
  }
}

async function listen(receive: Receive, port: number): Promise<TestReceiverServer> {
  const server = createServer((incoming, outgoing) => {
    serve(receive, incoming, outgoing).catch(() => void outgoing.destroy())
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, '127.0.0.1', resolve)
  })
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}${ORDER_SYNC_PATH}`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}

const MAX_BODY_BYTES = 4_194_304

async function serve(receive: Receive, incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> {
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of incoming) {
    chunks.push(chunk)
    size += chunk.length
    if (size > MAX_BODY_BYTES) return void outgoing.destroy()
  }
  const { method = '', url: path = '' } = incoming
  const headers = Object.fromEntries(
    Object.entries(incoming.headers).map(([name, value]) => [name, [value].flat().join(', ')]),
  )
  const closed = new AbortController()
  outgoing.once('close', () => closed.abort())
  const response = await receive({ method, path, headers, body: Buffer.concat(chunks) }, closed.signal)
  if (response !== undefined) {
    outgoing.writeHead(response.status, { ...response.headers, 'Content-Length': response.body.length })
    return void outgoing.end(response.body)
  }
  // Half of the response is sent before the connection breaks.
  outgoing.writeHead(200, { 'Content-Type': 'application/json; charset=UTF-8', 'Content-Length': 100 })
  outgoing.write('{"result":{', () => void outgoing.destroy())
}

import { RejectionError } from '../errors.ts'
import { type ParsedCredentials, parseCredentials } from '../exchange/credentials.ts'
import { requireEncryptionKey } from '../exchange/pack.ts'
import { requireHeader, unpack } from '../exchange/unpack.ts'
import type { OpenObject } from '../messages/order.ts'
import { validateExtInfo, validateOrder } from '../messages/validate.ts'
import { ORDER_SYNC_METHOD } from '../protocol/endpoint.ts'
import { collectHeaders, type HeadersInput } from '../protocol/headers.ts'
import { assertAnnouncedSize, type RequestBody, readBody } from './body.ts'
import { toDelivery } from './delivery.ts'
import { createReporter, type Progress } from './event.ts'
import { type HandlerOptions, resolveOptions, type Settings } from './options.ts'
import { fromError, type Outcome, toAnswer } from './outcome.ts'
import { processOrder } from './processing.ts'
import { type OutgoingReply, respond, unsigned } from './respond.ts'
import { discardRest, fromWebRequest } from './web-request.ts'

/** A request, as any HTTP layer can give it. */
export interface IncomingRequest {
  readonly method: string
  /** The request-target: path and query string. */
  readonly path: string
  readonly headers: HeadersInput
  /** The bytes as they came, or a stream of them; never what a parser made of them. */
  readonly body?: RequestBody
  /** Aborted when the peer goes away. */
  readonly signal?: AbortSignal | undefined
  /** For adapters: what to tell the developer when `body` turns out to be what a parser made of it. */
  readonly howToMend?: string | undefined
}

/** Made by {@link createOrderSyncHandler}. */
export interface OrderSyncHandler {
  /** Answers one request. Never rejects. */
  (request: IncomingRequest): Promise<OutgoingReply>
  /** The same for the web standard: Next.js, Hono, Bun, Deno, Workers. Needs no `this`. */
  readonly fetch: (request: Request) => Promise<Response>
  /** Resolves once nothing is running any more, orders that outlived their answer included. For a clean shutdown. */
  readonly drain: () => Promise<void>
}

/**
 * Makes a handler for inbound order syncs: it verifies, decrypts, validates, decides whether the event is new, calls
 * `onOrder` once, and answers signed.
 *
 * HTTP status: 200 for every message that was processed, whatever the result; 4xx for what is refused before that;
 * 500 when the mounting or the credentials are at fault. The result code in the body is what the peer goes by.
 *
 * @throws RangeError, TypeError when an option is out of bounds
 * @throws {@link ConfigurationError} when a key or credential is wrong: `ERR_KEY_FORMAT`, `ERR_KEY_KIND`, `ERR_KEY_ENCRYPTED`,
 * `ERR_KEY_WEAK`, `ERR_KEY_ALGORITHM`, `ERR_KEY_OWN`, `ERR_KEY_RING`, `ERR_CREDENTIALS`
 * @see docs/protocol.md sections 1 to 7
 * @example
 * ```ts
 * import { createOrderSyncHandler, memoryStore } from 'alipayhk-order-sync'
 *
 * const handler = createOrderSyncHandler({
 *   credentials: {
 *     clientId: '4Q5Y8W0WSG45P907917',
 *     privateKeys: { 1: process.env['MERCHANT_PRIVATE_KEY'] ?? '' },
 *     peerPublicKeys: { 1: process.env['ALIPAYHK_PUBLIC_KEY'] ?? '' },
 *   },
 *   store: memoryStore(),
 *   async onOrder(order) {
 *     return { orderId: `A-${order.merchantBizNo}` }
 *   },
 * })
 *
 * export const POST = handler.fetch
 * ```
 */
export function createOrderSyncHandler<ExtInfo = OpenObject, Transaction = undefined>(
  options: HandlerOptions<ExtInfo, Transaction>,
): OrderSyncHandler {
  const settings = resolveOptions(options)
  const running = new Set<Promise<unknown>>()
  /** Requests whose work has not ended, those that outlived their answer included. */
  let atWork = 0
  const report = createReporter(settings.onEvent)

  /** Keeps count of what runs, for {@link OrderSyncHandler.drain}. */
  function track<Value>(work: Promise<Value>): Promise<Value> {
    running.add(work)
    return work.finally(() => running.delete(work))
  }

  async function handle(request: IncomingRequest): Promise<OutgoingReply> {
    const progress: Progress = {
      startedAt: performance.now(),
      method: request.method,
      path: request.path,
      headers: new Map(),
    }
    const outcome = await withDeadline(progress, request.signal, (signal) => receive(request, progress, signal))
    const answer = toAnswer(outcome, settings)
    await report({ outcome, answer, progress })
    try {
      return await within(settings.timeoutMs, respond(answer, progress, settings))
    } catch (error) {
      // The signer is out of reach. What was processed is kept, and answered when it is delivered again.
      const unavailable: Outcome = { kind: 'unavailable', error }
      const instead = toAnswer(unavailable, settings)
      await report({ outcome: unavailable, answer: instead, progress })
      return unsigned(instead, settings)
    }
  }

  /** Everything up to the outcome. What is thrown here ended the request before it was accepted. */
  async function receive(request: IncomingRequest, progress: Progress, signal: AbortSignal): Promise<Outcome> {
    const crowded = atWork > settings.maxConcurrent
    const headers = collectHeaders(request.headers)
    progress.headers = headers
    progress.path = signedPath(request, settings.path)
    assertOneLine(progress)
    const credentials = await findCredentials(headers.get('client-id'), settings.credentials)
    if (credentials !== undefined) progress.caller = credentials
    // Before anything that costs more than a look-up, and late enough to sign what is said.
    if (crowded) throw new RejectionError('ERR_TRAFFIC', 'Too many requests are in progress.')
    if (request.method !== ORDER_SYNC_METHOD) {
      throw new RejectionError('ERR_METHOD', `The method is not ${ORDER_SYNC_METHOD}.`)
    }
    requireHeader(headers, 'Client-Id')
    if (credentials === undefined) throw new RejectionError('ERR_CLIENT_UNKNOWN', 'The Client-Id is not known here.')
    assertAnnouncedSize(headers.get('content-length'), settings.maxBodyBytes)
    const arrived = { ...progress, timeHeader: 'Request-Time' as const, body: readOnce }
    const scrutiny = { now: settings.now(), toleranceSeconds: settings.toleranceSeconds, json: settings.json }
    const { message, plaintext } = await unpack(arrived, credentials, settings.envelope, scrutiny)
    const valid = validateOrder(message)
    const order = { ...valid, extInfo: await validateExtInfo(valid.extInfo, settings.extInfo) }
    progress.order = order
    const encrypted = headers.has('encrypt')
    // Found out now rather than after the order has been processed.
    if (encrypted) requireEncryptionKey(credentials)
    const { clientId } = credentials
    const delivery = toDelivery(valid, clientId, plaintext)
    const context = { clientId, agentToken: headers.get('agent-token'), encrypted, signal }
    return await processOrder(order, delivery, context, settings)

    async function readOnce(): Promise<Uint8Array> {
      const { maxBodyBytes: maxBytes } = settings
      progress.body = await readBody(request.body, { maxBytes, howToMend: request.howToMend, signal })
      return progress.body
    }
  }

  /** Answers when the time is up, and lets the work end by itself: what it did must still be kept. */
  async function withDeadline(
    progress: Progress,
    peer: AbortSignal | undefined,
    work: (signal: AbortSignal) => Promise<Outcome>,
  ): Promise<Outcome> {
    const deadline = new AbortController()
    const start = async () => await underEither([deadline.signal, peer], work)
    atWork++
    const working = track(
      start()
        .catch(fromError)
        .finally(() => atWork--),
    )
    const { promise: expired, timer } = expiry(deadline, progress, settings.timeoutMs)
    const first = await Promise.race([working, expired])
    clearTimeout(timer)
    if (deadline.signal.aborted) {
      track(
        working.then(async (outcome) => {
          // What was not accepted did nothing, and has been told of: the rest of its body is no news.
          if (progress.order) await report({ outcome, answer: toAnswer(outcome, settings), progress, late: true })
        }),
      )
    }
    return first
  }

  const tracked = (request: IncomingRequest) => track(handle(request))
  return Object.assign(tracked, {
    async fetch(request: Request): Promise<Response> {
      const { status, headers, body } = await tracked(fromWebRequest(request))
      void discardRest(request)
      return new Response(body as Uint8Array<ArrayBuffer>, { status, headers })
    },
    async drain(): Promise<void> {
      while (running.size > 0) await Promise.allSettled(running)
    },
  })
}

function signedPath(request: IncomingRequest, path: Settings<unknown, unknown>['path']): string {
  return typeof path === 'function' ? path(request) : (path ?? request.path)
}

/** Before anything is signed: with a line break in its first line, an answer could be made to read as a message of ours. */
function assertOneLine({ method, path }: Progress): void {
  if (/[\p{Cc}\s]/u.test(method) || /\p{Cc}/u.test(path)) {
    throw new RejectionError('ERR_HEADER_INVALID', 'The method or the path has characters that it cannot have.')
  }
}

async function findCredentials(
  clientId: string | undefined,
  credentials: Settings<unknown, unknown>['credentials'],
): Promise<ParsedCredentials | undefined> {
  if (clientId === undefined || clientId === '') return undefined
  const found = typeof credentials === 'function' ? await credentials(clientId) : credentials
  // Asked again here, for a function that looks ids up without regard to case, or always finds the same tenant.
  return found?.clientId === clientId ? parseCredentials(found) : undefined
}

/**
 * Works under a signal that either aborts. Not one of AbortSignal.any(): once the merchant's code has listened to that, Node 20 keeps it, and what
 * listens, for ever.
 */
async function underEither<Value>(
  signals: readonly (AbortSignal | undefined)[],
  work: (signal: AbortSignal) => Promise<Value>,
): Promise<Value> {
  const either = new AbortController()
  const forget = new AbortController()
  for (const signal of signals) {
    if (signal?.aborted) either.abort(signal.reason)
    signal?.addEventListener('abort', () => either.abort(signal.reason), { signal: forget.signal })
  }
  try {
    return await work(either.signal)
  } finally {
    forget.abort()
  }
}

function expiry(
  deadline: AbortController,
  progress: Progress,
  timeoutMs: number,
): { promise: Promise<Outcome>; timer: NodeJS.Timeout } {
  let timer: NodeJS.Timeout | undefined
  const promise = new Promise<Outcome>((resolve) => {
    timer = setTimeout(() => {
      const [kind, what] =
        progress.order === undefined
          ? (['unavailable', `The request could not be judged within ${timeoutMs} ms`] as const)
          : (['failed', `"onOrder" or the store took longer than ${timeoutMs} ms`] as const)
      const error = new DOMException(what, 'TimeoutError')
      deadline.abort(error)
      resolve({ kind, error })
    }, timeoutMs)
  })
  return { promise, timer: timer as unknown as NodeJS.Timeout }
}

/** Rejects when the signer takes longer: an answer without its signature is better than none. */
async function within<Value>(timeoutMs: number, work: Promise<Value>): Promise<Value> {
  let timer: NodeJS.Timeout | undefined
  const expired = new Promise<never>((_, reject) => {
    const error = new DOMException(`The answer was not signed within ${timeoutMs} ms`, 'TimeoutError')
    timer = setTimeout(() => reject(error), timeoutMs)
  })
  try {
    return await Promise.race([work, expired])
  } finally {
    clearTimeout(timer)
  }
}

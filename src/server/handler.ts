import { secureMessage } from '../secure-message/secure.ts'
import type { OpenObject } from '../messages/order.ts'
import type { HeadersInput } from '../protocol/headers.ts'
import type { RequestBody } from './body.ts'
import { createStop, within } from './deadline.ts'
import { createReporter, type Progress } from './event.ts'
import { type HandlerOptions, resolveOptions } from './options.ts'
import { fromError, type Outcome, toAnswer } from './outcome.ts'
import { receive } from './receive.ts'
import { type HttpResponse, signed, toOutgoing, unsigned } from './respond.ts'
import { createRunning } from './running.ts'
import { discardRest, fromWebRequest } from './web-request.ts'

/** A request, as any HTTP layer can give it. */
export interface IncomingRequest {
  readonly method: string
  /** The request-target: path and query string. */
  readonly path: string
  readonly headers: HeadersInput
  /** The bytes as they came, or a stream of them, or what gives either at once when it is time; never what a parser made of them. */
  readonly body?: RequestBody | (() => RequestBody)
  /** Aborted when the peer goes away; or what makes one when somebody asks, because most do not. */
  readonly signal?: AbortSignal | (() => AbortSignal) | undefined
  /** For adapters: what to tell the developer when `body` turns out to be what a parser made of it. */
  readonly parsedBodyHint?: string | undefined
}

/** Made by {@link createOrderSyncHandler}. */
export interface OrderSyncHandler {
  /** Answers one request. Never rejects. */
  (request: IncomingRequest): Promise<HttpResponse>
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
  /** Requests whose work has not ended, those that outlived their answer included. */
  let atWork = 0
  const running = createRunning()
  const report = createReporter(settings.onEvent)

  /** Answers when the time is up, and lets the work end by itself: what it did must still be kept. */
  function handle(request: IncomingRequest): Promise<HttpResponse> {
    return new Promise((resolve) => {
      const { method, path } = request
      const progress: Progress = { startedAt: performance.now(), method, path, headers: NO_HEADERS }
      const stop = createStop(request)
      // One for each: on Workers a timer ends with the request that has set it, and everywhere it brings the context of
      // whoever has set it (AsyncLocalStorage).
      const timer = setTimeout(() => {
        const expired = expiry(progress, settings.timeoutMs)
        stop.expire(expired.error)
        resolve(conclude(expired, progress))
      }, settings.timeoutMs)
      void work()
      async function work(): Promise<void> {
        running.begin()
        const crowded = ++atWork > settings.maxConcurrent
        const outcome = await receive({ request, progress, stop, crowded }, settings).catch(fromError)
        atWork--
        stop.release()
        clearTimeout(timer)
        // Not awaited: what it counts begins before what ends here, and what it throws is for who asked.
        if (!stop.isExpired()) resolve(conclude(outcome, progress))
        else await reportLate(outcome, progress)
        running.end()
      }
    })
  }

  /** Tells the merchant, and answers the peer. */
  async function conclude(outcome: Outcome, progress: Progress): Promise<HttpResponse> {
    running.begin()
    try {
      const answer = toAnswer(outcome, settings)
      const reporting = report({ outcome, answer, progress })
      if (reporting !== undefined) await reporting
      const { caller } = progress
      if (caller === undefined) return unsigned(answer, settings)
      const packing = secureMessage(toOutgoing(answer, progress, caller, settings), caller, settings.envelope)
      // A signer of the merchant's may take its time.
      const isElsewhere = caller.signingKey.key.form === 'signer'
      return signed(answer, await (isElsewhere ? within(settings.timeoutMs, 'The signer', packing) : packing))
    } catch (error) {
      // The signer is out of reach. What was processed is kept, and answered when it is delivered again.
      const unavailable: Outcome = { kind: 'unavailable', error }
      const answer = toAnswer(unavailable, settings)
      await report({ outcome: unavailable, answer, progress })
      return unsigned(answer, settings)
    } finally {
      running.end()
    }
  }

  /** What was not accepted did nothing, and has been told of: the rest of its body is no news. */
  async function reportLate(outcome: Outcome, progress: Progress): Promise<void> {
    if (progress.order) await report({ outcome, answer: toAnswer(outcome, settings), progress, late: true })
  }

  return Object.assign(handle, {
    async fetch(request: Request): Promise<Response> {
      const { status, headers, body } = await handle(fromWebRequest(request))
      void discardRest(request)
      return new Response(body as Uint8Array<ArrayBuffer>, { status, headers })
    },
    drain: running.drain,
  })
}

/** Of a request that has not been looked at. */
const NO_HEADERS: Progress['headers'] = new Map()

function expiry({ order }: Progress, timeoutMs: number): Extract<Outcome, { kind: 'failed' | 'unavailable' }> {
  const [kind, what] =
    order === undefined
      ? (['unavailable', `The request could not be judged within ${timeoutMs} ms`] as const)
      : (['failed', `"onOrder" or the store took longer than ${timeoutMs} ms`] as const)
  return { kind, error: new DOMException(what, 'TimeoutError') }
}

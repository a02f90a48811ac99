import { setImmediate as nextTurn } from 'node:timers/promises'
import { ProtocolError } from '../errors.ts'
import type { OpenObject } from '../messages/order.ts'
import { parseCredentials } from '../secure-message/credentials.ts'
import { startOwnKeyProbe } from '../secure-message/own-key.ts'
import { type TraceContexts, traced } from '../telemetry/channels.ts'
import { OBSERVE } from '../telemetry/observe.ts'
import { timeoutError, waitFor } from '../timeout.ts'
import { createRequestAbort } from './abort.ts'
import { type Accepted, accept } from './accept.ts'
import { createBodyGate } from './body-gate.ts'
import { createEncryptMemory } from './encrypt-memory.ts'
import type { Ended } from './ended.ts'
import { errorOf } from './event.ts'
import { discardRest, fromWebRequest } from './fetch.ts'
import { createStoreCheck } from './health.ts'
import type {
  DrainResult,
  HandlerHealth,
  HttpResponse,
  IncomingRequest,
  OrderSyncHandler,
  RunningRequest,
} from './http.ts'
import { createObservers, noteStep, type ObserveHandler, readUnread } from './observation.ts'
import { type HandlerOptions, resolveHandlerOptions } from './options.ts'
import { type Outcome, type StatusAndResponse, toResponse } from './outcome.ts'
import { processOrder } from './process-order.ts'
import { type Received, receive } from './receive.ts'
import { createReporter } from './report.ts'
import { respondOrFail, STRANGER } from './respond.ts'
import { createSecondsWarning } from './seconds-warning.ts'
import { createTrace, type RequestTrace, timeoutOf } from './trace.ts'

/**
 * Creates a handler for inbound order syncs. It verifies, decrypts and validates a message, decides whether the event is
 * new, calls `onOrder` once, and responds signed.
 *
 * HTTP status: 200 for every verified message, with any result; 4xx for a message that did not verify; 500 when the
 * mounting or the credentials are wrong. The result code in the body decides what the peer does.
 *
 * @throws RangeError, TypeError when an option is unknown, missing or out of range
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
  const settings = resolveHandlerOptions(options)
  const { timeoutMs } = settings
  const report = createReporter(settings.onEvent)
  /** Completely received requests, until their work ends or their time is up. Limited by `maxConcurrent`. */
  const working = createInFlight()
  /** Work that outlives its response, until it ends or its lease expires: some work never ends. Limited by `maxConcurrent` too. */
  const outliving = createInFlight()
  /** Requests without a response, including those whose body is being received. Not limited. */
  const responding = createInFlight()
  const enter = createBodyGate(settings)
  const encryptMemory = createEncryptMemory()
  const checkStore = createStoreCheck(settings.store.ping)
  const warnOfSeconds = createSecondsWarning()
  const observers = createObservers()
  if (typeof settings.credentials !== 'function') startOwnKeyProbe(parseCredentials(settings.credentials))

  function handler(request: IncomingRequest): Promise<HttpResponse> {
    return traced(
      'handle',
      () => ({}),
      (context) => handle(request, context),
    )
  }

  function handle(request: IncomingRequest, context: HandleContext): Promise<HttpResponse> {
    const trace = createTrace()
    const observed = observers.start(request, trace.startedAt)
    if (observed !== undefined) trace.observed = observed
    const abort = createRequestAbort(timeoutMs, request, () => timeoutError('The request', timeoutMs))
    // Three promises, not one async function: at the deadline, the response depends on the step that was reached.
    const received = receive(request, { abort, trace, enter }, settings)
    const accepted = received.then((step) => (step.kind === 'ended' ? step : startWork(step)))
    const ended = accepted.then(async (step) =>
      step.kind === 'ended' ? step : endAccepted(step, await processOrder(step, { abort, trace }, settings)),
    )
    ended.then(abort.release, abort.release)
    return responding.track(respondInTime(), describe)

    /** Runs when the message has arrived; `ended` is initialized by then. */
    async function startWork(step: Received): Promise<Accepted<ExtInfo> | Ended> {
      if (working.size() + outliving.size() >= settings.maxConcurrent) return endCrowded(step)
      working.track(Promise.race([ended, abort.timedOut]), describe)
      return await accept<ExtInfo>(step, { abort, trace, encryptMemory, warnOfSeconds }, settings)
    }

    async function respondInTime(): Promise<HttpResponse> {
      const result = await Promise.race([ended, abort.timedOut])
      if (observed !== undefined && result !== undefined) await readUnread(observed, request)
      if (result !== undefined) return await conclude(result, trace, context)
      const late = ended.then((lateEnd) => reportLate(lateEnd, trace))
      outliving.track(settledWithin(late, settings.leaseMs), describe)
      return await conclude(toTimedOut(await reachedStep(received, accepted), trace, timeoutMs), trace, context)
    }

    async function describe(): Promise<RunningRequest> {
      return describeRequest(await reachedStep(received, accepted), trace)
    }
  }

  /** Reports the end of a request to the merchant, and creates the response for the peer. */
  async function conclude(ended: Ended, trace: RequestTrace, context: HandleContext): Promise<HttpResponse> {
    noteStep(trace, 'concluded')
    const response = toResponse(ended.outcome, settings)
    if (context !== undefined) noteOutcome(context, ended.outcome, response, trace)
    await report(ended, { response, trace })
    const { httpResponse, failure } = await respondOrFail(response, ended.recipient, settings, trace.tracerId)
    if (failure !== undefined) {
      const outcome = { kind: 'unavailable', error: failure } as const
      await report({ ...ended, outcome }, { response: toResponse(outcome, settings), trace })
    }
    if (trace.observed !== undefined) {
      noteStep(trace, 'responded')
      trace.observed.response = httpResponse
      observers.publish(trace.observed)
    }
    return httpResponse
  }

  /** A request that was not accepted had no effect, and its timeout is reported already. */
  async function reportLate(ended: Ended, trace: RequestTrace): Promise<void> {
    if (!ended.isAccepted) return
    await report(ended, { response: toResponse(ended.outcome, settings), trace, isLate: true })
    observers.publish(trace.observed)
  }

  async function drain({ timeoutMs: limitMs }: { timeoutMs?: number | undefined } = {}): Promise<DrainResult> {
    if (limitMs !== undefined && !(limitMs >= 0)) throw new RangeError('"timeoutMs" must not be negative')
    // A timer above 2 ** 31 would fire at once.
    await settledWithin(waitUntilIdle(), limitMs !== undefined && limitMs < 2 ** 31 ? limitMs : undefined)
    // Until its response is made, a request whose time is up is in both lists with the same function. The Set lists it once.
    const describers = new Set([...responding.describers(), ...outliving.describers()])
    return { stillRunning: await Promise.all([...describers].map((describe) => describe())) }
  }

  async function health(): Promise<HandlerHealth> {
    const store = await checkStore()
    const { maxConcurrent } = settings
    const inFlight = { responding: responding.size(), working: working.size() + outliving.size(), maxConcurrent }
    return { ok: store.migrated && inFlight.working < maxConcurrent, store, inFlight }
  }

  async function waitUntilIdle(): Promise<void> {
    while (responding.size() + outliving.size() > 0) {
      await Promise.all([responding.settled(), outliving.settled()])
      // Wait one more turn of the event loop: the HTTP layer has not received the last response yet.
      await nextTurn()
    }
  }

  const observe: ObserveHandler = (observer) => ({
    credentials: settings.credentials,
    signedPath: settings.signedPath,
    encryption: options.encryption,
    clockToleranceSeconds: settings.clockToleranceSeconds,
    stop: observers.add(observer),
  })

  // Not enumerable: only the console uses it.
  Object.defineProperty(handler, OBSERVE, { value: observe })
  return Object.assign(handler, {
    async fetch(request: Request): Promise<Response> {
      const { status, headers, body } = await handler(fromWebRequest(request))
      void discardRest(request)
      return new Response(body as Uint8Array<ArrayBuffer>, { status, headers })
    },
    drain,
    health,
  })
}

/** Undefined without a subscriber. */
type HandleContext = TraceContexts['handle'] | undefined

function noteOutcome(
  context: TraceContexts['handle'],
  outcome: Outcome,
  { status, response }: StatusAndResponse,
  { tracerId }: RequestTrace,
): void {
  const code = errorOf(outcome)?.code ?? response.resultCode
  Object.assign(context, { tracerId, kind: outcome.kind, code, status })
}

type Step = Received | Accepted<unknown> | Ended

/** The last step that a request has completed; undefined before the first. */
async function reachedStep(
  received: Promise<Received | Ended>,
  accepted: Promise<Accepted<unknown> | Ended>,
): Promise<Step | undefined> {
  return (await valueNow(accepted)) ?? (await valueNow(received))
}

function describeRequest(reached: Step | undefined, { startedAt, requestId }: RequestTrace): RunningRequest {
  return {
    ...(reached?.credentials && { clientId: reached.credentials.clientId }),
    ...(requestId !== undefined && { requestId }),
    runningMs: performance.now() - startedAt,
  }
}

/** The end of a request whose time is up. What is known about it depends on the step that it reached. */
function toTimedOut(reached: Step | undefined, trace: RequestTrace, timeoutMs: number): Ended {
  const error = timeoutOf(trace, timeoutMs)
  if (reached?.kind === 'accepted') return endAccepted(reached, { kind: 'failed', error })
  const credentials = reached?.credentials
  return {
    kind: 'ended',
    outcome: { kind: 'unavailable', error },
    recipient: STRANGER,
    ...(credentials && { credentials }),
  }
}

function endAccepted({ recipient, credentials }: Accepted<unknown>, outcome: Outcome): Ended {
  return { kind: 'ended', outcome, recipient, credentials, isAccepted: true }
}

function endCrowded({ credentials }: Received): Ended {
  const error = new ProtocolError('ERR_TRAFFIC', 'Too many requests are in progress.')
  return { kind: 'ended', outcome: { kind: 'rejected', error }, recipient: STRANGER, credentials }
}

/** The value of a promise that is fulfilled already; undefined while it is pending. */
function valueNow<Value>(promise: Promise<Value>): Promise<Value | undefined> {
  return Promise.race([promise, undefined])
}

/** Resolves when the work settles, or after a time, whichever is first. Never rejects. */
async function settledWithin(work: Promise<unknown>, timeoutMs: number | undefined): Promise<void> {
  await waitFor(() => work, { timeoutMs }).catch(() => {})
}

/** Tracks promises until they settle. */
function createInFlight() {
  const tracked = new Set<Tracked>()
  return {
    size: () => tracked.size,
    track<Value>(promise: Promise<Value>, describe: () => Promise<RunningRequest>): Promise<Value> {
      const entry: Tracked = { work: { promise, describe } }
      tracked.add(entry)
      const remove = () => {
        tracked.delete(entry)
        entry.work = undefined
      }
      promise.then(remove, remove)
      return promise
    },
    settled: () => Promise.allSettled([...tracked].map(({ work }) => work?.promise)),
    describers: () => [...tracked].flatMap(({ work }) => work?.describe ?? []),
  }
}

/**
 * A promise, and how to describe its request. Emptied when the promise settles: V8 can keep a deleted entry of a Set until a full
 * garbage collection, and would keep the request with it.
 */
interface Tracked {
  work: { readonly promise: Promise<unknown>; readonly describe: () => Promise<RunningRequest> } | undefined
}

import { type OrderSyncError, ProtocolError } from '../errors.ts'
import type { OpenObject, Order } from '../messages/order.ts'
import { timeoutError } from '../timeout.ts'
import { createRequestAbort, type RequestAbort } from './abort.ts'
import { type Accepted, accept } from './accept.ts'
import { createBodyGate } from './body-gate.ts'
import { createDiagnosis, type Diagnose } from './diagnose.ts'
import { createEncryptMemory, type EncryptMemory } from './encrypt-memory.ts'
import type { Ended } from './ended.ts'
import { isRefusal, toOwnSideError } from './failures.ts'
import type { HttpResponse, IncomingRequest } from './http.ts'
import type { OrderResult } from './options.ts'
import {
  type NotAccepted,
  type Outcome,
  refusalResponse,
  requireOrderId,
  successResponse,
  toResponse,
} from './outcome.ts'
import { receive } from './receive.ts'
import { type RequestContext, toRequestContext } from './request-context.ts'
import { type Recipient, respondOrFail, respondUnavailable, STRANGER } from './respond.ts'
import { withResponse } from './response-to-error.ts'
import { createSecondsWarning, type SecondsWarning } from './seconds-warning.ts'
import { createTrace, type RequestTrace, timeoutOf } from './trace.ts'
import { resolveVerifyOptions, type VerifyRequestOptions, type VerifySettings } from './verify-options.ts'

/** A request that is verified, decrypted and valid. */
export interface VerifiedRequest<ExtInfo = OpenObject> {
  /** The order. Unknown members are kept. */
  readonly order: Order<ExtInfo>
  readonly context: RequestContext
  /**
   * Makes the response: signed, and encrypted if the request was. Send its bytes unchanged.
   *
   * @param decision `{ orderId }` for `SUCCESS`, also for a duplicate or an older event; an {@link OrderRefusedError} for its
   * result code; any other error for `UNKNOWN_EXCEPTION`, after which the peer retries.
   * @throws {@link ConfigurationError} `ERR_ORDER_ID`
   * @throws {@link HandlerError} `ERR_SIGNER`, `ERR_OPTION`
   */
  readonly respond: (decision: OrderResult | Error) => Promise<HttpResponse>
}

/**
 * Verifies, decrypts and validates one request, for programs with their own queue and idempotency: from the raw request to the
 * typed order in one call. It remembers no order: duplicates and older events are verified like new events.
 * {@link createOrderSyncHandler} does the same, and also decides whether an event is new.
 *
 * `options.credentials` must be the same object, or function, in every call: keys are parsed once for each object.
 *
 * @throws {@link ProtocolError} every code: the request must be refused. Send `responseToError(error)`.
 * @throws {@link HandlerError}, {@link ConfigurationError} when your side failed: log it, and send `responseToError(error)`.
 * @throws RangeError, TypeError when an option is unknown, missing or out of range
 * @see docs/protocol.md sections 1 to 6
 * @example
 * ```ts
 * import { responseToError, verifyRequest } from 'alipayhk-order-sync'
 *
 * const credentials = {
 *   clientId: '4Q5Y8W0WSG45P907917',
 *   privateKeys: { 1: process.env['MERCHANT_PRIVATE_KEY'] ?? '' },
 *   peerPublicKeys: { 1: process.env['ALIPAYHK_PUBLIC_KEY'] ?? '' },
 * }
 *
 * export async function POST(request: Request) {
 *   const { status, headers, body } = await receiveOrder(request).catch((error: unknown) => {
 *     console.error(error)
 *     return responseToError(error)
 *   })
 *   return new Response(Buffer.from(body), { status, headers })
 * }
 *
 * async function receiveOrder(request: Request) {
 *   const { pathname, search } = new URL(request.url)
 *   const { method, headers } = request
 *   const body = await request.arrayBuffer()
 *   const { order, respond } = await verifyRequest({ method, path: pathname + search, headers, body }, { credentials })
 *   // Your queue: respond after it has stored the order.
 *   return await respond({ orderId: `A-${order.merchantBizNo}` })
 * }
 * ```
 */
export async function verifyRequest<ExtInfo = OpenObject>(
  request: IncomingRequest,
  options: VerifyRequestOptions<ExtInfo>,
): Promise<VerifiedRequest<ExtInfo>> {
  shared ??= createVerifyState()
  return await verifyWith(shared, request, options)
}

/** The state that calls share. */
interface VerifyState {
  readonly encryptMemory: EncryptMemory
  readonly warnOfSeconds: SecondsWarning
  readonly diagnose: Diagnose
}

/** Created by the first call, so that bundlers can drop it from programs that do not need it. */
let shared: VerifyState | undefined

export function createVerifyState(): VerifyState {
  return {
    encryptMemory: createEncryptMemory(),
    warnOfSeconds: createSecondsWarning(),
    diagnose: createDiagnosis(),
  }
}

/** {@link verifyRequest} with the state that its calls share. */
export async function verifyWith<ExtInfo>(
  state: VerifyState,
  request: IncomingRequest,
  options: VerifyRequestOptions<ExtInfo>,
): Promise<VerifiedRequest<ExtInfo>> {
  const settings = resolveVerifyOptions(options)
  const { timeoutMs } = settings
  const trace = createTrace()
  const abort = createRequestAbort(timeoutMs, request, () => timeoutError('The request', timeoutMs))
  const work = toAccepted(request, { ...state, abort, trace }, settings)
  work.then(abort.release, abort.release)
  const step = (await Promise.race([work, abort.timedOut])) ?? endTimedOut(trace, timeoutMs)
  if (step.kind === 'ended') throw await refuse(step, { ...state, trace }, settings)
  return {
    order: step.order,
    context: toRequestContext(step, trace),
    async respond(decision) {
      return await respondWith(decision, step.recipient, trace, settings)
    },
  }
}

interface VerifyContext extends VerifyState {
  readonly abort: RequestAbort
  readonly trace: RequestTrace
}

async function toAccepted<ExtInfo>(
  request: IncomingRequest,
  context: VerifyContext,
  settings: VerifySettings<ExtInfo>,
): Promise<Accepted<ExtInfo> | Ended<NotAccepted>> {
  const { maxBodyBytes, bodyTimeoutMs } = settings
  const enter = createBodyGate({ maxBodyBytes, bodyTimeoutMs, maxReading: 1, maxReadingBytes: maxBodyBytes })
  const received = await receive(request, { ...context, enter }, settings)
  if (received.kind === 'ended') return received
  return await accept(received, context, settings)
}

function endTimedOut(trace: RequestTrace, timeoutMs: number): Ended<NotAccepted> {
  const error = timeoutOf(trace, timeoutMs)
  return { kind: 'ended', outcome: { kind: 'unavailable', error }, recipient: STRANGER }
}

/** Makes the response to a request that is refused, and returns the error to throw. */
async function refuse(
  ended: Ended<NotAccepted>,
  { diagnose, trace }: Pick<VerifyContext, 'diagnose' | 'trace'>,
  settings: VerifySettings<unknown>,
): Promise<OrderSyncError> {
  const { outcome, recipient } = ended
  const { httpResponse, failure } = await respondOrFail(
    toResponse(outcome, settings),
    recipient,
    settings,
    trace.tracerId,
  )
  return withResponse(failure ?? withHint(outcome.error, await diagnose(ended)), httpResponse)
}

/** The error of the sender with the likely cause, which the sender does not see: the response has a result code only. */
function withHint(error: NotAccepted['error'], hint: string | undefined): NotAccepted['error'] {
  if (hint === undefined || error.name !== 'ProtocolError') return error
  return new ProtocolError(error.code, `${error.message} ${hint}`, { cause: error, issues: error.issues })
}

async function respondWith(
  decision: OrderResult | Error,
  recipient: Recipient,
  { tracerId }: RequestTrace,
  settings: VerifySettings<unknown>,
): Promise<HttpResponse> {
  const outcome = toOutcomeOf(decision)
  if (outcome.kind === 'unavailable')
    throw withResponse(outcome.error, respondUnavailable(outcome.error, settings, tracerId))
  const { httpResponse, failure } = await respondOrFail(toResponse(outcome, settings), recipient, settings, tracerId)
  if (failure !== undefined) throw withResponse(failure, httpResponse)
  return httpResponse
}

function toOutcomeOf(decision: OrderResult | Error): Outcome {
  if (isRefusal(decision)) return { kind: 'refused', response: refusalResponse(decision), error: decision }
  if (decision instanceof Error) return { kind: 'failed', error: toOwnSideError(decision) }
  try {
    return { kind: 'processed', response: successResponse(requireOrderId(decision, 'respond() takes an error or')) }
  } catch (error) {
    return { kind: 'unavailable', error: toOwnSideError(error) }
  }
}

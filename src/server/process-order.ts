import { setTimeout as sleep } from 'node:timers/promises'
import { match } from 'ts-pattern'
import { sha256 } from '../crypto/node.ts'
import { HandlerError, ProtocolError } from '../errors.ts'
import type { ClaimResult, LastProcessed } from '../policy/idempotency.ts'
import type { Completion, Delivery, HeldClaim } from '../stores/store.ts'
import { traced } from '../telemetry/channels.ts'
import { backOff } from '../timeout.ts'
import type { RequestAbort } from './abort.ts'
import type { Accepted } from './accept.ts'
import { isRefusal, leaseLost, onOrderThrew, toOwnSideError, withConsequence } from './failures.ts'
import { noteStep } from './observation.ts'
import type { HandlerSettings, OrderResult } from './options.ts'
import {
  type Comparison,
  type Outcome,
  parseStoredResponse,
  refusalResponse,
  requireOrderId,
  type SerializedResponse,
  successResponse,
} from './outcome.ts'
import { toRequestContext } from './request-context.ts'
import { type RequestTrace, timeoutOf } from './trace.ts'

/** What {@link processOrder} needs in addition to the options. */
interface ProcessContext {
  readonly abort: RequestAbort
  readonly trace: RequestTrace
}

/**
 * Step 3: claims the order, runs `onOrder` if the event is new, and stores the response.
 * The claim comes before `onOrder`, because two copies can arrive at the same instant.
 *
 * @see docs/protocol.md section 7
 */
export async function processOrder<ExtInfo, Transaction>(
  accepted: Accepted<ExtInfo>,
  { abort, trace }: ProcessContext,
  settings: HandlerSettings<ExtInfo, Transaction>,
): Promise<Outcome> {
  try {
    // The response was sent already: nothing may start now.
    if (abort.isTimedOut()) return failed(timeoutOf(trace, settings.timeoutMs))
    const delivery = toDelivery(accepted)
    const claim = await claimUnlessBusy(delivery, { abort, trace }, settings)
    noteStep(trace, 'decided')
    if (claim.decision !== 'process') return toKnownOutcome(claim, delivery)
    const held = { delivery, token: claim.token }
    // The request timed out while the store was busy.
    if (abort.isTimedOut()) return await release(held, failed(timeoutOf(trace, settings.timeoutMs)), settings)
    return await runOnce(accepted, held, { abort, trace }, settings)
  } catch (error) {
    return failed(error)
  }
}

/**
 * What a store sees of a delivery. Hashed, so that no store holds customer data, and so that no id can be made to look
 * like two others joined.
 *
 * @see docs/protocol.md section 7.1
 */
function toDelivery({ order, orderKey, credentials, content }: Accepted<unknown>): Delivery {
  const { requestId, orderModifyTime } = order
  return {
    orderKey,
    requestKey: hash(JSON.stringify([credentials.clientId, requestId])),
    digest: hash(JSON.stringify([requestId, orderModifyTime]) + content),
    contentDigest: hash(content),
    orderModifyTime,
  }
}

const hash = (data: string) => sha256(data, 'base64url')

/** Claims an order. While another delivery of it is being processed, claims again, for at most `busyWaitMs`. */
async function claimUnlessBusy<ExtInfo, Transaction>(
  delivery: Delivery,
  { abort, trace }: ProcessContext,
  { store, leaseMs, compareModifyTimeWith, busyWaitMs }: HandlerSettings<ExtInfo, Transaction>,
): Promise<ClaimResult> {
  const deadline = performance.now() + busyWaitMs
  for (let attempt = 1; ; attempt++) {
    trace.waiting = 'claim'
    const claim = await store.claim(delivery, { leaseMs, compareModifyTimeWith })
    const leftMs = deadline - performance.now()
    if (claim.decision !== 'busy' || leftMs <= 0) return claim
    const pauseMs = Math.min(backOff(attempt, { firstMs: 25, maxMs: 250 }), leftMs)
    trace.waiting = 'otherDelivery'
    // Aborted: the peer has disconnected, and the other delivery keeps the order.
    const isAborted = await sleep(pauseMs, undefined, { signal: abort.signal }).then(
      () => false,
      () => true,
    )
    if (isAborted) return claim
  }
}

function toKnownOutcome(claim: Exclude<ClaimResult, { decision: 'process' }>, delivery: Delivery): Outcome {
  return match(claim)
    .returnType<Outcome>()
    .with({ decision: 'replay' }, ({ decision, storedResponse }) => ({
      kind: decision,
      response: parseStoredResponse(storedResponse),
    }))
    .with({ decision: 'duplicate' }, { decision: 'stale' }, ({ decision, storedResponse, last }) => ({
      kind: decision,
      response: parseStoredResponse(storedResponse),
      comparison: compare(delivery, last),
    }))
    .with({ decision: 'busy' }, () => ({ kind: 'busy' }))
    .with({ decision: 'conflict' }, () => ({
      kind: 'rejected',
      error: new ProtocolError('ERR_REQUEST_CONFLICT', 'The requestId was used before, with other content.'),
    }))
    .exhaustive()
}

function compare(delivery: Delivery, last: LastProcessed): Comparison {
  return {
    orderModifyTime: delivery.orderModifyTime,
    lastOrderModifyTime: last.orderModifyTime,
    ...(last.contentDigest !== undefined && { contentDiffers: last.contentDigest !== delivery.contentDigest }),
  }
}

/** How far a run of `onOrder` got. */
type Run =
  /** `onOrder` succeeded, and its response is stored. */
  | { readonly phase: 'stored'; readonly response: SerializedResponse }
  /** `onOrder` ended after its lease: a later claim holds the order. */
  | { readonly phase: 'fenced' }
  /**
   * `onOrder` failed, or its transaction was rolled back. If only the acknowledgement of COMMIT was lost, `release` changes
   * nothing, and the next delivery is a replay.
   */
  | { readonly phase: 'undone'; readonly error: unknown }
  /** `onOrder` succeeded, but the store failed: the effect has happened and is not recorded. */
  | { readonly phase: 'unrecorded'; readonly error: unknown }

async function runOnce<ExtInfo, Transaction>(
  accepted: Accepted<ExtInfo>,
  held: HeldClaim,
  { abort, trace }: ProcessContext,
  settings: HandlerSettings<ExtInfo, Transaction>,
): Promise<Outcome> {
  // "storeTimeoutMs" does not limit it, because it contains onOrder: see bounded-store.ts.
  const { finishInTransaction } = settings.store
  const runOnOrder = async (transaction: Transaction): Promise<SerializedResponse> => {
    const { signal } = abort
    const context = { fencingToken: held.token, transaction, signal, ...toRequestContext(accepted, trace) }
    trace.waiting = 'onOrder'
    const { clientId, requestId, tracerId, orderKey } = context
    noteStep(trace, 'onOrder')
    const result = await traced(
      'onOrder',
      () => ({ clientId, requestId, tracerId, orderKey }),
      () => callOnOrder(() => settings.onOrder(accepted.order, context)),
    ).finally(() => noteStep(trace, 'onOrderEnded'))
    trace.waiting = finishInTransaction ? 'transaction' : 'finish'
    return successResponse(requireOrderId(result, '"onOrder" must return'))
  }
  if (finishInTransaction) trace.waiting = 'transaction'
  const run = finishInTransaction
    ? await runInTransaction(runOnOrder, (work) => finishInTransaction(held, work))
    : // A store without transactions has the type parameter `undefined`.
      await runAndFinish(() => runOnOrder(undefined as Transaction), held, trace, settings)
  return await match(run)
    .with({ phase: 'stored' }, ({ response }): Outcome => {
      noteStep(trace, 'stored')
      return { kind: 'processed', response }
    })
    .with({ phase: 'fenced' }, () => fenced(settings))
    .with({ phase: 'undone' }, ({ error }) => refuseOrRelease(error, held, trace, settings))
    // The order is not released: the lease keeps the next delivery away for a while.
    .with({ phase: 'unrecorded' }, ({ error }) => failed(withConsequence(error, UNRECORDED)))
    .exhaustive()
}

const UNRECORDED = '"onOrder" had succeeded: the next delivery of the order may run it again.'

/** Distinguishes errors of `onOrder` from errors of the store around it. */
async function callOnOrder(onOrder: () => Promise<OrderResult> | OrderResult): Promise<OrderResult> {
  try {
    return await onOrder()
  } catch (error) {
    throw isRefusal(error) ? error : onOrderThrew(error)
  }
}

function fenced({ leaseMs }: { readonly leaseMs: number }): Outcome {
  return { kind: 'fenced', error: leaseLost(leaseMs) }
}

async function runAndFinish<ExtInfo, Transaction>(
  runOnOrder: () => Promise<SerializedResponse>,
  held: HeldClaim,
  trace: RequestTrace,
  settings: HandlerSettings<ExtInfo, Transaction>,
): Promise<Run> {
  let response: SerializedResponse
  try {
    response = await runOnOrder()
  } catch (error) {
    return { phase: 'undone', error }
  }
  try {
    const isStored = await finish(held, toCompletion(response), trace, settings)
    return isStored ? { phase: 'stored', response } : { phase: 'fenced' }
  } catch (error) {
    return { phase: 'unrecorded', error }
  }
}

async function runInTransaction<Transaction>(
  runOnOrder: (transaction: Transaction) => Promise<SerializedResponse>,
  finishInTransaction: (work: (transaction: Transaction) => Promise<Completion>) => Promise<boolean>,
): Promise<Run> {
  // An object, because TypeScript does not track an assignment inside a closure.
  const run: { response?: SerializedResponse } = {}
  try {
    const isStored = await finishInTransaction(async (transaction) => {
      run.response = await runOnOrder(transaction)
      return toCompletion(run.response)
    })
    if (!isStored) return { phase: 'fenced' }
    if (run.response === undefined)
      throw new HandlerError('ERR_STORE', 'The store reported a commit without running the work.')
    return { phase: 'stored', response: run.response }
  } catch (error) {
    return { phase: 'undone', error }
  }
}

/** Refuses the order if `onOrder` decided so; after any other error, releases it, so that the next delivery runs. */
async function refuseOrRelease<ExtInfo, Transaction>(
  error: unknown,
  held: HeldClaim,
  trace: RequestTrace,
  settings: HandlerSettings<ExtInfo, Transaction>,
): Promise<Outcome> {
  if (!isRefusal(error)) return await release(held, failed(error), settings)
  const refused: Outcome = { kind: 'refused', response: refusalResponse(error), error }
  // A status U leaves the order unchanged. A final refusal is stored as the response.
  if (refused.response.resultStatus === 'U') return await release(held, refused, settings)
  try {
    trace.waiting = 'finish'
    return (await finish(held, toCompletion(refused.response), trace, settings)) ? refused : fenced(settings)
  } catch (storeError) {
    const consequence = `"onOrder" had refused the order with ${refused.response.resultCode}: the next delivery runs it again.`
    return failed(withConsequence(storeError, consequence))
  }
}

function toCompletion({ text, resultStatus }: SerializedResponse): Completion {
  return { storedResponse: text, processed: resultStatus === 'S' }
}

async function release<ExtInfo, Transaction>(
  held: HeldClaim,
  outcome: Outcome,
  { store }: HandlerSettings<ExtInfo, Transaction>,
): Promise<Outcome> {
  // If the release fails, the lease expires.
  try {
    await store.release(held)
  } catch {}
  return outcome
}

/**
 * `onOrder` has had its effect, so a failed store call is retried, for at most `leaseMs`. The fencing token rejects
 * a finish after a newer claim.
 */
async function finish<ExtInfo, Transaction>(
  held: HeldClaim,
  completion: Completion,
  trace: RequestTrace,
  { store, leaseMs }: HandlerSettings<ExtInfo, Transaction>,
): Promise<boolean> {
  const deadline = performance.now() + leaseMs
  const failures: unknown[] = []
  for (let attempt = 1; ; attempt++) {
    const pauseMs = backOff(attempt, { firstMs: 50, maxMs: 1_000 })
    try {
      const isStored = await store.finish(held, completion)
      // False after a failure can mean that the failed call took effect and only its result was lost: not fenced.
      if (!isStored && failures.length > 0) break
      return isStored
    } catch (error) {
      failures.push(error)
      // If the time is up meanwhile, the event names the failure.
      trace.lastError = withConsequence(error, 'The handler retries until the lease ends.')
      if (performance.now() + pauseMs >= deadline) break
    }
    await sleep(pauseMs)
  }
  throw failures.at(-1)
}

function failed(error: unknown): Outcome {
  return { kind: 'failed', error: toOwnSideError(error) }
}

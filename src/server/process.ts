import { setTimeout as sleep } from 'node:timers/promises'
import { ConfigurationError, isOrderSyncError, ProtocolError } from '../errors.ts'
import type { Order } from '../messages/order.ts'
import type { Stop } from './deadline.ts'
import type { OrderContext, Settings } from './options.ts'
import { keptReply, type Outcome, refusalReply, successReply, type SerializedResponse } from './outcome.ts'
import type { ClaimResult, HeldClaim, Delivery, Completion } from '../stores/store.ts'

/** An order that was accepted, and what goes with it. */
interface Accepted<ExtInfo> {
  readonly order: Order<ExtInfo>
  readonly delivery: Delivery
  readonly context: Pick<OrderContext, 'clientId' | 'agentToken' | 'encrypted'>
  readonly stop: Stop
}

/**
 * Takes an order that was accepted through claim, merchant's code and finish.
 * The claim comes before the code runs: two copies may arrive at the same instant.
 *
 * @see docs/protocol.md section 7
 */
export async function processOrder<ExtInfo, Transaction>(
  accepted: Accepted<ExtInfo>,
  settings: Settings<ExtInfo, Transaction>,
): Promise<Outcome> {
  const { delivery, stop } = accepted
  const { store, leaseMs, compareModifyTimeWith } = settings
  try {
    if (stop.isExpired()) throw stop.reason()
    let claim = await store.claim(delivery, { leaseMs, compareModifyTimeWith })
    if (claim.decision === 'busy') claim = await waitAndClaim(delivery, stop, settings)
    if (claim.decision !== 'process') return known(claim)
    const claimed = { delivery, token: claim.token }
    // The answer has been given while the store was thinking: nothing may start now.
    if (stop.isExpired()) return await giveUp(claimed, stop.reason(), settings)
    return await runOnce(accepted, claimed, settings)
  } catch (error) {
    return { kind: 'failed', error }
  }
}

/** Claims again and again while another delivery of the order is being processed. */
async function waitAndClaim<ExtInfo, Transaction>(
  delivery: Delivery,
  stop: Stop,
  { store, leaseMs, compareModifyTimeWith, busyWaitMs }: Settings<ExtInfo, Transaction>,
): Promise<ClaimResult> {
  let claim: ClaimResult = { decision: 'busy' }
  for (let waited = 0, pause = 25; claim.decision === 'busy' && waited < busyWaitMs; pause *= 2) {
    const delay = Math.min(pause, 250, busyWaitMs - waited)
    await sleep(delay, undefined, { signal: stop.signal() })
    waited += delay
    claim = await store.claim(delivery, { leaseMs, compareModifyTimeWith })
  }
  return claim
}

function known(claim: Exclude<ClaimResult, { decision: 'process' }>): Outcome {
  if ("storedResponse" in claim) return { kind: claim.decision, reply: keptReply(claim.storedResponse) }
  if (claim.decision === 'busy') return { kind: 'busy' }
  const error = new ProtocolError('ERR_REQUEST_CONFLICT', 'The requestId is known, with another body.')
  return { kind: 'rejected', error }
}

async function runOnce<ExtInfo, Transaction>(
  accepted: Accepted<ExtInfo>,
  claimed: HeldClaim,
  settings: Settings<ExtInfo, Transaction>,
): Promise<Outcome> {
  let reply: SerializedResponse | undefined
  async function effect(transaction: Transaction): Promise<Completion> {
    const context = new Context(accepted, claimed.token, transaction)
    reply = successReply(assertOrderId(await settings.onOrder(accepted.order, context)))
    return toFinish(reply)
  }
  try {
    const { store } = settings
    const kept = store.finishInTransaction
      ? await store.finishInTransaction(claimed, effect)
      : await finish(claimed, await effect(undefined as Transaction), settings)
    return kept && reply !== undefined ? { kind: 'processed', reply } : { kind: 'fenced' }
  } catch (error) {
    // The effect has happened and could not be noted: the lease keeps the next delivery off for a while.
    if (reply !== undefined && !settings.store.finishInTransaction) return { kind: 'failed', error }
    // Also one that comes from the other build of this package.
    // One with a reply is a peer's refusal of what onOrder sent on: no decision about this order.
    if (!isOrderSyncError(error) || error.name !== 'RefusalError' || error.response)
      return await giveUp(claimed, error, settings)
    const refused = { kind: 'refused', reply: refusalReply(error), error } as const
    // "Try later" leaves the order as if it had not come; a final refusal is an answer to be kept.
    if (refused.reply.resultStatus === 'U') return await giveUp(claimed, error, settings, refused)
    return (await finish(claimed, toFinish(refused.reply), settings)) ? refused : { kind: 'fenced' }
  }
}

/**
 * What `onOrder` is told. A class for its getter, see docs/decisions/0012. It is the object's own, so that a copy has the
 * signal too.
 */
class Context<Transaction> implements OrderContext<Transaction> {
  readonly clientId: string
  readonly agentToken: string | undefined
  readonly encrypted: boolean
  readonly fencingToken: number
  readonly transaction: Transaction
  declare readonly signal: AbortSignal
  readonly #stop: Stop

  static readonly #signal = {
    enumerable: true,
    get(this: Context<unknown>) {
      return this.#stop.signal()
    },
  }

  constructor({ context, stop }: Accepted<unknown>, fencingToken: number, transaction: Transaction) {
    this.clientId = context.clientId
    this.agentToken = context.agentToken
    this.encrypted = context.encrypted
    this.fencingToken = fencingToken
    this.transaction = transaction
    this.#stop = stop
    Object.defineProperty(this, 'signal', Context.#signal)
  }
}

function toFinish({ text, resultStatus }: SerializedResponse): Completion {
  return { storedResponse: text, processed: resultStatus === 'S' }
}

function assertOrderId(result: { orderId: string }): string {
  const orderId: unknown = result?.orderId
  if (typeof orderId === 'string' && /^[\s\S]{1,64}$/u.test(orderId)) return orderId
  throw new ConfigurationError('ERR_ORDER_ID', '"onOrder" must return { orderId }, a string of 1 to 64 characters.')
}

async function giveUp<ExtInfo, Transaction>(
  claimed: HeldClaim,
  error: unknown,
  { store }: Settings<ExtInfo, Transaction>,
  outcome: Outcome = { kind: 'failed', error },
): Promise<Outcome> {
  // A release that fails is made up for by the end of the lease.
  await store.release(claimed).catch(() => false)
  return outcome
}

/** The merchant's code has had its effect: a store that stumbles is told again, for as long as the lease keeps others off. */
async function finish<ExtInfo, Transaction>(
  claimed: HeldClaim,
  end: Completion,
  { store, leaseMs }: Settings<ExtInfo, Transaction>,
): Promise<boolean> {
  const until = performance.now() + leaseMs
  for (let pause = 50; ; pause = Math.min(pause * 2, 1_000)) {
    try {
      return await store.finish(claimed, end)
    } catch (error) {
      if (performance.now() + pause >= until) throw error
    }
    await sleep(pause)
  }
}

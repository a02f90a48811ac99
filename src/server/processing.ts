import { setTimeout as sleep } from 'node:timers/promises'
import { RejectionError } from '../errors.ts'
import type { Order } from '../messages/order.ts'
import type { Reply } from '../messages/reply.ts'
import type { OrderContext, Settings } from './options.ts'
import { isRefusal, type Outcome, refusalReply, successReply } from './outcome.ts'
import type { Claim, Claimed, Delivery } from './store.ts'

/**
 * Takes an order that was accepted through claim, merchant's code and finish.
 * The claim comes before the code runs: two copies may arrive at the same instant.
 *
 * @see docs/protocol.md section 7
 */
export async function processOrder<ExtInfo>(
  order: Order<ExtInfo>,
  delivery: Delivery,
  context: Omit<OrderContext, 'fencingToken'>,
  settings: Settings<ExtInfo>,
): Promise<Outcome> {
  try {
    const claim = await claimOrWait(delivery, context.signal, settings)
    if (claim.decision !== 'process') return known(claim)
    const claimed = { delivery, token: claim.token }
    // The answer has been given while the store was thinking: nothing may start now.
    if (context.signal.aborted) return await giveUp(claimed, context.signal.reason, settings)
    return await runOnce(order, claimed, { ...context, fencingToken: claim.token }, settings)
  } catch (error) {
    return { kind: 'failed', error }
  }
}

async function claimOrWait<ExtInfo>(
  delivery: Delivery,
  signal: AbortSignal,
  { store, leaseMs, comparison, busyWaitMs }: Settings<ExtInfo>,
): Promise<Claim> {
  for (let waited = 0, pause = 25; ; pause *= 2) {
    signal.throwIfAborted()
    const claim = await store.claim(delivery, { leaseMs, comparison })
    const left = busyWaitMs - waited
    if (claim.decision !== 'busy' || left <= 0) return claim
    const delay = Math.min(pause, 250, left)
    await sleep(delay, undefined, { signal })
    waited += delay
  }
}

function known(claim: Exclude<Claim, { decision: 'process' }>): Outcome {
  if ('answer' in claim) return { kind: claim.decision, reply: JSON.parse(claim.answer) as Reply }
  if (claim.decision === 'busy') return { kind: 'busy' }
  const error = new RejectionError('ERR_REQUEST_CONFLICT', 'The requestId is known, with another body.')
  return { kind: 'rejected', error }
}

async function runOnce<ExtInfo>(
  order: Order<ExtInfo>,
  claimed: Claimed,
  context: OrderContext,
  settings: Settings<ExtInfo>,
): Promise<Outcome> {
  let reply: Reply
  try {
    reply = successReply(assertOrderId(await settings.onOrder(order, context)))
  } catch (error) {
    if (!isRefusal(error)) return await giveUp(claimed, error, settings)
    reply = refusalReply(error)
    const refused: Outcome = { kind: 'refused', reply, error }
    // "Try later" leaves the order as if it had not come; a final refusal is an answer to be kept.
    if (reply.result.resultStatus === 'U') return await giveUp(claimed, error, settings, refused)
    return (await finish(claimed, reply, settings)) ? refused : { kind: 'fenced' }
  }
  return (await finish(claimed, reply, settings)) ? { kind: 'processed', reply } : { kind: 'fenced' }
}

function assertOrderId(result: { orderId: string }): string {
  const orderId: unknown = result?.orderId
  if (typeof orderId === 'string' && /^[\s\S]{1,64}$/u.test(orderId)) return orderId
  throw new TypeError('"onOrder" must return { orderId }, a string of 1 to 64 characters')
}

async function giveUp<ExtInfo>(
  claimed: Claimed,
  error: unknown,
  { store }: Settings<ExtInfo>,
  outcome: Outcome = { kind: 'failed', error },
): Promise<Outcome> {
  // A release that fails is made up for by the end of the lease.
  await store.release(claimed).catch(() => false)
  return outcome
}

/** The merchant's code has had its effect: a store that stumbles gets two more chances to take note of it. */
async function finish<ExtInfo>(claimed: Claimed, reply: Reply, { store }: Settings<ExtInfo>): Promise<boolean> {
  const end = { answer: JSON.stringify(reply), processed: reply.result.resultStatus === 'S' }
  for (const pause of [50, 200]) {
    try {
      return await store.finish(claimed, end)
    } catch {
      await sleep(pause)
    }
  }
  return await store.finish(claimed, end)
}

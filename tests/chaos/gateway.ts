import { setTimeout as sleep } from 'node:timers/promises'
import { type ReceivedResponse, send } from '../support/http.ts'
import { merchantRsa } from '../support/keys.ts'
import { encryptedRequest, isSignedBy, messageOf, order, request, type TestRequest } from '../support/messages.ts'
import type { Random } from './random.ts'

/** One event of one order. */
export interface OrderEvent {
  readonly merchantBizNo: string
  readonly orderModifyTime: number
  readonly requestId: string
}

/** The gateway: delivers each event, also twice and out of order, until the merchant has accepted it. */
export interface ChaosGateway {
  /** Events that were sent. */
  readonly events: readonly OrderEvent[]
  /** Events that the merchant has not accepted yet. */
  readonly pending: ReadonlySet<OrderEvent>
  /** What a gateway must never see. */
  readonly violations: readonly string[]
  /** How many deliveries were sent. */
  readonly attempts: () => number
  /** Starts deliveries of new orders, until {@link stop}. */
  readonly run: () => Promise<void>
  /** Starts no more orders; what was started is still delivered. */
  readonly stop: () => void
  /** Gives up. */
  readonly abandon: () => void
}

const ORDERS_IN_FLIGHT = 12

/** A new connection for each delivery, and a limit on the wait. */
const limits = () => ({ agent: false, signal: AbortSignal.timeout(4_000) })

/** Creates a gateway that delivers to one of the merchant's ports. */
export function createChaosGateway(ports: () => readonly number[], random: Random): ChaosGateway {
  const events: OrderEvent[] = []
  const pending = new Set<OrderEvent>()
  const violations: string[] = []
  const run = `${process.pid}-${random.between(0, 1e9)}`
  let isStopped = false
  let isAbandoned = false
  let attempts = 0

  function createEvents(): OrderEvent[] {
    const merchantBizNo = `${run}-${events.length}`
    const now = Date.now()
    return Array.from({ length: random.between(1, 4) }, (_, step) => ({
      merchantBizNo,
      orderModifyTime: now - 10_000 + step,
      requestId: `${merchantBizNo}-${step}`,
    }))
  }

  function secure({ merchantBizNo, orderModifyTime, requestId }: OrderEvent): TestRequest {
    const message = order({ merchantBizNo, orderModifyTime, requestId, orderCreateTime: orderModifyTime - 60_000 })
    const secureMessage = random.next() < 0.5 ? encryptedRequest : request
    return secureMessage({ message, time: new Date().toISOString() })
  }

  /** Delivers an event until it is accepted, as a gateway does: each time signed anew, or with the same bytes. */
  async function deliver(event: OrderEvent): Promise<void> {
    let message = secure(event)
    for (let tries = 0; !isAbandoned; tries++) {
      attempts++
      const response = await send(random.pick(ports()), message, limits()).catch(() => undefined)
      if (response !== undefined && isAccepted(event, response)) return
      await sleep(random.between(20, Math.min(50 * 2 ** tries, 400)))
      if (random.next() < 0.8) message = secure(event)
    }
  }

  function isAccepted(event: OrderEvent, response: ReceivedResponse): boolean {
    // A request that could not be verified gets an unsigned response: deliver it again.
    if (response.status !== 200) return false
    if (!isSignedBy(response, merchantRsa().publicKey)) {
      violations.push(`${event.requestId}: a response with HTTP 200 was not signed`)
      return false
    }
    const { result } = messageOf(response) as { result: { resultCode: string; resultStatus: string } }
    if (result.resultStatus === 'F') violations.push(`${event.requestId}: refused with ${result.resultCode}`)
    return result.resultStatus === 'S'
  }

  async function deliverOrder(): Promise<void> {
    const ofOrder = createEvents()
    events.push(...ofOrder)
    for (const event of ofOrder) pending.add(event)
    const copies = ofOrder.flatMap((event) => Array.from({ length: random.between(1, 3) }, () => event))
    await Promise.all(
      random.shuffle(copies).map(async (event) => {
        await sleep(random.between(0, 300))
        await deliver(event)
        if (!isAbandoned) pending.delete(event)
      }),
    )
  }

  return {
    events,
    pending,
    violations,
    attempts: () => attempts,
    async run() {
      await Promise.all(
        Array.from({ length: ORDERS_IN_FLIGHT }, async () => {
          while (!isStopped) await deliverOrder()
        }),
      )
    },
    stop() {
      isStopped = true
    },
    abandon() {
      isStopped = true
      isAbandoned = true
    },
  }
}

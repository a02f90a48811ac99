import { setTimeout as sleep } from 'node:timers/promises'
import type { OrderEvent } from '../chaos/gateway.ts'
import type { Random } from '../chaos/random.ts'
import { type ReceivedResponse, send } from '../support/http.ts'
import { isSignedBy, messageOf, order, type Received, request, type TestRequest } from '../support/messages.ts'
import type { SoakKeys } from './keys.ts'

/** The gateway: starts orders at a rate, whatever the merchant does, and delivers each event until the merchant has accepted it. */
export interface SoakGateway {
  readonly events: readonly OrderEvent[]
  /** Events that the merchant has not accepted yet. */
  readonly pending: ReadonlySet<OrderEvent>
  readonly violations: readonly string[]
  readonly counts: Readonly<Counts>
  /** Connections to this port that were refused or reset. */
  readonly brokenConnections: (port: number) => number
  /** Resolves when every order that was started before {@link stop} is accepted. */
  readonly run: () => Promise<void>
  readonly stop: () => void
  readonly abandon: () => void
}

interface Counts {
  deliveries: number
  accepted: number
  /** Orders that were not started, because {@link MAX_ORDERS_IN_FLIGHT} were waiting. */
  skipped: number
}

/** How long a delivery waits for its response, in milliseconds. */
export const DELIVERY_LIMIT_MS = 4_000
const MAX_ORDERS_IN_FLIGHT = 300

/** Creates a gateway that starts `rate` orders a second, each of one to three events. */
export function createSoakGateway(
  ports: () => readonly number[],
  keys: SoakKeys,
  { rate, random }: { readonly rate: number; readonly random: Random },
): SoakGateway {
  const events: OrderEvent[] = []
  const pending = new Set<OrderEvent>()
  const violations: string[] = []
  const counts: Counts = { deliveries: 0, accepted: 0, skipped: 0 }
  const broken = new Map<number, number>()
  const inFlight = new Set<Promise<void>>()
  const run = `soak-${random.between(0, 1e9)}`
  let isStopped = false
  let isAbandoned = false

  function secure({ merchantBizNo, orderModifyTime, requestId }: OrderEvent): TestRequest {
    const { version, signWith, encryptTo } = keys.current()
    const message = order({ merchantBizNo, orderModifyTime, requestId, orderCreateTime: orderModifyTime - 60_000 })
    return request({
      ...{ message, time: new Date().toISOString(), key: signWith, keyVersion: version },
      ...(random.next() < 0.5 && { encryptTo, encryptKeyVersion: version }),
    })
  }

  async function deliver(event: OrderEvent): Promise<void> {
    let version = keys.current().version
    let message = secure(event)
    for (let tries = 0; !isAbandoned; tries++) {
      const port = random.pick(ports())
      counts.deliveries++
      const response = await send(port, message, {
        agent: false,
        signal: AbortSignal.timeout(DELIVERY_LIMIT_MS),
      }).catch((error: Error) => {
        if (error.name !== 'AbortError' && error.name !== 'TimeoutError') broken.set(port, (broken.get(port) ?? 0) + 1)
      })
      if (response !== undefined && isAccepted(event, response)) return void counts.accepted++
      await sleep(random.between(50, Math.min(100 * 2 ** tries, 2_000)))
      // Each time signed anew, or the same bytes, but never with a key that is rotated away.
      if (random.next() < 0.8 || version !== keys.current().version) {
        version = keys.current().version
        message = secure(event)
      }
    }
  }

  function isAccepted({ requestId }: OrderEvent, response: ReceivedResponse): boolean {
    // A request that could not be verified gets an unsigned response: deliver it again.
    if (response.status !== 200) return false
    const signed = keys.merchantPublicKey(versionIn(response, 'signature'))
    const decryptsWith = keys.gatewayPrivateKey(versionIn(response, 'encrypt'))
    if (signed === undefined || !isSignedBy(response, signed)) {
      violations.push(`${requestId}: a response with HTTP 200 was not signed by a known key`)
      return false
    }
    const { result } = messageOf(response, decryptsWith) as { result: { resultCode: string; resultStatus: string } }
    if (result.resultStatus === 'F') violations.push(`${requestId}: refused with ${result.resultCode}`)
    return result.resultStatus === 'S'
  }

  async function deliverOrder(): Promise<void> {
    const merchantBizNo = `${run}-${events.length}`
    const now = Date.now()
    const ofOrder = Array.from({ length: random.between(1, 3) }, (_, step) => ({
      merchantBizNo,
      orderModifyTime: now - 10_000 + step,
      requestId: `${merchantBizNo}-${step}`,
    }))
    events.push(...ofOrder)
    for (const event of ofOrder) pending.add(event)
    const copies = ofOrder.flatMap((event) => Array.from({ length: random.between(1, 2) }, () => event))
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
    counts,
    brokenConnections: (port) => broken.get(port) ?? 0,
    async run() {
      while (!isStopped) {
        if (inFlight.size < MAX_ORDERS_IN_FLIGHT) {
          const delivering = deliverOrder()
          inFlight.add(delivering)
          const forget = () => void inFlight.delete(delivering)
          delivering.then(forget, (error: unknown) => {
            forget()
            violations.push(`The gateway failed: ${error}`)
          })
        } else counts.skipped++
        await sleep(random.between(0, 2_000 / rate))
      }
      await Promise.allSettled(inFlight)
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

/** The key version that a header names, or an empty text. */
export function versionIn({ headers }: Received, name: 'signature' | 'encrypt'): string {
  const value = Object.entries(headers).find(([header]) => header.toLowerCase() === name)?.[1] ?? ''
  return /keyVersion=([^,]+)/.exec(value)?.[1] ?? ''
}

/**
 * One of several processes that deliver the same events to the same store: shuffled, duplicated, and some with a changed
 * body under a known requestId. It appends each effect to a file that all share, and prints how often it got each result.
 *
 * Arguments: place, file of effects, number of this process, the gateway's and the merchant's private keys as PEM files,
 * events of each order.
 */
import { createPrivateKey, createPublicKey } from 'node:crypto'
import { appendFileSync, readFileSync } from 'node:fs'
import { createOrderSyncHandler } from '../../src/server/handler.ts'
import { CLIENT_ID, order, request } from '../support/messages.ts'
import { openPlace, type Place } from '../support/stores.ts'

const [place = '', effects = '', worker = '0', gatewayPem = '', merchantPem = '', events = ''] = process.argv.slice(2)
const gatewayKey = createPrivateKey(readFileSync(gatewayPem))
const merchantKey = createPrivateKey(readFileSync(merchantPem))

const ORDERS = 100
const EVENTS = Number(events)
/** Requests about the same event. */
const REQUESTS = 2
/** After every so many deliveries, one is repeated with a changed body. */
const CHANGED = 20

const { store, close } = await openPlace(place as Place)
const handler = createOrderSyncHandler({
  credentials: {
    clientId: CLIENT_ID,
    privateKeys: { 1: merchantKey },
    peerPublicKeys: { 1: createPublicKey(gatewayKey) },
  },
  store,
  busyWaitMs: 500,
  async onOrder({ merchantBizNo, orderModifyTime, orderStatus }) {
    // Let other deliveries run in between.
    await new Promise((resolve) => setImmediate(resolve))
    appendFileSync(effects, `${JSON.stringify({ merchantBizNo, orderModifyTime, orderStatus })}\n`)
    return { orderId: `${merchantBizNo}@${orderModifyTime}` }
  },
})

interface Planned {
  readonly number: number
  readonly event: number
  readonly copy: number
}

const plan: Planned[] = []
for (let number = 0; number < ORDERS; number++) {
  for (let event = 1; event <= EVENTS; event++) {
    for (let copy = 0; copy < REQUESTS; copy++) plan.push({ number, event, copy })
  }
}
shuffle(plan, Number(worker) + 1)

const counts: Record<string, number> = {}
let next = 0
let unexpected = 0
await Promise.all(Array.from({ length: 8 }, work))
await close()
console.log(JSON.stringify({ deliveries: plan.length, counts, unexpected }))

async function work(): Promise<void> {
  for (let index = next++; index < plan.length; index = next++) {
    const planned = plan[index]
    if (planned === undefined) break
    const code = await deliver(planned, 'ORIGINAL')
    if (code !== 'SUCCESS') unexpected++
    if (index % CHANGED === 0 && (await deliver(planned, 'CHANGED')) !== 'REPEAT_REQ_INCONSISTENT') unexpected++
  }
}

/** Retries as a gateway does, while the result is UNKNOWN_EXCEPTION. */
async function deliver({ number, event, copy }: Planned, orderStatus: string): Promise<string> {
  const message = order({
    requestId: `${number}-${event}-${copy}`,
    merchantBizNo: `order-${number}`,
    orderModifyTime: event,
    orderStatus,
  })
  for (;;) {
    const { body } = await handler(request({ message, key: gatewayKey, time: new Date().toISOString() }))
    const { resultCode } = JSON.parse(Buffer.from(body).toString()).result as { resultCode: string }
    counts[resultCode] = (counts[resultCode] ?? 0) + 1
    if (resultCode !== 'UNKNOWN_EXCEPTION') return resultCode
  }
}

/** Fisher-Yates with a seeded generator: a different order in each process, the same in each run. */
function shuffle(items: unknown[], seed: number): void {
  let state = seed
  for (let index = items.length - 1; index > 0; index--) {
    state = (state * 1_103_515_245 + 12_345) % 2 ** 31
    const other = state % (index + 1)
    ;[items[index], items[other]] = [items[other], items[index]]
  }
}

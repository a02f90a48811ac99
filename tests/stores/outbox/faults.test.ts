import { beforeEach, describe, expect, inject, onTestFinished, test } from 'vitest'
import { DeliveryError, type OrderInput, type SyncResult } from '../../../src/public/index.ts'
import { createOutbox, type OutboxEvent, type OutboxOptions } from '../../../src/public/outbox.ts'
import { createTestOrder } from '../../../src/public/testing.ts'
import { OUTBOX_KINDS, type OutboxKind, openOutbox } from '../../support/outbox.ts'
import { betterSqliteWorks, makePlace } from '../../support/stores.ts'

const URLS: Readonly<Record<OutboxKind, string | undefined>> = {
  'better-sqlite3': betterSqliteWorks() ? 'file' : undefined,
  postgres: inject('postgresUrl'),
  mysql: inject('mysqlUrl'),
}
const BASE = Date.now() - 3_600_000

/** An event of an order. Of two events of one order, the one with the greater version is newer. */
const event = (merchantBizNo: string, version = 0): OrderInput =>
  createTestOrder({ merchantBizNo, orderCreateTime: BASE, orderModifyTime: BASE + version })

const noResponse = () => {
  throw new DeliveryError('ERR_NETWORK', 'no response', { requestId: 'r' })
}

const result = { resultCode: 'SUCCESS', resultStatus: 'S' } as const

/** A client that remembers what it sent. */
function createClient(respond: (order: OrderInput) => unknown = () => undefined) {
  const sent: OrderInput[] = []
  const syncOrder = async (order: OrderInput): Promise<SyncResult> => {
    sent.push(order)
    await respond(order)
    return { orderId: 'A', requestId: order.requestId ?? '', attempts: 1, tracerId: undefined, response: { result } }
  }
  return { sent, client: { syncOrder } }
}

describe.for(OUTBOX_KINDS)('outbox in %s', (kind) => {
  const url = URLS[kind]

  beforeEach((context) => {
    if (url === undefined) context.skip()
  })

  async function open() {
    const { place, remove } = await makePlace(kind, url ?? '')
    const opened = await openOutbox(place)
    onTestFinished(async () => {
      await opened.close()
      await remove()
    })
    const create = (options: Partial<OutboxOptions> = {}) => {
      const happened: OutboxEvent[] = []
      const { client, sent } = createClient()
      const onEvent = (one: OutboxEvent) => void happened.push(one)
      const outbox = createOutbox({ store: opened.store, client, onEvent, random: () => 0.999, ...options })
      return { outbox, happened, sent }
    }
    return { ...opened, create }
  }

  test('records an attempt whose next retry is at the end of maxRetryMs', async () => {
    const { create } = await open()
    const { outbox, happened } = create({ client: createClient(noResponse).client, maxRetryMs: 900 })
    await outbox.enqueue(event('A'))
    expect(await outbox.drain()).toMatchObject({ retried: 1 })
    expect(happened).toMatchObject([{ kind: 'retry', delayMs: expect.toSatisfy(Number.isInteger) }])
    expect(await outbox.stats()).toMatchObject({ waiting: 1, inFlight: 0 })
  })

  test.for([1e8 / 3, Number.MAX_VALUE])('accepts %s as maxRetryMs and keepSentMs', async (ms) => {
    const { create } = await open()
    const { outbox } = create({ maxRetryMs: ms, keepSentMs: ms, leaseMs: 1e5 / 3 })
    await outbox.enqueue(event('A'))
    expect(await outbox.drain()).toMatchObject({ sent: 1 })
    expect(await outbox.prune()).toBe(0)
  })
})

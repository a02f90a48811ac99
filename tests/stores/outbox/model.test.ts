import fc from 'fast-check'
import { describe, expect, inject, test } from 'vitest'
import { DeliveryError, type OrderInput, OrderRefusedError } from '../../../src/public/index.ts'
import { createOutbox, type Outbox, type OutboxPolicy } from '../../../src/public/outbox.ts'
import { createTestOrder } from '../../../src/public/testing.ts'
import { letTimePass, type OpenedOutbox, OUTBOX_KINDS, openOutbox } from '../../support/outbox.ts'
import { betterSqliteWorks, makePlace } from '../../support/stores.ts'

const URLS = {
  'better-sqlite3': betterSqliteWorks() ? 'file' : undefined,
  postgres: inject('postgresUrl'),
  mysql: inject('mysqlUrl'),
}
const RUNS = Number(process.env['OUTBOX_MODEL_RUNS'] ?? 8)
const BASE = Date.now() - 86_400_000
const LEASE_MS = 120_000
const RETRY_MS = 1_000

type Answer = 'success' | 'unknown' | 'refused'

interface ModelEvent {
  readonly requestId: string
  readonly time: number
  readonly place: number
  state: 'waiting' | 'sent' | 'failed' | 'dropped'
  dueAt: number
}

/** What the outbox should do, in a few lines: without a database, without leases. */
class Model {
  now = 0
  places = 0
  readonly orders = new Map<string, { events: ModelEvent[]; sentTime: number; leasedUntil: number }>()
  readonly policy: OutboxPolicy
  constructor(policy: OutboxPolicy) {
    this.policy = policy
  }

  enqueue(no: string, time: number, requestId: string): void {
    const order = this.orders.get(no) ?? { events: [], sentTime: Number.NEGATIVE_INFINITY, leasedUntil: 0 }
    this.orders.set(no, order)
    order.events.push({ requestId, time, place: this.places++, state: 'waiting', dueAt: this.now })
  }

  /** The requestIds that one pass sends, until nothing is due. `kill` leaves the first order leased. */
  pass(answer: Answer): string[] {
    const sent: string[] = []
    for (const order of this.orders.values()) {
      for (;;) {
        if (order.leasedUntil > this.now) break
        const event = this.next(order)
        if (event === undefined) break
        sent.push(event.requestId)
        if (answer === 'success') {
          event.state = 'sent'
          order.sentTime = Math.max(order.sentTime, event.time)
        } else if (answer === 'refused') event.state = 'failed'
        else event.dueAt = this.now + RETRY_MS
      }
    }
    return sent
  }

  next(order: { events: ModelEvent[]; sentTime: number }): ModelEvent | undefined {
    for (;;) {
      const waiting = order.events
        .filter(({ state }) => state === 'waiting')
        .sort((a, b) => a.time - b.time || a.place - b.place)
      const event = this.policy === 'latest' ? waiting.at(-1) : waiting[0]
      if (event === undefined) return undefined
      if (this.policy === 'latest') for (const other of waiting) if (other !== event) other.state = 'dropped'
      if (event.dueAt > this.now) return undefined
      if (event.time >= order.sentTime) return event
      for (const other of waiting) if (other.time < order.sentTime) other.state = 'dropped'
    }
  }

  count(state: ModelEvent['state']): number {
    return [...this.orders.values()].flatMap(({ events }) => events).filter((event) => event.state === state).length
  }
}

interface Real extends OpenedOutbox {
  readonly outbox: Outbox
  readonly sent: string[]
  answer: Answer
}

type Step = fc.AsyncCommand<Model, Real>

const step = (text: string, run: (model: Model, real: Real) => Promise<void>): Step => ({
  check: () => true,
  run,
  toString: () => text,
})

let requests = 0

const enqueue = (no: string, version: number, isCommitted: boolean): Step =>
  step(`enqueue ${no} v${version}${isCommitted ? '' : ', rolled back'}`, async (model, { outbox, inTransaction }) => {
    const requestId = `m-${++requests}`
    const time = BASE + version * 1_000
    const order = createTestOrder({ merchantBizNo: no, requestId, orderCreateTime: BASE, orderModifyTime: time })
    await inTransaction(async (transaction) => {
      await outbox.enqueue(order, { transaction })
      if (!isCommitted) throw new Error('rolled back')
    }).catch((error: Error) => expect(error.message).toBe('rolled back'))
    if (isCommitted) model.enqueue(no, time, requestId)
  })

const drain = (answer: Answer): Step =>
  step(`drain: ${answer}`, async (model, real) => {
    real.answer = answer
    real.sent.length = 0
    const expected = model.pass(answer)
    await real.outbox.drain({ concurrency: 4 })
    expect([...real.sent].sort()).toEqual([...expected].sort())
    const { waiting, failed } = await real.outbox.stats()
    expect({ waiting, failed }).toEqual({ waiting: model.count('waiting'), failed: model.count('failed') })
  })

/** A worker that claims everything and dies. */
const crash = step('crash of a worker', async (model, { store }) => {
  const { events } = await store.claim({ limit: 100, leaseMs: LEASE_MS, policy: model.policy, keepSentMs: 86_400_000 })
  const claimed = events.map(({ requestId }) => requestId)
  const expected: string[] = []
  for (const order of model.orders.values()) {
    if (order.leasedUntil > model.now) continue
    const event = model.next(order)
    if (event === undefined) continue
    expected.push(event.requestId)
    order.leasedUntil = model.now + LEASE_MS
  }
  expect([...claimed].sort()).toEqual([...expected].sort())
})

const pass = (ms: number): Step =>
  step(`${ms} ms pass`, async (model, real) => {
    model.now += ms
    await letTimePass(real, ms)
  })

const retryFailed = step('retry what failed', async (model, { outbox }) => {
  for (const { id } of await outbox.failed()) expect(await outbox.retry(id)).toBe(true)
  for (const { events } of model.orders.values()) {
    for (const event of events) {
      if (event.state === 'failed') Object.assign(event, { state: 'waiting', dueAt: model.now })
    }
  }
})

const no = fc.constantFrom('A', 'B', 'C')
const steps = [
  fc.tuple(no, fc.nat(6), fc.boolean()).map((args) => enqueue(...args)),
  fc.tuple(no, fc.nat(6)).map(([name, version]) => enqueue(name, version, true)),
  fc.constantFrom<Answer>('success', 'unknown', 'refused').map(drain),
  fc.constantFrom(10_000, LEASE_MS + 10_000).map(pass),
  fc.constant(crash),
  fc.constant(retryFailed),
]

describe.for(OUTBOX_KINDS)('outbox in %s', (kind) => {
  test.runIf(URLS[kind]).for(['latest', 'every'] as const)(
    'behaves as the model, %s',
    { timeout: 120_000 },
    async (policy) => {
      const property = fc.asyncProperty(fc.commands(steps, { maxCommands: 25 }), async (commands) => {
        const { place, remove } = await makePlace(kind, URLS[kind] ?? '')
        const opened = await openOutbox(place)
        try {
          await fc.asyncModelRun(() => ({ model: new Model(policy), real: realOf(opened, policy) }), commands)
        } finally {
          await opened.close()
          await remove()
        }
      })
      await fc.assert(property, { numRuns: RUNS })
    },
  )
})

function realOf(opened: OpenedOutbox, policy: OutboxPolicy): Real {
  const sent: string[] = []
  const client = {
    async syncOrder({ requestId = '' }: OrderInput) {
      sent.push(requestId)
      if (real.answer === 'unknown') throw new DeliveryError('ERR_NETWORK', 'lost', { requestId })
      if (real.answer === 'refused') throw new OrderRefusedError('PROCESS_FAIL')
      const result = { resultCode: 'SUCCESS', resultStatus: 'S' } as const
      return { orderId: 'A', requestId, attempts: 1, tracerId: undefined, response: { result } }
    },
  }
  const outbox = createOutbox({
    ...{ store: opened.store, client, policy, leaseMs: LEASE_MS, onEvent: () => {} },
    ...{ baseDelayMs: RETRY_MS, maxDelayMs: RETRY_MS, maxRetryMs: 1e12, random: () => 0.9999 },
  })
  const real: Real = { ...opened, outbox, sent, answer: 'success' }
  return real
}

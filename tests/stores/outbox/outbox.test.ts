import { inspect } from 'node:util'
import { beforeEach, describe, expect, inject, onTestFinished, test, vi } from 'vitest'
import {
  createOrderSyncClient,
  DeliveryError,
  type OrderInput,
  OrderRefusedError,
  type SyncResult,
} from '../../../src/public/index.ts'
import { createOutbox, type OutboxEvent, type OutboxOptions } from '../../../src/public/outbox.ts'
import { createTestCredentials, createTestOrder, createTestReceiver } from '../../../src/public/testing.ts'
import { deferred } from '../../support/deferred.ts'
import { letTimePass, type OpenedOutbox, OUTBOX_KINDS, type OutboxKind, openOutbox } from '../../support/outbox.ts'
import { betterSqliteWorks, makePlace } from '../../support/stores.ts'
import { rejectionOf } from '../../support/thrown.ts'

const URLS: Readonly<Record<OutboxKind, string | undefined>> = {
  'better-sqlite3': betterSqliteWorks() ? 'file' : undefined,
  postgres: inject('postgresUrl'),
  mysql: inject('mysqlUrl'),
}
const HOUR = 3_600_000
const NOW = Date.now()

/** A client that responds as it is told, and remembers what it sent. */
function fakeClient(respond: (order: OrderInput, attempt: number) => unknown = () => undefined) {
  const sent: OrderInput[] = []
  return {
    sent,
    client: {
      async syncOrder(order: OrderInput): Promise<SyncResult> {
        sent.push(order)
        await respond(order, sent.length)
        const result = { resultCode: 'SUCCESS', resultStatus: 'S' } as const
        return {
          orderId: 'A',
          requestId: order.requestId ?? '',
          attempts: 1,
          tracerId: undefined,
          response: { result },
        }
      },
    },
  }
}

const unknown = () => {
  throw new DeliveryError('ERR_NETWORK', 'no response', { requestId: 'r' })
}

describe.for(OUTBOX_KINDS)('outbox in %s', (kind) => {
  const url = URLS[kind]

  /** Opens a new outbox with its own tables. */
  async function open(
    options: Partial<OutboxOptions> = {},
    { notify = false } = {},
  ): Promise<OpenedOutbox & ReturnType<typeof start>> {
    const { place, remove } = await makePlace(kind, url ?? '')
    const opened = await openOutbox(place, { notify })
    onTestFinished(async () => {
      await opened.close()
      await remove()
    })
    return { ...opened, ...start(opened, options) }
  }

  function start({ store }: OpenedOutbox, options: Partial<OutboxOptions>) {
    const events: OutboxEvent[] = []
    const fake = fakeClient()
    const outbox = createOutbox({
      store,
      client: fake.client,
      onEvent: (event) => events.push(event),
      random: () => 0.999,
      ...options,
    })
    return { outbox, events, sent: fake.sent }
  }

  const event = (no: string, minute: number, more: Partial<OrderInput> = {}) =>
    createTestOrder({
      merchantBizNo: no,
      orderCreateTime: NOW - HOUR,
      orderModifyTime: NOW - HOUR + minute * 60_000,
      ...more,
    })

  beforeEach((context) => {
    if (url === undefined) context.skip()
  })

  test('sends an event after the commit of its transaction, and not after a rollback', async () => {
    const { outbox, inTransaction, rows, sent, events } = await open()
    const order = event('A', 0)
    await inTransaction(async (transaction, run) => {
      await run(`INSERT INTO shop VALUES ('A')`)
      expect(await outbox.enqueue(order, { transaction })).toEqual({ requestId: order.requestId })
    })
    const rolledBack = inTransaction(async (transaction, run) => {
      await run(`INSERT INTO shop VALUES ('B')`)
      await outbox.enqueue(event('B', 0), { transaction })
      throw new Error('the merchant changes its mind')
    })
    await expect(rolledBack).rejects.toThrow('changes its mind')
    expect(await rows('SELECT no FROM shop')).toEqual([{ no: 'A' }])
    expect(await outbox.stats()).toMatchObject({ waiting: 1, inFlight: 0, failed: 0 })
    expect(await outbox.drain()).toEqual({ sent: 1, retried: 0, failed: 0, dropped: 0 })
    expect(sent).toEqual([order])
    expect(events).toMatchObject([{ kind: 'sent', requestId: order.requestId, attempts: 1, code: 'SUCCESS' }])
    expect(await outbox.stats()).toEqual({ waiting: 0, inFlight: 0, failed: 0 })
    expect(await outbox.drain()).toMatchObject({ sent: 0 })
  })

  test('sends an event once that is enqueued twice with one requestId', async () => {
    const { outbox, sent } = await open()
    const order = event('A', 0, { requestId: '0000001' })
    await outbox.enqueue(order)
    await outbox.enqueue(order)
    await outbox.drain()
    expect(sent.map(({ requestId }) => requestId)).toEqual(['0000001'])
  })

  test('keeps an event with the requestId of another order, time or tenant', async () => {
    const { outbox, sent } = await open({ policy: 'every' })
    const requestId = '0000001'
    const orders = [event('A', 0, { requestId }), event('A', 1, { requestId }), event('B', 0, { requestId })]
    for (const order of [...orders, ...orders]) await outbox.enqueue(order)
    await outbox.enqueue(event('A', 0, { requestId }), { tenant: 'shop-2' })
    expect(await outbox.drain()).toMatchObject({ sent: 4 })
    expect(sent.map(({ merchantBizNo }) => merchantBizNo).sort()).toEqual(['A', 'A', 'A', 'B'])
  })

  test('latest: sends the newest of several waiting events, and skips the others', async () => {
    const { outbox, sent, events } = await open()
    const [old, newest, middle] = [event('A', 0), event('A', 2), event('A', 1)]
    const other = event('B', 0)
    await outbox.enqueueAll([old, newest, middle, other])
    expect(await outbox.drain()).toEqual({ sent: 2, retried: 0, failed: 0, dropped: 2 })
    expect(sent).toHaveLength(2)
    expect(sent).toEqual(expect.arrayContaining([newest, other]))
    const skipped = events.filter(({ kind }) => kind === 'skipped')
    expect(skipped.map((one) => 'requestId' in one && one.requestId).sort()).toEqual(
      [old.requestId, middle.requestId].sort(),
    )
  })

  test('every: sends all events one after the other, sorted by orderModifyTime', async () => {
    const { outbox, sent } = await open({ policy: 'every' })
    const minutes = [2, 0, 3, 1]
    await outbox.enqueueAll(minutes.map((minute) => event('A', minute)))
    expect(await outbox.drain()).toMatchObject({ sent: 4, dropped: 0 })
    const times = sent.map(({ orderModifyTime }) => orderModifyTime)
    expect(times).toEqual([...times].sort())
  })

  test.for(['latest', 'every'] as const)('%s: drops an event that is older than a sent one', async (policy) => {
    const { outbox, sent, events } = await open({ policy })
    await outbox.enqueue(event('A', 1))
    await outbox.drain()
    const stale = event('A', 0)
    await outbox.enqueue(stale)
    expect(await outbox.drain()).toMatchObject({ sent: 0, dropped: 1 })
    expect(sent).toHaveLength(1)
    expect(events.at(-1)).toMatchObject({ kind: 'stale', requestId: stale.requestId })
    await outbox.enqueue(event('A', 2))
    expect(await outbox.drain()).toMatchObject({ sent: 1 })
  })

  test('retries an unknown outcome with the same requestId, after growing delays', async () => {
    const fake = fakeClient((_, attempt) => attempt < 3 && unknown())
    const { outbox, events, ...opened } = await open({ client: fake.client })
    await outbox.enqueue(event('A', 0))
    expect(await outbox.drain()).toMatchObject({ retried: 1, sent: 0 })
    expect(await outbox.drain()).toMatchObject({ retried: 0, sent: 0 })
    await letTimePass(opened, 1_000)
    expect(await outbox.drain()).toMatchObject({ retried: 1 })
    await letTimePass(opened, 1_000)
    expect(await outbox.drain()).toMatchObject({ retried: 0, sent: 0 })
    await letTimePass(opened, 1_000)
    expect(await outbox.drain()).toMatchObject({ sent: 1 })
    expect(new Set(fake.sent.map(({ requestId }) => requestId)).size).toBe(1)
    expect(events).toMatchObject([
      { kind: 'retry', code: 'ERR_NETWORK', message: 'no response', attempts: 1, delayMs: 999 },
      { kind: 'retry', attempts: 2, delayMs: 1_998 },
      { kind: 'sent', attempts: 3 },
    ])
  })

  test('latest: a newer event does not wait for the retry of an older one', async () => {
    const fake = fakeClient((_, attempt) => attempt === 1 && unknown())
    const { outbox, events } = await open({ client: fake.client })
    await outbox.enqueue(event('A', 0))
    await outbox.drain()
    await outbox.enqueue(event('A', 1))
    expect(await outbox.drain()).toMatchObject({ sent: 1, dropped: 1 })
    expect(events.map(({ kind }) => kind)).toEqual(['retry', 'skipped', 'sent'])
  })

  test('every: a newer event waits for the retry of an older one', async () => {
    const fake = fakeClient((_, attempt) => attempt === 1 && unknown())
    const { outbox, ...opened } = await open({ client: fake.client, policy: 'every', baseDelayMs: 600_000 })
    await outbox.enqueue(event('A', 0))
    await outbox.drain()
    await outbox.enqueue(event('A', 1))
    expect(await outbox.drain()).toMatchObject({ sent: 0 })
    await letTimePass(opened, 600_000)
    expect(await outbox.drain()).toMatchObject({ sent: 2 })
  })

  test('marks an event as failed after maxRetryMs, and can retry or discard it', async () => {
    const fake = fakeClient((_, attempt) => attempt <= 2 && unknown())
    const { outbox, events, ...opened } = await open({ client: fake.client, maxRetryMs: 5_000 })
    const order = event('A', 0)
    await outbox.enqueue(order)
    await outbox.drain()
    await letTimePass(opened, 6_000)
    expect(await outbox.drain()).toMatchObject({ failed: 1 })
    expect(events.at(-1)).toMatchObject({ kind: 'failed', code: 'ERR_NETWORK', attempts: 2 })
    const [failure, ...none] = await outbox.failed()
    expect(none).toEqual([])
    expect(failure).toMatchObject({ requestId: order.requestId, code: 'ERR_NETWORK', attempts: 2 })
    expect(failure?.order).toEqual(order)
    expect(inspect(failure)).not.toContain(order.tradeNo)
    expect(JSON.stringify(failure)).not.toContain(order.tradeNo)
    expect(await outbox.retry('999999')).toBe(false)
    expect(await outbox.retry(failure?.id ?? '')).toBe(true)
    expect(await outbox.retry(failure?.id ?? '')).toBe(false)
    expect(await outbox.drain()).toMatchObject({ sent: 1 })
    expect(new Set(fake.sent.map(({ requestId }) => requestId)).size).toBe(1)
  })

  test('marks a refused event as failed at once, with the code of the peer, and sends later events', async () => {
    const fake = fakeClient((_, attempt) => {
      if (attempt === 1) throw new OrderRefusedError('PROCESS_FAIL', 'Sold out')
    })
    const { outbox, events } = await open({ client: fake.client, policy: 'every' })
    await outbox.enqueueAll([event('A', 0), event('A', 1)])
    expect(await outbox.drain()).toMatchObject({ failed: 1, sent: 1 })
    expect(events[0]).toMatchObject({ kind: 'failed', code: 'PROCESS_FAIL' })
    const [failure] = await outbox.failed()
    expect(await outbox.discard(failure?.id ?? '')).toBe(true)
    expect(await outbox.discard(failure?.id ?? '')).toBe(false)
    expect(await outbox.failed()).toEqual([])
  })

  test('two workers never send one order at once; after the lease another worker sends it, and the first is fenced', async () => {
    let release: () => void = () => {}
    const slow = fakeClient((_, attempt) =>
      attempt === 1 ? new Promise<void>((resolve) => (release = resolve)) : undefined,
    )
    const { outbox, events, ...opened } = await open({ client: slow.client })
    await outbox.enqueue(event('A', 0))
    const first = outbox.drain()
    await vi.waitFor(() => expect(slow.sent).toHaveLength(1), { timeout: 10_000 })
    const other = createOutbox({ store: opened.store, client: slow.client, onEvent: () => {} })
    expect(await other.drain()).toMatchObject({ sent: 0 })
    expect(await other.stats()).toMatchObject({ waiting: 1, inFlight: 1 })
    await letTimePass(opened, 121_000)
    expect(await other.drain()).toMatchObject({ sent: 1 })
    release()
    expect(await first).toMatchObject({ sent: 0 })
    expect(events).toMatchObject([{ kind: 'fenced' }])
    expect(slow.sent[0]?.requestId).toBe(slow.sent[1]?.requestId)
  })

  test('aborts a send that takes too long before the lease expires', async () => {
    const hanging = {
      syncOrder: (_: OrderInput, { signal }: { signal?: AbortSignal | undefined } = {}) =>
        new Promise<never>((_, reject) => signal?.addEventListener('abort', () => reject(signal.reason))),
    }
    const { outbox, events } = await open({ client: hanging, leaseMs: 5_000, baseDelayMs: HOUR })
    await outbox.enqueue(event('A', 0))
    expect(await outbox.drain()).toMatchObject({ retried: 1 })
    expect(events).toMatchObject([{ kind: 'retry', code: 'TimeoutError' }])
  })

  test('encryptAtRest: encrypts orders in the database, supports key rotation, and does not send a changed row', async () => {
    const [first, second] = [Buffer.alloc(32, 1), Buffer.alloc(32, 2)]
    const { outbox, rows, sent, store, events } = await open({ encryptAtRest: first })
    const order = event('SECRET-NUMBER', 0)
    await outbox.enqueue(order)
    const [row] = await rows('SELECT payload FROM order_sync_outbox')
    expect(String(row?.['payload'])).toMatch(/^A256GCM\./)
    expect(String(row?.['payload'])).not.toContain('SECRET')
    const rotated = createOutbox({
      store,
      client: fakeClient().client,
      encryptAtRest: [second, first],
      onEvent: () => {},
    })
    expect(await rotated.drain()).toMatchObject({ sent: 1 })
    await outbox.enqueueAll([event('A', 0), event('B', 0)])
    // Somebody exchanges the orders of two events.
    const [a, b] = await rows('SELECT id, payload FROM order_sync_outbox WHERE state = 1 ORDER BY id')
    await rows(`UPDATE order_sync_outbox SET payload = '${String(b?.['payload'])}' WHERE id = ${a?.['id']}`)
    expect(await outbox.drain()).toMatchObject({ sent: 1, retried: 1 })
    expect(events.filter(({ kind }) => kind === 'retry')).toMatchObject([{ code: 'ERR_OUTBOX_KEY' }])
    expect(sent.map(({ merchantBizNo }) => merchantBizNo)).toEqual(['B'])
    expect(await outbox.failed()).toEqual([])
  })

  test('encryptAtRest: the orders of two events with one requestId cannot be exchanged', async () => {
    const { outbox, rows, sent } = await open({ encryptAtRest: Buffer.alloc(32, 1), policy: 'every' })
    const requestId = '0000001'
    await outbox.enqueueAll([event('A', 0, { requestId }), event('A', 1, { requestId }), event('B', 1, { requestId })])
    const [first, second, third] = await rows('SELECT id, payload FROM order_sync_outbox ORDER BY id')
    const exchange = async (to: typeof first, from: typeof first) =>
      await rows(`UPDATE order_sync_outbox SET payload = '${String(from?.['payload'])}' WHERE id = ${to?.['id']}`)
    // Of another time, and of another order.
    await exchange(first, second)
    await exchange(third, second)
    expect(await outbox.drain()).toMatchObject({ sent: 0, retried: 2 })
    expect(sent).toEqual([])
  })

  test('encryptAtRest: failed() returns the order', async () => {
    const refusing = fakeClient(() => {
      throw new OrderRefusedError('PROCESS_FAIL')
    })
    const { outbox } = await open({ encryptAtRest: Buffer.alloc(32, 1), client: refusing.client })
    await outbox.enqueue(event('A', 0))
    await outbox.drain()
    const [failure] = await outbox.failed()
    expect(failure?.order).toMatchObject({ merchantBizNo: 'A' })
    expect(Object.keys(failure ?? {}).sort()).toEqual(['attempts', 'code', 'failedAt', 'id', 'requestId'])
  })

  test('events that were sent are deleted at once, or by prune after keepSentMs', async () => {
    const { outbox, rows, store, ...opened } = await open({ keepSentMs: 10_000 })
    await outbox.enqueueAll([event('A', 0), event('A', 1)])
    await outbox.drain()
    expect(await outbox.prune()).toBe(0)
    await letTimePass({ rows, ...opened }, 11_000)
    expect(await outbox.prune()).toBe(2)
    const atOnce = createOutbox({ store, client: fakeClient().client, keepSentMs: 0, onEvent: () => {} })
    await atOnce.enqueue(event('A', 2))
    await atOnce.drain()
    expect(await rows('SELECT id FROM order_sync_outbox')).toEqual([])
    // What was sent is still known.
    await atOnce.enqueue(event('A', 1))
    expect(await atOnce.drain()).toMatchObject({ sent: 0, dropped: 1 })
  })

  test('keepSentMs 0 deletes skipped and stale events at once, too', async () => {
    const { outbox, rows, events } = await open({ keepSentMs: 0 })
    await outbox.enqueueAll([event('A', 1), event('A', 2)])
    await outbox.drain()
    await outbox.enqueue(event('A', 0))
    await outbox.drain()
    expect(events.map(({ kind }) => kind)).toEqual(['skipped', 'sent', 'stale'])
    expect(await rows('SELECT id FROM order_sync_outbox')).toEqual([])
  })

  test('a worker deletes everything that is older than keepSentMs, however much that is', async () => {
    const { outbox, rows, store, ...opened } = await open({ keepSentMs: 10_000, policy: 'every' })
    for (let batch = 0; batch < 3; batch++) {
      await outbox.enqueueAll(
        Array.from({ length: 1_000 }, (_, no) => event('A', batch, { requestId: `${batch}-${no}` })),
      )
    }
    await rows('UPDATE order_sync_outbox SET state = 2, finished_at = created_at')
    await letTimePass({ rows, ...opened }, 11_000)
    await outbox.enqueue(event('B', 0))
    await outbox.drain()
    expect(await rows('SELECT request_id FROM order_sync_outbox')).toHaveLength(1)
  })

  test('a worker that cannot delete reports it, and sends', async () => {
    const { store, outbox: writer } = await open()
    const events: OutboxEvent[] = []
    const { client } = fakeClient()
    const prune = () => Promise.reject(new Error('permission denied'))
    const outbox = createOutbox({ store: { ...store, prune }, client, onEvent: (happened) => events.push(happened) })
    await writer.enqueue(event('A', 0))
    expect(await outbox.drain()).toMatchObject({ sent: 1 })
    expect(events).toContainEqual(
      expect.objectContaining({
        kind: 'unavailable',
        message: 'Events that are older than "keepSentMs" could not be deleted. The outbox store failed: Error.',
      }),
    )
  })

  test('a worker sends while old events are deleted', async () => {
    const { store, outbox: writer } = await open()
    const sentOne = deferred<void>()
    const { client } = fakeClient(() => sentOne.resolve())
    const prune = async () => {
      await sentOne.promise
      return 0
    }
    const outbox = createOutbox({ store: { ...store, prune }, client, onEvent: () => {} })
    await writer.enqueue(event('A', 0))
    expect(await outbox.drain()).toMatchObject({ sent: 1 })
  })

  test('orders of two tenants are different orders, and each is sent by the client of its tenant', async () => {
    const sent: unknown[] = []
    const { outbox } = await open({
      client: (_, tenant) => ({
        syncOrder: (order) => {
          sent.push([tenant, order.requestId])
          if (tenant === 'b') throw new OrderRefusedError('PROCESS_FAIL')
          return fakeClient().client.syncOrder(order)
        },
      }),
    })
    const [ofA, ofB, ofNobody] = [event('SAME', 0), event('SAME', 1), event('SAME', 2)]
    await outbox.enqueue(ofA, { tenant: 'a' })
    await outbox.enqueue(ofB, { tenant: 'b' })
    await outbox.enqueue(ofNobody)
    expect(await outbox.drain()).toMatchObject({ sent: 2, failed: 1, dropped: 0 })
    expect(sent).toEqual(
      expect.arrayContaining([
        ['a', ofA.requestId],
        ['b', ofB.requestId],
        [undefined, ofNobody.requestId],
      ]),
    )
    const [failure] = await outbox.failed()
    expect(failure).toMatchObject({ tenant: 'b' })
    expect(failure?.order).toEqual(ofB)
  })

  test('enqueue rejects an invalid order and an invalid transaction', async () => {
    const { outbox, rows } = await open()
    expect(await rejectionOf(outbox.enqueue(event('', 0)))).toMatchObject({ code: 'ERR_FIELD_INVALID' })
    for (const transaction of [{}, 'BEGIN', null]) {
      expect(await rejectionOf(outbox.enqueue(event('A', 0), { transaction }))).toMatchObject({
        name: 'TypeError',
        message: expect.stringContaining('"transaction" must be'),
      })
    }
    expect(await rows('SELECT id FROM order_sync_outbox')).toEqual([])
  })

  test.runIf(kind !== 'better-sqlite3')(
    'without its tables, every call names the function that creates them',
    async () => {
      const { outbox, rows } = await open()
      await rows('DROP TABLE order_sync_outbox, order_sync_outbox_changes')
      const call = kind === 'mysql' ? 'migrateMysqlOutbox(pool)' : 'migratePostgresOutbox(pool)'
      const error = { code: 'ERR_STORE_NOT_MIGRATED', message: expect.stringContaining(`run ${call} first`) }
      expect(await rejectionOf(outbox.enqueue(event('A', 0)))).toMatchObject(error)
      expect(await rejectionOf(outbox.drain())).toMatchObject(error)
      expect(await outbox.health()).toMatchObject({ ok: false, message: error.message })
    },
  )

  test('run sends new events until it is aborted, and completes attempts in progress', async () => {
    const receiver = createTestReceiver({ responses: ['html-502', 'U'] })
    const client = createOrderSyncClient({
      credentials: createTestCredentials().merchant,
      environment: 'testing',
      fetch: receiver.fetch,
      retries: 0,
    })
    const stop = new AbortController()
    const done = deferred<void>()
    const { outbox } = await open({
      client,
      pollMs: 20,
      baseDelayMs: 1,
      onEvent: ({ kind }) => kind === 'sent' && ++count === 20 && done.resolve(),
    })
    let count = 0
    const running = outbox.run({ signal: stop.signal, concurrency: 4 })
    const orders = Array.from({ length: 20 }, (_, index) => event(`N-${index}`, 0))
    for (const order of orders) await outbox.enqueue(order)
    await done.promise
    expect(await outbox.health()).toMatchObject({ ok: true, workers: 1, waiting: 0 })
    stop.abort()
    expect(await running).toMatchObject({ sent: 20, failed: 0 })
    expect(receiver.orders).toHaveLength(20)
    expect(await outbox.health()).toMatchObject({ workers: 0 })
  })

  test('without onEvent, events that need action are process warnings without customer data', async () => {
    const warnings = vi.spyOn(process, 'emitWarning').mockImplementation(() => {})
    const refusing = fakeClient(() => {
      throw new OrderRefusedError('PROCESS_FAIL', 'Sold out')
    })
    const { outbox } = await open({ client: refusing.client, onEvent: undefined })
    const order = event('A-SECRET', 0)
    await outbox.enqueue(order)
    await outbox.drain()
    expect(warnings.mock.calls).toEqual([
      [
        expect.stringContaining(`(requestId ${order.requestId}). See outbox.failed().`),
        { type: 'OrderSyncWarning', code: 'ERR_OUTBOX_FAILED' },
      ],
    ])
    expect(String(warnings.mock.calls)).not.toContain('A-SECRET')
  })

  test.runIf(kind === 'postgres')('a commit wakes a worker with a pollMs of an hour', async () => {
    const sentOne = deferred<void>()
    const stop = new AbortController()
    const fake = fakeClient(() => sentOne.resolve())
    const { outbox, inTransaction } = await open({ client: fake.client, pollMs: HOUR }, { notify: true })
    const running = outbox.run({ signal: stop.signal })
    await inTransaction((transaction) => outbox.enqueue(event('A', 0), { transaction }))
    await sentOne.promise
    stop.abort()
    expect(await running).toMatchObject({ sent: 1 })
  })

  // In SQLite only: it responds in the same turn of the event loop, so that a slow machine cannot let other calls time out.
  const inSqlite = test.runIf(kind === 'better-sqlite3')
  inSqlite('the outcome of a send is recorded when the store works again within the lease', async () => {
    const { store, outbox: writer, ...opened } = await open()
    await writer.enqueue(event('A', 0))
    const { client, sent } = fakeClient()
    let finishes = 0
    const flaky: typeof store = {
      ...store,
      finish: (...args) => (++finishes <= 6 ? Promise.reject(new Error('down')) : store.finish(...args)),
    }
    const outbox = createOutbox({ store: flaky, client, onEvent: () => {} })
    expect(await outbox.drain()).toMatchObject({ sent: 1 })
    await letTimePass(opened, 121_000)
    expect(await outbox.drain()).toMatchObject({ sent: 0 })
    expect(sent).toHaveLength(1)
  })

  inSqlite('a run that is aborted does not wait until the lease ends for a store that fails', async () => {
    const { store, outbox: writer } = await open()
    await writer.enqueue(event('A', 0))
    const stop = new AbortController()
    let finishes = 0
    const down: typeof store = {
      ...store,
      async finish() {
        if (++finishes === 1) stop.abort()
        throw new Error('down')
      },
    }
    const outbox = createOutbox({ store: down, client: fakeClient().client, onEvent: () => {} })
    await outbox.run({ signal: stop.signal })
    expect(finishes).toBe(5)
  })

  inSqlite('a store that never responds is reported after storeTimeoutMs, and the worker continues', async () => {
    const { store, outbox: writer } = await open()
    await writer.enqueue(event('A', 0))
    const events: OutboxEvent[] = []
    const never = () => new Promise<never>(() => {})
    let [claims, finishes] = [0, 0]
    const dark: typeof store = {
      ...store,
      claim: (request) => (++claims === 1 ? never() : store.claim(request)),
      finish: (...args) => (++finishes === 1 ? never() : store.finish(...args)),
      stats: never,
    }
    const sentOne = deferred<void>()
    const stop = new AbortController()
    const { client, sent } = fakeClient()
    const outbox = createOutbox({
      ...{ store: dark, client, storeTimeoutMs: 50, pollMs: 5, random: () => 0.001 },
      onEvent(happened) {
        events.push(happened)
        if (happened.kind === 'sent') sentOne.resolve()
      },
    })
    expect(await outbox.health()).toMatchObject({
      ok: false,
      message: expect.stringContaining('stats() of the outbox'),
    })
    const running = outbox.run({ signal: stop.signal })
    await sentOne.promise
    stop.abort()
    expect(await running).toMatchObject({ sent: 1 })
    expect(sent).toHaveLength(1)
    expect(events.map((happened) => 'message' in happened && happened.message)).toEqual([
      'claim() of the outbox store took longer than 50 ms. No events are sent until it works.',
      'The outbox store could not record the outcome of 1 attempts. finish() of the outbox store took longer than 50 ms.',
      false,
    ])
    claims = 0
    await expect(outbox.drain()).rejects.toThrow('claim() of the outbox store took longer than 50 ms')
  })

  test('reports a store that fails, and continues when it works again', async () => {
    const events: OutboxEvent[] = []
    const sentOne = deferred<void>()
    const stop = new AbortController()
    const fake = fakeClient(() => sentOne.resolve())
    const { store, outbox: writer } = await open()
    let fails = true
    const broken = {
      ...store,
      claim: (request: Parameters<typeof store.claim>[0]) =>
        fails ? Promise.reject(new Error('password=secret')) : store.claim(request),
    }
    const outbox = createOutbox({
      store: broken,
      client: fake.client,
      pollMs: 5,
      random: () => 0.001,
      onEvent(event) {
        events.push(event)
        fails = events.length < 3
      },
    })
    await writer.enqueue(event('A', 0))
    const running = outbox.run({ signal: stop.signal })
    await sentOne.promise
    stop.abort()
    await running
    expect(events[0]).toMatchObject({
      kind: 'unavailable',
      message: 'The outbox store failed: Error. No events are sent until it works.',
    })
    fails = true
    await expect(outbox.drain()).rejects.toThrow()
  })
})

/** At 03:00 CEST the clocks go back to 02:00 CET: these two instants have the same local time. */
const SAME_LOCAL_TIME = [Date.UTC(2026, 9, 25, 0, 30), Date.UTC(2026, 9, 25, 1, 30)]

// The MariaDB that the tests start has this time zone.
describe.runIf(URLS.mysql !== undefined && process.env['MYSQL_URL'] === undefined)('outbox in MySQL', () => {
  test.for(SAME_LOCAL_TIME)('its clock is right at %i, in the two hours with the same local time', async (instant) => {
    const { place, remove } = await makePlace('mysql', URLS.mysql ?? '')
    const { store, inTransaction, rows, close } = await openOutbox(place)
    onTestFinished(async () => {
      await close()
      await remove()
    })
    expect(await rows('SELECT @@system_time_zone AS zone')).toEqual([{ zone: 'CET' }])
    const outbox = createOutbox({ store, client: fakeClient().client })
    await inTransaction(async (transaction, run) => {
      await run(`SET time_zone = 'SYSTEM', timestamp = ${instant / 1_000}`)
      await outbox.enqueue(createTestOrder(), { transaction })
      await run('SET timestamp = DEFAULT')
    })
    const [row] = await rows('SELECT created_at FROM order_sync_outbox')
    expect(Number(row?.['created_at'])).toBe(instant)
  })
})

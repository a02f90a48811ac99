import { randomUUID } from 'node:crypto'
import { createRequire } from 'node:module'
import { inspect } from 'node:util'
import { Client, Pool, type PoolClient, type PoolConfig } from 'pg'
import { beforeEach, describe, expect, inject, onTestFinished, test, vi } from 'vitest'
import { DeliveryError, type OrderInput, type SyncResult } from '../../../src/public/index.ts'
import { createOutbox, type OutboxEvent, type OutboxOptions } from '../../../src/public/outbox.ts'
import { createTestOrder } from '../../../src/public/testing.ts'
import { mysqlOutboxStore } from '../../../src/stores/outbox-mysql.ts'
import { migrateMysqlOutbox } from '../../../src/stores/outbox-mysql-migration.ts'
import { postgresOutboxStore } from '../../../src/stores/outbox-postgres.ts'
import { migratePostgresOutbox } from '../../../src/stores/outbox-postgres-migration.ts'
import { sqliteOutboxStore } from '../../../src/stores/outbox-sqlite.ts'
import type { OutboxStore } from '../../../src/stores/outbox-store.ts'
import type { SqliteDriver } from '../../../src/stores/sqlite-database.ts'
import { deferred } from '../../support/deferred.ts'
import { OUTBOX_KINDS, type OutboxKind, openOutbox } from '../../support/outbox.ts'
import { betterSqliteWorks, makePlace, mysqlPoolAt } from '../../support/stores.ts'
import { rejectionOf } from '../../support/thrown.ts'

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

/** An outbox with tables of its own, which are removed after the test. */
async function openTables(kind: OutboxKind) {
  const { place, remove } = await makePlace(kind, URLS[kind] ?? '')
  onTestFinished(remove)
  const opened = await openOutbox(place)
  onTestFinished(async () => void (await opened.close()))
  const [, connectionString = '', name = ''] = place.split(' ')
  /** For connections of `pg`. */
  const connection = { connectionString, options: `-c search_path=${name}` }
  return { ...opened, connection, name }
}

/** A pool of PostgreSQL that ends after the test. */
function createPool(config: PoolConfig): Pool {
  const pool = new Pool(config)
  onTestFinished(() => pool.end())
  return pool
}

describe.for(OUTBOX_KINDS)('outbox in %s', (kind) => {
  beforeEach((context) => {
    if (URLS[kind] === undefined) context.skip()
  })

  async function open() {
    const opened = await openTables(kind)
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
    const { outbox, happened } = create({
      client: createClient(noResponse).client,
      maxRetryMs: 60_000,
      baseDelayMs: 900_000,
    })
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

  test('drain sends what is due behind newer events of orders that wait for a retry', async () => {
    const { create } = await open()
    const { client, sent } = createClient(({ merchantBizNo }) => merchantBizNo !== 'up' && noResponse())
    const { outbox } = create({ client, policy: 'every', baseDelayMs: 600_000 })
    const down = Array.from({ length: 20 }, (_, no) => `down-${no}`)
    await outbox.enqueueAll(down.map((no) => event(no, 0)))
    await outbox.drain({ concurrency: 4 })
    await outbox.enqueueAll([...down.map((no) => event(no, 1)), event('up')])
    expect(await outbox.drain({ concurrency: 4 })).toMatchObject({ sent: 1 })
    expect(sent.at(-1)?.merchantBizNo).toBe('up')
  })

  test('drain sends what is due behind many new events of a leased order', async () => {
    const { create, store } = await open()
    const { outbox } = create({ policy: 'every' })
    await outbox.enqueue(event('A'))
    await store.claim({ limit: 1, leaseMs: 60_000, policy: 'every' as const, keepSentMs: 86_400_000 })
    await outbox.enqueueAll(Array.from({ length: 1_000 }, (_, version) => event('A', version)))
    await outbox.enqueue(event('B'))
    expect(await outbox.drain()).toMatchObject({ sent: 1 })
  })

  test('sends only the newest event of an order, however many events of others are between', async () => {
    const { create } = await open()
    const { outbox, sent } = create()
    const others = Array.from({ length: 30 }, (_, no) => event(`other-${no}`))
    await outbox.enqueueAll([event('A', 0), ...others, event('A', 1), ...others.slice(0, 10), event('A', 2)])
    expect(await outbox.drain({ concurrency: 4 })).toMatchObject({ dropped: 2 })
    const versions = sent.filter(({ merchantBizNo }) => merchantBizNo === 'A').map((order) => order.orderModifyTime)
    expect(versions).toEqual([BASE + 2])
  })

  test.skipIf(kind === 'better-sqlite3')(
    'a worker does not wait for a transaction that has enqueued another event of the order',
    async () => {
      const { create, inTransaction } = await open()
      const { outbox, sent } = create()
      await outbox.enqueueAll([event('A', 1), event('A', 3)])
      await inTransaction(async (transaction) => {
        for (const version of [0, 2, 4]) await outbox.enqueue(event('A', version), { transaction })
        expect(await outbox.drain()).toMatchObject({ sent: 1, dropped: 1 })
      })
      expect(await outbox.drain()).toMatchObject({ sent: 1, dropped: 2 })
      expect(sent.map((order) => order.orderModifyTime)).toEqual([BASE + 3, BASE + 4])
    },
  )

  test.skipIf(kind === 'better-sqlite3').for([1, 5, 30])(
    'a worker that sends %i events does not wait for a transaction that has enqueued events of other orders',
    async (count) => {
      const { create, inTransaction } = await open()
      const before = Array.from({ length: count }, (_, no) => event(`before-${no}`))
      for (const keepSentMs of [0, 86_400_000]) {
        // Shorter than MySQL waits for a lock.
        const { outbox } = create({ keepSentMs, storeTimeoutMs: 8_000 })
        await outbox.enqueueAll(before)
        await inTransaction(async (transaction) => {
          await outbox.enqueueAll([event('open-0'), event('open-1')], { transaction })
          await outbox.enqueue(event('after'))
          expect(await outbox.drain({ concurrency: count + 1 })).toMatchObject({ sent: count + 1 })
        })
        expect(await outbox.drain()).toMatchObject({ sent: 2 })
      }
    },
  )

  test('drain sends the next event of an order whose first one is recorded while a claim runs', async () => {
    const { create, store } = await open()
    const recorded = deferred()
    const finish: typeof store.finish = async (...args) => {
      const fenced = await store.finish(...args)
      setImmediate(recorded.resolve)
      return fenced
    }
    let claims = 0
    const claim: typeof store.claim = async (request) => {
      const isSecond = ++claims === 2
      const claimed = await store.claim(request)
      // This claim saw the lease of the first event. It resolves when the outcome of that event is recorded.
      if (isSecond) await recorded.promise
      return claimed
    }
    const { outbox } = create({ store: { ...store, claim, finish }, policy: 'every' })
    await outbox.enqueueAll([event('A', 0), event('A', 1)])
    expect(await outbox.drain()).toMatchObject({ sent: 2 })
  })

  test.for([
    { outcome: 'sent', respond: () => undefined },
    { outcome: 'retry', respond: noResponse },
  ])(
    'reports "$outcome", not "fenced", when the database recorded it and its response was lost',
    async ({ outcome, respond }) => {
      const { create, store } = await open()
      let isLost = true
      const finish: typeof store.finish = async (...args) => {
        const fenced = await store.finish(...args)
        if (!isLost) return fenced
        isLost = false
        throw new Error('Connection terminated unexpectedly')
      }
      const { outbox, happened } = create({ store: { ...store, finish }, client: createClient(respond).client })
      await outbox.enqueue(event('A'))
      await outbox.drain()
      expect(happened.map(({ kind }) => kind)).toEqual(['unavailable', outcome])
      expect(await outbox.stats()).toMatchObject({ inFlight: 0, waiting: outcome === 'sent' ? 0 : 1 })
    },
  )

  test('a worker gives back what it claimed when it is stopped meanwhile', async () => {
    const { create, store } = await open()
    const stop = new AbortController()
    const claim: typeof store.claim = async (request) => {
      const claimed = await store.claim(request)
      stop.abort()
      return claimed
    }
    const { outbox, happened, sent } = create({ store: { ...store, claim } })
    await outbox.enqueue(event('A'))
    expect(await outbox.run({ signal: stop.signal })).toMatchObject({ sent: 0 })
    expect({ happened, sent }).toEqual({ happened: [], sent: [] })
    expect(await create().outbox.drain()).toMatchObject({ sent: 1 })
  })

  test.runIf(kind === 'better-sqlite3')(
    'the code of the merchant can write between two statements of a worker in the same process',
    async () => {
      const { create, rows } = await open()
      const { outbox } = create()
      await outbox.enqueueAll([event('A'), event('B')])
      const working = Promise.all([outbox.drain(), outbox.stats(), outbox.prune(), outbox.enqueue(event('C'))])
      for (let no = 0; no < 100; no++) {
        await null
        await rows(`INSERT INTO shop VALUES ('${no}')`)
      }
      await working
      expect(await outbox.failed()).toEqual([])
    },
  )

  const thrown: readonly [string, () => unknown][] = [
    [
      'has a getter that throws',
      () => ({
        get name() {
          throw new Error('of the getter')
        },
      }),
    ],
    [
      'is a revoked proxy',
      () => {
        const { proxy, revoke } = Proxy.revocable({}, {})
        revoke()
        return proxy
      },
    ],
  ]
  test.each(thrown)('an error of the client that %s does not end the process', async (_, makeError) => {
    const { create } = await open()
    const { client } = createClient(() => {
      throw makeError()
    })
    const { outbox, happened } = create({ client })
    await outbox.enqueue(event('A'))
    await outbox.drain()
    expect(happened).toMatchObject([{ kind: 'unavailable', message: expect.stringContaining('after its lease') }])
  })

  const randoms: readonly [string, () => number][] = [
    [
      'throws',
      () => {
        throw new Error('of random')
      },
    ],
    ['returns NaN', () => Number.NaN],
    ['returns 1e300', () => 1e300],
  ]
  test.each(randoms)('a "random" that %s ends neither the process nor a worker', async (_, random) => {
    const { create, store } = await open()
    const stop = new AbortController()
    const claim: typeof store.claim = async (request) => {
      if (!happened.some(({ kind }) => kind === 'retry')) return await store.claim(request)
      throw new Error('down')
    }
    const { outbox, happened } = create({
      store: { ...store, claim },
      client: createClient(noResponse).client,
      onEvent(one) {
        happened.push(one)
        if (one.kind === 'unavailable') stop.abort()
      },
      random,
      // So that a claim that runs beside the first attempt does not find the retry due.
      baseDelayMs: 80_000_000,
      maxDelayMs: 80_000_000,
    })
    await outbox.enqueue(event('A'))
    await outbox.run({ signal: stop.signal })
    expect(happened.map(({ kind }) => kind)).toEqual(['retry', 'unavailable'])
  })

  test('enqueue rejects a misspelt option: the event would not be in the transaction', async () => {
    const { create, rows } = await open()
    const { outbox } = create()
    const misspelt = { transction: {} } as never
    await expect(outbox.enqueue(event('A'), misspelt)).rejects.toThrow('outbox.enqueue() has no option "transction"')
    await expect(outbox.enqueueAll([event('A')], misspelt)).rejects.toThrow('has no option "transction"')
    expect(await rows('SELECT id FROM order_sync_outbox')).toEqual([])
  })

  test('run rejects an invalid signal', async () => {
    const { create } = await open()
    const signal = new AbortController() as never
    await expect(create().outbox.run({ signal })).rejects.toThrow('"signal" must be an AbortSignal')
  })
})

test.runIf(URLS.mysql)('in MySQL an error in the transaction of the merchant does not contain the order', async () => {
  const { store, inTransaction, rows } = await openTables('mysql')
  const outbox = createOutbox({ store, client: createClient().client })
  await rows('DROP TABLE order_sync_outbox')
  const error = await rejectionOf(inTransaction((transaction) => outbox.enqueue(event('A-SECRET'), { transaction })))
  expect(error).toMatchObject({ code: 'ERR_STORE_NOT_MIGRATED', cause: { code: 'ER_NO_SUCH_TABLE' } })
  expect(inspect(error, { depth: 9 })).not.toContain(Buffer.from('A-SECRET').toString('hex'))
})

test.runIf(URLS['better-sqlite3'])(
  'in SQLite a store opens a file that is up to date during a transaction',
  async () => {
    const { inTransaction, connection } = await openTables('better-sqlite3')
    await inTransaction(async () => {
      const second = sqliteOutboxStore({
        file: connection.connectionString,
        driver: 'better-sqlite3',
        busyTimeoutMs: 0,
      })
      onTestFinished(() => second.close())
      await expect(second.stats()).rejects.toThrow('database is locked')
    })
  },
)

test.runIf(URLS['better-sqlite3'])(
  'in SQLite a claim, an outcome and prune read neither all waiting events nor all that ended',
  async () => {
    const { connection } = await openTables('better-sqlite3')
    const plans: string[] = []
    const Database = createRequire(import.meta.url)('better-sqlite3') as SqliteDriver
    class Explained extends Database {
      override prepare(text: string) {
        const explain = super.prepare(`EXPLAIN QUERY PLAN ${text}`) as unknown as { all(...values: null[]): unknown }
        const steps = explain.all(...[...text.matchAll(/\?/g)].map(() => null)) as { detail: string }[]
        plans.push(...steps.map(({ detail }) => detail))
        return super.prepare(text)
      }
    }
    const store = sqliteOutboxStore({ file: connection.connectionString, driver: Explained })
    onTestFinished(() => store.close())
    plans.splice(0)
    const { client } = createClient(({ merchantBizNo }) => merchantBizNo === 'C' && noResponse())
    const outbox = createOutbox({ store, client, keepSentMs: 60_000 })
    await outbox.enqueueAll([event('A'), event('A', 1), event('B'), event('C')])
    expect(await outbox.drain()).toMatchObject({ sent: 2, retried: 1, dropped: 1 })
    expect(plans.length).toBeGreaterThan(20)
    expect(plans.filter((step) => /TEMP B-TREE|\(state=\?\)|SCAN order_sync_outbox( |$)/.test(step))).toEqual([])
  },
)

describe.runIf(URLS.mysql)('in MySQL', () => {
  const digits = `(${Array.from({ length: 10 }, (_, digit) => `SELECT ${digit} AS d`).join(' UNION ALL ')})`

  /** A store with one connection, and the number of rows that it has read. */
  async function openCounting() {
    const { rows, connection, name } = await openTables('mysql')
    const pool = mysqlPoolAt(connection.connectionString, name, { connectionLimit: 1 })
    onTestFinished(() => pool.end())
    async function reads() {
      const [found] = await pool.query("SHOW SESSION STATUS LIKE 'Handler_read%next'")
      return (found as { Value: string }[]).reduce((sum, { Value }) => sum + Number(Value), 0)
    }
    return { rows, store: mysqlOutboxStore({ pool }), reads }
  }

  test('prune reads only the events that it deletes', async () => {
    const { rows, store, reads } = await openCounting()
    await rows(`INSERT INTO order_sync_outbox
      (order_key, event_time, request_id, payload, state, attempts, due_at, created_at, expires_at, finished_at)
      SELECT UUID(), 0, UUID(), '{}', CASE a.d WHEN 0 THEN 4 WHEN 1 THEN 5 ELSE 2 END, 1, 0, 0, 0, b.d
      FROM ${digits} a, ${digits} b, ${digits} c, ${digits} d`)
    const before = await reads()
    expect(await store.prune(0)).toBe(1_000)
    expect((await reads()) - before).toBeLessThan(2_500)
  })

  test('a claim reads only the orders that it leases: other workers can lease the others', async () => {
    const { rows, store, reads } = await openCounting()
    await rows(`INSERT INTO order_sync_outbox_orders (order_key, due_at, leased, token)
      SELECT UUID(), 5, 0, 1 FROM ${digits} a, ${digits} b, ${digits} c`)
    const before = await reads()
    await store.claim({ limit: 10, leaseMs: 60_000, policy: 'latest', keepSentMs: 60_000 })
    expect((await reads()) - before).toBeLessThan(200)
  })
})

describe('in a schema or database with "?" in its name', () => {
  const name = `what?${randomUUID()}`
  async function sendIn(store: OutboxStore) {
    const outbox = createOutbox({ store, client: createClient().client })
    await outbox.enqueue(event('A'))
    expect(await outbox.drain()).toMatchObject({ sent: 1 })
  }

  test.runIf(URLS.postgres)('PostgreSQL finds the tables', async () => {
    const pool = new Pool({ connectionString: URLS.postgres ?? '' })
    onTestFinished(async () => {
      await pool.query(`DROP SCHEMA "${name}" CASCADE`)
      await pool.end()
    })
    await migratePostgresOutbox(pool, { schema: name })
    await sendIn(postgresOutboxStore({ pool, schema: name, notify: false }))
  })

  test.runIf(URLS.mysql)('MySQL finds the tables', async () => {
    const pool = mysqlPoolAt(URLS.mysql ?? '', 'mysql')
    await pool.query(`CREATE DATABASE \`${name}\``)
    onTestFinished(async () => {
      await pool.query(`DROP DATABASE \`${name}\``)
      await pool.end()
    })
    await migrateMysqlOutbox(pool, { database: name })
    await sendIn(mysqlOutboxStore({ pool, database: name }))
  })
})

test.runIf(URLS.postgres)('run sends with a pool of one connection', async () => {
  const { connection } = await openTables('postgres')
  const pool = createPool({ ...connection, max: 1 })
  const stop = new AbortController()
  const { client, sent } = createClient()
  // The first event ends the run: "sent", or "unavailable" while no connection is free.
  const onEvent = () => stop.abort()
  const outbox = createOutbox({ store: postgresOutboxStore({ pool }), client, storeTimeoutMs: 5_000, onEvent })
  await outbox.enqueue(event('A'))
  expect(await outbox.run({ signal: stop.signal })).toMatchObject({ sent: 1 })
  expect(sent).toHaveLength(1)
})

test.runIf(URLS.postgres)(
  'a listening connection that opens after the worker has stopped is released once',
  async () => {
    const pool = createPool({ connectionString: URLS.postgres ?? '' })
    const store = postgresOutboxStore({ pool })
    const ended = new Promise<void>((resolve) => pool.once('connect', (client) => client.once('end', resolve)))
    const listener = store.listen?.(() => {})
    // The connection is still opening. A second release would throw in the listener of 'end', which ends the process.
    await listener?.close()
    await ended
    expect(pool.totalCount).toBe(0)
  },
)

test.runIf(URLS.postgres)(
  'gives a connection back once, even if the callback of the merchant that gets it throws',
  async () => {
    const { connection } = await openTables('postgres')
    const pool = createPool({ ...connection, max: 1, connectionTimeoutMillis: 500 })
    const store = postgresOutboxStore({ pool, notify: false })
    const claiming = store.claim({ limit: 1, leaseMs: 60_000, policy: 'latest', keepSentMs: 60_000 })
    const borrowed = new Promise<PoolClient | undefined>((resolve) => {
      pool.connect((_, client) => {
        resolve(client)
        throw new Error('of the callback')
      })
    })
    expect(await rejectionOf(claiming)).toMatchObject({ message: 'of the callback' })
    const client = await borrowed
    client?.release()
    expect((await pool.query('SELECT 1 AS one')).rows).toEqual([{ one: 1 }])
  },
)

test.runIf(URLS.postgres)('a listener that is closed twice leaves the last connection of the pool free', async () => {
  const pool = createPool({ connectionString: URLS.postgres ?? '', max: 2, connectionTimeoutMillis: 2_000 })
  const store = postgresOutboxStore({ pool })
  const first = store.listen?.(() => {})
  await first?.close()
  await first?.close()
  const listening = [store.listen?.(() => {}), store.listen?.(() => {})]
  onTestFinished(async () => void (await Promise.all(listening.map((one) => one?.close()))))
  expect((await pool.query('SELECT 1 AS one')).rows).toEqual([{ one: 1 }])
})

/** Waits until another session waits for a lock of a client, which is in a transaction. */
async function untilBlockedBy(client: Client): Promise<void> {
  const blocked = 'SELECT 1 FROM pg_stat_activity WHERE pg_backend_pid() = ANY (pg_blocking_pids(pid))'
  await vi.waitFor(
    async () => {
      // In a transaction, the view shows the same sessions until then.
      await client.query('SELECT pg_stat_clear_snapshot()')
      expect((await client.query(blocked)).rows).toHaveLength(1)
    },
    { timeout: 10_000 },
  )
}

test.runIf(URLS.postgres)(
  'in PostgreSQL a claim that waits for the outcome of an event does not get that event again',
  async () => {
    const { store, connection } = await openTables('postgres')
    const other = new Client(connection)
    onTestFinished(() => other.end())
    await other.connect()
    const outbox = createOutbox({ store, client: createClient().client, policy: 'every' })
    const request = { limit: 1, leaseMs: 60_000, policy: 'every', keepSentMs: 60_000 } as const
    await outbox.enqueue(event('A', 0))
    const [first] = (await store.claim(request)).events
    await outbox.enqueue(event('A', 1))
    // Another worker records the outcome of the first event. It has not committed yet.
    await other.query('BEGIN')
    await other.query('UPDATE order_sync_outbox_orders SET leased = 0, due_at = 0')
    await other.query('UPDATE order_sync_outbox SET state = 2 WHERE id = $1', [first?.id])
    const claiming = store.claim(request)
    await untilBlockedBy(other)
    await other.query('COMMIT')
    const [claimed] = [...(await claiming).events, ...(await store.claim(request)).events]
    expect(claimed?.eventTime).toBe(BASE + 1)
  },
)

test.runIf(URLS.postgres)(
  'in PostgreSQL drain sends the next event of an order whose outcome a claim has waited for',
  async () => {
    const { store, connection } = await openTables('postgres')
    const other = new Client(connection)
    onTestFinished(() => other.end())
    await other.connect()
    const { client, sent } = createClient()
    const outbox = createOutbox({ store, client, policy: 'every' })
    await outbox.enqueue(event('A', 0))
    const [first] = (await store.claim({ limit: 1, leaseMs: 60_000, policy: 'every', keepSentMs: 60_000 })).events
    await outbox.enqueue(event('A', 1))
    // Another worker, which is stopping, records the outcome of the first event. It has not committed yet.
    await other.query('BEGIN')
    await other.query('UPDATE order_sync_outbox_orders SET leased = 0, due_at = 0')
    await other.query('UPDATE order_sync_outbox SET state = 2 WHERE id = $1', [first?.id])
    const draining = outbox.drain()
    await untilBlockedBy(other)
    await other.query('COMMIT')
    expect(await draining).toMatchObject({ sent: 1 })
    expect(sent.map((order) => order.orderModifyTime)).toEqual([BASE + 1])
  },
)

/** Wrappers of a pool, as merchants write them to log or to measure. */
const wrappers: readonly [string, (pool: Pool) => object][] = [
  [
    'is async and passes the callback on',
    (pool) => ({ connect: async (...args: []) => await pool.connect(...args), query: pool.query.bind(pool) }),
  ],
  [
    'returns a promise of another class',
    (pool) => ({
      connect() {
        const connected = pool.connect()
        // biome-ignore lint/suspicious/noThenProperty: a promise of another library.
        return { then: connected.then.bind(connected) }
      },
      query: pool.query.bind(pool),
    }),
  ],
]
test.runIf(URLS.postgres).each(wrappers)(
  'takes connections of a pool whose wrapper %s, and gives them back',
  async (_, wrap) => {
    const { connection } = await openTables('postgres')
    const pool = createPool({ ...connection, max: 2, connectionTimeoutMillis: 500 })
    const store = postgresOutboxStore({ pool: wrap(pool) as never, notify: false })
    const outbox = createOutbox({ store, client: createClient().client, storeTimeoutMs: 2_000 })
    await outbox.enqueue(event('A'))
    expect(await outbox.drain()).toMatchObject({ sent: 1 })
    expect(pool.idleCount).toBe(pool.totalCount)
  },
)

test('rejects a pool whose connect() resolves to something that is not a client', async () => {
  const pool = { connect: async () => ({}), query: async () => ({ rows: [] }) }
  expect(await rejectionOf(migratePostgresOutbox(pool as never))).toBeInstanceOf(TypeError)
})

test.runIf(URLS.postgres)('PostgreSQL sorts orders as the worker does, in the language of any database', async () => {
  const { rows } = await openTables('postgres')
  // The default of a database is often a language, where "a" is before "B".
  const found = await rows(`SELECT table_name FROM information_schema.columns
    WHERE table_schema = current_schema() AND column_name = 'order_key' AND collation_name = 'C'`)
  expect(found).toHaveLength(3)
})

test.runIf(URLS.postgres)('enqueue accepts a client of pg that does not belong to a pool', async () => {
  const { store, connection } = await openTables('postgres')
  const transaction = new Client(connection)
  onTestFinished(() => transaction.end())
  const outbox = createOutbox({ store, client: createClient().client })
  await transaction.connect()
  await transaction.query('BEGIN')
  await outbox.enqueue(event('A'), { transaction })
  await transaction.query('COMMIT')
  expect(await outbox.drain()).toMatchObject({ sent: 1 })
})

interface PlanNode {
  readonly 'Node Type': string
  readonly 'Relation Name'?: string
  readonly 'Actual Rows': number
  readonly 'Rows Removed by Filter'?: number
  readonly Plans?: readonly PlanNode[]
}

/** Every node of a plan, as EXPLAIN (FORMAT JSON) returns it. */
const nodesOf = (plan: PlanNode): PlanNode[] => [plan, ...(plan.Plans ?? []).flatMap(nodesOf)]

/** A pool whose connections explain each statement before they run it, and a list of the rows that each node of the plans read. */
function explainingPool(pool: Pool) {
  const read: { type: string; table: string | undefined; rows: number; text: string }[] = []
  const explain = async (client: PoolClient, text: string, values?: unknown[]) => {
    await client.query('SAVEPOINT before')
    const { rows } = await client.query(`EXPLAIN (ANALYZE, FORMAT JSON) ${text}`, values)
    for (const node of nodesOf(rows[0]['QUERY PLAN'][0].Plan)) {
      const {
        'Node Type': type,
        'Relation Name': table,
        'Actual Rows': actual,
        'Rows Removed by Filter': removed = 0,
      } = node
      read.push({ type, table, rows: actual + removed, text })
    }
    await client.query('ROLLBACK TO before')
  }
  const explaining = {
    query: pool.query.bind(pool),
    async connect() {
      const client = await pool.connect()
      const query = async (text: string, values?: unknown[]) => {
        if (/^(SELECT|INSERT|UPDATE|DELETE)/.test(text)) await explain(client, text, values)
        return await client.query(text, values)
      }
      return new Proxy(client, { get: (target, name) => (name === 'query' ? query : Reflect.get(target, name)) })
    },
  }
  return { explaining, read }
}

test.runIf(URLS.postgres).for([true, false])(
  'in PostgreSQL a claim and its outcome read neither what is not due nor what was sent (the tables have statistics: %s)',
  async (hasStatistics) => {
    const opened = await openTables('postgres')
    await opened.rows(`INSERT INTO order_sync_outbox
      (order_key, event_time, request_id, payload, state, attempts, due_at, created_at, expires_at, finished_at)
      SELECT n, n, n, repeat('x', 500), CASE WHEN n % 40 = 0 THEN 1 ELSE 2 END, 1, 4e12, 0, 4e12, 0 FROM generate_series(1, 40000) n`)
    await opened.rows(`INSERT INTO order_sync_outbox_orders (order_key, due_at, leased, token)
      SELECT n, CASE WHEN n % 40 = 0 THEN 4000000000000 END, 0, 1 FROM generate_series(1, 20000) n`)
    if (hasStatistics) await opened.rows('ANALYZE')
    const outbox = createOutbox({ store: opened.store, client: createClient().client })
    await outbox.enqueueAll(Array.from({ length: 200 }, (_, no) => event(`new-${no}`)))

    const { explaining, read } = explainingPool(createPool(opened.connection))
    const store = postgresOutboxStore({ pool: explaining as never, notify: false })
    const { events } = await store.claim({ limit: 200, leaseMs: 60_000, policy: 'latest', keepSentMs: 60_000 })
    expect(events).toHaveLength(200)
    const completions = events.map((claimed) => ({ ...claimed, outcome: { kind: 'sent' } as const }))
    expect(await store.finish(completions, { policy: 'latest', keepSentMs: 60_000 })).toEqual([])
    const ofClaim = read.splice(0)
    expect(ofClaim.length).toBeGreaterThan(15)
    expect(ofClaim.filter((node) => node.rows > 200)).toEqual([])
    await store.stats()
    if (hasStatistics) expect(read).not.toContainEqual(expect.objectContaining({ type: 'Seq Scan' }))
  },
)

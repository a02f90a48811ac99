import { setTimeout as sleep } from 'node:timers/promises'
import { Redis } from 'ioredis'
import type { Pool as MysqlPool, RowDataPacket } from 'mysql2/promise'
import { Pool } from 'pg'
import { createClient } from 'redis'
import { expect, inject, type TestContext, test } from 'vitest'
import { createOrderSyncHandler } from '../../src/server/handler.ts'
import { mysqlStore, transactionalMysqlStore } from '../../src/stores/mysql.ts'
import { migrateMysql } from '../../src/stores/mysql-migration.ts'
import { migratePostgres, postgresStore, transactionalPostgresStore } from '../../src/stores/postgres.ts'
import { redisStore } from '../../src/stores/redis.ts'
import type { OrderSyncStore } from '../../src/stores/store.ts'
import { deferred } from '../support/deferred.ts'
import { merchantCredentials, messageOf, NOW, order, request } from '../support/messages.ts'
import { startTcpProxy, type TcpProxy } from '../support/proxy/tcp.ts'
import { makePlace, mysqlPoolAt } from '../support/stores.ts'

// A network that loses every packet for some time, and then forgets the connections from before: no RST, no FIN. The drivers
// have the settings of docs/stores.md, with a tenth of their times.

const mysqlUrl = inject('mysqlUrl')
const postgresUrl = inject('postgresUrl')
const redisUrl = inject('redisUrl')

/** Every timeout of a driver, in milliseconds. */
const TIMEOUT_MS = 1_000
const STORE_TIMEOUT_MS = 500
/** Timers fire late while other tests run. */
const LATE_MS = 800
const DARK_MS = 3_000
const CYCLES = 3

type Run = () => Promise<void>

/** A store behind the proxy. */
interface Opened<Transaction> {
  readonly store: OrderSyncStore<Transaction>
  /** What `onOrder` does in the store's transaction. */
  readonly write?: (transaction: Transaction, orderNo: string) => Promise<unknown>
  /** How often the effect of an order is in the database. */
  readonly effects?: (orderNo: string) => Promise<number>
  /** Milliseconds after which a dead connection is given up. @defaultValue TIMEOUT_MS */
  readonly recoversInMs?: number
  /** Fails when connections have leaked. */
  readonly assertNoLeak: Run
  readonly close: Run
}

type Open = (where: { readonly proxy: TcpProxy; readonly name: string }) => Promise<Opened<unknown>>

/** `expect.poll` does not know the test that calls it when several run at once. */
async function eventually(read: () => unknown, expected: unknown): Promise<void> {
  const deadline = performance.now() + 4 * TIMEOUT_MS
  while ((await read()) !== expected && performance.now() < deadline) await sleep(100)
  expect(await read()).toBe(expected)
}

function newPool(port: number, schema: string): Pool {
  const url = new URL(postgresUrl ?? '')
  url.host = `127.0.0.1:${port}`
  const pool = new Pool({
    connectionString: url.href,
    options: `-c search_path=${schema}`,
    connectionTimeoutMillis: TIMEOUT_MS,
    query_timeout: TIMEOUT_MS,
    idleTimeoutMillis: TIMEOUT_MS,
    keepAlive: true,
  })
  pool.on('error', () => undefined)
  return pool
}

/** Creates the tables directly, and with patience: only the store is tested against the clock. */
async function createTables(schema: string, more = 'SELECT 1'): Promise<void> {
  const pool = new Pool({ connectionString: postgresUrl, options: `-c search_path=${schema}`, max: 1 })
  pool.on('error', () => undefined)
  await migratePostgres(pool)
  await pool.query(more)
  await pool.end()
}

function poolChecks(pool: Pool) {
  return {
    async assertNoLeak() {
      await eventually(() => pool.waitingCount, 0)
      await eventually(() => pool.totalCount - pool.idleCount, 0)
    },
    close: () => pool.end(),
  }
}

function newMysqlPool(port: number, database: string): MysqlPool {
  const url = new URL(mysqlUrl ?? '')
  url.host = `127.0.0.1:${port}`
  return mysqlPoolAt(url.href, database, {
    connectTimeout: TIMEOUT_MS,
    maxIdle: 5,
    idleTimeout: TIMEOUT_MS,
    enableKeepAlive: true,
    queueLimit: 1_000,
  })
}

async function createMysqlTables(database: string, more = 'SELECT 1'): Promise<void> {
  const pool = mysqlPoolAt(mysqlUrl ?? '', database, { connectionLimit: 1 })
  await migrateMysql(pool)
  await pool.query(more)
  await pool.end()
}

/** Every connection of the pool can be had: none has leaked. */
function mysqlPoolChecks(pool: MysqlPool, connectionLimit = 10) {
  return {
    async assertNoLeak() {
      const connections = await Promise.all(Array.from({ length: connectionLimit }, () => pool.getConnection()))
      for (const connection of connections) connection.release()
    },
    // The driver looks for connections that were idle for too long once a second.
    recoversInMs: TIMEOUT_MS + 1_000,
    // On a dead connection, end() waits for the other side. The proxy ends the connections after this.
    close: async () => void pool.end().catch(() => undefined),
  }
}

const reconnectStrategy = (retries: number) => Math.min(50 * 2 ** Math.min(retries, 6), 300)

const stores: Readonly<Record<string, Open>> = {
  async postgresStore({ proxy, name }) {
    await createTables(name)
    const pool = newPool(proxy.port, name)
    return { store: postgresStore({ pool }), ...poolChecks(pool) }
  },

  async transactionalPostgresStore({ proxy, name }) {
    await createTables(name, 'CREATE TABLE effects (order_no text)')
    const pool = newPool(proxy.port, name)
    return {
      store: transactionalPostgresStore({ pool }),
      write: (transaction, orderNo) => (transaction as Pool).query('INSERT INTO effects VALUES ($1)', [orderNo]),
      async effects(orderNo) {
        return (await pool.query('SELECT FROM effects WHERE order_no = $1', [orderNo])).rows.length
      },
      ...poolChecks(pool),
    }
  },

  async mysqlStore({ proxy, name }) {
    await createMysqlTables(name)
    const pool = newMysqlPool(proxy.port, name)
    return { store: mysqlStore({ pool, queryTimeoutMs: TIMEOUT_MS }), ...mysqlPoolChecks(pool) }
  },

  async transactionalMysqlStore({ proxy, name }) {
    await createMysqlTables(name, 'CREATE TABLE effects (order_no varchar(64))')
    const pool = newMysqlPool(proxy.port, name)
    return {
      store: transactionalMysqlStore({ pool, queryTimeoutMs: TIMEOUT_MS }),
      write: (transaction, orderNo) => (transaction as MysqlPool).query('INSERT INTO effects VALUES (?)', [orderNo]),
      async effects(orderNo) {
        const [rows] = await pool.query<RowDataPacket[]>('SELECT 1 FROM effects WHERE order_no = ?', [orderNo])
        return rows.length
      },
      ...mysqlPoolChecks(pool),
    }
  },

  async 'redisStore (redis)'({ proxy, name }) {
    const client = createClient({
      url: `redis://127.0.0.1:${proxy.port}`,
      socket: { connectTimeout: TIMEOUT_MS, socketTimeout: TIMEOUT_MS, reconnectStrategy },
      pingInterval: 0.4 * TIMEOUT_MS,
    })
    client.on('error', () => undefined)
    await client.connect()
    return {
      store: redisStore({ client, prefix: `${name}:` }),
      // The store stops writing after two seconds, and socketTimeout begins with the last write.
      recoversInMs: 2_000 + TIMEOUT_MS,
      assertNoLeak: async () => expect(await client.ping()).toBe('PONG'),
      close: async () => client.destroy(),
    }
  },

  async 'redisStore (ioredis)'({ proxy, name }) {
    const client = new Redis(proxy.port, '127.0.0.1', {
      connectTimeout: TIMEOUT_MS,
      socketTimeout: TIMEOUT_MS,
      retryStrategy: reconnectStrategy,
    })
    client.on('error', () => undefined)
    return {
      store: redisStore({ client, prefix: `${name}:` }),
      assertNoLeak: async () => expect(await client.ping()).toBe('PONG'),
      close: async () => client.disconnect(),
    }
  },
}

type Database = 'mysql' | 'postgres' | 'redis'

const URLS: Readonly<Record<Database, string | undefined>> = {
  mysql: mysqlUrl,
  postgres: postgresUrl,
  redis: redisUrl,
}

/** A handler on the store behind a proxy, and a peer that delivers to it. */
async function start(open: Open, kind: Database, { onTestFinished }: TestContext) {
  const url = URLS[kind] ?? ''
  const { place, remove } = await makePlace(kind, url)
  onTestFinished(remove)
  const { hostname, port } = new URL(url)
  const proxy = await startTcpProxy({ host: hostname, port: Number(port) })
  const opened = await open({ proxy, name: place.split(' ')[2]?.replace(/:$/, '') ?? '' })
  const { store, write, close, recoversInMs = TIMEOUT_MS } = opened
  onTestFinished(async () => {
    await close()
    await proxy.close()
  })
  let gate: Promise<void> | undefined
  let held = 0
  const handler = createOrderSyncHandler<unknown, unknown>({
    credentials: merchantCredentials(),
    store,
    now: () => NOW,
    storeTimeoutMs: STORE_TIMEOUT_MS,
    timeoutMs: TIMEOUT_MS,
    leaseMs: 2 * TIMEOUT_MS,
    maxConcurrent: 200,
    busyWaitMs: 0,
    async onOrder({ merchantBizNo }, { transaction }) {
      if (gate !== undefined && merchantBizNo.startsWith('held')) {
        held += 1
        await gate
      }
      await write?.(transaction, merchantBizNo)
      return { orderId: merchantBizNo }
    },
  })

  /** Delivers an order. Resolves to the result code. */
  async function deliver(orderNo: string): Promise<string> {
    const startedAt = performance.now()
    const response = await handler(request({ message: order({ merchantBizNo: orderNo, requestId: orderNo }) }))
    expect(performance.now() - startedAt).toBeLessThan(TIMEOUT_MS + LATE_MS)
    return (messageOf(response) as { result: { resultCode: string } }).result.resultCode
  }

  /** Delivers orders, one every 50 ms, until one of them succeeds or the time is up. Resolves to all of them. */
  async function deliverMany(name: string, until: { ms: number; success?: boolean }) {
    const deadline = performance.now() + until.ms
    const orders: { orderNo: string; code: Promise<string> }[] = []
    let succeeded = false
    while (performance.now() < deadline && !(until.success && succeeded)) {
      const orderNo = `${name}-${orders.length}`
      const code = deliver(orderNo)
      code.then(
        (result) => (succeeded ||= result === 'SUCCESS'),
        () => undefined,
      )
      orders.push({ orderNo, code })
      await sleep(50)
    }
    return await Promise.all(orders.map(async ({ orderNo, code }) => ({ orderNo, code: await code })))
  }

  /** Starts as many orders as the pool has connections. Each of them writes and finishes only when it is let go. */
  async function hold(name: string) {
    const { promise, resolve } = deferred<void>()
    gate = promise
    held = 0
    const orders = Array.from({ length: 10 }, (_, index) => `held-${name}-${index}`)
    const codes = orders.map(deliver)
    await eventually(() => held, orders.length)
    return {
      codes: Promise.all(codes),
      orders: orders.map((orderNo) => ({ orderNo })),
      letGo() {
        gate = undefined
        resolve()
      },
    }
  }

  return { ...opened, recoversInMs, proxy, handler, deliver, deliverMany, hold }
}

type Started = Awaited<ReturnType<typeof start>>

/** Orders before, during and after a time in the dark. */
async function survive(started: Started, cycle: number) {
  const { proxy, deliver, deliverMany, hold, handler, recoversInMs, effects, assertNoLeak } = started
  expect(await deliver(`before-${cycle}`)).toBe('SUCCESS')
  const held = await hold(String(cycle))
  proxy.goDark()
  const dark = await deliverMany(`dark-${cycle}`, { ms: DARK_MS })
  expect(new Set(dark.map(({ code }) => code))).toEqual(new Set(['UNKNOWN_EXCEPTION']))

  // The writes of these are lost just before the network is back.
  held.letGo()
  await sleep(50)
  proxy.light()
  const lightAt = performance.now()
  const light = await deliverMany(`light-${cycle}`, { ms: 10 * TIMEOUT_MS, success: true })
  expect(light.some(({ code }) => code === 'SUCCESS')).toBe(true)
  expect(performance.now() - lightAt).toBeLessThan(recoversInMs + LATE_MS)

  expect(new Set(await held.codes)).toEqual(new Set(['UNKNOWN_EXCEPTION']))
  // The peer delivers again: at the latest when a lease is over whose claim was lost.
  for (const { orderNo } of [...held.orders, ...dark, ...light]) {
    await eventually(() => deliver(orderNo), 'SUCCESS')
    if (effects) expect(await effects(orderNo)).toBe(1)
  }
  expect(await handler.drain({ timeoutMs: 3 * TIMEOUT_MS })).toEqual({ stillRunning: [] })
  await assertNoLeak()
}

for (const [name, open] of Object.entries(stores)) {
  const kind = (['mysql', 'redis'] as const).find((database) => name.toLowerCase().includes(database)) ?? 'postgres'
  const testStore = test.skipIf(URLS[kind] === undefined).concurrent

  testStore(
    `${name} responds in time in a dark network, and processes an order within one timeout after it, ${CYCLES} times`,
    // Other programs on the machine take time too. A store that recovers late does so each time.
    { timeout: 120_000, retry: 2 },
    async (context) => {
      const started = await start(open, kind, context)
      for (let cycle = 0; cycle < CYCLES; cycle++) await survive(started, cycle)
    },
  )

  testStore(
    `${name} processes an order within one timeout when all idle connections are dead`,
    { retry: 2 },
    async (context) => {
      const { deliver, proxy, recoversInMs } = await start(open, kind, context)
      const codes = Array.from({ length: 20 }, (_, index) => deliver(`before-${index}`))
      expect(new Set(await Promise.all(codes))).toEqual(new Set(['SUCCESS']))
      proxy.goDark()
      proxy.light()
      const lightAt = performance.now()
      for (let tries = 0; (await deliver(`light-${tries}`)) !== 'SUCCESS'; tries++) {
        expect(performance.now() - lightAt).toBeLessThan(recoversInMs + LATE_MS)
      }
    },
  )
}

/**
 * Claims per second of each store, compared with a minimal hand-written upsert on the same database in the same run, for 1,000
 * and for 1,000,000 remembered orders. Run `npm run bench:stores`; add `-- --orders 1000,100000` for other sizes.
 *
 * Each figure is the median of interleaved rounds. Compare ratios, never the absolute numbers of two runs.
 */
import { randomUUID } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { memoryStore } from 'alipayhk-order-sync'
import type { Delivery, OrderSyncStore } from 'alipayhk-order-sync/store'
import { migrateMysql, mysqlStore } from 'alipayhk-order-sync/stores/mysql'
import { migratePostgres, postgresStore } from 'alipayhk-order-sync/stores/postgres'
import { redisStore } from 'alipayhk-order-sync/stores/redis'
import { sqliteStore } from 'alipayhk-order-sync/stores/sqlite'
import { Redis } from 'ioredis'
import { createPool, type ResultSetHeader } from 'mysql2/promise'
import { Pool } from 'pg'

const { values } = parseArgs({
  options: {
    orders: { type: 'string', default: '1000,1000000' },
    rounds: { type: 'string', default: '7' },
    claims: { type: 'string', default: '1000' },
    concurrency: { type: 'string', default: '16' },
    json: { type: 'boolean', default: false },
  },
})
const SIZES = values.orders.split(',').map(Number)
const [ROUNDS, CLAIMS, CONCURRENCY] = [values.rounds, values.claims, values.concurrency].map(Number) as [
  number,
  number,
  number,
]

/** A database, the store on it, and the minimal upsert that it is compared with. */
interface Contender {
  readonly name: string
  readonly store: OrderSyncStore
  /** Stores the time of an event. Resolves to true when it is newer than the stored one. No lease, no conflict, no response. */
  readonly upsert: (orderKey: string, orderModifyTime: number) => Promise<boolean>
  /** Adds processed orders to both, numbered from `from` up to, not including, `to`. */
  readonly fill: (from: number, to: number) => Promise<unknown>
  readonly close: () => Promise<unknown>
}

const delivery = (orderKey: string): Delivery => ({
  orderKey,
  requestKey: randomUUID(),
  digest: 'digest',
  contentDigest: 'content',
  orderModifyTime: Date.now(),
})

/** The lease expires at once, so that every claim succeeds. */
const LEASE = { leaseMs: 0, compareModifyTimeWith: 'orderModifyTime' } as const

function memory(): Contender {
  const store = memoryStore({ maxOrders: 2_000_000, maxRequests: 2_000_000 })
  const seen = new Map<string, number>()
  return {
    name: 'memory',
    store,
    async upsert(orderKey, orderModifyTime) {
      const isNew = orderModifyTime > (seen.get(orderKey) ?? 0)
      if (isNew) seen.set(orderKey, orderModifyTime)
      return isNew
    },
    async fill(from, to) {
      for (let number = from; number < to; number++) {
        const filled = { ...delivery(`filled-${number}`), orderModifyTime: 1 }
        const result = await store.claim(filled, LEASE)
        if (result.decision === 'process')
          await store.finish({ delivery: filled, token: result.token }, { storedResponse: '{}', processed: true })
        seen.set(filled.orderKey, 1)
      }
    },
    close: async () => undefined,
  }
}

async function sqlite(): Promise<Contender> {
  const folder = mkdtempSync(join(tmpdir(), 'order-sync-bench-'))
  const file = join(folder, 'store.db')
  const store = sqliteStore({ file })
  const { default: BetterSqlite } = await import('better-sqlite3')
  const database = new BetterSqlite(file)
  database.exec(`PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA busy_timeout = 5000;
    CREATE TABLE upserts (order_key TEXT PRIMARY KEY, modify_time INTEGER NOT NULL) WITHOUT ROWID`)
  const statement = database.prepare(
    `INSERT INTO upserts VALUES (?, ?) ON CONFLICT (order_key) DO UPDATE SET modify_time = excluded.modify_time
     WHERE modify_time < excluded.modify_time`,
  )
  return {
    name: 'sqlite',
    store,
    upsert: async (orderKey, orderModifyTime) => statement.run(orderKey, orderModifyTime).changes > 0,
    async fill(from, to) {
      database.exec(`WITH RECURSIVE n (i) AS (SELECT ${from} UNION ALL SELECT i + 1 FROM n WHERE i + 1 < ${to})
        INSERT INTO order_sync_orders (order_key, token, last_modify_time, last_processed_at, last_response)
          SELECT 'filled-' || i, 1, 1, 1, '{}' FROM n`)
      database.exec(`WITH RECURSIVE n (i) AS (SELECT ${from} UNION ALL SELECT i + 1 FROM n WHERE i + 1 < ${to})
        INSERT INTO upserts SELECT 'filled-' || i, 1 FROM n`)
      database.exec('PRAGMA wal_checkpoint(TRUNCATE)')
    },
    async close() {
      database.close()
      await store.close()
      rmSync(folder, { recursive: true })
    },
  }
}

async function postgres(): Promise<Contender> {
  const url = process.env['POSTGRES_URL'] ?? 'postgres://root@127.0.0.1:5432/test'
  const schema = `bench_${randomUUID().replaceAll('-', '')}`
  const pool = new Pool({
    connectionString: url,
    options: `-c search_path=${schema}`,
    max: CONCURRENCY,
    connectionTimeoutMillis: 3_000,
  })
  await pool.query(`CREATE SCHEMA ${schema}`)
  await migratePostgres(pool)
  await pool.query('CREATE TABLE upserts (order_key text PRIMARY KEY, modify_time bigint NOT NULL)')
  return {
    name: 'postgres',
    store: postgresStore({ pool }),
    async upsert(orderKey, orderModifyTime) {
      const { rowCount } = await pool.query(
        `INSERT INTO upserts VALUES ($1, $2) ON CONFLICT (order_key) DO UPDATE SET modify_time = excluded.modify_time
         WHERE upserts.modify_time < excluded.modify_time`,
        [orderKey, orderModifyTime],
      )
      return (rowCount ?? 0) > 0
    },
    async fill(from, to) {
      const series = `generate_series(${from}, ${to - 1}) AS i`
      await pool.query(
        `INSERT INTO order_sync_orders (order_key, token, last_modify_time, last_processed_at, last_response)
         SELECT 'filled-' || i, 1, 1, now(), '{}' FROM ${series}`,
      )
      await pool.query(`INSERT INTO upserts SELECT 'filled-' || i, 1 FROM ${series}`)
      await pool.query('VACUUM ANALYZE order_sync_orders, upserts')
    },
    async close() {
      await pool.query(`DROP SCHEMA ${schema} CASCADE`)
      await pool.end()
    },
  }
}

async function mysql(): Promise<Contender> {
  const uri = process.env['MYSQL_URL'] ?? 'mysql://root@127.0.0.1:3306/test'
  const database = `bench_${randomUUID().replaceAll('-', '')}`
  const admin = createPool({ uri, connectionLimit: 1 })
  await admin.query(`CREATE DATABASE ${database}`)
  const pool = createPool({ uri, database, connectionLimit: CONCURRENCY })
  await migrateMysql(pool)
  await pool.query(
    'CREATE TABLE upserts (order_key varbinary(64) PRIMARY KEY, modify_time bigint NOT NULL) ENGINE = InnoDB',
  )
  return {
    name: 'mysql',
    store: mysqlStore({ pool }),
    async upsert(orderKey, orderModifyTime) {
      const [{ affectedRows }] = await pool.query<ResultSetHeader>(
        `INSERT INTO upserts VALUES (?, ?)
         ON DUPLICATE KEY UPDATE modify_time = IF(modify_time < ?, ?, modify_time)`,
        [orderKey, orderModifyTime, orderModifyTime, orderModifyTime],
      )
      return affectedRows > 0
    },
    async fill(from, to) {
      for (let start = from; start < to; start += FILLED_AT_ONCE) {
        const keys = Array.from(
          { length: Math.min(FILLED_AT_ONCE, to - start) },
          (_, index) => `filled-${start + index}`,
        )
        await pool.query(
          `INSERT INTO order_sync_orders (order_key, token, last_modify_time, last_processed_at, last_response)
           VALUES ${keys.map((key) => `('${key}', 1, 1, 1, '{}')`).join()}`,
        )
        await pool.query(`INSERT INTO upserts VALUES ${keys.map((key) => `('${key}', 1)`).join()}`)
      }
      await pool.query('ANALYZE TABLE order_sync_orders, upserts')
    },
    async close() {
      await pool.end()
      await admin.query(`DROP DATABASE ${database}`)
      await admin.end()
    },
  }
}

const FILLED_AT_ONCE = 5_000

async function redis(): Promise<Contender> {
  const client = new Redis(process.env['REDIS_URL'] ?? 'redis://127.0.0.1:6379', { maxRetriesPerRequest: 1 })
  const prefix = `bench-${randomUUID()}:`
  const script = `local seen = tonumber(redis.call('GET', KEYS[1]))
    if seen and seen >= tonumber(ARGV[1]) then return 0 end
    redis.call('SET', KEYS[1], ARGV[1])
    return 1`
  return {
    name: 'redis',
    store: redisStore({ client, prefix }),
    upsert: async (orderKey, orderModifyTime) =>
      (await client.eval(script, 1, `${prefix}upsert:${orderKey}`, orderModifyTime)) === 1,
    async fill(from, to) {
      const fillScript = `for i = ARGV[2], ARGV[3] - 1 do
        redis.call('HSET', ARGV[1] .. '{filled-' .. i .. '}', 'token', 1, 'modify_time', 1, 'processed_at', 1, 'response', '{}')
        redis.call('SET', ARGV[1] .. 'upsert:filled-' .. i, 1)
      end`
      for (let at = from; at < to; at += 10_000) await client.eval(fillScript, 0, prefix, at, Math.min(at + 10_000, to))
    },
    async close() {
      for await (const keys of client.scanStream({ match: `${prefix}*`, count: 5_000 })) {
        if (keys.length > 0) await client.unlink(keys)
      }
      client.disconnect()
    },
  }
}

interface Round {
  readonly perSecond: number
  readonly p99: number
}

/** Runs the operation for known orders, `CONCURRENCY` at a time. The p99 is in milliseconds. */
async function measure(size: number, operation: (orderKey: string) => Promise<unknown>): Promise<Round> {
  const times: number[] = []
  let taken = 0
  const startedAt = performance.now()
  await Promise.all(
    Array.from({ length: CONCURRENCY }, async () => {
      while (taken++ < CLAIMS) {
        const orderKey = `filled-${Math.floor(Math.random() * size)}`
        const before = performance.now()
        await operation(orderKey)
        times.push(performance.now() - before)
      }
    }),
  )
  const seconds = (performance.now() - startedAt) / 1_000
  times.sort((a, b) => a - b)
  return { perSecond: times.length / seconds, p99: times[Math.floor(times.length * 0.99)] ?? 0 }
}

const median = (numbers: number[]) => numbers.sort((a, b) => a - b)[Math.floor(numbers.length / 2)] ?? 0

interface Figures {
  readonly store: string
  readonly orders: number
  readonly claimsPerSecond: number
  readonly claimP99: number
  readonly upsertsPerSecond: number
  readonly upsertP99: number
  /** Claims per second, divided by the upserts per second of the same round. */
  readonly ratio: number
  /** The upsert divided by itself: the measurement noise. */
  readonly nullRatio: number
}

async function compare({ name, store, upsert }: Contender, size: number): Promise<Figures> {
  const claims: Round[] = []
  const upserts: Round[] = []
  const again: Round[] = []
  for (let round = 0; round < ROUNDS + 1; round++) {
    claims.push(await measure(size, (orderKey) => store.claim(delivery(orderKey), LEASE)))
    upserts.push(await measure(size, (orderKey) => upsert(orderKey, Date.now())))
    again.push(await measure(size, (orderKey) => upsert(orderKey, Date.now())))
  }
  // The first round of each warms up.
  for (const rounds of [claims, upserts, again]) rounds.shift()
  const ratioOf = (a: Round[], b: Round[]) =>
    median(a.map(({ perSecond }, index) => perSecond / (b[index]?.perSecond ?? 1)))
  return {
    store: name,
    orders: size,
    claimsPerSecond: median(claims.map(({ perSecond }) => perSecond)),
    claimP99: median(claims.map(({ p99 }) => p99)),
    upsertsPerSecond: median(upserts.map(({ perSecond }) => perSecond)),
    upsertP99: median(upserts.map(({ p99 }) => p99)),
    ratio: ratioOf(claims, upserts),
    nullRatio: ratioOf(again, upserts),
  }
}

const report: Figures[] = []
for (const make of [memory, sqlite, postgres, mysql, redis]) {
  const contender = await make()
  let filled = 0
  for (const size of SIZES) {
    await contender.fill(filled, size)
    filled = size
    report.push(await compare(contender, size))
  }
  await contender.close()
}

if (values.json) {
  console.log(JSON.stringify(report, undefined, 2))
} else {
  console.log(`median of ${ROUNDS} rounds of ${CLAIMS} operations, ${CONCURRENCY} at once; p99 in milliseconds`)
  console.table(
    report.map((figures) => ({
      store: figures.store,
      'orders remembered': figures.orders,
      'claims/s': Math.round(figures.claimsPerSecond),
      'claim p99': Number(figures.claimP99.toFixed(2)),
      'upserts/s': Math.round(figures.upsertsPerSecond),
      'upsert p99': Number(figures.upsertP99.toFixed(2)),
      'claim : upsert': Number(figures.ratio.toFixed(2)),
      'upsert : itself': Number(figures.nullRatio.toFixed(2)),
    })),
  )
}

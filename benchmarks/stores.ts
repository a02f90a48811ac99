/**
 * Claims per second of each store, beside a hand-written minimal upsert on the same database in the same run, and how both
 * change from 1,000 to 1,000,000 remembered orders. `npm run bench:stores`; `-- --orders 1000,100000` for other sizes.
 *
 * A figure is the median of interleaved rounds. Compare ratios, never the absolute numbers of two runs.
 */
import { randomUUID } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import type { Delivery, OrderSyncStore } from 'alipayhk-order-sync'
import { memoryStore } from 'alipayhk-order-sync'
import { migratePostgres, postgresStore } from 'alipayhk-order-sync/stores/postgres'
import { redisStore } from 'alipayhk-order-sync/stores/redis'
import { sqliteStore } from 'alipayhk-order-sync/stores/sqlite'
import { Redis } from 'ioredis'
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

/** A database, the store on it, and what somebody would write by hand in its place. */
interface Contender {
  readonly name: string
  readonly store: OrderSyncStore
  /** Remembers that an event was seen; resolves to whether it is newer than what was known. No lease, no conflict, no answer. */
  readonly upsert: (orderKey: string, orderModifyTime: number) => Promise<boolean>
  /** Makes orders that both remember, numbered from one number up to, not including, another. */
  readonly fill: (from: number, to: number) => Promise<unknown>
  readonly close: () => Promise<unknown>
}

const delivery = (orderKey: string): Delivery => ({
  orderKey,
  requestKey: randomUUID(),
  digest: 'digest',
  orderModifyTime: Date.now(),
})

/** A lease that has run out at once, so that every claim is given. */
const LEASE = { leaseMs: 0, comparison: 'orderModifyTime' } as const

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
        const of = { ...delivery(`filled-${number}`), orderModifyTime: 1 }
        const claim = await store.claim(of, LEASE)
        if (claim.decision === 'process')
          await store.finish({ delivery: of, token: claim.token }, { answer: '{}', processed: true })
        seen.set(of.orderKey, 1)
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
    CREATE TABLE by_hand (order_key TEXT PRIMARY KEY, modify_time INTEGER NOT NULL) WITHOUT ROWID`)
  const statement = database.prepare(
    `INSERT INTO by_hand VALUES (?, ?) ON CONFLICT (order_key) DO UPDATE SET modify_time = excluded.modify_time
     WHERE modify_time < excluded.modify_time`,
  )
  return {
    name: 'sqlite',
    store,
    upsert: async (orderKey, orderModifyTime) => statement.run(orderKey, orderModifyTime).changes > 0,
    async fill(from, to) {
      database.exec(`WITH RECURSIVE n (i) AS (SELECT ${from} UNION ALL SELECT i + 1 FROM n WHERE i + 1 < ${to})
        INSERT INTO order_sync_orders SELECT 'filled-' || i, 1, NULL, 1, 1, '{}' FROM n`)
      database.exec(`WITH RECURSIVE n (i) AS (SELECT ${from} UNION ALL SELECT i + 1 FROM n WHERE i + 1 < ${to})
        INSERT INTO by_hand SELECT 'filled-' || i, 1 FROM n`)
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
  await pool.query('CREATE TABLE by_hand (order_key text PRIMARY KEY, modify_time bigint NOT NULL)')
  return {
    name: 'postgres',
    store: postgresStore({ pool }),
    async upsert(orderKey, orderModifyTime) {
      const { rowCount } = await pool.query(
        `INSERT INTO by_hand VALUES ($1, $2) ON CONFLICT (order_key) DO UPDATE SET modify_time = excluded.modify_time
         WHERE by_hand.modify_time < excluded.modify_time`,
        [orderKey, orderModifyTime],
      )
      return (rowCount ?? 0) > 0
    },
    async fill(from, to) {
      const series = `generate_series(${from}, ${to - 1}) AS i`
      await pool.query(
        `INSERT INTO order_sync_orders (order_key, token, last_modify_time, last_processed_at, last_answer)
         SELECT 'filled-' || i, 1, 1, now(), '{}' FROM ${series}`,
      )
      await pool.query(`INSERT INTO by_hand SELECT 'filled-' || i, 1 FROM ${series}`)
      await pool.query('VACUUM ANALYZE order_sync_orders, by_hand')
    },
    async close() {
      await pool.query(`DROP SCHEMA ${schema} CASCADE`)
      await pool.end()
    },
  }
}

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
      (await client.eval(script, 1, `${prefix}by-hand:${orderKey}`, orderModifyTime)) === 1,
    async fill(from, to) {
      const fillScript = `for i = ARGV[2], ARGV[3] - 1 do
        redis.call('HSET', ARGV[1] .. '{filled-' .. i .. '}', 'token', 1, 'modify_time', 1, 'processed_at', 1, 'answer', '{}')
        redis.call('SET', ARGV[1] .. 'by-hand:filled-' .. i, 1)
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

/** Runs the operation for orders that are known, so many at once; milliseconds for the p99. */
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
  readonly byHandPerSecond: number
  readonly byHandP99: number
  /** Claims per second, by the upserts per second of the same round. */
  readonly ratio: number
  /** The upsert against itself: how much of a ratio is noise. */
  readonly nullRatio: number
}

async function compare({ name, store, upsert }: Contender, size: number): Promise<Figures> {
  const claims: Round[] = []
  const byHand: Round[] = []
  const again: Round[] = []
  for (let round = 0; round < ROUNDS + 1; round++) {
    claims.push(await measure(size, (orderKey) => store.claim(delivery(orderKey), LEASE)))
    byHand.push(await measure(size, (orderKey) => upsert(orderKey, Date.now())))
    again.push(await measure(size, (orderKey) => upsert(orderKey, Date.now())))
  }
  // The first round of each warms up.
  for (const rounds of [claims, byHand, again]) rounds.shift()
  const ratioOf = (a: Round[], b: Round[]) =>
    median(a.map(({ perSecond }, index) => perSecond / (b[index]?.perSecond ?? 1)))
  return {
    store: name,
    orders: size,
    claimsPerSecond: median(claims.map(({ perSecond }) => perSecond)),
    claimP99: median(claims.map(({ p99 }) => p99)),
    byHandPerSecond: median(byHand.map(({ perSecond }) => perSecond)),
    byHandP99: median(byHand.map(({ p99 }) => p99)),
    ratio: ratioOf(claims, byHand),
    nullRatio: ratioOf(again, byHand),
  }
}

const report: Figures[] = []
for (const make of [memory, sqlite, postgres, redis]) {
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
      'upserts by hand/s': Math.round(figures.byHandPerSecond),
      'upsert p99': Number(figures.byHandP99.toFixed(2)),
      'claim : upsert': Number(figures.ratio.toFixed(2)),
      'upsert : itself': Number(figures.nullRatio.toFixed(2)),
    })),
  )
}

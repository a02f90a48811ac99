import { createRequire } from 'node:module'
import { resolve } from 'node:path'
import process from 'node:process'
import { createOutbox } from 'alipayhk-order-sync/outbox'
import { migratePostgresOutbox, postgresOutboxStore } from 'alipayhk-order-sync/stores/postgres'
import { createTestOrder } from 'alipayhk-order-sync/testing'
import { Pool } from 'pg'
import { install } from '../scripts/install.ts'
import { startServices } from '../tests/support/services.ts'
import { type Contender, compare, type Figure, quantile, SPEED } from './measure.ts'

const EVENTS = 2_000
const BATCH = 100
const AT_ONCE = 200
const LATENCIES = 300

/** A peer that responds at once, so that only the queue is measured. */
const response = { result: { resultCode: 'SUCCESS', resultStatus: 'S' } } as const
const client = {
  syncOrder: async ({ requestId = '' }) => ({ orderId: 'A', requestId, attempts: 1, tracerId: undefined, response }),
}

interface Boss {
  start(): Promise<unknown>
  stop(options: object): Promise<unknown>
  createQueue(name: string): Promise<unknown>
  send(name: string, data: object): Promise<unknown>
  insert(name: string, jobs: readonly { data: object }[]): Promise<unknown>
  insert(jobs: readonly { name: string; data: object }[]): Promise<unknown>
  fetch(name: string, options: { batchSize: number }): Promise<readonly { id: string; data: never }[]>
  complete(name: string, ids: readonly string[]): Promise<unknown>
}

/** Compares the outbox on PostgreSQL with pg-boss: from writing the first event to recording the last one as sent. */
export async function outbox(rounds: number): Promise<Figure[]> {
  const services = await startServices()
  if (services.postgresUrl === undefined) throw new Error('This benchmark needs PostgreSQL (POSTGRES_URL)')
  const schema = `outbox_bench_${process.pid}`
  const pool = new Pool({ connectionString: services.postgresUrl, options: `-c search_path=${schema}`, max: 10 })
  const boss = await startBoss(services.postgresUrl)
  try {
    await pool.query(`CREATE SCHEMA ${schema}`)
    await migratePostgresOutbox(pool)
    const ours = createOutbox({ store: postgresOutboxStore({ pool }), client, keepSentMs: 0, onEvent: () => {} })
    const orders = () => Array.from({ length: EVENTS }, () => createTestOrder())
    const batchesOf = <Item>(items: readonly Item[]) =>
      Array.from({ length: Math.ceil(items.length / BATCH) }, (_, index) =>
        items.slice(index * BATCH, (index + 1) * BATCH),
      )
    const timed =
      (work: () => Promise<unknown>): Contender =>
      async () => {
        const startedAt = performance.now()
        await work()
        return { perSecond: (EVENTS * 1_000) / (performance.now() - startedAt) }
      }
    const drainBoss = async () => {
      for (;;) {
        const jobs = await boss.fetch('sync', { batchSize: AT_ONCE })
        if (jobs.length === 0) return
        await Promise.all(jobs.map(({ data }) => client.syncOrder(data)))
        await boss.complete(
          'sync',
          jobs.map(({ id }) => id),
        )
      }
    }
    const measures = [{ ...SPEED, bar: { least: 0.9 } }]
    const oneByOne = await compare(
      {
        what: 'enqueue one by one, and send',
        ours: timed(async () => {
          for (const order of orders()) await ours.enqueue(order)
          await ours.drain({ concurrency: AT_ONCE })
        }),
        theirs: timed(async () => {
          for (const order of orders()) await boss.send('sync', order)
          await drainBoss()
        }),
        measures,
      },
      rounds,
    )
    // Give both outboxes statistics: without them, pg-boss takes about twice as long until autovacuum runs, once a minute.
    await pool.query('VACUUM ANALYZE')
    const batched = await compare(
      {
        what: `enqueue ${BATCH} at a time, and send`,
        ours: timed(async () => {
          for (const batch of batchesOf(orders())) await ours.enqueueAll(batch)
          await ours.drain({ concurrency: AT_ONCE })
        }),
        theirs: timed(async () => {
          for (const batch of batchesOf(orders())) await insert(boss, batch)
          await drainBoss()
        }),
        measures,
      },
      rounds,
    )
    await printLatency(pool)
    return [...oneByOne, ...batched]
  } finally {
    await boss.stop({ graceful: false })
    await pool.query(`DROP SCHEMA ${schema} CASCADE`)
    await pool.end()
    services.stop()
  }
}

const insert = (boss: Boss, orders: readonly object[]) =>
  boss.insert(
    'sync',
    orders.map((data) => ({ data })),
  )

async function startBoss(connectionString: string): Promise<Boss> {
  const folder = resolve('.cache/outbox-peers')
  install('benchmarks/outbox-peers', folder)
  const loaded = createRequire(`${folder}/`)('pg-boss')
  const PgBoss = loaded.PgBoss ?? loaded.default ?? loaded
  const boss: Boss = new PgBoss({
    connectionString,
    schema: `boss_bench_${process.pid}`,
    supervise: false,
    schedule: false,
  })
  await boss.start()
  await boss.createQueue('sync')
  return boss
}

/** From the commit of the merchant's transaction to the call of the client, with a worker that NOTIFY wakes. */
async function printLatency(pool: Pool): Promise<void> {
  let arrived: (() => void) | undefined
  const waiting = {
    syncOrder(order: { requestId?: string }) {
      arrived?.()
      return client.syncOrder(order)
    },
  }
  const outbox = createOutbox({
    store: postgresOutboxStore({ pool }),
    client: waiting,
    pollMs: 60_000,
    onEvent: () => {},
  })
  const stop = new AbortController()
  const running = outbox.run({ signal: stop.signal })
  const latencies: number[] = []
  for (let index = 0; index < LATENCIES; index++) {
    const merchant = await pool.connect()
    await merchant.query('BEGIN')
    await outbox.enqueue(createTestOrder(), { transaction: merchant })
    const sent = new Promise<void>((settle) => {
      arrived = settle
    })
    await merchant.query('COMMIT')
    const startedAt = performance.now()
    merchant.release()
    await sent
    latencies.push(performance.now() - startedAt)
  }
  stop.abort()
  await running
  const [p50, p99] = [quantile(latencies, 0.5), quantile(latencies, 0.99)].map((ms) => ms.toFixed(1))
  console.error(`latency from the commit to the send, with NOTIFY: p50 ${p50} ms, p99 ${p99} ms`)
}

import { randomUUID } from 'node:crypto'
import process from 'node:process'
import { migratePostgres } from 'alipayhk-order-sync/stores/postgres'
import { Pool } from 'pg'
import { order, request } from '../tests/support/messages.ts'
import { type Bar, type Contender, compare, type Figure, type Measure, SPEED } from './measure.ts'
import type { Held, StoreName } from './memory-per-order.ts'
import { startWorker, type Worker } from './processes.ts'
import { orderVerification } from './verify-order.ts'
import type { PostgresSetup, PostgresTask } from './worker-postgres.ts'

/** Measures how the cost grows with the number of remembered orders, of processes on one database, and of body bytes. */
export async function scale(rounds: number): Promise<Figure[]> {
  // A million orders take minutes. The short form stops soon after the limit of the memory store, which is 100,000 orders.
  const orders = rounds > 5 ? [10_000, 100_000, 1_000_000] : [10_000, 100_000, 200_000]
  return [
    ...(await memory('memory', 'heap', orders, [undefined, { most: 1.15 }])),
    ...(await memory('sqlite', 'resident', orders, [{ most: 1.15 }, { most: 1.15 }])),
    ...(await processes(rounds)),
    ...(await bodySizes(rounds)),
  ]
}

const MEMORY_LABELS: Readonly<Record<keyof Held, string>> = { heap: 'heap', resident: 'resident memory' }

/** Compares the memory after a number of orders with the memory at the step before. */
async function memory(
  store: StoreName,
  kind: keyof Held,
  orders: readonly number[],
  bars: readonly (Bar | undefined)[],
): Promise<Figure[]> {
  const worker = startWorker('memory-per-order', { execArgv: ['--expose-gc'] })
  try {
    await worker.call(store)
    const held: number[] = []
    for (const count of orders) held.push((await worker.call<Held>(count))[kind] / 1_000_000)
    return bars.map((bar, step) => {
      const [theirs = Number.NaN, ours = Number.NaN] = held.slice(step)
      const what = `${MEMORY_LABELS[kind]} of the ${store} store, ${orders[step + 1]} orders : ${orders[step]}`
      return { what, unit: 'MB', ours, theirs, ratio: ours / theirs, ...(bar && { bar }) }
    })
  } finally {
    worker.stop()
  }
}

/**
 * Compares two processes with one, on the same PostgreSQL. There is no bar: a request takes 0.7 ms of CPU time here and
 * 0.4 ms in the database. One process, its thread pool and the database can use two cores completely.
 */
async function processes(rounds: number): Promise<Figure[]> {
  const url = process.env['POSTGRES_URL'] ?? 'postgres://root@127.0.0.1:5432/test'
  const schema = `bench_${randomUUID().replaceAll('-', '')}`
  const pool = new Pool({ connectionString: url, options: `-c search_path=${schema}`, connectionTimeoutMillis: 3_000 })
  try {
    await pool.query(`CREATE SCHEMA ${schema}`)
  } catch (error) {
    console.error(`No PostgreSQL at POSTGRES_URL (${String(error)}): its comparison is skipped`)
    await pool.end()
    return []
  }
  const pair = [startWorker('worker-postgres'), startWorker('worker-postgres')]
  try {
    await migratePostgres(pool)
    for (const worker of pair) await worker.call({ url, schema } satisfies PostgresSetup)
    const [one, two] = [inProcesses(pair.slice(0, 1)), inProcesses(pair)]
    return await compare({ what: 'PostgreSQL, 2 processes : 1', ours: two, theirs: one, measures: [SPEED] }, rounds)
  } finally {
    for (const worker of pair) worker.stop()
    await pool.query(`DROP SCHEMA ${schema} CASCADE`)
    await pool.end()
  }
}

/** Requests of each process in a round. */
const REQUESTS = 250

const inProcesses = (workers: readonly Worker[]): Contender => {
  const callAll = (task: PostgresTask) => Promise.all(workers.map((worker) => worker.call(task)))
  return async () => {
    await callAll(REQUESTS)
    const begin = performance.now()
    await callAll('process')
    return { perSecond: ((workers.length * REQUESTS) / (performance.now() - begin)) * 1_000 }
  }
}

/** Compares the cost of one byte with that in a body of 100 KB, from the headers to the validated order. */
async function bodySizes(rounds: number): Promise<Figure[]> {
  const cost: Measure = { unit: 'ns/byte', of: ({ perSecond }) => 1_000_000_000 / perSecond }
  const figures: Figure[] = []
  for (const [bytes, bar] of [[1_000], [10_000], [1_000_000, { most: 1.5 }]] as const) {
    const contenders = { ours: bytesVerified(bytes), theirs: bytesVerified(100_000) }
    const measures = [{ ...cost, ...(bar && { bar }) }]
    figures.push(
      ...(await compare({ what: `a body of ${bytes / 1_000} KB : 100 KB`, ...contenders, measures }, rounds)),
    )
  }
  return figures
}

/** Verifies an order of about `bytes` bytes again and again. A sample is in bytes per second. */
function bytesVerified(bytes: number): Contender {
  const received = request({ message: orderOf(bytes) })
  const verify = orderVerification(received)
  return async () => ({ perSecond: (await verify()).perSecond * received.body.length })
}

/** An order of about `bytes` bytes, with a list of items. */
function orderOf(bytes: number): Record<string, unknown> {
  const item = { name: '叉燒飯', quantity: 2, price: { value: '6800', currency: 'HKD' }, note: 'no spring onions' }
  const available = bytes - JSON.stringify(order({ extInfo: { items: [] } })).length
  const count = Math.round(available / (Buffer.byteLength(JSON.stringify(item)) + 1))
  return order({ extInfo: { items: Array.from({ length: count }, () => item) } })
}

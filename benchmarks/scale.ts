import { randomUUID } from 'node:crypto'
import process from 'node:process'
import { migratePostgres } from 'alipayhk-order-sync/stores/postgres'
import { Pool } from 'pg'
import { order, request } from '../tests/support/messages.ts'
import { type Bar, type Contender, duel, type Figure, type Measure, SPEED } from './measure.ts'
import type { Held, StoreName } from './memory-per-order.ts'
import { startWorker, type Worker } from './processes.ts'
import { unpacking } from './unpacking.ts'
import type { Working } from './working.ts'

/** How cost grows: with the orders remembered, the processes on one database, the bytes of a body. */
export async function scale(rounds: number): Promise<Figure[]> {
  // A million orders take a while: the short form stops where the bound of the memory store has been passed.
  const orders = rounds > 5 ? [10_000, 100_000, 1_000_000] : [10_000, 100_000, 200_000]
  return [
    ...(await memoryOf('memory', 'heap', orders, [undefined, { most: 1.15 }])),
    ...(await memoryOf('sqlite', 'resident', orders, [{ most: 1.15 }, { most: 1.15 }])),
    ...(await workers(rounds)),
    ...(await bodies(rounds)),
  ]
}

/** What is held after so many orders, beside what was held at the step before. The memory store is full at 100,000. */
async function memoryOf(
  store: StoreName,
  kind: keyof Held,
  orders: readonly number[],
  bars: readonly (Bar | undefined)[],
): Promise<Figure[]> {
  const worker = startWorker('memory-per-order', { execArgv: ['--expose-gc'] })
  try {
    await worker.ask(store)
    const held: number[] = []
    for (const count of orders) held.push((await worker.ask<Held>(count))[kind] / 1_000_000)
    return bars.map((bar, step) => {
      const [theirs = Number.NaN, ours = Number.NaN] = held.slice(step)
      const what = `${kind} of the ${store} store, ${orders[step + 1]} orders : ${orders[step]}`
      return { what, unit: 'MB', ours, theirs, ratio: ours / theirs, ...(bar && { bar }) }
    })
  } finally {
    worker.end()
  }
}

/**
 * Two processes beside one, on the same PostgreSQL. No bar: a request takes 0.7 ms of CPU here and 0.4 ms in the database, so
 * that on two cores one process, its thread pool and the database have all there is.
 */
async function workers(rounds: number): Promise<Figure[]> {
  const url = process.env['POSTGRES_URL'] ?? 'postgres://root@127.0.0.1:5432/test'
  const schema = `bench_${randomUUID().replaceAll('-', '')}`
  const pool = new Pool({ connectionString: url, options: `-c search_path=${schema}`, connectionTimeoutMillis: 3_000 })
  try {
    await pool.query(`CREATE SCHEMA ${schema}`)
  } catch (error) {
    console.error(`PostgreSQL: none at POSTGRES_URL (${String(error)}); it is left out`)
    await pool.end()
    return []
  }
  const pair = [startWorker('working'), startWorker('working')]
  try {
    await migratePostgres(pool)
    for (const worker of pair) await worker.ask({ url, schema } satisfies Working)
    const [one, two] = [working(pair.slice(0, 1)), working(pair)]
    return await duel({ what: 'PostgreSQL, 2 workers : 1', ours: two, theirs: one, measures: [SPEED] }, rounds)
  } finally {
    for (const worker of pair) worker.end()
    await pool.query(`DROP SCHEMA ${schema} CASCADE`)
    await pool.end()
  }
}

/** Requests of each worker in a round. */
const REQUESTS = 250

const working = (workers: readonly Worker[]): Contender => {
  const all = (task: number | 'work') => Promise.all(workers.map((worker) => worker.ask(task)))
  return async () => {
    await all(REQUESTS)
    const begin = performance.now()
    await all('work')
    return { perSecond: ((workers.length * REQUESTS) / (performance.now() - begin)) * 1_000 }
  }
}

/** What a byte costs in bodies of several sizes, from the headers to the valid order, beside a body of 100 KB. */
async function bodies(rounds: number): Promise<Figure[]> {
  const cost: Measure = { unit: 'ns/byte', of: ({ perSecond }) => 1_000_000_000 / perSecond }
  const figures: Figure[] = []
  for (const [bytes, bar] of [[1_000], [10_000], [1_000_000, { most: 1.5 }]] as const) {
    const contenders = { ours: byBytes(bytes), theirs: byBytes(100_000) }
    const measures = [{ ...cost, ...(bar && { bar }) }]
    figures.push(...(await duel({ what: `a body of ${bytes / 1_000} KB : 100 KB`, ...contenders, measures }, rounds)))
  }
  return figures
}

/** How many bytes are unpacked in a second. */
function byBytes(bytes: number): Contender {
  const sent = request({ message: orderOf(bytes) })
  const unpack = unpacking(sent)
  return async () => ({ perSecond: (await unpack()).perSecond * sent.body.length })
}

/** An order of about so many bytes, with a list of what was bought. */
function orderOf(bytes: number): Record<string, unknown> {
  const item = { name: '叉燒飯', quantity: 2, price: { value: '6800', currency: 'HKD' }, note: 'no spring onions' }
  const room = bytes - JSON.stringify(order({ extInfo: { items: [] } })).length
  const count = Math.round(room / (Buffer.byteLength(JSON.stringify(item)) + 1))
  return order({ extInfo: { items: Array.from({ length: count }, () => item) } })
}

/** Measures the memory of a store after a number of orders. It runs in a process of its own, which can collect its garbage. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import process from 'node:process'
import { memoryStore } from 'alipayhk-order-sync'
import type { Delivery, OrderSyncStore } from 'alipayhk-order-sync/store'
import { sqliteStore } from 'alipayhk-order-sync/stores/sqlite'
import BetterSqlite from 'better-sqlite3'
import { success } from '../tests/support/messages.ts'

export type StoreName = keyof typeof STORES

/** Memory of the process after a garbage collection, in bytes. */
export interface Held {
  /** JavaScript: objects, and buffers outside the heap. */
  readonly heap: number
  /** The whole process, including what a database allocates. */
  readonly resident: number
}

interface FilledStore {
  readonly store: OrderSyncStore
  /** Adds processed orders, numbered from `from` up to, not including, `to`. */
  readonly fill: (from: number, to: number) => void | Promise<void>
}

const STORES = {
  memory(): FilledStore {
    const store = memoryStore()
    return {
      store,
      async fill(from, to) {
        for (let number = from; number < to; number++) await processOrder(store, number)
      },
    }
  },
  sqlite(): FilledStore {
    const folder = mkdtempSync(join(tmpdir(), 'order-sync-bench-'))
    process.once('SIGTERM', () => {
      rmSync(folder, { recursive: true })
      process.exit()
    })
    const file = join(folder, 'store.db')
    return { store: sqliteStore({ file, driver: 'better-sqlite3' }), fill: (from, to) => fillSqlite(file, from, to) }
  },
}

/** Writes the rows directly: two commits for each of a million orders would take minutes. */
function fillSqlite(file: string, from: number, to: number): void {
  const database = new BetterSqlite(file)
  const numbers = `WITH RECURSIVE n (i) AS (SELECT ${from} UNION ALL SELECT i + 1 FROM n WHERE i + 1 < ${to})`
  const response = `'${JSON.stringify(success())}'`
  database.exec(`BEGIN;
    ${numbers} INSERT INTO order_sync_orders (order_key, token, last_modify_time, last_processed_at, last_response)
      SELECT 'order-' || i || '${'_'.repeat(31)}', 1, i, i, ${response} FROM n;
    ${numbers} INSERT INTO order_sync_requests SELECT 'request-' || i || '${'_'.repeat(29)}', 'digest-' || i, ${response}, 1e15 FROM n;
    COMMIT; PRAGMA wal_checkpoint(TRUNCATE)`)
  database.close()
}

/** How many of the latest orders go through the store itself, after the rows that were written directly. */
const LATEST = 2_000

process.once('message', (name: StoreName) => {
  const { store, fill } = STORES[name]()
  let seen = 0
  process.on('message', async (orders: number) => {
    await fill(seen, orders - LATEST)
    for (let number = orders - LATEST; number < orders; number++) await processOrder(store, number)
    seen = orders
    globalThis.gc?.()
    const { heapUsed, external, rss } = process.memoryUsage()
    process.send?.({ heap: heapUsed + external, resident: rss } satisfies Held)
  })
  process.send?.('ready')
})

/** Claims and finishes a new order. Its keys are as long as real ones. */
async function processOrder(store: OrderSyncStore, number: number): Promise<void> {
  const hash = (kind: string) => `${kind}-${number}`.padEnd(43, '_')
  const delivery: Delivery = {
    orderKey: hash('order'),
    requestKey: hash('request'),
    digest: hash('digest'),
    contentDigest: hash('content'),
    orderModifyTime: number,
  }
  const result = await store.claim(delivery, { leaseMs: 30_000, compareModifyTimeWith: 'orderModifyTime' })
  if (result.decision !== 'process') throw new Error(`The decision was ${result.decision}`)
  const storedResponse = JSON.stringify(success(`A-${number}`))
  await store.finish({ delivery, token: result.token }, { storedResponse, processed: true })
}

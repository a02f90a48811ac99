/** A store, in a process of its own that can collect its garbage: it is told how many orders to have seen. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import process from 'node:process'
import { type Delivery, memoryStore, type OrderSyncStore } from 'alipayhk-order-sync'
import { sqliteStore } from 'alipayhk-order-sync/stores/sqlite'
import BetterSqlite from 'better-sqlite3'
import { success } from '../tests/support/messages.ts'

export type StoreName = keyof typeof STORES

/** What the process holds once its garbage is collected, in bytes. */
export interface Held {
  /** Of JavaScript: objects, and the buffers outside the heap. */
  readonly heap: number
  /** Of the process as a whole, what a database allocates by itself included. */
  readonly resident: number
}

interface Remembering {
  readonly store: OrderSyncStore
  /** Makes orders as if they had been seen, numbered from one number up to, not including, another. */
  readonly fill: (from: number, to: number) => void | Promise<void>
}

const STORES = {
  memory(): Remembering {
    const store = memoryStore()
    return {
      store,
      async fill(from, to) {
        for (let number = from; number < to; number++) await remember(store, number)
      },
    }
  },
  sqlite(): Remembering {
    const folder = mkdtempSync(join(tmpdir(), 'order-sync-bench-'))
    process.once('SIGTERM', () => {
      rmSync(folder, { recursive: true })
      process.exit()
    })
    const file = join(folder, 'store.db')
    return { store: sqliteStore({ file, driver: 'better-sqlite3' }), fill: (from, to) => fillSqlite(file, from, to) }
  },
}

/** Two commits on the disk for each of a million orders would take minutes. */
function fillSqlite(file: string, from: number, to: number): void {
  const database = new BetterSqlite(file)
  const numbers = `WITH RECURSIVE n (i) AS (SELECT ${from} UNION ALL SELECT i + 1 FROM n WHERE i + 1 < ${to})`
  const answer = `'${JSON.stringify(success())}'`
  database.exec(`BEGIN;
    ${numbers} INSERT INTO order_sync_orders SELECT 'order-' || i || '${'_'.repeat(31)}', 1, NULL, i, i, ${answer} FROM n;
    ${numbers} INSERT INTO order_sync_requests SELECT 'request-' || i || '${'_'.repeat(29)}', 'digest-' || i, ${answer}, 1e15 FROM n;
    COMMIT; PRAGMA wal_checkpoint(TRUNCATE)`)
  database.close()
}

/** Of all orders these many go through the store itself, whatever it was filled with before. */
const LATEST = 2_000

process.once('message', (name: StoreName) => {
  const { store, fill } = STORES[name]()
  let seen = 0
  process.on('message', async (orders: number) => {
    await fill(seen, orders - LATEST)
    for (let number = orders - LATEST; number < orders; number++) await remember(store, number)
    seen = orders
    globalThis.gc?.()
    const { heapUsed, external, rss } = process.memoryUsage()
    process.send?.({ heap: heapUsed + external, resident: rss } satisfies Held)
  })
  process.send?.('ready')
})

/** Claims and finishes an order that is new, with keys as long as real ones. */
async function remember(store: OrderSyncStore, number: number): Promise<void> {
  const hash = (kind: string) => `${kind}-${number}`.padEnd(43, '_')
  const delivery: Delivery = {
    orderKey: hash('order'),
    requestKey: hash('request'),
    digest: hash('digest'),
    orderModifyTime: number,
  }
  const claim = await store.claim(delivery, { leaseMs: 30_000, comparison: 'orderModifyTime' })
  if (claim.decision !== 'process') throw new Error(`the claim was answered with ${claim.decision}`)
  const answer = JSON.stringify(success(`A-${number}`))
  await store.finish({ delivery, token: claim.token }, { answer, processed: true })
}

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import process from 'node:process'
import { expect, onTestFinished, test } from 'vitest'
import { type SqliteStore, sqliteStore } from '../../src/stores/sqlite.ts'
import { hasNodeSqlite, makePlace } from '../support/stores.ts'

const driver = hasNodeSqlite ? 'node:sqlite' : 'better-sqlite3'

/** LOCK_SECONDS=4 for the long run. */
const LOCK_MS = Number(process.env['LOCK_SECONDS'] ?? 1) * 1_000
const ORDERS = 200

const OTHER_PROGRAM = `
const [driver, file, holdMs] = process.argv.slice(1)
const Database = driver === 'node:sqlite' ? require(driver).DatabaseSync : require(driver)
const database = new Database(file)
database.exec('BEGIN IMMEDIATE')
console.log('locked')
setTimeout(() => database.close(), Number(holdMs))
`

/** Resolves once another process holds the write lock of the file, which it does for that long. */
async function lockElsewhere(file: string, holdMs: number): Promise<void> {
  const child = spawn(process.execPath, ['-e', OTHER_PROGRAM, driver, file, String(holdMs)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  onTestFinished(() => void child.kill('SIGKILL'))
  await once(child.stdout, 'data')
}

async function open(
  count: number,
  options: { busyTimeoutMs?: number } = {},
): Promise<{ file: string; stores: SqliteStore[] }> {
  const { place, remove } = await makePlace(driver, '')
  onTestFinished(remove)
  const file = place.slice(driver.length + 1)
  const stores = Array.from({ length: count }, () => sqliteStore({ file, driver, ...options }))
  onTestFinished(async () => {
    for (const store of stores) await store.close()
  })
  return { file, stores }
}

const deliveryOf = (key: number) => ({
  orderKey: `order-${key}`,
  requestKey: `request-${key}`,
  digest: 'digest',
  contentDigest: 'content',
  orderModifyTime: 1,
})
const claimOptions = { leaseMs: 30_000, compareModifyTimeWith: 'orderModifyTime' } as const

async function processOne(store: SqliteStore | undefined, key: number): Promise<boolean | undefined> {
  const delivery = deliveryOf(key)
  const claim = await store?.claim(delivery, claimOptions)
  if (claim?.decision !== 'process') throw new Error(claim?.decision)
  return await store?.finish({ delivery, token: claim.token }, { storedResponse: 'response', processed: true })
}

/** Measures the longest stall of the event loop. The monitor of perf_hooks records nothing while the loop is blocked throughout. */
function measureStalls(): { stop: () => number } {
  let longestMs = 0
  let last = performance.now()
  const measure = () => {
    const now = performance.now()
    longestMs = Math.max(longestMs, now - last)
    last = now
  }
  const timer = setInterval(measure, 5)
  return {
    stop() {
      measure()
      clearInterval(timer)
      return longestMs
    },
  }
}

// On a busy machine, other processes can delay the event loop too: try again.
test(`sqliteStore processes ${ORDERS} orders after another process has held the lock for ${LOCK_MS} ms, and stalls the event loop for less than 100 ms`, {
  retry: 3,
  timeout: LOCK_MS + 30_000,
}, async () => {
  // Two stores on one file share the queue.
  const { file, stores } = await open(2)
  await lockElsewhere(file, LOCK_MS)
  const stalls = measureStalls()
  const before = performance.now()
  const finished = await Promise.all(Array.from({ length: ORDERS }, (_, key) => processOne(stores[key % 2], key)))
  const longestMs = stalls.stop()
  expect(performance.now() - before).toBeGreaterThan(LOCK_MS - 500)
  expect(finished).toEqual(Array.from({ length: ORDERS }, () => true))
  expect(longestMs).toBeLessThan(100)
})

test('sqliteStore rejects all calls that wait longer than busyTimeoutMs at about the same time, and then works again', async () => {
  const { file, stores } = await open(1, { busyTimeoutMs: 300 })
  await lockElsewhere(file, 1_000)
  const before = performance.now()
  const results = await Promise.allSettled(Array.from({ length: 50 }, (_, key) => processOne(stores[0], key)))
  expect(performance.now() - before).toBeLessThan(900)
  expect(results.map(({ status }) => status)).toEqual(Array.from({ length: 50 }, () => 'rejected'))
  await expect.poll(() => processOne(stores[0], 1).catch(() => false)).toBe(true)
})

test('sqliteStore opens a file that is up to date while another process holds the lock, and reads', async () => {
  const { file, stores } = await open(1)
  expect(await processOne(stores[0], 1)).toBe(true)
  await lockElsewhere(file, 3_000)
  const before = performance.now()
  const second = sqliteStore({ file, driver })
  expect((await second.read('order-1'))?.last?.storedResponse).toBe('response')
  await second.close()
  expect(performance.now() - before).toBeLessThan(1_000)
})

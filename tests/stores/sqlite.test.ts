import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import { describe, expect, onTestFinished, test } from 'vitest'
import { type SqliteStore, sqliteStore } from '../../src/stores/sqlite.ts'
import { hasNodeSqlite, makePlace } from '../support/stores.ts'

const driver = hasNodeSqlite ? 'node:sqlite' : 'better-sqlite3'

async function newFile(): Promise<string> {
  const { place, remove } = await makePlace(driver, '')
  onTestFinished(remove)
  return place.slice(driver.length + 1)
}

function open(file: string): SqliteStore {
  const store = sqliteStore({ file, driver })
  onTestFinished(() => store.close())
  return store
}

/** Runs in a thread of its own: opening the store blocks the thread of the test. */
const OTHER_PROGRAM = `
const { parentPort, workerData } = require('node:worker_threads')
const { driver, file, sql, holdMs } = workerData
const Database = driver === 'node:sqlite' ? require('node:sqlite').DatabaseSync : require(driver)
const database = new Database(file)
database.exec(sql)
parentPort.postMessage('done')
Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, holdMs)
database.close()
`

/** Runs SQL in another thread, and resolves when the SQL is done. That thread keeps the file open for `holdMs`. */
async function runElsewhere(file: string, sql: string, holdMs = 0): Promise<{ exited: Promise<unknown> }> {
  const worker = new Worker(OTHER_PROGRAM, { eval: true, workerData: { driver, file, sql, holdMs } })
  // Listen before the message: the exit can follow it in the same turn.
  const exited = once(worker, 'exit')
  await once(worker, 'message')
  return { exited }
}

const delivery = {
  orderKey: 'order',
  requestKey: 'request',
  digest: 'digest',
  contentDigest: 'content',
  orderModifyTime: 1,
}
const claimOptions = { leaseMs: 1_000, compareModifyTimeWith: 'orderModifyTime' } as const

describe('sqliteStore', () => {
  test('waits at opening while another process writes to a new file', async () => {
    const file = await newFile()
    const { exited } = await runElsewhere(file, 'BEGIN IMMEDIATE', 200)
    const store = open(file)
    expect((await store.claim(delivery, claimOptions)).decision).toBe('process')
    await exited
  })

  test('throws at opening when the file is not a database', async () => {
    expect(() => sqliteStore({ file: import.meta.filename, driver })).toThrow('file is not a database')
  })

  test('rejects with the error of SQLite after SQLite rolled back, as on a full disk, and then works again', async () => {
    const file = await newFile()
    const store = open(file)
    const full = `CREATE TRIGGER full BEFORE INSERT ON order_sync_orders BEGIN SELECT RAISE(ROLLBACK, 'disk is full'); END`
    await (await runElsewhere(file, full)).exited
    await expect(store.claim(delivery, claimOptions)).rejects.toThrow('disk is full')
    await (await runElsewhere(file, 'DROP TRIGGER full')).exited
    expect((await store.claim(delivery, claimOptions)).decision).toBe('process')
  })

  test('can be closed twice, and rejects every call after that', async () => {
    const store = open(await newFile())
    await store.close()
    await expect(store.close()).resolves.toBeUndefined()
    await expect(store.claim(delivery, claimOptions)).rejects.toThrow()
    await expect(store.read('order')).rejects.toThrow()
  })
})

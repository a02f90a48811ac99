import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import { afterEach, describe, expect, test } from 'vitest'
import { type SqliteStore, sqliteStore } from '../../src/stores/sqlite.ts'
import { hasNodeSqlite, makePlace } from '../support/stores.ts'

const driver = hasNodeSqlite ? 'node:sqlite' : 'better-sqlite3'

const ends: (() => Promise<unknown>)[] = []
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end()
})

async function newFile(): Promise<string> {
  const { place, remove } = await makePlace(driver, '')
  ends.push(remove)
  return place.slice(driver.length + 1)
}

async function open(file: string): Promise<SqliteStore> {
  const store = sqliteStore({ file, driver })
  ends.push(() => store.close())
  return store
}

/** Runs in a thread of its own: the store opens its file without giving way. */
const OTHER = `
const { parentPort, workerData } = require('node:worker_threads')
const { driver, file, sql, holdMs } = workerData
const Database = driver === 'node:sqlite' ? require('node:sqlite').DatabaseSync : require(driver)
const database = new Database(file)
database.exec(sql)
parentPort.postMessage('done')
Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, holdMs)
database.close()
`

/** What another program does to the file; resolves when it is done, and has the file open for a while longer. */
async function otherwise(file: string, sql: string, holdMs = 0): Promise<{ exited: Promise<unknown> }> {
  const worker = new Worker(OTHER, { eval: true, workerData: { driver, file, sql, holdMs } })
  // Asked for now: a message and the exit after it can come at once.
  const exited = once(worker, 'exit')
  await once(worker, 'message')
  return { exited }
}

const delivery = { orderKey: 'order', requestKey: 'request', digest: 'digest', orderModifyTime: 1 }
const claiming = { leaseMs: 1_000, compareModifyTimeWith: 'orderModifyTime' } as const

describe('opening', () => {
  test('waits for another process that is writing to a new file, also where SQLite does not', async () => {
    const file = await newFile()
    const { exited } = await otherwise(file, 'BEGIN IMMEDIATE', 200)
    const store = await open(file)
    expect((await store.claim(delivery, claiming)).decision).toBe('process')
    await exited
  })

  test('tells what is wrong with a file that is no database', async () => {
    expect(() => sqliteStore({ file: import.meta.filename, driver })).toThrow('file is not a database')
  })
})

describe('a transaction that SQLite rolls back by itself, as it does when the disk is full', () => {
  test('is told of by its own error, and the next works', async () => {
    const file = await newFile()
    const store = await open(file)
    const full = `CREATE TRIGGER full BEFORE INSERT ON order_sync_orders BEGIN SELECT RAISE(ROLLBACK, 'disk is full'); END`
    await (await otherwise(file, full)).exited
    await expect(store.claim(delivery, claiming)).rejects.toThrow('disk is full')
    await (await otherwise(file, 'DROP TRIGGER full')).exited
    expect((await store.claim(delivery, claiming)).decision).toBe('process')
  })
})

describe('closing', () => {
  test('can be done twice, and what is asked after it is refused', async () => {
    const store = await open(await newFile())
    await store.close()
    await expect(store.close()).resolves.toBeUndefined()
    await expect(store.claim(delivery, claiming)).rejects.toThrow()
    await expect(store.read('order')).rejects.toThrow()
  })
})

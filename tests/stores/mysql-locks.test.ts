import process from 'node:process'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Pool, RowDataPacket } from 'mysql2/promise'
import { describe, expect, inject, onTestFinished, test, vi } from 'vitest'
import { forgetExpired, mysqlStore, transactionalMysqlStore } from '../../src/stores/mysql.ts'
import { migrateMysql } from '../../src/stores/mysql-migration.ts'
import type { OrderSyncStore } from '../../src/stores/store.ts'
import { isRunning, run } from '../support/processes.ts'
import { makePlace, mysqlPoolAt } from '../support/stores.ts'

const url = inject('mysqlUrl')

const delivery = {
  orderKey: 'order',
  requestKey: 'request',
  digest: 'digest',
  contentDigest: 'content',
  orderModifyTime: 1,
}
const another = { ...delivery, requestKey: 'another' }
const completion = { storedResponse: 'response', processed: true }
const claimOptions = { leaseMs: 1_000, compareModifyTimeWith: 'orderModifyTime' } as const

async function newPool(connectionLimit = 10): Promise<{ pool: Pool; database: string }> {
  const { place, remove } = await makePlace('mysql', url ?? '')
  onTestFinished(remove)
  const database = place.split(' ')[2] ?? ''
  const pool = mysqlPoolAt(url ?? '', database, { connectionLimit })
  onTestFinished(() => pool.end())
  await migrateMysql(pool)
  return { pool, database }
}

async function claim(store: Pick<OrderSyncStore, 'claim'>): Promise<number> {
  const claimed = await store.claim(delivery, claimOptions)
  if (claimed.decision !== 'process') throw new Error(claimed.decision)
  return claimed.token
}

const ORDER_ROW = `order_sync_orders WHERE order_key = 'order'`

/** Locks a row in a session of its own. Returns the function that frees it. */
async function lockRow(pool: Pool, row: string): Promise<() => Promise<void>> {
  const connection = await pool.getConnection()
  await connection.beginTransaction()
  await connection.query(`SELECT * FROM ${row} FOR UPDATE`)
  return async () => {
    await connection.rollback()
    connection.release()
  }
}

describe.skipIf(url === undefined)('mysqlStore, while another session holds the row locks of an order', () => {
  test('reports every delivery as busy after a second, processes other orders, and its pool stays usable', async () => {
    const { pool } = await newPool(6)
    const store = mysqlStore({ pool })
    const token = await claim(store)
    const free = await lockRow(pool, ORDER_ROW)
    const before = performance.now()
    const claims = await Promise.all(
      [delivery, another, { ...another, orderModifyTime: 2 }, delivery].map((next) => store.claim(next, claimOptions)),
    )
    expect(claims).toEqual(Array.from({ length: 4 }, () => ({ decision: 'busy' })))
    expect(performance.now() - before).toBeLessThan(4_000)
    // The digest of a busy request is remembered.
    expect(await store.claim({ ...another, digest: 'changed' }, claimOptions)).toEqual({ decision: 'conflict' })
    const others = { ...another, orderKey: 'free', requestKey: 'free' }
    expect((await store.claim(others, claimOptions)).decision).toBe('process')
    await free()
    expect(await store.finish({ delivery, token }, completion)).toBe(true)
    expect(await store.claim(delivery, claimOptions)).toEqual({ decision: 'replay', storedResponse: 'response' })
  })

  test('reports a delivery as busy while the row of its request is locked', async () => {
    const { pool } = await newPool()
    const store = mysqlStore({ pool })
    await claim(store)
    const free = await lockRow(pool, `order_sync_requests WHERE request_key = 'request'`)
    expect(await store.claim(delivery, claimOptions)).toEqual({ decision: 'busy' })
    await free()
  })

  test('does not forget an order while its row or the row of its request is locked', async () => {
    const { pool } = await newPool()
    const store = mysqlStore({ pool })
    expect(await store.finish({ delivery, token: await claim(store) }, completion)).toBe(true)
    for (const row of [ORDER_ROW, `order_sync_requests WHERE request_key = 'request'`]) {
      const free = await lockRow(pool, row)
      expect(await store.forget('order')).toBe('busy')
      await free()
    }
    expect((await store.read('order'))?.last).toBeDefined()
    expect(await store.forget('order')).toBe('forgotten')
  })

  test('reports a delivery as busy while a table is being altered', async () => {
    const { pool } = await newPool()
    const store = mysqlStore({ pool })
    const altering = await pool.getConnection()
    await altering.query('LOCK TABLES order_sync_orders WRITE')
    expect(await store.claim(delivery, claimOptions)).toEqual({ decision: 'busy' })
    await altering.query('UNLOCK TABLES')
    altering.release()
    expect((await store.claim(delivery, claimOptions)).decision).toBe('process')
  })

  test('finishes after the lock is free', async () => {
    const { pool } = await newPool()
    const store = mysqlStore({ pool })
    const token = await claim(store)
    const free = await lockRow(pool, ORDER_ROW)
    const finished = store.finish({ delivery, token }, completion)
    await sleep(1_500)
    await free()
    expect(await finished).toBe(true)
  })

  test('claims an order while expired requests are locked: they are deleted later', async () => {
    const { pool } = await newPool()
    await pool.query(`INSERT INTO order_sync_requests VALUES ('expired', 'digest', 'response', 1, NULL)`)
    const free = await lockRow(pool, `order_sync_requests WHERE request_key = 'expired'`)
    expect((await mysqlStore({ pool }).claim(delivery, claimOptions)).decision).toBe('process')
    await free()
    expect(await forgetExpired({ pool })).toBe(1)
  })
})

describe.skipIf(url === undefined)('mysqlStore, with concurrent statements', () => {
  test('has one process decision for each of 40 orders, claimed 20 times at once while requests expire', async () => {
    const { pool } = await newPool(20)
    const store = mysqlStore({ pool, responseTtlMs: 1 })
    const deliveries = Array.from({ length: 800 }, (_, index) => ({
      ...delivery,
      orderKey: `order-${index % 40}`,
      requestKey: `request-${index % 97}`,
      digest: 'same',
    }))
    const forget = async () => {
      for (let round = 0; round < 20; round++) await forgetExpired({ pool })
    }
    const [claims] = await Promise.all([
      Promise.all(deliveries.map((next) => store.claim(next, { ...claimOptions, leaseMs: 60_000 }))),
      forget(),
    ])
    expect(claims.filter(({ decision }) => decision === 'process')).toHaveLength(40)
    expect(claims.filter(({ decision }) => decision === 'busy')).toHaveLength(760)
  })
})

describe.skipIf(url === undefined)('transactionalMysqlStore', () => {
  test('lets other processes handle the order of a process that is frozen in onOrder, and rolls back its writes', async () => {
    const { pool, database } = await newPool(4)
    await pool.query('CREATE TABLE effects (author varchar(64)) ENGINE = InnoDB')
    const frozen = run('tests/stores/frozen-mysql-worker.ts', [url ?? '', database, '1000'])
    const pid = await vi.waitUntil(
      async () => {
        const [rows] = await pool.query<RowDataPacket[]>('SELECT pid FROM frozen').catch(() => [[]])
        return rows[0]?.['pid'] as number | undefined
      },
      { timeout: 10_000 },
    )
    onTestFinished(() => {
      if (isRunning(pid)) process.kill(pid, 'SIGKILL')
    })
    // The lease is over.
    await sleep(1_200)
    const store = transactionalMysqlStore({ pool })
    const claimed = await vi.waitUntil(async () => {
      const result = await store.claim(delivery, claimOptions)
      return result.decision === 'process' && result
    })
    expect(await store.finish({ delivery, token: claimed.token }, completion)).toBe(true)
    process.kill(pid, 'SIGCONT')
    expect((await frozen).stdout).toBe('false\n')
    expect((await pool.query('SELECT * FROM effects'))[0]).toEqual([])
    expect((await store.read('order'))?.last?.storedResponse).toBe('response')
  })

  test('frees the locks of a process that is frozen in onOrder when the server ends its idle session', async () => {
    const { pool } = await newPool(4)
    await pool.query('CREATE TABLE effects (author varchar(64) PRIMARY KEY) ENGINE = InnoDB')
    const store = transactionalMysqlStore({ pool })
    const token = await claim(store)
    const finished = store.finishInTransaction?.({ delivery, token }, async (transaction) => {
      await transaction.query(`INSERT INTO effects VALUES ('frozen')`)
      // Instead of a minute.
      await transaction.query('SET SESSION wait_timeout = 1')
      // Waits for the row until the session of `transaction` has ended.
      await pool.query(`INSERT INTO effects VALUES ('frozen')`)
      return completion
    })
    await expect(finished).rejects.toThrow()
    expect((await store.read('order'))?.last).toBeUndefined()
    expect((await pool.query('SELECT * FROM effects'))[0]).toEqual([{ author: 'frozen' }])
  })
})

import type { PoolConnection, PoolOptions } from 'mysql2/promise'
import { describe, expect, inject, onTestFinished, test } from 'vitest'
import { mysqlStore, transactionalMysqlStore } from '../../src/stores/mysql.ts'
import { migrateMysql } from '../../src/stores/mysql-migration.ts'
import type { MysqlPool } from '../../src/stores/mysql-pool.ts'
import { makePlace, mysqlPoolAt } from '../support/stores.ts'

const url = inject('mysqlUrl')

const delivery = {
  orderKey: 'order',
  requestKey: 'request',
  digest: 'digest',
  contentDigest: 'content',
  orderModifyTime: 1,
}
const claimOptions = { leaseMs: 30_000, compareModifyTimeWith: 'orderModifyTime' } as const
const ONE_CONNECTION: PoolOptions = { connectionLimit: 1 }

/** Opens a pool on a new database, with the tables of the store and one table of the merchant. */
async function newPool(options: PoolOptions = {}) {
  const { place, remove } = await makePlace('mysql', url ?? '')
  onTestFinished(remove)
  const pool = mysqlPoolAt(url ?? '', place.split(' ')[2] ?? '', options)
  onTestFinished(() => pool.end())
  await migrateMysql(pool)
  await pool.query('CREATE TABLE effects (order_no varchar(64) PRIMARY KEY) ENGINE = InnoDB')
  return pool
}

/** A promise connection of the connection with callbacks that is below one. */
const promiseOf = (transaction: PoolConnection) =>
  (transaction.connection as unknown as { promise: () => PoolConnection }).promise()

/** Runs work in finishInTransaction, after one write. Returns the outcome, the kept writes, and the state of order and session. */
async function runInTransaction(work: (transaction: PoolConnection) => unknown) {
  const pool = await newPool({ ...ONE_CONNECTION, multipleStatements: true })
  const SESSION =
    'SELECT @@SESSION.wait_timeout, @@SESSION.innodb_lock_wait_timeout, @@SESSION.lock_wait_timeout, @@SESSION.autocommit'
  const [before] = await pool.query(SESSION)
  const store = transactionalMysqlStore({ pool })
  const claim = await store.claim(delivery, claimOptions)
  if (claim.decision !== 'process') throw new Error(claim.decision)
  const finished = store.finishInTransaction?.({ delivery, token: claim.token }, async (transaction) => {
    await transaction.query(`INSERT INTO effects VALUES ('A-1')`)
    await work(transaction)
    return { storedResponse: 'response', processed: true }
  })
  const outcome = await finished?.catch((error: Error) => error.message)
  // The only connection of the pool: it was given back.
  expect((await pool.query(SESSION))[0]).toEqual(before)
  const [effects] = await pool.query('SELECT order_no FROM effects')
  return { finished: outcome, effects, processed: (await store.read('order'))?.last !== undefined }
}

describe.skipIf(url === undefined)('transactionalMysqlStore, finishInTransaction', () => {
  const NOTHING = { effects: [], processed: false }
  const COMMITTED = { finished: true, effects: [{ order_no: 'A-1' }], processed: true }

  test('commits the write and the finish together', async () => {
    expect(await runInTransaction(() => undefined)).toEqual(COMMITTED)
  })

  test('commits when the work rolls back to its own savepoint', async () => {
    const work = async (transaction: PoolConnection) => {
      await transaction.query('SAVEPOINT mine')
      await transaction.query('DELETE FROM effects')
      await transaction.query('ROLLBACK TO SAVEPOINT mine')
    }
    expect(await runInTransaction(work)).toEqual(COMMITTED)
  })

  test('commits when the work uses execute() and catches the error of one statement', async () => {
    const work = async (transaction: PoolConnection) => {
      await transaction.execute('INSERT INTO effects VALUES (?)', ['A-1']).catch(() => undefined)
      await transaction.execute('INSERT INTO effects VALUES (?)', ['A-2'])
    }
    const effects = [{ order_no: 'A-1' }, { order_no: 'A-2' }]
    expect(await runInTransaction(work)).toEqual({ ...COMMITTED, effects })
  })

  test.each([
    ['rolls back', (transaction: PoolConnection) => transaction.rollback()],
    ['commits', (transaction: PoolConnection) => transaction.query('COMMIT')],
    ['commits, and ignores the refusal', (transaction: PoolConnection) => transaction.commit().catch(() => {})],
    ['creates a table', (transaction: PoolConnection) => transaction.query('CREATE TABLE another (id int)')],
    ['switches autocommit on', (transaction: PoolConnection) => transaction.query('SET autocommit = 1')],
    [
      'commits in a comment that MySQL executes',
      (transaction: PoolConnection) => transaction.query('/*!50000 COMMIT */'),
    ],
    ['commits as a second statement', (transaction: PoolConnection) => transaction.query('SELECT 1; COMMIT')],
    ['prepares a COMMIT', async (transaction: PoolConnection) => (await transaction.prepare('COMMIT')).execute([])],
    [
      'commits on the connection with callbacks, without a callback',
      (transaction: PoolConnection) => void transaction.connection.query('COMMIT'),
    ],
    ['commits on a promise connection of that one', (transaction: PoolConnection) => promiseOf(transaction).commit()],
    ['leaves a transaction open', (transaction: PoolConnection) => transaction.beginTransaction()],
  ])('rejects and keeps nothing when the work %s', async (_, work) => {
    const finished = expect.stringContaining('The transaction of "onOrder" cannot be completed.')
    expect(await runInTransaction(work)).toEqual({ ...NOTHING, finished })
  })

  test.each(['reset', 'changeUser'] as const)('rejects and keeps nothing when the work calls %s()', async (name) => {
    const work = async (transaction: PoolConnection) => {
      await (transaction[name] as () => Promise<void>)()
      await transaction.query(`INSERT INTO effects VALUES ('A-2')`)
    }
    expect(await runInTransaction(work)).toEqual({
      ...NOTHING,
      finished: `context.transaction has no ${name}(): it would end the transaction of the store`,
    })
  })

  test('rejects with the reason when unrecognized SQL has committed; the write stays', async () => {
    const work = async (transaction: PoolConnection) => {
      await transaction.query(`PREPARE finish FROM 'COMMIT'`)
      await transaction.query('EXECUTE finish')
    }
    expect(await runInTransaction(work)).toEqual({
      finished: expect.stringContaining('The transaction ended in "onOrder"'),
      effects: [{ order_no: 'A-1' }],
      processed: false,
    })
  })

  test('commits what a prepared statement writes; ping() works on both connections', async () => {
    const work = async (transaction: PoolConnection) => {
      await transaction.ping()
      await promiseOf(transaction).ping()
      await (await transaction.prepare('INSERT INTO effects VALUES (?)')).execute(['A-2'])
    }
    const effects = [{ order_no: 'A-1' }, { order_no: 'A-2' }]
    expect(await runInTransaction(work)).toEqual({ ...COMMITTED, effects })
  })

  test('turns begin, commit and rollback of the work into savepoints', async () => {
    const work = async (transaction: PoolConnection) => {
      await transaction.beginTransaction()
      await transaction.query(`INSERT INTO effects VALUES ('A-2')`)
      await transaction.commit()
      await transaction.query('START TRANSACTION')
      await transaction.execute(`INSERT INTO effects VALUES ('A-3')`)
      await transaction.query({ sql: 'ROLLBACK' })
    }
    expect(await runInTransaction(work)).toEqual({
      ...COMMITTED,
      effects: [{ order_no: 'A-1' }, { order_no: 'A-2' }],
    })
  })

  test('rejects and keeps nothing when the work throws the error of a query', async () => {
    const result = await runInTransaction((transaction) => transaction.query('SELECT * FROM no_such_table'))
    expect(result).toMatchObject({ ...NOTHING, finished: expect.stringContaining('no_such_table') })
  })

  test.each(['release', 'destroy', 'end'] as const)(
    'rejects and keeps nothing when the work calls %s()',
    async (name) => {
      expect(await runInTransaction((transaction) => transaction[name]())).toEqual({
        ...NOTHING,
        finished: 'Do not release context.transaction: the store does',
      })
    },
  )

  test('rejects a query after the work has ended: it would run in the transaction of another order', async () => {
    const lent: PoolConnection[] = []
    expect(await runInTransaction((transaction) => lent.push(transaction))).toEqual(COMMITTED)
    const late = `INSERT INTO effects VALUES ('late')`
    await expect(lent[0]?.query(late)).rejects.toThrow('after "onOrder" had ended')
    await expect(lent[0]?.execute(late)).rejects.toThrow('after "onOrder" had ended')
  })

  test('rejects, keeps nothing and closes the connection when a query of the work takes longer than queryTimeoutMs', async () => {
    const pool = await newPool(ONE_CONNECTION)
    const store = transactionalMysqlStore({ pool, queryTimeoutMs: 300 })
    const claim = await store.claim(delivery, claimOptions)
    if (claim.decision !== 'process') throw new Error(claim.decision)
    const before = performance.now()
    const finished = store.finishInTransaction?.({ delivery, token: claim.token }, async (transaction) => {
      await transaction.query(`INSERT INTO effects VALUES ('A-1')`)
      await transaction.query('DO SLEEP(5)')
      return { storedResponse: 'response', processed: true }
    })
    await expect(finished).rejects.toMatchObject({ name: 'TimeoutError' })
    expect(performance.now() - before).toBeLessThan(3_000)
    // A new connection: the closed one would still sleep.
    expect((await pool.query('SELECT order_no FROM effects'))[0]).toEqual([])
    expect((await store.read('order'))?.last).toBeUndefined()
  })

  test.each([
    ['ignores a deadlock, which has rolled back its writes', [], 'ERR_ON_ORDER'],
    // Outside of any transaction, they would be kept.
    ['repeats its writes', ['START TRANSACTION', `INSERT INTO effects VALUES ('A-2')`, 'COMMIT'], 'ERR_TRANSACTION'],
  ])('after a deadlock, rejects and keeps nothing when the work %s', async (_, repeated, code) => {
    const pool = await newPool()
    await pool.query(`INSERT INTO effects VALUES ('X'), ('Y')`)
    const store = transactionalMysqlStore({ pool })
    const claim = await store.claim(delivery, claimOptions)
    if (claim.decision !== 'process') throw new Error(claim.decision)
    const other = await pool.getConnection()
    const finished = store.finishInTransaction?.({ delivery, token: claim.token }, async (transaction) => {
      await transaction.query(`INSERT INTO effects VALUES ('A-1')`)
      await transaction.query(`SELECT * FROM effects WHERE order_no = 'X' FOR UPDATE`)
      await other.beginTransaction()
      await other.query('INSERT INTO effects SELECT seq.n FROM (SELECT 1 AS n UNION SELECT 2 UNION SELECT 3) AS seq')
      await other.query(`UPDATE effects SET order_no = 'Z' WHERE order_no = 'Y'`)
      // InnoDB rolls back the transaction that has changed fewer rows: ours.
      const waiting = other.query(`SELECT * FROM effects WHERE order_no = 'X' FOR UPDATE`)
      const deadlock = await transaction
        .query(`SELECT * FROM effects WHERE order_no IN ('Y', 'Z') FOR UPDATE`)
        .catch((error: { errno: number }) => error.errno)
      expect(deadlock).toBe(1213)
      await waiting
      if (repeated.length > 0) await transaction.rollback()
      for (const text of repeated) await transaction.query(text).catch(() => undefined)
      return { storedResponse: 'response', processed: true }
    })
    await expect(finished).rejects.toMatchObject({ code })
    await other.rollback()
    other.release()
    expect((await pool.query('SELECT order_no FROM effects'))[0]).toEqual([{ order_no: 'X' }, { order_no: 'Y' }])
    expect((await store.read('order'))?.last).toBeUndefined()
  })

  test.each([
    [1_000, 60],
    [90_000, 180],
  ])(
    'with a lease of %d ms, the server closes a session that is idle in onOrder for %d s',
    async (leaseMs, seconds) => {
      const pool = await newPool(ONE_CONNECTION)
      const store = transactionalMysqlStore({ pool })
      const claim = await store.claim(delivery, { ...claimOptions, leaseMs })
      if (claim.decision !== 'process') throw new Error(claim.decision)
      await store.finishInTransaction?.({ delivery, token: claim.token }, async (transaction) => {
        expect((await transaction.query('SELECT @@SESSION.wait_timeout AS seconds'))[0]).toEqual([{ seconds }])
        return { storedResponse: 'response', processed: true }
      })
    },
  )
})

describe.skipIf(url === undefined)('mysqlStore', () => {
  test('waits for a connection of the pool for queryTimeoutMs, and releases a late connection', async () => {
    const pool = await newPool(ONE_CONNECTION)
    const store = mysqlStore({ pool, queryTimeoutMs: 200 })
    const taken = await pool.getConnection()
    await expect(store.claim(delivery, claimOptions)).rejects.toMatchObject({ name: 'TimeoutError' })
    taken.release()
    expect((await store.claim(delivery, claimOptions)).decision).toBe('process')
  })

  test('rejects with an error that does not contain the text of the query', async () => {
    const pool = await newPool()
    await pool.query('ALTER TABLE order_sync_orders MODIFY last_response VARBINARY(4)')
    const store = mysqlStore({ pool })
    const claim = await store.claim(delivery, claimOptions)
    if (claim.decision !== 'process') throw new Error(claim.decision)
    const finished = store.finish({ delivery, token: claim.token }, { storedResponse: 'A response', processed: true })
    const error: unknown = await finished.catch((error: unknown) => error)
    expect(error).toMatchObject({ code: 'ER_DATA_TOO_LONG' })
    expect(error).not.toHaveProperty('sql')
  })

  test.each([1213, 1020])('claims again after error %d', async (errno) => {
    const { pool, released } = failingPool(3, errno)
    expect(await mysqlStore({ pool }).claim(delivery, claimOptions)).toEqual({ decision: 'process', token: 5 })
    expect(released()).toEqual({ released: 4, closed: 0 })
  })

  test('is busy after a lock wait timeout, without another attempt', async () => {
    const { pool, released } = failingPool(1, 1205)
    expect(await mysqlStore({ pool }).claim(delivery, claimOptions)).toEqual({ decision: 'busy' })
    expect(released()).toEqual({ released: 1, closed: 0 })
  })

  test('finishes after a lock wait timeout', async () => {
    const { pool } = failingPool(2, 1205, { finished: 1 })
    const completion = { storedResponse: 'response', processed: true }
    expect(await mysqlStore({ pool }).finish({ delivery, token: 5 }, completion)).toBe(true)
  })

  test('gives up after ten deadlocks in a row', async () => {
    const { pool } = failingPool(10, 1213)
    await expect(mysqlStore({ pool }).claim(delivery, claimOptions)).rejects.toMatchObject({ errno: 1213 })
  })

  test.each([
    ['a killed query', 1317],
    ['an unknown error', undefined],
  ])('closes the connection after %s, which may have left a transaction open', async (_, errno) => {
    const { pool, released } = failingPool(1, errno)
    await expect(mysqlStore({ pool }).claim(delivery, claimOptions)).rejects.toMatchObject({ message: 'failed' })
    expect(released()).toEqual({ released: 0, closed: 1 })
  })
})

/** A pool whose first queries fail. */
function failingPool(
  failures: number,
  errno: number | undefined,
  row: object = { decision: 'process', stored_response: null, token: '5' },
) {
  let left = failures
  const counts = { released: 0, closed: 0 }
  const pool: MysqlPool = {
    async getConnection() {
      return {
        async query() {
          if (left-- > 0) throw Object.assign(new Error('failed'), { errno })
          return [[[row], {}], undefined]
        },
        release: () => void counts.released++,
        destroy: () => void counts.closed++,
        on: () => undefined,
        off: () => undefined,
      }
    },
  }
  return { pool, released: () => counts }
}

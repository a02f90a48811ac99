import { type PoolClient, Query } from 'pg'
import { describe, expect, inject, onTestFinished, test } from 'vitest'
import { makePlace, openPlace } from '../support/stores.ts'

const url = inject('postgresUrl')

const delivery = {
  orderKey: 'order',
  requestKey: 'request',
  digest: 'digest',
  contentDigest: 'content',
  orderModifyTime: 1,
}

/** Runs work in finishInTransaction, after one write. Returns the outcome, the kept writes, and the state of order and pool. */
async function runInTransaction(work: (transaction: PoolClient) => unknown) {
  const { place, remove } = await makePlace('transactional', url ?? '')
  onTestFinished(remove)
  const { transactional, pool, close } = await openPlace(place)
  onTestFinished(async () => void (await close()))
  if (transactional?.finishInTransaction === undefined || pool === undefined) throw new Error('not transactional')
  await pool.query('CREATE TABLE effects (order_no text)')
  const claim = await transactional.claim(delivery, { leaseMs: 30_000, compareModifyTimeWith: 'orderModifyTime' })
  if (claim.decision !== 'process') throw new Error(claim.decision)
  const finished = transactional.finishInTransaction({ delivery, token: claim.token }, async (transaction) => {
    await transaction.query(`INSERT INTO effects VALUES ('A-1')`)
    await work(transaction)
    return { storedResponse: 'response', processed: true }
  })
  return {
    finished: await finished.catch((error: Error) => error.message),
    effects: (await pool.query('SELECT * FROM effects')).rows.length,
    processed: (await transactional.read('order'))?.last !== undefined,
    clients: [pool.totalCount, pool.idleCount],
  }
}

describe.skipIf(url === undefined)('transactionalPostgresStore, finishInTransaction', () => {
  const NOTHING = { effects: 0, processed: false, clients: [1, 1] }

  test('commits the write and the finish together', async () => {
    expect(await runInTransaction(() => undefined)).toEqual({
      finished: true,
      effects: 1,
      processed: true,
      clients: [1, 1],
    })
  })

  test('commits when the work rolls back to its own savepoint', async () => {
    const work = (transaction: PoolClient) =>
      transaction.query('SAVEPOINT mine; DELETE FROM effects; ROLLBACK TO SAVEPOINT mine')
    expect(await runInTransaction(work)).toEqual({ finished: true, effects: 1, processed: true, clients: [1, 1] })
  })

  test('rejects and keeps nothing when the work rolls back the transaction', async () => {
    expect(await runInTransaction((transaction) => transaction.query('ROLLBACK'))).toEqual({
      ...NOTHING,
      finished: expect.stringContaining('"onOrder" has no open transaction of its own'),
    })
  })

  test('rejects and keeps nothing when the work rolls back and begins another transaction', async () => {
    expect(await runInTransaction((transaction) => transaction.query('ROLLBACK; BEGIN'))).toMatchObject({ ...NOTHING })
  })

  test.each([
    [`INSERT INTO effects VALUES ('A-2'); COMMIT`, 'A query has several statements'],
    ['/* a /* nested */ comment */ COMMIT', '"onOrder" has no open transaction of its own'],
    [`SELECT $$ ' $$; COMMIT; INSERT INTO effects VALUES ('A-2')`, 'A query has several statements'],
  ])('rejects and keeps nothing when the work sends %s', async (text, finished) => {
    const result = await runInTransaction((transaction) => transaction.query(text).catch(() => undefined))
    expect(result).toEqual({ ...NOTHING, finished: expect.stringContaining(finished) })
  })

  test('rejects a query after the client was released: it would run in the transaction of another order', async () => {
    const lent: PoolClient[] = []
    expect(await runInTransaction((transaction) => lent.push(transaction))).toMatchObject({
      finished: true,
      effects: 1,
    })
    await expect(lent[0]?.query('SELECT 1')).rejects.toThrow('after "onOrder" had ended')
  })

  test('rejects and keeps nothing when a query object of pg commits', async () => {
    const errors: unknown[] = []
    const work = (transaction: PoolClient) =>
      new Promise<void>((resolve) => {
        const query = transaction.query(new Query('COMMIT'))
        query.on('error', (error) => resolve(void errors.push(error)))
      })
    expect(await runInTransaction(work)).toMatchObject(NOTHING)
    expect(errors).toMatchObject([{ code: 'ERR_TRANSACTION' }])
  })

  test('rejects and keeps nothing when the work ignores a failed query', async () => {
    expect(
      await runInTransaction((transaction) => transaction.query('SELECT 1 / 0').catch(() => undefined)),
    ).toMatchObject(NOTHING)
  })

  test('rejects and keeps nothing when a query that was not awaited fails after the work has ended', async () => {
    const work = (transaction: PoolClient) =>
      void setImmediate(() => transaction.query('SELECT 1 / 0').catch(() => undefined))
    expect(await runInTransaction(work)).toEqual({
      ...NOTHING,
      finished: 'The transaction was rolled back: a query in it had failed',
    })
  })

  test('rejects and keeps nothing when the work releases the client', async () => {
    expect(await runInTransaction((transaction) => transaction.release())).toEqual({
      ...NOTHING,
      finished: 'Do not release context.transaction: the store does',
    })
  })
})

import type { PoolClient } from 'pg'
import { afterEach, describe, expect, inject, test } from 'vitest'
import { makePlace, openPlace } from '../support/stores.ts'

const url = inject('postgresUrl')

const ends: (() => Promise<unknown>)[] = []
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end()
})

const delivery = { orderKey: 'order', requestKey: 'request', digest: 'digest', orderModifyTime: 1 }

/** A merchant's code on one client, inside the store's transaction: what became of it, of its write, and of the order. */
async function run(work: (transaction: PoolClient) => unknown) {
  const { place, remove } = await makePlace('transactional', url ?? '')
  ends.push(remove)
  const { transactional, pool, close } = await openPlace(place)
  ends.push(close)
  if (transactional?.finishInTransaction === undefined || pool === undefined) throw new Error('not transactional')
  await pool.query('CREATE TABLE effects (order_no text)')
  const claim = await transactional.claim(delivery, { leaseMs: 30_000, compareModifyTimeWith: 'orderModifyTime' })
  if (claim.decision !== 'process') throw new Error(claim.decision)
  const kept = transactional.finishInTransaction({ delivery, token: claim.token }, async (transaction) => {
    await transaction.query(`INSERT INTO effects VALUES ('A-1')`)
    await work(transaction)
    return { storedResponse: 'storedResponse', processed: true }
  })
  return {
    kept: await kept.catch((error: Error) => error.message),
    effects: (await pool.query('SELECT * FROM effects')).rows.length,
    noted: (await transactional.read('order'))?.last !== undefined,
    clients: [pool.totalCount, pool.idleCount],
  }
}

describe.skipIf(url === undefined)(
  'in transactional mode, an order is noted if, and only if, its effect is kept',
  () => {
    const nothing = { effects: 0, noted: false, clients: [1, 1] }

    test('when the code does as it should', async () => {
      expect(await run(() => undefined)).toEqual({ kept: true, effects: 1, noted: true, clients: [1, 1] })
    })

    test('when it goes back to a savepoint of its own', async () => {
      const work = (transaction: PoolClient) =>
        transaction.query('SAVEPOINT mine; DELETE FROM effects; ROLLBACK TO SAVEPOINT mine')
      expect(await run(work)).toEqual({ kept: true, effects: 1, noted: true, clients: [1, 1] })
    })

    test('when it rolls back itself', async () => {
      expect(await run((transaction) => transaction.query('ROLLBACK'))).toEqual({
        ...nothing,
        kept: '"onOrder" ended the transaction itself; leave COMMIT and ROLLBACK to the store',
      })
    })

    test('when it begins another transaction after that', async () => {
      expect(await run((transaction) => transaction.query('ROLLBACK; BEGIN'))).toMatchObject({ ...nothing })
    })

    test('when it swallows the failure of a query', async () => {
      expect(await run((transaction) => transaction.query('SELECT 1 / 0').catch(() => undefined))).toMatchObject(
        nothing,
      )
    })

    test('when a query that it did not wait for fails after its end', async () => {
      const work = (transaction: PoolClient) =>
        void setImmediate(() => transaction.query('SELECT 1 / 0').catch(() => undefined))
      expect(await run(work)).toEqual({
        ...nothing,
        kept: 'The transaction was rolled back: a query in it had failed',
      })
    })

    test('when it gives the client back, which another order would be handed in the middle of the transaction', async () => {
      expect(await run((transaction) => transaction.release())).toEqual({
        ...nothing,
        kept: 'context.transaction is released by the store',
      })
    })
  },
)

import { createPool, type PoolConnection, type RowDataPacket } from 'mysql2/promise'
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest'
import { createOrderSyncHandler } from '../../../src/public/index.ts'
import { createOutbox } from '../../../src/public/outbox.ts'
import {
  migrateMysql,
  migrateMysqlOutbox,
  mysqlOutboxStore,
  transactionalMysqlStore,
} from '../../../src/public/stores/mysql.ts'
import { createTestCredentials, createTestOrder, createTestPeer } from '../../../src/public/testing.ts'
import { inOrm, isInstalled, loadRecipe } from './recipes.ts'
import { ORMS, runTransactions } from './work.ts'

const url = inject('mysqlUrl')
// biome-ignore lint/suspicious/noExplicitAny: the ORMs are not installed where this is type-checked
type Foreign = any

const DATABASE = `orms_${process.pid}`

describe.skipIf(url === undefined || !isInstalled || process.env['SHORT'] !== undefined)('docs/orm.md, MySQL', () => {
  const pool = createPool({ uri: url ?? '', database: DATABASE })

  beforeAll(async () => {
    const admin = createPool({ uri: url ?? '' })
    await admin.query(`CREATE DATABASE ${DATABASE}`)
    await admin.end()
    await migrateMysql(pool)
    await migrateMysqlOutbox(pool)
    await pool.query('CREATE TABLE shop_orders (no VARCHAR(64) PRIMARY KEY, status VARCHAR(64))')
  })
  afterAll(async () => {
    await pool.query(`DROP DATABASE ${DATABASE}`)
    await pool.end()
  })

  let dataSource: Foreign
  beforeAll(async () => {
    const { DataSource, EntitySchema } = await inOrm('typeorm/index.mjs')
    const columns = { no: { type: 'varchar', length: 64, primary: true }, status: { type: 'varchar', length: 64 } }
    dataSource = new DataSource({
      type: 'mysql',
      url: `${url?.replace(/\/[^/]*$/, '')}/${DATABASE}`,
      entities: [new EntitySchema({ name: 'shop_orders', columns })],
    })
    await dataSource.initialize()
  })
  afterAll(async () => void (await dataSource.destroy()))

  /** A peer of a handler that runs the transactions of `runTransactions`, and then something else. */
  const start = (name: string, then: (transaction: PoolConnection) => unknown) => {
    const handler = createOrderSyncHandler({
      credentials: createTestCredentials().merchant,
      store: transactionalMysqlStore({ pool }),
      async onOrder({ merchantBizNo }, { transaction }) {
        const transact = (await ORMS.mysql[name]?.(transaction, dataSource)) ?? expect.fail()
        await runTransactions(merchantBizNo, transact)
        await then(transaction)
        return { orderId: merchantBizNo }
      },
      onEvent: () => {},
    })
    return createTestPeer(handler)
  }
  const rowsOf = async (no: string) => {
    const [rows] = await pool.query<RowDataPacket[]>(`SELECT no FROM shop_orders WHERE no LIKE '${no}-%' ORDER BY no`)
    return rows.map((row) => row['no'])
  }

  const FAILURES: Readonly<Record<string, (transaction: PoolConnection) => unknown>> = {
    'onOrder fails': () => Promise.reject(new Error('after the commits')),
    async 'the connection breaks'(transaction) {
      const [rows] = await transaction.query<RowDataPacket[]>('SELECT CONNECTION_ID() AS id')
      await pool.query(`KILL ${rows[0]?.['id']}`)
    },
  }

  describe.for(Object.keys(ORMS.mysql))('%s', (name) => {
    test.for(Object.keys(FAILURES))(
      'keeps nothing when %s after its commits, and the redelivery writes once',
      async (failure) => {
        let fails = true
        const no = `${name}-${failure.replaceAll(' ', '-')}`
        const peer = start(name, (transaction) => fails && FAILURES[failure]?.(transaction))
        const order = createTestOrder({ merchantBizNo: no })
        expect(await peer.send(order)).toMatchObject({ result: { resultStatus: 'U' } })
        expect(await rowsOf(no)).toEqual([])
        fails = false
        for (const _ of ['processed', 'replayed']) {
          expect(await peer.send(order)).toMatchObject({ result: { resultStatus: 'S' } })
          expect(await rowsOf(no)).toEqual([`${no}-first`, `${no}-last`])
        }
      },
    )

    test('two concurrent orders do not affect each other', async () => {
      const peer = start(name, () => undefined)
      const numbers = Array.from({ length: 6 }, (_, index) => `${name}-many-${index}`)
      const sent = await Promise.all(numbers.map((merchantBizNo) => peer.send(createTestOrder({ merchantBizNo }))))
      expect(sent.map(({ result }) => result.resultStatus)).toEqual(numbers.map(() => 'S'))
      for (const no of numbers) expect(await rowsOf(no)).toEqual([`${no}-first`, `${no}-last`])
    })

    test('enqueues an event in the same transaction', async () => {
      const { executorOf } = await loadRecipe(name)
      const outbox = createOutbox({
        store: mysqlOutboxStore({ pool }),
        client: { syncOrder: () => Promise.reject(new Error('not sent in this test')) },
        onEvent: () => {},
      })
      const waiting = async () => (await outbox.stats()).waiting
      const enqueue = async (transaction: Foreign) =>
        void (await outbox.enqueue(createTestOrder(), { transaction: executorOf(transaction) }))
      const before = await waiting()
      await transactOnItsOwn(name, enqueue)
      expect(await waiting()).toBe(before + 1)
      const failing = transactOnItsOwn(name, async (transaction) => {
        await enqueue(transaction)
        throw new Error('rolled back')
      })
      await expect(failing).rejects.toThrow('rolled back')
      expect(await waiting()).toBe(before + 1)
    })
  })

  /** Runs work in a transaction of the ORM, on a connection of its own. */
  async function transactOnItsOwn(name: string, work: (transaction: Foreign) => Promise<void>) {
    switch (name) {
      case 'drizzle': {
        const { drizzle } = await inOrm('drizzle-orm/mysql2/index.js')
        return await drizzle({ client: pool }).transaction(work)
      }
      case 'kysely': {
        const { Kysely, MysqlDialect } = await inOrm('kysely/dist/index.js')
        return await new Kysely({ dialect: new MysqlDialect({ pool: pool.pool }) }).transaction().execute(work)
      }
      case 'knex': {
        const { default: createKnex } = await inOrm('knex/knex.js')
        const connection = `${url?.replace(/\/[^/]*$/, '')}/${DATABASE}`
        const knex = createKnex({ client: 'mysql2', connection, pool: { min: 0, max: 1 } })
        return await knex.transaction(work).finally(() => knex.destroy())
      }
      default:
        return await dataSource.transaction(work)
    }
  }
})

import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { createPool, type PoolConnection } from 'mysql2/promise'
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest'
import { createOrderSyncHandler } from '../../../src/public/index.ts'
import { migrateMysql, transactionalMysqlStore } from '../../../src/public/stores/mysql.ts'
import { createTestCredentials, createTestOrder, createTestPeer } from '../../../src/public/testing.ts'
import { root } from '../../support/project.ts'

const url = inject('mysqlUrl')
const folder = join(root, '.cache/orms/node_modules')
const isInstalled = existsSync(join(root, '.cache/orms/generated/index.js'))
const DATABASE = `orms_${process.pid}`

type Write = (no: string, status: string, transaction: PoolConnection) => Promise<unknown>

const load = async (module: string) => await import(/* @vite-ignore */ join(folder, module))

/** As the table of docs/orm.md says. */
const RECIPES: Readonly<Record<string, () => Promise<Write>>> = {
  async drizzle() {
    const { drizzle } = await load('drizzle-orm/mysql2/index.js')
    const { mysqlTable, varchar } = await load('drizzle-orm/mysql-core/index.js')
    const shopOrders = mysqlTable('shop_orders', {
      no: varchar({ length: 64 }).primaryKey(),
      status: varchar({ length: 64 }),
    })
    return (no, status, transaction) =>
      drizzle({ client: transaction }).transaction((tx: ReturnType<typeof drizzle>) =>
        tx.insert(shopOrders).values({ no, status }),
      )
  },
  async knex() {
    const { default: createKnex } = await load('knex/knex.js')
    const knex = createKnex({ client: 'mysql2' })
    return (no, status, transaction) =>
      knex.transaction((trx: typeof knex) => trx('shop_orders').insert({ no, status }), {
        connection: transaction.connection,
      })
  },
  async typeorm() {
    const { DataSource, EntitySchema } = await load('typeorm/index.mjs')
    const ShopOrder = new EntitySchema({
      name: 'shop_orders',
      columns: { no: { type: 'varchar', length: 64, primary: true }, status: { type: 'varchar', length: 64 } },
    })
    const source = new DataSource({
      type: 'mysql',
      url: `${url?.replace(/\/[^/]*$/, '')}/${DATABASE}`,
      entities: [ShopOrder],
    })
    await source.initialize()
    return async (no, status, transaction) => {
      const runner = source.createQueryRunner()
      runner.databaseConnection = transaction.connection
      await runner.manager.save(ShopOrder, { no, status })
    }
  },
}

// With SHORT, they have run on another runtime already.
describe.skipIf(url === undefined || !isInstalled || process.env['SHORT'] !== undefined)('docs/orm.md, MySQL', () => {
  const pool = createPool({ uri: url ?? '', database: DATABASE })

  beforeAll(async () => {
    const admin = createPool({ uri: url ?? '' })
    await admin.query(`CREATE DATABASE ${DATABASE}`)
    await admin.end()
    await migrateMysql(pool)
    await pool.query('CREATE TABLE shop_orders (no VARCHAR(64) PRIMARY KEY, status VARCHAR(64))')
  })
  afterAll(async () => {
    await pool.query(`DROP DATABASE ${DATABASE}`)
    await pool.end()
  })

  test.for(Object.keys(RECIPES))('%s: what it commits is committed with the order, or not at all', async (name) => {
    const write = (await RECIPES[name]?.()) ?? expect.fail()
    let fails = true
    const handler = createOrderSyncHandler({
      credentials: createTestCredentials().merchant,
      store: transactionalMysqlStore({ pool }),
      async onOrder({ merchantBizNo, orderStatus }, { transaction }) {
        await write(merchantBizNo, orderStatus, transaction)
        if (fails) throw new Error('after the commit')
        return { orderId: merchantBizNo }
      },
      onEvent: () => {},
    })
    const peer = createTestPeer(handler)
    const order = createTestOrder({ merchantBizNo: name })
    const rows = async () => (await pool.query('SELECT status FROM shop_orders WHERE no = ?', [name]))[0]
    expect(await peer.send(order)).toMatchObject({ result: { resultStatus: 'U' } })
    expect(await rows()).toEqual([])
    fails = false
    for (const _ of ['processed', 'replayed']) {
      expect(await peer.send(order)).toMatchObject({ result: { resultStatus: 'S' } })
      expect(await rows()).toEqual([{ status: 'PAID' }])
    }
  })
})

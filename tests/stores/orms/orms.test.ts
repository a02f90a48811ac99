import { join } from 'node:path'
import { Pool, type PoolClient } from 'pg'
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest'
import { createOrderSyncHandler } from '../../../src/public/index.ts'
import { createOutbox } from '../../../src/public/outbox.ts'
import {
  migratePostgres,
  migratePostgresOutbox,
  postgresOutboxStore,
  transactionalPostgresStore,
} from '../../../src/public/stores/postgres.ts'
import { createTestCredentials, createTestOrder, createTestPeer } from '../../../src/public/testing.ts'
import { folder, inOrm, isInstalled, loadRecipe, type Recipe } from './recipes.ts'
import { ORMS, runTransactions } from './work.ts'

const url = inject('postgresUrl')
if (!isInstalled) console.warn('The ORMs are not installed; their tests are skipped')

// Prisma names the schema `public` in its statements, so the test has a database of its own.
const DATABASE = `orms_${process.pid}`

// With SHORT, they have run on another runtime already.
describe.skipIf(url === undefined || !isInstalled || process.env['SHORT'] !== undefined)('docs/orm.md', () => {
  const databaseUrl = new URL(url ?? 'postgres://localhost')
  databaseUrl.pathname = `/${DATABASE}`
  const pool = new Pool({ connectionString: databaseUrl.href, max: 5 })

  beforeAll(async () => {
    const admin = new Pool({ connectionString: url, max: 1 })
    await admin.query(`CREATE DATABASE ${DATABASE}`)
    await admin.end()
    await migratePostgres(pool)
    await migratePostgresOutbox(pool)
    await pool.query('CREATE TABLE shop_orders (no text PRIMARY KEY, status text)')
    process.env['DATABASE_URL'] = databaseUrl.href
  })
  afterAll(async () => {
    await pool.end()
    const admin = new Pool({ connectionString: url, max: 1 })
    await admin.query(`DROP DATABASE ${DATABASE} WITH (FORCE)`)
    await admin.end()
  })

  const rowsOf = async (no: string) =>
    (await pool.query('SELECT status FROM shop_orders WHERE no = $1', [no])).rows.map(({ status }) => status)

  describe.for(['drizzle', 'kysely', 'knex', 'typeorm', 'prisma'])('%s', (name) => {
    let recipe: Recipe
    beforeAll(async () => {
      recipe = await loadRecipe(name)
      await recipe.dataSource?.initialize()
    })
    afterAll(async () => void (await recipe.dataSource?.destroy()))

    const start = (onOrder: Recipe['onOrder']) => {
      const events: { kind: string; code: string }[] = []
      const handler = createOrderSyncHandler({
        credentials: createTestCredentials().merchant,
        store: transactionalPostgresStore({ pool }),
        onOrder,
        onEvent: ({ kind, code }) => events.push({ kind, code }),
      })
      return { events, peer: createTestPeer(handler) }
    }

    test('commits its writes together with the order, and a redelivery writes nothing', async () => {
      let calls = 0
      const { peer, events } = start((order, context) => {
        calls++
        return recipe.onOrder(order, context)
      })
      const order = createTestOrder({ merchantBizNo: `${name}-1` })
      expect(await peer.send(order)).toMatchObject({ result: { resultStatus: 'S' }, orderId: `${name}-1` })
      expect(await rowsOf(`${name}-1`)).toEqual(['PAID'])
      expect(await peer.send(order)).toMatchObject({ result: { resultStatus: 'S' } })
      expect(calls).toBe(1)
      expect(events.map(({ kind }) => kind)).toEqual(['processed', 'replay'])
    })

    test('keeps nothing when onOrder fails after the commit of the ORM, and the redelivery writes once', async () => {
      let fails = true
      const { peer, events } = start(async (order, context) => {
        const result = await recipe.onOrder(order, context)
        if (fails) throw new Error('after the commit')
        return result
      })
      const order = createTestOrder({ merchantBizNo: `${name}-2` })
      expect(await peer.send(order)).toMatchObject({ result: { resultStatus: 'U' } })
      expect(await rowsOf(`${name}-2`)).toEqual([])
      fails = false
      expect(await peer.send(order)).toMatchObject({ result: { resultStatus: 'S' } })
      expect(await rowsOf(`${name}-2`)).toEqual(['PAID'])
      expect(events.map(({ kind }) => kind)).toEqual(['failed', 'processed'])
    })

    test('keeps nothing when the connection breaks after the commit of the ORM, and the redelivery writes once', async () => {
      let breaks = true
      const { peer } = start(async (order, context) => {
        const result = await recipe.onOrder(order, context)
        const { rows } = await (context.transaction as PoolClient).query('SELECT pg_backend_pid() AS pid')
        if (breaks) await pool.query('SELECT pg_terminate_backend($1)', [rows[0]?.pid])
        return result
      })
      const order = createTestOrder({ merchantBizNo: `${name}-4` })
      expect(await peer.send(order)).toMatchObject({ result: { resultStatus: 'U' } })
      expect(await rowsOf(`${name}-4`)).toEqual([])
      breaks = false
      expect(await peer.send(order)).toMatchObject({ result: { resultStatus: 'S' } })
      expect(await rowsOf(`${name}-4`)).toEqual(['PAID'])
    })

    test('keeps no writes of a rolled back or nested rolled back transaction, and keeps committed writes with the order', async () => {
      let fails = true
      const no = `${name}-5`
      const { peer } = start(async (_, { transaction }) => {
        const transact = (await ORMS.postgres[name]?.(transaction, recipe.dataSource)) ?? expect.fail()
        await runTransactions(no, transact)
        if (fails) throw new Error('after the commits')
        return { orderId: no }
      })
      const kept = async () =>
        (await pool.query(`SELECT no FROM shop_orders WHERE no LIKE '${no}-%' ORDER BY no`)).rows.map((row) => row.no)
      const order = createTestOrder({ merchantBizNo: no })
      expect(await peer.send(order)).toMatchObject({ result: { resultStatus: 'U' } })
      expect(await kept()).toEqual([])
      fails = false
      for (const _ of ['processed', 'replayed']) {
        expect(await peer.send(order)).toMatchObject({ result: { resultStatus: 'S' } })
        expect(await kept()).toEqual([`${no}-first`, `${no}-last`])
      }
    })

    test('two concurrent orders do not affect each other', async () => {
      const { peer } = start(recipe.onOrder)
      const numbers = Array.from({ length: 6 }, (_, index) => `${name}-3-${index}`)
      const sent = await Promise.all(numbers.map((merchantBizNo) => peer.send(createTestOrder({ merchantBizNo }))))
      expect(sent.map(({ result }) => result.resultStatus)).toEqual(numbers.map(() => 'S'))
      for (const no of numbers) expect(await rowsOf(no)).toEqual(['PAID'])
    })

    test('enqueues an event in the same transaction', async () => {
      const outbox = createOutbox({
        store: postgresOutboxStore({ pool, notify: false }),
        client: { syncOrder: () => Promise.reject(new Error('not sent in this test')) },
        onEvent: () => {},
      })
      const waiting = async () => (await outbox.stats()).waiting
      const before = await waiting()
      const run = await transactionsOf(name, recipe)
      await run(async (transaction) => void (await outbox.enqueue(createTestOrder(), { transaction })))
      expect(await waiting()).toBe(before + 1)
      const failing = run(async (transaction) => {
        await outbox.enqueue(createTestOrder(), { transaction })
        throw new Error('rolled back')
      })
      await expect(failing).rejects.toThrow('rolled back')
      expect(await waiting()).toBe(before + 1)
    })
  })

  /** Runs work in a transaction of the ORM, on a connection of its own. */
  async function transactionsOf(name: string, { executorOf, dataSource }: Recipe) {
    type Work = (transaction: unknown) => Promise<void>
    const wrap = (begin: (work: Work) => Promise<unknown>) => (work: Work) =>
      begin((transaction) => work(executorOf(transaction)))
    switch (name) {
      case 'drizzle': {
        const { drizzle } = await inOrm('drizzle-orm/node-postgres/index.js')
        return wrap((work) => drizzle({ client: pool }).transaction(work))
      }
      case 'kysely': {
        const { Kysely, PostgresDialect } = await inOrm('kysely/dist/index.js')
        return wrap((work) => new Kysely({ dialect: new PostgresDialect({ pool }) }).transaction().execute(work))
      }
      case 'knex': {
        const { default: createKnex } = await inOrm('knex/knex.js')
        const knex = createKnex({ client: 'pg', connection: process.env['DATABASE_URL'], pool: { min: 0, max: 2 } })
        return wrap((work) => knex.transaction(work))
      }
      case 'typeorm':
        return wrap((work) =>
          (dataSource as unknown as { transaction: (work: Work) => Promise<unknown> }).transaction(work),
        )
      default: {
        const { PrismaPg } = await inOrm('@prisma/adapter-pg/dist/index.mjs')
        const { PrismaClient } = await import(/* @vite-ignore */ join(folder, 'generated/index.js'))
        // Not the pool of this test: it is of another copy of pg.
        const prisma = new PrismaClient({
          adapter: new PrismaPg({ connectionString: process.env['DATABASE_URL'] }),
        })
        return wrap((work) => prisma.$transaction(work))
      }
    }
  }
})

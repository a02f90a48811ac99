import { join } from 'node:path'
import { folder, inOrm } from './recipes.ts'

/** Writes one row. */
type Insert = (no: string) => Promise<unknown>

/** A transaction in the transaction, where the ORM has such. */
type Nest = (work: (insert: Insert) => Promise<void>) => Promise<unknown>

/** Runs work in a transaction of the ORM, which rolls back when the work rejects. */
export type Transact = (work: (insert: Insert, nest?: Nest) => Promise<void>) => Promise<unknown>

// biome-ignore lint/suspicious/noExplicitAny: the ORMs are not installed where this is type-checked
type Foreign = any

/** Connects the ORM to `context.transaction`. TypeORM also needs its data source. */
type Open = (transaction: Foreign, dataSource: Foreign) => Promise<Transact> | Transact

const drizzle = (module: 'node-postgres' | 'mysql2', core: 'pg-core' | 'mysql-core'): Open => {
  return async (transaction) => {
    const { drizzle } = await inOrm(`drizzle-orm/${module}/index.js`)
    const { pgTable, mysqlTable, varchar } = await inOrm(`drizzle-orm/${core}/index.js`)
    const columns = { no: varchar({ length: 64 }).primaryKey(), status: varchar({ length: 64 }) }
    const shopOrders = (pgTable ?? mysqlTable)('shop_orders', columns)
    const insertIn = (tx: Foreign) => (no: string) => tx.insert(shopOrders).values({ no, status: 'PAID' })
    return (work) =>
      drizzle({ client: transaction }).transaction((tx: Foreign) =>
        work(insertIn(tx), (nested) => tx.transaction((inner: Foreign) => nested(insertIn(inner)))),
      )
  }
}

const knex = (client: 'pg' | 'mysql2', connectionOf: (transaction: Foreign) => unknown): Open => {
  return async (transaction) => {
    const { default: createKnex } = await inOrm('knex/knex.js')
    const insertIn = (trx: Foreign) => (no: string) => trx('shop_orders').insert({ no, status: 'PAID' })
    return (work) =>
      createKnex({ client }).transaction(
        (trx: Foreign) => work(insertIn(trx), (nested) => trx.transaction((inner: Foreign) => nested(insertIn(inner)))),
        { connection: connectionOf(transaction) },
      )
  }
}

const typeorm = (connectionOf: (transaction: Foreign) => unknown): Open => {
  return (transaction, dataSource) => {
    const runner = dataSource.createQueryRunner()
    runner.databaseConnection = connectionOf(transaction)
    const insertIn = (manager: Foreign) => (no: string) => manager.insert('shop_orders', { no, status: 'PAID' })
    return (work) =>
      runner.manager.transaction((manager: Foreign) =>
        work(insertIn(manager), (nested) => manager.transaction((inner: Foreign) => nested(insertIn(inner)))),
      )
  }
}

const kysely = (dialectOf: (module: Foreign, transaction: Foreign) => unknown): Open => {
  return async (transaction) => {
    const module = await inOrm('kysely/dist/index.js')
    const db = new module.Kysely({ dialect: dialectOf(module, transaction) })
    const insertIn = (trx: Foreign) => (no: string) =>
      trx.insertInto('shop_orders').values({ no, status: 'PAID' }).execute()
    // A transaction of Kysely has no other one in it, but savepoints.
    return async (work) => {
      const trx = await db.startTransaction().execute()
      const nest: Nest = async (nested) => {
        const inner = await trx.savepoint('mine').execute()
        await nested(insertIn(inner)).catch(async (error) => {
          await inner.rollbackToSavepoint('mine').execute()
          throw error
        })
      }
      await work(insertIn(trx), nest).catch(async (error) => {
        await trx.rollback().execute()
        throw error
      })
      await trx.commit().execute()
    }
  }
}

/** Prisma has no transactions in transactions. */
const prisma: Open = async (transaction) => {
  const { PrismaPg } = await inOrm('@prisma/adapter-pg/dist/index.mjs')
  const { PrismaClient } = await import(/* @vite-ignore */ join(folder, 'generated/index.js'))
  const { default: pg } = await inOrm('pg/lib/index.js')
  const pool = Object.assign(new pg.Pool(), {
    connect: async () => Object.create(transaction, { release: { value: () => {} } }),
    query: (...args: unknown[]) => transaction.query(...args),
  })
  const client = new PrismaClient({ adapter: new PrismaPg(pool) })
  return (work) =>
    client.$transaction((tx: Foreign) => work((no) => tx.shop_orders.create({ data: { no, status: 'PAID' } })))
}

const itself = (transaction: Foreign) => transaction
const callbacksOf = (transaction: Foreign) => transaction.connection

/** The ORMs, connected as in docs/orm.md. */
export const ORMS: Readonly<Record<'postgres' | 'mysql', Readonly<Record<string, Open>>>> = {
  postgres: {
    drizzle: drizzle('node-postgres', 'pg-core'),
    kysely: kysely(({ PostgresDialect }, transaction) => {
      const client = Object.create(transaction, { release: { value: () => {} } })
      return new PostgresDialect({ pool: { connect: async () => client, end: async () => {} } })
    }),
    knex: knex('pg', itself),
    typeorm: typeorm(itself),
    prisma,
  },
  mysql: {
    drizzle: drizzle('mysql2', 'mysql-core'),
    kysely: kysely(({ MysqlDialect }, { connection }) => {
      const pool = {
        getConnection: (callback: Foreign) => callback(null, connection),
        end: (callback: Foreign) => callback(),
      }
      return new MysqlDialect({ pool })
    }),
    knex: knex('mysql2', callbacksOf),
    typeorm: typeorm(callbacksOf),
  },
}

/**
 * A transaction that commits, with another one in it that rolls back; one that rolls back; and one that commits. What is left are
 * the rows `first` and `last`.
 */
export async function runTransactions(no: string, transact: Transact): Promise<void> {
  await transact(async (insert, nest) => {
    await insert(`${no}-first`)
    if (nest !== undefined) await fails((failing) => nest(failing))
  })
  await fails(transact)
  await transact(async (insert) => void (await insert(`${no}-last`)))

  /** Begins a transaction, writes, and throws. */
  async function fails(begin: Nest) {
    const message = await begin(async (insert) => {
      await insert(`${no}-not kept`)
      throw new Error('rolled back')
    }).then(
      () => 'it was committed',
      (error: Error) => error.message,
    )
    if (message !== 'rolled back') throw new Error(message)
  }
}

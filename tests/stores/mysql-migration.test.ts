import { createHash, randomUUID } from 'node:crypto'
import { createPool, type Pool, type PoolOptions, type RowDataPacket } from 'mysql2/promise'
import { describe, expect, inject, onTestFinished, test } from 'vitest'
import { forgetExpired, mysqlStore, transactionalMysqlStore } from '../../src/stores/mysql.ts'
import { migrateMysql } from '../../src/stores/mysql-migration.ts'
import { MYSQL_MIGRATIONS, MYSQL_SCHEMA_VERSION, MYSQL_SQL_MODE } from '../../src/stores/mysql-schema.ts'
import type { OrderSyncStore } from '../../src/stores/store.ts'
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
const completion = { storedResponse: 'response', processed: true }
const held = { delivery, token: 1 }

async function newDatabase(): Promise<string> {
  const { place, remove } = await makePlace('mysql', url ?? '')
  onTestFinished(remove)
  return place.split(' ')[2] ?? ''
}

function open(database: string, options: PoolOptions = {}): Pool {
  const pool = mysqlPoolAt(url ?? '', database, options)
  onTestFinished(() => pool.end())
  return pool
}

/** A pool whose connections have no database. */
function openWithoutDatabase(options: PoolOptions = {}): Pool {
  const { hostname, port, username, password } = new URL(url ?? '')
  const pool = createPool({ host: hostname, port: Number(port), user: username, password, ...options })
  onTestFinished(() => pool.end())
  return pool
}

async function rowsOf(pool: Pool, statement: string): Promise<RowDataPacket[]> {
  return (await pool.query<RowDataPacket[]>(statement))[0]
}

async function processOne(store: OrderSyncStore): Promise<void> {
  const claim = await store.claim(delivery, claimOptions)
  if (claim.decision !== 'process') throw new Error(claim.decision)
  expect(await store.finish({ delivery, token: claim.token }, completion)).toBe(true)
  expect((await store.read('order'))?.last).toMatchObject({ orderModifyTime: 1, storedResponse: 'response' })
}

describe('MYSQL_MIGRATIONS', () => {
  test('has one list of statements for each schema version', () => {
    expect(MYSQL_MIGRATIONS).toHaveLength(MYSQL_SCHEMA_VERSION)
  })

  test.each([[1, 'dd4b6f0f6822ab36']])(
    'version %d has the released text (append a new version instead of changing it)',
    (version, hash) => {
      const text = JSON.stringify(MYSQL_MIGRATIONS[version - 1])
      expect(createHash('sha256').update(text).digest('hex').slice(0, 16)).toBe(hash)
    },
  )
})

describe.skipIf(url === undefined)('mysqlStore without migrateMysql', () => {
  const calls: Readonly<Record<string, (pool: Pool, database: string | undefined) => unknown>> = {
    claim: (pool, database) => mysqlStore({ pool, database }).claim(delivery, claimOptions),
    finish: (pool, database) => mysqlStore({ pool, database }).finish(held, completion),
    release: (pool, database) => mysqlStore({ pool, database }).release(held),
    read: (pool, database) => mysqlStore({ pool, database }).read('order'),
    forget: (pool, database) => mysqlStore({ pool, database }).forget('order'),
    ping: (pool, database) => mysqlStore({ pool, database }).ping?.(),
    forgetExpired: (pool, database) => forgetExpired({ pool, database }),
    finishInTransaction: (pool, database) =>
      transactionalMysqlStore({ pool, database }).finishInTransaction?.(held, async () => completion),
  }

  test.each(Object.entries(calls))(
    'rejects %s with ERR_STORE_NOT_MIGRATED, and names the call to make',
    async (_, call) => {
      const pool = open(await newDatabase())
      const message = (text: string) => ({
        name: 'ConfigurationError',
        code: 'ERR_STORE_NOT_MIGRATED',
        message: expect.stringContaining(text),
      })
      await expect(call(pool, undefined)).rejects.toMatchObject(message('run migrateMysql(pool) first'))
      await expect(call(pool, 'missing')).rejects.toMatchObject(
        message("run migrateMysql(pool, { database: 'missing' }) first"),
      )
      await expect(call(openWithoutDatabase(), undefined)).rejects.toMatchObject(
        message('check the database of the connection'),
      )
    },
  )

  test('rejects ping before the last statement of the migration has run, and accepts a later version', async () => {
    const pool = open(await newDatabase())
    for (const statement of MYSQL_MIGRATIONS.flat().slice(0, -1)) await pool.query(statement)
    await expect(mysqlStore({ pool }).ping?.()).rejects.toMatchObject({ code: 'ERR_STORE_NOT_MIGRATED' })
    await migrateMysql(pool)
    await mysqlStore({ pool }).ping?.()
    await pool.query('UPDATE order_sync_schema SET version = 99')
    await mysqlStore({ pool }).ping?.()
  })

  test('leaves an error of the same kind in onOrder unchanged', async () => {
    const pool = open(await newDatabase())
    await migrateMysql(pool)
    const work = transactionalMysqlStore({ pool }).finishInTransaction?.(held, async (connection) => {
      await connection.query('SELECT * FROM no_such_table')
      return completion
    })
    await expect(work).rejects.toMatchObject({ code: 'ER_NO_SUCH_TABLE' })
  })
})

describe.skipIf(url === undefined)('migrateMysql', () => {
  test('creates the schema once when 8 processes run it at once, and leaves every session as it was', async () => {
    const database = await newDatabase()
    const pools = Array.from({ length: 8 }, () => open(database, { connectionLimit: 1 }))
    const SESSION = 'SELECT @@SESSION.sql_mode AS mode'
    const before = await Promise.all(pools.map((pool) => rowsOf(pool, SESSION)))
    await Promise.all(pools.map((pool) => migrateMysql(pool)))
    expect(await rowsOf(open(database), 'SELECT version FROM order_sync_schema')).toEqual([
      { version: MYSQL_SCHEMA_VERSION },
    ])
    expect(await Promise.all(pools.map((pool) => rowsOf(pool, SESSION)))).toEqual(before)
    expect(before[0]).not.toEqual([{ mode: MYSQL_SQL_MODE }])
  })

  test('completes a migration that was killed after any of its statements', async () => {
    const [statements = []] = MYSQL_MIGRATIONS
    for (let done = 0; done <= statements.length; done += 1) {
      const pool = open(await newDatabase(), { connectionLimit: 1 })
      for (const statement of statements.slice(0, done)) await pool.query(statement)
      await migrateMysql(pool)
      await processOne(mysqlStore({ pool }))
    }
  })

  test('only reads when the schema is up to date', async () => {
    const pool = open(await newDatabase(), { connectionLimit: 1 })
    await migrateMysql(pool)
    await pool.query('SET SESSION TRANSACTION READ ONLY')
    await migrateMysql(pool)
  })

  test('rejects when the database was migrated by a later release', async () => {
    const pool = open(await newDatabase())
    await migrateMysql(pool)
    await pool.query('UPDATE order_sync_schema SET version = 99')
    await expect(migrateMysql(pool)).rejects.toThrow('later release')
  })

  test('creates a database with a name that needs quotes, which the store then uses', async () => {
    const database = `Order-Sync '"$ ${await newDatabase()}`.slice(0, 64)
    const pool = openWithoutDatabase()
    await Promise.all([migrateMysql(pool, { database }), migrateMysql(pool, { database })])
    onTestFinished(async () => void (await pool.query(`DROP DATABASE \`${database}\``)))
    await processOne(mysqlStore({ pool, database }))
    expect(await rowsOf(pool, `SELECT 1 FROM \`${database}\`.order_sync_orders`)).toHaveLength(1)
    expect(await forgetExpired({ pool, database })).toBe(0)
  })

  test('uses the database of the option, not that of the connection', async () => {
    const [own, other] = [await newDatabase(), await newDatabase()]
    const pool = open(own)
    await migrateMysql(pool, { database: other })
    await processOne(mysqlStore({ pool, database: other }))
    expect(await rowsOf(pool, 'SHOW TABLES')).toEqual([])
  })

  test.each(['a`b', 'a/b', 'a\\b', 'a.b', 'a ', '', 'a'.repeat(65)])(
    'rejects the database name %j',
    async (database) => {
      const pool = open(await newDatabase())
      await expect(migrateMysql(pool, { database })).rejects.toThrow(RangeError)
      expect(() => mysqlStore({ pool, database })).toThrow('"database" must be the name of a database')
    },
  )
})

/** Creates a user with these rights, and opens a pool for it. */
async function openAs(rights: readonly string[], database: string): Promise<Pool> {
  const owner = open(database)
  // At most 32 characters in MySQL.
  const user = `app_${randomUUID().replaceAll('-', '').slice(0, 16)}`
  await owner.query(`CREATE USER ${user} IDENTIFIED BY 'S3CRET'`)
  onTestFinished(async () => void (await owner.query(`DROP USER ${user}`)))
  for (const right of rights) await owner.query(`GRANT ${right} TO ${user}`)
  return openWithoutDatabase({ user, password: 'S3CRET', database })
}

describe.skipIf(url === undefined)('a user with only the documented rights', () => {
  test('for the application can run migrateMysql on an up-to-date schema, every method of the store, and forgetExpired', async () => {
    const database = await newDatabase()
    await migrateMysql(open(database))
    const pool = await openAs(
      [
        `EXECUTE ON ${database}.*`,
        `SELECT ON ${database}.order_sync_schema`,
        `SELECT, INSERT, UPDATE ON ${database}.order_sync_orders`,
        `SELECT, INSERT, UPDATE, DELETE ON ${database}.order_sync_requests`,
      ],
      database,
    )
    await migrateMysql(pool)
    await processOne(mysqlStore({ pool }))
    const store = transactionalMysqlStore({ pool })
    const next = { ...delivery, requestKey: 'next', orderModifyTime: 2 }
    const claim = await store.claim(next, claimOptions)
    if (claim.decision !== 'process') throw new Error(claim.decision)
    expect(await store.finishInTransaction?.({ delivery: next, token: claim.token }, async () => completion)).toBe(true)
    expect(await store.release(held)).toBe(false)
    expect(await store.forget('order')).toBe('forgotten')
    await store.ping?.()
    expect(await forgetExpired({ pool })).toBe(0)
    await expect(pool.query('DELETE FROM order_sync_orders')).rejects.toMatchObject({
      code: 'ER_TABLEACCESS_DENIED_ERROR',
    })
  })

  test('for the migration can create the schema, and needs the right to create procedures', async () => {
    const tables = 'SELECT, INSERT, UPDATE, CREATE, ALTER, INDEX'
    const database = await newDatabase()
    const withoutRoutines = await openAs([`${tables} ON ${database}.*`], database)
    await expect(migrateMysql(withoutRoutines)).rejects.toMatchObject({ code: expect.stringMatching(/DENIED/) })
    const pool = await openAs([`${tables}, CREATE ROUTINE, ALTER ROUTINE ON ${database}.*`], database)
    await migrateMysql(pool)
    await processOne(mysqlStore({ pool: open(database) }))
  })
})

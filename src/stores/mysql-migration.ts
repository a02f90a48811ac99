import { resolveOptions } from '../option-rules.ts'
import { borrow } from './mysql-connection.ts'
import { DATABASE_RULE, type MysqlDatabaseOptions, prefixOf } from './mysql-database.ts'
import { isNotMigrated, isUnknownDatabase } from './mysql-errors.ts'
import { assertPool, type MysqlPool } from './mysql-pool.ts'
import { MYSQL_SCHEMA_VERSION, MYSQL_SQL_MODE, migrationsFor } from './mysql-schema.ts'

/** How long to wait while another process migrates. */
const LOCK_WAIT_S = 60

/** How long to wait for a connection of the pool. */
const CONNECTION_TIMEOUT_MS = 60_000

/** How long a statement of a migration may take. To alter a table with many rows takes minutes. */
const STATEMENT_TIMEOUT_MS = 600_000

type Query = (sql: string) => Promise<Readonly<Record<string, unknown>> | undefined>

/**
 * Creates the tables and procedures, or upgrades them to this release. Several processes may run it at once, and it may run
 * again: when the schema is up to date, it only reads. After a crash in the middle, the next run completes it. A database that you
 * name is created when it is missing.
 *
 * @throws Error when the database was migrated by a later release, or another process migrates for longer than 60 seconds
 * @see docs/protocol.md section 7.3
 * @example
 * ```ts
 * import { migrateMysql } from 'alipayhk-order-sync/stores/mysql'
 * import { createPool } from 'mysql2/promise'
 *
 * const pool = createPool({ uri: process.env['DATABASE_URL'] ?? 'mysql://127.0.0.1/shop' })
 * await migrateMysql(pool, { database: 'order_sync' })
 * ```
 */
export async function migrateMysql(pool: MysqlPool, options: MysqlDatabaseOptions = {}): Promise<void> {
  assertPool(pool, 'pool')
  const { database } = resolveOptions('migrateMysql', { database: DATABASE_RULE }, options)
  const connection = await borrow(pool, CONNECTION_TIMEOUT_MS)
  const { giveBack } = connection
  const query: Query = (sql) => connection.query(sql, STATEMENT_TIMEOUT_MS)
  try {
    // Without a lock: the role of the application may only read.
    if ((await schemaVersion(query, database)) !== MYSQL_SCHEMA_VERSION) await migrateAlone(query, database)
    // With `autocommit = 0`, a read opens a transaction.
    await query('COMMIT')
  } catch (error) {
    // The end of the connection frees the lock and its settings.
    giveBack({ close: true })
    throw error
  }
  giveBack()
}

async function migrateAlone(query: Query, database: string | undefined): Promise<void> {
  if (database !== undefined) await createDatabase(query, database)
  await query(`SET @order_sync_sql_mode = @@SESSION.sql_mode, SESSION sql_mode = '${MYSQL_SQL_MODE}'`)
  const lock = await lockName(query, database)
  // MySQL has no locks that end with a transaction, and a change of the schema would end the transaction.
  const locked = await query(`SELECT GET_LOCK('${lock}', ${LOCK_WAIT_S}) AS locked`)
  if (Number(locked?.['locked']) !== 1)
    throw new Error('Another process has been migrating the database for 60 seconds')
  await query('COMMIT')
  const version = await schemaVersion(query, database)
  for (const statement of migrationsFor(prefixOf(database)).slice(version).flat()) await query(statement)
  await query(`DO RELEASE_LOCK('${lock}')`)
  await query('SET SESSION sql_mode = @order_sync_sql_mode')
}

/** `CREATE DATABASE IF NOT EXISTS` needs the right to create one, even when the database exists. */
async function createDatabase(query: Query, database: string): Promise<void> {
  const name = `\`${database}\``
  const exists = await query(`SHOW CREATE DATABASE ${name}`).then(
    () => true,
    (error) => (isUnknownDatabase(error) ? false : Promise.reject(error)),
  )
  if (!exists) await query(`CREATE DATABASE IF NOT EXISTS ${name}`)
}

/** One lock for each database. Its name may have 64 characters, like the name of a database. Every release must use the same name. */
async function lockName(query: Query, database: string | undefined): Promise<string> {
  const name = database === undefined ? 'DATABASE()' : `X'${Buffer.from(database).toString('hex')}'`
  return `order_sync ${String((await query(`SELECT MD5(${name}) AS hash`))?.['hash'])}`
}

async function schemaVersion(query: Query, database: string | undefined): Promise<number> {
  const version = await query(`SELECT version FROM ${prefixOf(database)}order_sync_schema`).then(
    (row) => Number(row?.['version'] ?? 0),
    (error) => (isNotMigrated(error) ? 0 : Promise.reject(error)),
  )
  if (version > MYSQL_SCHEMA_VERSION)
    throw new Error('The database was migrated by a later release of alipayhk-order-sync')
  return version
}

import { resolveOptions } from '../option-rules.ts'
import { borrow } from './mysql-connection.ts'
import { DATABASE_RULE, type MysqlDatabaseOptions, prefixOf } from './mysql-database.ts'
import { isNotMigrated } from './mysql-errors.ts'
import { assertPool, type MysqlPool } from './mysql-pool.ts'
import { query, toSql } from './outbox-mysql.ts'

/** The schema version that this release needs. */
const VERSION = 1
const MIGRATION_TIMEOUT_MS = 60_000

/**
 * Creates the tables of the outbox. Several processes may run it at once, and it may run again. The database must exist.
 *
 * @throws Error when the database was migrated by a later release
 * @see docs/protocol.md section 6.2
 * @example
 * ```ts
 * import { migrateMysqlOutbox } from 'alipayhk-order-sync/stores/mysql'
 * import { createPool } from 'mysql2/promise'
 *
 * const pool = createPool({ uri: process.env['DATABASE_URL'] ?? 'mysql://127.0.0.1/shop' })
 * await migrateMysqlOutbox(pool)
 * ```
 */
export async function migrateMysqlOutbox(pool: MysqlPool, options: MysqlDatabaseOptions = {}): Promise<void> {
  assertPool(pool, 'pool')
  const { database } = resolveOptions('migrateMysqlOutbox', { database: DATABASE_RULE }, options)
  const { connection, giveBack } = await borrow(pool, MIGRATION_TIMEOUT_MS)
  try {
    const send = (sql: string) => query(connection, sql, MIGRATION_TIMEOUT_MS)
    const prefix = prefixOf(database)
    const version = await schemaVersion(send, prefix)
    if (version > VERSION) throw new Error('The outbox was migrated by a later release of alipayhk-order-sync')
    if (version < VERSION) {
      // Each statement commits implicitly, and does nothing when it is repeated.
      for (const statement of tablesOf(prefix)) await send(statement)
    }
    // With `autocommit = 0`, a read opens a transaction.
    await send('COMMIT')
  } catch (error) {
    giveBack({ close: true })
    throw error
  }
  giveBack()
}

/** Only reads: the user of the application may have no right to create a table, even if the table exists. */
async function schemaVersion(send: (sql: string) => Promise<unknown>, prefix: string): Promise<number> {
  try {
    const [row] = await toSql(send)(`SELECT MAX(version) AS version FROM ${prefix}order_sync_outbox_schema`)
    return Number(row?.['version'] ?? 0)
  } catch (error) {
    if (isNotMigrated(error)) return 0
    throw error
  }
}

// Without character sets: texts are bytes, compared as bytes.
function tablesOf(prefix: string): readonly string[] {
  return [
    `CREATE TABLE IF NOT EXISTS ${prefix}order_sync_outbox_schema (version INT NOT NULL PRIMARY KEY) ENGINE = InnoDB`,
    `CREATE TABLE IF NOT EXISTS ${prefix}order_sync_outbox (
       id BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
       order_key VARBINARY(64) NOT NULL,
       event_time BIGINT NOT NULL,
       request_id VARBINARY(64) NOT NULL,
       payload MEDIUMBLOB NOT NULL,
       state SMALLINT NOT NULL,
       attempts INT NOT NULL,
       due_at BIGINT NOT NULL,
       created_at BIGINT NOT NULL,
       expires_at BIGINT NOT NULL,
       finished_at BIGINT,
       code VARBINARY(64),
       UNIQUE KEY order_sync_outbox_event (request_id, order_key, event_time),
       KEY order_sync_outbox_state (state, id),
       KEY order_sync_outbox_order (order_key, state, event_time, id),
       KEY order_sync_outbox_ended (state, finished_at)
     ) ENGINE = InnoDB`,
    `CREATE TABLE IF NOT EXISTS ${prefix}order_sync_outbox_orders (
       order_key VARBINARY(64) NOT NULL PRIMARY KEY,
       due_at BIGINT,
       leased SMALLINT NOT NULL,
       token BIGINT NOT NULL,
       sent_time BIGINT,
       KEY order_sync_outbox_due (due_at)
     ) ENGINE = InnoDB`,
    `CREATE TABLE IF NOT EXISTS ${prefix}order_sync_outbox_changes (
       id BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
       order_key VARBINARY(64) NOT NULL
     ) ENGINE = InnoDB`,
    `INSERT INTO ${prefix}order_sync_outbox_schema (version) VALUES (${VERSION}) ON DUPLICATE KEY UPDATE version = version`,
  ]
}

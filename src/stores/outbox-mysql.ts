import { hasMethod, type OptionRules, positiveNumber, resolveOptions } from '../option-rules.ts'
import { repeatTransient } from '../timeout.ts'
import { borrow } from './mysql-connection.ts'
import { DATABASE_RULE, type MysqlDatabaseOptions, prefixOf } from './mysql-database.ts'
import { isNotMigrated, isRolledBack } from './mysql-errors.ts'
import { assertPool, assertPoolOption, type MysqlPool } from './mysql-pool.ts'
import {
  createSqlOutboxStore,
  outboxNotMigrated,
  replaceMarks,
  runSteps,
  type Sql,
  type SqlRow,
  type SqlValue,
  type Steps,
  stepsOf,
  WITHOUT_ARRAYS,
} from './outbox-sql.ts'
import type { OutboxStore } from './outbox-store.ts'

/** Options of {@link mysqlOutboxStore}. */
export interface MysqlOutboxStoreOptions extends MysqlDatabaseOptions {
  /** Your promise pool: `createPool()` of `mysql2/promise`. */
  pool: MysqlPool
  /** Time limit of a query, and of the wait for a connection of the pool, in milliseconds. @defaultValue 10_000 */
  queryTimeoutMs?: number | undefined
}

/** The part of a transaction that `enqueue()` needs: a promise connection of `mysql2`, or any object with this method. */
export interface MysqlExecutor {
  /** The statement has no parameters: the values are hexadecimal literals. */
  query(text: string): Promise<unknown>
}

const OPTIONS = {
  pool: { required: true, assert: assertPool },
  database: DATABASE_RULE,
  queryTimeoutMs: positiveNumber(10_000, { isTimer: true }),
} satisfies OptionRules<MysqlOutboxStoreOptions>

/** UTC_TIMESTAMP, because the hour before the end of summer time has two meanings. */
const NOW = `TIMESTAMPDIFF(MICROSECOND, '1970-01-01', UTC_TIMESTAMP(3)) DIV 1000`

/**
 * The events of an outbox in MySQL 8.0, MariaDB 10.6 or later, for any number of machines. Call {@link migrateMysqlOutbox} first.
 *
 * @throws TypeError, RangeError when an option is wrong
 * @see docs/protocol.md section 6.2
 * @example
 * ```ts
 * import { mysqlOutboxStore } from 'alipayhk-order-sync/stores/mysql'
 * import { createPool } from 'mysql2/promise'
 *
 * const pool = createPool({ uri: process.env['DATABASE_URL'] ?? 'mysql://127.0.0.1/shop' })
 * export const store = mysqlOutboxStore({ pool })
 * ```
 */
export function mysqlOutboxStore(options: MysqlOutboxStoreOptions): OutboxStore {
  assertPoolOption('mysqlOutboxStore', options)
  const { pool, database, queryTimeoutMs } = resolveOptions('mysqlOutboxStore', OPTIONS, options)

  async function transactOnce<Value>(work: () => Steps<Value>): Promise<Value> {
    const { connection, giveBack } = await borrow(pool, queryTimeoutMs)
    const send = (sql: string) => query(connection, sql, queryTimeoutMs)
    let value: Value
    try {
      await send('SET TRANSACTION ISOLATION LEVEL READ COMMITTED')
      await send('START TRANSACTION')
      value = await runSteps(work(), toSql(send))
      await send('COMMIT')
    } catch (error) {
      // Closing the connection rolls back in any state.
      await send('ROLLBACK').then(
        () => giveBack(),
        () => giveBack({ close: true }),
      )
      throw error
    }
    giveBack()
    return value
  }

  const inOwnTransaction = <Value>(work: () => Steps<Value>): Promise<Value> =>
    explaining(() => repeatTransient(() => transactOnce(work), isRolledBack))

  return createSqlOutboxStore({
    ...WITHOUT_ARRAYS,
    prefix: prefixOf(database),
    now: () => NOW,
    forUpdate: 'FOR UPDATE',
    skipLocked: 'FOR UPDATE SKIP LOCKED',
    ignoreDuplicate: () => 'ON DUPLICATE KEY UPDATE id = id',
    onOrderExists: 'ON DUPLICATE KEY UPDATE',
    hasReturning: false,
    // MySQL can scan the table. It then waits for rows that an open transaction of the merchant has written, or locks all orders that are due.
    // FORCE INDEX prevents the scan. A DELETE of one table does not accept it, so the ids are joined with the table.
    useIndex: (index) => `FORCE INDEX (${index})`,
    endedOrder: 'state, finished_at',
    deleteRows: (table, ids) => ({
      text: `DELETE ${table} FROM JSON_TABLE('[${ids.join(', ')}]', '$[*]' COLUMNS (id BIGINT PATH '$')) AS ids STRAIGHT_JOIN ${table} ON ${table}.id = ids.id`,
      values: [],
    }),
    transaction: inOwnTransaction,
    async write(statements, transaction) {
      if (transaction === undefined) await inOwnTransaction(() => stepsOf(statements))
      else await explaining(() => runSteps(stepsOf(statements), toSql(toExecutor(transaction))))
    },
  })
}

async function explaining<Value>(call: () => Promise<Value>): Promise<Value> {
  try {
    return await call()
  } catch (error) {
    throw isNotMigrated(error) ? outboxNotMigrated('migrateMysqlOutbox(pool)', error) : error
  }
}

function toExecutor(transaction: unknown): (sql: string) => Promise<unknown> {
  if (!hasMethod(transaction, 'query') || hasMethod(transaction, 'getConnection')) {
    throw new TypeError(
      '"transaction" must be a connection of "mysql2" that is in a transaction, or an object with query(text)',
    )
  }
  // A connection with callbacks has promise().
  const { promise } = transaction as { promise?: () => MysqlExecutor }
  const executor = typeof promise === 'function' ? promise.call(transaction) : (transaction as MysqlExecutor)
  return (sql) => withoutStatement(executor.query(sql))
}

type Connection = Awaited<ReturnType<typeof borrow>>['connection']

export const query = (connection: Connection, sql: string, timeoutMs: number) =>
  withoutStatement(waitForQuery(connection, sql, timeoutMs))

/** The driver adds the text of the query to its errors, which contains the order. */
async function withoutStatement<Value>(sent: Promise<Value>): Promise<Value> {
  try {
    return await sent
  } catch (error) {
    if (error instanceof Error) Reflect.deleteProperty(error, 'sql')
    throw error
  }
}

async function waitForQuery(connection: Connection, sql: string, timeoutMs: number): Promise<unknown> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`A query to the database took longer than ${timeoutMs} ms`)), timeoutMs)
  })
  try {
    return await Promise.race([connection.query({ sql, rowsAsArray: false, nestTables: false, typeCast: true }), late])
  } finally {
    clearTimeout(timer)
  }
}

/** Writes the values into the statement, as hexadecimal bytes and whole numbers: escapes would depend on the `sql_mode`. */
export function toSql(send: (sql: string) => Promise<unknown>): Sql {
  return async (text, values = []) => {
    const rest = [...values]
    const result = await send(replaceMarks(text, () => literalOf(rest.shift() ?? null)))
    const [rows] = Array.isArray(result) ? result : []
    return Array.isArray(rows) ? (rows as SqlRow[]) : []
  }
}

function literalOf(value: SqlValue): string {
  if (value === null) return 'NULL'
  if (typeof value === 'number') return String(Math.round(value))
  if (typeof value !== 'string') throw new TypeError('A list has no literal')
  return `X'${Buffer.from(value).toString('hex')}'`
}

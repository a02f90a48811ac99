import { assertFunction, flag, hasMethod, type OptionRules, resolveOptions } from '../option-rules.ts'
import { repeatTransient } from '../timeout.ts'
import { CHANNEL, listen } from './outbox-postgres-listen.ts'
import { createSqlOutboxStore, outboxNotMigrated, replaceMarks, runSteps, type Sql, type SqlRow } from './outbox-sql.ts'
import type { OutboxStore } from './outbox-store.ts'
import { assertPool, assertPoolOption, inTransaction, listenToPool, type PostgresPool } from './postgres-pool.ts'
import { prefixOf, SCHEMA_RULE } from './postgres-schema-name.ts'

/** Options of {@link postgresOutboxStore}. */
export interface PostgresOutboxStoreOptions {
  /** Your pool. Set its `connectionTimeoutMillis` and `query_timeout`, so that calls fail when the database is down. */
  pool: PostgresPool
  /** The schema of the tables. @defaultValue the first schema of the `search_path` */
  schema?: string | undefined
  /**
   * Whether each commit with new events wakes the workers (`NOTIFY`). A running worker then keeps one connection of the pool.
   * Without it, workers poll every `pollMs`. @defaultValue true
   */
  notify?: boolean | undefined
  /** Receives the error of a broken idle connection, as in `postgresStore`. */
  onError?: ((error: unknown) => void) | undefined
}

/** The part of a transaction that `enqueue()` needs: a client of `pg`, or any object with this method. */
export interface PostgresExecutor {
  query(text: string, values: unknown[]): Promise<unknown>
}

const OPTIONS = {
  pool: { required: true, assert: assertPool },
  schema: SCHEMA_RULE,
  notify: flag(true),
  onError: { assert: assertFunction },
} satisfies OptionRules<PostgresOutboxStoreOptions>

export const BEGIN = 'BEGIN ISOLATION LEVEL READ COMMITTED'
/** The time of the statement, because no index serves a comparison with clock_timestamp(), which is volatile. */
const NOW = '(extract(epoch from statement_timestamp()) * 1000)::bigint'

/** Serialization failure, deadlock. */
const TRANSIENT = new Set(['40001', '40P01'])

/**
 * The events of an outbox in PostgreSQL 13 or later, for any number of machines. Call {@link migratePostgresOutbox} first.
 *
 * @throws TypeError, RangeError when an option is wrong
 * @see docs/protocol.md section 6.2
 * @example
 * ```ts
 * import { postgresOutboxStore } from 'alipayhk-order-sync/stores/postgres'
 * import { Pool } from 'pg'
 *
 * const pool = new Pool({ connectionTimeoutMillis: 3_000, query_timeout: 10_000 })
 * pool.on('error', (error) => console.error('an idle connection broke; the pool opens a new one', error))
 * export const store = postgresOutboxStore({ pool })
 * ```
 */
export function postgresOutboxStore(options: PostgresOutboxStoreOptions): OutboxStore {
  assertPoolOption('postgresOutboxStore', options)
  const { pool, schema, notify, onError } = resolveOptions('postgresOutboxStore', OPTIONS, options)
  listenToPool('postgresOutboxStore', pool, onError)
  const store = createSqlOutboxStore({
    // The subquery hides the length of the list: for 200 values, PostgreSQL would read a table of 20,000 rows without its index.
    inList: (values) => ({ text: `= ANY (ARRAY(SELECT unnest(${arrayOf(values)})))`, values: [values] }),
    // As JSON: an ORM, in whose transaction this is sent, may change arrays.
    rowsOf(columns, select) {
      const names = columns.map((_, index) => `c${index}`)
      const types = columns.map(([value], index) => `c${index} ${typeOf(value)}`)
      const rows = columns[0]?.map((_, row) =>
        Object.fromEntries(columns.map((column, index) => [names[index], column[row]])),
      )
      const source = `json_to_recordset(?::json) AS new_rows (${types.join(', ')})`
      return { text: `SELECT ${select(names)} FROM ${source}`, values: [JSON.stringify(rows)] }
    },
    prefix: prefixOf(schema),
    now: () => NOW,
    forUpdate: 'FOR UPDATE',
    skipLocked: 'FOR UPDATE SKIP LOCKED',
    ignoreDuplicate: (columns) => `ON CONFLICT (${columns}) DO NOTHING`,
    onOrderExists: 'ON CONFLICT (order_key) DO UPDATE SET',
    hasReturning: true,
    deleteOldest(table, columns, limit) {
      // By their places, in an array that is read once: with ids, PostgreSQL may read the whole table, or lock more rows than the limit.
      const oldest = `SELECT ctid FROM ${table} ORDER BY id LIMIT ${limit} FOR UPDATE SKIP LOCKED`
      return { text: `DELETE FROM ${table} WHERE ctid = ANY (ARRAY(${oldest})) RETURNING ${columns}`, values: [] }
    },
    useIndex: () => '',
    endedOrder: 'finished_at',
    transaction: (work) =>
      explaining(() =>
        repeatTransient(
          () =>
            inTransaction(pool, {
              begin: BEGIN,
              work: async (client) => ({ commit: true, value: await runSteps(work(), toSql(client)) }),
            }),
          (error) => TRANSIENT.has(codeOf(error)),
        ),
      ),
    // One statement, and so one round trip and one transaction.
    async write(statements, transaction) {
      const parts = statements.map(({ text }, index) => `part${index} AS (${text})`)
      const text = `WITH ${parts.join(', ')} SELECT ${notify ? `pg_notify('${CHANNEL}', '')` : '1'}`
      const send = toSql(transaction === undefined ? pool : toExecutor(transaction))
      await explaining(() =>
        send(
          text,
          statements.flatMap(({ values }) => values),
        ),
      )
    },
  })
  return notify ? { ...store, listen: (wake) => listen(pool, wake) } : store
}

/** One parameter for any number of values: the statement stays small, and PostgreSQL plans it quickly. */
const arrayOf = (values: readonly unknown[]) => `?::${typeOf(values[0])}[]`

const typeOf = (value: unknown) => (typeof value === 'number' ? 'bigint' : 'text')

const codeOf = (error: unknown) => String((error as { code?: unknown } | null)?.code)

/** Unknown table, column or schema. */
const NOT_MIGRATED = new Set(['42P01', '42703', '3F000'])

async function explaining<Value>(call: () => Promise<Value>): Promise<Value> {
  try {
    return await call()
  } catch (error) {
    throw NOT_MIGRATED.has(codeOf(error)) ? outboxNotMigrated('migratePostgresOutbox(pool)', error) : error
  }
}

function toExecutor(transaction: unknown): PostgresExecutor {
  // Clients of pg have connect() too. One that does not belong to a pool has no release().
  const isClient = ['release', 'escapeLiteral'].some((method) => hasMethod(transaction, method))
  if (hasMethod(transaction, 'query') && (isClient || !hasMethod(transaction, 'connect'))) {
    return transaction as PostgresExecutor
  }
  throw new TypeError(
    '"transaction" must be a client of the package "pg" that is in a transaction, or an object with query(text, values)',
  )
}

function toSql(executor: PostgresExecutor | Pick<PostgresPool, 'query'>): Sql {
  return async (text, values = []) => {
    let place = 0
    const numbered = replaceMarks(text, () => `$${++place}`)
    const result = await executor.query(numbered, [...values])
    return rowsOf(result)
  }
}

function rowsOf(result: unknown): readonly SqlRow[] {
  const { rows } = (result ?? {}) as { rows?: unknown }
  return Array.isArray(rows) ? rows : []
}

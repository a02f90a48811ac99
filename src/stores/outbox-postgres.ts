import { assertFunction, flag, hasMethod, type OptionRules, resolveOptions } from '../option-rules.ts'
import { backOff, repeatTransient } from '../timeout.ts'
import { createSqlOutboxStore, outboxNotMigrated, runSteps, type Sql, type SqlRow } from './outbox-sql.ts'
import type { OutboxStore } from './outbox-store.ts'
import {
  assertPool,
  assertPoolOption,
  borrow,
  inTransaction,
  listenToPool,
  type PostgresClient,
  type PostgresPool,
} from './postgres-pool.ts'
import { createSchema, prefixOf, SCHEMA_RULE } from './postgres-schema-name.ts'

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

const CHANNEL = 'order_sync_outbox'
const BEGIN = 'BEGIN ISOLATION LEVEL READ COMMITTED'
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
    inList: (values) => ({ text: `= ANY (${arrayOf(values)})`, values: [values] }),
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
    deleteRows: (table, ids) => ({ text: `DELETE FROM ${table} WHERE id = ANY (${arrayOf(ids)})`, values: [ids] }),
    byKey: (table) => table,
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
    const numbered = text.replaceAll('?', () => `$${++place}`)
    const result = await executor.query(numbered, [...values])
    return rowsOf(result)
  }
}

function rowsOf(result: unknown): readonly SqlRow[] {
  const { rows } = (result ?? {}) as { rows?: unknown }
  return Array.isArray(rows) ? rows : []
}

const RECONNECT = { firstMs: 100, maxMs: 10_000 }

/** How many connections of each pool listen. */
const listeners = new WeakMap<PostgresPool, number>()

/**
 * Keeps one connection that waits for notifications. If it breaks, polling continues, and a new connection is opened. It never takes the
 * last connection of a pool: the worker would wait for another one forever.
 */
function listen(pool: PostgresPool, wake: () => void): { readonly close: () => Promise<void> } {
  const { max = Number.POSITIVE_INFINITY } = (pool as { options?: { max?: number } }).options ?? {}
  const listening = listeners.get(pool) ?? 0
  if (listening + 1 >= max) return { close: async () => {} }
  listeners.set(pool, listening + 1)
  const stop = new AbortController()
  let release: (() => void) | undefined
  const open = async (attempt: number): Promise<void> => {
    if (stop.signal.aborted) return
    let reconnected = false
    const again = () => {
      if (reconnected) return
      reconnected = true
      release?.()
      const timer = setTimeout(() => void open(attempt + 1), backOff(Math.min(attempt, 10), RECONNECT))
      timer.unref()
    }
    try {
      const { client, giveBack } = await borrow(pool)
      const onNotification = () => {
        attempt = 1
        wake()
      }
      const emitter = client as unknown as {
        on(event: string, listener: () => void): void
        off(event: string, listener: () => void): void
      }
      emitter.on('error', again)
      emitter.on('end', again)
      emitter.on('notification', onNotification)
      release = () => {
        // First: the connection emits 'end' later, which must not release it again, because pg then throws.
        release = undefined
        emitter.off('notification', onNotification)
        // Destroyed: the pool must not lend a connection that listens. The listener of errors stays on it.
        giveBack(true)
      }
      if (stop.signal.aborted) return release()
      await client.query(`LISTEN ${CHANNEL}`)
      // Something may have been committed while the connection was down.
      wake()
    } catch {
      again()
    }
  }
  void open(1)
  return {
    async close() {
      if (stop.signal.aborted) return
      stop.abort()
      listeners.set(pool, (listeners.get(pool) ?? 1) - 1)
      release?.()
    },
  }
}

/** The schema version that this release needs. */
const VERSION = 1

/**
 * Creates the tables of the outbox. Several processes may run it at once, and it may run again.
 *
 * @throws Error when the database was migrated by a later release
 * @see docs/protocol.md section 6.2
 * @example
 * ```ts
 * import { migratePostgresOutbox } from 'alipayhk-order-sync/stores/postgres'
 * import { Pool } from 'pg'
 *
 * const pool = new Pool()
 * pool.on('error', (error) => console.error('an idle connection broke; the pool opens a new one', error))
 * await migratePostgresOutbox(pool)
 * ```
 */
export async function migratePostgresOutbox(
  pool: PostgresPool,
  options: { readonly schema?: string | undefined } = {},
): Promise<void> {
  assertPool(pool, 'pool')
  const { schema } = resolveOptions('migratePostgresOutbox', { schema: SCHEMA_RULE }, options)
  listenToPool('migratePostgresOutbox', pool)
  const prefix = prefixOf(schema)
  await inTransaction(pool, {
    begin: BEGIN,
    async work(client) {
      // An arbitrary number. Every release must lock the same one.
      await client.query('SELECT pg_advisory_xact_lock(7046029254386353132)')
      if (schema !== undefined) await createSchema(client, schema)
      const version = await schemaVersion(client, `${prefix}order_sync_outbox_schema`)
      if (version > VERSION) throw new Error('The outbox was migrated by a later release of alipayhk-order-sync')
      if (version === 0) await client.query(tablesOf(prefix))
      return { commit: true, value: undefined }
    },
  })
}

/** Only reads: the role of the application may have no right to create a table, even if the table exists. */
async function schemaVersion(client: PostgresClient, table: string): Promise<number> {
  const { rows: found } = await client.query('SELECT to_regclass($1) IS NOT NULL AS found', [table])
  if ((found[0] as { found?: unknown } | undefined)?.found !== true) return 0
  const { rows } = await client.query(`SELECT version FROM ${table}`)
  return Number((rows[0] as { version?: unknown } | undefined)?.version ?? 0)
}

function tablesOf(prefix: string): string {
  return `
CREATE TABLE ${prefix}order_sync_outbox_schema (version integer NOT NULL);
CREATE TABLE ${prefix}order_sync_outbox (
  id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  -- In the order of the bytes, as the worker sorts keys: locks taken in two orders would be a deadlock.
  order_key   text COLLATE "C" NOT NULL,
  event_time  bigint NOT NULL,
  request_id  text NOT NULL,
  payload     text NOT NULL,
  -- 1 waiting, 2 sent, 3 failed, 4 skipped, 5 stale
  state       smallint NOT NULL,
  attempts    integer NOT NULL,
  -- Times are milliseconds since the epoch.
  due_at      bigint NOT NULL,
  created_at  bigint NOT NULL,
  expires_at  bigint NOT NULL,
  finished_at bigint,
  code        text,
  UNIQUE (request_id, order_key, event_time)
);
CREATE INDEX order_sync_outbox_waiting ON ${prefix}order_sync_outbox (order_key, event_time, id) WHERE state = 1;
CREATE INDEX order_sync_outbox_failed ON ${prefix}order_sync_outbox (id) WHERE state = 3;
CREATE INDEX order_sync_outbox_ended ON ${prefix}order_sync_outbox (finished_at) WHERE state IN (2, 4, 5);
-- Each order: its lease, and what was sent last.
CREATE TABLE ${prefix}order_sync_outbox_orders (
  order_key text COLLATE "C" PRIMARY KEY,
  -- When the order may be claimed: its next event is due, or its lease is over. NULL: nothing waits.
  due_at    bigint,
  leased    smallint NOT NULL,
  token     bigint NOT NULL,
  sent_time bigint
);
CREATE INDEX order_sync_outbox_due ON ${prefix}order_sync_outbox_orders (due_at) WHERE due_at IS NOT NULL;
-- Orders with new events that no worker has seen yet.
CREATE TABLE ${prefix}order_sync_outbox_changes (
  id        bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  order_key text COLLATE "C" NOT NULL
);
INSERT INTO ${prefix}order_sync_outbox_schema (version) VALUES (${VERSION});
`
}

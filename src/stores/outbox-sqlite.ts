import { resolve } from 'node:path'
import { functionWithDefault, hasMethod, type OptionRules, resolveOptions, wholeNumber } from '../option-rules.ts'
import {
  createSqlOutboxStore,
  type SqlRow,
  type SqlValue,
  type Statement,
  type Steps,
  stepsOf,
  WITHOUT_ARRAYS,
} from './outbox-sql.ts'
import type { OutboxStore } from './outbox-store.ts'
import {
  assertDriver,
  assertFile,
  createWriter,
  openSqliteFile,
  type SqliteDatabase,
  type SqliteDriver,
} from './sqlite-database.ts'
import { inTurn } from './sqlite-queue.ts'

/** Options of {@link sqliteOutboxStore}. */
export interface SqliteOutboxStoreOptions {
  /** The database file. To enqueue in your own transactions, the file of your own tables. It is created when it is missing. */
  file: string
  /** The driver that opens the file, as in `sqliteStore`. @defaultValue `node:sqlite` where the runtime has it, otherwise `better-sqlite3` */
  driver?: 'node:sqlite' | 'better-sqlite3' | SqliteDriver | undefined
  /** How long a write waits while another process writes, in milliseconds. @defaultValue 5_000 */
  busyTimeoutMs?: number | undefined
  /** The clock, in milliseconds since the epoch. @defaultValue Date.now */
  now?: (() => number) | undefined
}

/** A {@link sqliteOutboxStore}. */
export interface SqliteOutboxStore extends OutboxStore {
  /** Closes the file. Every call after that rejects. Closing twice is allowed. */
  close(): Promise<void>
}

const OPTIONS = {
  file: { required: true, assert: assertFile },
  driver: { assert: assertDriver },
  busyTimeoutMs: wholeNumber(5_000, { min: 0 }),
  now: functionWithDefault(Date.now),
} satisfies OptionRules<SqliteOutboxStoreOptions>

const VERSION = 1

const SCHEMA = `
  CREATE TABLE IF NOT EXISTS order_sync_outbox_schema (version INTEGER NOT NULL PRIMARY KEY);
  CREATE TABLE IF NOT EXISTS order_sync_outbox (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    order_key TEXT NOT NULL, event_time INTEGER NOT NULL, request_id TEXT NOT NULL, payload TEXT NOT NULL,
    state INTEGER NOT NULL, attempts INTEGER NOT NULL, due_at INTEGER NOT NULL, created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL, finished_at INTEGER, code TEXT,
    UNIQUE (request_id, order_key, event_time)
  );
  -- Not an index of all states: SQLite would prefer it, and read all events of a state.
  CREATE INDEX IF NOT EXISTS order_sync_outbox_waiting ON order_sync_outbox (order_key, event_time, id) WHERE state = 1;
  CREATE INDEX IF NOT EXISTS order_sync_outbox_failed ON order_sync_outbox (id) WHERE state = 3;
  CREATE INDEX IF NOT EXISTS order_sync_outbox_ended ON order_sync_outbox (finished_at) WHERE state IN (2, 4, 5);
  CREATE TABLE IF NOT EXISTS order_sync_outbox_orders (
    order_key TEXT PRIMARY KEY, due_at INTEGER, leased INTEGER NOT NULL, token INTEGER NOT NULL, sent_time INTEGER
  ) WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS order_sync_outbox_changes (id INTEGER PRIMARY KEY AUTOINCREMENT, order_key TEXT NOT NULL);
  CREATE INDEX IF NOT EXISTS order_sync_outbox_due ON order_sync_outbox_orders (due_at) WHERE due_at IS NOT NULL;
  INSERT OR IGNORE INTO order_sync_outbox_schema (version) VALUES (${VERSION});
`

/**
 * The events of an outbox in one SQLite file, for one machine and any number of processes. It creates its tables.
 *
 * @throws TypeError, RangeError when an option is wrong
 * @throws Error when the file cannot be opened, or no driver is installed
 * @see docs/protocol.md section 6.2
 * @example
 * ```ts
 * import { sqliteOutboxStore } from 'alipayhk-order-sync/stores/sqlite'
 *
 * const store = sqliteOutboxStore({ file: './shop.db' })
 * ```
 */
export function sqliteOutboxStore(options: SqliteOutboxStoreOptions): SqliteOutboxStore {
  const { file, driver, busyTimeoutMs, now } = resolveOptions('sqliteOutboxStore', OPTIONS, options)
  const database = openSqliteFile(file, driver, (opened) => {
    // Without a lock: a transaction of the merchant may be open.
    const version = schemaVersion(opened)
    if (version > VERSION) throw new Error('The outbox was written by a later release of alipayhk-order-sync')
    if (version === VERSION) return
    opened.exec('BEGIN IMMEDIATE')
    opened.exec(SCHEMA)
    opened.exec('COMMIT')
  })
  const path = resolve(file)
  let isClosed = false

  const write = createWriter(database, file, busyTimeoutMs)
  const transaction = <Value>(work: () => Steps<Value>): Promise<Value> =>
    write(() => {
      if (isClosed) throw new Error('The outbox store is closed')
      const steps = work()
      let step = steps.next([])
      while (!step.done) step = steps.next(run(database, step.value))
      return step.value
    })

  return {
    ...createSqlOutboxStore({
      ...WITHOUT_ARRAYS,
      prefix: '',
      now: () => String(Math.round(now())),
      forUpdate: '',
      skipLocked: '',
      ignoreDuplicate: (columns) => `ON CONFLICT (${columns}) DO NOTHING`,
      onOrderExists: 'ON CONFLICT (order_key) DO UPDATE SET',
      hasReturning: true,
      deleteOldest(table, columns, limit) {
        const oldest = `SELECT id FROM ${table} ORDER BY id LIMIT ${limit}`
        return { text: `DELETE FROM ${table} WHERE id IN (${oldest}) RETURNING ${columns}`, values: [] }
      },
      useIndex: () => '',
      endedOrder: 'finished_at',
      transaction,
      // All in one turn of the event loop: a transaction of better-sqlite3 cannot wait.
      async write(statements, merchantHandle) {
        if (merchantHandle === undefined) await transaction(() => stepsOf(statements))
        else for (const statement of statements) run(toHandle(merchantHandle), statement)
      },
    }),
    async close() {
      if (isClosed) return
      await inTurn(path, async () => {
        if (isClosed) return
        isClosed = true
        database.close()
      })
    },
  }
}

function schemaVersion(database: SqliteDatabase): number {
  // The newest table: a file of an earlier commit has version 1, too.
  const tables = database.prepare(
    `SELECT count(*) AS found FROM sqlite_master WHERE name = 'order_sync_outbox_changes'`,
  )
  if ((tables.get() as { found: number }).found === 0) return 0
  const versions = database.prepare('SELECT MAX(version) AS version FROM order_sync_outbox_schema')
  return (versions.get() as { version: number | null }).version ?? 0
}

function toHandle(transaction: unknown): SqliteDatabase {
  if (hasMethod(transaction, 'prepare') && hasMethod(transaction, 'exec')) return transaction as SqliteDatabase
  throw new TypeError('"transaction" must be a database of better-sqlite3 or node:sqlite that is in a transaction')
}

interface ReadingStatement {
  all(...values: readonly SqlValue[]): unknown
}

function run(database: SqliteDatabase, { text, values }: Statement): readonly SqlRow[] {
  const statement = database.prepare(text)
  if (/^\s*SELECT|\bRETURNING\b/.test(text))
    return (statement as unknown as ReadingStatement).all(...values) as SqlRow[]
  statement.run(...(values as (string | number | null)[]))
  return []
}

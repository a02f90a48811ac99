import { createRequire } from 'node:module'
import process from 'node:process'
import { setTimeout as sleep } from 'node:timers/promises'
import { decide } from '../policy/idempotency.ts'
import type { HeldClaim, Delivery, OrderSyncStore } from './store.ts'

/** What is used of a database: `DatabaseSync` of `node:sqlite`, and `Database` of `better-sqlite3`, both have it. */
export interface SqliteDatabase {
  exec(sql: string): unknown
  prepare(sql: string): SqliteStatement
  close(): void
}

interface SqliteStatement {
  get(...values: (string | number | null)[]): unknown
  run(...values: (string | number | null)[]): unknown
}

/** Options of {@link sqliteStore}. */
export interface SqliteStoreOptions {
  /** The file, made when it is missing; not `:memory:`. */
  file: string
  /** How it is opened. @defaultValue `node:sqlite` where the runtime has it, else `better-sqlite3` */
  driver?: 'node:sqlite' | 'better-sqlite3' | undefined
  /** How long an answer can be replayed, in milliseconds; orders are never forgotten. @defaultValue 604_800_000 (seven days) */
  responseTtlMs?: number | undefined
  /** How long to wait for another process that is writing, in milliseconds. @defaultValue 5_000 */
  busyTimeoutMs?: number | undefined
  /** The clock, in milliseconds since the epoch. @defaultValue Date.now */
  now?: (() => number) | undefined
}

/** A {@link sqliteStore}. */
export interface SqliteStore extends OrderSyncStore {
  /** Closes the file. What is asked of the store after that is refused. */
  close(): Promise<void>
}

const SCHEMA_VERSION = 1
const SCHEMA = `
  CREATE TABLE IF NOT EXISTS order_sync_schema (version INTEGER NOT NULL);
  CREATE TABLE IF NOT EXISTS order_sync_orders (
    order_key         TEXT PRIMARY KEY,
    token             INTEGER NOT NULL,
    lease_until       INTEGER,
    last_modify_time  INTEGER,
    last_processed_at INTEGER,
    last_answer       TEXT
  ) WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS order_sync_requests (
    request_key TEXT PRIMARY KEY,
    digest      TEXT NOT NULL,
    answer      TEXT,
    expires_at  INTEGER NOT NULL
  ) WITHOUT ROWID;
  CREATE INDEX IF NOT EXISTS order_sync_requests_expiry ON order_sync_requests (expires_at);
  INSERT INTO order_sync_schema (version) SELECT ${SCHEMA_VERSION} WHERE NOT EXISTS (SELECT 1 FROM order_sync_schema);
`

interface OrderRow {
  token: number
  lease_until: number | null
  last_modify_time: number | null
  last_processed_at: number | null
  last_answer: string | null
}

interface RequestRow {
  digest: string
  answer: string | null
}

/**
 * Opens the store. A commit is on the disk before it is reported (WAL, `synchronous = FULL`), so what was answered is still
 * known after a crash of the process or of the machine.
 *
 * @throws RangeError when an option is out of bounds
 * @throws Error when the file cannot be opened, or neither driver is there
 * @see docs/protocol.md section 7.3
 * @example
 * ```ts
 * import { sqliteStore } from 'alipayhk-order-sync/stores/sqlite'
 *
 * const store = sqliteStore({ file: './order-sync.db' })
 * ```
 */
export function sqliteStore(options: SqliteStoreOptions): SqliteStore {
  const { file, driver, responseTtlMs = 604_800_000, busyTimeoutMs = 5_000, now = Date.now } = options
  if (!Number.isSafeInteger(responseTtlMs) || responseTtlMs < 1)
    throw new RangeError('"responseTtlMs" must be a positive integer')
  const database = openDatabase(file, driver)
  database.exec('PRAGMA busy_timeout = 5000')
  switchToWal(database)
  database.exec('PRAGMA synchronous = FULL')
  migrate(database)
  // From here on the long wait is in write(): SQLite's own waiting would stop the event loop.
  database.exec('PRAGMA busy_timeout = 20')

  const findOrder = database.prepare('SELECT * FROM order_sync_orders WHERE order_key = ?')
  const findRequest = database.prepare(
    'SELECT digest, answer FROM order_sync_requests WHERE request_key = ? AND expires_at > ?',
  )
  const putRequest = database.prepare(
    `INSERT INTO order_sync_requests (request_key, digest, expires_at) VALUES (?, ?, ?)
     ON CONFLICT (request_key) DO UPDATE SET digest = excluded.digest, answer = NULL, expires_at = excluded.expires_at`,
  )
  const putLease = database.prepare(
    `INSERT INTO order_sync_orders (order_key, token, lease_until) VALUES (?, ?, ?)
     ON CONFLICT (order_key) DO UPDATE SET token = excluded.token, lease_until = excluded.lease_until`,
  )
  const putLast = database.prepare(
    'UPDATE order_sync_orders SET lease_until = NULL, last_modify_time = ?, last_processed_at = ?, last_answer = ? WHERE order_key = ?',
  )
  const putAnswer = database.prepare('UPDATE order_sync_requests SET answer = ?, expires_at = ? WHERE request_key = ?')
  const dropLease = database.prepare('UPDATE order_sync_orders SET lease_until = NULL WHERE order_key = ?')
  const dropExpired = database.prepare(
    'DELETE FROM order_sync_requests WHERE request_key IN (SELECT request_key FROM order_sync_requests WHERE expires_at <= ? LIMIT 1000)',
  )
  let claims = 0
  let open = true

  const orderOf = (orderKey: string) => findOrder.get(orderKey) as OrderRow | undefined

  function rememberRequest({ requestKey, digest }: Delivery): RequestRow | undefined {
    const request = findRequest.get(requestKey, now()) as RequestRow | undefined
    if (request === undefined) putRequest.run(requestKey, digest, now() + responseTtlMs)
    return request
  }

  /** The order's row when it is held by this claim and no later one. */
  function held({ delivery, token }: HeldClaim): OrderRow | undefined {
    const order = orderOf(delivery.orderKey)
    return order?.token === token && order.lease_until !== null ? order : undefined
  }

  /** Runs the steps in one transaction, which takes the lock for writing before it reads. */
  async function write<Value>(steps: () => Value): Promise<Value> {
    for (let waited = 0, pause = 2; ; pause = Math.min(pause * 2, 100)) {
      try {
        return transact(database, steps)
      } catch (error) {
        if (!isBusy(error) || waited >= busyTimeoutMs) throw error
      }
      await sleep(pause)
      waited += pause + 20
    }
  }

  return {
    claim: (delivery, { leaseMs, compareModifyTimeWith }) =>
      write(() => {
        const { orderKey } = delivery
        if (++claims % 1000 === 0) dropExpired.run(now())
        const request = rememberRequest(delivery)
        const order = orderOf(orderKey)
        const last = order?.last_modify_time == null ? undefined : lastOf(order)
        const decision = decide(
          {
            leased: (order?.lease_until ?? 0) > now(),
            ...(last && { last }),
            ...(request && { request: { digest: request.digest, answered: request.answer !== null } }),
          },
          delivery,
          compareModifyTimeWith,
        )
        if (decision === 'conflict' || decision === 'busy') return { decision }
        if (decision === 'replay') return { decision, storedResponse: request?.answer ?? '' }
        if (decision !== 'process') return { decision, storedResponse: last?.storedResponse ?? '' }
        const token = (order?.token ?? 0) + 1
        putLease.run(orderKey, token, now() + leaseMs)
        return { decision, token }
      }),

    finish: (claimed, { storedResponse, processed }) =>
      write(() => {
        if (held(claimed) === undefined) return false
        const { orderKey, requestKey, orderModifyTime } = claimed.delivery
        if (processed) putLast.run(orderModifyTime, now(), storedResponse, orderKey)
        else dropLease.run(orderKey)
        rememberRequest(claimed.delivery)
        putAnswer.run(storedResponse, now() + responseTtlMs, requestKey)
        return true
      }),

    release: (claimed) =>
      write(() => {
        if (held(claimed) === undefined) return false
        dropLease.run(claimed.delivery.orderKey)
        return true
      }),

    async read(orderKey) {
      const order = orderOf(orderKey)
      if (order === undefined) return undefined
      return {
        ...(order.last_modify_time !== null && { last: lastOf(order) }),
        ...((order.lease_until ?? 0) > now() && { lease: { token: order.token } }),
      }
    },

    async close() {
      if (open) database.close()
      open = false
    },
  }
}

function lastOf({ last_modify_time, last_processed_at, last_answer }: OrderRow) {
  return { orderModifyTime: last_modify_time ?? 0, processedAt: last_processed_at ?? 0, storedResponse: last_answer ?? '' }
}

function transact<Value>(database: SqliteDatabase, steps: () => Value): Value {
  database.exec('BEGIN IMMEDIATE')
  try {
    const value = steps()
    database.exec('COMMIT')
    return value
  } catch (error) {
    rollBack(database)
    throw error
  }
}

/** A disk that is full has rolled back already, and would be hidden behind the complaint that there is nothing to roll back. */
function rollBack(database: SqliteDatabase): void {
  try {
    database.exec('ROLLBACK')
  } catch {}
}

/** Of the processes that open a new file at once, one switches; the others are told "locked" without the usual wait. */
function switchToWal(database: SqliteDatabase): void {
  const until = performance.now() + 5_000
  for (;;) {
    try {
      return void database.exec('PRAGMA journal_mode = WAL')
    } catch (error) {
      if (!isBusy(error) || performance.now() >= until) throw error
    }
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 10)
  }
}

function migrate(database: SqliteDatabase): void {
  transact(database, () => {
    database.exec(SCHEMA)
    const { version } = database.prepare('SELECT version FROM order_sync_schema').get() as { version: number }
    if (version > SCHEMA_VERSION)
      throw new Error('The SQLite file was written by a later release of alipayhk-order-sync')
  })
}

function isBusy(error: unknown): boolean {
  // better-sqlite3 has the name in "code", node:sqlite the number in "errcode"; its extended codes keep it in the last byte.
  const { code, errcode } = error as { code?: unknown; errcode?: unknown }
  return String(code).startsWith('SQLITE_BUSY') || (typeof errcode === 'number' && (errcode & 0xff) === 5)
}

function openDatabase(file: string, driver: SqliteStoreOptions['driver']): SqliteDatabase {
  if (driver !== 'better-sqlite3') {
    const builtin = process.getBuiltinModule?.('node:sqlite' as never) as
      | { DatabaseSync: new (file: string) => SqliteDatabase }
      | undefined
    if (builtin !== undefined) return new builtin.DatabaseSync(file)
    if (driver === 'node:sqlite')
      throw new Error('This runtime has no node:sqlite; use Node 22.13 or later, or better-sqlite3')
  }
  const Database = requireBetterSqlite()
  return new Database(file)
}

function requireBetterSqlite(): new (file: string) => SqliteDatabase {
  try {
    return createRequire(import.meta.url)('better-sqlite3')
  } catch (cause) {
    throw new Error('SQLite needs Node 22.13 or later, or the package better-sqlite3: npm install better-sqlite3', {
      cause,
    })
  }
}

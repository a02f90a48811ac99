import { createRequire } from 'node:module'
import process from 'node:process'
import { setTimeout as sleep } from 'node:timers/promises'
import {
  assertText,
  functionWithDefault,
  type OptionRules,
  optionalOneOf,
  resolveOptions,
  wholeNumber,
} from '../options.ts'
import { decide, toClaimResult } from '../policy/idempotency.ts'
import { backOff } from '../timeout.ts'
import type { Delivery, HeldClaim, OrderSyncStore } from './store.ts'

/** The part of a database that the store uses. `DatabaseSync` of `node:sqlite` and `Database` of `better-sqlite3` both have it. */
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
  /** The database file. It is created when it is missing. Not `:memory:`. */
  file: string
  /** The driver that opens the file. @defaultValue `node:sqlite` where the runtime has it, otherwise `better-sqlite3` */
  driver?: 'node:sqlite' | 'better-sqlite3' | undefined
  /** How long a stored response can be replayed, in milliseconds. Orders are never removed. @defaultValue 604_800_000 (seven days) */
  responseTtlMs?: number | undefined
  /** How long to wait while another process writes, in milliseconds. @defaultValue 5_000 */
  busyTimeoutMs?: number | undefined
  /** The clock, in milliseconds since the epoch. @defaultValue Date.now */
  now?: (() => number) | undefined
}

const OPTIONS = {
  file: { required: true, assert: assertText },
  driver: optionalOneOf(['node:sqlite', 'better-sqlite3']),
  responseTtlMs: wholeNumber(604_800_000, { min: 1 }),
  busyTimeoutMs: wholeNumber(5_000, { min: 0 }),
  now: functionWithDefault(Date.now),
} satisfies OptionRules<SqliteStoreOptions>

/** A {@link sqliteStore}. */
export interface SqliteStore extends OrderSyncStore {
  /** Closes the file. Every call after that rejects. Closing twice is allowed. */
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
    last_response     TEXT,
    -- All three are set, or none.
    CHECK ((last_modify_time IS NULL) = (last_processed_at IS NULL) AND (last_modify_time IS NULL) = (last_response IS NULL))
  ) WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS order_sync_requests (
    request_key TEXT PRIMARY KEY,
    digest      TEXT NOT NULL,
    response    TEXT,
    expires_at  INTEGER NOT NULL
  ) WITHOUT ROWID;
  CREATE INDEX IF NOT EXISTS order_sync_requests_expiry ON order_sync_requests (expires_at);
  INSERT INTO order_sync_schema (version) SELECT ${SCHEMA_VERSION} WHERE NOT EXISTS (SELECT 1 FROM order_sync_schema);
`

type OrderRow = { token: number; lease_until: number | null } & (
  | { last_modify_time: number; last_processed_at: number; last_response: string }
  | { last_modify_time: null; last_processed_at: null; last_response: null }
)

interface RequestRow {
  digest: string
  response: string | null
}

/** Pauses while another process writes. */
const BUSY_PAUSES = { firstMs: 2, maxMs: 100 }

/**
 * A durable store in one SQLite file, for one machine and any number of processes. A commit is on the disk before the store
 * reports it (WAL, `synchronous = FULL`), so it survives a crash of the process or of the machine.
 *
 * @throws TypeError when an option is unknown, missing or of the wrong type
 * @throws RangeError when an option is out of range
 * @throws Error when the file cannot be opened, or no driver is installed
 * @see docs/protocol.md section 7.3
 * @example
 * ```ts
 * import { sqliteStore } from 'alipayhk-order-sync/stores/sqlite'
 *
 * const store = sqliteStore({ file: './order-sync.db' })
 * ```
 */
export function sqliteStore(options: SqliteStoreOptions): SqliteStore {
  const { file, driver, responseTtlMs, busyTimeoutMs, now } = resolveOptions('sqliteStore', OPTIONS, options)
  const database = openDatabase(file, driver)
  database.exec('PRAGMA busy_timeout = 5000')
  switchToWal(database)
  database.exec('PRAGMA synchronous = FULL')
  migrate(database)
  // From here on, write() waits: SQLite's own wait would block the event loop.
  database.exec('PRAGMA busy_timeout = 20')

  const findOrder = database.prepare('SELECT * FROM order_sync_orders WHERE order_key = ?')
  const findRequest = database.prepare(
    'SELECT digest, response FROM order_sync_requests WHERE request_key = ? AND expires_at > ?',
  )
  const putRequest = database.prepare(
    `INSERT INTO order_sync_requests (request_key, digest, expires_at) VALUES (?, ?, ?)
     ON CONFLICT (request_key) DO UPDATE SET digest = excluded.digest, response = NULL, expires_at = excluded.expires_at`,
  )
  const putLease = database.prepare(
    `INSERT INTO order_sync_orders (order_key, token, lease_until) VALUES (?, ?, ?)
     ON CONFLICT (order_key) DO UPDATE SET token = excluded.token, lease_until = excluded.lease_until`,
  )
  const putLast = database.prepare(
    'UPDATE order_sync_orders SET lease_until = NULL, last_modify_time = ?, last_processed_at = ?, last_response = ? WHERE order_key = ?',
  )
  const putResponse = database.prepare(
    'UPDATE order_sync_requests SET response = ?, expires_at = ? WHERE request_key = ?',
  )
  const dropLease = database.prepare('UPDATE order_sync_orders SET lease_until = NULL WHERE order_key = ?')
  const dropExpired = database.prepare(
    'DELETE FROM order_sync_requests WHERE request_key IN (SELECT request_key FROM order_sync_requests WHERE expires_at <= ? LIMIT 1000)',
  )
  let claims = 0
  let open = true

  const readOrder = (orderKey: string) => findOrder.get(orderKey) as OrderRow | undefined

  /** Returns what was known of the request before, and remembers its digest. */
  function rememberRequest({ requestKey, digest }: Delivery): RequestRow | undefined {
    const request = findRequest.get(requestKey, now()) as RequestRow | undefined
    if (request === undefined) putRequest.run(requestKey, digest, now() + responseTtlMs)
    return request
  }

  function lease(orderKey: string, order: OrderRow | undefined, leaseMs: number): number {
    const token = (order?.token ?? 0) + 1
    putLease.run(orderKey, token, now() + leaseMs)
    return token
  }

  /** False when a later claim has the order, or the claim has ended. */
  function isHeld({ delivery, token }: HeldClaim): boolean {
    const order = readOrder(delivery.orderKey)
    return order?.token === token && order.lease_until !== null
  }

  /** Runs the steps in one transaction, which takes the write lock before it reads. */
  async function write<Value>(steps: () => Value): Promise<Value> {
    const giveUpAt = performance.now() + busyTimeoutMs
    for (let attempt = 1; ; attempt++) {
      try {
        return transact(database, steps)
      } catch (error) {
        if (!isBusy(error) || performance.now() >= giveUpAt) throw error
      }
      await sleep(backOff(attempt, BUSY_PAUSES))
    }
  }

  return {
    claim: (delivery, { leaseMs, compareModifyTimeWith }) =>
      write(() => {
        const { orderKey } = delivery
        if (++claims % 1000 === 0) dropExpired.run(now())
        const request = rememberRequest(delivery)
        const order = readOrder(orderKey)
        const last = order && lastProcessed(order)
        const decision = decide(
          {
            leased: isLeased(order, now()),
            ...(last && { last }),
            ...(request && { request: { digest: request.digest, hasResponse: request.response !== null } }),
          },
          delivery,
          compareModifyTimeWith,
        )
        return toClaimResult({
          decision,
          storedResponse: decision === 'replay' ? request?.response : last?.storedResponse,
          token: decision === 'process' ? lease(orderKey, order, leaseMs) : undefined,
        })
      }),

    finish: (held, { storedResponse, processed }) =>
      write(() => {
        if (!isHeld(held)) return false
        const { orderKey, requestKey, orderModifyTime } = held.delivery
        if (processed) putLast.run(orderModifyTime, now(), storedResponse, orderKey)
        else dropLease.run(orderKey)
        rememberRequest(held.delivery)
        putResponse.run(storedResponse, now() + responseTtlMs, requestKey)
        return true
      }),

    release: (held) =>
      write(() => {
        if (!isHeld(held)) return false
        dropLease.run(held.delivery.orderKey)
        return true
      }),

    async read(orderKey) {
      const order = readOrder(orderKey)
      if (order === undefined) return undefined
      const last = lastProcessed(order)
      return { ...(last && { last }), ...(isLeased(order, now()) && { lease: { token: order.token } }) }
    },

    async close() {
      if (open) database.close()
      open = false
    },
  }
}

function isLeased(order: OrderRow | undefined, at: number): boolean {
  return order !== undefined && order.lease_until !== null && order.lease_until > at
}

function lastProcessed({ last_modify_time, last_processed_at, last_response }: OrderRow) {
  if (last_modify_time === null) return undefined
  return { orderModifyTime: last_modify_time, processedAt: last_processed_at, storedResponse: last_response }
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

/** Never throws: on a full disk SQLite has rolled back already, and "no transaction is active" would hide the real error. */
function rollBack(database: SqliteDatabase): void {
  try {
    database.exec('ROLLBACK')
  } catch {}
}

/** When several processes open a new file at once, one switches. For the others SQLite reports "locked" without waiting. */
function switchToWal(database: SqliteDatabase): void {
  const giveUpAt = performance.now() + 5_000
  for (let attempt = 1; ; attempt++) {
    try {
      return void database.exec('PRAGMA journal_mode = WAL')
    } catch (error) {
      if (!isBusy(error) || performance.now() >= giveUpAt) throw error
    }
    sleepSync(backOff(attempt, BUSY_PAUSES))
  }
}

function sleepSync(milliseconds: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, milliseconds)
}

function migrate(database: SqliteDatabase): void {
  transact(database, () => {
    database.exec(SCHEMA)
    const { version } = database.prepare('SELECT version FROM order_sync_schema').get() as { version: number }
    if (version > SCHEMA_VERSION) {
      throw new Error('The SQLite file was written by a later release of alipayhk-order-sync')
    }
  })
}

function isBusy(error: unknown): boolean {
  // better-sqlite3 sets "code" to a name. node:sqlite sets "errcode" to a number, whose last byte is the primary code.
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

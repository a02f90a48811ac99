import { createRequire } from 'node:module'
import { resolve } from 'node:path'
import process from 'node:process'
import { setTimeout as sleep } from 'node:timers/promises'
import { assertText, optionalOneOf } from '../option-rules.ts'
import { backOff } from '../timeout.ts'
import { inTurn } from './sqlite-queue.ts'

/** The part of a database that the store uses. `DatabaseSync` of `node:sqlite` and `Database` of `better-sqlite3` both have it. */
export interface SqliteDatabase {
  exec(sql: string): unknown
  prepare(sql: string): SqliteStatement
  close(): unknown
}

/** A prepared statement of a {@link SqliteDatabase}. */
export interface SqliteStatement {
  get(...values: (string | number | null)[]): unknown
  run(...values: (string | number | null)[]): unknown
}

/** The class of a driver: `DatabaseSync` of `node:sqlite`, or the default export of `better-sqlite3`. */
export type SqliteDriver = new (file: string) => SqliteDatabase

const SCHEMA_VERSION = 4
const SCHEMA = `
  CREATE TABLE order_sync_schema (version INTEGER NOT NULL);
  CREATE TABLE order_sync_orders (
    order_key         TEXT PRIMARY KEY,
    token             INTEGER NOT NULL,
    leased_at         INTEGER,
    lease_until       INTEGER,
    last_modify_time  INTEGER,
    last_processed_at INTEGER,
    last_response     TEXT,
    last_content      TEXT,
    -- All three are set, or none.
    CHECK ((last_modify_time IS NULL) = (last_processed_at IS NULL) AND (last_modify_time IS NULL) = (last_response IS NULL))
  ) WITHOUT ROWID;
  CREATE TABLE order_sync_requests (
    request_key TEXT PRIMARY KEY,
    digest      TEXT NOT NULL,
    response    TEXT,
    expires_at  INTEGER NOT NULL,
    order_key   TEXT
  ) WITHOUT ROWID;
  CREATE INDEX order_sync_requests_order ON order_sync_requests (order_key) WHERE order_key IS NOT NULL;
  CREATE INDEX order_sync_requests_expiry ON order_sync_requests (expires_at);
  INSERT INTO order_sync_schema (version) VALUES (${SCHEMA_VERSION});
`
const UPGRADE_FROM_1 = `
  ALTER TABLE order_sync_orders ADD COLUMN leased_at INTEGER;
  UPDATE order_sync_schema SET version = 2;
`
/** The digest of the content that was processed last. */
const UPGRADE_FROM_2 = `
  ALTER TABLE order_sync_orders ADD COLUMN last_content TEXT;
  UPDATE order_sync_schema SET version = 3;
`
/** The order of a request that has a response. Null when it was stored before. */
const UPGRADE_FROM_3 = `
  ALTER TABLE order_sync_requests ADD COLUMN order_key TEXT;
  CREATE INDEX order_sync_requests_order ON order_sync_requests (order_key) WHERE order_key IS NOT NULL;
  UPDATE order_sync_schema SET version = 4;
`

/** Pauses while another process writes. */
const BUSY_PAUSES = { firstMs: 2, maxMs: 40 }

/** Throws unless the value is the path of a file. */
export function assertFile(value: unknown, name: string): void {
  assertText(value, name)
  const file = String(value)
  if (file === '' || /:memory:|[?&]mode=memory\b/.test(file)) {
    throw new RangeError(
      `"${name}" must be the path of a file: this database is lost on restart. For tests, use memoryStore()`,
    )
  }
}

const driverName = optionalOneOf(['node:sqlite', 'better-sqlite3'])

/** Throws unless the value is the name or the class of a driver. */
export function assertDriver(value: unknown, name: string): void {
  if (typeof value === 'object' && value !== null) {
    throw new TypeError(
      `"${name}" must be the class of a driver, not a database: sqliteStore({ file, driver: Database })`,
    )
  }
  if (typeof value !== 'function') driverName.assert(value, name)
}

/** Opens the file of a store in WAL mode, and creates or upgrades the tables. It blocks while another process creates them. */
export function openDatabase(file: string, driver: 'node:sqlite' | 'better-sqlite3' | SqliteDriver | undefined) {
  return openSqliteFile(file, driver, (database) => {
    // Without a lock: another process may be writing for long.
    if (schemaVersion(database) !== SCHEMA_VERSION) transact(database, () => migrate(database))
  })
}

/** Opens a file in WAL mode. `prepare` creates the tables. */
export function openSqliteFile(
  file: string,
  driver: 'node:sqlite' | 'better-sqlite3' | SqliteDriver | undefined,
  prepare: (database: SqliteDatabase) => void,
): SqliteDatabase {
  const database = construct(file, driver)
  try {
    database.exec('PRAGMA busy_timeout = 5000')
    switchToWal(database)
    database.exec('PRAGMA synchronous = FULL')
    prepare(database)
    // From here on, the writer waits: SQLite's own wait would block the event loop.
    database.exec('PRAGMA busy_timeout = 0')
  } catch (error) {
    database.close()
    throw error
  }
  return database
}

/** Returns a function that runs steps in one transaction, which takes the write lock before it reads. */
export function createWriter(database: SqliteDatabase, file: string, busyTimeoutMs: number) {
  const path = resolve(file)
  return <Value>(steps: () => Value): Promise<Value> => {
    const giveUpAt = performance.now() + busyTimeoutMs
    return inTurn(path, () => retryWhileBusy(() => transact(database, steps), giveUpAt))
  }
}

/** @param giveUpAt By `performance.now()`. */
export async function retryWhileBusy<Value>(step: () => Value, giveUpAt: number): Promise<Value> {
  for (let attempt = 1; ; attempt++) {
    try {
      return step()
    } catch (error) {
      if (!isBusy(error) || performance.now() >= giveUpAt) throw error
    }
    // Random: processes that wait for the same lock must not always meet.
    await sleep(1 + Math.random() * backOff(attempt, BUSY_PAUSES))
  }
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
  const version = schemaVersion(database)
  if (version === 0) database.exec(SCHEMA)
  if (version === 1) database.exec(UPGRADE_FROM_1)
  if (version === 1 || version === 2) database.exec(UPGRADE_FROM_2)
  if (version >= 1 && version <= 3) database.exec(UPGRADE_FROM_3)
}

function schemaVersion(database: SqliteDatabase): number {
  const { found } = database
    .prepare(`SELECT count(*) AS found FROM sqlite_master WHERE name = 'order_sync_schema'`)
    .get() as { found: number }
  if (found === 0) return 0
  const { version } = database.prepare('SELECT version FROM order_sync_schema').get() as { version: number }
  if (version > SCHEMA_VERSION) {
    throw new Error('The SQLite file was written by a later release of alipayhk-order-sync')
  }
  return version
}

function isBusy(error: unknown): boolean {
  // better-sqlite3 sets "code" to a name. node:sqlite sets "errcode" to a number, whose last byte is the primary code.
  const { code, errcode } = error as { code?: unknown; errcode?: unknown }
  return String(code).startsWith('SQLITE_BUSY') || (typeof errcode === 'number' && (errcode & 0xff) === 5)
}

function construct(file: string, driver: 'node:sqlite' | 'better-sqlite3' | SqliteDriver | undefined): SqliteDatabase {
  const Database = typeof driver === 'function' ? driver : loadDriver(driver)
  try {
    return new Database(file)
  } catch (cause) {
    if (!lacksNativeBinary(cause)) throw cause
    throw new Error(
      'The native binary of better-sqlite3 is missing, or was built for another Node version. Run: npm rebuild better-sqlite3',
      { cause },
    )
  }
}

/** better-sqlite3 loads its binary when the first database is opened. */
function lacksNativeBinary(error: unknown): boolean {
  const { code, message } = error as { code?: unknown; message?: unknown }
  return (
    code === 'ERR_DLOPEN_FAILED' || /could not locate the bindings file|better_sqlite3\.node/i.test(String(message))
  )
}

function loadDriver(driver: 'node:sqlite' | 'better-sqlite3' | undefined): SqliteDriver {
  if (driver !== 'better-sqlite3') {
    const builtin = process.getBuiltinModule?.('node:sqlite' as never) as { DatabaseSync: SqliteDriver } | undefined
    if (builtin !== undefined) return builtin.DatabaseSync
    if (driver === 'node:sqlite')
      throw new Error('This runtime has no node:sqlite; use Node 22.13 or later, or better-sqlite3')
  }
  try {
    return createRequire(import.meta.url)('better-sqlite3')
  } catch (cause) {
    throw new Error(explainMissing(cause), { cause })
  }
}

function explainMissing(cause: unknown): string {
  const { code, message } = cause as { code?: unknown; message?: unknown }
  if (code === 'MODULE_NOT_FOUND' && String(message).includes(`'better-sqlite3'`)) {
    return (
      'SQLite needs Node 22.13 or later, or the package better-sqlite3: npm install better-sqlite3. ' +
      'In a bundle, import it and pass the class: sqliteStore({ file, driver: Database })'
    )
  }
  return `better-sqlite3 is installed, but it cannot be loaded: ${message}`
}

import { memoryStore } from 'alipayhk-order-sync'
import type { OrderSyncStore } from 'alipayhk-order-sync/store'
import { forgetExpired as forgetMysql, migrateMysql, mysqlStore } from 'alipayhk-order-sync/stores/mysql'
import { forgetExpired as forgetPostgres, migratePostgres, postgresStore } from 'alipayhk-order-sync/stores/postgres'
import { redisStore } from 'alipayhk-order-sync/stores/redis'
import { forgetExpired as forgetSqlite, sqliteStore } from 'alipayhk-order-sync/stores/sqlite'
import type { Named } from './option.ts'
import { printToStderr } from './output.ts'
import { UsageError } from './usage-error.ts'

/** The values of `--store` that outlive the process, for help and errors. */
export const DATABASES = 'sqlite:FILE, postgres://…, mysql://… or redis://…'

export const STORES = `memory, ${DATABASES}`

/** An open store, and the maintenance functions of its database. */
export interface OpenStore {
  readonly store: OrderSyncStore
  /** Creates or upgrades the tables. */
  readonly migrate: () => Promise<void>
  /** Deletes expired requests, and resolves to their number. Undefined if the database does this itself. */
  readonly prune: () => Promise<number | undefined>
  readonly close: () => Promise<unknown>
}

const nothing = async () => undefined

const openMemory = (): OpenStore => ({ store: memoryStore(), migrate: nothing, prune: nothing, close: nothing })

const DEFAULT_FILE = './order-sync.db'

/** Opens a store. Without a name: an SQLite file, or memory on a machine without SQLite, with a warning. */
export async function openStoreOrMemory(name: Named<string> | undefined): Promise<OpenStore> {
  if (name !== undefined) return await openStore(name)
  try {
    return openSqlite(DEFAULT_FILE)
  } catch (error) {
    // Only the driver may be missing. A file that cannot be opened is an error: its orders would be processed again.
    if (!isDriverMissing(error)) throw toUsageError('--store', error)
    const reason = toUsageError('--store', error).message
    printToStderr(`Warning: orders are kept in memory only, and are lost at a restart. ${reason}`)
    return openMemory()
  }
}

/** Opens the store that an option names. */
export async function openStore({ label, value: name }: Named<string>): Promise<OpenStore> {
  try {
    if (name === 'memory') return openMemory()
    if (name.startsWith('sqlite:')) return openSqlite(name.slice('sqlite:'.length))
    if (/^postgres(ql)?:\/\//.test(name)) return await openPostgres(name)
    if (/^(mysql|mariadb):\/\//.test(name)) return await openMysql(name)
    if (/^rediss?:\/\//.test(name)) return await openRedis(name)
  } catch (error) {
    throw toUsageError(label, error)
  }
  // Do not quote the option: a URL may contain a password.
  throw new UsageError(`${label} must be ${STORES}.`)
}

/** Shows only messages of this package: a message of a driver may quote the URL with its password. */
function toUsageError(label: string, error: unknown): UsageError {
  return new UsageError(`${label}: ${error instanceof StoreError ? error.message : errorCodeOf(error)}.`)
}

/** The store cannot be opened. The message may be printed. */
class StoreError extends Error {
  override readonly name = 'StoreError'
}

function openSqlite(file: string): OpenStore {
  if (file === '') throw new StoreError('SQLite needs a file, such as sqlite:./order-sync.db')
  try {
    const store = sqliteStore({ file })
    // Opening the file creates and upgrades the tables.
    return { store, migrate: nothing, prune: () => forgetSqlite({ file }), close: () => store.close() }
  } catch (error) {
    const { message, cause } = error as Error
    throw new StoreError(message, { cause })
  }
}

/** Whether the SQLite store found no driver: the cause is then the error of require(). */
function isDriverMissing(error: unknown): boolean {
  const { cause } = error as { cause?: { code?: unknown } }
  return cause?.code === 'MODULE_NOT_FOUND'
}

async function openPostgres(connectionString: string): Promise<OpenStore> {
  const { default: pg } = await importDriver('pg', () => import('pg'))
  const pool = new pg.Pool({
    connectionString,
    connectionTimeoutMillis: 5_000,
    query_timeout: 10_000,
    keepAlive: true,
  })
  // An idle connection may break; the pool opens a new one. Without a listener the error would end the process.
  pool.on('error', () => {})
  try {
    await pool.query('SELECT 1')
  } catch (error) {
    await pool.end()
    throw new StoreError(`PostgreSQL cannot be used (${errorCodeOf(error)})`)
  }
  return {
    store: postgresStore({ pool }),
    migrate: () => migratePostgres(pool),
    prune: () => forgetPostgres({ pool }),
    close: () => pool.end(),
  }
}

async function openMysql(url: string): Promise<OpenStore> {
  const { createPool } = await importDriver('mysql2', () => import('mysql2/promise'))
  const pool = createPool({
    uri: url.replace(/^mariadb:/, 'mysql:'),
    connectTimeout: 5_000,
    maxIdle: 5,
    idleTimeout: 10_000,
    queueLimit: 1_000,
  })
  try {
    await pool.query('SELECT 1')
  } catch (error) {
    await pool.end()
    throw new StoreError(`MySQL cannot be used (${errorCodeOf(error)})`)
  }
  return {
    store: mysqlStore({ pool }),
    migrate: () => migrateMysql(pool),
    prune: () => forgetMysql({ pool }),
    close: () => pool.end(),
  }
}

async function openRedis(url: string): Promise<OpenStore> {
  const { createClient } = await importDriver('redis', () => import('redis'))
  const client = createClient({
    url,
    socket: {
      connectTimeout: 5_000,
      socketTimeout: 8_000,
      reconnectStrategy: (retries) => Math.min(50 * 2 ** Math.min(retries, 6), 3_000),
    },
    // Without pings, a connection without orders would count as dead after socketTimeout.
    pingInterval: 4_000,
    disableOfflineQueue: true,
  })
  // The client reconnects, and orders fail meanwhile. Without a listener the error would end the process.
  client.on('error', () => {})
  const connected = client.connect()
  try {
    await Promise.race([connected, rejectOnError(client)])
  } catch (error) {
    client.destroy()
    await connected.catch(() => {})
    throw new StoreError(`Redis cannot be used (${errorCodeOf(error)})`)
  }
  return {
    store: redisStore({ client }),
    migrate: nothing,
    prune: nothing,
    close: () => client.close(),
  }
}

/** Rejects with the first error of the client, which would retry the first connection forever. */
function rejectOnError(client: { once(event: 'error', listener: (error: Error) => void): unknown }): Promise<never> {
  return new Promise((_, reject) => client.once('error', reject))
}

async function importDriver<Module>(name: string, load: () => Promise<Module>): Promise<Module> {
  try {
    return await load()
  } catch {
    throw new StoreError(`the package ${name} is missing; install it: npm install ${name}`)
  }
}

/** Returns the code only: the message of a driver may quote the URL with its password. */
export function errorCodeOf(error: unknown): string {
  const { code, name } = error as NodeJS.ErrnoException
  return code ?? name
}

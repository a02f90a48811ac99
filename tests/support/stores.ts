import { spawnSync } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import process from 'node:process'
import { Redis } from 'ioredis'
import { createPool, type Pool as MysqlPool, type PoolConnection, type PoolOptions } from 'mysql2/promise'
import { Pool, type PoolClient } from 'pg'
import { createClient } from 'redis'
import { mysqlStore, transactionalMysqlStore } from '../../src/stores/mysql.ts'
import { migrateMysql } from '../../src/stores/mysql-migration.ts'
import { migratePostgres, postgresStore, transactionalPostgresStore } from '../../src/stores/postgres.ts'
import { redisStore } from '../../src/stores/redis.ts'
import { sqliteStore } from '../../src/stores/sqlite.ts'
import type { OrderSyncStore } from '../../src/stores/store.ts'
import { root } from './project.ts'

/** What the transactions of all databases have. */
export interface SqlTransaction {
  query(statement: string): Promise<unknown>
}

/** An open store. */
export interface Opened {
  readonly store: OrderSyncStore<unknown>
  /** The same store, when it is in transactional mode in PostgreSQL. */
  readonly transactional?: OrderSyncStore<PoolClient>
  /** The pool of a store in PostgreSQL. */
  readonly pool?: Pool
  /** The same store, when it is in transactional mode in MySQL. */
  readonly transactionalMysql?: OrderSyncStore<PoolConnection>
  /** The same store, when it is in transactional mode in any database. */
  readonly inTransaction?: OrderSyncStore<SqlTransaction>
  /** Runs a statement in the database of a store in PostgreSQL or MySQL, and resolves to its rows. */
  readonly rows?: (statement: string) => Promise<unknown>
  /** The pool of a store in MySQL. */
  readonly mysqlPool?: MysqlPool
  readonly close: () => Promise<unknown>
}

/** Where a durable store keeps its data, as a text that can be passed to another process. */
export type Place = `${Kind} ${string}`

export type Kind =
  | 'node:sqlite'
  | 'better-sqlite3'
  | 'postgres'
  | 'transactional'
  | 'mysql'
  | 'transactional-mysql'
  | 'redis'
  | 'ioredis'

/** The kinds in transactional mode. */
export const isTransactional = (kind: Kind): boolean => kind.startsWith('transactional')

/** Whether this runtime has `node:sqlite`. */
export const hasNodeSqlite = process.getBuiltinModule?.('node:sqlite' as never) !== undefined

/** Whether better-sqlite3 is installed, with a binary for this runtime. In a process of its own: a wrong binary may crash it. */
export const betterSqliteWorks = (): boolean =>
  spawnSync(process.execPath, ['-e', `new (require('better-sqlite3'))(':memory:')`], { cwd: root }).status === 0

/** Creates a place for one test. */
export async function makePlace(kind: Kind, url: string): Promise<{ place: Place; remove: () => Promise<void> }> {
  const name = `order_sync_${randomUUID().replaceAll('-', '')}`
  if (kind === 'node:sqlite' || kind === 'better-sqlite3') {
    const folder = mkdtempSync(join(tmpdir(), 'order-sync-'))
    return {
      place: `${kind} ${join(folder, 'store.db')}`,
      remove: async () => rmSync(folder, { recursive: true, force: true }),
    }
  }
  if (kind === 'redis' || kind === 'ioredis')
    return { place: `${kind} ${url} ${name}:`, remove: () => removeKeys(url, name) }
  if (kind === 'mysql' || kind === 'transactional-mysql') {
    await runInMysql(url, `CREATE DATABASE ${name}`)
    return { place: `${kind} ${url} ${name}`, remove: () => runInMysql(url, `DROP DATABASE ${name}`) }
  }
  const pool = new Pool({ connectionString: url })
  await pool.query(`CREATE SCHEMA ${name}`)
  return {
    place: `${kind} ${url} ${name}`,
    async remove() {
      await pool.query(`DROP SCHEMA ${name} CASCADE`)
      await pool.end()
    },
  }
}

/** Opens the store at a place. */
export async function openPlace(place: Place): Promise<Opened> {
  const [kind, where = '', name = ''] = place.split(' ') as [Kind, string?, string?]
  switch (kind) {
    case 'node:sqlite':
    case 'better-sqlite3': {
      const store = sqliteStore({ file: where, driver: kind })
      return { store, close: () => store.close() }
    }
    case 'redis': {
      const client = await createClient({ url: where }).connect()
      return { store: redisStore({ client, prefix: name }), close: () => client.close() }
    }
    case 'ioredis': {
      const client = new Redis(where)
      return { store: redisStore({ client, prefix: name }), close: () => client.quit() }
    }
    case 'mysql':
    case 'transactional-mysql': {
      const mysqlPool = mysqlPoolAt(where, name)
      await migrateMysql(mysqlPool)
      const rows = async (statement: string) => (await mysqlPool.query(statement))[0]
      const opened = { mysqlPool, rows, close: () => mysqlPool.end() }
      if (kind === 'mysql') return { ...opened, store: mysqlStore({ pool: mysqlPool }) }
      const store = transactionalMysqlStore({ pool: mysqlPool })
      return { ...opened, store, transactionalMysql: store, inTransaction: store }
    }
    default: {
      const pool = new Pool({
        connectionString: where,
        options: `-c search_path=${name}`,
        connectionTimeoutMillis: 5_000,
      })
      await migratePostgres(pool)
      const rows = async (statement: string) => (await pool.query(statement)).rows
      const opened = { pool, rows, close: () => pool.end() }
      if (kind === 'postgres') return { ...opened, store: postgresStore({ pool }) }
      const store = transactionalPostgresStore({ pool })
      return { ...opened, store, transactional: store, inTransaction: store }
    }
  }
}

/** A pool whose connections use the database of a place. */
export function mysqlPoolAt(url: string, database: string, options: PoolOptions = {}): MysqlPool {
  return createPool({ uri: url, database, connectTimeout: 5_000, ...options })
}

async function runInMysql(url: string, statement: string): Promise<void> {
  const pool = createPool({ uri: url, connectionLimit: 1 })
  await pool.query(statement)
  await pool.end()
}

async function removeKeys(url: string, prefix: string): Promise<void> {
  const client = new Redis(url)
  for await (const keys of client.scanStream({ match: `${prefix}*`, count: 1_000 })) {
    if (keys.length > 0) await client.unlink(keys)
  }
  await client.quit()
}

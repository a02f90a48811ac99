import { appendFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { Pool } from 'pg'
import type { OrderInput, SyncResult } from '../../src/public/index.ts'
import { mysqlOutboxStore } from '../../src/stores/outbox-mysql.ts'
import { migrateMysqlOutbox } from '../../src/stores/outbox-mysql-migration.ts'
import { postgresOutboxStore } from '../../src/stores/outbox-postgres.ts'
import { migratePostgresOutbox } from '../../src/stores/outbox-postgres-migration.ts'
import { sqliteOutboxStore } from '../../src/stores/outbox-sqlite.ts'
import type { OutboxStore } from '../../src/stores/outbox-store.ts'
import { mysqlPoolAt, type Place } from './stores.ts'

export const OUTBOX_KINDS = ['better-sqlite3', 'postgres', 'mysql'] as const
export type OutboxKind = (typeof OUTBOX_KINDS)[number]

/** An open outbox store, in a database that also has a table `shop (no)` of the merchant. */
export interface OpenedOutbox {
  readonly store: OutboxStore
  /** Runs work in a transaction of the merchant; rolls back when it throws. */
  readonly inTransaction: <Value>(
    work: (transaction: unknown, run: (statement: string) => Promise<unknown>) => Promise<Value>,
  ) => Promise<Value>
  /** Runs a statement on another connection, and resolves to its rows. */
  readonly rows: (statement: string) => Promise<Record<string, unknown>[]>
  readonly close: () => Promise<unknown>
}

/** Opens the outbox at a place of tests/support/stores.ts. */
export async function openOutbox(place: Place, { notify = false } = {}): Promise<OpenedOutbox> {
  const [kind, where = '', name = ''] = place.split(' ')
  const opened =
    kind === 'postgres'
      ? await openPostgres(where, name, notify)
      : kind === 'mysql'
        ? await openMysql(where, name)
        : openSqlite(where)
  await opened.rows('CREATE TABLE IF NOT EXISTS shop (no VARCHAR(64))')
  return opened
}

async function openPostgres(url: string, schema: string, notify: boolean): Promise<OpenedOutbox> {
  const pool = new Pool({ connectionString: url, options: `-c search_path=${schema}`, connectionTimeoutMillis: 5_000 })
  pool.on('error', () => {})
  await migratePostgresOutbox(pool)
  return {
    store: postgresOutboxStore({ pool, notify }),
    async inTransaction(work) {
      const client = await pool.connect()
      try {
        await client.query('BEGIN')
        const value = await work(client, (statement) => client.query(statement))
        await client.query('COMMIT')
        return value
      } catch (error) {
        await client.query('ROLLBACK')
        throw error
      } finally {
        client.release()
      }
    },
    rows: async (statement) => (await pool.query(statement)).rows,
    close: () => pool.end(),
  }
}

async function openMysql(url: string, database: string): Promise<OpenedOutbox> {
  const pool = mysqlPoolAt(url, database)
  await migrateMysqlOutbox(pool)
  return {
    store: mysqlOutboxStore({ pool }),
    async inTransaction(work) {
      const connection = await pool.getConnection()
      try {
        await connection.beginTransaction()
        const value = await work(connection, (statement) => connection.query(statement))
        await connection.commit()
        return value
      } catch (error) {
        await connection.rollback()
        throw error
      } finally {
        connection.release()
      }
    },
    async rows(statement) {
      const [rows] = await pool.query(statement)
      return rows as Record<string, unknown>[]
    },
    close: () => pool.end(),
  }
}

interface Sqlite {
  exec(sql: string): unknown
  prepare(sql: string): { all(): unknown; run(): unknown }
  close(): unknown
}

function openSqlite(file: string): OpenedOutbox {
  const store = sqliteOutboxStore({ file, driver: 'better-sqlite3' })
  const Database = createRequire(import.meta.url)('better-sqlite3') as new (file: string) => Sqlite
  const handle = new Database(file)
  handle.exec('PRAGMA busy_timeout = 5000')
  return {
    store,
    async inTransaction(work) {
      handle.exec('BEGIN IMMEDIATE')
      try {
        const value = await work(handle, async (statement) => handle.exec(statement))
        handle.exec('COMMIT')
        return value
      } catch (error) {
        handle.exec('ROLLBACK')
        throw error
      }
    },
    async rows(statement) {
      const prepared = handle.prepare(statement)
      if (/^\s*SELECT/.test(statement)) return prepared.all() as Record<string, unknown>[]
      prepared.run()
      return []
    },
    async close() {
      handle.close()
      await store.close()
    },
  }
}

/** Lets time pass for everything in an outbox: leases, retries and ages. */
export async function letTimePass({ rows }: Pick<OpenedOutbox, 'rows'>, ms: number): Promise<void> {
  await rows(
    `UPDATE order_sync_outbox SET due_at = due_at - ${ms}, created_at = created_at - ${ms}, expires_at = expires_at - ${ms}, finished_at = finished_at - ${ms}`,
  )
  await rows(`UPDATE order_sync_outbox_orders SET due_at = due_at - ${ms}`)
}

/** A client whose peer is a file: each request is a line. */
export function peerIn(file: string, reached: (step: string) => void = () => {}) {
  return {
    async syncOrder({ requestId = '' }: OrderInput): Promise<SyncResult> {
      reached('before the request')
      appendFileSync(file, `${requestId}\n`)
      reached('after the response')
      const result = { resultCode: 'SUCCESS', resultStatus: 'S' } as const
      return { orderId: 'A', requestId, attempts: 1, tracerId: undefined, response: { result } }
    },
  }
}

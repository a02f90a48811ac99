import { Pool } from 'pg'
import { migratePostgresOutbox } from '../../src/stores/outbox-postgres-migration.ts'
import { migratePostgres } from '../../src/stores/postgres.ts'
import type { Effect } from '../chaos/effects.ts'
import type { CommittedVersion } from './sending-books.ts'

/** The tables of the store and of the outbox, a table of effects and one of committed versions, seen from outside: not through the proxy. */
export interface SoakDatabase {
  readonly effects: () => Promise<Effect[]>
  /** The versions of orders whose transaction was committed. */
  readonly committed: () => Promise<CommittedVersion[]>
  /** Undefined while the database is down. */
  readonly figures: () => Promise<DatabaseFigures | undefined>
  readonly slowDown: (microseconds: number) => Promise<void>
  readonly close: () => Promise<void>
}

export interface DatabaseFigures {
  readonly connections: number
  readonly requestRows: number
  readonly orderRows: number
  readonly leases: number
  readonly outboxRows: number
  /** Events that are not sent yet. */
  readonly outboxWaiting: number
}

/** Creates the tables. */
export async function prepareDatabase(url: string, applicationName: string): Promise<SoakDatabase> {
  const pool = new Pool({ connectionString: url, max: 1, connectionTimeoutMillis: 2_000, query_timeout: 10_000 })
  pool.on('error', () => undefined)
  await migratePostgres(pool)
  await migratePostgresOutbox(pool)
  await pool.query('CREATE TABLE effects (id bigserial, order_no text, modify_time bigint)')
  await pool.query('CREATE TABLE sends (request_id text, order_no text, modify_time bigint)')
  const FIGURES = `SELECT
    (SELECT count(*) FROM pg_stat_activity WHERE application_name = $1) AS connections,
    (SELECT count(*) FROM order_sync_requests) AS requests,
    (SELECT count(*) FROM order_sync_orders) AS orders,
    (SELECT count(*) FROM order_sync_orders WHERE lease_until > now()) AS leases,
    (SELECT count(*) FROM order_sync_outbox) AS outbox_rows,
    (SELECT count(*) FROM order_sync_outbox WHERE state = 1) AS outbox_waiting`
  return {
    async effects() {
      const { rows } = await pool.query<{ order_no: string; modify_time: string }>('SELECT * FROM effects ORDER BY id')
      return rows.map(({ order_no, modify_time }) => [order_no, Number(modify_time)])
    },
    async committed() {
      const { rows } = await pool.query<Record<'request_id' | 'order_no' | 'modify_time', string>>(
        'SELECT request_id, order_no, modify_time FROM sends',
      )
      return rows.map(({ request_id, order_no, modify_time }) => ({
        ...{ requestId: request_id, orderNo: order_no, modifyTime: Number(modify_time) },
      }))
    },
    async figures() {
      const result = await pool.query<Record<string, string>>(FIGURES, [applicationName]).catch(() => undefined)
      const row = result?.rows[0]
      if (row === undefined) return undefined
      return {
        connections: Number(row['connections']),
        requestRows: Number(row['requests']),
        orderRows: Number(row['orders']),
        leases: Number(row['leases']),
        outboxRows: Number(row['outbox_rows']),
        outboxWaiting: Number(row['outbox_waiting']),
      }
    },
    async slowDown(microseconds) {
      // PostgreSQL waits this long before each flush, as on a disk that takes it to write.
      await pool.query(`ALTER SYSTEM SET commit_delay = ${microseconds}`)
      await pool.query('ALTER SYSTEM SET commit_siblings = 0')
      await pool.query('SELECT pg_reload_conf()')
    },
    close: () => pool.end(),
  }
}

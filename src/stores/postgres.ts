import type { ClaimResult, HeldClaim, Completion, OrderSyncStore } from './store.ts'
import { POSTGRES_MIGRATIONS, POSTGRES_SCHEMA_VERSION } from './postgres-schema.ts'

export { POSTGRES_MIGRATIONS, POSTGRES_SCHEMA_VERSION }

/** What is used of a client of `pg`. */
export interface PostgresClient {
  query(text: string, values?: unknown[]): Promise<{ rows: unknown[]; command?: string }>
  release(destroy?: boolean | Error): void
  on(event: 'error', listener: (error: Error) => void): unknown
  off(event: 'error', listener: (error: Error) => void): unknown
}

/** What is used of a pool of `pg`. */
export interface PostgresPool {
  query(text: string, values?: unknown[]): Promise<{ rows: unknown[] }>
  connect(): Promise<PostgresClient>
}

/** What a pool's `connect()` resolves to: the client of `pg`, with all that it can do. */
export type ClientOf<Pool extends PostgresPool> = Pool['connect'] extends {
  (): Promise<infer Client>
  // pg has a second form, with a callback, which inference would look at alone.
  (...callback: never[]): unknown
}
  ? Client
  : PostgresClient

/** Options of {@link postgresStore}. */
export interface PostgresStoreOptions<Pool extends PostgresPool = PostgresPool> {
  /** Your pool. Give it a `connectionTimeoutMillis`, so that a database that is down is noticed. */
  pool: Pool
  /** How long an answer can be replayed, in milliseconds; orders are never forgotten. @defaultValue 604_800_000 (seven days) */
  responseTtlMs?: number | undefined
}

/**
 * Makes the store. One round trip claims, one finishes; leases are judged by the database's clock. Run
 * {@link migratePostgres} once before.
 *
 * @throws RangeError when an option is out of bounds
 * @see docs/protocol.md section 7.3
 * @example
 * ```ts
 * import { migratePostgres, postgresStore } from 'alipayhk-order-sync/stores/postgres'
 * import { Pool } from 'pg'
 *
 * const pool = new Pool({ connectionString: process.env['DATABASE_URL'], connectionTimeoutMillis: 3_000 })
 * await migratePostgres(pool)
 * export const store = postgresStore({ pool })
 * ```
 */
export function postgresStore(options: PostgresStoreOptions): OrderSyncStore {
  const { pool, responseTtlMs = 604_800_000 } = options
  if (!Number.isSafeInteger(responseTtlMs) || responseTtlMs < 1)
    throw new RangeError('"responseTtlMs" must be a positive integer')
  let claims = 0

  return {
    async claim({ orderKey, requestKey, digest, orderModifyTime }, { leaseMs, compareModifyTimeWith }) {
      // Now and then, and never in the way of a claim.
      if (++claims % 1000 === 0) forgetExpired(pool).catch(() => undefined)
      const row = await one<ClaimRow>(pool, 'SELECT * FROM order_sync_claim($1, $2, $3, $4, $5, $6, $7)', [
        ...[orderKey, requestKey, digest, orderModifyTime],
        ...[leaseMs, responseTtlMs, compareModifyTimeWith === 'processedAt'],
      ])
      return toClaim(row)
    },

    finish: async (claimed, end) => (await finish(pool, claimed, end, responseTtlMs)) === true,

    async release({ delivery, token }) {
      const { rows } = await pool.query(
        `UPDATE order_sync_orders SET lease_until = NULL
         WHERE order_key = $1 AND token = $2 AND lease_until IS NOT NULL RETURNING 1`,
        [delivery.orderKey, token],
      )
      return rows.length > 0
    },

    async read(orderKey) {
      const { rows } = await pool.query(
        `SELECT token::float8 AS token, lease_until > clock_timestamp() AS leased, last_modify_time::float8 AS last_modify_time,
           floor(extract(epoch FROM last_processed_at) * 1000)::float8 AS last_processed_at, last_answer
         FROM order_sync_orders WHERE order_key = $1`,
        [orderKey],
      )
      const row = rows[0] as OrderRow | undefined
      if (row === undefined) return undefined
      const { token, leased, last_modify_time, last_processed_at, last_answer } = row
      const last = {
        orderModifyTime: last_modify_time ?? 0,
        processedAt: last_processed_at ?? 0,
        storedResponse: last_answer ?? '',
      }
      return { ...(last_modify_time !== null && { last }), ...(leased && { lease: { token } }) }
    },
  }
}

/**
 * Like {@link postgresStore}, in transactional mode: `context.transaction` is a client inside a transaction, and what
 * `onOrder` writes through it commits together with the note that the order was processed. The effect is exactly once,
 * whatever dies when. Await every query, and leave COMMIT, ROLLBACK and `release()` to the store: an order whose
 * transaction ended in another way fails, and comes again. Each order being processed holds a client of the pool.
 *
 * @throws RangeError when an option is out of bounds
 * @see docs/protocol.md section 7.4
 * @example
 * ```ts
 * import { createOrderSyncHandler, type Credentials } from 'alipayhk-order-sync'
 * import { transactionalPostgresStore } from 'alipayhk-order-sync/stores/postgres'
 * import type { Pool } from 'pg'
 *
 * export const createHandler = (credentials: Credentials, pool: Pool) =>
 *   createOrderSyncHandler({
 *     credentials,
 *     store: transactionalPostgresStore({ pool }),
 *     async onOrder(order, { transaction }) {
 *       await transaction.query('INSERT INTO orders (number, status) VALUES ($1, $2)', [order.merchantBizNo, order.orderStatus])
 *       return { orderId: order.merchantBizNo }
 *     },
 *   })
 * ```
 */
export function transactionalPostgresStore<Pool extends PostgresPool>(
  options: PostgresStoreOptions<Pool>,
): OrderSyncStore<ClientOf<Pool>> {
  const { pool, responseTtlMs = 604_800_000 } = options
  return {
    ...postgresStore(options),
    finishInTransaction: (claimed, work) =>
      inTransaction(pool, async (client) => {
        const finished = await finish(client, claimed, await work(client as ClientOf<Pool>), responseTtlMs, FINISH_INSIDE)
        if (finished === null)
          throw new Error('"onOrder" ended the transaction itself; leave COMMIT and ROLLBACK to the store')
        return { commit: finished, value: finished }
      }),
  }
}

/**
 * Makes the tables and functions, or brings them up to this release; safe to run from several processes at once, and again.
 *
 * @throws Error when the database was migrated by a later release
 * @see docs/protocol.md section 7.3
 * @example
 * ```ts
 * import { migratePostgres } from 'alipayhk-order-sync/stores/postgres'
 * import { Pool } from 'pg'
 *
 * await migratePostgres(new Pool())
 * ```
 */
export async function migratePostgres(pool: PostgresPool): Promise<void> {
  await inTransaction(pool, async (client) => {
    // Any number will do, as long as every release locks the same.
    await client.query('SELECT pg_advisory_xact_lock(7046029254386353131)')
    const version = await schemaVersion(client)
    if (version > POSTGRES_SCHEMA_VERSION)
      throw new Error('The database was migrated by a later release of alipayhk-order-sync')
    for (const migration of POSTGRES_MIGRATIONS.slice(version)) await client.query(migration)
    return { commit: true, value: undefined }
  })
}

async function schemaVersion(client: PostgresClient): Promise<number> {
  const { found } = await one<{ found: boolean }>(
    client,
    `SELECT to_regclass('order_sync_schema') IS NOT NULL AS found`,
    [],
  )
  return found ? (await one<{ version: number }>(client, 'SELECT version FROM order_sync_schema', [])).version : 0
}

interface ClaimRow {
  decision: ClaimResult['decision']
  answer: string | null
  /** A bigint, which pg hands out as text. */
  token: string | null
}

interface OrderRow {
  token: number
  leased: boolean | null
  last_modify_time: number | null
  last_processed_at: number | null
  last_answer: string | null
}

function toClaim({ decision, answer, token }: ClaimRow): ClaimResult {
  if (decision === 'process') return { decision, token: Number(token) }
  if (decision === 'conflict' || decision === 'busy') return { decision }
  return { decision, storedResponse: answer ?? '' }
}

type Queryable = Pick<PostgresClient, 'query'>

const FINISH = 'order_sync_finish($1, $2, $3, $4, $5, $6, $7, $8)'

/** `SET LOCAL` lasts as long as the transaction: once that is over, so may be what was written, and nothing is noted. */
const BEGIN = `BEGIN; SET LOCAL order_sync.transaction = 'open'`
const FINISH_INSIDE = `CASE WHEN current_setting('order_sync.transaction', true) = 'open' THEN ${FINISH} END`

/** @returns null, for {@link FINISH_INSIDE} alone, when there is no transaction any more. */
async function finish(
  client: Queryable,
  { delivery, token }: HeldClaim,
  end: Completion,
  responseTtlMs: number,
  how = FINISH,
): Promise<boolean | null> {
  const { orderKey, requestKey, digest, orderModifyTime } = delivery
  const { finished } = await one<{ finished: boolean | null }>(client, `SELECT ${how} AS finished`, [
    ...[orderKey, requestKey, digest, orderModifyTime],
    ...[token, end.storedResponse, end.processed, responseTtlMs],
  ])
  return finished
}

async function inTransaction<Value>(
  pool: PostgresPool,
  work: (client: PostgresClient) => Promise<{ commit: boolean; value: Value }>,
): Promise<Value> {
  const client = await pool.connect()
  const giveBack = keep(client)
  try {
    await client.query(BEGIN)
    const { commit, value } = await work(client)
    const { command } = await client.query(commit ? 'COMMIT' : 'ROLLBACK')
    // What PostgreSQL answers, without an error, when a query that nobody waited for has failed in between.
    if (commit && command === 'ROLLBACK') throw new Error('The transaction was rolled back: a query in it had failed')
    giveBack()
    return value
  } catch (error) {
    await client.query('ROLLBACK').then(
      () => giveBack(),
      () => giveBack(true),
    )
    throw error
  }
}

/** Sees to it that a client is ours until it is given back. */
function keep(client: PostgresClient): (destroy?: boolean) => void {
  const { release } = client
  // Given back by the merchant's code, it would be another order's while our transaction is open on it.
  client.release = () => {
    throw new Error('context.transaction is released by the store')
  }
  // A connection that breaks while nobody is asking it anything says so by an event, which would end the process.
  client.on('error', ignore)
  return (destroy = false) => {
    client.off('error', ignore)
    client.release = release
    client.release(destroy)
  }
}

function ignore(): void {}

/** In small pieces: a table that grew for months is not emptied under one lock. */
async function forgetExpired(client: Queryable): Promise<void> {
  await client.query(
    `DELETE FROM order_sync_requests WHERE request_key IN (
       SELECT request_key FROM order_sync_requests WHERE expires_at < clock_timestamp() LIMIT 1000 FOR UPDATE SKIP LOCKED)`,
  )
}

async function one<Row>(client: Queryable, text: string, values: unknown[]): Promise<Row> {
  const { rows } = await client.query(text, values)
  return rows[0] as Row
}

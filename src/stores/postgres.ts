import { hasMethod, type OptionRules, resolveOptions, wholeNumber } from '../options.ts'
import { toClaimResult } from '../policy/idempotency.ts'
import { POSTGRES_MIGRATIONS, POSTGRES_SCHEMA_VERSION } from './postgres-schema.ts'
import type { Completion, HeldClaim, OrderSyncStore } from './store.ts'

export { POSTGRES_MIGRATIONS, POSTGRES_SCHEMA_VERSION }

/** The part of a `pg` client that the store uses. */
export interface PostgresClient {
  query(text: string, values?: unknown[]): Promise<{ rows: unknown[]; command?: string }>
  release(destroy?: boolean | Error): void
  on(event: 'error', listener: (error: Error) => void): unknown
  off(event: 'error', listener: (error: Error) => void): unknown
}

/** The part of a `pg` pool that the store uses. */
export interface PostgresPool {
  query(text: string, values?: unknown[]): Promise<{ rows: unknown[] }>
  connect(): Promise<PostgresClient>
}

/** The type that a pool's `connect()` resolves to: the full client of `pg`. */
export type ClientOf<Pool extends PostgresPool> = Pool['connect'] extends {
  (): Promise<infer Client>
  // pg also declares a form with a callback. Without this line, inference would use only that one.
  (...callback: never[]): unknown
}
  ? Client
  : PostgresClient

/** Options of {@link postgresStore}. */
export interface PostgresStoreOptions<Pool extends PostgresPool = PostgresPool> {
  /** Your pool. Set its `connectionTimeoutMillis`, so that calls fail when the database is down. */
  pool: Pool
  /** How long a stored response can be replayed, in milliseconds. Orders are never removed. @defaultValue 604_800_000 (seven days) */
  responseTtlMs?: number | undefined
}

const OPTIONS = {
  pool: {
    required: true,
    assert(value: unknown, name: string) {
      if (!hasMethod(value, 'query') || !hasMethod(value, 'connect')) {
        throw new TypeError(`"${name}" must be a pool of the package "pg": new Pool()`)
      }
    },
  },
  responseTtlMs: wholeNumber(604_800_000, { min: 1 }),
} satisfies OptionRules<PostgresStoreOptions>

/**
 * A durable store in PostgreSQL, for any number of machines. A claim takes one round trip, a finish takes another. Leases are
 * judged by the database's clock. Run {@link migratePostgres} once before you use the store.
 *
 * @throws TypeError when an option is unknown, missing or of the wrong type
 * @throws RangeError when an option is out of range
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
  return createStore(resolveOptions('postgresStore', OPTIONS, options))
}

interface Settings {
  readonly pool: PostgresPool
  readonly responseTtlMs: number
}

function createStore({ pool, responseTtlMs }: Settings): OrderSyncStore {
  let claims = 0

  return {
    async claim({ orderKey, requestKey, digest, orderModifyTime }, { leaseMs, compareModifyTimeWith }) {
      // Do not await: cleaning up must neither delay nor fail a claim.
      if (++claims % 1000 === 0) deleteExpired(pool).catch(() => undefined)
      const { decision, stored_response, token } = await one<ClaimRow>(pool, CLAIM, [
        ...[orderKey, requestKey, digest, orderModifyTime],
        ...[leaseMs, responseTtlMs, compareModifyTimeWith === 'processedAt'],
      ])
      return toClaimResult({ decision, storedResponse: stored_response, token })
    },

    finish: async (held, completion) => (await finish(pool, FINISH, { held, completion, responseTtlMs })) === true,

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
           floor(extract(epoch FROM last_processed_at) * 1000)::float8 AS last_processed_at, last_response
         FROM order_sync_orders WHERE order_key = $1`,
        [orderKey],
      )
      const order = rows[0] as OrderRow | undefined
      if (order === undefined) return undefined
      const last = lastProcessed(order)
      return { ...(last && { last }), ...(order.leased && { lease: { token: order.token } }) }
    },
  }
}

/**
 * Like {@link postgresStore}, in transactional mode: `context.transaction` is a client inside a transaction. The writes of
 * `onOrder` through it commit together with the record that the order was processed. The effect happens exactly once,
 * also when a process crashes at any step.
 *
 * Await every query. Leave COMMIT, ROLLBACK and `release()` to the store: if `onOrder` ends the transaction itself, the
 * order fails and the peer delivers it again. Each order in progress holds one client of the pool.
 *
 * @throws TypeError when an option is unknown, missing or of the wrong type
 * @throws RangeError when an option is out of range
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
  const settings = resolveOptions('transactionalPostgresStore', OPTIONS, options)
  const { pool, responseTtlMs } = settings
  return {
    ...createStore(settings),
    finishInTransaction: (held, work) =>
      inTransaction(pool, async (client) => {
        const completion = await work(client as ClientOf<Pool>)
        const finished = await finish(client, FINISH_INSIDE, { held, completion, responseTtlMs })
        if (finished === null)
          throw new Error('"onOrder" ended the transaction itself; leave COMMIT and ROLLBACK to the store')
        return { commit: finished, value: finished }
      }),
  }
}

/**
 * Creates the tables and functions, or upgrades them to this release. Several processes may run it at once, and it may run
 * again.
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
    // An arbitrary number. Every release must lock the same one.
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
  decision: unknown
  stored_response: unknown
  token: unknown
}

type OrderRow = { token: number; leased: boolean | null } & (
  | { last_modify_time: number; last_processed_at: number; last_response: string }
  | { last_modify_time: null; last_processed_at: null; last_response: null }
)

function lastProcessed({ last_modify_time, last_processed_at, last_response }: OrderRow) {
  if (last_modify_time === null) return undefined
  return { orderModifyTime: last_modify_time, processedAt: last_processed_at, storedResponse: last_response }
}

type Queryable = Pick<PostgresClient, 'query'>

// pg returns a bigint as text, and a float8 as a number.
const CLAIM = `SELECT decision, stored_response, token::float8 AS token
  FROM order_sync_claim($1, $2, $3, $4, $5, $6, $7)`

const FINISH_CALL = 'order_sync_finish($1, $2, $3, $4, $5, $6, $7, $8)'
const FINISH = `SELECT ${FINISH_CALL} AS finished`

// `SET LOCAL` lasts as long as the transaction. Once `onOrder` has ended it, its writes may be lost: do not finish then.
const BEGIN = `BEGIN; SET LOCAL order_sync.transaction = 'open'`
const FINISH_INSIDE = `SELECT CASE WHEN current_setting('order_sync.transaction', true) = 'open'
  THEN ${FINISH_CALL} END AS finished`

/** @returns null only for {@link FINISH_INSIDE}: the transaction has ended. */
async function finish(
  client: Queryable,
  statement: string,
  { held, completion, responseTtlMs }: { held: HeldClaim; completion: Completion; responseTtlMs: number },
): Promise<boolean | null> {
  const { orderKey, requestKey, digest, orderModifyTime } = held.delivery
  const { finished } = await one<{ finished: boolean | null }>(client, statement, [
    ...[orderKey, requestKey, digest, orderModifyTime],
    ...[held.token, completion.storedResponse, completion.processed, responseTtlMs],
  ])
  return finished
}

async function inTransaction<Value>(
  pool: PostgresPool,
  work: (client: PostgresClient) => Promise<{ commit: boolean; value: Value }>,
): Promise<Value> {
  const client = await pool.connect()
  const giveBack = borrow(client)
  try {
    await client.query(BEGIN)
    const { commit, value } = await work(client)
    const { command } = await client.query(commit ? 'COMMIT' : 'ROLLBACK')
    // PostgreSQL reports ROLLBACK, without an error, when a query that was not awaited has failed before.
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

/** Keeps the client ours until it is given back. Returns the function that gives it back. */
function borrow(client: PostgresClient): (destroy?: boolean) => void {
  const { release } = client
  // If `onOrder` released it, the pool would lend it to another order while our transaction is open.
  client.release = () => {
    throw new Error('context.transaction is released by the store')
  }
  // A connection that breaks between queries emits 'error'. Without a listener that ends the process.
  client.on('error', ignore)
  return (destroy = false) => {
    client.off('error', ignore)
    client.release = release
    client.release(destroy)
  }
}

function ignore(): void {}

/** At most 1000 rows at a time: deleting months of rows at once would hold locks for long. */
async function deleteExpired(client: Queryable): Promise<void> {
  await client.query(
    `DELETE FROM order_sync_requests WHERE request_key IN (
       SELECT request_key FROM order_sync_requests WHERE expires_at < clock_timestamp() LIMIT 1000 FOR UPDATE SKIP LOCKED)`,
  )
}

async function one<Row>(client: Queryable, text: string, values: unknown[]): Promise<Row> {
  const { rows } = await client.query(text, values)
  return rows[0] as Row
}

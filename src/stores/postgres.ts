import { ConfigurationError, HandlerError } from '../errors.ts'
import { assertFunction, type OptionRules, resolveOptions, wholeNumber } from '../option-rules.ts'
import { toClaimResult } from '../policy/idempotency.ts'
import { repeatTransient } from '../timeout.ts'
import {
  assertPool,
  assertPoolOption,
  type ClientOf,
  inTransaction,
  lendClient,
  listenToPool,
  type PostgresClient,
  type PostgresPool,
} from './postgres-pool.ts'
import { migrationsFor, POSTGRES_MIGRATIONS, POSTGRES_SCHEMA_VERSION } from './postgres-schema.ts'
import { createSchema, prefixOf, SCHEMA_NAME, SCHEMA_RULE } from './postgres-schema-name.ts'
import type { ClaimOptions, Completion, ForgetResult, HeldClaim, OrderSyncStore } from './store.ts'

export type { ClientOf, PostgresClient, PostgresPool }
export { POSTGRES_MIGRATIONS, POSTGRES_SCHEMA_VERSION }

/** Where the tables and functions are. */
export interface PostgresSchemaOptions {
  /** The schema of the tables and functions. @defaultValue the first schema of the `search_path` */
  schema?: string | undefined
}

/** Options of {@link postgresStore}. */
export interface PostgresStoreOptions<Pool extends PostgresPool = PostgresPool> extends PostgresSchemaOptions {
  /** Your pool. Set its `connectionTimeoutMillis` and `query_timeout`, so that calls fail when the database is down. */
  pool: Pool
  /** How long a stored response can be replayed, in milliseconds. Orders are never removed. @defaultValue 604_800_000 (seven days) */
  responseTtlMs?: number | undefined
  /**
   * Receives the error of a broken idle connection. The pool opens a new connection. Without this option, and without your own
   * listener on the pool, the first such error is a process warning.
   */
  onError?: ((error: unknown) => void) | undefined
}

const OPTIONS = {
  pool: { required: true, assert: assertPool },
  schema: SCHEMA_RULE,
  responseTtlMs: wholeNumber(604_800_000, { min: 1 }),
  onError: { assert: assertFunction },
} satisfies OptionRules<PostgresStoreOptions>

function resolveStoreOptions(owner: string, options: PostgresStoreOptions): Settings {
  assertPoolOption(owner, options)
  const { pool, schema, responseTtlMs, onError } = resolveOptions(owner, OPTIONS, options)
  listenToPool(owner, pool, onError)
  return { pool, schema, responseTtlMs, sql: statementsFor(schema) }
}

interface Settings {
  readonly pool: PostgresPool
  readonly schema: string | undefined
  readonly responseTtlMs: number
  readonly sql: Statements
}

/**
 * A durable store in PostgreSQL, for any number of machines. A claim takes one round trip, a finish takes another. Leases use
 * the clock of the database. Run {@link migratePostgres} once before you use the store.
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
 * pool.on('error', (error) => console.error('an idle connection broke; the pool opens a new one', error))
 * await migratePostgres(pool)
 * export const store = postgresStore({ pool })
 * ```
 */
export function postgresStore(options: PostgresStoreOptions): OrderSyncStore {
  return createStore(resolveStoreOptions('postgresStore', options))
}

function createStore(settings: Settings): OrderSyncStore {
  const { pool, schema, responseTtlMs, sql } = settings
  let claims = 0

  return {
    async claim({ orderKey, requestKey, digest, orderModifyTime }, { leaseMs, compareModifyTimeWith }) {
      // The first claim cleans up too: a process may end before its thousandth.
      const statement = claims++ % DELETED_AT_ONCE === 0 ? sql.claimAndDeleteExpired : sql.claim
      const { decision, stored_response, token, last_modify_time, last_content } = await claimRow(settings, statement, [
        ...[orderKey, requestKey, digest, orderModifyTime],
        ...[leaseMs, responseTtlMs, compareModifyTimeWith === 'processedAt'],
      ])
      const last = { orderModifyTime: last_modify_time, contentDigest: last_content }
      return toClaimResult({ decision, storedResponse: stored_response, token, last })
    },

    finish: async (held, completion) =>
      (await withRetries(settings, () => finish(pool, sql.finish, { held, completion, responseTtlMs }))) === true,

    async release({ delivery, token }) {
      const { rows } = await withRetries(settings, () => pool.query(sql.release, [delivery.orderKey, token]))
      return rows.length > 0
    },

    async read(orderKey) {
      const { rows } = await withRetries(settings, () => pool.query(sql.read, [orderKey]))
      const order = rows[0] as OrderRow | undefined
      if (order === undefined) return undefined
      const last = lastProcessed(order)
      return { ...(last && { last }), ...(order.leased && { lease: { token: order.token } }) }
    },

    async forget(orderKey) {
      const forget = () => one<{ result: ForgetResult }>(pool, sql.forget, [orderKey])
      return (await withRetries(settings, forget)).result
    },

    async ping() {
      const version = await withRetries(settings, () => schemaVersion(pool, schema))
      if (version < POSTGRES_SCHEMA_VERSION) throw notMigrated(schema, undefined)
    },
  }
}

/**
 * Like {@link postgresStore}, in transactional mode: `context.transaction` is a client inside a transaction. The writes of
 * `onOrder` through it commit together with the record that the order was processed. The effect happens exactly once,
 * even if a process crashes at any step.
 *
 * Await every query. BEGIN, COMMIT and ROLLBACK, as ORMs send them, become savepoints of this transaction. A statement that would
 * end it throws `ERR_TRANSACTION`. Leave `release()` to the store. Each order in progress holds one client of the pool.
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
  const settings = resolveStoreOptions('transactionalPostgresStore', options)
  const { pool, responseTtlMs, sql } = settings
  const store = createStore(settings)
  // The handler passes the same lease with each claim.
  let leaseMs = 0

  return {
    ...store,
    claim(delivery, claimOptions: ClaimOptions) {
      leaseMs = claimOptions.leaseMs
      return store.claim(delivery, claimOptions)
    },
    finishInTransaction: (held, work) =>
      inTransaction(pool, {
        begin: beginWork(leaseMs),
        async work(client, isOver) {
          const completion = await lendClient(client, isOver, (lent) => work(lent as ClientOf<Pool>))
          const finished = await finish(client, sql.finishInside, { held, completion, responseTtlMs }).catch(
            (error) => {
              throw explain(error, settings)
            },
          )
          if (finished === null)
            throw new HandlerError(
              'ERR_ON_ORDER',
              '"onOrder" ended the transaction itself: leave COMMIT and ROLLBACK to the store.',
            )
          return { commit: finished, value: finished }
        },
      }),
  }
}

/**
 * Creates the tables and functions, or upgrades them to this release. Several processes may run it at once, and it may run
 * again: when the schema is up to date, it only reads. A schema that you name is created when it is missing.
 *
 * @throws Error when the database was migrated by a later release
 * @see docs/protocol.md section 7.3
 * @example
 * ```ts
 * import { migratePostgres } from 'alipayhk-order-sync/stores/postgres'
 * import { Pool } from 'pg'
 *
 * const pool = new Pool()
 * pool.on('error', (error) => console.error('an idle connection broke; the pool opens a new one', error))
 * await migratePostgres(pool, { schema: 'order_sync' })
 * ```
 */
export async function migratePostgres(pool: PostgresPool, options: PostgresSchemaOptions = {}): Promise<void> {
  assertPool(pool, 'pool')
  const { schema } = resolveOptions('migratePostgres', { schema: SCHEMA_RULE }, options)
  listenToPool('migratePostgres', pool)
  // Without a lock: the role of the application may only read.
  if ((await schemaVersion(pool, schema)) === POSTGRES_SCHEMA_VERSION) return
  await inTransaction(pool, {
    // A stricter default would show a version from before the lock was granted.
    begin: 'BEGIN ISOLATION LEVEL READ COMMITTED',
    async work(client) {
      // An arbitrary number. Every release must lock the same one.
      await client.query('SELECT pg_advisory_xact_lock(7046029254386353131)')
      if (schema !== undefined) await createSchema(client, schema)
      const version = await schemaVersion(client, schema)
      // The functions name the schema, so that they find their tables with any search_path.
      const prefix = prefixOf(schema ?? (await schemaInUse(client)))
      for (const migration of migrationsFor(prefix).slice(version)) await client.query(migration)
      return { commit: true, value: undefined }
    },
  })
}

/**
 * Deletes requests that have outlived `responseTtlMs`, and resolves to their number. A store deletes up to 1,000 of them with
 * its first claim and with every 1,000th claim. If that is not enough, run this function in a scheduled job.
 *
 * @see docs/protocol.md section 7.3
 * @example
 * ```ts
 * import { forgetExpired } from 'alipayhk-order-sync/stores/postgres'
 * import { Pool } from 'pg'
 *
 * const pool = new Pool()
 * pool.on('error', (error) => console.error('an idle connection broke; the pool opens a new one', error))
 * await forgetExpired({ pool })
 * await pool.end()
 * ```
 */
export async function forgetExpired(options: Pick<PostgresStoreOptions, 'pool' | 'schema'>): Promise<number> {
  const settings = resolveStoreOptions('forgetExpired', options)
  let total = 0
  for (;;) {
    const deleted = await deleteExpired(settings)
    total += deleted
    if (deleted < DELETED_AT_ONCE) return total
  }
}

/** `CREATE SCHEMA IF NOT EXISTS` needs the right to create one, even when the schema exists. */
/** The schema of the tables, or where the search_path creates them. Undefined when its name cannot be quoted. */
async function schemaInUse(client: Queryable): Promise<string | undefined> {
  const { name } = await one<{ name: string | null }>(
    client,
    `SELECT coalesce(
       (SELECT relnamespace::regnamespace::text FROM pg_class WHERE oid = to_regclass('order_sync_schema')),
       quote_ident(current_schema())) AS name`,
    [],
  )
  const unquoted = name?.replace(/^"(.*)"$/, '$1')
  return unquoted !== undefined && SCHEMA_NAME.test(unquoted) ? unquoted : undefined
}

async function schemaVersion(client: Queryable, schema: string | undefined): Promise<number> {
  const table = `${prefixOf(schema)}order_sync_schema`
  // FROM locks a table, which makes this session see recently created objects of other sessions.
  const find = 'SELECT to_regclass($1) IS NOT NULL AS found FROM pg_class LIMIT 1'
  const { found } = await one<{ found: boolean }>(client, find, [table])
  if (!found) return 0
  const { version } = await one<{ version: number }>(client, `SELECT version FROM ${table}`, [])
  if (version > POSTGRES_SCHEMA_VERSION)
    throw new Error('The database was migrated by a later release of alipayhk-order-sync')
  return version
}

interface ClaimRow {
  decision: unknown
  stored_response: unknown
  token: unknown
  last_modify_time: unknown
  last_content: unknown
}

type OrderRow = { token: number; leased: boolean | null } & (
  | { last_modify_time: number; last_processed_at: number; last_response: string }
  | { last_modify_time: null; last_processed_at: null; last_response: null }
)

function lastProcessed({ last_modify_time, last_processed_at, last_response }: OrderRow) {
  if (last_modify_time === null) return undefined
  return { orderModifyTime: last_modify_time, processedAt: last_processed_at, storedResponse: last_response }
}

type Queryable = Pick<PostgresPool, 'query'>

type Statements = ReturnType<typeof statementsFor>

/** The maximum number of rows per statement: deleting months of rows at once would hold locks for long. */
const DELETED_AT_ONCE = 1_000

/** How long a transaction may stay idle after its finish, in milliseconds. COMMIT follows at once. */
const IDLE_BEFORE_COMMIT_MS = 5_000

function statementsFor(schema: string | undefined) {
  const prefix = prefixOf(schema)
  // pg returns a bigint as text, and a float8 as a number.
  const claim = `SELECT decision, stored_response, token::float8 AS token, last_modify_time::float8 AS last_modify_time, last_content
    FROM ${prefix}order_sync_claim($1, $2, $3, $4, $5, $6, $7)`
  const deleteExpired = `DELETE FROM ${prefix}order_sync_requests WHERE request_key IN (
    SELECT request_key FROM ${prefix}order_sync_requests WHERE expires_at < clock_timestamp()
    LIMIT ${DELETED_AT_ONCE} FOR UPDATE SKIP LOCKED)`
  const finishCall = `${prefix}order_sync_finish($1, $2, $3, $4, $5, $6, $7, $8, $9)`
  return {
    claim,
    // One round trip, and no second connection. One statement must not change the row of the claimed request twice.
    claimAndDeleteExpired: `WITH deleted AS (${deleteExpired} AND request_key <> $2) ${claim}`,
    deleteExpired: `${deleteExpired} RETURNING 1`,
    finish: `SELECT ${finishCall} AS finished`,
    // Finish only inside the transaction of BEGIN_WORK: once `onOrder` has ended it, its writes may be lost. From here on, a
    // process that freezes holds row locks that every delivery of the order needs: end its session soon.
    finishInside: `SELECT CASE WHEN current_setting('order_sync.transaction', true) = 'open' THEN ${finishCall} END AS finished,
      set_config('idle_in_transaction_session_timeout', '${IDLE_BEFORE_COMMIT_MS}', true)`,
    release: `UPDATE ${prefix}order_sync_orders SET lease_until = NULL
      WHERE order_key = $1 AND token = $2 AND lease_until IS NOT NULL RETURNING 1`,
    forget: `SELECT ${prefix}order_sync_forget($1) AS result`,
    read: `SELECT token::float8 AS token,
        lease_until > clock_timestamp() AND (leased_at > clock_timestamp() + interval '1 second') IS NOT TRUE AS leased,
        last_modify_time::float8 AS last_modify_time,
        floor(extract(epoch FROM last_processed_at) * 1000)::float8 AS last_processed_at, last_response
      FROM ${prefix}order_sync_orders WHERE order_key = $1`,
  }
}

/**
 * `SET LOCAL` lasts as long as the transaction. A process that is frozen in `onOrder` holds the locks of its writes: the
 * database ends its session when it has been idle for much longer than the lease.
 */
function beginWork(leaseMs: number): string {
  const idleMs = Math.min(2 ** 31 - 1, Math.max(2 * Math.ceil(leaseMs), 60_000))
  return `BEGIN; SET LOCAL order_sync.transaction = 'open'; SET LOCAL idle_in_transaction_session_timeout = ${idleMs}`
}

const BUSY: ClaimRow = {
  decision: 'busy',
  stored_response: null,
  token: null,
  last_modify_time: null,
  last_content: null,
}

/** Claims in one round trip. If another process holds the lock for long, it is working on this order: the order is busy. */
async function claimRow(settings: Settings, statement: string, values: unknown[]): Promise<ClaimRow> {
  try {
    return await withRetries(settings, () => one<ClaimRow>(settings.pool, statement, values))
  } catch (error) {
    if (sqlState(error) === '55P03') return BUSY
    throw error
  }
}

/** @returns null only for `finishInside`: the transaction has ended. */
async function finish(
  client: Queryable,
  statement: string,
  { held, completion, responseTtlMs }: { held: HeldClaim; completion: Completion; responseTtlMs: number },
): Promise<boolean | null> {
  const { orderKey, requestKey, digest, contentDigest, orderModifyTime } = held.delivery
  const { finished } = await one<{ finished: boolean | null }>(client, statement, [
    ...[orderKey, requestKey, digest, orderModifyTime],
    ...[held.token, completion.storedResponse, completion.processed, responseTtlMs, contentDigest],
  ])
  return finished
}

async function deleteExpired(settings: Settings): Promise<number> {
  const { rows } = await withRetries(settings, () => settings.pool.query(settings.sql.deleteExpired))
  return rows.length
}

async function one<Row>(client: Queryable, text: string, values: unknown[]): Promise<Row> {
  const { rows } = await client.query(text, values)
  return rows[0] as Row
}

/** Serialization failure and deadlock: the statement was rolled back, and the next attempt succeeds. */
const TRANSIENT = new Set(['40001', '40P01'])

/** Runs a statement that is its own transaction, and repeats it after a transient failure. */
async function withRetries<Value>(settings: Settings, statement: () => Promise<Value>): Promise<Value> {
  try {
    return await repeatTransient(statement, (error) => TRANSIENT.has(sqlState(error)))
  } catch (error) {
    throw explain(error, settings)
  }
}

/** Undefined function, undefined table, undefined column, undefined type, invalid schema name. */
const NOT_MIGRATED = new Set(['42883', '42P01', '42703', '42704', '3F000'])

function explain(error: unknown, { schema }: Settings): unknown {
  return NOT_MIGRATED.has(sqlState(error)) ? notMigrated(schema, error) : error
}

function notMigrated(schema: string | undefined, cause: unknown): ConfigurationError {
  const call = schema === undefined ? 'migratePostgres(pool)' : `migratePostgres(pool, { schema: '${schema}' })`
  const message = `The tables or functions of the store are missing in the database or outdated: run ${call} first. If you have, check the schema and the search_path of the connection.`
  return new ConfigurationError('ERR_STORE_NOT_MIGRATED', message, cause === undefined ? undefined : { cause })
}

function sqlState(error: unknown): string {
  return String((error as { code?: unknown } | null)?.code)
}

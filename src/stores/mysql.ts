import { type OptionRules, positiveNumber, resolveOptions, wholeNumber } from '../option-rules.ts'
import { toClaimResult } from '../policy/idempotency.ts'
import { callOf, numberOf, type Row, textOf } from './mysql-call.ts'
import { callWithRetries } from './mysql-connection.ts'
import { DATABASE_RULE, type MysqlDatabaseOptions, prefixOf } from './mysql-database.ts'
import { isDeadlock, isLockWaitTimeout, notMigrated } from './mysql-errors.ts'
import { assertPool, assertPoolOption, type ConnectionOf, type MysqlPool } from './mysql-pool.ts'
import { MYSQL_SCHEMA_VERSION } from './mysql-schema.ts'
import { inTransaction } from './mysql-transaction.ts'
import type { ClaimOptions, Completion, ForgetResult, HeldClaim, OrderSyncStore } from './store.ts'

/** Options of {@link mysqlStore}. */
export interface MysqlStoreOptions<Pool extends MysqlPool = MysqlPool> extends MysqlDatabaseOptions {
  /** Your pool: `createPool()` of `mysql2/promise`. */
  pool: Pool
  /** How long a stored response can be replayed, in milliseconds. Orders are never removed. @defaultValue 604_800_000 (seven days) */
  responseTtlMs?: number | undefined
  /**
   * How long the store waits for a connection of the pool, and then for the response to each query, in milliseconds. It closes a
   * connection without a response. It also applies to the queries of `context.transaction`. @defaultValue 10_000
   */
  queryTimeoutMs?: number | undefined
}

const OPTIONS = {
  pool: { required: true, assert: assertPool },
  database: DATABASE_RULE,
  responseTtlMs: wholeNumber(604_800_000, { min: 1 }),
  queryTimeoutMs: positiveNumber(10_000, { isTimer: true }),
} satisfies OptionRules<MysqlStoreOptions>

type Settings = ReturnType<typeof resolveStoreOptions>

function resolveStoreOptions(owner: string, options: MysqlStoreOptions) {
  assertPoolOption(owner, options)
  return resolveOptions(owner, OPTIONS, options)
}

/** How many expired requests a claim deletes, and after how many claims it does so. */
const DELETED_AT_ONCE = 1_000

/**
 * A durable store in MySQL or MariaDB, for any number of machines. A claim takes one round trip, a finish takes another. Leases use
 * the clock of the database. Run {@link migrateMysql} once before you use the store.
 *
 * @throws TypeError when an option is unknown, missing or of the wrong type
 * @throws RangeError when an option is out of range
 * @see docs/protocol.md section 7.3
 * @example
 * ```ts
 * import { migrateMysql, mysqlStore } from 'alipayhk-order-sync/stores/mysql'
 * import { createPool } from 'mysql2/promise'
 *
 * const pool = createPool({ uri: process.env['DATABASE_URL'] ?? 'mysql://127.0.0.1/shop', connectTimeout: 3_000 })
 * await migrateMysql(pool)
 * export const store = mysqlStore({ pool })
 * ```
 */
export function mysqlStore(options: MysqlStoreOptions): OrderSyncStore {
  return createStore(resolveStoreOptions('mysqlStore', options))
}

function createStore(settings: Settings): OrderSyncStore {
  const { responseTtlMs } = settings
  const prefix = prefixOf(settings.database)
  let claims = 0

  return {
    async claim({ orderKey, requestKey, digest, orderModifyTime }, { leaseMs, compareModifyTimeWith }) {
      // The first claim cleans up too: a process may end before its thousandth.
      const deleted = claims++ % DELETED_AT_ONCE === 0 ? DELETED_AT_ONCE : 0
      const call = callOf(prefix, 'order_sync_claim', [
        ...[orderKey, requestKey, digest, orderModifyTime],
        ...[leaseMs, responseTtlMs, compareModifyTimeWith === 'processedAt', deleted],
      ])
      const row = await callOrBusy(settings, call, { decision: 'busy' })
      return toClaimResult({
        decision: row?.['decision'],
        storedResponse: textOf(row?.['stored_response']),
        token: numberOf(row?.['token']),
        last: {
          orderModifyTime: numberOf(row?.['last_modify_time']),
          contentDigest: textOf(row?.['last_content']),
        },
      })
    },

    async finish(held, completion) {
      const call = finishCall(settings, { held, completion, inside: false })
      return numberOf((await callWithRetries(settings, call))?.['finished']) === 1
    },

    async release({ delivery, token }) {
      const call = callOf(prefix, 'order_sync_release', [delivery.orderKey, token])
      return numberOf((await callWithRetries(settings, call))?.['released']) === 1
    },

    async read(orderKey) {
      const order = await callWithRetries(settings, callOf(prefix, 'order_sync_read', [orderKey]))
      if (order === undefined) return undefined
      const last = lastProcessed(order)
      const leased = numberOf(order['leased']) === 1
      return { ...(last && { last }), ...(leased && { lease: { token: Number(order['token']) } }) }
    },

    async forget(orderKey) {
      const row = await callOrBusy(settings, callOf(prefix, 'order_sync_forget', [orderKey]), { result: 'busy' })
      return row?.['result'] as ForgetResult
    },

    async ping() {
      const version = numberOf((await callWithRetries(settings, callOf(prefix, 'order_sync_version', [])))?.['version'])
      // A later version keeps the procedures of this release.
      if (version === null || version < MYSQL_SCHEMA_VERSION) throw notMigrated(settings.database)
    },
  }
}

/**
 * Like {@link mysqlStore}, in transactional mode: `context.transaction` is a connection inside a transaction. The writes of
 * `onOrder` through it commit together with the record that the order was processed. The effect happens exactly once,
 * even if a process crashes at any step.
 *
 * Await every query, and rethrow its error: a deadlock makes MySQL roll back everything before it. BEGIN, COMMIT and ROLLBACK,
 * as ORMs send them, become savepoints of this transaction. A statement that would end it, such as CREATE TABLE, throws
 * `ERR_TRANSACTION`. Leave `release()` to the store. Each order in progress holds one connection of the pool. All your tables must
 * use InnoDB.
 *
 * @throws TypeError when an option is unknown, missing or of the wrong type
 * @throws RangeError when an option is out of range
 * @see docs/protocol.md section 7.4
 * @example
 * ```ts
 * import { createOrderSyncHandler, type Credentials } from 'alipayhk-order-sync'
 * import { transactionalMysqlStore } from 'alipayhk-order-sync/stores/mysql'
 * import type { Pool } from 'mysql2/promise'
 *
 * export const createHandler = (credentials: Credentials, pool: Pool) =>
 *   createOrderSyncHandler({
 *     credentials,
 *     store: transactionalMysqlStore({ pool }),
 *     async onOrder(order, { transaction }) {
 *       await transaction.query('INSERT INTO orders (number, status) VALUES (?, ?)', [order.merchantBizNo, order.orderStatus])
 *       return { orderId: order.merchantBizNo }
 *     },
 *   })
 * ```
 */
export function transactionalMysqlStore<Pool extends MysqlPool>(
  options: MysqlStoreOptions<Pool>,
): OrderSyncStore<ConnectionOf<Pool>> {
  const settings = resolveStoreOptions('transactionalMysqlStore', options)
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
      inTransaction(settings, {
        idleSeconds: idleSeconds(leaseMs),
        work: (connection) => work(connection as ConnectionOf<Pool>),
        finishCall: (completion) => finishCall(settings, { held, completion, inside: true }),
      }),
  }
}

/**
 * A process that is frozen in `onOrder` holds the locks of its writes: the server ends its session when it has been idle for
 * much longer than the lease.
 */
function idleSeconds(leaseMs: number): number {
  return Math.min(MAX_WAIT_TIMEOUT_S, Math.max(Math.ceil((2 * leaseMs) / 1_000), 60))
}

/** The greatest `wait_timeout` on every system: 24 days. */
const MAX_WAIT_TIMEOUT_S = 2_147_483

/**
 * Deletes requests that have outlived `responseTtlMs`, and resolves to their number. A store deletes up to 1,000 of them with
 * its first claim and with every 1,000th claim. If that is not enough, run this function in a scheduled job.
 *
 * @see docs/protocol.md section 7.3
 * @example
 * ```ts
 * import { forgetExpired } from 'alipayhk-order-sync/stores/mysql'
 * import { createPool } from 'mysql2/promise'
 *
 * const pool = createPool({ uri: process.env['DATABASE_URL'] ?? 'mysql://127.0.0.1/shop' })
 * await forgetExpired({ pool })
 * ```
 */
export async function forgetExpired(
  options: Pick<MysqlStoreOptions, 'pool' | 'database' | 'queryTimeoutMs'>,
): Promise<number> {
  const settings = resolveStoreOptions('forgetExpired', options)
  const call = callOf(prefixOf(settings.database), 'order_sync_forget_expired', [DELETED_AT_ONCE])
  let total = 0
  for (;;) {
    const deleted = Number((await callWithRetries(settings, call))?.['deleted'])
    total += deleted
    if (deleted < DELETED_AT_ONCE) return total
  }
}

function finishCall(
  { database, responseTtlMs }: Settings,
  { held, completion, inside }: { held: HeldClaim; completion: Completion; inside: boolean },
): string {
  const { orderKey, requestKey, digest, contentDigest, orderModifyTime } = held.delivery
  return callOf(prefixOf(database), 'order_sync_finish', [
    ...[orderKey, requestKey, digest, contentDigest, orderModifyTime, held.token],
    ...[completion.storedResponse, completion.processed, responseTtlMs, inside],
  ])
}

/** If another session holds the lock for long, it is working on this order: the order is busy. */
async function callOrBusy(settings: Settings, call: string, busy: Row): Promise<Row> {
  try {
    return await callWithRetries(settings, call, isDeadlock)
  } catch (error) {
    if (isLockWaitTimeout(error)) return busy
    throw error
  }
}

function lastProcessed(order: NonNullable<Row>) {
  const orderModifyTime = numberOf(order['last_modify_time'])
  const processedAt = numberOf(order['last_processed_at'])
  const storedResponse = textOf(order['last_response'])
  if (orderModifyTime === null || processedAt === null || storedResponse === null) return undefined
  return { orderModifyTime, processedAt, storedResponse }
}

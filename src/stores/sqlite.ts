import { functionWithDefault, type OptionRules, resolveOptions, wholeNumber } from '../option-rules.ts'
import { decide, toClaimResult } from '../policy/idempotency.ts'
import { holds } from './lease.ts'
import {
  assertDriver,
  assertFile,
  createWriter,
  openDatabase,
  retryWhileBusy,
  type SqliteDatabase,
  type SqliteDriver,
} from './sqlite-database.ts'
import type { Delivery, HeldClaim, OrderSyncStore } from './store.ts'

export type { SqliteDatabase, SqliteDriver }

/** Options of {@link sqliteStore}. */
export interface SqliteStoreOptions {
  /** The database file. It is created when it is missing. Not `:memory:`. */
  file: string
  /**
   * The driver that opens the file, by name or as a class. In a bundle, import the class of `better-sqlite3` and pass it:
   * bundlers do not see the import inside this package. @defaultValue `node:sqlite` where the runtime has it, otherwise
   * `better-sqlite3`
   */
  driver?: 'node:sqlite' | 'better-sqlite3' | SqliteDriver | undefined
  /** How long a stored response can be replayed, in milliseconds. Orders are never removed. @defaultValue 604_800_000 (seven days) */
  responseTtlMs?: number | undefined
  /** How long a write waits while another process writes, in milliseconds. The event loop keeps running. @defaultValue 5_000 */
  busyTimeoutMs?: number | undefined
  /** The clock, in milliseconds since the epoch. @defaultValue Date.now */
  now?: (() => number) | undefined
}

const OPTIONS = {
  file: { required: true, assert: assertFile },
  driver: { assert: assertDriver },
  responseTtlMs: wholeNumber(604_800_000, { min: 1 }),
  busyTimeoutMs: wholeNumber(5_000, { min: 0 }),
  now: functionWithDefault(Date.now),
} satisfies OptionRules<SqliteStoreOptions>

/** A {@link sqliteStore}. */
export interface SqliteStore extends OrderSyncStore {
  /** Closes the file. Every call after that rejects. Closing twice is allowed. */
  close(): Promise<void>
}

type OrderRow = { token: number; leased_at: number | null; lease_until: number | null } & (
  | { last_modify_time: number; last_processed_at: number; last_response: string; last_content: string | null }
  | { last_modify_time: null; last_processed_at: null; last_response: null; last_content: null }
)

interface RequestRow {
  digest: string
  response: string | null
}

/** The maximum number of expired requests that a claim deletes. */
const DELETED_AT_ONCE = 1_000

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
  if (typeof options === 'string') {
    throw new TypeError('sqliteStore() takes an object of options: sqliteStore({ file })')
  }
  const { file, driver, responseTtlMs, busyTimeoutMs, now } = resolveOptions('sqliteStore', OPTIONS, options)
  const database = openDatabase(file, driver)
  const write = createWriter(database, file, busyTimeoutMs)
  const deleteExpired = createDeletion(database)

  const findOrder = database.prepare('SELECT * FROM order_sync_orders WHERE order_key = ?')
  const findRequest = database.prepare(
    'SELECT digest, response FROM order_sync_requests WHERE request_key = ? AND expires_at > ?',
  )
  const putRequest = database.prepare(
    `INSERT INTO order_sync_requests (request_key, digest, expires_at) VALUES (?, ?, ?)
     ON CONFLICT (request_key) DO UPDATE SET digest = excluded.digest, response = NULL, expires_at = excluded.expires_at`,
  )
  const putLease = database.prepare(
    `INSERT INTO order_sync_orders (order_key, token, leased_at, lease_until) VALUES (?, ?, ?, ?)
     ON CONFLICT (order_key) DO UPDATE
     SET token = excluded.token, leased_at = excluded.leased_at, lease_until = excluded.lease_until`,
  )
  const putLast = database.prepare(
    'UPDATE order_sync_orders SET lease_until = NULL, last_modify_time = ?, last_processed_at = ?, last_response = ?, last_content = ? WHERE order_key = ?',
  )
  const putResponse = database.prepare(
    'UPDATE order_sync_requests SET response = ?, expires_at = ?, order_key = ? WHERE request_key = ?',
  )
  const dropLast = database.prepare(
    `UPDATE order_sync_orders SET last_modify_time = NULL, last_processed_at = NULL, last_response = NULL, last_content = NULL
     WHERE order_key = ? AND last_modify_time IS NOT NULL`,
  )
  // The digests stay: another content under the same requestId is still a conflict.
  const dropResponses = database.prepare(
    'UPDATE order_sync_requests SET response = NULL, order_key = NULL WHERE order_key = ?',
  )
  const dropLease = database.prepare('UPDATE order_sync_orders SET lease_until = NULL WHERE order_key = ?')
  let claims = 0
  let open = true

  // Some drivers return null for no row.
  const readOrder = (orderKey: string) => (findOrder.get(orderKey) ?? undefined) as OrderRow | undefined

  /** Returns the previous state of the request, and stores its digest. */
  function rememberRequest({ requestKey, digest }: Delivery): RequestRow | undefined {
    const request = (findRequest.get(requestKey, now()) ?? undefined) as RequestRow | undefined
    if (request === undefined) putRequest.run(requestKey, digest, now() + responseTtlMs)
    return request
  }

  function lease(orderKey: string, order: OrderRow | undefined, leaseMs: number): number {
    const token = (order?.token ?? 0) + 1
    const leasedAt = now()
    putLease.run(orderKey, token, leasedAt, leasedAt + leaseMs)
    return token
  }

  /** False when a later claim has the order, or the claim has ended. */
  function isHeld({ delivery, token }: HeldClaim): boolean {
    const order = readOrder(delivery.orderKey)
    return order?.token === token && order.lease_until !== null
  }

  return {
    claim: (delivery, { leaseMs, compareModifyTimeWith }) =>
      write(() => {
        const { orderKey } = delivery
        // The first claim too: a process may end before its thousandth.
        if (claims++ % DELETED_AT_ONCE === 0) deleteExpired(now())
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
          last: order && { orderModifyTime: order.last_modify_time, contentDigest: order.last_content },
          token: decision === 'process' ? lease(orderKey, order, leaseMs) : undefined,
        })
      }),

    finish: (held, { storedResponse, processed }) =>
      write(() => {
        if (!isHeld(held)) return false
        const { orderKey, requestKey, orderModifyTime, contentDigest } = held.delivery
        if (processed) putLast.run(orderModifyTime, now(), storedResponse, contentDigest, orderKey)
        else dropLease.run(orderKey)
        rememberRequest(held.delivery)
        putResponse.run(storedResponse, now() + responseTtlMs, orderKey, requestKey)
        return true
      }),

    release: (held) =>
      write(() => {
        if (!isHeld(held)) return false
        dropLease.run(held.delivery.orderKey)
        return true
      }),

    async read(orderKey) {
      const order = await retryWhileBusy(() => readOrder(orderKey), performance.now() + busyTimeoutMs)
      if (order === undefined) return undefined
      const last = lastProcessed(order)
      return { ...(last && { last }), ...(isLeased(order, now()) && { lease: { token: order.token } }) }
    },

    forget: (orderKey) =>
      write(() => {
        if (isLeased(readOrder(orderKey), now())) return 'busy'
        const changes = changesOf(dropLast.run(orderKey)) + changesOf(dropResponses.run(orderKey))
        return changes === 0 ? 'unknown' : 'forgotten'
      }),

    async ping() {
      await retryWhileBusy(() => readOrder(''), performance.now() + busyTimeoutMs)
    },

    async close() {
      if (open) database.close()
      open = false
    },
  }
}

/**
 * Deletes requests that have outlived `responseTtlMs`, and resolves to their number. A store deletes up to 1,000 of them with
 * its first claim and with every 1,000th claim. If that is not enough, run this function in a scheduled job.
 *
 * @see docs/protocol.md section 7.3
 * @example
 * ```ts
 * import { forgetExpired } from 'alipayhk-order-sync/stores/sqlite'
 *
 * await forgetExpired({ file: './order-sync.db' })
 * ```
 */
export async function forgetExpired(
  options: Pick<SqliteStoreOptions, 'file' | 'driver' | 'busyTimeoutMs' | 'now'>,
): Promise<number> {
  const { file, driver, busyTimeoutMs, now } = resolveOptions('forgetExpired', OPTIONS, options)
  const database = openDatabase(file, driver)
  try {
    const write = createWriter(database, file, busyTimeoutMs)
    const deleteExpired = createDeletion(database)
    let total = 0
    for (;;) {
      const deleted = await write(() => deleteExpired(now()))
      total += deleted
      if (deleted < DELETED_AT_ONCE) return total
    }
  } finally {
    database.close()
  }
}

function createDeletion(database: SqliteDatabase): (at: number) => number {
  const statement = database.prepare(
    `DELETE FROM order_sync_requests WHERE request_key IN
     (SELECT request_key FROM order_sync_requests WHERE expires_at <= ? LIMIT ${DELETED_AT_ONCE})`,
  )
  return (at) => changesOf(statement.run(at))
}

function changesOf(result: unknown): number {
  return Number((result as { changes: number | bigint }).changes)
}

function isLeased(order: OrderRow | undefined, at: number): boolean {
  if (order === undefined || order.lease_until === null) return false
  // A file of an earlier release does not say when the lease began.
  return holds({ leasedAt: order.leased_at ?? 0, expiresAt: order.lease_until }, at)
}

function lastProcessed({ last_modify_time, last_processed_at, last_response }: OrderRow) {
  if (last_modify_time === null) return undefined
  return { orderModifyTime: last_modify_time, processedAt: last_processed_at, storedResponse: last_response }
}

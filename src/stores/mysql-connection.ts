import { HandlerError } from '../errors.ts'
import { hasMethod } from '../option-rules.ts'
import { timeoutError, waitFor } from '../timeout.ts'
import { callOf, firstRow, numberOf, type Row } from './mysql-call.ts'
import { prefixOf } from './mysql-database.ts'
import { explain, isRolledBack, withRetries } from './mysql-errors.ts'
import type { MysqlConnection, MysqlPool } from './mysql-pool.ts'
import type { Completion } from './store.ts'

/** A connection of the pool, until it is given back. */
export interface Borrowed {
  readonly connection: MysqlConnection
  /** Sends one query and resolves to its first row. Rejects when there is no response in time. */
  readonly query: (sql: string, timeoutMs?: number) => Promise<Row>
  /** Closes the connection instead, when something may still run on it. */
  readonly giveBack: (options?: { readonly close: boolean }) => void
}

/**
 * Takes a connection from the pool.
 *
 * @param timeoutMs How long to wait for the connection, and for the response to each query: `mysql2` has no such limits.
 */
export async function borrow(pool: MysqlPool, timeoutMs: number): Promise<Borrowed> {
  const taken = pool.getConnection()
  const connection = await waitFor(
    () => taken,
    { timeoutMs, onTimeout: () => timeoutError('The wait for a connection of the pool', timeoutMs) },
    // A connection that comes later goes back to the pool.
    () => void taken.then((late) => late.release()).catch(ignore),
  )
  // A connection that breaks between queries emits 'error'. The next query fails, which reports it.
  connection.on('error', ignore)
  // Bound now: `lend` replaces the method.
  const query = connection.query.bind(connection)
  return {
    connection,
    query: (sql, limitMs = timeoutMs) => sendQuery(query, sql, limitMs),
    giveBack({ close } = { close: false }) {
      // The listener stays on a closed connection: its socket may still report an error.
      if (close) return closeAtOnce(connection)
      connection.release()
      connection.off('error', ignore)
    },
  }
}

async function sendQuery(query: MysqlConnection['query'], sql: string, timeoutMs: number): Promise<Row> {
  try {
    const [result] = await waitFor(
      // The pool may have other settings, for the queries of the merchant.
      () => query({ sql, rowsAsArray: false, nestTables: false, typeCast: true }),
      { timeoutMs, onTimeout: () => timeoutError('A query to the database', timeoutMs) },
    )
    return firstRow(result)
  } catch (error) {
    // The driver adds the text of the query, which contains the response to the order.
    if (error instanceof Error) Reflect.deleteProperty(error, 'sql')
    throw error
  }
}

/** `destroy()` of `mysql2` waits until the other side closes too: on a silent network, for minutes. */
function closeAtOnce(connection: MysqlConnection): void {
  connection.destroy()
  const socket: unknown = Reflect.get(Object(Reflect.get(connection, 'connection')), 'stream')
  if (hasMethod(socket, 'destroy')) (socket as { destroy(): void }).destroy()
}

function ignore(): void {}

/** Where calls go. */
export interface CallSettings {
  readonly pool: MysqlPool
  readonly database: string | undefined
  readonly queryTimeoutMs: number
}

/** Calls a procedure that is its own transaction, on any connection of the pool. Resolves to the row that it selects. */
export async function callWithRetries(
  settings: CallSettings,
  call: string,
  isTransient?: (error: unknown) => boolean,
): Promise<Row> {
  try {
    return await withRetries(() => callOnce(settings, call), isTransient)
  } catch (error) {
    throw explain(error, settings.database)
  }
}

async function callOnce({ pool, queryTimeoutMs }: CallSettings, call: string): Promise<Row> {
  const { query, giveBack } = await borrow(pool, queryTimeoutMs)
  try {
    const row = await query(call)
    giveBack()
    return row
  } catch (error) {
    giveBack({ close: !isRolledBack(error) })
    throw error
  }
}

/** How a transaction works and ends. */
export interface TransactionSteps {
  /** After how many seconds without a query the server ends the session. */
  readonly idleSeconds: number
  readonly work: (connection: MysqlConnection) => Promise<Completion>
  /** The call that finishes the claim and commits. */
  readonly finishCall: (completion: Completion) => string
}

/** A ROLLBACK takes less than a millisecond. */
const ROLLBACK_TIMEOUT_MS = 200

/** Runs work and finish in one transaction. Resolves to false, and rolls back, when the claim is not held any more. */
export async function inTransaction(settings: CallSettings, steps: TransactionSteps): Promise<boolean> {
  const { pool, database, queryTimeoutMs } = settings
  const prefix = prefixOf(database)
  const { connection, query, giveBack } = await borrow(pool, queryTimeoutMs)
  const call = (text: string) => query(text).catch((error) => Promise.reject(explain(error, database)))
  try {
    await call(callOf(prefix, 'order_sync_begin', [steps.idleSeconds]))
    const completion = await lend(connection, queryTimeoutMs, steps.work)
    const row = await call(steps.finishCall(completion))
    const finished = numberOf(row?.['finished'])
    if (finished === null) throw new HandlerError('ERR_ON_ORDER', TRANSACTION_ENDED)
    giveBack()
    return finished === 1
  } catch (error) {
    // On a silent connection, a ROLLBACK would wait for another timeout. The end of the connection rolls back too.
    await query(callOf(prefix, 'order_sync_rollback', []), ROLLBACK_TIMEOUT_MS).then(
      () => giveBack(),
      () => giveBack({ close: true }),
    )
    throw error
  }
}

const TRANSACTION_ENDED =
  'The transaction ended in "onOrder": leave COMMIT and ROLLBACK to the store, throw the error of a deadlock, and create or alter no table.'

const QUERY_METHODS = ['query', 'execute'] as const
const OWN_METHODS = ['release', 'destroy', 'end'] as const

/**
 * Lends the connection to `onOrder`. Its queries get the timeout too: on a silent network, the driver would wait without a limit.
 */
async function lend<Value>(
  connection: MysqlConnection,
  timeoutMs: number,
  work: (connection: MysqlConnection) => Promise<Value>,
): Promise<Value> {
  const before = [...QUERY_METHODS, ...OWN_METHODS].map((name) => [name, Reflect.get(connection, name)] as const)
  for (const [name, method] of before)
    Reflect.set(connection, name, lentMethod(connection, { name, method, timeoutMs }))
  try {
    return await work(connection)
  } finally {
    for (const [name, method] of before) Reflect.set(connection, name, method)
  }
}

function lentMethod(
  connection: MysqlConnection,
  { name, method, timeoutMs }: { name: string; method: unknown; timeoutMs: number },
): unknown {
  if (typeof method !== 'function') return method
  if (OWN_METHODS.some((own) => own === name)) {
    // If `onOrder` released it, the pool would lend it to another order while our transaction is open.
    return () => {
      throw new Error('context.transaction is released by the store')
    }
  }
  return (...args: unknown[]) =>
    waitFor(() => Reflect.apply(method, connection, args), {
      timeoutMs,
      onTimeout: () => timeoutError('A query of "onOrder"', timeoutMs),
    })
}

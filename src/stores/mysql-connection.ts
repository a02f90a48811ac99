import { hasMethod } from '../option-rules.ts'
import { repeatTransient, timeoutError, waitFor } from '../timeout.ts'
import { firstRow, type Row } from './mysql-call.ts'
import { explain, isRolledBack } from './mysql-errors.ts'
import type { MysqlConnection, MysqlPool } from './mysql-pool.ts'

/** A connection of the pool, until it is given back. */
export interface Borrowed {
  readonly connection: MysqlConnection
  /** Sends one query and resolves to its first row. Rejects when there is no response in time. */
  readonly query: (sql: string, timeoutMs?: number) => Promise<Row>
  /**
   * Closes the connection instead, when something may still run on it. Do not call it in the `try` of the queries: it calls listeners
   * of the merchant. If one throws, the connection may already belong to someone else.
   */
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
    { timeoutMs, onTimeout: () => timeoutError('Waiting for a connection of the pool', timeoutMs) },
    // A connection that the pool returns later goes back to the pool.
    () => void taken.then((late) => late.release()).catch(ignore),
  )
  // A connection that breaks between queries emits 'error'. The next query fails, which reports it.
  connection.on('error', ignore)
  return {
    connection,
    query: (sql, limitMs = timeoutMs) => sendQuery(connection, sql, limitMs),
    giveBack({ close } = { close: false }) {
      // The listener stays on a closed connection: its socket may still report an error.
      if (close) return closeAtOnce(connection)
      connection.release()
      connection.off('error', ignore)
    },
  }
}

async function sendQuery(connection: MysqlConnection, sql: string, timeoutMs: number): Promise<Row> {
  try {
    const [result] = await waitFor(
      // The pool may have other settings, for the queries of the merchant.
      () => connection.query({ sql, rowsAsArray: false, nestTables: false, typeCast: true }),
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
  isTransient: (error: unknown) => boolean = isRolledBack,
): Promise<Row> {
  try {
    return await repeatTransient(() => callOnce(settings, call), isTransient)
  } catch (error) {
    throw explain(error, settings.database)
  }
}

async function callOnce({ pool, queryTimeoutMs }: CallSettings, call: string): Promise<Row> {
  const { query, giveBack } = await borrow(pool, queryTimeoutMs)
  const row = await query(call).catch((error: unknown) => {
    giveBack({ close: !isRolledBack(error) })
    throw error
  })
  giveBack()
  return row
}

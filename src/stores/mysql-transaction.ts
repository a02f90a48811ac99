import { HandlerError } from '../errors.ts'
import { hasMethod } from '../option-rules.ts'
import { timeoutError, waitFor } from '../timeout.ts'
import { callOf, numberOf } from './mysql-call.ts'
import { borrow, type CallSettings } from './mysql-connection.ts'
import { prefixOf } from './mysql-database.ts'
import { explain } from './mysql-errors.ts'
import type { MysqlConnection } from './mysql-pool.ts'
import { createSavepoints, guardQuery, type Savepoints } from './savepoints.ts'
import type { Completion } from './store.ts'

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
  'The transaction ended in "onOrder": leave COMMIT and ROLLBACK to the store, throw the error of a deadlock, and create no table.'

/**
 * Lends a connection to `onOrder`, as an object of its own that is useless after it: a query that comes later would run in the
 * transaction of another order. Queries get the timeout too: on a silent network, the driver would wait without a limit.
 */
async function lend<Value>(
  connection: MysqlConnection,
  timeoutMs: number,
  work: (lent: MysqlConnection) => Promise<Value>,
): Promise<Value> {
  let isOver = false
  const savepoints = createSavepoints({ hasImplicitCommits: true })
  const assertOpen = () => {
    if (isOver) throw new Error('context.transaction was used after "onOrder" had ended')
  }
  const guarded = (name: 'query' | 'execute') => {
    const send = async (...args: unknown[]) =>
      await waitFor(async () => await Reflect.apply(Reflect.get(connection, name), connection, args), {
        timeoutMs,
        onTimeout: () => timeoutError('A query of "onOrder"', timeoutMs),
      })
    const guard = guardQuery(send, savepoints)
    return async (...args: unknown[]) => {
      assertOpen()
      return await guard(...args)
    }
  }
  const query = guarded('query')
  const refuse = () => {
    // The pool would lend the connection to another order while our transaction is open.
    throw new Error('context.transaction is released by the store')
  }
  const lent: MysqlConnection = Object.create(connection, {
    query: { value: query },
    execute: { value: guarded('execute') },
    beginTransaction: { value: async () => void (await query('START TRANSACTION')) },
    commit: { value: async () => void (await query('COMMIT')) },
    rollback: { value: async () => void (await query('ROLLBACK')) },
    // The connection with callbacks, which some ORMs take.
    connection: { value: lendCallbacks(Reflect.get(connection, 'connection'), savepoints, assertOpen) },
    release: { value: refuse },
    destroy: { value: refuse },
    end: { value: refuse },
  })
  try {
    const value = await work(lent)
    savepoints.assertEnded()
    return value
  } finally {
    isOver = true
  }
}

/** The same for the connection with callbacks that is below a promise connection. */
function lendCallbacks(raw: unknown, savepoints: Savepoints, assertOpen: () => void): unknown {
  if (!hasMethod(raw, 'query')) return undefined
  const connection = raw as { query: (...args: unknown[]) => unknown; execute: (...args: unknown[]) => unknown }
  const guarded = (name: 'query' | 'execute') => {
    const guard = guardQuery((...args) => Reflect.apply(connection[name], connection, args), savepoints)
    return (...args: unknown[]) => {
      assertOpen()
      return guard(...args)
    }
  }
  const query = guarded('query')
  return Object.create(connection, {
    query: { value: query },
    execute: { value: guarded('execute') },
    beginTransaction: { value: (callback: unknown) => query('START TRANSACTION', callback) },
    commit: { value: (callback: unknown) => query('COMMIT', callback) },
    rollback: { value: (callback: unknown) => query('ROLLBACK', callback) },
    release: { value: () => {} },
  })
}

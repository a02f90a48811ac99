import { HandlerError } from '../errors.ts'
import { hasMethod } from '../option-rules.ts'
import { timeoutError, waitFor } from '../timeout.ts'
import { callOf, numberOf } from './mysql-call.ts'
import { borrow, type CallSettings } from './mysql-connection.ts'
import { prefixOf } from './mysql-database.ts'
import { explain, isDeadlock } from './mysql-errors.ts'
import type { MysqlConnection } from './mysql-pool.ts'
import { createSavepoints, guardPrepare, guardQuery, type Savepoints } from './savepoints.ts'
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

/** Runs work and finish in one transaction. Resolves to false, and rolls back, if the claim was lost. */
export async function inTransaction(settings: CallSettings, steps: TransactionSteps): Promise<boolean> {
  const { pool, database, queryTimeoutMs } = settings
  const prefix = prefixOf(database)
  const { connection, query, giveBack } = await borrow(pool, queryTimeoutMs)
  const call = (text: string) => query(text).catch((error) => Promise.reject(explain(error, database)))
  let finished: number | null
  try {
    await call(callOf(prefix, 'order_sync_begin', [steps.idleSeconds]))
    const completion = await lend(connection, queryTimeoutMs, steps.work)
    const row = await call(steps.finishCall(completion))
    finished = numberOf(row?.['finished'])
    if (finished === null) throw new HandlerError('ERR_ON_ORDER', TRANSACTION_ENDED)
  } catch (error) {
    // On a silent connection, a ROLLBACK would wait for another timeout. The end of the connection rolls back too.
    await query(callOf(prefix, 'order_sync_rollback', []), ROLLBACK_TIMEOUT_MS).then(
      () => giveBack(),
      () => giveBack({ close: true }),
    )
    throw error
  }
  giveBack()
  return finished === 1
}

const TRANSACTION_ENDED =
  'The transaction ended in "onOrder": leave COMMIT and ROLLBACK to the store, rethrow deadlock errors, and do not run DDL.'

/**
 * Lends a connection to `onOrder`, as a separate object that stops working afterwards: a later query would run in the
 * transaction of another order. Queries get the timeout too: on a silent network, the driver would wait without a limit.
 */
async function lend<Value>(
  connection: MysqlConnection,
  timeoutMs: number,
  work: (lent: MysqlConnection) => Promise<Value>,
): Promise<Value> {
  let over = false
  const isOver = () => over
  const savepoints = createSavepoints('mysql')
  const sender =
    (name: 'query' | 'execute' | 'prepare') =>
    async (...args: unknown[]) => {
      try {
        return await waitFor(async () => await Reflect.apply(Reflect.get(connection, name), connection, args), {
          timeoutMs,
          onTimeout: () => timeoutError('A query of "onOrder"', timeoutMs),
        })
      } catch (error) {
        if (isDeadlock(error)) savepoints.noteRolledBack()
        throw error
      }
    }
  const guard = { savepoints, isOver, sendReplaced: sender('query') }
  const query = guardQuery({ ...guard, send: sender('query') })
  const refuse = () => {
    // The pool would lend the connection to another order while our transaction is open.
    throw new Error('Do not release context.transaction: the store does')
  }
  const lent: MysqlConnection = Object.create(connection, {
    query: { value: query },
    execute: { value: guardQuery({ ...guard, send: sender('execute') }) },
    prepare: { value: guardPrepare({ ...guard, send: sender('prepare') }) },
    beginTransaction: { value: async () => void (await query('START TRANSACTION')) },
    commit: { value: async () => void (await query('COMMIT')) },
    rollback: { value: async () => void (await query('ROLLBACK')) },
    // The connection with callbacks, which some ORMs take.
    connection: { value: lendCallbacks(Reflect.get(connection, 'connection'), savepoints, isOver) },
    release: { value: refuse },
    destroy: { value: refuse },
    end: { value: refuse },
    reset: { value: refuseReset('reset') },
    changeUser: { value: refuseReset('changeUser') },
  })
  try {
    const value = await work(lent)
    savepoints.assertEnded()
    return value
  } finally {
    over = true
  }
}

/** Both methods end the transaction in the server. */
const refuseReset = (name: 'reset' | 'changeUser') => () => {
  throw new Error(`context.transaction has no ${name}(): it would end the transaction of the store`)
}

/** The same for the connection with callbacks that is below a promise connection. */
function lendCallbacks(raw: unknown, savepoints: Savepoints, isOver: () => boolean): unknown {
  if (!hasMethod(raw, 'query')) return undefined
  const connection = raw as object
  const sender =
    (name: 'query' | 'execute' | 'prepare') =>
    (...args: unknown[]) =>
      Reflect.apply(Reflect.get(connection, name), connection, args.map(watching(savepoints)))
  const guard = { savepoints, isOver, sendReplaced: sender('query') }
  const query = guardQuery({ ...guard, send: sender('query') })
  const replaced: Readonly<Record<string | symbol, unknown>> = {
    query,
    execute: guardQuery({ ...guard, send: sender('execute') }),
    prepare: guardPrepare({ ...guard, send: sender('prepare') }),
    beginTransaction: (callback: unknown) => query('START TRANSACTION', callback),
    commit: (callback: unknown) => query('COMMIT', callback),
    rollback: (callback: unknown) => query('ROLLBACK', callback),
    release: () => {},
    reset: refuseReset('reset'),
    changeUser: refuseReset('changeUser'),
    promise: (...args: unknown[]) => Reflect.apply(Reflect.get(connection, 'promise'), lent, args),
  }
  const lent: object = new Proxy(connection, {
    get(target, name) {
      if (Object.hasOwn(replaced, name)) return replaced[name]
      const value: unknown = Reflect.get(target, name)
      // The methods of the driver keep their state in `this`.
      return typeof value === 'function' ? value.bind(target) : value
    },
  })
  return lent
}

/** A callback that notes a deadlock. Other arguments stay. */
const watching = (savepoints: Savepoints) => (argument: unknown) => {
  if (typeof argument !== 'function') return argument
  return (error: unknown, ...results: unknown[]) => {
    if (isDeadlock(error)) savepoints.noteRolledBack()
    return argument(error, ...results)
  }
}

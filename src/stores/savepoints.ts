import { ConfigurationError } from '../errors.ts'
import { hasMethod } from '../option-rules.ts'
import { type Dialect, statementsOf } from './statements.ts'

/** The text to send: the original, another one, or none. */
export type TransactionStep =
  | { readonly kind: 'pass' }
  | { readonly kind: 'replace'; readonly text: string }
  | { readonly kind: 'refuse'; readonly error: ConfigurationError }

/** Watches the statements that `onOrder` sends on the connection of the store. */
export interface Savepoints {
  /** Decides what to send for a text. */
  readonly stepFor: (text: string) => TransactionStep
  /** Throws unless a text may be prepared: a statement that becomes a savepoint depends on when it runs. */
  readonly assertPreparable: (text: string) => void
  /** The database has rolled back the transaction, as MySQL does after a deadlock. Later writes would be kept. */
  readonly noteRolledBack: () => void
  /**
   * Throws if a statement was rejected, even if `onOrder` ignored the error, and if a transaction that `onOrder` began is still
   * open: the writes would be wrong.
   */
  readonly assertEnded: () => void
}

const PASS: TransactionStep = { kind: 'pass' }
/** Has no effect, but the caller gets a result. */
const NOTHING: TransactionStep = { kind: 'replace', text: 'SELECT 1' }

const CONTROL =
  /^(?:begin|start\s+transaction|commit|end|rollback|abort|prepare\s+transaction|set\s+(?:session\s+|local\s+)?transaction|xa)\b/i
const AUTOCOMMIT = /^set\b(?:[\s\S]*?(?:,|@@|\b(?:session|local)[\s.]))?\s*autocommit\s*:?=/i
const BEGIN = /^(?:begin(?:\s+(?:work|transaction|deferred|immediate))?|start\s+transaction)\b/i
const COMMIT = /^(?:commit|end)(?:\s+(?:work|transaction))?$/i
const ROLLBACK = /^(?:rollback|abort)(?:\s+(?:work|transaction))?$/i
const ROLLBACK_TO = /^rollback\s+(?:(?:work|transaction)\s+)?to\b/i
const ISOLATION = /^set\s+(?:session\s+|local\s+)?transaction\b/i
/** The modes that a transaction of the store already has. */
const WEAK_MODES =
  /^(?:[\s,]*(?:isolation\s+level\s+read\s+(?:un)?committed|read\s+write|not\s+deferrable|with\s+consistent\s+snapshot))*[\s,]*$/i

/** Statements that end a transaction in MySQL implicitly. */
const IMPLICIT_COMMIT =
  /^(?:create(?!\s+(?:or\s+replace\s+)?temporary\b)|alter|drop(?!\s+temporary\b)|truncate|rename|lock\s+tables?|unlock\s+tables?|grant|revoke|(?:analyze|optimize|repair|check)\s+(?:local\s+|no_write_to_binlog\s+)?tables?|cache\s+index|load\s+index|install|uninstall|flush|set\s+password)\b/i

const SEVERAL = 'A query has several statements, and one begins or ends a transaction. Send them in separate queries.'
const ROLLED_BACK =
  'A deadlock has rolled it back. Rethrow the error of the deadlock: the peer delivers the order again.'

/**
 * Turns BEGIN, COMMIT and ROLLBACK of an ORM into savepoints of the store's own transaction: the writes of an ORM commit together
 * with the record that the order was processed, or not at all. Rejects statements that cannot become savepoints.
 */
export function createSavepoints(dialect: Dialect): Savepoints {
  let depth = 0
  let isRolledBack = false
  let refused: ConfigurationError | undefined

  return {
    stepFor(text) {
      const { step, depth: next } = isRolledBack ? decideRolledBack(text, dialect) : decide(text, { dialect, depth })
      depth = next
      if (step.kind === 'refuse') refused ??= step.error
      return step
    },
    assertPreparable(text) {
      const { step } = decide(text, { dialect, depth })
      if (step.kind === 'pass' && !isRolledBack) return
      const error = isRolledBack ? refusal(ROLLED_BACK) : undefined
      refused ??=
        error ??
        (step.kind === 'refuse' ? step.error : refusal('Send BEGIN, COMMIT and ROLLBACK as text with query().'))
      throw refused
    },
    noteRolledBack() {
      isRolledBack = true
      depth = 0
    },
    assertEnded() {
      if (refused !== undefined) throw refused
      if (depth > 0)
        throw refusal('A transaction that "onOrder" began was still open when "onOrder" returned: await it.')
    },
  }
}

interface Decision {
  readonly step: TransactionStep
  /** How many transactions of the ORM are open after it. */
  readonly depth: number
}

function decide(text: string, { dialect, depth }: { dialect: Dialect; depth: number }): Decision {
  const stay = (step: TransactionStep): Decision => ({ step, depth })
  const statements = statementsOf(text, dialect)
  if (dialect === 'mysql' && statements.some((statement) => IMPLICIT_COMMIT.test(statement))) {
    return stay(refuse('A statement would commit it, as all DDL does in MySQL. Run it outside "onOrder".'))
  }
  const statement = statements.find(isControl)
  if (statement === undefined) return stay(PASS)
  if (statements.length > 1) return stay(refuse(SEVERAL))
  if (ISOLATION.test(statement)) return stay(refuseModes(statement.replace(ISOLATION, ''), dialect) ?? NOTHING)
  if (BEGIN.test(statement)) {
    const refused = refuseModes(statement.replace(BEGIN, ''), dialect)
    if (refused !== undefined) return stay(refused)
    return { step: { kind: 'replace', text: `SAVEPOINT order_sync_${depth + 1}` }, depth: depth + 1 }
  }
  const isCommit = COMMIT.test(statement)
  if (!isCommit && !ROLLBACK.test(statement)) {
    return stay(refuse(`"${statement.split(/\s+/)[0]}" cannot be used there.`))
  }
  if (depth === 0) {
    return stay(refuse('"onOrder" has no open transaction of its own: leave COMMIT and ROLLBACK to the store.'))
  }
  // After a failed statement, RELEASE fails too, where COMMIT of PostgreSQL would roll back without an error.
  const verb = isCommit ? 'RELEASE SAVEPOINT' : 'ROLLBACK TO SAVEPOINT'
  return { step: { kind: 'replace', text: `${verb} order_sync_${depth}` }, depth: depth - 1 }
}

/** ORMs send ROLLBACK after an error, and would hide the error if that failed. */
function decideRolledBack(text: string, dialect: Dialect): Decision {
  const [statement = '', ...more] = statementsOf(text, dialect)
  const isRollback = more.length === 0 && (ROLLBACK.test(statement) || ROLLBACK_TO.test(statement))
  return { step: isRollback ? NOTHING : refuse(ROLLED_BACK), depth: 0 }
}

function isControl(statement: string): boolean {
  return (CONTROL.test(statement) && !ROLLBACK_TO.test(statement)) || AUTOCOMMIT.test(statement)
}

/** Rejects the modes of a transaction unless it already has them. */
function refuseModes(modes: string, dialect: Dialect): TransactionStep | undefined {
  if (WEAK_MODES.test(modes)) return undefined
  const level = dialect === 'mysql' ? 'has the isolation level of the session' : 'is READ COMMITTED'
  return refuse(`It ${level} and is READ WRITE, and this cannot change.`)
}

function refuse(reason: string): TransactionStep {
  return { kind: 'refuse', error: refusal(reason) }
}

function refusal(reason: string): ConfigurationError {
  const message = `The transaction of "onOrder" cannot be completed. ${reason}`
  return new ConfigurationError('ERR_TRANSACTION', message)
}

type Call = (...args: unknown[]) => unknown

/** How statements reach the driver. */
export interface GuardOptions {
  /** Sends a statement as it is. */
  readonly send: Call
  readonly savepoints: Savepoints
  /** Whether the connection was given back: a statement would run in the transaction of another order. */
  readonly isOver: () => boolean
}

/**
 * Makes a `query` or `execute` of a driver that lets only allowed statements through. The first argument is a text, or an object
 * with `text` (pg) or `sql` (mysql2); the last one may be a callback.
 *
 * @param options `sendReplaced` sends a statement that was replaced: MySQL cannot `execute` a savepoint.
 */
export function guardQuery(options: GuardOptions & { readonly sendReplaced?: Call }): Call {
  const { send, sendReplaced = send, savepoints, isOver } = options
  const sendUnchanged = guardPrepare(options)
  return (...args) => {
    const [first, ...rest] = args
    const text = textOf(first)
    // A query object is sent as it is, or not at all.
    if (text === undefined || isOver() || hasMethod(first, 'submit')) return sendUnchanged(...args)
    const step = savepoints.stepFor(text)
    if (step.kind === 'pass') return send(...args)
    if (step.kind === 'refuse') return fail(step.error, args)
    if (typeof first === 'string') return sendReplaced(step.text, ...rest)
    const member = typeof (first as StatementObject).text === 'string' ? 'text' : 'sql'
    // Without the name of a prepared statement: it belongs to the other text.
    return sendReplaced({ ...(first as StatementObject), [member]: step.text, name: undefined }, ...rest)
  }
}

/** The same for statements that cannot be replaced: a `prepare`, and the query objects of pg. */
export function guardPrepare({ send, savepoints, isOver }: GuardOptions): Call {
  return (...args) => {
    if (isOver()) return fail(new Error('context.transaction was used after "onOrder" had ended'), args)
    const text = textOf(args[0])
    try {
      if (text !== undefined) savepoints.assertPreparable(text)
    } catch (error) {
      return fail(error, args)
    }
    return send(...args)
  }
}

/** Reports an error as the driver would: to the query object, to the callback, or as a rejection. */
function fail(error: unknown, [first, ...rest]: readonly unknown[]): unknown {
  if (hasMethod(first, 'submit')) {
    process.nextTick(() => {
      try {
        ;(first as { handleError?: (error: unknown) => void }).handleError?.(error)
      } catch {
        // An emitter without a listener. The order fails with the same error.
      }
    })
    return first
  }
  const callback = rest.findLast((argument) => typeof argument === 'function')
  if (callback !== undefined) {
    process.nextTick(() => (callback as (error: unknown) => void)(error))
    return undefined
  }
  const rejection = Promise.reject(error)
  // The caller may not await it. The order fails with the same error.
  rejection.catch(() => {})
  return rejection
}

interface StatementObject {
  readonly text?: string
  readonly sql?: string
}

function textOf(statement: unknown): string | undefined {
  if (typeof statement === 'string') return statement
  if (typeof statement !== 'object' || statement === null) return undefined
  const { text, sql } = statement as StatementObject
  return [text, sql].find((value) => typeof value === 'string')
}

import { ConfigurationError } from '../errors.ts'

/** What is sent in place of a statement: the statement itself, another one, or nothing. */
export type TransactionStep =
  | { readonly kind: 'pass' }
  | { readonly kind: 'replace'; readonly text: string }
  | { readonly kind: 'refuse'; readonly error: ConfigurationError }

/** Watches the statements that `onOrder` sends on the connection of the store. */
export interface Savepoints {
  /** What to do with a statement. */
  readonly stepFor: (text: string) => TransactionStep
  /**
   * Throws when a statement was refused, also if `onOrder` has ignored that, and when a transaction that it began has not ended:
   * what it wrote is then not what it meant.
   */
  readonly assertEnded: () => void
}

const PASS: TransactionStep = { kind: 'pass' }

/** Comments and white space at the beginning of a statement. */
const BEFORE = /^(?:\s+|--[^\n]*(?:\n|$)|#[^\n]*(?:\n|$)|\/\*(?!!)[\s\S]*?\*\/)+/
const CONTROL =
  /^(?:begin|start\s+transaction|commit|end|rollback|abort|prepare\s+transaction|set\s+(?:session\s+|local\s+)?transaction|set\s+(?:@@)?(?:session\.|session\s+)?autocommit|xa)\b/i
const BEGIN = /^(?:begin(?:\s+(?:work|transaction|deferred|immediate))?|start\s+transaction)\b/i
const COMMIT = /^(?:commit|end)(?:\s+(?:work|transaction))?$/i
const ROLLBACK = /^(?:rollback|abort)(?:\s+(?:work|transaction))?$/i
const ROLLBACK_TO = /^rollback\s+(?:(?:work|transaction)\s+)?to\b/i
const ISOLATION = /^set\s+(?:session\s+|local\s+)?transaction\b/i
/** What a transaction of the store has anyway. */
const WEAK_MODES =
  /^(?:[\s,]*(?:isolation\s+level\s+read\s+(?:un)?committed|read\s+write|not\s+deferrable|with\s+consistent\s+snapshot))*[\s,]*$/i

/** Statements that end the transaction of MySQL without saying so. */
const IMPLICIT_COMMIT =
  /^(?:(?:create(?!\s+temporary\b)|alter|drop(?!\s+temporary\b)|truncate|rename|lock\s+tables?|unlock\s+tables?|grant|revoke|analyze|optimize|repair|check\s+table|cache\s+index|load\s+index|install|uninstall|flush)\b)/i

/**
 * Turns BEGIN, COMMIT and ROLLBACK of an ORM into savepoints of the store's own transaction: what an ORM commits is committed
 * with the record that the order was processed, or not at all. What cannot be turned is refused.
 *
 * @param hasImplicitCommits Whether DDL ends a transaction (MySQL).
 */
export function createSavepoints({ hasImplicitCommits = false } = {}): Savepoints {
  let depth = 0
  let refused: ConfigurationError | undefined
  const stepFor = (sent: string): TransactionStep => {
    const step = decide(sent)
    if (step.kind === 'refuse') refused ??= step.error
    return step
  }
  const decide = (sent: string): TransactionStep => {
    const text = sent.replace(BEFORE, '').replace(/(?<![\s;])[\s;]+$/, '')
    if (hasImplicitCommits && IMPLICIT_COMMIT.test(text)) {
      return refuse('A statement would have committed it, as every change of a schema does in MySQL. Run it elsewhere.')
    }
    if (!CONTROL.test(text) || ROLLBACK_TO.test(text)) return PASS
    if (text.includes(';')) {
      return refuse('A text had several statements, one of which begins or ends a transaction. Send them one by one.')
    }
    if (ISOLATION.test(text)) return replaceModes(text.replace(ISOLATION, ''))
    if (BEGIN.test(text)) {
      const modes = replaceModes(text.replace(BEGIN, ''))
      if (modes.kind === 'refuse') return modes
      return { kind: 'replace', text: `SAVEPOINT order_sync_${++depth}` }
    }
    const isCommit = COMMIT.test(text)
    if (!isCommit && !ROLLBACK.test(text)) return refuse(`"${text.split(/\s+/)[0]}" cannot be used there.`)
    if (depth === 0) {
      return refuse('"onOrder" has begun no transaction that it could end: leave COMMIT and ROLLBACK to the store.')
    }
    const name = `order_sync_${depth--}`
    // After a failed statement, RELEASE fails too, where COMMIT of PostgreSQL would roll back without an error.
    return { kind: 'replace', text: isCommit ? `RELEASE SAVEPOINT ${name}` : `ROLLBACK TO SAVEPOINT ${name}` }
  }
  return {
    stepFor,
    assertEnded() {
      if (refused !== undefined) throw refused
      if (depth > 0) throw refusal('A transaction that "onOrder" began had not ended when it returned: await it.')
    },
  }
}

function replaceModes(modes: string): TransactionStep {
  return WEAK_MODES.test(modes)
    ? { kind: 'replace', text: 'SELECT 1' }
    : refuse('The transaction of the store is READ COMMITTED and READ WRITE, and cannot become another one.')
}

function refuse(reason: string): TransactionStep {
  return { kind: 'refuse', error: refusal(reason) }
}

function refusal(reason: string): ConfigurationError {
  const message = `The transaction of "onOrder" cannot be completed. ${reason}`
  return new ConfigurationError('ERR_TRANSACTION', message)
}

interface StatementObject {
  readonly text?: unknown
  readonly sql?: unknown
  readonly submit?: unknown
}

/**
 * Makes a `query` or `execute` of a driver that lets only allowed statements through. The first argument is a text, or an object
 * with `text` (pg) or `sql` (mysql2); the last one may be a callback.
 */
export function guardQuery(
  send: (...args: unknown[]) => unknown,
  savepoints: Savepoints,
): (...args: unknown[]) => unknown {
  return (...args) => {
    const [first, ...rest] = args
    const member = typeof first === 'object' && first !== null ? memberOf(first) : undefined
    const text = typeof first === 'string' ? first : member?.text
    if (text === undefined) return send(...args)
    const step = savepoints.stepFor(text)
    if (step.kind === 'pass') return send(...args)
    if (step.kind === 'replace' && typeof first === 'string') return send(step.text, ...rest)
    if (step.kind === 'replace' && member !== undefined && !member.isSubmittable) {
      // Without the name of a prepared statement: it belongs to the other text.
      return send({ ...(first as object), [member.name]: step.text, name: undefined }, ...rest)
    }
    const error =
      step.kind === 'refuse' ? step.error : refusal('Send BEGIN, COMMIT and ROLLBACK as a text, not as a query object.')
    const callback = rest.findLast((argument) => typeof argument === 'function')
    if (callback === undefined) return Promise.reject(error)
    process.nextTick(() => (callback as (error: unknown) => void)(error))
    return undefined
  }
}

function memberOf(statement: StatementObject) {
  const name = typeof statement.text === 'string' ? 'text' : 'sql'
  const text = statement[name]
  return typeof text === 'string' ? { name, text, isSubmittable: typeof statement.submit === 'function' } : undefined
}

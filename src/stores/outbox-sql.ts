import { ConfigurationError } from '../errors.ts'
import type {
  ClaimedOutboxEvent,
  DroppedOutboxEvent,
  NewOutboxEvent,
  OutboxClaim,
  OutboxCompletion,
  OutboxPolicy,
  OutboxStats,
  OutboxStore,
  OutboxStoreOptions,
  StoredOutboxFailure,
} from './outbox-store.ts'

/** A value in a statement. */
export type SqlValue = string | number | null | readonly (string | number)[]

/** A row. Drivers return whole numbers of 64 bits as number, bigint or text, and bytes as text or Buffer. */
export type SqlRow = Readonly<Record<string, unknown>>

/** Sends one statement, with `?` for each value, and resolves to its rows. */
export type Sql = (text: string, values?: readonly SqlValue[]) => Promise<readonly SqlRow[]>

/** Replaces each `?` that stands for a value. The quoted name of a schema or a database may contain others. */
export const replaceMarks = (text: string, replacement: () => string) =>
  text.replace(/"[^"]*"|`[^`]*`|\?/g, (part) => (part === '?' ? replacement() : part))

/** A statement or a part of one, with `?` for each value. */
export interface Statement {
  readonly text: string
  readonly values: readonly SqlValue[]
}

/**
 * What a transaction does: yields its statements, and gets the rows of each. Not a promise: SQLite must run all statements in one turn. In
 * between, the merchant's code would find the file locked by this very process, and block the event loop that would unlock it.
 */
export type Steps<Value> = Generator<Statement, Value, readonly SqlRow[]>

const sql = (text: string, values: readonly SqlValue[] = []): Statement => ({ text, values })

/** Steps without a result. */
export function* stepsOf(statements: readonly Statement[]): Steps<void> {
  for (const statement of statements) yield statement
}

/** Runs the steps of a transaction on a connection. */
export async function runSteps<Value>(steps: Steps<Value>, send: Sql): Promise<Value> {
  let step = steps.next([])
  while (!step.done) step = steps.next(await send(step.value.text, step.value.values))
  return step.value
}

type Keys = readonly string[]
type Ids = readonly number[]

/** Columns of new rows, each with the values of all rows. */
export type Columns = readonly (readonly (string | number)[])[]

/** What the three databases do differently. */
export interface OutboxDatabase {
  /** Runs work in a transaction at READ COMMITTED. Repeats it after a deadlock. */
  readonly transaction: <Value>(work: () => Steps<Value>) => Promise<Value>
  /** Sends statements in the merchant's transaction or, without one, in a transaction of their own. */
  readonly write: (statements: readonly Statement[], merchantTransaction: unknown) => Promise<void>
  /** Milliseconds since the epoch, as an expression. */
  readonly now: () => string
  /** The quoted schema or database and a dot, or nothing. */
  readonly prefix: string
  /** At the end of a SELECT that locks rows. */
  readonly forUpdate: string
  readonly skipLocked: string
  /** At the end of an INSERT: does nothing when the columns have these values already. */
  readonly ignoreDuplicate: (columns: string) => string
  /** Before the assignments that change an order that exists, at the end of its INSERT. */
  readonly onOrderExists: string
  /** Whether such an INSERT can skip rows that exist (`WHERE`), and return the others (`RETURNING`). */
  readonly hasReturning: boolean
  /** What follows a column that must have one of the values: `IN (…)`. */
  readonly inList: (values: Keys | Ids) => Statement
  /** After a table, in an UPDATE or a locking SELECT of rows that an index finds: no other rows are locked. */
  readonly useIndex: (index: 'PRIMARY' | 'order_sync_outbox_due' | 'order_sync_outbox_ended') => string
  /** The columns by which an index sorts events that ended: without a sort, prune reads and locks only what it deletes. */
  readonly endedOrder: string
  /** Deletes the rows with the lowest ids that no other transaction has locked, and returns these columns. @defaultValue reads them first */
  readonly deleteOldest?: ((table: string, columns: string, limit: number) => Statement) | undefined
  /** Deletes the rows with these ids, and locks no others. @defaultValue `DELETE FROM … WHERE id IN (…)` */
  readonly deleteRows?: ((table: string, ids: Ids) => Statement) | undefined
  /** The rows of an INSERT. `select` lists their expressions. It uses each column once, in their order. */
  readonly rowsOf: (columns: Columns, select: (columns: readonly string[]) => string) => Statement
}

/** For databases without array parameters: a `?` for each value. */
export const WITHOUT_ARRAYS: Pick<OutboxDatabase, 'inList' | 'rowsOf'> = {
  inList: (values) => sql(`IN (${values.map(() => '?').join(', ')})`, values),
  rowsOf(columns, select) {
    const [first = []] = columns
    const row = `(${select(columns.map(() => '?'))})`
    return sql(
      `VALUES ${first.map(() => row).join(', ')}`,
      first.flatMap((_, index) => columns.map((column) => column[index] ?? null)),
    )
  },
}

const STATES = { waiting: 1, sent: 2, failed: 3, skipped: 4, stale: 5 } as const

/**
 * The columns that identify an event. Not only `request_id`: an application that reuses an id, or two tenants with the same ids,
 * must not lose an event silently. The peer rejects contradictions.
 */
const EVENT_COLUMNS = 'request_id, order_key, event_time'

/** How many changes of orders one claim reads. */
const MAX_CHANGES = 500
const DELETED_AT_ONCE = 1_000

/** A length of time as a whole number: PostgreSQL refuses a fraction. The sum with the current time is below 2^53. */
const wholeMs = (ms: number) => Math.round(Math.min(ms, 2 ** 52))

/** How a claim leases orders. */
interface Lease {
  /** When the leases end, as an expression. */
  readonly leaseEnd: string
  /** Which event of an order is sent next. */
  readonly policy: OutboxPolicy
}

/** The place of an event among the events of its order. */
interface EventPlace {
  readonly eventTime: number
  readonly id: number
}

/** The outbox in SQL that PostgreSQL, MySQL and SQLite understand. */
export function createSqlOutboxStore(database: OutboxDatabase): Omit<OutboxStore, 'listen'> {
  const { transaction, now, prefix, forUpdate, skipLocked, inList, useIndex } = database
  const byPrimaryKey = useIndex('PRIMARY')
  const events = `${prefix}order_sync_outbox`
  const orders = `${prefix}order_sync_outbox_orders`
  const changes = `${prefix}order_sync_outbox_changes`

  /** A statement that ends with the name of a column, which must have one of the values. */
  const sqlIn = (text: string, values: Keys | Ids) => {
    const list = inList(values)
    return sql(`${text} ${list.text}`, list.values)
  }

  const deleteRows = database.deleteRows ?? ((table: string, ids: Ids) => sqlIn(`DELETE FROM ${table} WHERE id`, ids))

  /** The event of an order that is sent next. */
  const nextFirst = (policy: OutboxPolicy) =>
    policy === 'latest' ? 'event_time DESC, id DESC' : 'event_time ASC, id ASC'

  /** Ends the leases of orders. Each order is then due when its next event is due. */
  const release = (keys: Keys, policy: OutboxPolicy, sent: readonly OutboxCompletion[] = []) => {
    const list = inList(keys)
    const cases = sent.map(({ eventTime }) => `WHEN ? THEN ${Math.trunc(eventTime)}`).join(' ')
    const sentTime = sent.length > 0 ? `, sent_time = CASE order_key ${cases} ELSE sent_time END` : ''
    return sql(
      `UPDATE ${orders} ${byPrimaryKey} SET leased = 0${sentTime}, due_at = (
         SELECT e.due_at FROM ${events} e
         WHERE e.order_key = ${orders}.order_key AND e.state = ${STATES.waiting}
         ORDER BY ${nextFirst(policy)} LIMIT 1
       ) WHERE order_key ${list.text}`,
      [...sent.map(({ orderKey }) => orderKey), ...list.values],
    )
  }

  /** How many orders a claim can lease in addition to those that are due already. */
  function* freeSlots(limit: number): Steps<number> {
    const [row] = yield sql(
      `SELECT COUNT(*) AS found FROM (SELECT 1 FROM ${orders} WHERE due_at <= ${now()} ORDER BY due_at LIMIT ${limit}) due`,
    )
    return limit - Number(row?.['found'])
  }

  function* deleteOldestChanges(limit: number): Steps<readonly SqlRow[]> {
    if (database.deleteOldest !== undefined) return yield database.deleteOldest(changes, 'order_key', limit)
    const oldest = yield sql(
      `SELECT id, order_key FROM ${changes} ${byPrimaryKey} ORDER BY id LIMIT ${limit} ${skipLocked}`,
    )
    if (oldest.length > 0) yield deleteRows(changes, oldest.map(idOf))
    return oldest
  }

  /** Takes the oldest changes, and returns the keys of their orders. */
  function* takeChanges(limit: number): Steps<{ readonly keys: Keys; readonly more: boolean }> {
    const taken = yield* deleteOldestChanges(limit)
    // Sorted, so that two workers cannot deadlock.
    return { keys: [...new Set(taken.map(keyOf))].sort(), more: taken.length === limit }
  }

  /** Creates orders with these values, and changes those that exist. */
  const upsertOrders = (keys: Keys, values: string, assignments: string) => {
    const rows = database.rowsOf([keys], ([key]) => `${key}, ${values}`)
    const insert = `INSERT INTO ${orders} (order_key, due_at, leased, token) ${rows.text}`
    return sql(`${insert} ${database.onOrderExists} ${assignments}`, rows.values)
  }

  /** With the name of the table, which an upsert needs. */
  const isLeased = () => `${orders}.leased = 1 AND ${orders}.due_at > ${now()}`

  /** Leases orders with new events, except those that are leased already: the end of that lease finds the new events. */
  const leaseChanged = (keys: Keys, { leaseEnd, policy }: Lease) =>
    upsertOrders(
      keys,
      `${leaseEnd}, 1, 1`,
      `due_at = ${leaseEnd}, leased = 1, token = ${orders}.token + 1 WHERE NOT (${isLeased()}) RETURNING order_key, token, sent_time, ${nextEvent(policy)}`,
    )

  /** Makes orders with new events due, except those that are leased already. */
  const makeDue = (keys: Keys) =>
    upsertOrders(keys, `${now()}, 0, 0`, `due_at = CASE WHEN ${isLeased()} THEN ${orders}.due_at ELSE ${now()} END`)

  /**
   * The id of the next event of an order, and how many events wait: expressions in a query of orders. If the query waits for a row lock,
   * it can return an event that has been sent meanwhile.
   */
  const nextEvent = (policy: OutboxPolicy) => {
    const waiting = `FROM ${events} n WHERE n.order_key = ${orders}.order_key AND n.state = ${STATES.waiting}`
    const total = policy === 'latest' ? `(SELECT COUNT(*) ${waiting})` : '1'
    return `(SELECT n.id ${waiting} ORDER BY ${nextFirst(policy)} LIMIT 1) AS next_id, ${total} AS total`
  }

  /** Leases orders that are due. */
  function* leaseDue(limit: number, { leaseEnd, policy }: Lease): Steps<readonly SqlRow[]> {
    const due = yield sql(
      `SELECT order_key, token + 1 AS token, sent_time, ${nextEvent(policy)} FROM ${orders} ${useIndex('order_sync_outbox_due')} WHERE due_at <= ${now()} ORDER BY due_at LIMIT ${limit} ${skipLocked}`,
    )
    if (due.length > 0) {
      const assignments = `leased = 1, due_at = ${leaseEnd}, token = token + 1`
      yield sqlIn(`UPDATE ${orders} ${byPrimaryKey} SET ${assignments} WHERE order_key`, due.map(keyOf))
    }
    return due
  }

  /** Leases up to `limit` orders. Orders that are due have precedence over orders with new events. */
  function* leaseOrders(limit: number, lease: Lease): Steps<{ readonly leased: readonly SqlRow[]; more: boolean }> {
    // Without RETURNING, orders with new events become due first.
    const slots = database.hasReturning ? yield* freeSlots(limit) : 0
    const { keys, more } = yield* takeChanges(slots > 0 ? Math.min(slots, MAX_CHANGES) : MAX_CHANGES)
    const changed = keys.length === 0 ? [] : yield slots > 0 ? leaseChanged(keys, lease) : makeDue(keys)
    const left = limit - changed.length
    const leased = left > 0 ? [...changed, ...(yield* leaseDue(left, lease))] : changed
    return { leased, more: more || leased.length === limit }
  }

  /** Reads the next events of orders, by the keys of the orders. */
  function* readNext(leased: readonly SqlRow[]): Steps<ReadonlyMap<string, SqlRow>> {
    const ids = leased.filter((order) => order['next_id'] !== null).map((order) => Number(order['next_id']))
    if (ids.length === 0) return new Map()
    const rows = yield sqlIn(
      `SELECT id, order_key, event_time, request_id, payload, attempts, state,
         ${now()} - created_at AS age_ms, expires_at - ${now()} AS left_ms, due_at - ${now()} AS wait_ms
       FROM ${events} WHERE id`,
      ids,
    )
    // Checked here: with the state in the query, PostgreSQL may read the whole index of waiting events.
    const waiting = rows.filter((row) => Number(row['state']) === STATES.waiting)
    return new Map(waiting.map((row) => [keyOf(row), row]))
  }

  function* claim({ limit, leaseMs, policy, keepSentMs }: Parameters<OutboxStore['claim']>[0]): Steps<OutboxClaim> {
    const { leased, more } = yield* leaseOrders(limit, { leaseEnd: `${now()} + ${wholeMs(leaseMs)}`, policy })
    const nextOf = yield* readNext(leased)
    const sending: ClaimedOutboxEvent[] = []
    const dropped: DroppedOutboxEvent[] = []
    const unleased: string[] = []
    for (const order of leased) {
      const orderKey = keyOf(order)
      const next = nextOf.get(orderKey)
      const sentTime = order['sent_time'] === null ? Number.NEGATIVE_INFINITY : Number(order['sent_time'])
      if (next !== undefined && policy === 'latest' && Number(order['total']) > 1) {
        const before = { eventTime: Number(next['event_time']), id: idOf(next) }
        dropped.push(...(yield* drop(orderKey, { before, reason: 'skipped', keepSentMs })))
      }
      if (next === undefined || Number(next['wait_ms']) > 0) unleased.push(orderKey)
      else if (Number(next['event_time']) < sentTime) {
        const before = { eventTime: sentTime, id: 0 }
        dropped.push(...(yield* drop(orderKey, { before, reason: 'stale', keepSentMs })))
        unleased.push(orderKey)
      } else sending.push(toClaimed(next, orderKey, Number(order['token'])))
    }
    if (unleased.length > 0) yield release(unleased, policy)
    const foundNothing = sending.length === 0 && dropped.length === 0
    return { events: sending, dropped, more: more || (foundNothing && (yield* isAnyDue(unleased))) }
  }

  /** Orders can be due again at once: the query that leased them may have waited for another worker, and read the events as they were before. */
  function* isAnyDue(keys: Keys): Steps<boolean> {
    if (keys.length === 0) return false
    const due = yield sqlIn(`SELECT order_key FROM ${orders} WHERE due_at <= ${now()} AND order_key`, keys)
    return due.length > 0
  }

  /** Ends the waiting events of an order that are before another one. */
  function* drop(
    orderKey: string,
    { before, reason, keepSentMs }: { before: EventPlace; reason: 'skipped' | 'stale'; keepSentMs: number },
  ): Steps<DroppedOutboxEvent[]> {
    const { eventTime, id } = before
    // Not locked: the order is leased, and in MySQL this would wait for the merchant's transactions that enqueue events of it.
    const rows = yield sql(
      `SELECT id, request_id FROM ${events} WHERE state = ${STATES.waiting} AND order_key = ? AND (event_time < ? OR (event_time = ? AND id < ?))`,
      [orderKey, eventTime, eventTime, id],
    )
    if (rows.length > 0) yield end(rows.map(idOf), { set: `state = ${STATES[reason]}`, keepSentMs })
    return rows.map((row) => ({ id: textOf(row['id']), requestId: textOf(row['request_id']), reason }))
  }

  /** Ends events: keeps them for `keepSentMs`, with the assignments of `set`, or deletes them. */
  const end = (ids: Ids, { set, keepSentMs }: { set: string; keepSentMs: number }) =>
    keepSentMs === 0
      ? deleteRows(events, ids)
      : sqlIn(`UPDATE ${events} ${byPrimaryKey} SET ${set}, finished_at = ${now()} WHERE id`, ids)

  function* finish(
    completions: readonly OutboxCompletion[],
    { policy, keepSentMs }: OutboxStoreOptions,
  ): Steps<string[]> {
    const keys = inList(completions.map(({ orderKey }) => orderKey).sort())
    const rows = yield sql(
      `SELECT order_key, token, leased FROM ${orders} ${byPrimaryKey} WHERE order_key ${keys.text} ORDER BY order_key ${forUpdate}`,
      keys.values,
    )
    const leases = new Map(rows.map((row) => [keyOf(row), row]))
    const isCurrent = ({ orderKey, token }: OutboxCompletion) => Number(leases.get(orderKey)?.['token']) === token
    // Without a lease, the completion was recorded before: the response of the database was lost.
    const hasLease = ({ orderKey }: OutboxCompletion) => Number(leases.get(orderKey)?.['leased']) === 1
    const toRecord = completions.filter((completion) => isCurrent(completion) && hasLease(completion))
    const sent = toRecord.filter(({ outcome }) => outcome.kind === 'sent')
    if (sent.length > 0) {
      const ids = sent.map(({ id }) => Number(id))
      yield end(ids, { set: `state = ${STATES.sent}, attempts = attempts + 1, code = NULL`, keepSentMs })
    }
    for (const { id, outcome } of toRecord) {
      if (outcome.kind === 'retry') {
        yield sql(
          `UPDATE ${events} SET attempts = attempts + 1, due_at = ${now()} + ?, code = ? WHERE id = ? AND state = ${STATES.waiting}`,
          [wholeMs(outcome.delayMs), outcome.code, Number(id)],
        )
      } else if (outcome.kind === 'failed') {
        yield sql(
          `UPDATE ${events} SET state = ${STATES.failed}, attempts = attempts + 1, code = ?, finished_at = ${now()} WHERE id = ? AND state = ${STATES.waiting}`,
          [outcome.code, Number(id)],
        )
      }
    }
    if (toRecord.length > 0) {
      const released = toRecord.map(({ orderKey }) => orderKey)
      yield release(released, policy, sent)
    }
    return completions.filter((completion) => !isCurrent(completion)).map(({ id }) => id)
  }

  async function enqueue(list: readonly NewOutboxEvent[], merchantTransaction?: unknown): Promise<void> {
    const columns = [
      list.map(({ orderKey }) => orderKey),
      list.map(({ eventTime }) => eventTime),
      list.map(({ requestId }) => requestId),
      list.map(({ payload }) => payload),
      list.map(({ maxRetryMs }) => wholeMs(maxRetryMs)),
    ]
    const rows = database.rowsOf(
      columns,
      ([key, time, requestId, payload, retryMs]) =>
        `${key}, ${time}, ${requestId}, ${payload}, ${STATES.waiting}, 0, ${now()}, ${now()}, ${now()} + ${retryMs}`,
    )
    const insert = `INSERT INTO ${events} (order_key, event_time, request_id, payload, state, attempts, due_at, created_at, expires_at) ${rows.text} ${database.ignoreDuplicate(EVENT_COLUMNS)}`
    await database.write(
      [sql(insert, rows.values), insertChanges([...new Set(list.map(({ orderKey }) => orderKey))])],
      merchantTransaction,
    )
  }

  /** Only an INSERT: a merchant's transaction must not wait for the row of an order, or lock it. */
  function insertChanges(keys: Keys): Statement {
    const rows = database.rowsOf([keys], ([key]) => `${key}`)
    return sql(`INSERT INTO ${changes} (order_key) ${rows.text}`, rows.values)
  }

  return {
    enqueue,
    claim: (request) => transaction(() => claim(request)),
    finish: (completions, options) => transaction(() => finish(completions, options)),

    stats: () =>
      transaction(function* () {
        // One index for each state: those that were sent are not read.
        const counts = yield sql(
          [STATES.waiting, STATES.failed]
            .map(
              (state) =>
                `SELECT ${state} AS state, COUNT(*) AS found, ${now()} - MIN(created_at) AS oldest_ms FROM ${events} WHERE state = ${state}`,
            )
            .join(' UNION ALL '),
        )
        const [leases] = yield sql(`SELECT COUNT(*) AS found FROM ${orders} WHERE ${isLeased()}`)
        return toStats(counts, leases)
      }),

    failed: ({ limit }) =>
      transaction(function* () {
        const rows = yield sql(
          `SELECT id, order_key, event_time, request_id, payload, attempts, code, finished_at FROM ${events} WHERE state = ${STATES.failed} ORDER BY id LIMIT ${limit}`,
        )
        return rows.map(toFailure)
      }),

    retry: (id, maxRetryMs) =>
      transaction(function* () {
        const row = yield* findFailed(id)
        if (row === undefined) return false
        yield insertChanges([keyOf(row)])
        yield sql(
          `UPDATE ${events} SET state = ${STATES.waiting}, attempts = 0, code = NULL, finished_at = NULL, due_at = ${now()}, expires_at = ${now()} + ? WHERE id = ?`,
          [wholeMs(maxRetryMs), Number(id)],
        )
        return true
      }),

    discard: (id) =>
      transaction(function* () {
        if ((yield* findFailed(id)) === undefined) return false
        yield sql(`DELETE FROM ${events} WHERE id = ?`, [Number(id)])
        return true
      }),

    prune: (keepSentMs) =>
      transaction(function* () {
        const { sent, skipped, stale } = STATES
        const rows = yield sql(
          `SELECT id FROM ${events} ${useIndex('order_sync_outbox_ended')} WHERE state IN (${sent}, ${skipped}, ${stale}) AND finished_at <= ${now()} - ? ORDER BY ${database.endedOrder} LIMIT ${DELETED_AT_ONCE} ${skipLocked}`,
          [wholeMs(keepSentMs)],
        )
        const ids = rows.map(idOf)
        if (ids.length > 0) yield deleteRows(events, ids)
        return ids.length
      }),
  }

  function* findFailed(id: string): Steps<SqlRow | undefined> {
    if (!/^\d{1,18}$/.test(id)) return undefined
    const [row] = yield sql(`SELECT order_key FROM ${events} WHERE id = ? AND state = ${STATES.failed} ${forUpdate}`, [
      Number(id),
    ])
    return row
  }
}

const keyOf = (row: SqlRow) => textOf(row['order_key'])

/** The id of a row: a counter, far below 2^53. */
const idOf = (row: SqlRow) => Number(row['id'])

/** The tables are missing, or of an earlier release. */
export function outboxNotMigrated(call: string, cause: unknown): ConfigurationError {
  const message = `The tables of the outbox are missing in the database or outdated: run ${call} first.`
  return new ConfigurationError('ERR_STORE_NOT_MIGRATED', message, { cause })
}

export function textOf(value: unknown): string {
  return value instanceof Uint8Array ? Buffer.from(value).toString() : String(value)
}

function toClaimed(row: SqlRow, orderKey: string, token: number): ClaimedOutboxEvent {
  return {
    id: textOf(row['id']),
    orderKey,
    token,
    eventTime: Number(row['event_time']),
    requestId: textOf(row['request_id']),
    payload: textOf(row['payload']),
    attempts: Number(row['attempts']),
    ageMs: Number(row['age_ms']),
    retryLeftMs: Number(row['left_ms']),
  }
}

function toFailure(row: SqlRow): StoredOutboxFailure {
  return {
    id: textOf(row['id']),
    orderKey: keyOf(row),
    eventTime: Number(row['event_time']),
    requestId: textOf(row['request_id']),
    payload: textOf(row['payload']),
    attempts: Number(row['attempts']),
    code: textOf(row['code']),
    failedAt: Number(row['finished_at']),
  }
}

function toStats(counts: readonly SqlRow[], leases: SqlRow | undefined): OutboxStats {
  const isWaiting = (row: SqlRow) => Number(row['state']) === STATES.waiting
  const sum = (rows: readonly SqlRow[]) => rows.reduce((total, row) => total + Number(row['found']), 0)
  const waiting = counts.filter(isWaiting)
  const oldest = waiting.filter(({ found }) => Number(found) > 0).map((row) => Number(row['oldest_ms']))
  return {
    waiting: sum(waiting),
    inFlight: Number(leases?.['found'] ?? 0),
    failed: sum(counts.filter((row) => !isWaiting(row))),
    ...(oldest.length > 0 && { oldestWaitingMs: Math.max(0, ...oldest) }),
  }
}

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

/** A statement, with `?` for each value. */
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

/** Statements without results. */
export function* all(statements: readonly Statement[]): Steps<void> {
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

/** `VALUES (?, …), (?, …)`. */
export function valuesList(columns: Columns, select: (columns: readonly string[]) => string): Statement {
  const [first = []] = columns
  const row = `(${select(columns.map(() => '?'))})`
  return {
    text: `VALUES ${first.map(() => row).join(', ')}`,
    values: first.flatMap((_, index) => columns.map((column) => column[index] ?? null)),
  }
}

/** `IN (?, ?)`. */
export const inList = (values: Keys | Ids) => ({ text: `IN (${values.map(() => '?').join(', ')})`, values })

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
  /**
   * Whether such an INSERT can leave rows as they are (`WHERE`), and return the others (`RETURNING`). If so, its columns need the name of
   * the table.
   */
  readonly returning: boolean
  /** What follows a column that must have one of some values, and the values of its `?`. */
  readonly among: (values: Keys | Ids) => { readonly text: string; readonly values: readonly SqlValue[] }
  /** The rows of an INSERT. `select` lists their expressions. It uses each column once, in their order. */
  readonly rowsOf: (columns: Columns, select: (columns: readonly string[]) => string) => Statement
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

/** A length of time as a whole number: PostgreSQL refuses a fraction. The sum with the time of day is below 2^53. */
const wholeMs = (ms: number) => Math.round(Math.min(ms, 2 ** 52))

/** When the leases of a claim end, as an expression, and which events it leases. */
interface Lease {
  readonly leaseEnd: string
  readonly policy: OutboxPolicy
}

/** The outbox in SQL that PostgreSQL, MySQL and SQLite understand. */
export function createSqlOutboxStore(database: OutboxDatabase): Omit<OutboxStore, 'listen'> {
  const { transaction, now, prefix, forUpdate, skipLocked, among } = database
  const events = `${prefix}order_sync_outbox`
  const orders = `${prefix}order_sync_outbox_orders`
  const changes = `${prefix}order_sync_outbox_changes`

  /** The event of an order that is sent next. */
  const nextFirst = (policy: OutboxPolicy) =>
    policy === 'latest' ? 'event_time DESC, id DESC' : 'event_time ASC, id ASC'

  /** Ends the leases of orders. Each order is then due when its next event is due. */
  const release = (keys: Keys, policy: OutboxPolicy, sentTimes: readonly (readonly [string, number])[] = []) => {
    const cases = sentTimes.map(([, time]) => `WHEN ? THEN ${Math.trunc(time)}`).join(' ')
    const sentTime = sentTimes.length > 0 ? `, sent_time = CASE order_key ${cases} ELSE sent_time END` : ''
    return sql(
      `UPDATE ${orders} SET leased = 0${sentTime}, due_at = (
         SELECT e.due_at FROM ${events} e
         WHERE e.order_key = ${orders}.order_key AND e.state = ${STATES.waiting}
         ORDER BY ${nextFirst(policy)} LIMIT 1
       ) WHERE order_key ${among(keys).text}`,
      [...sentTimes.map(([key]) => key), ...among(keys).values],
    )
  }

  /** How many orders a claim can lease beside those that are due already. */
  function* freePlaces(limit: number): Steps<number> {
    const [row] = yield sql(
      `SELECT COUNT(*) AS found FROM (SELECT 1 FROM ${orders} WHERE due_at <= ${now()} ORDER BY due_at LIMIT ${limit}) due`,
    )
    return limit - Number(row?.['found'])
  }

  /**
   * Which event of an order is sent next, and how many wait: expressions in a query of orders. If the query has waited for another worker,
   * the event may be one that this worker has sent.
   */
  const nextEvent = (policy: OutboxPolicy) => {
    const waiting = `FROM ${events} n WHERE n.order_key = ${orders}.order_key AND n.state = ${STATES.waiting}`
    const total = policy === 'latest' ? `(SELECT COUNT(*) ${waiting})` : '1'
    return `(SELECT n.id ${waiting} ORDER BY ${nextFirst(policy)} LIMIT 1) AS next_id, ${total} AS total`
  }

  /**
   * Reads which orders have new events. With places, these orders are leased at once. Otherwise, they become due. An order that is leased
   * already looks for its new events when that lease ends.
   */
  function* takeChanges(
    places: number,
    { leaseEnd, policy }: Lease,
  ): Steps<{ readonly leased: readonly SqlRow[]; more: boolean }> {
    const most = places > 0 ? Math.min(places, MAX_CHANGES) : MAX_CHANGES
    const changed = yield sql(`SELECT id, order_key FROM ${changes} ORDER BY id LIMIT ${most} ${skipLocked}`)
    if (changed.length === 0) return { leased: [], more: false }
    const ids = changed.map(idOf)
    yield sql(`DELETE FROM ${changes} WHERE id ${among(ids).text}`, among(ids).values)
    // Sorted, so that two workers cannot deadlock.
    const keys = [...new Set(changed.map(keyOf))].sort()
    const upsert = (values: string, assignments: string) => {
      const rows = database.rowsOf([keys], ([key]) => `${key}, ${values}`)
      const insert = `INSERT INTO ${orders} (order_key, due_at, leased, token) ${rows.text}`
      return sql(`${insert} ${database.onOrderExists} ${assignments}`, rows.values)
    }
    const stored = (name: string) => (database.returning ? `${orders}.${name}` : name)
    const isHeld = `${stored('leased')} = 1 AND ${stored('due_at')} > ${now()}`
    const leased =
      places > 0
        ? yield upsert(
            `${leaseEnd}, 1, 1`,
            `due_at = ${leaseEnd}, leased = 1, token = ${stored('token')} + 1 WHERE NOT (${isHeld}) RETURNING order_key, token, sent_time, ${nextEvent(policy)}`,
          )
        : yield upsert(`${now()}, 0, 0`, `due_at = CASE WHEN ${isHeld} THEN ${stored('due_at')} ELSE ${now()} END`)
    return { leased, more: changed.length === most }
  }

  /** Leases orders that are due. */
  function* leaseDue(limit: number, { leaseEnd, policy }: Lease): Steps<readonly SqlRow[]> {
    const due = yield sql(
      `SELECT order_key, token + 1 AS token, sent_time, ${nextEvent(policy)} FROM ${orders} WHERE due_at <= ${now()} ORDER BY due_at LIMIT ${limit} ${skipLocked}`,
    )
    if (due.length === 0) return []
    const keys = due.map(keyOf)
    yield sql(
      `UPDATE ${orders} SET leased = 1, due_at = ${leaseEnd}, token = token + 1 WHERE order_key ${among(keys).text}`,
      among(keys).values,
    )
    return due
  }

  function* claim({ limit, leaseMs, policy, keepSentMs }: Parameters<OutboxStore['claim']>[0]): Steps<OutboxClaim> {
    const lease = { leaseEnd: `${now()} + ${wholeMs(leaseMs)}`, policy }
    const places = database.returning ? yield* freePlaces(limit) : 0
    const changed = yield* takeChanges(places, lease)
    const free = limit - changed.leased.length
    const leased = [...changed.leased, ...(free > 0 ? yield* leaseDue(free, lease) : [])]
    const more = changed.more || leased.length === limit
    if (leased.length === 0) return { events: [], dropped: [], more }
    const ids = leased.filter((order) => order['next_id'] !== null).map((order) => Number(order['next_id']))
    const next =
      ids.length === 0
        ? []
        : yield sql(
            `SELECT id, order_key, event_time, request_id, payload, attempts,
               ${now()} - created_at AS age_ms, expires_at - ${now()} AS left_ms, due_at - ${now()} AS wait_ms, state
             FROM ${events} WHERE id ${among(ids).text}`,
            among(ids).values,
          )
    // Checked here: with the state in the query, PostgreSQL may read the whole index of waiting events.
    const waiting = next.filter((row) => Number(row['state']) === STATES.waiting)
    const byKey = new Map(waiting.map((row) => [keyOf(row), row]))
    const sending: ClaimedOutboxEvent[] = []
    const dropped: DroppedOutboxEvent[] = []
    const unleased: string[] = []
    for (const order of leased) {
      const orderKey = keyOf(order)
      const row = byKey.get(orderKey)
      const sentTime = order['sent_time'] === null ? Number.NEGATIVE_INFINITY : Number(order['sent_time'])
      if (row !== undefined && policy === 'latest' && Number(order['total']) > 1) {
        dropped.push(...(yield* drop(orderKey, { than: row, state: 'skipped', keepSentMs })))
      }
      if (row === undefined || Number(row['wait_ms']) > 0) unleased.push(orderKey)
      else if (Number(row['event_time']) < sentTime) {
        const than = { event_time: sentTime, id: 0 }
        dropped.push(...(yield* drop(orderKey, { than, state: 'stale', keepSentMs })))
        unleased.push(orderKey)
      } else sending.push(toClaimed(row, orderKey, Number(order['token'])))
    }
    if (unleased.length > 0) yield release(unleased, policy)
    return { events: sending, dropped, more }
  }

  /** Ends the waiting events of an order that are before another one. */
  function* drop(
    orderKey: string,
    { than, state, keepSentMs }: { than: SqlRow; state: 'skipped' | 'stale'; keepSentMs: number },
  ): Steps<DroppedOutboxEvent[]> {
    const values = [orderKey, Number(than['event_time']), Number(than['event_time']), idOf(than)]
    const before = `state = ${STATES.waiting} AND order_key = ? AND (event_time < ? OR (event_time = ? AND id < ?))`
    // Not locked: the order is leased, and in MySQL this would wait for the merchant's transactions that enqueue events of it.
    const rows = yield sql(`SELECT id, request_id FROM ${events} WHERE ${before}`, values)
    if (rows.length === 0) return []
    yield* end(rows.map(idOf), { set: `state = ${STATES[state]}`, keepSentMs })
    return rows.map((row) => ({ id: textOf(row['id']), requestId: textOf(row['request_id']), reason: state }))
  }

  /** Keeps events that are not sent any more for `keepSentMs`. */
  function* end(ids: Ids, { set, keepSentMs }: { set: string; keepSentMs: number }): Steps<void> {
    const statement = keepSentMs === 0 ? `DELETE FROM ${events}` : `UPDATE ${events} SET ${set}, finished_at = ${now()}`
    yield sql(`${statement} WHERE id ${among(ids).text}`, among(ids).values)
  }

  function* finish(
    completions: readonly OutboxCompletion[],
    { policy, keepSentMs }: OutboxStoreOptions,
  ): Steps<string[]> {
    const keys = completions.map(({ orderKey }) => orderKey).sort()
    const held = yield sql(
      `SELECT order_key, token, leased FROM ${orders} WHERE order_key ${among(keys).text} ORDER BY order_key ${forUpdate}`,
      among(keys).values,
    )
    const leases = new Map(held.map((row) => [keyOf(row), row]))
    const isCurrent = ({ orderKey, token }: OutboxCompletion) => Number(leases.get(orderKey)?.['token']) === token
    // Without a lease, the completion was noted before: the response of the database was lost.
    const kept = completions.filter((one) => isCurrent(one) && Number(leases.get(one.orderKey)?.['leased']) === 1)
    const sent = kept.filter(({ outcome }) => outcome.kind === 'sent')
    if (sent.length > 0) {
      const set = `state = ${STATES.sent}, attempts = attempts + 1, code = NULL`
      yield* end(
        sent.map(({ id }) => Number(id)),
        { set, keepSentMs },
      )
    }
    for (const { id, outcome } of kept) {
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
    if (kept.length > 0) {
      const sentTimes = sent.map(({ orderKey, eventTime }) => [orderKey, eventTime] as const)
      const keptKeys = kept.map(({ orderKey }) => orderKey)
      yield release(keptKeys, policy, sentTimes)
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
        const [leases] = yield sql(`SELECT COUNT(*) AS found FROM ${orders} WHERE leased = 1 AND due_at > ${now()}`)
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
          `SELECT id FROM ${events} WHERE state IN (${sent}, ${skipped}, ${stale}) AND finished_at <= ${now()} - ? ORDER BY finished_at LIMIT ${DELETED_AT_ONCE} ${skipLocked}`,
          [wholeMs(keepSentMs)],
        )
        const ids = rows.map(idOf)
        if (ids.length > 0) yield sql(`DELETE FROM ${events} WHERE id ${among(ids).text}`, among(ids).values)
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

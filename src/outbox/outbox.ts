import type { OrderInput } from '../client/order.ts'
import { completeOrder, toOutgoingOrder } from '../client/order.ts'
import { sha256 } from '../crypto/node.ts'
import type { Order } from '../messages/order.ts'
import { anyValue, assertSignal, assertText, type OptionRules, resolveOptions, wholeNumber } from '../option-rules.ts'
import { formatJsonText, STRICT_JSON } from '../protocol/json.ts'
import type { NewOutboxEvent, OutboxStats } from '../stores/outbox-store.ts'
import { describeStoreFailure } from './bounded-store.ts'
import { type OutboxOptions, resolveOutboxOptions } from './options.ts'
import { createPayloadCodec, type OutboxPayload, readPayload, writePayload } from './payload.ts'
import { createReporter } from './report.ts'
import type { Waker } from './waker.ts'
import { type OutboxRunResult, pruneAll, runWorker } from './worker.ts'

/** An event that is not retried. */
export interface OutboxFailure {
  readonly id: string
  readonly requestId: string
  /** The result code of the peer, or the code of the last error. */
  readonly code: string
  readonly attempts: number
  readonly failedAt: Date
  /** The value that was passed to `enqueue()`. */
  readonly tenant?: string | undefined
  /** Customer data; not enumerable. Undefined when it cannot be decrypted. */
  readonly order?: Order | undefined
}

/** Whether the outbox works, and what it contains. */
export interface OutboxHealth extends Partial<OutboxStats> {
  /** Whether the store responds. */
  readonly ok: boolean
  /** The workers that run in this process. */
  readonly workers: number
  /** How long the store took, in milliseconds. */
  readonly latencyMs: number
  /** What is wrong. */
  readonly message?: string
}

/** Options of `enqueue`. */
export interface EnqueueOptions {
  /**
   * Your own transaction: a client of `pg`, a connection of `mysql2`, a database of `better-sqlite3` or `node:sqlite`. Without it, the
   * event is written in a separate transaction.
   */
  readonly transaction?: unknown
  /**
   * Identifies the merchant, if you send for several merchants. The function `client` receives it. Orders of two tenants are never the
   * same order. @defaultValue none
   */
  readonly tenant?: string | undefined
}

/** Options of `run` and `drain`. */
export interface RunOptions {
  /** How many events are sent at the same time, 1 to 1,000. @defaultValue 10 */
  readonly concurrency?: number | undefined
  /** Ends the run: the worker claims no more events, and waits for the attempts in progress. */
  readonly signal?: AbortSignal | undefined
}

/** The outbox that {@link createOutbox} returns. */
export interface Outbox {
  /**
   * Writes an event. It is sent if your transaction commits, and not if it rolls back. The event is written before the
   * call returns to the event loop, so a synchronous transaction of `better-sqlite3` can contain it.
   *
   * @throws {@link ProtocolError} `ERR_FIELD_INVALID`: the order breaks the protocol
   * @throws the error of your database
   */
  readonly enqueue: (order: OrderInput, options?: EnqueueOptions) => Promise<{ readonly requestId: string }>
  /** Writes up to 1,000 events in one statement. */
  readonly enqueueAll: (
    orders: readonly OrderInput[],
    options?: EnqueueOptions,
  ) => Promise<{ readonly requestIds: readonly string[] }>
  /** Sends events until the signal is aborted. Run it in one or several processes. While the store fails, it waits. */
  readonly run: (options?: RunOptions) => Promise<OutboxRunResult>
  /** Sends the events that are due, and resolves. For scripts and cron. Events whose retry is not due yet stay. Rejects if the store fails. */
  readonly drain: (options?: RunOptions) => Promise<OutboxRunResult>
  readonly stats: () => Promise<OutboxStats>
  /** The events that are not retried, oldest first: at most `limit`, 1 to 1,000. @defaultValue 100 */
  readonly failed: (options?: { readonly limit?: number | undefined }) => Promise<readonly OutboxFailure[]>
  /** Sends a failed event again, with the same `requestId`. Resolves to whether there was one. */
  readonly retry: (id: string) => Promise<boolean>
  /** Deletes a failed event. Resolves to whether there was one. */
  readonly discard: (id: string) => Promise<boolean>
  /** Deletes events that were sent or skipped longer than `keepSentMs` ago, and resolves to their number. A worker does it when it starts, and every minute. */
  readonly prune: () => Promise<number>
  /** Never rejects. */
  readonly health: () => Promise<OutboxHealth>
}

/** The maximum number of events in one statement. */
const MAX_EVENTS = 1_000

const ENQUEUE_RULES = {
  transaction: anyValue(),
  tenant: { assert: assertText },
} satisfies OptionRules<EnqueueOptions>

const RUN_RULES = {
  concurrency: wholeNumber(10, { min: 1 }),
  signal: { assert: assertSignal },
} satisfies OptionRules<RunOptions>

/**
 * Creates a transactional outbox: your own transaction writes an order sync, and a worker sends it after the commit, until the
 * peer has decided. No crash loses an event. Two workers never send the same order at the same time.
 *
 * @throws TypeError, RangeError when an option is wrong
 * @see docs/protocol.md section 6.2
 * @example
 * ```ts
 * import { createOrderSyncClient, type Credentials } from 'alipayhk-order-sync'
 * import { createOutbox } from 'alipayhk-order-sync/outbox'
 * import { migratePostgresOutbox, postgresOutboxStore } from 'alipayhk-order-sync/stores/postgres'
 * import type { Pool } from 'pg'
 *
 * export async function startOutbox(pool: Pool, credentials: Credentials, signal: AbortSignal) {
 *   await migratePostgresOutbox(pool)
 *   const client = createOrderSyncClient({ credentials, environment: 'production' })
 *   const outbox = createOutbox({ store: postgresOutboxStore({ pool }), client })
 *   void outbox.run({ signal })
 *   return outbox
 * }
 * ```
 */
export function createOutbox(options: OutboxOptions): Outbox {
  const settings = resolveOutboxOptions(options)
  const { store, encryptAtRest, randomBytes, randomUUID, maxRetryMs, keepSentMs, allowFractions } = settings
  const codec = createPayloadCodec(encryptAtRest, randomBytes)
  const context = { settings, codec, report: createReporter(settings.onEvent), wakers: new Set<Waker>() }
  const json = { ...STRICT_JSON, allowFractions }

  function toEvent(input: OrderInput, tenant: string | undefined): NewOutboxEvent {
    const { requestId = randomUUID().replaceAll('-', ''), merchantBizType = 'TRADE_ORDER' } = input
    const order = toOutgoingOrder(completeOrder(input, { requestId, merchantBizType }))
    const text = formatJsonText(order, json)
    const identity = { orderKey: keyOf(order, tenant), eventTime: order.orderModifyTime, requestId }
    return { payload: codec.encode(writePayload(text, tenant), identity), maxRetryMs, ...identity }
  }

  async function enqueueAll(orders: readonly OrderInput[], enqueueOptions: EnqueueOptions = {}) {
    const { transaction, tenant } = resolveOptions('outbox.enqueue', ENQUEUE_RULES, enqueueOptions)
    if (orders.length > MAX_EVENTS) throw new RangeError(`At most ${MAX_EVENTS} orders can be enqueued at once`)
    const events = orders.map((order) => toEvent(order, tenant))
    if (events.length > 0) await store.enqueue(events, transaction)
    // The commit of the caller's transaction cannot be observed here.
    if (transaction === undefined) for (const { wake } of context.wakers) wake()
    return { requestIds: events.map(({ requestId }) => requestId) }
  }

  const work = (runOptions: RunOptions, untilEmpty: boolean) => {
    const { concurrency, signal } = resolveOptions<RunOptions, typeof RUN_RULES>('outbox.run', RUN_RULES, runOptions)
    if (concurrency > MAX_EVENTS) throw new RangeError(`"concurrency" must be at most ${MAX_EVENTS}`)
    return runWorker(context, { concurrency, signal, untilEmpty })
  }

  return {
    async enqueue(order, enqueueOptions) {
      const { requestIds } = await enqueueAll([order], enqueueOptions)
      return { requestId: requestIds[0] ?? '' }
    },
    enqueueAll,
    run: async (runOptions = {}) => await work(runOptions, false),
    drain: async (runOptions = {}) => await work(runOptions, true),
    stats: () => store.stats(),

    async failed({ limit = 100 } = {}) {
      if (!Number.isInteger(limit) || limit < 1 || limit > MAX_EVENTS) {
        throw new RangeError(`"limit" must be a whole number from 1 to ${MAX_EVENTS}`)
      }
      const rows = await store.failed({ limit })
      return rows.map(({ payload, failedAt, orderKey, eventTime, ...row }) => {
        const { order, tenant } = tryToRead(() => codec.decode(payload, { ...row, orderKey, eventTime }))
        const failure = { ...row, failedAt: new Date(failedAt), ...(tenant !== undefined && { tenant }) }
        return Object.defineProperty(failure, 'order', { value: order, enumerable: false })
      })
    },

    async retry(id) {
      const found = await store.retry(id, maxRetryMs)
      for (const { wake } of context.wakers) wake()
      return found
    },
    discard: (id) => store.discard(id),

    prune: () => pruneAll(store, keepSentMs),

    async health() {
      const startedAt = performance.now()
      const workers = context.wakers.size
      try {
        const stats = await store.stats()
        return { ok: true, workers, latencyMs: performance.now() - startedAt, ...stats }
      } catch (error) {
        return { ok: false, workers, latencyMs: performance.now() - startedAt, message: describeStoreFailure(error) }
      }
    },
  }
}

/** A hash, so that the column reveals nothing about the order. */
function keyOf({ merchantId, merchantBizType, merchantBizNo }: Order, tenant: string | undefined): string {
  return sha256(JSON.stringify([tenant ?? null, merchantId || null, merchantBizType, merchantBizNo]), 'base64url')
}

function tryToRead(decode: () => string): Partial<OutboxPayload> {
  try {
    return readPayload(decode())
  } catch {
    return {}
  }
}

import { describeFailure, isOrderSyncError } from '../errors.ts'
import type { ClaimedOutboxEvent, OutboxClaim, OutboxStore } from '../stores/outbox-store.ts'
import { traced } from '../telemetry/channels.ts'
import { backOff, timeoutError, withTimeout } from '../timeout.ts'
import { describeStoreFailure } from './bounded-store.ts'
import { decideAttempt } from './decisions.ts'
import { type OutboxEvent, withError } from './event.ts'
import { createFinisher } from './finisher.ts'
import type { OutboxSettings } from './options.ts'
import { type PayloadCodec, readPayload } from './payload.ts'
import { createWaker, type Waker } from './waker.ts'

/** What a worker did. */
export interface OutboxRunResult {
  readonly sent: number
  /** Attempts after which another one follows. */
  readonly retried: number
  readonly failed: number
  /** Events that newer events replaced. */
  readonly dropped: number
}

/** What workers of one outbox share. */
export interface WorkerContext {
  readonly settings: OutboxSettings
  readonly codec: PayloadCodec
  readonly report: (event: OutboxEvent) => void
  /** The workers that run. `enqueue` wakes them. */
  readonly wakers: Set<Waker>
}

/** How one worker runs. */
export interface WorkerOptions {
  readonly concurrency: number
  readonly signal?: AbortSignal | undefined
  /** Ends when nothing is due, instead of waiting. */
  readonly untilEmpty: boolean
}

/** Pauses while the store fails. */
const STORE_PAUSES = { firstMs: 200, maxMs: 30_000 }
const PRUNE_INTERVAL_MS = 60_000

/** Deletes everything that ended longer than `keepSentMs` ago, and resolves to the number of events. */
export async function pruneAll(store: OutboxStore, keepSentMs: number, signal?: AbortSignal): Promise<number> {
  let total = 0
  for (let deleted = 1; deleted > 0 && !signal?.aborted; total += deleted) deleted = await store.prune(keepSentMs)
  return total
}

/** Sends events that are due. Resolves when the signal is aborted and the last attempt has ended. Rejects only in `drain()`, if the store fails. */
export async function runWorker(context: WorkerContext, options: WorkerOptions): Promise<OutboxRunResult> {
  const { settings, report, wakers } = context
  const { concurrency, signal, untilEmpty } = options
  const { store, policy, leaseMs, pollMs, keepSentMs } = settings
  const counts = { sent: 0, retried: 0, failed: 0, dropped: 0 }
  /** Attempts, and attempts whose outcome is being recorded. */
  const running = new Set<Promise<void>>()
  const waker = createWaker()
  const finish = createFinisher(settings, report, signal)
  const send = createSender(context, { finish, counts, signal })
  const listener = untilEmpty ? undefined : store.listen?.(waker.wake)
  /** A claim waits for half of the slots, so that one call claims several events. */
  const minFreeSlots = Math.ceil(concurrency / 2)
  let attempting = 0
  /** Whether the last claim left events that are due. */
  let isBehind = false
  let storeFailures = 0
  let pruning: Promise<void> | undefined
  let pruneAt = performance.now()
  wakers.add(waker)
  signal?.addEventListener('abort', waker.wake)

  async function claim(limit: number): Promise<OutboxClaim | undefined> {
    try {
      const found = await store.claim({ limit, leaseMs, policy, keepSentMs })
      storeFailures = 0
      isBehind = found.more === true
      return found
    } catch (error) {
      if (untilEmpty) throw error
      storeFailures++
      const delayMs = Math.ceil(settings.random() * backOff(Math.min(storeFailures, 20), STORE_PAUSES))
      const message = `${describeStoreFailure(error)} No events are sent until it works.`
      report(withError({ kind: 'unavailable', message, delayMs }, error))
      await waker.wait(delayMs)
      return undefined
    }
  }

  /** Code of the merchant threw in an unexpected place, such as a getter of the client's error. An unhandled rejection would end the process. */
  function reportUndecided(error: unknown): void {
    const message = `The outcome of an attempt is unknown: ${describeFailure(error)}. The event is sent again after its lease, with the same requestId.`
    report(withError({ kind: 'unavailable', message, delayMs: leaseMs }, error))
  }

  async function prune(): Promise<void> {
    try {
      await pruneAll(store, keepSentMs, signal)
    } catch (error) {
      const message = `Events that are older than "keepSentMs" could not be deleted. ${describeStoreFailure(error)}`
      report(withError({ kind: 'unavailable', message, delayMs: PRUNE_INTERVAL_MS }, error))
    } finally {
      pruning = undefined
      pruneAt = performance.now() + PRUNE_INTERVAL_MS
    }
  }

  try {
    while (!signal?.aborted) {
      // During sends, so that a worker that is always busy deletes too.
      if (pruning === undefined && performance.now() >= pruneAt) pruning = prune()
      const claimedAt = performance.now()
      const wasIdle = running.size === 0
      // If more events are due, do not wait until outcomes are recorded, unless there are more than `concurrency` of them.
      const usedSlots = isBehind ? Math.max(attempting, running.size - concurrency) : running.size
      const freeSlots = concurrency - usedSlots
      const found = freeSlots >= minFreeSlots ? await claim(freeSlots) : NOTHING
      if (found === undefined) continue
      for (const { id, requestId, reason } of found.dropped) {
        counts.dropped++
        report({ kind: reason, id, requestId })
      }
      for (const event of found.events) {
        attempting++
        const onAttempted = () => {
          attempting--
          waker.wake()
        }
        const sending: Promise<void> = send(event, claimedAt, onAttempted)
          .catch(reportUndecided)
          .finally(() => {
            running.delete(sending)
            waker.wake()
          })
        running.add(sending)
      }
      if (found.events.length > 0 || found.dropped.length > 0 || found.more) continue
      // If an attempt ended during the claim, its order was still leased for the claim, and can be due now: claim again.
      if (untilEmpty && wasIdle) break
      await waker.wait(pollMs)
    }
  } finally {
    wakers.delete(waker)
    signal?.removeEventListener('abort', waker.wake)
    await Promise.all([...running, pruning])
    await listener?.close()
  }
  return counts
}

const NOTHING: OutboxClaim = { events: [], dropped: [] }

/** The share of the lease that a send may take. The rest is for recording its outcome. */
const SEND_SHARE = 0.8
/** If more of the lease has passed before the send begins, the process was suspended, and another worker may soon claim the order. */
const START_SHARE = 0.5

function createSender(
  { settings, codec, report }: WorkerContext,
  {
    finish,
    counts,
    signal,
  }: {
    readonly finish: ReturnType<typeof createFinisher>
    readonly counts: { sent: number; retried: number; failed: number }
    readonly signal: AbortSignal | undefined
  },
) {
  const { leaseMs, random } = settings

  /** Sends an event, and records the outcome. Calls `onAttempted` between the two. */
  return async (event: ClaimedOutboxEvent, claimedAt: number, onAttempted: () => void): Promise<void> => {
    const { id, orderKey, token, eventTime, requestId } = event
    const elapsed = () => performance.now() - claimedAt
    if (signal?.aborted || elapsed() > leaseMs * START_SHARE) {
      onAttempted()
      await finish({ id, orderKey, token, eventTime, outcome: { kind: 'returned' } }, claimedAt + leaseMs)
      return
    }
    const attempts = event.attempts + 1
    const error = await attempt(event, leaseMs * SEND_SHARE - elapsed())
    onAttempted()
    const retryLeftMs = event.retryLeftMs - elapsed()
    const outcome = decideAttempt(error, { attempts, retryLeftMs }, settings, random())
    const recorded = await finish({ id, orderKey, token, eventTime, outcome }, claimedAt + leaseMs)
    if (recorded === 'fenced') {
      const message =
        'An attempt ended after its lease: the event is sent again, with the same requestId. Check whether "leaseMs" is too short.'
      return report({ kind: 'fenced', id, requestId, message })
    }
    if (outcome.kind === 'sent') {
      counts.sent++
      return report({ kind: 'sent', id, requestId, code: 'SUCCESS', attempts, ageMs: event.ageMs + elapsed() })
    }
    const message = isOrderSyncError(error) ? error.message : `The attempt failed: ${describeFailure(error)}.`
    if (outcome.kind === 'failed') {
      counts.failed++
      return report(withError({ kind: 'failed', id, requestId, code: outcome.code, message, attempts }, error))
    }
    counts.retried++
    const { code, delayMs } = outcome
    report(withError({ kind: 'retry', id, requestId, code, message, attempts, delayMs }, error))
  }

  /** Resolves to the error, if there is one. */
  async function attempt(event: ClaimedOutboxEvent, timeoutMs: number): Promise<unknown> {
    const { requestId, payload, attempts } = event
    try {
      const { order, tenant } = readPayload(codec.decode(payload, event))
      const { client } = settings
      const sender = typeof client === 'function' ? client(order, tenant) : client
      await traced(
        'outbox',
        () => ({ requestId, attempt: attempts + 1 }),
        () =>
          withTimeout((signal) => sender.syncOrder(order, { signal }), {
            timeoutMs,
            onTimeout: () => timeoutError('A send of the outbox', Math.round(timeoutMs)),
          }),
      )
      return undefined
    } catch (error) {
      return error ?? new Error('The client rejected without an error')
    }
  }
}

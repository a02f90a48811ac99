import { setTimeout as sleep } from 'node:timers/promises'
import type { OutboxCompletion } from '../stores/outbox-store.ts'
import { backOff } from '../timeout.ts'
import { describeStoreFailure } from './bounded-store.ts'
import { type OutboxUnavailableEvent, withError } from './event.ts'
import type { OutboxSettings } from './options.ts'

/**
 * The result of recording a completion. `fenced`: the lease was lost. `unknown`: the store failed until the lease ended, and the event is
 * sent again.
 */
export type Recorded = 'recorded' | 'fenced' | 'unknown'

const MAX_BATCH = 200
/** Also after the lease, and when the worker stops. */
const MIN_TRIES = 5
const PAUSES = { firstMs: 50, maxMs: 1_000 }

/** A completion, and when its lease ends, on the clock of `performance.now()`. */
interface Pending {
  readonly completion: OutboxCompletion
  readonly leaseEndsAt: number
  readonly resolve: (recorded: Recorded) => void
}

/**
 * Takes the next completions, each of another event: the store names lost leases by event. Two are of one event if the store failed until
 * its lease ended, and the worker then sent it again.
 */
function takeBatch(pending: Pending[]): readonly Pending[] {
  const ids = new Set<string>()
  for (const { completion } of pending.slice(0, MAX_BATCH)) {
    if (ids.has(completion.id)) break
    ids.add(completion.id)
  }
  return pending.splice(0, ids.size)
}

/**
 * Records completions in the store. While a call runs, it collects further completions for the next call. If the store fails, it tries again
 * until the lease ends: if an outcome is not recorded, the event is sent again. A worker that stops does not wait that long.
 */
export function createFinisher(
  { store, policy, keepSentMs }: Pick<OutboxSettings, 'store' | 'policy' | 'keepSentMs'>,
  report: (event: OutboxUnavailableEvent) => void,
  stopping: AbortSignal | undefined,
): (completion: OutboxCompletion, leaseEndsAt: number) => Promise<Recorded> {
  const pending: Pending[] = []
  let isRunning = false

  async function flush(): Promise<void> {
    if (isRunning) return
    isRunning = true
    // Collect all attempts that end in this turn of the event loop.
    await new Promise((resolve) => setImmediate(resolve))
    while (pending.length > 0) {
      const batch = takeBatch(pending)
      const fenced = await recordWithRetries(batch)
      for (const { completion, resolve } of batch) {
        resolve(fenced === undefined ? 'unknown' : fenced.has(completion.id) ? 'fenced' : 'recorded')
      }
    }
    isRunning = false
  }

  async function recordWithRetries(batch: readonly Pending[]): Promise<ReadonlySet<string> | undefined> {
    const completions = batch.map(({ completion }) => completion)
    const leasesEndAt = Math.max(...batch.map(({ leaseEndsAt }) => leaseEndsAt))
    for (let attempt = 1; ; attempt++) {
      try {
        return new Set(await store.finish(completions, { policy, keepSentMs }))
      } catch (error) {
        const delayMs = backOff(attempt, PAUSES)
        const message = `The outbox store could not record the outcome of ${completions.length} attempts. ${describeStoreFailure(error)}`
        report(withError({ kind: 'unavailable', message, delayMs }, error))
        if (attempt >= MIN_TRIES && (stopping?.aborted || performance.now() + delayMs >= leasesEndAt)) return undefined
        await sleep(delayMs)
      }
    }
  }

  return (completion, leaseEndsAt) =>
    new Promise((resolve) => {
      pending.push({ completion, leaseEndsAt, resolve })
      void flush()
    })
}

import { setTimeout as sleep } from 'node:timers/promises'
import type { OutboxCompletion } from '../stores/outbox-store.ts'
import { backOff } from '../timeout.ts'
import { describeStoreFailure } from './bounded-store.ts'
import { type OutboxUnavailableEvent, withError } from './event.ts'
import type { OutboxSettings } from './options.ts'

/** The result of recording a completion. `unknown`: the store failed, and the event is sent again after its lease. */
export type Noted = 'noted' | 'fenced' | 'unknown'

const MAX_BATCH = 200
const MAX_TRIES = 5
const PAUSES = { firstMs: 50, maxMs: 1_000 }

/** Records completions in the store. While a call runs, it collects further completions for the next call. */
export function createFinisher(
  { store, policy, keepSentMs }: Pick<OutboxSettings, 'store' | 'policy' | 'keepSentMs'>,
  report: (event: OutboxUnavailableEvent) => void,
): (completion: OutboxCompletion) => Promise<Noted> {
  const pending: { readonly completion: OutboxCompletion; readonly resolve: (noted: Noted) => void }[] = []
  let isRunning = false

  async function flush(): Promise<void> {
    if (isRunning) return
    isRunning = true
    // Collect all attempts that end in this turn of the event loop.
    await new Promise((resolve) => setImmediate(resolve))
    while (pending.length > 0) {
      const batch = pending.splice(0, MAX_BATCH)
      const fenced = await noteWithRetries(batch.map(({ completion }) => completion))
      for (const { completion, resolve } of batch) {
        resolve(fenced === undefined ? 'unknown' : fenced.has(completion.id) ? 'fenced' : 'noted')
      }
    }
    isRunning = false
  }

  async function noteWithRetries(completions: readonly OutboxCompletion[]): Promise<ReadonlySet<string> | undefined> {
    for (let attempt = 1; ; attempt++) {
      try {
        return new Set(await store.finish(completions, { policy, keepSentMs }))
      } catch (error) {
        const delayMs = backOff(attempt, PAUSES)
        const message = `The outbox store could not record the outcome of ${completions.length} attempts. ${describeStoreFailure(error)}`
        report(withError({ kind: 'unavailable', message, delayMs }, error))
        if (attempt === MAX_TRIES) return undefined
        await sleep(delayMs)
      }
    }
  }

  return (completion) =>
    new Promise((resolve) => {
      pending.push({ completion, resolve })
      void flush()
    })
}

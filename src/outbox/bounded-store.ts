import { describeFailure, isOrderSyncError } from '../errors.ts'
import type { OutboxStore } from '../stores/outbox-store.ts'
import { isOwnTimeoutError, timeoutError, waitFor } from '../timeout.ts'

/**
 * A store whose calls reject when they take too long: on a network that drops packets silently, a driver can wait forever. If a
 * claim or an outcome is written after the timeout, the lease expires as after a crash of the worker, and the event is sent again.
 *
 * `enqueue` has no timeout here: the merchant's transaction limits it.
 */
export function boundOutboxStore(store: OutboxStore, timeoutMs: number): OutboxStore {
  const bounded = <Value>(method: string, call: () => Promise<Value>): Promise<Value> =>
    waitFor(call, { timeoutMs, onTimeout: () => timeoutError(`${method}() of the outbox store`, timeoutMs) })
  const listen = store.listen?.bind(store)
  return {
    enqueue: (events, transaction) => store.enqueue(events, transaction),
    claim: (request) => bounded('claim', () => store.claim(request)),
    finish: (completions, options) => bounded('finish', () => store.finish(completions, options)),
    stats: () => bounded('stats', () => store.stats()),
    failed: (request) => bounded('failed', () => store.failed(request)),
    retry: (id, maxRetryMs) => bounded('retry', () => store.retry(id, maxRetryMs)),
    discard: (id) => bounded('discard', () => store.discard(id)),
    prune: (keepSentMs) => bounded('prune', () => store.prune(keepSentMs)),
    ...(listen && { listen }),
  }
}

/** Describes a failure of the store. It does not quote foreign errors, which may contain an order or a password. */
export function describeStoreFailure(error: unknown): string {
  if (isOrderSyncError(error)) return error.message
  if (isOwnTimeoutError(error)) return `${error.message}.`
  return `The outbox store failed: ${describeFailure(error)}.`
}

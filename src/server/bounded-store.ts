import { toClaimResult } from '../policy/idempotency.ts'
import type { OrderSyncStore } from '../stores/store.ts'
import { type TraceContexts, traced } from '../telemetry/channels.ts'
import { waitFor } from '../timeout.ts'
import { storeThrew, storeTimedOut } from './failures.ts'

/** A store that has `ping()`. */
export type BoundedStore<Transaction> = OrderSyncStore<Transaction> & Required<Pick<OrderSyncStore, 'ping'>>

/**
 * A store whose calls reject when they take too long, and whose errors name the call. On a network that drops packets
 * silently, a database driver can wait forever, and block the order and its slot.
 *
 * `finishInTransaction` is not bounded here: it contains `onOrder`, and the deadline of the request bounds that.
 */
export function boundStore<Transaction>(
  store: OrderSyncStore<Transaction>,
  timeoutMs: number,
): BoundedStore<Transaction> {
  const named = <Value>(method: string, called: Promise<Value>): Promise<Value> =>
    called.catch((error: unknown) => {
      throw storeThrew(method, error)
    })
  const bounded = <Value>(method: string, call: () => Promise<Value>): Promise<Value> =>
    traced(
      'store',
      () => ({ operation: method }),
      async (context) => {
        const limits = { timeoutMs, onTimeout: () => storeTimedOut(method, timeoutMs) }
        const value = await named(method, waitFor(call, limits))
        if (context !== undefined) noteDecision(context, value)
        return value
      },
    )
  const finishInTransaction = store.finishInTransaction?.bind(store)
  return {
    claim(delivery, options) {
      // Check it: the merchant's own store may return anything.
      const claiming = (async () => toClaimResult(await store.claim(delivery, options)))()
      return bounded('claim', () => claiming).catch((error: unknown) => {
        // A claim that succeeds after the timeout would hold the order until its lease expires: release it.
        claiming
          .then((late) => late.decision === 'process' && store.release({ delivery, token: late.token }))
          .catch(() => {})
        throw error
      })
    },
    finish: (held, completion) => bounded('finish', () => store.finish(held, completion)),
    release: (held) => bounded('release', () => store.release(held)),
    read: (orderKey) => bounded('read', () => store.read(orderKey)),
    forget: (orderKey) => bounded('forget', () => store.forget(orderKey)),
    // Any read shows whether the store can be reached.
    ping: () =>
      bounded(
        store.ping ? 'ping' : 'read',
        async () => void (store.ping ? await store.ping() : await store.read('ping')),
      ),
    ...(finishInTransaction && {
      finishInTransaction: (held, work) =>
        traced(
          'store',
          () => ({ operation: 'finishInTransaction' }),
          () => named('finishInTransaction', (async () => await finishInTransaction(held, work))()),
        ),
    }),
  }
}

function noteDecision(context: TraceContexts['store'], value: unknown): void {
  if (typeof value === 'object' && value !== null && 'decision' in value) context.decision = String(value.decision)
}

import { backOff } from '../timeout.ts'
import { borrow, type PostgresPool } from './postgres-pool.ts'

/** The channel that a commit with new events notifies. */
export const CHANNEL = 'order_sync_outbox'

const RECONNECT = { firstMs: 100, maxMs: 10_000 }

/** How many connections of each pool listen. */
const listeners = new WeakMap<PostgresPool, number>()

/**
 * Keeps one connection that waits for notifications. If it breaks, polling continues, and a new connection is opened. It never takes the
 * last connection of a pool: the worker would wait for another one forever.
 */
export function listen(pool: PostgresPool, wake: () => void): { readonly close: () => Promise<void> } {
  const { max = Number.POSITIVE_INFINITY } = (pool as { options?: { max?: number } }).options ?? {}
  const listening = listeners.get(pool) ?? 0
  if (listening + 1 >= max) return { close: async () => {} }
  listeners.set(pool, listening + 1)
  const stop = new AbortController()
  let release: (() => void) | undefined
  const open = async (attempt: number): Promise<void> => {
    if (stop.signal.aborted) return
    let reconnected = false
    const again = () => {
      if (reconnected) return
      reconnected = true
      release?.()
      const timer = setTimeout(() => void open(attempt + 1), backOff(Math.min(attempt, 10), RECONNECT))
      timer.unref()
    }
    try {
      const { client, giveBack } = await borrow(pool)
      const onNotification = () => {
        attempt = 1
        wake()
      }
      const emitter = client as unknown as {
        on(event: string, listener: () => void): void
        off(event: string, listener: () => void): void
      }
      emitter.on('error', again)
      emitter.on('end', again)
      emitter.on('notification', onNotification)
      release = () => {
        // First: the connection emits 'end' later, which must not release it again, because pg then throws.
        release = undefined
        emitter.off('notification', onNotification)
        // Destroyed: the pool must not lend a connection that listens. The listener of errors stays on it.
        giveBack(true)
      }
      if (stop.signal.aborted) return release()
      await client.query(`LISTEN ${CHANNEL}`)
      // Something may have been committed while the connection was down.
      wake()
    } catch {
      again()
    }
  }
  void open(1)
  return {
    async close() {
      if (stop.signal.aborted) return
      stop.abort()
      listeners.set(pool, (listeners.get(pool) ?? 1) - 1)
      release?.()
    },
  }
}

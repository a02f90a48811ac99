import { createClock } from './clock.ts'
import { requirePeer, textOf } from './peer.ts'
import type { Event, Subject } from './subject.ts'

interface StorageAdapter {
  setIfNotExists(...args: unknown[]): Promise<boolean>
  set(...args: unknown[]): Promise<void>
  get(...args: unknown[]): Promise<string | undefined>
}
type Idempotency = new (
  storage: StorageAdapter,
  options?: object,
) => {
  onRequest(request: object): Promise<{ body?: string; error?: string } | undefined>
  onResponse(request: object, response: object): Promise<void>
}

/**
 * As "usage" of its README, with the storage adapter of that example. Its README leaves the calls around the business logic
 * to the application; `error: your_error` is stored as the response, as it says.
 */
export function nodeIdempotency(): Subject {
  const { Idempotency } = requirePeer<{ Idempotency: Idempotency }>('@node-idempotency/core')
  const { MemoryStorageAdapter } = requirePeer<{ MemoryStorageAdapter: new () => StorageAdapter }>(
    '@node-idempotency/storage-adapter-memory',
  )
  return {
    name: '@node-idempotency/core',
    once() {
      const storage = new MemoryStorageAdapter()
      const clock = createClock()
      return {
        ...{ ordersEvents: false, takesOver: false, storesFailures: true },
        async deliver({ key, content }: Event, effect) {
          // One for each delivery, as in another process. Like our handler, it waits for a request that is in progress.
          const idempotency = new Idempotency(storage, { inProgressStrategy: { wait: true, maxWaitMs: 5_000 } })
          const request = { method: 'POST', headers: { 'idempotency-key': key }, body: content, path: '/orders' }
          const stored = await idempotency.onRequest(request)
          if (stored?.body === undefined && stored?.error) throw new Error(stored.error)
          if (stored?.body !== undefined) return stored.body
          try {
            const body = await effect()
            await idempotency.onResponse(request, { body })
            return body
          } catch (error) {
            await idempotency.onResponse(request, { error: textOf(error) })
            throw error
          }
        },
        pass: clock.pass,
        breakStore() {
          storage.setIfNotExists = () => Promise.reject(new Error('connection refused'))
        },
        close: clock.restore,
      }
    },
  }
}

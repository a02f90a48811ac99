import { beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest'
import { ConfigurationError } from '../../src/errors.ts'
import { boundOutboxStore, describeStoreFailure } from '../../src/outbox/bounded-store.ts'
import type { OutboxStore } from '../../src/public/outbox.ts'
import { fakeStore } from '../support/fake-outbox.ts'
import { rejectionOf } from '../support/thrown.ts'

const OPTIONS = { policy: 'every', keepSentMs: 5 } as const
const request = { ...OPTIONS, limit: 1, leaseMs: 2 }
const sent = { id: '1', orderKey: 'k', token: 1, eventTime: 2, outcome: { kind: 'sent' } } as const

/** Each call with a time limit, and its arguments. */
const CALLS = [
  ['claim', [request]],
  ['finish', [[sent], OPTIONS]],
  ['stats', []],
  ['failed', [{ limit: 3 }]],
  ['retry', ['id', 4]],
  ['discard', ['id']],
  ['prune', [5]],
] as const

/** Calls a method by its name. */
const call = (store: OutboxStore, method: (typeof CALLS)[number][0], args: readonly unknown[]) =>
  (store[method] as (...args: readonly unknown[]) => Promise<unknown>)(...args)

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
  onTestFinished(() => void vi.useRealTimers())
})

describe.each(CALLS)('%s of a bounded store', (method, args) => {
  test('passes its arguments and its result on', async () => {
    const store = fakeStore()
    const result = await call(boundOutboxStore(store, 100), method, args)
    expect(store[method].mock.calls).toEqual([args])
    expect(result).toEqual(await store[method].mock.results[0]?.value)
  })

  test('rejects after its time limit, with its name', async () => {
    const store = { ...fakeStore(), [method]: () => new Promise(() => {}) }
    const rejected = rejectionOf(call(boundOutboxStore(store, 100), method, args))
    await vi.advanceTimersByTimeAsync(99)
    expect(vi.getTimerCount()).toBe(1)
    await vi.advanceTimersByTimeAsync(1)
    expect((await rejected).message).toBe(`${method}() of the outbox store took longer than 100 ms`)
  })
})

test('enqueue has no time limit, and passes the transaction on', async () => {
  const store = fakeStore()
  const transaction = {}
  await boundOutboxStore(store, 100).enqueue([], transaction)
  expect(store.enqueue).toHaveBeenCalledExactlyOnceWith([], transaction)
  store.enqueue.mockReturnValue(new Promise(() => {}))
  void boundOutboxStore(store, 100).enqueue([], transaction)
  expect(vi.getTimerCount()).toBe(0)
})

test('listen is that of the store, with its `this`, and absent if the store has none', () => {
  const wake = () => {}
  const listener = { close: async () => {} }
  const store = {
    ...fakeStore(),
    listener,
    listen(given: () => void) {
      expect(given).toBe(wake)
      return this.listener
    },
  }
  expect(boundOutboxStore(store, 100).listen?.(wake)).toBe(listener)
  expect('listen' in boundOutboxStore(fakeStore(), 100)).toBe(false)
})

test('a failure is described without the text of a foreign error', async () => {
  const error = new ConfigurationError('ERR_STORE_NOT_MIGRATED', 'Run migrateOutbox() first.')
  expect(describeStoreFailure(error)).toBe('Run migrateOutbox() first.')
  const foreign = Object.assign(new TypeError('password=secret'), { code: 'ECONNREFUSED' })
  expect(describeStoreFailure(foreign)).toBe('The outbox store failed: TypeError (code ECONNREFUSED).')
  const bounded = boundOutboxStore({ ...fakeStore(), stats: () => new Promise(() => {}) }, 100)
  const rejected = rejectionOf(bounded.stats())
  await vi.advanceTimersByTimeAsync(100)
  expect(describeStoreFailure(await rejected)).toBe('stats() of the outbox store took longer than 100 ms.')
})

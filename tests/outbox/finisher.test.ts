import { beforeEach, expect, onTestFinished, test, vi } from 'vitest'
import type { OutboxUnavailableEvent } from '../../src/outbox/event.ts'
import { createFinisher } from '../../src/outbox/finisher.ts'
import type { OutboxCompletion } from '../../src/stores/outbox-store.ts'
import { deferred, until } from '../support/deferred.ts'
import { fakeStore } from '../support/fake-outbox.ts'

vi.mock('node:timers/promises', () => import('../support/timers.ts'))

const FAR = 1e9

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] })
  onTestFinished(() => void vi.useRealTimers())
})

function start({ stopping }: { stopping?: AbortSignal } = {}) {
  const store = fakeStore()
  const events: OutboxUnavailableEvent[] = []
  const settings = { store, policy: 'every', keepSentMs: 5 } as const
  const finish = createFinisher(settings, (event) => events.push(event), stopping)
  const batches = () => store.finish.mock.calls.map(([completions]) => completions.map(({ id }) => id))
  return { store, events, batches, finish }
}

const sent = (id: number | string): OutboxCompletion => ({
  ...{ id: String(id), orderKey: 'key', token: 1, eventTime: 2 },
  outcome: { kind: 'sent' },
})

const ids = (first: number, last: number) =>
  Array.from({ length: last - first + 1 }, (_, index) => String(first + index))

test('completions of one turn of the event loop are recorded by one call', async () => {
  const { finish, store } = start()
  store.finish.mockResolvedValue(['2'])
  const noted = await Promise.all([1, 2, 3].map((id) => finish(sent(id), FAR)))
  expect(noted).toEqual(['recorded', 'fenced', 'recorded'])
  expect(store.finish.mock.calls).toEqual([[[sent(1), sent(2), sent(3)], { policy: 'every', keepSentMs: 5 }]])
})

test('completions that come while a call runs are recorded by the next calls, up to 200 by one', async () => {
  const { finish, store, batches } = start()
  const recorded = deferred<readonly string[]>()
  store.finish.mockReturnValueOnce(recorded.promise)
  const first = finish(sent(1), FAR)
  await until(() => store.finish.mock.calls.length === 1)
  const others = ids(2, 402).map((id) => finish(sent(id), FAR))
  for (let turn = 0; turn < 3; turn++) await new Promise((resolve) => setImmediate(resolve))
  expect(batches()).toEqual([['1']])
  recorded.resolve([])
  expect(await first).toBe('recorded')
  expect(new Set(await Promise.all(others))).toEqual(new Set(['recorded']))
  expect(batches()).toEqual([['1'], ids(2, 201), ids(202, 401), ['402']])
})

test('two completions of one event, of a lost lease and of the next one, are recorded by two calls', async () => {
  const { finish, store, batches } = start()
  store.finish.mockResolvedValueOnce(['1'])
  const noted = await Promise.all([finish(sent(1), FAR), finish(sent(2), FAR), finish(sent(1), FAR)])
  expect(noted).toEqual(['fenced', 'recorded', 'recorded'])
  expect(batches()).toEqual([['1', '2'], ['1']])
})

test('two completions of one event that follow each other are recorded by two calls, with those after them', async () => {
  const { finish, batches } = start()
  await Promise.all([finish(sent(1), FAR), finish(sent(1), FAR), finish(sent(2), FAR)])
  expect(batches()).toEqual([['1'], ['1', '2']])
})

test('records a completion that comes when all others are recorded', async () => {
  const { finish, batches } = start()
  expect(await finish(sent(1), FAR)).toBe('recorded')
  expect(await finish(sent(2), FAR)).toBe('recorded')
  expect(batches()).toEqual([['1'], ['2']])
})

test('a failed call is repeated after delays that double up to a second, until the lease ends', async () => {
  const { finish, store, events } = start()
  const at: number[] = []
  const error = new TypeError('password=secret')
  store.finish.mockImplementation(async () => {
    at.push(performance.now() - startedAt)
    throw error
  })
  const startedAt = performance.now()
  // The lease that ends last decides.
  const noted = Promise.all([finish(sent(1), startedAt + 4_000), finish(sent(2), startedAt)])
  await until(() => at.length === 1)
  await vi.advanceTimersByTimeAsync(10_000)
  expect(await noted).toEqual(['unknown', 'unknown'])
  expect(at).toEqual([0, 50, 150, 350, 750, 1_550, 2_550, 3_550])
  expect(events.map(({ delayMs }) => delayMs)).toEqual([50, 100, 200, 400, 800, 1_000, 1_000, 1_000])
  const message = 'The outbox store could not record the outcome of 2 attempts. The outbox store failed: TypeError.'
  expect(events[0]).toEqual({ kind: 'unavailable', message, delayMs: 50 })
  expect(events[0]?.error).toBe(error)
  expect(JSON.stringify(events)).not.toContain('secret')
})

test('is not repeated at the very end of the lease', async () => {
  const { finish, store } = start()
  store.finish.mockRejectedValue(new Error('down'))
  // The sixth try is at 1,550 ms.
  const noted = finish(sent(1), performance.now() + 1_550)
  await until(() => store.finish.mock.calls.length === 1)
  await vi.advanceTimersByTimeAsync(5_000)
  expect(await noted).toBe('unknown')
  expect(store.finish).toHaveBeenCalledTimes(5)
})

test('is repeated four times even if the lease has ended, and its success counts', async () => {
  const { finish, store } = start()
  for (let failures = 0; failures < 4; failures++) store.finish.mockRejectedValueOnce(new Error('down'))
  const noted = finish(sent(1), performance.now())
  await until(() => store.finish.mock.calls.length === 1)
  await vi.advanceTimersByTimeAsync(749)
  expect(store.finish).toHaveBeenCalledTimes(4)
  await vi.advanceTimersByTimeAsync(1)
  expect(await noted).toBe('recorded')
  expect(store.finish).toHaveBeenCalledTimes(5)
})

test('a worker that stops repeats a failed call four times, however long its lease is', async () => {
  const stop = new AbortController()
  const { finish, store } = start({ stopping: stop.signal })
  store.finish.mockRejectedValue(new Error('down'))
  const noted = finish(sent(1), FAR)
  await until(() => store.finish.mock.calls.length === 1)
  stop.abort()
  await vi.advanceTimersByTimeAsync(750)
  expect(await noted).toBe('unknown')
  expect(store.finish).toHaveBeenCalledTimes(5)
})

test('a worker that does not stop repeats a failed call until the lease ends', async () => {
  const { finish, store } = start({ stopping: new AbortController().signal })
  store.finish.mockRejectedValue(new Error('down'))
  void finish(sent(1), FAR)
  await until(() => store.finish.mock.calls.length === 1)
  await vi.advanceTimersByTimeAsync(60_000)
  expect(store.finish.mock.calls.length).toBeGreaterThan(50)
})

test('a batch that could not be recorded does not keep the next one', async () => {
  const { finish, store, batches } = start()
  for (let failures = 0; failures < 5; failures++) store.finish.mockRejectedValueOnce(new Error('down'))
  const first = finish(sent(1), 0)
  await until(() => store.finish.mock.calls.length === 1)
  const second = finish(sent(2), 0)
  await vi.advanceTimersByTimeAsync(750)
  expect(await Promise.all([first, second])).toEqual(['unknown', 'recorded'])
  expect(batches()).toEqual([['1'], ['1'], ['1'], ['1'], ['1'], ['2']])
})

import * as diagnostics from 'node:diagnostics_channel'
import { getEventListeners } from 'node:events'
import { beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest'
import { DeliveryError, OrderRefusedError } from '../../src/errors.ts'
import type { OutboxClaim, OutboxOptions } from '../../src/public/outbox.ts'
import { createTestOrder } from '../../src/testing/test-order.ts'
import { deferred } from '../support/deferred.ts'
import { claimed, claimOf, fakeClient, fakeOutbox } from '../support/fake-outbox.ts'
import { rejectionOf } from '../support/thrown.ts'

vi.mock('node:timers/promises', () => import('../support/timers.ts'))

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] })
  onTestFinished(() => void vi.useRealTimers())
})

/** Lets everything happen that needs no timer. */
const settle = async () => {
  for (let turn = 0; turn < 10; turn++) await new Promise((resolve) => setImmediate(resolve))
}

/** Lets time pass, and then everything happen that needs no timer. */
async function pass(ms: number): Promise<void> {
  await vi.advanceTimersByTimeAsync(ms)
  await settle()
}

const later = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms))

/** An outbox with a worker that runs until the end of the test. */
function running(options: Parameters<typeof fakeOutbox>[0] & { concurrency?: number } = {}) {
  const { concurrency, ...more } = options
  const fake = fakeOutbox(more)
  const stop = new AbortController()
  const result = fake.outbox.run({ signal: stop.signal, concurrency })
  onTestFinished(async () => {
    stop.abort()
    // Longer than a send or the recording of its outcome can take.
    for (let minute = 0; minute < 4; minute++) await pass(60_000)
    await result
  })
  return { ...fake, stop, result }
}

const noResponse = () => {
  throw new DeliveryError('ERR_NETWORK', 'No response.', { requestId: 'r' })
}

/** Sends that the test ends, one after the other. */
function pendingSends() {
  const ends: (() => void)[] = []
  const client = fakeClient(() => new Promise<void>((resolve) => ends.push(resolve)))
  return { client, ends }
}

describe('the outcome of an attempt', () => {
  const fields = { id: '1', orderKey: 'key-1', token: 7, eventTime: 1_716_342_180_000 }

  async function drainOne(respond: () => unknown, changes: Partial<OutboxOptions> = {}, event = claimed('1')) {
    const client = fakeClient(respond)
    const fake = fakeOutbox({ claims: [claimOf(event)], client, policy: 'every', keepSentMs: 9, ...changes })
    const result = fake.outbox.drain()
    await settle()
    await pass(100)
    return { ...fake, result: await result, finished: fake.store.finish.mock.calls, client }
  }

  test('"sent" is recorded and reported, with the age of the event', async () => {
    const { result, finished, events } = await drainOne(() => later(100), {}, claimed('1', { attempts: 2 }))
    expect(result).toEqual({ sent: 1, retried: 0, failed: 0, dropped: 0 })
    expect(finished).toEqual([[[{ ...fields, outcome: { kind: 'sent' } }], { policy: 'every', keepSentMs: 9 }]])
    expect(events).toEqual([{ kind: 'sent', id: '1', requestId: 'r-1', code: 'SUCCESS', attempts: 3, ageMs: 5_100 }])
  })

  test('"retry" is recorded and reported, with an error that loggers do not show', async () => {
    const { result, finished, events } = await drainOne(noResponse, {}, claimed('1', { attempts: 1 }))
    expect(result).toEqual({ sent: 0, retried: 1, failed: 0, dropped: 0 })
    expect(finished[0]?.[0]).toEqual([{ ...fields, outcome: { kind: 'retry', delayMs: 1_000, code: 'ERR_NETWORK' } }])
    const expected = { kind: 'retry', id: '1', requestId: 'r-1', code: 'ERR_NETWORK', message: 'No response.' }
    expect(events).toEqual([{ ...expected, attempts: 2, delayMs: 1_000 }])
    const [event] = events
    expect(event).toHaveProperty('error', expect.any(DeliveryError))
    expect(Object.keys(event ?? {})).not.toContain('error')
  })

  test('"failed" is recorded and reported, with an error that loggers do not show', async () => {
    const { result, finished, events } = await drainOne(() => {
      throw new OrderRefusedError('PROCESS_FAIL', 'Sold out')
    })
    expect(result).toEqual({ sent: 0, retried: 0, failed: 1, dropped: 0 })
    expect(finished[0]?.[0]).toEqual([{ ...fields, outcome: { kind: 'failed', code: 'PROCESS_FAIL' } }])
    const message = 'The order was refused with PROCESS_FAIL.'
    expect(events).toEqual([{ kind: 'failed', id: '1', requestId: 'r-1', code: 'PROCESS_FAIL', message, attempts: 1 }])
    expect(events[0]).toHaveProperty('error', expect.any(OrderRefusedError))
  })

  test.each<[string, unknown, string]>([
    ['a foreign error', new TypeError('secret'), 'The attempt failed: TypeError.'],
    ['undefined', undefined, 'The attempt failed: Error.'],
    ['null', null, 'The attempt failed: Error.'],
  ])('is "retry" if the client rejects with %s', async (_, error, message) => {
    const { events } = await drainOne(() => Promise.reject(error))
    expect(events).toMatchObject([{ kind: 'retry', message }])
  })

  test('has an error in its event, even if the client rejects without one', async () => {
    const { events } = await drainOne(() => Promise.reject())
    expect(events[0]).toHaveProperty('error', new Error('The client rejected without an error'))
  })

  test('is "failed" if the time of the event ends during the attempt', async () => {
    const slowly = () => new Promise<never>((_, reject) => setTimeout(reject, 100, new TypeError()))
    const ended = await drainOne(slowly, {}, claimed('1', { retryLeftMs: 100 }))
    expect(ended.events).toMatchObject([{ kind: 'failed', code: 'TypeError' }])
    const inTime = await drainOne(slowly, {}, claimed('1', { retryLeftMs: 101 }))
    expect(inTime.events).toMatchObject([{ kind: 'retry', delayMs: 1 }])
  })

  test('is not reported as "sent" if the lease was lost', async () => {
    const fake = fakeOutbox({ claims: [claimOf(claimed('1'))] })
    fake.store.finish.mockResolvedValue(['1'])
    expect(await fake.outbox.drain()).toEqual({ sent: 0, retried: 0, failed: 0, dropped: 0 })
    const message =
      'An attempt ended after its lease: the event is sent again, with the same requestId. Check whether "leaseMs" is too short.'
    expect(fake.events).toEqual([{ kind: 'fenced', id: '1', requestId: 'r-1', message }])
  })

  test('is unknown if the error of the client cannot be read: the worker continues', async () => {
    const unreadable = Object.defineProperty({}, 'name', {
      get() {
        throw new TypeError('of the getter')
      },
    })
    const client = fakeClient((order) => (order.merchantBizNo === '1' ? Promise.reject(unreadable) : undefined))
    const { outbox, events } = fakeOutbox({ claims: [claimOf(claimed('1'), claimed('2'))], client, leaseMs: 1_000 })
    expect(await outbox.drain()).toMatchObject({ sent: 1 })
    const message =
      'The outcome of an attempt is unknown: TypeError. The event is sent again after its lease, with the same requestId.'
    expect(events.filter(({ kind }) => kind === 'unavailable')).toEqual([
      { kind: 'unavailable', message, delayMs: 1_000 },
    ])
  })
})

test('an event is sent by the client of its order and its tenant', async () => {
  const client = fakeClient()
  const choose = vi.fn(() => client)
  const payload = '{"tenant":"shop-2","order":{"merchantBizNo":"A"}}'
  const { outbox } = fakeOutbox({ claims: [claimOf(claimed('1', { payload }))], client: choose })
  await outbox.drain()
  expect(choose.mock.calls).toEqual([[{ merchantBizNo: 'A' }, 'shop-2']])
  expect(client.syncOrder.mock.calls).toEqual([[{ merchantBizNo: 'A' }, { signal: expect.any(AbortSignal) }]])
})

test('an order that cannot be decrypted is retried: a person can add the key', async () => {
  const payload = 'A256GCM.id.iv.tag.text'
  const { outbox, client, events } = fakeOutbox({ claims: [claimOf(claimed('1', { payload }))] })
  expect(await outbox.drain()).toMatchObject({ retried: 1 })
  expect(client.syncOrder).not.toHaveBeenCalled()
  expect(events).toMatchObject([{ kind: 'retry', code: 'ERR_OUTBOX_KEY' }])
})

test('events that are not sent are counted and reported', async () => {
  const dropped = [
    { id: '1', requestId: 'r-1', reason: 'skipped' },
    { id: '2', requestId: 'r-2', reason: 'stale' },
  ] as const
  const { outbox, store, events } = fakeOutbox({ claims: [{ events: [], dropped }] })
  expect(await outbox.drain()).toEqual({ sent: 0, retried: 0, failed: 0, dropped: 2 })
  expect(events).toEqual([
    { kind: 'skipped', id: '1', requestId: 'r-1' },
    { kind: 'stale', id: '2', requestId: 'r-2' },
  ])
  // More may be due behind them.
  expect(store.claim).toHaveBeenCalledTimes(2)
})

test('a subscriber of the tracing channel sees each attempt', async () => {
  const seen: unknown[] = []
  const channel = diagnostics.channel('tracing:alipayhk-order-sync:outbox:start')
  const subscriber = (context: unknown) => void seen.push({ ...(context as object) })
  channel.subscribe(subscriber)
  onTestFinished(() => void channel.unsubscribe(subscriber))
  await fakeOutbox({ claims: [claimOf(claimed('1', { attempts: 2 }))] }).outbox.drain()
  expect(seen).toMatchObject([{ requestId: 'r-1', attempt: 3 }])
})

describe('the time of a lease', () => {
  test.each([
    [0, 800],
    [100, 700],
    [500, 300],
  ])('a send after a claim of %i ms is aborted after %i ms: at 80 % of the lease', async (claimMs, sendMs) => {
    const client = fakeClient(() => new Promise(() => {}))
    const { store } = fakeOutbox()
    store.claim.mockImplementationOnce(async () => {
      if (claimMs > 0) await later(claimMs)
      return claimOf(claimed('1'))
    })
    const { events } = running({ store, client, leaseMs: 1_000 })
    await settle()
    await pass(claimMs)
    const signal = client.syncOrder.mock.calls[0]?.[1]?.signal
    await pass(sendMs - 1)
    expect(signal?.aborted).toBe(false)
    await pass(1)
    expect(signal?.reason).toMatchObject({ message: `A send of the outbox took longer than ${sendMs} ms` })
    expect(events).toMatchObject([{ kind: 'retry', code: 'TimeoutError' }])
  })

  test('an event is given back, and not sent, if more than half of its lease has passed', async () => {
    const { outbox, store, client, events } = fakeOutbox({ leaseMs: 1_000 })
    store.claim.mockImplementationOnce(async () => {
      await later(501)
      return claimOf(claimed('1'))
    })
    const result = outbox.drain()
    await settle()
    await pass(501)
    expect(await result).toEqual({ sent: 0, retried: 0, failed: 0, dropped: 0 })
    expect(client.syncOrder).not.toHaveBeenCalled()
    const { id, orderKey, token, eventTime } = claimed('1')
    const completion = { id, orderKey, token, eventTime, outcome: { kind: 'returned' } }
    expect(store.finish.mock.calls.map(([completions]) => completions)).toEqual([[completion]])
    expect(events).toEqual([])
  })

  test.each([
    ['an outcome', 0, [0, 50, 150, 350, 750, 1_550, 2_550, 3_550, 4_550]],
    ['an event that is given back', 2_600, [2_600, 2_650, 2_750, 2_950, 3_350, 4_150]],
  ])('%s is recorded until the end of the lease, which begins with the claim', async (_, claimMs, tries) => {
    const { store } = fakeOutbox()
    store.claim.mockImplementationOnce(async () => {
      if (claimMs > 0) await later(claimMs)
      return claimOf(claimed('1'))
    })
    const at: number[] = []
    const startedAt = performance.now()
    store.finish.mockImplementation(async () => {
      at.push(performance.now() - startedAt)
      throw new Error('down')
    })
    running({ store, leaseMs: 5_000 })
    await settle()
    await pass(claimMs)
    await pass(10_000)
    expect(at).toEqual(tries)
  })
})

describe('a worker', () => {
  test('claims as many events as it can send, with the options of the outbox', async () => {
    const { store } = running({ concurrency: 4, leaseMs: 1_000, policy: 'every', keepSentMs: 42 })
    await settle()
    expect(store.claim.mock.calls).toEqual([[{ limit: 4, leaseMs: 1_000, policy: 'every', keepSentMs: 42 }]])
  })

  test('claims again after "pollMs" if nothing was due', async () => {
    const { store } = running({ pollMs: 300 })
    await settle()
    await pass(299)
    expect(store.claim).toHaveBeenCalledTimes(1)
    await pass(1)
    expect(store.claim).toHaveBeenCalledTimes(2)
    await pass(300)
    expect(store.claim).toHaveBeenCalledTimes(3)
  })

  test.each<[string, OutboxClaim]>([
    ['events', claimOf(claimed('1'))],
    ['dropped events', { events: [], dropped: [{ id: '1', requestId: 'r', reason: 'stale' }] }],
    ['nothing, but more', { events: [], dropped: [], more: true }],
  ])('claims again at once after a claim that found %s', async (_, found) => {
    const { store } = running({ claims: [found] })
    await settle()
    expect(store.claim.mock.calls.length).toBeGreaterThanOrEqual(2)
  })

  test('claims again when half of its places are free', async () => {
    const { client, ends } = pendingSends()
    const claims = [claimOf(...['1', '2', '3', '4', '5'].map((id) => claimed(id)))]
    const { store } = running({ client, claims, concurrency: 5 })
    await settle()
    const limits = () => store.claim.mock.calls.map(([{ limit }]) => limit)
    expect(limits()).toEqual([5])
    ends[0]?.()
    ends[1]?.()
    await settle()
    expect(limits()).toEqual([5])
    ends[2]?.()
    await settle()
    expect(limits()).toEqual([5, 3])
  })

  test('waits until outcomes are recorded if no more events were due', async () => {
    const recorded = deferred<readonly string[]>()
    const { store } = running({ claims: [claimOf(claimed('1'), claimed('2'))], concurrency: 2 })
    store.finish.mockReturnValueOnce(recorded.promise)
    await settle()
    expect(store.claim).toHaveBeenCalledTimes(1)
    recorded.resolve([])
    await settle()
    expect(store.claim).toHaveBeenCalledTimes(2)
  })

  test('claims while outcomes are recorded if more events are due, up to as many as it has places', async () => {
    const recorded = deferred<readonly string[]>()
    const claims = [
      { ...claimOf(claimed('1'), claimed('2')), more: true },
      { ...claimOf(claimed('3'), claimed('4')), more: true },
      { ...claimOf(claimed('5'), claimed('6')), more: false },
    ]
    const { store, client } = running({ claims, concurrency: 2 })
    store.finish.mockReturnValueOnce(recorded.promise)
    await settle()
    // Two outcomes are being recorded, and two wait for the next call.
    expect(store.claim.mock.calls.map(([{ limit }]) => limit)).toEqual([2, 2])
    expect(client.syncOrder).toHaveBeenCalledTimes(4)
    recorded.resolve([])
    await settle()
    expect(client.syncOrder).toHaveBeenCalledTimes(6)
  })

  test('counts the events that are being sent among its places while more are due', async () => {
    const { client, ends } = pendingSends()
    const claims = [{ ...claimOf(claimed('1'), claimed('2')), more: true }]
    const { store } = running({ client, claims, concurrency: 2 })
    await settle()
    expect(store.claim).toHaveBeenCalledTimes(1)
    ends[0]?.()
    await settle()
    // The outcome of the first event is recorded at once: its place is free, and nothing more is due.
    expect(store.claim.mock.calls.map(([{ limit }]) => limit)).toEqual([2, 1, 1])
  })

  test('frees the place of an event that it gives back', async () => {
    const { outbox, store, client } = fakeOutbox({ leaseMs: 1_000 })
    const late = { ...claimOf(claimed('1')), more: true }
    store.claim.mockImplementationOnce(async () => {
      await later(501)
      return late
    })
    store.claim.mockImplementationOnce(async () => claimOf(claimed('2')))
    const result = outbox.drain({ concurrency: 1 })
    await settle()
    await pass(501)
    expect(await result).toMatchObject({ sent: 1 })
    expect(client.syncOrder).toHaveBeenCalledTimes(1)
  })

  test('is woken by an event of this process, unless its transaction is still open', async () => {
    const { outbox, store } = running({ pollMs: 1_000_000 })
    await settle()
    await outbox.enqueue(createTestOrder(), { transaction: {} })
    await settle()
    expect(store.claim).toHaveBeenCalledTimes(1)
    await outbox.enqueue(createTestOrder())
    await settle()
    expect(store.claim).toHaveBeenCalledTimes(2)
    await outbox.retry('1')
    await settle()
    expect(store.claim).toHaveBeenCalledTimes(3)
  })

  test('counts in the health of its outbox until it has stopped', async () => {
    const { outbox, stop, result } = running()
    expect(await outbox.health()).toMatchObject({ workers: 1 })
    stop.abort()
    await result
    expect(await outbox.health()).toMatchObject({ workers: 0 })
  })

  test('stops at once when it waits, and leaves no listener on the signal', async () => {
    const { store, stop, result } = running({ pollMs: 1_000_000 })
    await settle()
    stop.abort()
    expect(await result).toEqual({ sent: 0, retried: 0, failed: 0, dropped: 0 })
    expect(store.claim).toHaveBeenCalledTimes(1)
    expect(getEventListeners(stop.signal, 'abort')).toEqual([])
  })

  test('claims nothing with a signal that was aborted before', async () => {
    const { outbox, store } = fakeOutbox()
    await outbox.run({ signal: AbortSignal.abort() })
    expect(store.claim).not.toHaveBeenCalled()
  })

  test('stops when its attempts have ended', async () => {
    const { client, ends } = pendingSends()
    const { stop, result } = running({ client, claims: [claimOf(claimed('1'))] })
    const signal = () => client.syncOrder.mock.calls[0]?.[1]?.signal
    const onStopped = vi.fn()
    void result.then(onStopped)
    await settle()
    stop.abort()
    await settle()
    expect(onStopped).not.toHaveBeenCalled()
    expect(signal()?.aborted).toBe(false)
    ends[0]?.()
    await settle()
    expect(await result).toMatchObject({ sent: 1 })
  })

  test('gives events back that it claimed while it was stopped', async () => {
    const { outbox, store, client } = fakeOutbox()
    const stop = new AbortController()
    store.claim.mockImplementationOnce(async () => {
      stop.abort()
      return claimOf(claimed('1'))
    })
    expect(await outbox.run({ signal: stop.signal })).toMatchObject({ sent: 0 })
    expect(client.syncOrder).not.toHaveBeenCalled()
    expect(store.finish.mock.calls[0]?.[0]).toMatchObject([{ id: '1', outcome: { kind: 'returned' } }])
  })

  test('listens to the store until it stops', async () => {
    const { store } = fakeOutbox()
    const close = vi.fn(async () => {})
    const listen = vi.fn((_: () => void) => ({ close }))
    const { stop, result } = running({ store: { ...store, listen }, pollMs: 1_000_000 })
    await settle()
    expect(store.claim).toHaveBeenCalledTimes(1)
    listen.mock.calls[0]?.[0]()
    await settle()
    expect(store.claim).toHaveBeenCalledTimes(2)
    expect(close).not.toHaveBeenCalled()
    stop.abort()
    await result
    expect(listen).toHaveBeenCalledTimes(1)
    expect(close).toHaveBeenCalledTimes(1)
  })

  test('does not listen to the store in drain()', async () => {
    const { store } = fakeOutbox()
    const listen = vi.fn(() => ({ close: async () => {} }))
    await fakeOutbox({ store: { ...store, listen } }).outbox.drain()
    expect(listen).not.toHaveBeenCalled()
  })
})

describe('while the store fails', () => {
  test('a worker claims again after a random part of a delay that doubles up to 30 s, until a claim succeeds', async () => {
    const { store, events } = running()
    const at: number[] = []
    const error = new TypeError('password=secret')
    const startedAt = performance.now()
    let fails = true
    store.claim.mockImplementation(async () => {
      at.push(performance.now() - startedAt)
      if (fails) throw error
      return claimOf()
    })
    // The first claim was before the store failed.
    await settle()
    await pass(1_000)
    await pass(100 + 200 + 400 + 800 + 1_600 + 3_200 + 6_400 + 12_800)
    const delays = () => events.map((event) => 'delayMs' in event && event.delayMs)
    expect(delays()).toEqual([100, 200, 400, 800, 1_600, 3_200, 6_400, 12_800, 15_000])
    const message = 'The outbox store failed: TypeError. No events are sent until it works.'
    expect(events[0]).toEqual({ kind: 'unavailable', message, delayMs: 100 })
    expect(events[0]).toHaveProperty('error', error)
    expect(JSON.stringify(events)).not.toContain('secret')
    fails = false
    await pass(15_000)
    fails = true
    await pass(1_000)
    expect(delays().at(-1)).toBe(100)
    expect(at.slice(0, 4)).toEqual([1_000, 1_100, 1_300, 1_700])
  })

  test('the delay is a whole number of milliseconds', async () => {
    const { events, store } = fakeOutbox()
    store.claim.mockRejectedValue(new Error('down'))
    const { events: reported } = running({ store, random: () => 0.0001 })
    await settle()
    expect(reported[0]).toMatchObject({ delayMs: 1 })
    expect(events).toEqual([])
  })

  test('enqueue ends the delay: the store may work again', async () => {
    const { store } = fakeOutbox()
    store.claim.mockRejectedValueOnce(new Error('down'))
    const { outbox } = running({ store })
    await settle()
    expect(store.claim).toHaveBeenCalledTimes(1)
    await outbox.enqueue(createTestOrder())
    await settle()
    expect(store.claim).toHaveBeenCalledTimes(2)
  })

  test('drain rejects with the error of the store, when its attempts have ended', async () => {
    const { client, ends } = pendingSends()
    const { outbox, store, events } = fakeOutbox({ client, claims: [claimOf(claimed('1'))] })
    const result = rejectionOf(outbox.drain({ concurrency: 2 }))
    await settle()
    const error = new Error('down')
    store.claim.mockRejectedValue(error)
    await pass(1_000)
    await settle()
    const onSettled = vi.fn()
    void result.then(onSettled)
    await settle()
    expect(onSettled).not.toHaveBeenCalled()
    ends[0]?.()
    expect(await result).toBe(error)
    expect(events).toMatchObject([{ kind: 'sent' }])
  })
})

describe('a worker deletes old events', () => {
  test('when it starts, and a minute after it has deleted everything', async () => {
    const { store } = running({ keepSentMs: 42, pollMs: 100 })
    store.prune.mockReset().mockResolvedValueOnce(1_000).mockResolvedValueOnce(1).mockResolvedValue(0)
    await settle()
    const before = store.prune.mock.calls.length
    await pass(59_000)
    expect(store.prune).toHaveBeenCalledTimes(before)
    await pass(2_000)
    expect(store.prune.mock.calls.length).toBeGreaterThan(before)
    expect(new Set(store.prune.mock.calls.flat())).toEqual(new Set([42]))
  })

  test('once at a time', async () => {
    const { store } = fakeOutbox()
    const pruned = deferred<number>()
    store.prune.mockReturnValueOnce(pruned.promise)
    running({ store, pollMs: 100, storeTimeoutMs: 1_000_000 })
    await settle()
    await pass(120_000)
    expect(store.prune).toHaveBeenCalledTimes(1)
    pruned.resolve(0)
    await settle()
    await pass(59_000)
    expect(store.prune).toHaveBeenCalledTimes(1)
    await pass(2_000)
    expect(store.prune).toHaveBeenCalledTimes(2)
  })

  test('and reports a failure, and tries again after a minute', async () => {
    const { store } = fakeOutbox()
    const error = new TypeError('password=secret')
    store.prune.mockRejectedValue(error)
    const { events } = running({ store, pollMs: 100 })
    await settle()
    const message = 'Events that are older than "keepSentMs" could not be deleted. The outbox store failed: TypeError.'
    expect(events).toEqual([{ kind: 'unavailable', message, delayMs: 60_000 }])
    expect(events[0]).toHaveProperty('error', error)
    await pass(59_000)
    expect(events).toHaveLength(1)
    await pass(2_000)
    expect(events).toHaveLength(2)
  })

  test('until it is stopped, and then waits for the last call', async () => {
    const { store } = fakeOutbox()
    const pruned = deferred<number>()
    store.prune.mockReturnValueOnce(pruned.promise).mockResolvedValueOnce(1_000).mockResolvedValueOnce(1_000)
    const { stop, result } = running({ store })
    const onStopped = vi.fn()
    void result.then(onStopped)
    await settle()
    stop.abort()
    await settle()
    expect(onStopped).not.toHaveBeenCalled()
    pruned.resolve(1_000)
    await result
    expect(store.prune).toHaveBeenCalledTimes(1)
  })
})

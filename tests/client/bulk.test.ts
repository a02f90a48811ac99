import { getEventListeners } from 'node:events'
import { Readable } from 'node:stream'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  type ClientOptions,
  createOrderSyncClient,
  type OrderInput,
  OrderRefusedError,
  type SyncOrdersOutcome,
} from '../../src/public/index.ts'
import { createTestCredentials, createTestOrder, createTestReceiver } from '../../src/public/testing.ts'
import { type Deferred, deferred, until } from '../support/deferred.ts'
import { rejectionOf, thrownBy } from '../support/thrown.ts'

const CREDENTIALS = createTestCredentials().merchant
const TIME = Date.now()

/** Event `version` of an order. */
const event = (merchantBizNo: string, version = 0): OrderInput =>
  createTestOrder({
    merchantBizNo,
    tradeNo: `${merchantBizNo}.${version}`,
    orderCreateTime: TIME,
    orderModifyTime: TIME + version,
  })

interface Arrival {
  readonly tradeNo: string
  readonly merchantBizNo: string
  readonly respond: Deferred<void>
}

/** A client, and a peer at which each order waits until the test lets it respond. */
function start(options: Partial<ClientOptions> = {}) {
  const arrivals: Arrival[] = []
  const open: Arrival[] = []
  let most = 0
  const receiver = createTestReceiver({
    async respond({ tradeNo, merchantBizNo }) {
      const arrival = { tradeNo, merchantBizNo, respond: deferred() }
      arrivals.push(arrival)
      open.push(arrival)
      most = Math.max(most, open.length)
      await arrival.respond.promise.finally(() => open.splice(open.indexOf(arrival), 1))
      return { orderId: `A-${tradeNo}` }
    },
  })
  const client = createOrderSyncClient({
    credentials: CREDENTIALS,
    environment: 'testing',
    fetch: receiver.fetch,
    retries: 0,
    ...options,
  })
  return { client, arrivals, open, most: () => most, tradeNos: () => arrivals.map(({ tradeNo }) => tradeNo) }
}

/** A client whose peer responds at once. */
function startFast(respond?: (order: { merchantBizNo: string }) => { orderId: string }, options = {}) {
  const receiver = createTestReceiver({ respond })
  const fetch = receiver.fetch
  const client = createOrderSyncClient({ credentials: CREDENTIALS, environment: 'testing', fetch, ...options })
  return { client, receiver }
}

async function collect(outcomes: AsyncIterable<SyncOrdersOutcome>): Promise<SyncOrdersOutcome[]> {
  const collected: SyncOrdersOutcome[] = []
  for await (const outcome of outcomes) collected.push(outcome)
  return collected
}

/** An iterable that counts what is read of it, and notes that it was closed. */
function counted(orders: Iterable<OrderInput>) {
  const seen = { read: 0, closed: 0 }
  async function* read() {
    try {
      for (const order of orders) {
        seen.read++
        yield order
      }
    } finally {
      seen.closed++
    }
  }
  return { orders: read(), seen }
}

function* endless() {
  for (let no = 0; ; no++) yield event(`B-${no}`)
}

describe('syncOrders', () => {
  test.each<[string, (orders: OrderInput[]) => Iterable<OrderInput> | AsyncIterable<OrderInput>]>([
    ['an array', (orders) => orders],
    ['a Set', (orders) => new Set(orders)],
    ['an async generator', (orders) => counted(orders).orders],
    ['a stream', (orders) => Readable.from(orders)],
  ])('sends the orders of %s, and yields the outcome of each', async (_, toIterable) => {
    const { client, receiver } = startFast()
    const orders = Array.from({ length: 30 }, (_, no) => event(`B-${no}`))
    const outcomes = await collect(client.syncOrders(toIterable(orders), { concurrency: 4 }))
    expect(outcomes.map(({ index }) => index).sort((a, b) => a - b)).toEqual(orders.map((_, index) => index))
    for (const outcome of outcomes) {
      const order = orders[outcome.index]
      expect(outcome).toMatchObject({
        ok: true,
        requestId: order?.requestId,
        result: { orderId: order?.merchantBizNo },
      })
      expect(outcome.order).toBe(order)
    }
    expect(receiver.orders).toHaveLength(30)
  })

  test('yields nothing for no orders', async () => {
    expect(await collect(startFast().client.syncOrders([]))).toEqual([])
  })

  test('yields each outcome as soon as it is known, not in the sequence of the orders', async () => {
    const { client, arrivals } = start()
    const outcomes = client.syncOrders([event('B-1'), event('B-2')])
    const first = outcomes.next()
    await until(() => arrivals.length === 2)
    arrivals.find(({ merchantBizNo }) => merchantBizNo === 'B-2')?.respond.resolve()
    expect((await first).value).toMatchObject({ index: 1, result: { orderId: 'A-B-2.0' } })
    arrivals.find(({ merchantBizNo }) => merchantBizNo === 'B-1')?.respond.resolve()
    expect((await outcomes.next()).value).toMatchObject({ index: 0 })
    expect(await outcomes.next()).toEqual({ done: true, value: undefined })
  })

  test('continues after an order that is refused, invalid, or not an order', async () => {
    const { client, receiver } = startFast(({ merchantBizNo }) => {
      if (merchantBizNo === 'B-1') throw new OrderRefusedError('PROCESS_FAIL')
      return { orderId: 'A-1' }
    })
    const wrong = [{ ...event('B-2'), orderStatus: 1 }, null, 7, [], 'text'] as unknown as OrderInput[]
    const outcomes = await collect(client.syncOrders([event('B-1'), ...wrong, event('B-3')]))
    expect(outcomes.filter(({ ok }) => ok)).toMatchObject([{ index: 6 }])
    expect(outcomes.find(({ index }) => index === 0)).toMatchObject({ error: { resultCode: 'PROCESS_FAIL' } })
    for (const index of [1, 2, 3, 4, 5]) {
      const outcome = outcomes.find((one) => one.index === index)
      expect(outcome).toMatchObject({ error: { code: 'ERR_FIELD_INVALID' }, requestId: expect.any(String) })
    }
    expect(receiver.requests).toHaveLength(2)
  })

  test('generates a requestId for an order without one, and sends it', async () => {
    const { client, receiver } = startFast()
    const { requestId: _, ...order } = event('B-1')
    const [outcome] = await collect(client.syncOrders([order]))
    expect(outcome?.requestId).toMatch(/^[0-9a-f]{32}$/)
    expect(receiver.orders).toMatchObject([{ requestId: outcome?.requestId }])
    expect(order).not.toHaveProperty('requestId')
  })

  test('sends the events of one order one after the other, also after a failure, and other orders concurrently', async () => {
    const { client, arrivals, open, tradeNos } = start()
    const events = [event('B-1', 0), event('B-1', 1), event('B-2', 0), event('B-1', 2)]
    const collecting = collect(client.syncOrders(events, { concurrency: 3 }))
    await until(() => open.length === 2)
    expect(tradeNos().sort()).toEqual(['B-1.0', 'B-2.0'])
    arrivals.find(({ tradeNo }) => tradeNo === 'B-1.0')?.respond.reject(new Error('try later'))
    await until(() => arrivals.length === 3)
    expect(tradeNos()[2]).toBe('B-1.1')
    arrivals.at(-1)?.respond.resolve()
    await until(() => arrivals.length === 4)
    expect(tradeNos()[3]).toBe('B-1.2')
    for (const { respond } of arrivals) respond.resolve()
    const outcomes = await collecting
    expect(outcomes.filter(({ ok }) => !ok)).toMatchObject([{ index: 0, error: { code: 'ERR_RESULT_UNKNOWN' } }])
    expect(outcomes.filter(({ order }) => order.merchantBizNo === 'B-1').map(({ index }) => index)).toEqual([0, 1, 3])
  })

  test('keeps the sequence of events, sends each once, and respects the concurrency, for any input', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.nat(4), { maxLength: 40 }),
        fc.integer({ min: 1, max: 6 }),
        fc.infiniteStream(fc.nat(10)),
        async (keys, concurrency, choices) => {
          const { client, arrivals, open, most } = start()
          const events = keys.map((key, version) => event(`B-${key}`, version))
          let isDone = false
          const collecting = collect(client.syncOrders(events, { concurrency })).finally(() => {
            isDone = true
          })
          while (!isDone) {
            await until(() => open.length > 0 || isDone)
            open[(choices.next().value ?? 0) % Math.max(1, open.length)]?.respond.resolve()
            await new Promise((resolve) => setImmediate(resolve))
          }
          expect((await collecting).every(({ ok }) => ok)).toBe(true)
          expect(most()).toBeLessThanOrEqual(concurrency)
          for (const key of new Set(keys)) {
            const given = events.filter(({ merchantBizNo }) => merchantBizNo === `B-${key}`)
            const arrived = arrivals.filter(({ merchantBizNo }) => merchantBizNo === `B-${key}`)
            expect(arrived.map(({ tradeNo }) => tradeNo)).toEqual(given.map(({ tradeNo }) => tradeNo))
          }
        },
      ),
      { numRuns: 15 },
    )
  })

  test('starts with the first next(), and then stays no more than "concurrency" ahead of a loop that does not read', async () => {
    const { client, receiver } = startFast()
    const { orders, seen } = counted(endless())
    const outcomes = client.syncOrders(orders, { concurrency: 3 })
    await new Promise((resolve) => setImmediate(resolve))
    expect(seen.read).toBe(0)
    for (const read of [1, 2, 3]) {
      await outcomes.next()
      // One was read by the loop, and three are finished.
      await until(() => receiver.orders.length === read + 3)
      for (let turn = 0; turn < 50; turn++) await new Promise((resolve) => setImmediate(resolve))
      expect({ sent: receiver.orders.length, read: seen.read }).toEqual({ sent: read + 3, read: read + 3 })
    }
    await outcomes.return?.()
    expect(seen).toEqual({ read: 6, closed: 1 })
  })

  test('reads a bounded number of events that wait for an earlier one of their order', async () => {
    const { client, open } = start()
    const { orders, seen } = counted(Array.from({ length: 500 }, (_, version) => event('B-1', version)))
    const outcomes = client.syncOrders(orders, { concurrency: 2 })
    const first = outcomes.next()
    await until(() => open.length === 1 && seen.read >= 33)
    for (let turn = 0; turn < 50; turn++) await new Promise((resolve) => setImmediate(resolve))
    expect({ read: seen.read, open: open.length }).toEqual({ read: 33, open: 1 })
    open[0]?.respond.resolve()
    expect((await first).value).toMatchObject({ ok: true, index: 0 })
    await outcomes.return?.()
    expect(seen.closed).toBe(1)
  })

  test('break aborts orders in flight, waits for their end, and closes the iterable', async () => {
    const kinds: string[] = []
    const { client, arrivals } = start({ onEvent: ({ kind }) => kinds.push(kind) })
    const { orders, seen } = counted(endless())
    const reading = (async () => {
      for await (const outcome of client.syncOrders(orders, { concurrency: 3 })) return outcome
      return undefined
    })()
    await until(() => arrivals.length === 3)
    arrivals[1]?.respond.resolve()
    expect(await reading).toMatchObject({ ok: true, order: { merchantBizNo: arrivals[1]?.merchantBizNo } })
    expect(seen.closed).toBe(1)
    // When there was room, one more was read, and perhaps started.
    const outcomes = kinds.filter((kind) => kind !== 'attempt').sort()
    expect(outcomes).toEqual([...Array<string>(outcomes.length - 1).fill('aborted'), 'succeeded'])
    expect(outcomes.length).toBeGreaterThanOrEqual(3)
    const [read, sent] = [seen.read, arrivals.length]
    for (let turn = 0; turn < 50; turn++) await new Promise((resolve) => setImmediate(resolve))
    expect({ read: seen.read, sent: arrivals.length }).toEqual({ read, sent })
  })

  test('return() before the first next() reads nothing', async () => {
    const { orders, seen } = counted(endless())
    const outcomes = startFast().client.syncOrders(orders)
    expect(await outcomes.return?.()).toEqual({ done: true, value: undefined })
    expect(await outcomes.next()).toEqual({ done: true, value: undefined })
    expect(seen.read).toBe(0)
  })

  test('return() ends a next() that waits for an iterable that never yields', async () => {
    const never = deferred<IteratorResult<OrderInput>>()
    let closed = 0
    const orders: AsyncIterable<OrderInput> = {
      [Symbol.asyncIterator]: () => ({
        next: () => never.promise,
        async return() {
          closed++
          return { done: true, value: undefined }
        },
      }),
    }
    const outcomes = startFast().client.syncOrders(orders)
    const waiting = outcomes.next()
    expect(await outcomes.return?.()).toEqual({ done: true, value: undefined })
    expect(await waiting).toEqual({ done: true, value: undefined })
    expect(closed).toBe(1)
    // A late value is dropped, and a late failure is nobody's.
    never.reject(new Error('too late'))
  })

  test('abort ends with an outcome for every order that was read, and then throws the reason', async () => {
    const { client, arrivals } = start()
    const stop = new AbortController()
    const reason = new Error('shutdown')
    const { orders, seen } = counted([event('B-1', 0), event('B-1', 1), event('B-2', 0), event('B-3'), event('B-4')])
    const collected: SyncOrdersOutcome[] = []
    const reading = (async () => {
      const options = { concurrency: 2, signal: stop.signal }
      for await (const outcome of client.syncOrders(orders, options)) collected.push(outcome)
    })()
    await until(() => arrivals.length === 2)
    stop.abort(reason)
    expect(await rejectionOf(reading)).toBe(reason)
    expect(collected.map(({ index }) => index).sort()).toEqual(Array.from({ length: seen.read }, (_, index) => index))
    expect(collected.every((outcome) => !outcome.ok && outcome.error === reason)).toBe(true)
    expect(arrivals).toHaveLength(2)
    expect(seen.closed).toBe(1)
    expect(getEventListeners(stop.signal, 'abort')).toHaveLength(0)
  })

  test('a signal that is aborted already rejects the first next(), and nothing is read', async () => {
    const { orders, seen } = counted(endless())
    const reason = new Error('too late')
    const outcomes = startFast().client.syncOrders(orders, { signal: AbortSignal.abort(reason) })
    expect(await rejectionOf(outcomes.next())).toBe(reason)
    expect(seen.read).toBe(0)
  })

  test('an abort after the last response changes nothing', async () => {
    let synced = 0
    const { client } = startFast(undefined, {
      onEvent: ({ kind }: { kind: string }) => void (kind === 'succeeded' && synced++),
    })
    const stop = new AbortController()
    const outcomes = client.syncOrders([event('B-1'), event('B-2')], { signal: stop.signal })
    await outcomes.next()
    await until(() => synced === 2)
    // The event comes right before the outcome: all that is left are promises.
    await new Promise((resolve) => setImmediate(resolve))
    stop.abort()
    expect(await outcomes.next()).toMatchObject({ value: { ok: true } })
    expect(await outcomes.next()).toEqual({ done: true, value: undefined })
  })

  test('an iterable that throws ends the loop with its error, after the outcomes of its orders', async () => {
    const failure = new Error('the cursor was closed')
    async function* failing() {
      yield event('B-1', 0)
      yield event('B-1', 1)
      throw failure
    }
    const { client, receiver } = startFast()
    const collected: SyncOrdersOutcome[] = []
    const reading = (async () => {
      for await (const outcome of client.syncOrders(failing())) collected.push(outcome)
    })()
    expect(await rejectionOf(reading)).toBe(failure)
    expect(collected).toMatchObject([{ ok: true }, { ok: true }])
    expect(receiver.orders).toHaveLength(2)
  })

  test('an order whose getter throws ends the loop with that error, like an iterable that throws', async () => {
    const failure = new Error('lazy column')
    const broken = Object.defineProperty(event('B-2'), 'merchantBizNo', {
      get() {
        throw failure
      },
    })
    const reading = collect(startFast().client.syncOrders([event('B-1'), broken, event('B-3')], { concurrency: 1 }))
    expect(await rejectionOf(reading)).toBe(failure)
  })

  test.each<[string, unknown, object, string]>([
    ['one order', event('B-1'), {}, 'For one order, use syncOrder()'],
    ['a text', 'text', {}, 'takes an iterable of orders'],
    ['nothing', undefined, {}, 'takes an iterable of orders'],
    ['a concurrency of 0', [], { concurrency: 0 }, '"concurrency" must be a whole number from 1 to 1000'],
    ['a concurrency of 1,001', [], { concurrency: 1_001 }, '"concurrency" must be'],
    ['a fraction', [], { concurrency: 1.5 }, '"concurrency" must be'],
    ['an unknown option', [], { parallel: 3 }, 'has no option "parallel"'],
    ['another signal', [], { signal: new AbortController() }, '"signal" must be an AbortSignal'],
  ])('throws at once for %s', (_, orders, options, message) => {
    const { client } = startFast()
    expect(thrownBy(() => client.syncOrders(orders as OrderInput[], options)).message).toContain(message)
    expect(() => client.syncOrders([], { concurrency: 1_000 })).not.toThrow()
  })
})

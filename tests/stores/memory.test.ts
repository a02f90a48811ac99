import { describe, expect, test } from 'vitest'
import { memoryStore } from '../../src/public/index.ts'
import type { ClaimOptions, Delivery, HeldClaim, OrderSyncStore } from '../../src/public/store.ts'
import { rejectionOf, thrownBy } from '../support/thrown.ts'

// conformance.test.ts tests the rules of every store. This file tests what only the memory store has: its limits and its clock.

const LEASE: ClaimOptions = { leaseMs: 1_000, compareModifyTimeWith: 'orderModifyTime' }

/** A delivery of an order, by the request of the same name. */
const delivery = (name: string, changes: Partial<Delivery> = {}): Delivery => ({
  orderKey: `order ${name}`,
  requestKey: `request ${name}`,
  digest: `digest ${name}`,
  contentDigest: `content ${name}`,
  orderModifyTime: 10,
  ...changes,
})

async function claim(store: OrderSyncStore, claimed: Delivery, options = LEASE): Promise<HeldClaim> {
  const result = await store.claim(claimed, options)
  if (result.decision !== 'process') throw new Error(`The decision was ${result.decision}`)
  return { delivery: claimed, token: result.token }
}

/** Claims and finishes a delivery. */
async function process(
  store: OrderSyncStore,
  processed: Delivery,
  storedResponse = `response to ${processed.requestKey}`,
) {
  expect(await store.finish(await claim(store, processed), { storedResponse, processed: true })).toBe(true)
}

const decisionOn = async (store: OrderSyncStore, claimed: Delivery) => (await store.claim(claimed, LEASE)).decision

/** A store and the clock that it uses. */
function storeWithClock(options: Parameters<typeof memoryStore>[0] = {}) {
  const clock = { now: 1_000_000 }
  return { clock, store: memoryStore({ now: () => clock.now, ...options }) }
}

describe('memoryStore, maxOrders', () => {
  test('removes the order that was unused for longest', async () => {
    const { store } = storeWithClock({ maxOrders: 2 })
    await process(store, delivery('a'))
    await process(store, delivery('b'))
    await process(store, delivery('c'))
    expect(await store.read('order a')).toBeUndefined()
    expect(await store.read('order b')).toBeDefined()
    expect(await store.read('order c')).toBeDefined()
  })

  test.each<[string, Partial<Delivery>]>([
    ['a newer event', { requestKey: 'r2', orderModifyTime: 11 }],
    ['a duplicate', { requestKey: 'r2' }],
    ['an older event', { requestKey: 'r2', orderModifyTime: 9 }],
    ['a replay', {}],
  ])('counts %s as use of the order', async (_, changes) => {
    const { store } = storeWithClock({ maxOrders: 2 })
    await process(store, delivery('a'))
    await process(store, delivery('b'))
    const again = delivery('a', changes)
    const result = await store.claim(again, LEASE)
    if (result.decision === 'process') await store.release({ delivery: again, token: result.token })
    await process(store, delivery('c'))
    expect(await store.read('order a')).toBeDefined()
    expect(await store.read('order b')).toBeUndefined()
  })

  test('never removes an order that is being processed', async () => {
    const { store } = storeWithClock({ maxOrders: 2 })
    const running = await claim(store, delivery('a'))
    for (const name of ['b', 'c', 'd']) await process(store, delivery(name))
    expect(await decisionOn(store, delivery('a'))).toBe('busy')
    expect(await store.finish(running, { storedResponse: 'A', processed: true })).toBe(true)
    expect(await store.read('order a')).toMatchObject({ last: { storedResponse: 'A' } })
  })

  test('rejects a new order while all orders are being processed, and accepts it when one has ended', async () => {
    const { store } = storeWithClock({ maxOrders: 2 })
    const [a] = [await claim(store, delivery('a')), await claim(store, delivery('b'))]
    expect((await rejectionOf(store.claim(delivery('c'), LEASE))).message).toBe(
      'The memory store is full of orders being processed.',
    )
    expect(await decisionOn(store, delivery('a'))).toBe('busy')
    await store.release(a)
    expect(await decisionOn(store, delivery('c'))).toBe('process')
  })

  test('removes an order whose lease has expired', async () => {
    const { store, clock } = storeWithClock({ maxOrders: 1 })
    const expired = await claim(store, delivery('a'))
    clock.now += 1_000
    await process(store, delivery('b'))
    expect(await store.finish(expired, { storedResponse: 'A', processed: true })).toBe(false)
    expect(await store.read('order a')).toBeUndefined()
  })

  test('does not count an order that was released before its first event was processed', async () => {
    const { store } = storeWithClock({ maxOrders: 2 })
    await process(store, delivery('a'))
    for (const name of ['b', 'c', 'd']) {
      await store.release(await claim(store, delivery(name)))
      expect(await store.read(`order ${name}`)).toBeUndefined()
    }
    expect(await store.read('order a')).toBeDefined()
  })

  test('removes 1 % of the orders at once', async () => {
    const { store } = storeWithClock({ maxOrders: 200 })
    const isKnown = async (number: number) => (await store.read(`order ${number}`)) !== undefined
    for (let number = 1; number <= 201; number++) await process(store, delivery(String(number)))
    expect([await isKnown(1), await isKnown(2), await isKnown(3)]).toEqual([false, false, true])
    await process(store, delivery('202'))
    expect([await isKnown(3), await isKnown(202)]).toEqual([true, true])
    await process(store, delivery('203'))
    expect([await isKnown(3), await isKnown(5)]).toEqual([false, true])
  })

  test('counts orders, not deliveries', async () => {
    const { store } = storeWithClock({ maxOrders: 2 })
    await process(store, delivery('a'))
    for (let time = 11; time < 20; time++) {
      await process(store, delivery('b', { requestKey: `r${time}`, orderModifyTime: time }))
    }
    expect(await store.read('order a')).toBeDefined()
  })

  test('gives a greater token to a removed order that is delivered again', async () => {
    const { store } = storeWithClock({ maxOrders: 1 })
    const before = await claim(store, delivery('a'))
    await store.release(before)
    await process(store, delivery('b'))
    const after = await claim(store, delivery('a'))
    expect(after.token).toBeGreaterThan(before.token)
  })
})

describe('memoryStore, maxRequests', () => {
  test('removes the request that was unused for longest, and still knows the event of its order', async () => {
    const { store } = storeWithClock({ maxRequests: 2 })
    for (const name of ['a', 'b', 'c']) await process(store, delivery(name))
    expect(await decisionOn(store, delivery('c'))).toBe('replay')
    expect(await decisionOn(store, delivery('a'))).toBe('duplicate')
  })

  test('counts every delivery as use of the request', async () => {
    const { store } = storeWithClock({ maxRequests: 2 })
    for (const name of ['a', 'b']) await process(store, delivery(name))
    expect(await decisionOn(store, delivery('a'))).toBe('replay')
    await process(store, delivery('c'))
    expect(await decisionOn(store, delivery('a'))).toBe('replay')
    expect(await decisionOn(store, delivery('b'))).toBe('duplicate')
  })

  test('remembers a request again at its finish, if it was removed while it ran', async () => {
    const { store } = storeWithClock({ maxRequests: 1 })
    const running = await claim(store, delivery('a'))
    await process(store, delivery('b'))
    const impostor = delivery('c', { requestKey: 'request a' })
    const other = await claim(store, impostor)
    await store.finish(running, { storedResponse: 'A', processed: true })
    expect(await store.claim(delivery('a'), LEASE)).toStrictEqual({ decision: 'replay', storedResponse: 'A' })
    expect(await decisionOn(store, impostor)).toBe('conflict')
    expect(await store.release(other)).toBe(true)
  })
})

describe('memoryStore, responseTtlMs', () => {
  test('replays a response until the time has passed, and then reports a duplicate', async () => {
    const { store, clock } = storeWithClock({ responseTtlMs: 5_000 })
    await process(store, delivery('a'))
    clock.now += 4_999
    expect(await store.claim(delivery('a'), LEASE)).toStrictEqual({
      decision: 'replay',
      storedResponse: 'response to request a',
    })
    clock.now += 1
    expect(await store.claim(delivery('a'), LEASE)).toStrictEqual({
      decision: 'duplicate',
      storedResponse: 'response to request a',
      last: { orderModifyTime: 10, contentDigest: 'content a' },
    })
  })

  test('starts when the request is finished', async () => {
    const { store, clock } = storeWithClock({ responseTtlMs: 5_000 })
    const running = await claim(store, delivery('a'), { ...LEASE, leaseMs: 10_000 })
    clock.now += 4_000
    await store.finish(running, { storedResponse: 'A', processed: true })
    clock.now += 4_999
    expect(await decisionOn(store, delivery('a'))).toBe('replay')
  })

  test('compares bodies until the time has passed', async () => {
    const { store, clock } = storeWithClock({ responseTtlMs: 5_000 })
    await process(store, delivery('a'))
    const other = delivery('a', { digest: 'other', orderModifyTime: 11 })
    clock.now += 4_999
    expect(await decisionOn(store, other)).toBe('conflict')
    clock.now += 1
    expect(await decisionOn(store, other)).toBe('process')
  })

  test('removes a refusal when the time has passed, and then processes the event', async () => {
    const { store, clock } = storeWithClock({ responseTtlMs: 5_000 })
    await store.finish(await claim(store, delivery('a')), { storedResponse: 'F', processed: false })
    expect(await store.claim(delivery('a'), LEASE)).toStrictEqual({ decision: 'replay', storedResponse: 'F' })
    clock.now += 5_000
    expect(await decisionOn(store, delivery('a'))).toBe('process')
  })
})

describe('memoryStore, lease', () => {
  test('expires at leaseMs, to the millisecond', async () => {
    const { store, clock } = storeWithClock()
    await claim(store, delivery('a'))
    clock.now += 999
    expect(await decisionOn(store, delivery('a'))).toBe('busy')
    expect(await store.read('order a')).toMatchObject({ lease: { token: expect.any(Number) } })
    clock.now += 1
    expect(await store.read('order a')).not.toHaveProperty('lease')
    expect(await decisionOn(store, delivery('a'))).toBe('process')
  })

  test('cannot be finished or released by the first claim after a second claim', async () => {
    const { store, clock } = storeWithClock()
    const first = await claim(store, delivery('a'))
    clock.now += 1_000
    const second = await claim(store, delivery('a'))
    expect(second.token).toBeGreaterThan(first.token)
    expect(await store.finish(first, { storedResponse: 'late', processed: true })).toBe(false)
    expect(await store.release(first)).toBe(false)
    expect(await store.finish(second, { storedResponse: 'A', processed: true })).toBe(true)
    expect(await store.read('order a')).toStrictEqual({
      last: { orderModifyTime: 10, processedAt: clock.now, storedResponse: 'A' },
    })
  })
})

describe('memoryStore', () => {
  test('uses the current time by default', async () => {
    const store = memoryStore()
    const before = Date.now()
    await process(store, delivery('a'))
    const { last } = (await store.read('order a')) ?? {}
    expect(Math.abs((last?.processedAt ?? 0) - before)).toBeLessThan(60_000)
  })

  test('returns a copy from read: changing it does not change the store', async () => {
    const { store } = storeWithClock()
    await process(store, delivery('a'))
    const record = (await store.read('order a')) as { last: { storedResponse: string } }
    record.last.storedResponse = 'forged'
    expect(await store.read('order a')).toMatchObject({ last: { storedResponse: 'response to request a' } })
  })

  test('shares nothing between two stores', async () => {
    const [one, two] = [memoryStore(), memoryStore()]
    await process(one, delivery('a'))
    expect(await two.read('order a')).toBeUndefined()
    expect(await decisionOn(two, delivery('a'))).toBe('process')
  })

  test.each(
    ['maxOrders', 'maxRequests', 'responseTtlMs'].flatMap((name) =>
      [0, -1, 0.5, Number.NaN, Number.POSITIVE_INFINITY, '5', null].map((value) => [name, value] as const),
    ),
  )('throws a RangeError when %s is %s', (name, value) => {
    const error = thrownBy(() => memoryStore({ [name]: value }))
    expect(error).toBeInstanceOf(RangeError)
    expect(error.message).toContain(`"${name}"`)
  })

  test('works with limits of 1', async () => {
    const store = memoryStore({ maxOrders: 1, maxRequests: 1, responseTtlMs: 1 })
    for (const name of ['a', 'b', 'a']) await process(store, delivery(name))
  })
})

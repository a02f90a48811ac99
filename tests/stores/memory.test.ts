import { describe, expect, test } from 'vitest'
import { type ClaimResult, type ClaimOptions, type Delivery, memoryStore, type OrderSyncStore } from '../../src/public/index.ts'
import { rejectionOf, thrownBy } from '../support/thrown.ts'

// What every store does is in conformance.test.ts. Here is what is this one's own: its bounds, and its clock.

const LEASE: ClaimOptions = { leaseMs: 1_000, compareModifyTimeWith: 'orderModifyTime' }

/** A delivery of an order, by a request of the same name. */
const delivery = (name: string, changes: Partial<Delivery> = {}): Delivery => ({
  orderKey: `order ${name}`,
  requestKey: `request ${name}`,
  digest: `digest ${name}`,
  orderModifyTime: 10,
  ...changes,
})

async function claim(store: OrderSyncStore, of: Delivery, options = LEASE) {
  const claim: ClaimResult = await store.claim(of, options)
  if (claim.decision !== 'process') throw new Error(`The claim was ${claim.decision}`)
  return { delivery: of, token: claim.token }
}

async function process(store: OrderSyncStore, of: Delivery, storedResponse = `storedResponse ${of.requestKey}`) {
  expect(await store.finish(await claim(store, of), { storedResponse, processed: true })).toBe(true)
}

const decisionOn = async (store: OrderSyncStore, of: Delivery) => (await store.claim(of, LEASE)).decision

/** A store by a clock of the test's own. */
function clocked(options: Parameters<typeof memoryStore>[0] = {}) {
  const clock = { now: 1_000_000 }
  return { clock, store: memoryStore({ now: () => clock.now, ...options }) }
}

describe('maxOrders', () => {
  test('forgets the order that was untouched for longest', async () => {
    const { store } = clocked({ maxOrders: 2 })
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
  ])('an order is touched by %s', async (_, changes) => {
    const { store } = clocked({ maxOrders: 2 })
    await process(store, delivery('a'))
    await process(store, delivery('b'))
    const again = delivery('a', changes)
    const claimed = await store.claim(again, LEASE)
    if (claimed.decision === 'process') await store.release({ delivery: again, token: claimed.token })
    await process(store, delivery('c'))
    expect(await store.read('order a')).toBeDefined()
    expect(await store.read('order b')).toBeUndefined()
  })

  test('never forgets an order that is being processed', async () => {
    const { store } = clocked({ maxOrders: 2 })
    const running = await claim(store, delivery('a'))
    for (const name of ['b', 'c', 'd']) await process(store, delivery(name))
    expect(await decisionOn(store, delivery('a'))).toBe('busy')
    expect(await store.finish(running, { storedResponse: 'A', processed: true })).toBe(true)
    expect(await store.read('order a')).toMatchObject({ last: { storedResponse: 'A' } })
  })

  test('refuses a new order when all of them are being processed, and takes it when one has ended', async () => {
    const { store } = clocked({ maxOrders: 2 })
    const [a] = [await claim(store, delivery('a')), await claim(store, delivery('b'))]
    expect((await rejectionOf(store.claim(delivery('c'), LEASE))).message).toBe(
      'The memory store is full of orders being processed',
    )
    expect(await decisionOn(store, delivery('a'))).toBe('busy')
    await store.release(a)
    expect(await decisionOn(store, delivery('c'))).toBe('process')
  })

  test('forgets an order whose lease has run out', async () => {
    const { store, clock } = clocked({ maxOrders: 1 })
    const lapsed = await claim(store, delivery('a'))
    clock.now += 1_000
    await process(store, delivery('b'))
    expect(await store.finish(lapsed, { storedResponse: 'A', processed: true })).toBe(false)
    expect(await store.read('order a')).toBeUndefined()
  })

  test('counts no order that was released before anything was known of it', async () => {
    const { store } = clocked({ maxOrders: 2 })
    await process(store, delivery('a'))
    for (const name of ['b', 'c', 'd']) {
      await store.release(await claim(store, delivery(name)))
      expect(await store.read(`order ${name}`)).toBeUndefined()
    }
    expect(await store.read('order a')).toBeDefined()
  })

  test('forgets a hundredth at once, so that there is room for a while', async () => {
    const { store } = clocked({ maxOrders: 200 })
    const isKnown = async (number: number) => (await store.read(`order ${number}`)) !== undefined
    for (let number = 1; number <= 201; number++) await process(store, delivery(String(number)))
    expect([await isKnown(1), await isKnown(2), await isKnown(3)]).toEqual([false, false, true])
    await process(store, delivery('202'))
    expect([await isKnown(3), await isKnown(202)]).toEqual([true, true])
    await process(store, delivery('203'))
    expect([await isKnown(3), await isKnown(5)]).toEqual([false, true])
  })

  test('counts orders, not deliveries', async () => {
    const { store } = clocked({ maxOrders: 2 })
    await process(store, delivery('a'))
    for (let time = 11; time < 20; time++) {
      await process(store, delivery('b', { requestKey: `r${time}`, orderModifyTime: time }))
    }
    expect(await store.read('order a')).toBeDefined()
  })

  test('tokens grow even for an order that was forgotten', async () => {
    const { store } = clocked({ maxOrders: 1 })
    const before = await claim(store, delivery('a'))
    await store.release(before)
    await process(store, delivery('b'))
    const after = await claim(store, delivery('a'))
    expect(after.token).toBeGreaterThan(before.token)
  })
})

describe('maxRequests', () => {
  test('forgets the request that was untouched for longest; its order still knows the event', async () => {
    const { store } = clocked({ maxRequests: 2 })
    for (const name of ['a', 'b', 'c']) await process(store, delivery(name))
    expect(await decisionOn(store, delivery('c'))).toBe('replay')
    expect(await decisionOn(store, delivery('a'))).toBe('duplicate')
  })

  test('a request is touched by every delivery of it', async () => {
    const { store } = clocked({ maxRequests: 2 })
    for (const name of ['a', 'b']) await process(store, delivery(name))
    expect(await decisionOn(store, delivery('a'))).toBe('replay')
    await process(store, delivery('c'))
    expect(await decisionOn(store, delivery('a'))).toBe('replay')
    expect(await decisionOn(store, delivery('b'))).toBe('duplicate')
  })

  test('a request that was forgotten while it ran is known again by its own storedResponse', async () => {
    const { store } = clocked({ maxRequests: 1 })
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

describe('responseTtlMs', () => {
  test('an storedResponse can be replayed until it has passed; then the event is still known', async () => {
    const { store, clock } = clocked({ responseTtlMs: 5_000 })
    await process(store, delivery('a'))
    clock.now += 4_999
    expect(await store.claim(delivery('a'), LEASE)).toStrictEqual({ decision: 'replay', storedResponse: 'storedResponse request a' })
    clock.now += 1
    expect(await store.claim(delivery('a'), LEASE)).toStrictEqual({ decision: 'duplicate', storedResponse: 'storedResponse request a' })
  })

  test('runs from the storedResponse', async () => {
    const { store, clock } = clocked({ responseTtlMs: 5_000 })
    const running = await claim(store, delivery('a'), { ...LEASE, leaseMs: 10_000 })
    clock.now += 4_000
    await store.finish(running, { storedResponse: 'A', processed: true })
    clock.now += 4_999
    expect(await decisionOn(store, delivery('a'))).toBe('replay')
  })

  test('a body is compared until it has passed', async () => {
    const { store, clock } = clocked({ responseTtlMs: 5_000 })
    await process(store, delivery('a'))
    const other = delivery('a', { digest: 'other', orderModifyTime: 11 })
    clock.now += 4_999
    expect(await decisionOn(store, other)).toBe('conflict')
    clock.now += 1
    expect(await decisionOn(store, other)).toBe('process')
  })

  test('a refusal is forgotten with its storedResponse, and the event may be processed', async () => {
    const { store, clock } = clocked({ responseTtlMs: 5_000 })
    await store.finish(await claim(store, delivery('a')), { storedResponse: 'F', processed: false })
    expect(await store.claim(delivery('a'), LEASE)).toStrictEqual({ decision: 'replay', storedResponse: 'F' })
    clock.now += 5_000
    expect(await decisionOn(store, delivery('a'))).toBe('process')
  })
})

describe('a lease', () => {
  test('holds until its time is up, to the millisecond', async () => {
    const { store, clock } = clocked()
    await claim(store, delivery('a'))
    clock.now += 999
    expect(await decisionOn(store, delivery('a'))).toBe('busy')
    expect(await store.read('order a')).toMatchObject({ lease: { token: expect.any(Number) } })
    clock.now += 1
    expect(await store.read('order a')).not.toHaveProperty('lease')
    expect(await decisionOn(store, delivery('a'))).toBe('process')
  })

  test('that another claim has followed cannot be finished or released by the first', async () => {
    const { store, clock } = clocked()
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

test('without a clock of its own it goes by one that cannot be set', async () => {
  const store = memoryStore()
  const before = Date.now()
  await process(store, delivery('a'))
  const { last } = (await store.read('order a')) ?? {}
  expect(Math.abs((last?.processedAt ?? 0) - before)).toBeLessThan(60_000)
})

test('what is read cannot be used to change what is remembered', async () => {
  const { store } = clocked()
  await process(store, delivery('a'))
  const record = (await store.read('order a')) as { last: { storedResponse: string } }
  record.last.storedResponse = 'forged'
  expect(await store.read('order a')).toMatchObject({ last: { storedResponse: 'storedResponse request a' } })
})

test('two stores share nothing', async () => {
  const [one, two] = [memoryStore(), memoryStore()]
  await process(one, delivery('a'))
  expect(await two.read('order a')).toBeUndefined()
  expect(await decisionOn(two, delivery('a'))).toBe('process')
})

test.each(
  ['maxOrders', 'maxRequests', 'responseTtlMs'].flatMap((name) =>
    [0, -1, 0.5, Number.NaN, Number.POSITIVE_INFINITY, '5', null].map((value) => [name, value] as const),
  ),
)('%s cannot be %s', (name, value) => {
  const error = thrownBy(() => memoryStore({ [name]: value }))
  expect(error).toBeInstanceOf(RangeError)
  expect(error.message).toContain(`"${name}"`)
})

test('a bound of one is enough to go on with', async () => {
  const store = memoryStore({ maxOrders: 1, maxRequests: 1, responseTtlMs: 1 })
  for (const name of ['a', 'b', 'a']) await process(store, delivery(name))
})

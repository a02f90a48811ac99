import assert from 'node:assert/strict'
import process from 'node:process'
import type { ClaimOptions, ClaimResult, Delivery, HeldClaim, OrderSyncStore } from '../stores/store.ts'

/** One rule that every store must keep, and its test. */
export interface StoreCase {
  /** The rule. */
  readonly name: string
  /** Rejects when the store breaks the rule. The store need not be empty: every case uses keys of its own. */
  readonly run: (store: OrderSyncStore<unknown>) => Promise<void>
}

const LEASE: ClaimOptions = { leaseMs: 60_000, compareModifyTimeWith: 'orderModifyTime' }
const SHORT_LEASE: ClaimOptions = { leaseMs: 20, compareModifyTimeWith: 'orderModifyTime' }

let deliveries = 0

/** A delivery of an order that no store has seen. */
function newDelivery(changes: Partial<Delivery> = {}): Delivery {
  const id = `${process.pid}-${Date.now()}-${++deliveries}`
  return {
    orderKey: `order-${id}`,
    requestKey: `request-${id}`,
    digest: `digest-${id}`,
    orderModifyTime: 1_000,
    ...changes,
  }
}

/** Another request about the same order. */
function anotherRequest({ orderKey, orderModifyTime }: Delivery, changes: Partial<Delivery> = {}): Delivery {
  return newDelivery({ orderKey, orderModifyTime, ...changes })
}

/** Claims a delivery that must be processed. */
async function claim(store: OrderSyncStore<unknown>, delivery: Delivery, options = LEASE): Promise<HeldClaim> {
  const result = await store.claim(delivery, options)
  if (result.decision !== 'process') assert.fail(`expected "process", got "${result.decision}"`)
  return { delivery, token: result.token }
}

/** Claims and finishes a delivery that must be processed. */
async function processNow(store: OrderSyncStore<unknown>, delivery: Delivery, storedResponse: string): Promise<void> {
  assert.equal(await store.finish(await claim(store, delivery), { storedResponse, processed: true }), true)
}

/** Claims repeatedly until the lease of an earlier claim has expired by the store's clock. */
async function claimAfterExpiry(store: OrderSyncStore<unknown>, delivery: Delivery): Promise<HeldClaim> {
  for (let tries = 0; tries < 500; tries++) {
    const result = await store.claim(delivery, LEASE)
    if (result.decision === 'process') return { delivery, token: result.token }
    assert.deepEqual(result, { decision: 'busy' })
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
  return assert.fail('the lease did not expire')
}

/**
 * The rules that every store must keep, as plain data. Run them against your own store, in any test runner.
 *
 * @see docs/protocol.md section 7.3
 * @example
 * ```ts
 * import { memoryStore } from 'alipayhk-order-sync'
 * import { storeCases } from 'alipayhk-order-sync/testing'
 * import { test } from 'node:test'
 *
 * for (const { name, run } of storeCases) test(name, () => run(memoryStore()))
 * ```
 */
export const storeCases: readonly StoreCase[] = [
  {
    name: 'claim processes a first delivery, and read returns it once it is finished',
    async run(store) {
      const first = newDelivery()
      assert.equal(await store.read(first.orderKey), undefined)
      const held = await claim(store, first)
      assert.deepEqual((await store.read(first.orderKey))?.lease, { token: held.token })
      assert.equal(await store.finish(held, { storedResponse: 'A', processed: true }), true)
      const record = await store.read(first.orderKey)
      assert.equal(record?.lease, undefined)
      assert.equal(record?.last?.orderModifyTime, 1_000)
      assert.equal(record?.last?.storedResponse, 'A')
      assert.ok(Math.abs((record?.last?.processedAt ?? 0) - Date.now()) < 60_000, 'processedAt is about now')
    },
  },
  {
    name: 'claim replays the response of the same request, also after a newer event',
    async run(store) {
      const first = newDelivery()
      await processNow(store, first, 'A')
      await processNow(store, anotherRequest(first, { orderModifyTime: 2_000 }), 'B')
      assert.deepEqual(await store.claim(first, LEASE), { decision: 'replay', storedResponse: 'A' })
    },
  },
  {
    name: 'claim reports another request about the same event as a duplicate, with the last response',
    async run(store) {
      const first = newDelivery()
      await processNow(store, first, 'A')
      assert.deepEqual(await store.claim(anotherRequest(first), LEASE), { decision: 'duplicate', storedResponse: 'A' })
    },
  },
  {
    name: 'claim reports an older event as stale and processes a newer one',
    async run(store) {
      const first = newDelivery()
      await processNow(store, first, 'A')
      assert.deepEqual(await store.claim(anotherRequest(first, { orderModifyTime: 999 }), LEASE), {
        decision: 'stale',
        storedResponse: 'A',
      })
      await processNow(store, anotherRequest(first, { orderModifyTime: 1_001 }), 'B')
      assert.deepEqual(await store.claim(anotherRequest(first), LEASE), { decision: 'stale', storedResponse: 'B' })
    },
  },
  {
    name: 'claim that compares with processedAt reports an event from before the last processing as stale',
    async run(store) {
      const byProcessing: ClaimOptions = { ...LEASE, compareModifyTimeWith: 'processedAt' }
      const first = newDelivery()
      await processNow(store, first, 'A')
      const before = anotherRequest(first, { orderModifyTime: Date.now() - 3_600_000 })
      assert.deepEqual(await store.claim(before, byProcessing), { decision: 'stale', storedResponse: 'A' })
      assert.equal((await store.claim(before, LEASE)).decision, 'process')
      const after = newDelivery()
      await processNow(store, after, 'A')
      const later = anotherRequest(after, { orderModifyTime: Date.now() + 3_600_000 })
      assert.equal((await store.claim(later, byProcessing)).decision, 'process')
    },
  },
  {
    name: 'claim reports every possibly new event as busy while its order is being processed',
    async run(store) {
      const first = newDelivery({ orderModifyTime: 1_000 })
      await processNow(store, first, 'A')
      const running = anotherRequest(first, { orderModifyTime: 2_000 })
      await claim(store, running)
      for (const orderModifyTime of [1_500, 2_000, 3_000]) {
        assert.deepEqual(await store.claim(anotherRequest(first, { orderModifyTime }), LEASE), { decision: 'busy' })
      }
      assert.deepEqual(await store.claim(running, LEASE), { decision: 'busy' })
    },
  },
  {
    name: 'claim recognizes replays, duplicates and stale events while the order is being processed',
    async run(store) {
      const first = newDelivery()
      await processNow(store, first, 'A')
      await claim(store, anotherRequest(first, { orderModifyTime: 2_000 }))
      assert.deepEqual(await store.claim(first, LEASE), { decision: 'replay', storedResponse: 'A' })
      assert.deepEqual(await store.claim(anotherRequest(first), LEASE), { decision: 'duplicate', storedResponse: 'A' })
      const older = anotherRequest(first, { orderModifyTime: 1 })
      assert.deepEqual(await store.claim(older, LEASE), { decision: 'stale', storedResponse: 'A' })
    },
  },
  {
    name: 'claim processes two orders at the same time',
    async run(store) {
      await claim(store, newDelivery())
      await claim(store, newDelivery())
    },
  },
  ...(
    [
      'while it runs',
      'after it was processed',
      'after it failed',
      'after it was refused',
      'after it was a duplicate',
    ] as const
  ).map(
    (state): StoreCase => ({
      name: `claim reports the same requestId with another body as a conflict ${state}`,
      async run(store) {
        const first = newDelivery()
        const known = state === 'after it was a duplicate' ? anotherRequest(first) : first
        const held = await claim(store, first)
        if (state === 'after it was processed') await store.finish(held, { storedResponse: 'A', processed: true })
        if (state === 'after it failed') await store.release(held)
        if (state === 'after it was refused') await store.finish(held, { storedResponse: 'F', processed: false })
        if (state === 'after it was a duplicate') {
          await store.finish(held, { storedResponse: 'A', processed: true })
          assert.equal((await store.claim(known, LEASE)).decision, 'duplicate')
        }
        assert.deepEqual(await store.claim({ ...known, digest: 'another' }, LEASE), { decision: 'conflict' })
        const elsewhere = newDelivery({ requestKey: known.requestKey })
        assert.deepEqual(await store.claim(elsewhere, LEASE), { decision: 'conflict' })
        assert.equal(await store.read(elsewhere.orderKey), undefined)
      },
    }),
  ),
  {
    name: 'a conflict does not affect the request that is running',
    async run(store) {
      const held = await claim(store, newDelivery())
      await store.claim({ ...held.delivery, digest: 'another' }, LEASE)
      assert.equal(await store.finish(held, { storedResponse: 'A', processed: true }), true)
      assert.deepEqual(await store.claim(held.delivery, LEASE), { decision: 'replay', storedResponse: 'A' })
    },
  },
  {
    name: 'release frees the order, as if it had not been claimed',
    async run(store) {
      const first = newDelivery()
      const held = await claim(store, first)
      assert.equal(await store.release(held), true)
      const again = await claim(store, first)
      assert.ok(again.token > held.token, 'the token grows')
      assert.equal((await store.read(first.orderKey))?.last, undefined)
    },
  },
  {
    name: 'a refusal is replayed for the same request, and another request about the event is processed',
    async run(store) {
      const first = newDelivery()
      assert.equal(await store.finish(await claim(store, first), { storedResponse: 'F', processed: false }), true)
      assert.deepEqual(await store.claim(first, LEASE), { decision: 'replay', storedResponse: 'F' })
      await processNow(store, anotherRequest(first), 'A')
    },
  },
  {
    name: 'the token grows with every claim of an order, also after processing',
    async run(store) {
      const first = newDelivery()
      let before = -1
      for (let round = 0; round < 5; round++) {
        const held = await claim(store, anotherRequest(first, { orderModifyTime: 1_000 + round }))
        assert.ok(held.token > before, 'the token grows')
        before = held.token
        await store.finish(held, { storedResponse: 'A', processed: true })
      }
    },
  },
  {
    name: 'finish and release resolve to false for a claim that has ended',
    async run(store) {
      const finished = await claim(store, newDelivery())
      assert.equal(await store.finish(finished, { storedResponse: 'A', processed: true }), true)
      assert.equal(await store.finish(finished, { storedResponse: 'B', processed: true }), false)
      assert.equal(await store.release(finished), false)
      assert.deepEqual(await store.claim(finished.delivery, LEASE), { decision: 'replay', storedResponse: 'A' })
      const released = await claim(store, newDelivery())
      assert.equal(await store.release(released), true)
      assert.equal(await store.release(released), false)
      assert.equal(await store.finish(released, { storedResponse: 'A', processed: true }), false)
    },
  },
  {
    name: 'finish and release resolve to false for a claim that was never made',
    async run(store) {
      const never = { delivery: newDelivery(), token: 1 }
      assert.equal(await store.finish(never, { storedResponse: 'A', processed: true }), false)
      assert.equal(await store.release(never), false)
      assert.equal(await store.read(never.delivery.orderKey), undefined)
      const running = await claim(store, newDelivery())
      assert.equal(
        await store.finish({ ...running, token: running.token + 1 }, { storedResponse: 'A', processed: true }),
        false,
      )
      assert.equal((await store.claim(running.delivery, LEASE)).decision, 'busy')
    },
  },
  {
    name: 'finish and release resolve to false after the lease expired and another request claimed the order',
    async run(store) {
      const late = await claim(store, newDelivery(), SHORT_LEASE)
      const next = await claimAfterExpiry(store, anotherRequest(late.delivery))
      assert.ok(next.token > late.token, 'the token grows')
      assert.equal(await store.finish(late, { storedResponse: 'late', processed: true }), false)
      assert.equal(await store.release(late), false)
      assert.equal(await store.finish(next, { storedResponse: 'A', processed: true }), true)
      assert.equal((await store.read(late.delivery.orderKey))?.last?.storedResponse, 'A')
    },
  },
  {
    name: 'claim processes the same request again after its lease expired',
    async run(store) {
      const late = await claim(store, newDelivery(), SHORT_LEASE)
      const next = await claimAfterExpiry(store, late.delivery)
      assert.equal(await store.finish(late, { storedResponse: 'late', processed: true }), false)
      assert.equal(await store.finish(next, { storedResponse: 'A', processed: true }), true)
    },
  },
  {
    name: 'finish succeeds after the lease expired while nobody else has claimed the order',
    async run(store) {
      const late = await claim(store, newDelivery(), { ...LEASE, leaseMs: 1 })
      for (let tries = 0; (await store.read(late.delivery.orderKey))?.lease !== undefined; tries++) {
        assert.ok(tries < 500, 'the lease does not expire')
        await new Promise((resolve) => setTimeout(resolve, 10))
      }
      assert.equal(await store.finish(late, { storedResponse: 'A', processed: true }), true)
      assert.deepEqual(await store.claim(late.delivery, LEASE), { decision: 'replay', storedResponse: 'A' })
    },
  },
  {
    name: 'of 20 concurrent claims of an order, one is processed and 19 are busy',
    async run(store) {
      const first = newDelivery()
      const results = await Promise.all(
        Array.from({ length: 20 }, (_, index) => store.claim(index % 2 ? first : anotherRequest(first), LEASE)),
      )
      const count = (decision: ClaimResult['decision']) =>
        results.filter((result) => result.decision === decision).length
      assert.deepEqual([count('process'), count('busy')], [1, 19])
    },
  },
  {
    name: 'a stored response is returned unchanged',
    async run(store) {
      const storedResponse = '{"result":{"resultMessage":"ü 香港 😀 \\u0000 \'\\"%"},"orderId":"1"}'
      const first = newDelivery()
      await processNow(store, first, storedResponse)
      assert.deepEqual(await store.claim(first, LEASE), { decision: 'replay', storedResponse })
      assert.deepEqual(await store.claim(anotherRequest(first), LEASE), { decision: 'duplicate', storedResponse })
    },
  },
  {
    name: 'claim distinguishes times up to the greatest safe integer',
    async run(store) {
      const first = newDelivery({ orderModifyTime: Number.MAX_SAFE_INTEGER - 1 })
      await processNow(store, first, 'A')
      await processNow(store, anotherRequest(first, { orderModifyTime: Number.MAX_SAFE_INTEGER }), 'B')
      assert.deepEqual(await store.claim(anotherRequest(first), LEASE), { decision: 'stale', storedResponse: 'B' })
    },
  },
]

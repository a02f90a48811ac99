import assert from 'node:assert/strict'
import process from 'node:process'
import type { ClaimResult, ClaimOptions, Delivery, OrderSyncStore } from '../stores/store.ts'

/** One rule that a store keeps, and how to find out. */
export interface StoreCase {
  /** The rule. */
  readonly name: string
  /** Rejects when the store breaks it. The store may hold anything else: every case makes up keys of its own. */
  readonly run: (store: OrderSyncStore<unknown>) => Promise<void>
}

const LEASE: ClaimOptions = { leaseMs: 60_000, compareModifyTimeWith: 'orderModifyTime' }
const SHORT_LEASE: ClaimOptions = { leaseMs: 20, compareModifyTimeWith: 'orderModifyTime' }

let made = 0

/** A delivery of an order that no store has seen, unless told otherwise. */
function delivery(given: Partial<Delivery> = {}): Delivery {
  const id = `${process.pid}-${Date.now()}-${++made}`
  return {
    orderKey: `order-${id}`,
    requestKey: `request-${id}`,
    digest: `digest-${id}`,
    orderModifyTime: 1_000,
    ...given,
  }
}

/** Another request about the same order. */
function another(of: Delivery, given: Partial<Delivery> = {}): Delivery {
  return delivery({ orderKey: of.orderKey, orderModifyTime: of.orderModifyTime, ...given })
}

async function claimed(store: OrderSyncStore<unknown>, of: Delivery, options = LEASE) {
  const claim = await store.claim(of, options)
  assert.equal(claim.decision, 'process')
  return { delivery: of, token: (claim as { token: number }).token }
}

async function processed(store: OrderSyncStore<unknown>, of: Delivery, storedResponse: string) {
  assert.equal(await store.finish(await claimed(store, of), { storedResponse, processed: true }), true)
}

/** Claims until a lease that was not ended has run out; the store's clock decides when. */
async function claimedAfterLapse(store: OrderSyncStore<unknown>, of: Delivery, options = LEASE) {
  for (let tries = 0; tries < 500; tries++) {
    const claim = await store.claim(of, options)
    if (claim.decision === 'process') return { delivery: of, token: claim.token }
    assert.deepEqual(claim, { decision: 'busy' })
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
  return assert.fail('the lease did not run out')
}

/**
 * What every store must do, as plain data: for a store of your own, in any test runner.
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
    name: 'a first delivery is processed, and a finished one is remembered',
    async run(store) {
      const first = delivery()
      assert.equal(await store.read(first.orderKey), undefined)
      const claim = await claimed(store, first)
      assert.deepEqual((await store.read(first.orderKey))?.lease, { token: claim.token })
      assert.equal(await store.finish(claim, { storedResponse: 'A', processed: true }), true)
      const record = await store.read(first.orderKey)
      assert.equal(record?.lease, undefined)
      assert.equal(record?.last?.orderModifyTime, 1_000)
      assert.equal(record?.last?.storedResponse, 'A')
      assert.ok(Math.abs((record?.last?.processedAt ?? 0) - Date.now()) < 60_000, 'processedAt is about now')
    },
  },
  {
    name: 'the same request is replayed with its own storedResponse, also after a newer event',
    async run(store) {
      const first = delivery()
      await processed(store, first, 'A')
      await processed(store, another(first, { orderModifyTime: 2_000 }), 'B')
      assert.deepEqual(await store.claim(first, LEASE), { decision: 'replay', storedResponse: 'A' })
    },
  },
  {
    name: 'another request about the same event is a duplicate, answered as the last one was',
    async run(store) {
      const first = delivery()
      await processed(store, first, 'A')
      assert.deepEqual(await store.claim(another(first), LEASE), { decision: 'duplicate', storedResponse: 'A' })
    },
  },
  {
    name: 'an older event is stale, a newer one is processed',
    async run(store) {
      const first = delivery()
      await processed(store, first, 'A')
      assert.deepEqual(await store.claim(another(first, { orderModifyTime: 999 }), LEASE), {
        decision: 'stale',
        storedResponse: 'A',
      })
      await processed(store, another(first, { orderModifyTime: 1_001 }), 'B')
      assert.deepEqual(await store.claim(another(first), LEASE), { decision: 'stale', storedResponse: 'B' })
    },
  },
  {
    name: 'comparison with processedAt drops events that happened before the last processing',
    async run(store) {
      const byProcessing: ClaimOptions = { ...LEASE, compareModifyTimeWith: 'processedAt' }
      const first = delivery()
      await processed(store, first, 'A')
      const before = another(first, { orderModifyTime: Date.now() - 3_600_000 })
      assert.deepEqual(await store.claim(before, byProcessing), { decision: 'stale', storedResponse: 'A' })
      assert.equal((await store.claim(before, LEASE)).decision, 'process')
      const after = delivery()
      await processed(store, after, 'A')
      const later = another(after, { orderModifyTime: Date.now() + 3_600_000 })
      assert.equal((await store.claim(later, byProcessing)).decision, 'process')
    },
  },
  {
    name: 'while an order is being processed, every other event of it that may be new is busy',
    async run(store) {
      const first = delivery({ orderModifyTime: 1_000 })
      await processed(store, first, 'A')
      const running = another(first, { orderModifyTime: 2_000 })
      await claimed(store, running)
      for (const orderModifyTime of [1_500, 2_000, 3_000]) {
        assert.deepEqual(await store.claim(another(first, { orderModifyTime }), LEASE), { decision: 'busy' })
      }
      assert.deepEqual(await store.claim(running, LEASE), { decision: 'busy' })
    },
  },
  {
    name: 'what was processed already is known also while the order is being processed',
    async run(store) {
      const first = delivery()
      await processed(store, first, 'A')
      await claimed(store, another(first, { orderModifyTime: 2_000 }))
      assert.deepEqual(await store.claim(first, LEASE), { decision: 'replay', storedResponse: 'A' })
      assert.deepEqual(await store.claim(another(first), LEASE), { decision: 'duplicate', storedResponse: 'A' })
      const older = another(first, { orderModifyTime: 1 })
      assert.deepEqual(await store.claim(older, LEASE), { decision: 'stale', storedResponse: 'A' })
    },
  },
  {
    name: 'orders do not hinder each other',
    async run(store) {
      await claimed(store, delivery())
      await claimed(store, delivery())
    },
  },
  ...(
    [
      'while it runs',
      'after it was answered',
      'after it failed',
      'after it was refused',
      'after it was a duplicate',
    ] as const
  ).map(
    (state): StoreCase => ({
      name: `the same request with another body is a conflict, ${state}`,
      async run(store) {
        const first = delivery()
        const known = state === 'after it was a duplicate' ? another(first) : first
        const claim = await claimed(store, first)
        if (state === 'after it was answered') await store.finish(claim, { storedResponse: 'A', processed: true })
        if (state === 'after it failed') await store.release(claim)
        if (state === 'after it was refused') await store.finish(claim, { storedResponse: 'F', processed: false })
        if (state === 'after it was a duplicate') {
          await store.finish(claim, { storedResponse: 'A', processed: true })
          assert.equal((await store.claim(known, LEASE)).decision, 'duplicate')
        }
        assert.deepEqual(await store.claim({ ...known, digest: 'another' }, LEASE), { decision: 'conflict' })
        const elsewhere = delivery({ requestKey: known.requestKey })
        assert.deepEqual(await store.claim(elsewhere, LEASE), { decision: 'conflict' })
        assert.equal(await store.read(elsewhere.orderKey), undefined)
      },
    }),
  ),
  {
    name: 'a conflict leaves what is running alone',
    async run(store) {
      const claim = await claimed(store, delivery())
      await store.claim({ ...claim.delivery, digest: 'another' }, LEASE)
      assert.equal(await store.finish(claim, { storedResponse: 'A', processed: true }), true)
      assert.deepEqual(await store.claim(claim.delivery, LEASE), { decision: 'replay', storedResponse: 'A' })
    },
  },
  {
    name: 'a released order is free, as if nothing had come',
    async run(store) {
      const first = delivery()
      const claim = await claimed(store, first)
      assert.equal(await store.release(claim), true)
      const again = await claimed(store, first)
      assert.ok(again.token > claim.token, 'the token grows')
      assert.equal((await store.read(first.orderKey))?.last, undefined)
    },
  },
  {
    name: 'a refusal is replayed to its request, and the event is still to be processed',
    async run(store) {
      const first = delivery()
      assert.equal(await store.finish(await claimed(store, first), { storedResponse: 'F', processed: false }), true)
      assert.deepEqual(await store.claim(first, LEASE), { decision: 'replay', storedResponse: 'F' })
      await processed(store, another(first), 'A')
    },
  },
  {
    name: 'tokens grow with every claim of an order, also after processing',
    async run(store) {
      const first = delivery()
      let before = -1
      for (let round = 0; round < 5; round++) {
        const claim = await claimed(store, another(first, { orderModifyTime: 1_000 + round }))
        assert.ok(claim.token > before, 'the token grows')
        before = claim.token
        await store.finish(claim, { storedResponse: 'A', processed: true })
      }
    },
  },
  {
    name: 'a claim that has ended cannot end again',
    async run(store) {
      const finished = await claimed(store, delivery())
      assert.equal(await store.finish(finished, { storedResponse: 'A', processed: true }), true)
      assert.equal(await store.finish(finished, { storedResponse: 'B', processed: true }), false)
      assert.equal(await store.release(finished), false)
      assert.deepEqual(await store.claim(finished.delivery, LEASE), { decision: 'replay', storedResponse: 'A' })
      const released = await claimed(store, delivery())
      assert.equal(await store.release(released), true)
      assert.equal(await store.release(released), false)
      assert.equal(await store.finish(released, { storedResponse: 'A', processed: true }), false)
    },
  },
  {
    name: 'nothing is finished or released that was not claimed',
    async run(store) {
      const never = { delivery: delivery(), token: 1 }
      assert.equal(await store.finish(never, { storedResponse: 'A', processed: true }), false)
      assert.equal(await store.release(never), false)
      assert.equal(await store.read(never.delivery.orderKey), undefined)
      const running = await claimed(store, delivery())
      assert.equal(
        await store.finish({ ...running, token: running.token + 1 }, { storedResponse: 'A', processed: true }),
        false,
      )
      assert.equal((await store.claim(running.delivery, LEASE)).decision, 'busy')
    },
  },
  {
    name: 'a lease runs out, and the late finish and release are refused by their token',
    async run(store) {
      const late = await claimed(store, delivery(), SHORT_LEASE)
      const next = await claimedAfterLapse(store, another(late.delivery))
      assert.ok(next.token > late.token, 'the token grows')
      assert.equal(await store.finish(late, { storedResponse: 'late', processed: true }), false)
      assert.equal(await store.release(late), false)
      assert.equal(await store.finish(next, { storedResponse: 'A', processed: true }), true)
      assert.equal((await store.read(late.delivery.orderKey))?.last?.storedResponse, 'A')
    },
  },
  {
    name: 'the same request is processed again after its lease ran out',
    async run(store) {
      const late = await claimed(store, delivery(), SHORT_LEASE)
      const next = await claimedAfterLapse(store, late.delivery)
      assert.equal(await store.finish(late, { storedResponse: 'late', processed: true }), false)
      assert.equal(await store.finish(next, { storedResponse: 'A', processed: true }), true)
    },
  },
  {
    name: 'a finish after the lease counts while nobody else has claimed the order',
    async run(store) {
      const late = await claimed(store, delivery(), { ...LEASE, leaseMs: 1 })
      for (let tries = 0; (await store.read(late.delivery.orderKey))?.lease !== undefined; tries++) {
        assert.ok(tries < 500, 'the lease does not run out')
        await new Promise((resolve) => setTimeout(resolve, 10))
      }
      assert.equal(await store.finish(late, { storedResponse: 'A', processed: true }), true)
      assert.deepEqual(await store.claim(late.delivery, LEASE), { decision: 'replay', storedResponse: 'A' })
    },
  },
  {
    name: 'of claims made at once, one is given',
    async run(store) {
      const first = delivery()
      const claims = await Promise.all(
        Array.from({ length: 20 }, (_, index) => store.claim(index % 2 ? first : another(first), LEASE)),
      )
      const count = (decision: ClaimResult['decision']) => claims.filter((claim) => claim.decision === decision).length
      assert.deepEqual([count('process'), count('busy')], [1, 19])
    },
  },
  {
    name: 'answers are kept to the letter',
    async run(store) {
      const storedResponse = '{"result":{"resultMessage":"ü 香港 😀 \\u0000 \'\\"%"},"orderId":"1"}'
      const first = delivery()
      await processed(store, first, storedResponse)
      assert.deepEqual(await store.claim(first, LEASE), { decision: 'replay', storedResponse })
      assert.deepEqual(await store.claim(another(first), LEASE), { decision: 'duplicate', storedResponse })
    },
  },
  {
    name: 'times up to the greatest safe integer are told apart',
    async run(store) {
      const first = delivery({ orderModifyTime: Number.MAX_SAFE_INTEGER - 1 })
      await processed(store, first, 'A')
      await processed(store, another(first, { orderModifyTime: Number.MAX_SAFE_INTEGER }), 'B')
      assert.deepEqual(await store.claim(another(first), LEASE), { decision: 'stale', storedResponse: 'B' })
    },
  },
]

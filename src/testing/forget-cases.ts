import assert from 'node:assert/strict'
import {
  anotherRequest,
  type CaseOnStore,
  claim,
  LEASE,
  newDelivery,
  processNow,
  SHORT_LEASE,
  untilExpired,
} from './case-helpers.ts'

/** What `forget` changes, and what it keeps. */
export const FORGET_CASES: readonly CaseOnStore[] = [
  {
    name: 'forget of an order that is not known changes nothing',
    async run(store) {
      const { orderKey } = newDelivery()
      assert.equal(await store.forget(orderKey), 'unknown')
      assert.equal((await store.read(orderKey))?.last, undefined)
    },
  },
  {
    name: 'after forget, the same request and older events are processed again, in every store object',
    async run(store, createStore) {
      const first = newDelivery({ orderModifyTime: 2_000 })
      await processNow(store, first, 'A')
      assert.equal(await (await createStore()).forget(first.orderKey), 'forgotten')
      assert.equal((await store.read(first.orderKey))?.last, undefined)
      assert.equal(await store.forget(first.orderKey), 'unknown')
      await processNow(store, first, 'B')
      assert.deepEqual(await store.claim(first, LEASE), { decision: 'replay', storedResponse: 'B' })
      assert.equal(await store.forget(first.orderKey), 'forgotten')
      await processNow(store, anotherRequest(first, { orderModifyTime: 1_000 }), 'C')
    },
  },
  {
    name: 'after forget, a request that was refused is processed again',
    async run(store) {
      const first = newDelivery()
      assert.equal(await store.finish(await claim(store, first), { storedResponse: 'F', processed: false }), true)
      assert.equal(await store.forget(first.orderKey), 'forgotten')
      await processNow(store, first, 'A')
    },
  },
  {
    name: 'after forget, all requests of the order are processed again, and another body is still a conflict',
    async run(store) {
      const first = newDelivery()
      const second = anotherRequest(first, { orderModifyTime: 2_000 })
      await processNow(store, first, 'A')
      await processNow(store, second, 'B')
      assert.equal(await store.forget(first.orderKey), 'forgotten')
      assert.deepEqual(await store.claim({ ...first, digest: 'other' }, LEASE), { decision: 'conflict' })
      await processNow(store, first, 'C')
      await processNow(store, second, 'D')
    },
  },
  {
    name: 'forget leaves other orders and their requests alone',
    async run(store) {
      const [first, other] = [newDelivery(), newDelivery()]
      await processNow(store, first, 'A')
      await processNow(store, other, 'B')
      assert.equal(await store.forget(first.orderKey), 'forgotten')
      assert.equal((await store.read(other.orderKey))?.last?.storedResponse, 'B')
      assert.deepEqual(await store.claim(other, LEASE), { decision: 'replay', storedResponse: 'B' })
    },
  },
  {
    name: 'forget changes nothing while the order is being processed',
    async run(store) {
      const first = newDelivery()
      await processNow(store, first, 'A')
      const held = await claim(store, anotherRequest(first, { orderModifyTime: 2_000 }))
      assert.equal(await store.forget(first.orderKey), 'busy')
      assert.equal((await store.read(first.orderKey))?.last?.storedResponse, 'A')
      assert.deepEqual(await store.claim(first, LEASE), { decision: 'replay', storedResponse: 'A' })
      assert.equal(await store.finish(held, { storedResponse: 'B', processed: true }), true)
    },
  },
  {
    name: 'forget does not end a claim whose lease has expired: it can still finish',
    async run(store) {
      const held = await claim(store, newDelivery(), SHORT_LEASE)
      await untilExpired(store, held.delivery)
      assert.equal(await store.forget(held.delivery.orderKey), 'unknown')
      assert.equal(await store.finish(held, { storedResponse: 'A', processed: true }), true)
    },
  },
  {
    name: 'the token grows also after forget',
    async run(store) {
      const first = newDelivery()
      const before = await claim(store, first)
      await store.finish(before, { storedResponse: 'A', processed: true })
      await store.forget(first.orderKey)
      const after = await claim(store, first)
      assert.ok(after.token > before.token, 'the token is greater')
      assert.equal(await store.finish(before, { storedResponse: 'B', processed: true }), false)
    },
  },
  {
    name: 'after concurrent forgets and deliveries of an order, the last delivery is processed or known',
    async run(store, createStore) {
      const first = newDelivery()
      await processNow(store, first, 'A')
      const other = await createStore()
      await Promise.all(
        Array.from({ length: 10 }, async (_, index) => {
          await (index % 2 ? store : other).forget(first.orderKey)
          const result = await store.claim(first, LEASE)
          if (result.decision !== 'process') return
          await store.finish({ delivery: first, token: result.token }, { storedResponse: 'A', processed: true })
        }),
      )
      const result = await store.claim(first, LEASE)
      assert.ok(result.decision === 'process' || result.decision === 'replay', `got "${result.decision}"`)
    },
  },
]

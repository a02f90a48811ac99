import assert from 'node:assert/strict'
import type { Delivery } from '../stores/store.ts'
import {
  type AnyStore,
  anotherRequest,
  type CaseOnStore,
  claim,
  countOf,
  knownAs,
  LEASE,
  newDelivery,
  processNow,
  SHORT_LEASE,
  untilExpired,
} from './case-helpers.ts'

/** Claims 20 deliveries at once, alternating between these stores. Half of them have a unique requestId. One must be processed. */
async function claim20(stores: readonly AnyStore[], first: Delivery): Promise<void> {
  const results = await Promise.all(
    Array.from({ length: 20 }, (_, index) => {
      const store = stores[Math.floor(index / 2) % stores.length] as AnyStore
      const { orderModifyTime } = first
      return store.claim(index % 2 ? first : anotherRequest(first, { orderModifyTime }), LEASE)
    }),
  )
  assert.deepEqual([countOf(results, 'process'), countOf(results, 'busy')], [1, 19], 'process, busy')
}

/** Cases with concurrent calls, on one store object and on two. */
export const CONCURRENT_CASES: readonly CaseOnStore[] = [
  {
    name: 'of 20 concurrent claims of an order, one is processed and 19 are busy',
    run: (store) => claim20([store], newDelivery()),
  },
  {
    name: 'of 20 concurrent claims of a newer event of a known order, one is processed and 19 are busy',
    async run(store) {
      const first = newDelivery()
      await processNow(store, first, 'A')
      await claim20([store], anotherRequest(first, { orderModifyTime: 2_000 }))
    },
  },
  {
    name: 'of 20 concurrent claims of an order whose lease has expired, one is processed and 19 are busy',
    async run(store) {
      const late = await claim(store, newDelivery(), SHORT_LEASE)
      await untilExpired(store, late.delivery)
      await claim20([store], late.delivery)
      assert.equal(await store.finish(late, { storedResponse: 'late', processed: true }), false)
    },
  },
  {
    name: 'of 20 concurrent claims of an order through two store objects, one is processed and 19 are busy',
    async run(store, createStore) {
      await claim20([store, await createStore()], newDelivery())
    },
  },
  {
    name: 'of 20 concurrent claims of a known order through two store objects, one is processed and 19 are busy',
    async run(store, createStore) {
      const other = await createStore()
      const first = newDelivery()
      await processNow(store, first, 'A')
      await claim20([store, other], anotherRequest(first, { orderModifyTime: 2_000 }))
      const late = await claim(other, newDelivery(), SHORT_LEASE)
      await untilExpired(store, late.delivery)
      await claim20([store, other], anotherRequest(late.delivery))
    },
  },
  {
    name: 'of 20 concurrent bodies with one requestId, one is processed and 19 are conflicts',
    async run(store) {
      const first = newDelivery()
      const results = await Promise.all(
        Array.from({ length: 20 }, (_, index) => store.claim({ ...first, digest: `body-${index}` }, LEASE)),
      )
      assert.deepEqual([countOf(results, 'process'), countOf(results, 'conflict')], [1, 19], 'process, conflict')
    },
  },
  {
    name: 'of 20 concurrent finishes of a claim, one resolves to true, and its response is kept',
    async run(store) {
      const held = await claim(store, newDelivery())
      const finished = await Promise.all(
        Array.from({ length: 20 }, (_, index) => store.finish(held, { storedResponse: `${index}`, processed: true })),
      )
      assert.equal(finished.filter(Boolean).length, 1, 'one finish resolves to true')
      assert.equal((await store.read(held.delivery.orderKey))?.last?.storedResponse, `${finished.indexOf(true)}`)
    },
  },
  {
    name: 'two store objects over one database agree on claims, responses and digests',
    async run(store, createStore) {
      const other = await createStore()
      const held = await claim(store, newDelivery())
      assert.deepEqual((await other.read(held.delivery.orderKey))?.lease, { token: held.token })
      assert.deepEqual(await other.claim(anotherRequest(held.delivery), LEASE), { decision: 'busy' })
      assert.deepEqual(await other.claim({ ...held.delivery, digest: 'another' }, LEASE), { decision: 'conflict' })
      assert.equal(await other.finish(held, { storedResponse: 'A', processed: true }), true)
      assert.equal(await store.finish(held, { storedResponse: 'B', processed: true }), false)
      assert.deepEqual(await store.claim(held.delivery, LEASE), { decision: 'replay', storedResponse: 'A' })
      const again = anotherRequest(held.delivery)
      assert.deepEqual(await store.claim(again, LEASE), knownAs('duplicate', 'A', held.delivery))
      const next = await claim(other, anotherRequest(held.delivery, { orderModifyTime: 2_000 }))
      assert.ok(next.token > held.token, 'the token grows')
    },
  },
]

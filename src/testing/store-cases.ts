import assert from 'node:assert/strict'
import type { ClaimOptions, OrderSyncStore } from '../stores/store.ts'
import {
  anotherRequest,
  type CaseOnStore,
  claim,
  claimAfterExpiry,
  knownAs,
  LEASE,
  newDelivery,
  processNow,
  SHORT_LEASE,
  untilExpired,
} from './case-helpers.ts'
import { CONCURRENT_CASES } from './concurrent-cases.ts'
import { FORGET_CASES } from './forget-cases.ts'

/** The database that a {@link StoreCase} tests. */
export interface StoreCaseDatabase {
  /**
   * Opens a store. Each call returns a store over the same database, and each may be another object. A store whose data is
   * in the object itself is returned again. The case closes nothing: close the stores that you opened when the case has ended.
   */
  readonly createStore: () => OrderSyncStore<unknown> | Promise<OrderSyncStore<unknown>>
}

/** One rule that every store must keep, and its test. */
export interface StoreCase {
  /** The rule. */
  readonly name: string
  /** Rejects if the store breaks the rule. The database does not have to be empty: every case uses its own keys. */
  readonly run: (database: StoreCaseDatabase) => Promise<void>
}

const CASES: readonly CaseOnStore[] = [
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
      assert.deepEqual(await store.claim(anotherRequest(first), LEASE), knownAs('duplicate', 'A', first))
    },
  },
  {
    name: 'claim reports an older event as stale and processes a newer one',
    async run(store) {
      const first = newDelivery()
      await processNow(store, first, 'A')
      const older = anotherRequest(first, { orderModifyTime: 999 })
      assert.deepEqual(await store.claim(older, LEASE), knownAs('stale', 'A', first))
      const newer = anotherRequest(first, { orderModifyTime: 1_001 })
      await processNow(store, newer, 'B')
      assert.deepEqual(await store.claim(anotherRequest(first), LEASE), knownAs('stale', 'B', newer))
    },
  },
  {
    name: 'claim returns the time and the content digest of the last processed event, not of a later refusal',
    async run(store) {
      const first = newDelivery()
      await processNow(store, first, 'A')
      const refused = await claim(store, anotherRequest(first, { orderModifyTime: 2_000 }))
      await store.finish(refused, { storedResponse: 'F', processed: false })
      assert.deepEqual(await store.claim(anotherRequest(first), LEASE), knownAs('duplicate', 'A', first))
      const released = await claim(store, anotherRequest(first, { orderModifyTime: 2_001 }))
      await store.release(released)
      assert.deepEqual(await store.claim(anotherRequest(first), LEASE), knownAs('duplicate', 'A', first))
    },
  },
  {
    name: 'claim reports an event from before the last processing as stale if it compares with processedAt',
    async run(store) {
      const byProcessing: ClaimOptions = { ...LEASE, compareModifyTimeWith: 'processedAt' }
      const first = newDelivery()
      await processNow(store, first, 'A')
      const before = anotherRequest(first, { orderModifyTime: Date.now() - 3_600_000 })
      assert.deepEqual(await store.claim(before, byProcessing), knownAs('stale', 'A', first))
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
      assert.deepEqual(await store.claim(anotherRequest(first), LEASE), knownAs('duplicate', 'A', first))
      const older = anotherRequest(first, { orderModifyTime: 1 })
      assert.deepEqual(await store.claim(older, LEASE), knownAs('stale', 'A', first))
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
    (state): CaseOnStore => ({
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
    name: 'finish succeeds after the lease expired if no other request has claimed the order',
    async run(store) {
      const late = await claim(store, newDelivery(), { ...LEASE, leaseMs: 1 })
      await untilExpired(store, late.delivery)
      assert.equal(await store.finish(late, { storedResponse: 'A', processed: true }), true)
      assert.deepEqual(await store.claim(late.delivery, LEASE), { decision: 'replay', storedResponse: 'A' })
    },
  },
  {
    name: 'a stored response is returned unchanged',
    async run(store) {
      const storedResponse = '{"result":{"resultMessage":"ü 香港 😀 \\u0000 \'\\"%"},"orderId":"1"}'
      const first = newDelivery()
      await processNow(store, first, storedResponse)
      assert.deepEqual(await store.claim(first, LEASE), { decision: 'replay', storedResponse })
      assert.deepEqual(await store.claim(anotherRequest(first), LEASE), knownAs('duplicate', storedResponse, first))
    },
  },
  {
    name: 'claim distinguishes times up to the greatest safe integer',
    async run(store) {
      const first = newDelivery({ orderModifyTime: Number.MAX_SAFE_INTEGER - 1 })
      await processNow(store, first, 'A')
      const greatest = anotherRequest(first, { orderModifyTime: Number.MAX_SAFE_INTEGER })
      await processNow(store, greatest, 'B')
      assert.deepEqual(await store.claim(anotherRequest(first), LEASE), knownAs('stale', 'B', greatest))
    },
  },
  {
    name: 'a stored response of 4,096 characters is returned unchanged',
    async run(store) {
      const storedResponse = '香'.repeat(4_096)
      const first = newDelivery()
      await processNow(store, first, storedResponse)
      assert.deepEqual(await store.claim(first, LEASE), { decision: 'replay', storedResponse })
      assert.equal((await store.read(first.orderKey))?.last?.storedResponse, storedResponse)
    },
  },
  {
    name: 'keys and digests that differ only in case, or in the last of 64 characters, are different',
    async run(store) {
      const { orderKey } = newDelivery()
      for (const [one, other] of [
        ['a', 'A'],
        ['-', '_'],
      ] as const) {
        const key = (last: string) => `${orderKey}${last}`.padStart(64, '-')
        const first = newDelivery({ orderKey: key(one), requestKey: key(one), digest: key(one) })
        await processNow(store, first, 'A')
        await processNow(store, { ...first, orderKey: key(other), requestKey: key(other) }, 'B')
        assert.deepEqual(await store.claim({ ...first, digest: key(other) }, LEASE), { decision: 'conflict' })
        assert.deepEqual(await store.claim(first, LEASE), { decision: 'replay', storedResponse: 'A' })
      }
    },
  },
  {
    name: 'a refusal of a newer event leaves the last processed event as it is',
    async run(store) {
      const first = newDelivery()
      await processNow(store, first, 'A')
      const newer = await claim(store, anotherRequest(first, { orderModifyTime: 2_000 }))
      assert.equal(await store.finish(newer, { storedResponse: 'F', processed: false }), true)
      const { last, lease } = (await store.read(first.orderKey)) ?? {}
      assert.deepEqual([last?.orderModifyTime, last?.storedResponse, lease], [1_000, 'A', undefined])
    },
  },
  {
    name: 'the digest of a busy request is remembered: another body is then a conflict, and the first body is processed later',
    async run(store) {
      const running = await claim(store, newDelivery())
      const waiting = anotherRequest(running.delivery, { orderModifyTime: 2_000 })
      assert.deepEqual(await store.claim(waiting, LEASE), { decision: 'busy' })
      assert.deepEqual(await store.claim({ ...waiting, digest: 'another' }, LEASE), { decision: 'conflict' })
      const elsewhere = newDelivery({ requestKey: waiting.requestKey })
      assert.deepEqual(await store.claim(elsewhere, LEASE), { decision: 'conflict' })
      assert.deepEqual(await store.claim(waiting, LEASE), { decision: 'busy' })
      assert.equal(await store.finish(running, { storedResponse: 'A', processed: true }), true)
      await processNow(store, waiting, 'B')
    },
  },
  {
    name: 'leases do not follow the clock of this process: an hour more or less changes nothing',
    async run(store) {
      const held = await claim(store, newDelivery())
      for (const shiftMs of [3_600_000, -3_600_000]) {
        const result = await withShiftedClock(shiftMs, () => store.claim(anotherRequest(held.delivery), LEASE))
        assert.deepEqual(result, { decision: 'busy' }, `with the clock shifted by ${shiftMs} ms`)
      }
      const shifted = await withShiftedClock(-3_600_000, () => claim(store, newDelivery()))
      assert.deepEqual(await store.claim(anotherRequest(shifted.delivery), LEASE), { decision: 'busy' })
      assert.equal(await store.finish(held, { storedResponse: 'A', processed: true }), true)
    },
  },
]

/** Shifts `Date` in this process. Timers keep the real time. */
async function withShiftedClock<Value>(shiftMs: number, work: () => Promise<Value>): Promise<Value> {
  const RealDate = globalThis.Date
  const now = () => RealDate.now() + shiftMs
  globalThis.Date = new Proxy(RealDate, {
    construct: (target, args: unknown[], newTarget) =>
      Reflect.construct(target, args.length > 0 ? args : [now()], newTarget),
    get: (target, name) => (name === 'now' ? now : Reflect.get(target, name)),
  })
  try {
    return await work()
  } finally {
    globalThis.Date = RealDate
  }
}

/**
 * The rules that every store must keep, as plain data. Run them against your own store, in any test runner, one after the
 * other. `createStore` returns a store over the same database each time: the cases open two of them to see whether they agree.
 *
 * @see docs/protocol.md section 7.3
 * @example
 * ```ts
 * import { memoryStore } from 'alipayhk-order-sync'
 * import { storeCases } from 'alipayhk-order-sync/testing'
 * import { test } from 'node:test'
 *
 * const store = memoryStore() // for a database: createStore: () => yourStore({ pool })
 * for (const { name, run } of storeCases) test(name, () => run({ createStore: () => store }))
 * ```
 */
export const storeCases: readonly StoreCase[] = [...CASES, ...CONCURRENT_CASES, ...FORGET_CASES].map(
  ({ name, run }) => ({
    name,
    async run({ createStore }) {
      const create = async () => await createStore()
      await run(await create(), create)
    },
  }),
)

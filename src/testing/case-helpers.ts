import assert from 'node:assert/strict'
import process from 'node:process'
import type { ClaimOptions, ClaimResult, Delivery, HeldClaim, OrderSyncStore } from '../stores/store.ts'

export type AnyStore = OrderSyncStore<unknown>

/** A {@link StoreCase} before it is wrapped: it receives one open store. */
export interface CaseOnStore {
  readonly name: string
  readonly run: (store: AnyStore, createStore: () => Promise<AnyStore>) => Promise<void>
}

export const LEASE: ClaimOptions = { leaseMs: 60_000, compareModifyTimeWith: 'orderModifyTime' }
export const SHORT_LEASE: ClaimOptions = { leaseMs: 20, compareModifyTimeWith: 'orderModifyTime' }

let deliveries = 0

/** A delivery of an order that no store has seen. */
export function newDelivery(changes: Partial<Delivery> = {}): Delivery {
  const id = `${process.pid}-${Date.now()}-${++deliveries}`
  return {
    orderKey: `order-${id}`,
    requestKey: `request-${id}`,
    digest: `digest-${id}`,
    contentDigest: `content-${id}`,
    orderModifyTime: 1_000,
    ...changes,
  }
}

/** Another request about the same order. */
export function anotherRequest({ orderKey, orderModifyTime }: Delivery, changes: Partial<Delivery> = {}): Delivery {
  return newDelivery({ orderKey, orderModifyTime, ...changes })
}

/** Claims a delivery that must be processed. */
export async function claim(store: AnyStore, delivery: Delivery, options = LEASE): Promise<HeldClaim> {
  const result = await store.claim(delivery, options)
  if (result.decision !== 'process') assert.fail(`expected "process", got "${result.decision}"`)
  assert.ok(Number.isSafeInteger(result.token), 'the token is a safe integer')
  return { delivery, token: result.token }
}

/** Claims and finishes a delivery that must be processed. */
export async function processNow(store: AnyStore, delivery: Delivery, storedResponse: string): Promise<void> {
  assert.equal(await store.finish(await claim(store, delivery), { storedResponse, processed: true }), true)
}

/** The result of a claim after the event of `last`, or a later one, was processed. */
export function knownAs(decision: 'duplicate' | 'stale', storedResponse: string, last: Delivery): ClaimResult {
  const { orderModifyTime, contentDigest } = last
  return { decision, storedResponse, last: { orderModifyTime, contentDigest } }
}

/** Claims repeatedly until the lease of an earlier claim has expired by the store's clock. */
export async function claimAfterExpiry(store: AnyStore, delivery: Delivery): Promise<HeldClaim> {
  for (let tries = 0; tries < 500; tries++) {
    const result = await store.claim(delivery, LEASE)
    if (result.decision === 'process') return { delivery, token: result.token }
    assert.deepEqual(result, { decision: 'busy' })
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
  return assert.fail('the lease did not expire')
}

/** Waits until the lease of a claim has expired by the store's clock. */
export async function untilExpired(store: AnyStore, { orderKey }: Delivery): Promise<void> {
  for (let tries = 0; (await store.read(orderKey))?.lease !== undefined; tries++) {
    assert.ok(tries < 500, 'the lease does not expire')
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
}

/** How many of the results are that decision. */
export function countOf(results: readonly ClaimResult[], decision: ClaimResult['decision']): number {
  return results.filter((result) => result.decision === decision).length
}

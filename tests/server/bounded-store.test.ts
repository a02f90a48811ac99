import * as diagnostics from 'node:diagnostics_channel'
import { beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest'
import { ConfigurationError, OrderRefusedError } from '../../src/errors.ts'
import type { ClaimResult } from '../../src/policy/idempotency.ts'
import { boundStore } from '../../src/server/bounded-store.ts'
import type { Completion, Delivery, OrderSyncStore } from '../../src/stores/store.ts'
import { deferred } from '../support/deferred.ts'
import { rejectionOf } from '../support/thrown.ts'

const delivery: Delivery = { orderKey: 'o', requestKey: 'r', digest: 'd', contentDigest: 'c', orderModifyTime: 1 }
const held = { delivery, token: 7 }
const completion: Completion = { storedResponse: '{}', processed: true }
const claimOptions = { leaseMs: 30_000, compareModifyTimeWith: 'orderModifyTime' } as const

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
  onTestFinished(() => void vi.useRealTimers())
})

function fakeStore() {
  return {
    claim: vi.fn<OrderSyncStore['claim']>(async () => ({ decision: 'process', token: 7 })),
    finish: vi.fn<OrderSyncStore['finish']>(async () => true),
    release: vi.fn<OrderSyncStore['release']>(async () => true),
    read: vi.fn<OrderSyncStore['read']>(async () => undefined),
    forget: vi.fn<OrderSyncStore['forget']>(async () => 'forgotten'),
    ping: vi.fn<NonNullable<OrderSyncStore['ping']>>(async () => {}),
  }
}

/** Each call, with its arguments. */
const CALLS = [
  ['claim', [delivery, claimOptions]],
  ['finish', [held, completion]],
  ['release', [held]],
  ['read', ['key']],
  ['forget', ['key']],
  ['ping', []],
] as const

/** Calls a method by its name. */
const call = (store: object, method: string, args: readonly unknown[]): Promise<unknown> =>
  Reflect.get(store, method)(...args)

/** The contexts that a subscriber of the tracing channel "store" sees, from now on. */
function recordTraces(): unknown[] {
  const seen: unknown[] = []
  const channel = diagnostics.channel('tracing:alipayhk-order-sync:store:asyncEnd')
  const subscriber = (context: unknown) => void seen.push(context)
  channel.subscribe(subscriber)
  onTestFinished(() => void channel.unsubscribe(subscriber))
  return seen
}

describe.each(CALLS)('%s of a bounded store', (method, args) => {
  test('passes its arguments and its result on, and is traced', async () => {
    const traces = recordTraces()
    const store = fakeStore()
    const result = await call(boundStore(store, 100), method, args)
    expect(store[method].mock.calls).toStrictEqual([args])
    expect(result).toStrictEqual(await store[method].mock.results[0]?.value)
    expect(traces).toMatchObject([{ operation: method }])
  })

  test('rejects after its time limit, with its name', async () => {
    const store = { ...fakeStore(), [method]: () => new Promise(() => {}) } as never
    const rejected = rejectionOf(call(boundStore(store, 100), method, args))
    await vi.advanceTimersByTimeAsync(99)
    expect(vi.getTimerCount()).toBe(1)
    await vi.advanceTimersByTimeAsync(1)
    expect(await rejected).toMatchObject({
      code: 'ERR_STORE_TIMEOUT',
      message: `store.${method}() took longer than 100 ms ("storeTimeoutMs").`,
    })
  })

  test.each<[string, () => unknown]>([
    ['rejects', () => Promise.reject(new TypeError('SECRET'))],
    [
      'throws',
      () => {
        throw new TypeError('SECRET')
      },
    ],
  ])('that %s rejects with its name', async (_, fail) => {
    const error = await rejectionOf(call(boundStore({ ...fakeStore(), [method]: fail } as never, 100), method, args))
    expect(error).toMatchObject({ code: 'ERR_STORE', cause: new TypeError('SECRET') })
    expect(error.message).toContain(`store.${method}() threw TypeError.`)
  })
})

describe('a claim', () => {
  const last = { orderModifyTime: 1, contentDigest: 'c' }

  test.each<ClaimResult>([
    { decision: 'process', token: 7 },
    { decision: 'busy' },
    { decision: 'stale', storedResponse: '{}', last },
  ])('is traced with its decision: $decision', async (claimed) => {
    const traces = recordTraces()
    const store = fakeStore()
    store.claim.mockResolvedValue(claimed)
    await boundStore(store, 100).claim(delivery, claimOptions)
    expect(traces).toMatchObject([{ operation: 'claim', decision: claimed.decision }])
  })

  test('that is late is released if it holds the order', async () => {
    const store = fakeStore()
    const late = deferred<ClaimResult>()
    store.claim.mockReturnValue(late.promise)
    const rejected = rejectionOf(boundStore(store, 100).claim(delivery, claimOptions))
    await vi.advanceTimersByTimeAsync(100)
    expect(await rejected).toMatchObject({ code: 'ERR_STORE_TIMEOUT' })
    expect(store.release).not.toHaveBeenCalled()
    late.resolve({ decision: 'process', token: 9 })
    await new Promise((resolve) => setImmediate(resolve))
    expect(store.release.mock.calls).toStrictEqual([[{ delivery, token: 9 }]])
  })

  test('that is late releases nothing if another delivery holds the order', async () => {
    const store = fakeStore()
    const late = deferred<ClaimResult>()
    store.claim.mockReturnValue(late.promise)
    const rejected = rejectionOf(boundStore(store, 100).claim(delivery, claimOptions))
    await vi.advanceTimersByTimeAsync(100)
    await rejected
    late.resolve({ decision: 'busy' })
    await new Promise((resolve) => setImmediate(resolve))
    expect(store.release).not.toHaveBeenCalled()
  })

  test('with a result that no store of this package returns is an error of the store', async () => {
    const store = fakeStore()
    store.claim.mockResolvedValue({ decision: 'maybe' } as never)
    expect(await rejectionOf(boundStore(store, 100).claim(delivery, claimOptions))).toMatchObject({ code: 'ERR_STORE' })
  })
})

test('ping reads a key if the store has no ping', async () => {
  const traces = recordTraces()
  const { ping, ...store } = fakeStore()
  await boundStore(store, 100).ping()
  expect(store.read.mock.calls).toStrictEqual([['ping']])
  expect(traces).toMatchObject([{ operation: 'read' }])
})

test('methods that return no decision are traced without one', async () => {
  const traces = recordTraces()
  const store = fakeStore()
  const bounded = boundStore(store, 100)
  await bounded.read('key')
  store.read.mockResolvedValue(null as never)
  await bounded.read('key')
  await bounded.forget('key')
  for (const trace of traces) expect(trace).not.toHaveProperty('decision')
  expect(traces).toHaveLength(3)
})

describe('finishInTransaction', () => {
  const work = async () => completion

  test('is absent if the store has no transactions', () => {
    expect('finishInTransaction' in boundStore(fakeStore(), 100)).toBe(false)
  })

  test('passes its arguments and its result on, with the `this` of the store, without a time limit', async () => {
    const traces = recordTraces()
    const store = {
      ...fakeStore(),
      result: false,
      async finishInTransaction(...args: unknown[]) {
        expect(args).toStrictEqual([held, work])
        expect(vi.getTimerCount()).toBe(0)
        return this.result
      },
    }
    expect(await boundStore<undefined>(store, 100).finishInTransaction?.(held, work)).toBe(false)
    expect(traces).toMatchObject([{ operation: 'finishInTransaction' }])
  })

  test.each<[string, unknown]>([
    ['a refusal', new OrderRefusedError('PROCESS_FAIL')],
    ['an error that says what to do', new ConfigurationError('ERR_ORDER_ID', 'Return an orderId.')],
  ])('rejects with %s of onOrder', async (_, error) => {
    const store = { ...fakeStore(), finishInTransaction: () => Promise.reject(error) }
    expect(await rejectionOf(Promise.resolve(boundStore(store, 100).finishInTransaction?.(held, work)))).toBe(error)
  })

  test('that throws rejects with its name', async () => {
    const store = {
      ...fakeStore(),
      finishInTransaction() {
        throw new TypeError('SECRET')
      },
    }
    const error = await rejectionOf(Promise.resolve(boundStore(store, 100).finishInTransaction?.(held, work)))
    expect(error.message).toContain('store.finishInTransaction() threw TypeError.')
  })
})

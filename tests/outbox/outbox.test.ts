import { createHash } from 'node:crypto'
import { inspect } from 'node:util'
import { describe, expect, test } from 'vitest'
import type { OrderInput } from '../../src/public/index.ts'
import type { NewOutboxEvent } from '../../src/public/outbox.ts'
import { createTestOrder } from '../../src/testing/test-order.ts'
import { fakeOutbox } from '../support/fake-outbox.ts'
import { rejectionOf } from '../support/thrown.ts'

const order = (changes: Partial<OrderInput> = {}): OrderInput => createTestOrder({ merchantBizNo: 'A-1', ...changes })

/** What `enqueue` writes. */
async function written(input: OrderInput, options?: { tenant?: string }): Promise<NewOutboxEvent> {
  const { outbox, store } = fakeOutbox()
  await outbox.enqueue(input, options)
  const [event] = store.enqueue.mock.calls[0]?.[0] ?? []
  return event ?? expect.fail('nothing was written')
}

describe('enqueue', () => {
  test('writes the order with its time, its time limit and the hash of its identity', async () => {
    const { outbox, store } = fakeOutbox({ maxRetryMs: 42 })
    const input = order({ requestId: 'r-1', orderModifyTime: 4_102_444_800_000 })
    const transaction = {}
    expect(await outbox.enqueue(input, { transaction })).toEqual({ requestId: 'r-1' })
    expect(store.enqueue).toHaveBeenCalledOnce()
    const [events, given] = store.enqueue.mock.calls[0] ?? []
    expect(given).toBe(transaction)
    expect(events).toEqual([
      {
        orderKey: createHash('sha256').update('[null,null,"TRADE_ORDER","A-1"]').digest('base64url'),
        eventTime: 4_102_444_800_000,
        requestId: 'r-1',
        payload: expect.any(String),
        maxRetryMs: 42,
      },
    ])
    expect(JSON.parse(events?.[0]?.payload ?? '')).toEqual({ order: input })
  })

  test('fills in the requestId, a UUID without dashes, and the type of the order', async () => {
    const { requestId, merchantBizType, ...input } = order()
    const { outbox, store } = fakeOutbox({ randomUUID: () => '0d3f-4a-5b' })
    expect(await outbox.enqueue(input)).toEqual({ requestId: '0d3f4a5b' })
    const payload = JSON.parse(store.enqueue.mock.calls[0]?.[0][0]?.payload ?? '')
    expect(payload.order).toMatchObject({ requestId: '0d3f4a5b', merchantBizType: 'TRADE_ORDER' })
  })

  test('fills in the requestId and the type of the order, also when they are undefined', async () => {
    const { outbox, store } = fakeOutbox({ randomUUID: () => '0d3f-4a-5b' })
    const unset = { requestId: undefined, merchantBizType: undefined }
    await outbox.enqueue({ ...order(), ...unset } as unknown as OrderInput)
    const payload = JSON.parse(store.enqueue.mock.calls[0]?.[0][0]?.payload ?? '')
    expect(payload.order).toMatchObject({ requestId: '0d3f4a5b', merchantBizType: 'TRADE_ORDER' })
  })

  test('rejects a parsed order with a "__proto__" member', async () => {
    const input = { ...order(), ...JSON.parse('{"__proto__":{"merchantId":"M-2"}}') }
    await expect(fakeOutbox().outbox.enqueue(input)).rejects.toMatchObject({ issues: [{ field: '__proto__' }] })
  })

  test('writes the tenant', async () => {
    const { payload } = await written(order(), { tenant: 'shop-2' })
    expect(JSON.parse(payload)).toMatchObject({ tenant: 'shop-2' })
  })

  test('different orders have different keys; an empty merchantId is none', async () => {
    const { orderKey } = await written(order())
    expect((await written(order({ merchantId: '' }))).orderKey).toBe(orderKey)
    const others = await Promise.all([
      written(order({ merchantId: 'M' })),
      written(order({ merchantBizNo: 'A-2' })),
      written(order(), { tenant: 'M' }),
    ])
    expect(new Set([orderKey, ...others.map((event) => event.orderKey)]).size).toBe(4)
  })

  test('accepts fractions in extInfo only with "allowFractions"', async () => {
    const input = order({ extInfo: { weight: 1.5 } })
    await expect(fakeOutbox().outbox.enqueue(input)).rejects.toThrow()
    const { outbox, store } = fakeOutbox({ allowFractions: true })
    await outbox.enqueue(input)
    expect(store.enqueue.mock.calls[0]?.[0][0]?.payload).toContain('"weight":1.5')
  })

  test.each([
    [{ tenant: 1 }, '"tenant" must be a string'],
    [{ transction: {} }, 'outbox.enqueue() has no option "transction"'],
  ])('rejects the options %o', async (options, message) => {
    const { outbox, store } = fakeOutbox()
    expect((await rejectionOf(outbox.enqueue(order(), options as never))).message).toBe(message)
    expect(store.enqueue).not.toHaveBeenCalled()
  })
})

describe('enqueueAll', () => {
  test('writes up to 1,000 orders by one call', async () => {
    const { outbox, store } = fakeOutbox()
    const orders = Array.from({ length: 1_000 }, (_, index) => order({ requestId: `r-${index}` }))
    const { requestIds } = await outbox.enqueueAll(orders)
    expect(requestIds).toEqual(orders.map(({ requestId }) => requestId))
    expect(store.enqueue).toHaveBeenCalledOnce()
    expect(store.enqueue.mock.calls[0]?.[0]).toHaveLength(1_000)
    const error = await rejectionOf(outbox.enqueueAll([...orders, order()]))
    expect(error).toBeInstanceOf(RangeError)
    expect(error.message).toBe('At most 1000 orders can be enqueued at once')
  })

  test('writes nothing without orders', async () => {
    const { outbox, store } = fakeOutbox()
    expect(await outbox.enqueueAll([])).toEqual({ requestIds: [] })
    expect(store.enqueue).not.toHaveBeenCalled()
  })
})

describe.each(['run', 'drain'] as const)('%s', (method) => {
  test.each([
    [{ concurrency: 0 }, '"concurrency" must be a positive integer'],
    [{ concurrency: 1.5 }, '"concurrency" must be a positive integer'],
    [{ concurrency: 1_001 }, '"concurrency" must be at most 1000'],
    [{ signal: {} }, '"signal" must be an AbortSignal'],
    [{ concurency: 1 }, 'outbox.run() has no option "concurency"'],
  ])('rejects the options %o', async (options, message) => {
    const { outbox, store } = fakeOutbox()
    expect((await rejectionOf(outbox[method](options as never))).message).toBe(message)
    expect(store.claim).not.toHaveBeenCalled()
  })
})

test.each([
  [undefined, 10],
  [1, 1],
  [1_000, 1_000],
])('drain with the concurrency %s claims %i events', async (concurrency, limit) => {
  const { outbox, store } = fakeOutbox()
  await outbox.drain({ concurrency })
  expect(store.claim.mock.calls).toEqual([[expect.objectContaining({ limit })]])
})

describe('failed', () => {
  const row = {
    ...{ id: '1', orderKey: 'key', eventTime: 2, requestId: 'r-1', attempts: 3, code: 'PROCESS_FAIL' },
    failedAt: 1_716_342_180_000,
  }

  test('returns what the store has, with the order and the tenant', async () => {
    const { outbox, store } = fakeOutbox()
    store.failed.mockResolvedValue([
      { ...row, payload: '{"tenant":"t","order":{"merchantBizNo":"A-SECRET"}}' },
      { ...row, payload: '{"order":{"merchantBizNo":"B"}}' },
      { ...row, payload: 'A256GCM.damaged' },
    ])
    const failures = await outbox.failed()
    const expected = {
      ...{ id: '1', requestId: 'r-1', attempts: 3, code: 'PROCESS_FAIL' },
      failedAt: new Date(1_716_342_180_000),
    }
    expect(failures).toStrictEqual([{ ...expected, tenant: 't' }, expected, expected])
    expect(failures.map((failure) => failure.order)).toEqual([
      { merchantBizNo: 'A-SECRET' },
      { merchantBizNo: 'B' },
      undefined,
    ])
    expect(inspect(failures)).not.toContain('SECRET')
  })

  test('decrypts the order with the identity of its event', async () => {
    const encryptAtRest = Buffer.alloc(32, 1)
    const { outbox, store } = fakeOutbox({ encryptAtRest })
    await outbox.enqueue(order({ requestId: 'r-1' }))
    const [event] = store.enqueue.mock.calls[0]?.[0] ?? []
    const { orderKey = '', eventTime = 0, payload = '' } = event ?? {}
    store.failed.mockResolvedValue([
      { ...row, orderKey, eventTime, payload },
      { ...row, orderKey, eventTime, payload, requestId: 'r-2' },
    ])
    const failures = await outbox.failed()
    expect(failures.map((failure) => failure.order?.merchantBizNo)).toEqual(['A-1', undefined])
  })

  test.each([
    [undefined, 100],
    [{}, 100],
    [{ limit: undefined }, 100],
    [{ limit: 1 }, 1],
    [{ limit: 1_000 }, 1_000],
  ])('with %o asks for %s', async (options, limit) => {
    const { outbox, store } = fakeOutbox()
    await outbox.failed(options)
    expect(store.failed.mock.calls).toEqual([[{ limit }]])
  })

  test.each([0, -1, 1.5, 1_001, '5'])('rejects the limit %s', async (limit) => {
    const { outbox, store } = fakeOutbox()
    const error = await rejectionOf(outbox.failed({ limit: limit as number }))
    expect(error).toBeInstanceOf(RangeError)
    expect(error.message).toBe('"limit" must be a whole number from 1 to 1000')
    expect(store.failed).not.toHaveBeenCalled()
  })
})

test.each([true, false])('retry and discard return what the store returns: %s', async (found) => {
  const { outbox, store } = fakeOutbox({ maxRetryMs: 42 })
  store.retry.mockResolvedValue(found)
  store.discard.mockResolvedValue(found)
  expect(await outbox.retry('id-1')).toBe(found)
  expect(await outbox.discard('id-2')).toBe(found)
  expect(store.retry.mock.calls).toEqual([['id-1', 42]])
  expect(store.discard.mock.calls).toEqual([['id-2']])
})

test('prune deletes until nothing is left, and returns the number of events', async () => {
  const { outbox, store } = fakeOutbox({ keepSentMs: 42 })
  store.prune.mockResolvedValueOnce(1_000).mockResolvedValueOnce(1)
  expect(await outbox.prune()).toBe(1_001)
  expect(store.prune.mock.calls).toEqual([[42], [42], [42]])
})

describe('health', () => {
  test('contains what is in the outbox, and how long the store took', async () => {
    const { outbox } = fakeOutbox()
    const before = performance.now()
    const { latencyMs, ...health } = await outbox.health()
    expect(health).toEqual({ ok: true, workers: 0, waiting: 3, inFlight: 2, failed: 1 })
    expect(latencyMs).toBeGreaterThanOrEqual(0)
    expect(latencyMs).toBeLessThanOrEqual(performance.now() - before)
    expect(await outbox.stats()).toEqual({ waiting: 3, inFlight: 2, failed: 1 })
  })

  test('contains what is wrong when the store fails, without its text', async () => {
    const { outbox, store } = fakeOutbox()
    store.stats.mockRejectedValue(new TypeError('password=secret'))
    const before = performance.now()
    const { latencyMs, ...health } = await outbox.health()
    expect(health).toEqual({ ok: false, workers: 0, message: 'The outbox store failed: TypeError.' })
    expect(latencyMs).toBeLessThanOrEqual(performance.now() - before)
  })
})

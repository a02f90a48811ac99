import * as diagnostics from 'node:diagnostics_channel'
import { getEventListeners } from 'node:events'
import { beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest'
import {
  createOrderSyncHandler,
  DeliveryError,
  memoryStore,
  type OpenObject,
  OrderRefusedError,
  type OrderResult,
  type OrderSyncEvent,
  ProtocolError,
} from '../../src/public/index.ts'
import type { StandardSchema } from '../../src/public/messages.ts'
import type { OrderSyncStore } from '../../src/public/store.ts'
import { deferred, until } from '../support/deferred.ts'
import { isCollectable } from '../support/garbage.ts'
import { merchant, SUCCESS, summarize, TRY_LATER } from '../support/merchant.ts'
import { CLIENT_ID, encryptedRequest, merchantCredentials, NOW, order, refusal, request } from '../support/messages.ts'

vi.mock('node:timers/promises', () => import('../support/timers.ts'))

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] })
  onTestFinished(() => void vi.useRealTimers())
})

/** The time of the event that most tests deliver. */
const T = NOW - 1_000
const CONFLICT = {
  status: 200,
  resultCode: 'REPEAT_REQ_INCONSISTENT',
  resultStatus: 'F',
  signed: true,
  encrypted: false,
}

const neverValidates: StandardSchema<unknown, never> = {
  '~standard': { version: 1, vendor: 'test', validate: () => new Promise<never>(() => {}) },
}

/** A request with an event of the order BIZ-0001. */
const delivery = (requestId: string, orderModifyTime = T, changes: Record<string, unknown> = {}) =>
  request({ message: order({ requestId, orderModifyTime, ...changes }) })

/** An `onOrder` that returns, …: the orderId shows which run returned it. */
const countRuns = () => {
  let runs = 0
  return () => ({ orderId: `A-${++runs}` })
}

const kinds = (events: readonly { kind: string }[]) => events.map(({ kind }) => kind)

describe('after an order was processed', () => {
  test.each<[string, () => ReturnType<typeof request>, string, object]>([
    ['replays the same request', () => delivery('r1'), 'replay', SUCCESS],
    [
      'replays the same request with a new signature',
      () => request({ message: order({ requestId: 'r1' }), time: '2024-05-22T09:13:00+08:00' }),
      'replay',
      SUCCESS,
    ],
    [
      'replays the same request, encrypted',
      () => encryptedRequest({ message: order({ requestId: 'r1' }) }),
      'replay',
      { ...SUCCESS, encrypted: true },
    ],
    [
      'replays the same request, written by another JSON writer',
      () =>
        request({
          message: JSON.stringify(Object.fromEntries(Object.entries(order({ requestId: 'r1' })).reverse()), null, 1),
        }),
      'replay',
      SUCCESS,
    ],
    ['detects a duplicate: another request with the same event', () => delivery('r2'), 'duplicate', SUCCESS],
    ['detects a stale event: another request with an older event', () => delivery('r2', T - 1), 'stale', SUCCESS],
    [
      'rejects the same requestId with another body',
      () => delivery('r1', T, { orderStatus: 'x' }),
      'rejected',
      CONFLICT,
    ],
    ['processes a newer event', () => delivery('r2', T + 1), 'processed', { ...SUCCESS, orderId: 'A-2' }],
    [
      'processes another order',
      () => delivery('r2', T, { merchantBizNo: 'x' }),
      'processed',
      { ...SUCCESS, orderId: 'A-2' },
    ],
    [
      'processes an order of another merchant',
      () => delivery('r2', T, { merchantId: 'm' }),
      'processed',
      { ...SUCCESS, orderId: 'A-2' },
    ],
    ['treats an empty merchantId as absent', () => delivery('r2', T, { merchantId: '' }), 'duplicate', SUCCESS],
  ])('%s', async (_, make, kind, expected) => {
    const { handler, onOrder, events } = merchant({ onOrder: countRuns() })
    expect(summarize(await handler(delivery('r1')))).toStrictEqual(SUCCESS)
    expect(summarize(await handler(make()))).toStrictEqual(expected)
    expect(kinds(events)).toStrictEqual(['processed', kind])
    expect(onOrder).toHaveBeenCalledTimes(kind === 'processed' ? 2 : 1)
  })

  test('compares orderModifyTime with the last processing when compareModifyTimeWith is "processedAt"', async () => {
    const store = memoryStore({ now: () => T + 500 })
    const { handler, events } = merchant({ store, compareModifyTimeWith: 'processedAt' })
    await handler(delivery('r1', T))
    await handler(delivery('r2', T + 400))
    await handler(delivery('r3', T + 600))
    expect(kinds(events)).toStrictEqual(['processed', 'stale', 'processed'])
  })

  test('does not confuse two orders whose joined ids are the same text', async () => {
    const { handler, onOrder } = merchant()
    await handler(delivery('r1', T, { merchantId: 'a', merchantBizNo: 'b","c' }))
    await handler(delivery('r2', T, { merchantId: 'a","b', merchantBizNo: 'c' }))
    expect(onOrder).toHaveBeenCalledTimes(2)
  })
})

test('the store receives no customer data', async () => {
  const { handler, store } = merchant()
  await handler(delivery('r1'))
  const received = JSON.stringify([store.claim.mock.calls, store.finish.mock.calls])
  for (const value of ['r1', 'BIZ-0001', 'TRADE-20240522-0001', 'USER-2088012345678901', 'NOTE-']) {
    expect(received).not.toContain(value)
  }
  const key = expect.stringMatching(/^[\w-]{43}$/)
  expect(store.claim.mock.calls[0]?.[0]).toStrictEqual({
    ...{ orderKey: key, requestKey: key, digest: key, contentDigest: key },
    orderModifyTime: T,
  })
  expect(store.claim.mock.calls[0]?.[1]).toStrictEqual({ leaseMs: 30_000, compareModifyTimeWith: 'orderModifyTime' })
})

test('a subscriber of the tracing channel "onOrder" sees the ids of the order', async () => {
  const seen: unknown[] = []
  const channel = diagnostics.channel('tracing:alipayhk-order-sync:onOrder:start')
  const subscriber = (context: unknown) => void seen.push(context)
  channel.subscribe(subscriber)
  onTestFinished(() => void channel.unsubscribe(subscriber))
  const { handler, events } = merchant()
  await handler(delivery('r1'))
  const { tracerId, orderKey } = events[0] as { tracerId: string; orderKey?: string }
  expect(seen).toMatchObject([{ clientId: CLIENT_ID, requestId: 'r1', tracerId, orderKey }])
})

describe('deliveries at the same time', () => {
  test('run onOrder once for fifty copies of a request, and get the same response', async () => {
    const { handler, onOrder, events } = merchant({ onOrder: countRuns() })
    const responses = Array.from({ length: 50 }, () => handler(delivery('r1')))
    await vi.advanceTimersByTimeAsync(2_000)
    for (const response of await Promise.all(responses)) expect(summarize(response)).toStrictEqual(SUCCESS)
    expect(onOrder).toHaveBeenCalledOnce()
    expect(kinds(events).sort()).toStrictEqual(['processed', ...Array.from({ length: 49 }, () => 'replay')])
  })

  test('run onOrder once for fifty requests with the same event, and get the same response', async () => {
    const { handler, onOrder } = merchant({ onOrder: countRuns() })
    const responses = Array.from({ length: 50 }, (_, n) => handler(delivery(`r${n}`)))
    await vi.advanceTimersByTimeAsync(2_000)
    for (const response of await Promise.all(responses)) expect(summarize(response)).toStrictEqual(SUCCESS)
    expect(onOrder).toHaveBeenCalledOnce()
  })

  test('run onOrder for the events of one order one after the other, the newest last', async () => {
    let running = 0
    const processed: number[] = []
    const { handler, store } = merchant({
      async onOrder({ orderModifyTime }) {
        expect(++running).toBe(1)
        await new Promise((resolve) => setTimeout(resolve, 40))
        running--
        processed.push(orderModifyTime)
        return { orderId: 'A-1' }
      },
    })
    const responses = [3, 1, 4, 2].map((time) => handler(delivery(`r${time}`, T + time)))
    await vi.advanceTimersByTimeAsync(2_000)
    await Promise.all(responses)
    expect(processed).toStrictEqual([...processed].sort((a, b) => a - b))
    expect(processed.at(-1)).toBe(T + 4)
    expect(store.claim).toHaveBeenCalled()
  })

  test('do not wait for a delivery of another order', async () => {
    const gate = deferred<OrderResult>()
    const { handler } = merchant({
      onOrder: ({ merchantBizNo }) => (merchantBizNo === 'slow' ? gate.promise : { orderId: 'A-1' }),
    })
    const slow = handler(delivery('r1', T, { merchantBizNo: 'slow' }))
    expect(summarize(await handler(delivery('r2')))).toStrictEqual(SUCCESS)
    gate.resolve({ orderId: 'A-1' })
    await slow
  })
})

describe('while an order is being processed', () => {
  const startProcessing = async () => {
    const gate = deferred<OrderResult>()
    const tested = merchant({ onOrder: () => gate.promise, busyWaitMs: 1_000 })
    const first = tested.handler(delivery('r1'))
    await until(() => tested.onOrder.mock.calls.length > 0)
    return { ...tested, first, gate }
  }

  test.each<[string, string, number, string]>([
    ['the same request', 'r1', T, 'replay'],
    ['another request with the same event', 'r2', T, 'duplicate'],
    ['a request with an older event', 'r2', T - 1, 'stale'],
  ])('%s waits for the response, and gets the same one', async (_, requestId, time, kind) => {
    const { handler, first, gate, events } = await startProcessing()
    const second = handler(delivery(requestId, time))
    await vi.advanceTimersByTimeAsync(300)
    gate.resolve({ orderId: 'A-1' })
    expect(summarize(await first)).toStrictEqual(SUCCESS)
    await vi.advanceTimersByTimeAsync(700)
    expect(summarize(await second)).toStrictEqual(SUCCESS)
    expect(kinds(events)).toStrictEqual(['processed', kind])
  })

  test('a newer event gets UNKNOWN_EXCEPTION after busyWaitMs', async () => {
    const { handler, first, gate, events, onOrder, store } = await startProcessing()
    const second = handler(delivery('r2', T + 1))
    await vi.advanceTimersByTimeAsync(999)
    expect(events).toStrictEqual([])
    await vi.advanceTimersByTimeAsync(1)
    expect(summarize(await second)).toStrictEqual(TRY_LATER)
    expect(events).toMatchObject([{ kind: 'busy', code: 'UNKNOWN_EXCEPTION', status: 200 }])
    // The store must not be polled without pause.
    expect(store.claim.mock.calls.length).toBeLessThan(10)
    gate.resolve({ orderId: 'A-1' })
    expect(summarize(await first)).toStrictEqual(SUCCESS)
    expect(onOrder).toHaveBeenCalledOnce()
  })

  test('a waiting delivery claims a bounded number of times, and gets the response soon after it is stored', async () => {
    const gate = deferred<OrderResult>()
    const { handler, onOrder, store } = merchant({ onOrder: () => gate.promise, busyWaitMs: 5_000 })
    const first = handler(delivery('r1'))
    await until(() => onOrder.mock.calls.length > 0)
    const second = handler(delivery('r2'))
    await until(() => store.claim.mock.calls.length === 2)
    await vi.advanceTimersByTimeAsync(4_000)
    // Ten per second on average, so that many waiting deliveries do not overload the store.
    expect(store.claim.mock.calls.length).toBeLessThan(40)
    gate.resolve({ orderId: 'A-1' })
    expect(summarize(await first)).toStrictEqual(SUCCESS)
    await vi.advanceTimersByTimeAsync(500)
    expect(summarize(await second)).toStrictEqual(SUCCESS)
  })

  test.each(['orderModifyTime', 'processedAt'] as const)(
    'each claim of a waiting delivery has the options of the first one: %s',
    async (compareModifyTimeWith) => {
      const gate = deferred<OrderResult>()
      const options = { leaseMs: 70_000, compareModifyTimeWith, busyWaitMs: 1_000 }
      const { handler, onOrder, store } = merchant({ onOrder: () => gate.promise, ...options })
      const first = handler(delivery('r1'))
      await until(() => onOrder.mock.calls.length > 0)
      const second = handler(delivery('r2'))
      await until(() => store.claim.mock.calls.length === 2)
      await vi.advanceTimersByTimeAsync(1_000)
      await second
      gate.resolve({ orderId: 'A-1' })
      await first
      expect(store.claim.mock.calls.length).toBeGreaterThan(3)
      for (const [, given] of store.claim.mock.calls) expect(given).toEqual({ leaseMs: 70_000, compareModifyTimeWith })
    },
  )

  test.each([10, 60, 1_000, 5_000])('a wait ends after busyWaitMs, and not before: %i', async (busyWaitMs) => {
    const gate = deferred<OrderResult>()
    const { handler, onOrder, store, events } = merchant({ onOrder: () => gate.promise, busyWaitMs })
    const first = handler(delivery('r1'))
    await until(() => onOrder.mock.calls.length > 0)
    const second = handler(delivery('r2'))
    await until(() => store.claim.mock.calls.length === 2)
    await vi.advanceTimersByTimeAsync(busyWaitMs - 1)
    expect(events).toStrictEqual([])
    await vi.advanceTimersByTimeAsync(1)
    expect(summarize(await second)).toStrictEqual(TRY_LATER)
    gate.resolve({ orderId: 'A-1' })
    await first
  })

  test('another delivery gets UNKNOWN_EXCEPTION at once when busyWaitMs is 0', async () => {
    const gate = deferred<OrderResult>()
    const { handler, onOrder } = merchant({ onOrder: () => gate.promise, busyWaitMs: 0 })
    const first = handler(delivery('r1'))
    await until(() => onOrder.mock.calls.length > 0)
    expect(summarize(await handler(delivery('r1')))).toStrictEqual(TRY_LATER)
    gate.resolve({ orderId: 'A-1' })
    await first
  })

  test('the same requestId with another body is rejected at once', async () => {
    const { handler, first, gate, events } = await startProcessing()
    expect(summarize(await handler(delivery('r1', T, { orderStatus: 'x' })))).toStrictEqual(CONFLICT)
    const message = 'The requestId was used before, with other content.'
    expect(events).toMatchObject([{ kind: 'rejected', code: 'ERR_REQUEST_CONFLICT', message }])
    gate.resolve({ orderId: 'A-1' })
    expect(summarize(await first)).toStrictEqual(SUCCESS)
  })

  test('a requestId that got UNKNOWN_EXCEPTION is rejected with another body', async () => {
    const { handler, gate, first } = await startProcessing()
    const second = handler(delivery('r2', T + 1))
    await vi.advanceTimersByTimeAsync(1_000)
    await second
    expect(summarize(await handler(delivery('r2', T + 2)))).toStrictEqual(CONFLICT)
    gate.resolve({ orderId: 'A-1' })
    await first
  })

  test('a waiting delivery runs onOrder when the first delivery fails', async () => {
    const gate = deferred<OrderResult>()
    const { handler, onOrder, events } = merchant()
    onOrder.mockReturnValueOnce(gate.promise)
    const [first, second] = [handler(delivery('r1')), handler(delivery('r1'))]
    await until(() => onOrder.mock.calls.length > 0)
    gate.reject(new Error('no'))
    expect(summarize(await first)).toStrictEqual(TRY_LATER)
    await vi.advanceTimersByTimeAsync(250)
    expect(summarize(await second)).toStrictEqual(SUCCESS)
    expect(kinds(events)).toStrictEqual(['failed', 'processed'])
  })
})

describe('when onOrder fails', () => {
  test.each<[string, unknown]>([
    ['an error', new Error('SECRET-1')],
    ['a string', 'SECRET-1'],
    ['undefined', undefined],
    ['a ProtocolError', new ProtocolError('ERR_FIELD_INVALID', 'of something else')],
    ['a DeliveryError', new DeliveryError('ERR_TIMEOUT', 'of something else')],
    [
      'the OrderRefusedError of a client that it called',
      new OrderRefusedError('PROCESS_FAIL', 'no', { response: refusal('PROCESS_FAIL') }),
    ],
  ])('by throwing %s, the response is UNKNOWN_EXCEPTION, and the next delivery runs it again', async (_, error) => {
    const { handler, onOrder, events, store } = merchant()
    onOrder.mockImplementationOnce(() => {
      throw error
    })
    expect(summarize(await handler(delivery('r1')))).toStrictEqual(TRY_LATER)
    expect(events).toMatchObject([{ kind: 'failed', status: 200, resultCode: 'UNKNOWN_EXCEPTION' }])
    expect(events).toMatchObject([{ code: 'ERR_ON_ORDER', message: expect.stringMatching(/^"onOrder" threw /) }])
    expect(events[0]?.error?.cause).toBe(error)
    expect(JSON.stringify(events)).not.toContain('SECRET-1')
    expect(store.release).toHaveBeenCalledOnce()
    expect(summarize(await handler(delivery('r1')))).toStrictEqual(SUCCESS)
    expect(onOrder).toHaveBeenCalledTimes(2)
  })

  test.each<[string, unknown]>([
    ['undefined', undefined],
    ['null', null],
    ['no orderId', {}],
    ['an orderId that is a number', { orderId: 5 }],
    ['an empty orderId', { orderId: '' }],
    ['an orderId of 65 characters', { orderId: 'x'.repeat(65) }],
  ])('by returning %s, the event ERR_ORDER_ID and a warning say what to return', async (_, result) => {
    const warning = vi.spyOn(process, 'emitWarning').mockReturnValue()
    const { handler, onOrder, events } = merchant()
    onOrder.mockReturnValueOnce(result as OrderResult)
    expect(summarize(await handler(delivery('r1')))).toStrictEqual(TRY_LATER)
    expect(events).toMatchObject([
      { kind: 'failed', code: 'ERR_ORDER_ID', message: expect.stringContaining('{ orderId }') },
    ])
    expect(warning).toHaveBeenCalledWith(
      expect.stringContaining('{ orderId }'),
      expect.objectContaining({ code: 'ERR_ORDER_ID' }),
    )
    expect(summarize(await handler(delivery('r1')))).toStrictEqual(SUCCESS)
  })

  test.each(['A 1', ' A-1 ', 'A\n1'])('an orderId may contain white space: %j', async (orderId) => {
    const { handler } = merchant({ onOrder: () => ({ orderId }) })
    expect(summarize(await handler(delivery('r1')))).toStrictEqual({ ...SUCCESS, orderId })
  })

  test('an orderId of 64 characters is not a failure', async () => {
    const orderId = '😀'.repeat(64)
    const { handler } = merchant({ onOrder: () => ({ orderId }) })
    expect(summarize(await handler(delivery('r1')))).toStrictEqual({ ...SUCCESS, orderId })
  })
})

describe('when onOrder throws an OrderRefusedError', () => {
  const refuse = (...args: ConstructorParameters<typeof OrderRefusedError>) => {
    const error = new OrderRefusedError(...args)
    return { error, ...merchant({ onOrder: () => Promise.reject(error) }) }
  }

  test('with status F, the refusal is stored and replayed without running onOrder again', async () => {
    const { handler, onOrder, events, error } = refuse('PROCESS_FAIL', 'Out of noodles.')
    const refused = { ...TRY_LATER, resultCode: 'PROCESS_FAIL', resultStatus: 'F' }
    expect(summarize(await handler(delivery('r1')))).toStrictEqual(refused)
    expect(summarize(await handler(delivery('r1')))).toStrictEqual(refused)
    expect(onOrder).toHaveBeenCalledOnce()
    expect(events).toMatchObject([
      { kind: 'refused', code: 'ERR_REFUSED', resultCode: 'PROCESS_FAIL' },
      { kind: 'replay', code: 'PROCESS_FAIL' },
    ])
    expect(events[0]?.error).toBe(error)
  })

  test('with status F, another request with the same event runs onOrder', async () => {
    const { handler, onOrder } = refuse('PROCESS_FAIL')
    await handler(delivery('r1'))
    onOrder.mockReturnValueOnce({ orderId: 'A-1' })
    expect(summarize(await handler(delivery('r2')))).toStrictEqual(SUCCESS)
  })

  test.each(['UNKNOWN_EXCEPTION', 'REQUEST_TRAFFIC_EXCEED_LIMIT'])(
    'with the code %s of status U, the refusal is not stored, and the next delivery runs onOrder',
    async (resultCode) => {
      const { handler, onOrder, store, events } = refuse(resultCode)
      expect(summarize(await handler(delivery('r1')))).toStrictEqual({ ...TRY_LATER, resultCode })
      expect(store.finish).not.toHaveBeenCalled()
      expect(events).toMatchObject([{ kind: 'refused', resultCode }])
      onOrder.mockReturnValueOnce({ orderId: 'A-1' })
      expect(summarize(await handler(delivery('r1')))).toStrictEqual(SUCCESS)
    },
  )

  test.each(['SUCCESS', 'NO_SUCH_CODE', '', 'constructor', undefined])(
    'with the unusable code %j, its constructor throws a TypeError',
    (resultCode) => {
      expect(() => new OrderRefusedError(resultCode as string)).toThrow(
        /^An OrderRefusedError needs a code of RESULT_CODES/,
      )
    },
  )

  test('with an unknown code of a peer, its constructor accepts it', () => {
    const response = refusal('PROCESS_FAIL')
    expect(new OrderRefusedError('NO_SUCH_CODE', undefined, { response })).toMatchObject({ resultCode: 'NO_SUCH_CODE' })
  })

  test('the response has its message, at most 256 characters, or the message of the result code', async () => {
    const messageOf = async (text?: string) => {
      const response = await refuse('PROCESS_FAIL', text).handler(delivery('r1'))
      return JSON.parse(Buffer.from(response.body).toString()).result.resultMessage as string
    }
    expect(await messageOf('Out of noodles.')).toBe('Out of noodles.')
    expect(await messageOf()).toBe('The order could not be processed.')
    expect(await messageOf('m'.repeat(300))).toBe('m'.repeat(256))
    // Not in the middle of a surrogate pair.
    expect(await messageOf(`${'m'.repeat(255)}😀`)).toBe('m'.repeat(255))
    expect(await messageOf(`${'m'.repeat(254)}😀!`)).toBe(`${'m'.repeat(254)}😀`)
    expect(await messageOf(`${'m'.repeat(253)}😀!!`)).toBe(`${'m'.repeat(253)}😀!`)
  })

  test('from the other build of this package (ESM or CJS), it is a refusal too', async () => {
    const { handler, onOrder } = merchant()
    const error = Object.assign(new Error('refused'), {
      name: 'OrderRefusedError',
      code: 'ERR_REFUSED',
      resultCode: 'ACCESS_DENIED',
    })
    Object.defineProperty(error, Symbol.for('alipayhk-order-sync/error'), { value: true })
    onOrder.mockRejectedValueOnce(error)
    expect(summarize(await handler(delivery('r1')))).toMatchObject({ resultCode: 'ACCESS_DENIED' })
    onOrder.mockRejectedValueOnce(Object.assign(error, { resultCode: 'NO_SUCH_CODE' }))
    expect(summarize(await handler(delivery('r2')))).toMatchObject({ resultCode: 'PROCESS_FAIL' })
    onOrder.mockRejectedValueOnce(Object.assign(error, { resultCode: 'SUCCESS' }))
    expect(summarize(await handler(delivery('r3')))).toMatchObject({ resultCode: 'PROCESS_FAIL', resultStatus: 'F' })
  })
})

describe('when the lease has ended before onOrder', () => {
  test('and another delivery took the order, the late result is not stored, and the response is UNKNOWN_EXCEPTION', async () => {
    let now = NOW
    const store = memoryStore({ now: () => now })
    const gate = deferred<OrderResult>()
    const { handler, onOrder, events } = merchant({ store, onOrder: countRuns() })
    onOrder.mockReturnValueOnce(gate.promise)
    const first = handler(delivery('r1'))
    await until(() => onOrder.mock.calls.length > 0)
    now += 30_001
    expect(summarize(await handler(delivery('r1')))).toStrictEqual(SUCCESS)
    gate.resolve({ orderId: 'late' })
    expect(summarize(await first)).toStrictEqual(TRY_LATER)
    expect(kinds(events)).toStrictEqual(['processed', 'fenced'])
    const [firstToken, secondToken] = onOrder.mock.calls.map(([, { fencingToken }]) => fencingToken)
    expect(secondToken).toBeGreaterThan(firstToken ?? Number.POSITIVE_INFINITY)
    expect(summarize(await handler(delivery('r1')))).toStrictEqual(SUCCESS)
  })

  test('a late refusal is not stored either, and the response is UNKNOWN_EXCEPTION', async () => {
    const store = { ...memoryStore(), finish: () => Promise.resolve(false) }
    const { handler, events } = merchant({
      store,
      onOrder: () => Promise.reject(new OrderRefusedError('PROCESS_FAIL')),
    })
    expect(summarize(await handler(delivery('r1')))).toStrictEqual(TRY_LATER)
    expect(kinds(events)).toStrictEqual(['fenced'])
  })
})

describe('when the store fails', () => {
  const merchantWithStore = (changes: Partial<OrderSyncStore>) => merchant({ store: { ...memoryStore(), ...changes } })
  const rejects = () => Promise.reject(new Error('SECRET-1: the database is down'))

  test('in claim, the response is UNKNOWN_EXCEPTION, and onOrder does not run', async () => {
    const { handler, onOrder, events } = merchantWithStore({ claim: rejects })
    expect(summarize(await handler(delivery('r1')))).toStrictEqual(TRY_LATER)
    expect(onOrder).not.toHaveBeenCalled()
    expect(events).toMatchObject([{ kind: 'failed', code: 'ERR_STORE' }])
    expect(JSON.stringify(events)).not.toContain('SECRET-1')
  })

  test('in claim, by throwing instead of rejecting, the response is UNKNOWN_EXCEPTION', async () => {
    const { handler } = merchantWithStore({
      claim() {
        throw new Error('down')
      },
    })
    expect(summarize(await handler(delivery('r1')))).toStrictEqual(TRY_LATER)
  })

  test('in finish, and recovers, the result of onOrder is stored', async () => {
    const store = memoryStore()
    const finish = vi.fn(store.finish).mockImplementationOnce(rejects).mockImplementationOnce(rejects)
    const { handler, onOrder } = merchant({ store: { ...store, finish } })
    const response = handler(delivery('r1'))
    await vi.advanceTimersByTimeAsync(500)
    expect(summarize(await response)).toStrictEqual(SUCCESS)
    expect(finish).toHaveBeenCalledTimes(3)
    expect(summarize(await handler(delivery('r1')))).toStrictEqual(SUCCESS)
    expect(onOrder).toHaveBeenCalledOnce()
  })

  test.each([
    [4_000, [0, 50, 150, 350, 750, 1_550, 2_550, 3_550]],
    // A call at the end of the lease would come too late.
    [1_550, [0, 50, 150, 350, 750]],
    [1_551, [0, 50, 150, 350, 750, 1_550]],
  ])(
    'in finish, it is retried with growing delays of at most a second, until the lease of %i ms expires',
    async (leaseMs, times) => {
      const startedAt = performance.now()
      const at: number[] = []
      const finish = () => {
        at.push(performance.now() - startedAt)
        return rejects()
      }
      const { handler } = merchant({ store: { ...memoryStore(), finish }, timeoutMs: 1_000, leaseMs })
      const response = handler(delivery('r1'))
      await until(() => at.length === 1)
      await vi.advanceTimersByTimeAsync(20_000)
      await response
      await handler.drain()
      expect(at).toEqual(times)
    },
  )

  test('in the commit, the response is UNKNOWN_EXCEPTION, the order is released, and the next delivery runs onOrder', async () => {
    let commits = 0
    const base = memoryStore()
    const store: OrderSyncStore<string> = {
      ...base,
      release: vi.fn(base.release),
      async finishInTransaction(held, work) {
        const completion = await work('transaction')
        if (++commits === 1) return rejects()
        return await base.finish(held, completion)
      },
    }
    const onOrder = vi.fn(countRuns())
    const credentials = merchantCredentials()
    const handler = createOrderSyncHandler({ credentials, now: () => NOW, store, onOrder, onEvent: () => {} })
    expect(summarize(await handler(delivery('r1')))).toStrictEqual(TRY_LATER)
    expect(store.release).toHaveBeenCalledOnce()
    expect(summarize(await handler(delivery('r1')))).toStrictEqual({ ...SUCCESS, orderId: 'A-2' })
    expect(onOrder).toHaveBeenCalledTimes(2)
  })

  /** A handler whose store has transactions. */
  function transactional(finishInTransaction: NonNullable<OrderSyncStore<string>['finishInTransaction']>) {
    const base = memoryStore()
    const store = { ...base, release: vi.fn(base.release), finish: vi.fn(base.finish), finishInTransaction }
    const onOrder = vi.fn<(order: unknown, context: { transaction: string }) => OrderResult>(countRuns())
    const events: OrderSyncEvent[] = []
    const onEvent = (event: OrderSyncEvent) => void events.push(event)
    const options = { credentials: merchantCredentials(), now: () => NOW, timeoutMs: 1_000 }
    const handler = createOrderSyncHandler<OpenObject, string>({ ...options, store, onOrder, onEvent })
    return { handler, store, onOrder, events }
  }

  test('in the commit, because another delivery has the lease, the response is UNKNOWN_EXCEPTION, and nothing is released', async () => {
    const { handler, store, onOrder, events } = transactional(async (_held, work) => {
      await work('transaction')
      return false
    })
    expect(summarize(await handler(delivery('r1')))).toStrictEqual(TRY_LATER)
    expect(events).toMatchObject([{ kind: 'fenced', code: 'ERR_FENCED' }])
    expect(onOrder.mock.calls[0]?.[1]).toMatchObject({ transaction: 'transaction' })
    expect(store.release).not.toHaveBeenCalled()
    expect(store.finish).not.toHaveBeenCalled()
  })

  test('by committing without running onOrder, the response is UNKNOWN_EXCEPTION, and the order is released', async () => {
    const { handler, store, events } = transactional(async () => true)
    expect(summarize(await handler(delivery('r1')))).toStrictEqual(TRY_LATER)
    const message = 'The store reported a commit without running the work.'
    expect(events).toMatchObject([{ kind: 'failed', code: 'ERR_STORE', message }])
    expect(store.release).toHaveBeenCalledOnce()
  })

  test.each<[string, NonNullable<OrderSyncStore<string>['finishInTransaction']>]>([
    ['before onOrder', () => new Promise<never>(() => {})],
    [
      'in the commit',
      async (_held, work) => {
        await work('transaction')
        return await new Promise<never>(() => {})
      },
    ],
  ])('by not responding %s, the event says that its transaction was still running', async (_, finishInTransaction) => {
    const { handler, events, store } = transactional(vi.fn(finishInTransaction))
    const response = handler(delivery('r1'))
    await until(() => vi.mocked(store.finishInTransaction).mock.calls.length > 0)
    for (let turn = 0; turn < 10; turn++) await new Promise(setImmediate)
    await vi.advanceTimersByTimeAsync(1_000)
    expect(summarize(await response)).toStrictEqual(TRY_LATER)
    const message = 'The request timed out after 1000 ms ("timeoutMs"): store.finishInTransaction() was still running.'
    expect(events).toMatchObject([{ kind: 'failed', code: 'ERR_STORE_TIMEOUT', message }])
  })

  test('by not storing a refusal in time, the event says that finish was still running', async () => {
    const store = { ...memoryStore(), finish: vi.fn(() => new Promise<never>(() => {})) }
    const { handler, events } = merchant({
      ...{ store, timeoutMs: 1_000 },
      onOrder: () => Promise.reject(new OrderRefusedError('PROCESS_FAIL')),
    })
    const response = handler(delivery('r1'))
    await until(() => store.finish.mock.calls.length > 0)
    await vi.advanceTimersByTimeAsync(1_000)
    await response
    const message = 'The request timed out after 1000 ms ("timeoutMs"): store.finish() was still running.'
    expect(events).toMatchObject([{ kind: 'failed', code: 'ERR_STORE_TIMEOUT', message }])
  })

  test('in finish, after it took effect, the order is not reported as fenced', async () => {
    const store = memoryStore()
    const finish = vi.fn(store.finish).mockImplementationOnce(async (...args) => {
      await store.finish(...args)
      return rejects()
    })
    const { handler, events, onOrder } = merchant({ store: { ...store, finish } })
    const response = handler(delivery('r1'))
    await vi.advanceTimersByTimeAsync(500)
    expect(summarize(await response)).toStrictEqual(TRY_LATER)
    expect(events).toMatchObject([{ kind: 'failed', code: 'ERR_STORE' }])
    // The next delivery gets the response that was stored.
    expect(summarize(await handler(delivery('r1')))).toStrictEqual(SUCCESS)
    expect(onOrder).toHaveBeenCalledOnce()
  })

  test('in finish, and does not recover, the response is UNKNOWN_EXCEPTION, and the order is not released', async () => {
    const { handler, onOrder, store, events } = merchantWithStore({ finish: rejects })
    const response = handler(delivery('r1'))
    // The response is signed on the thread pool, which fake timers do not control.
    await vi.advanceTimersByTimeAsync(10_000)
    expect(summarize(await response)).toStrictEqual(TRY_LATER)
    await vi.advanceTimersByTimeAsync(50_000)
    expect(onOrder).toHaveBeenCalledOnce()
    expect(store.release).not.toHaveBeenCalled()
    expect(kinds(events)).toStrictEqual(['failed', 'late'])
    const consequence = '"onOrder" had succeeded: the next delivery of the order may run it again.'
    expect(events[1]?.error?.message).toContain(consequence)
    await handler.drain()
  })

  test('in finish of a refusal, and does not recover, the next delivery runs onOrder', async () => {
    const { handler, store, events } = merchant({
      store: { ...memoryStore(), finish: rejects },
      onOrder: () => Promise.reject(new OrderRefusedError('PROCESS_FAIL')),
    })
    const response = handler(delivery('r1'))
    await vi.advanceTimersByTimeAsync(10_000)
    expect(summarize(await response)).toStrictEqual(TRY_LATER)
    await vi.advanceTimersByTimeAsync(50_000)
    await handler.drain()
    expect(kinds(events)).toStrictEqual(['failed', 'late'])
    expect(events[1]).toMatchObject({ ended: 'failed', code: 'ERR_STORE' })
    const consequence = '"onOrder" had refused the order with PROCESS_FAIL: the next delivery runs it again.'
    expect(events[1]?.error?.message).toContain(consequence)
    expect(store.release).not.toHaveBeenCalled()
  })

  test('in release, the response is UNKNOWN_EXCEPTION, and the event has the error of onOrder', async () => {
    const error = new Error('of the application')
    const { handler, onOrder, events } = merchantWithStore({ release: rejects })
    onOrder.mockRejectedValueOnce(error)
    expect(summarize(await handler(delivery('r1')))).toStrictEqual(TRY_LATER)
    expect(events[0]?.error?.cause).toBe(error)
  })

  test('by returning a damaged response, the response is UNKNOWN_EXCEPTION, and onOrder does not run', async () => {
    const { handler, onOrder } = merchantWithStore({
      claim: () => Promise.resolve({ decision: 'replay', storedResponse: '{' }),
    })
    expect(summarize(await handler(delivery('r1')))).toStrictEqual(TRY_LATER)
    expect(onOrder).not.toHaveBeenCalled()
  })
})

describe('after timeoutMs', () => {
  const slowMerchant = (options: { timeoutMs?: number } = {}) => {
    const gate = deferred<OrderResult>()
    return { gate, ...merchant({ onOrder: () => gate.promise, timeoutMs: 1_000, leaseMs: 5_000, ...options }) }
  }

  test('the response is UNKNOWN_EXCEPTION, and the signal of onOrder is aborted', async () => {
    const { handler, onOrder, events, gate } = slowMerchant()
    const response = handler(delivery('r1'))
    await until(() => onOrder.mock.calls.length > 0)
    const signal = onOrder.mock.calls[0]?.[1].signal
    await vi.advanceTimersByTimeAsync(999)
    expect(signal?.aborted).toBe(false)
    await vi.advanceTimersByTimeAsync(1)
    expect(summarize(await response)).toStrictEqual(TRY_LATER)
    expect(signal?.reason).toMatchObject({ name: 'TimeoutError' })
    expect(events).toMatchObject([{ kind: 'failed', code: 'ERR_ON_ORDER_TIMEOUT', status: 200 }])
    expect(events[0]?.message).toContain('after 1000 ms ("timeoutMs"): "onOrder" was still running')
    gate.resolve({ orderId: 'A-1' })
    await handler.drain()
  })

  test('each of several requests gets its own response, and a request that ends in time leaves no timer', async () => {
    const { handler, onOrder, gate } = slowMerchant()
    onOrder.mockReturnValueOnce({ orderId: 'A-1' })
    const deliver = (merchantBizNo: string) => handler(delivery(merchantBizNo, T, { merchantBizNo }))
    await deliver('quick')
    expect(vi.getTimerCount()).toBe(0)
    const first = deliver('first')
    await until(() => onOrder.mock.calls.length === 2)
    await vi.advanceTimersByTimeAsync(400)
    const second = deliver('second')
    await until(() => onOrder.mock.calls.length === 3)
    onOrder.mockReturnValueOnce({ orderId: 'A-2' })
    await deliver('as quick')
    const areAborted = () => onOrder.mock.calls.slice(1, 3).map(([, { signal }]) => signal.aborted)
    const observed: boolean[][] = [areAborted()]
    for (const milliseconds of [599, 1, 399, 1]) {
      await vi.advanceTimersByTimeAsync(milliseconds)
      observed.push(areAborted())
    }
    expect(observed).toEqual([...Array(2).fill([false, false]), ...Array(2).fill([true, false]), [true, true]])
    for (const response of [first, second]) expect(summarize(await response)).toStrictEqual(TRY_LATER)
    gate.resolve({ orderId: 'A-3' })
    await handler.drain()
    expect(vi.getTimerCount()).toBe(0)
  })

  test('a result of onOrder is stored, reported as "late", and sent to the next delivery', async () => {
    const { handler, onOrder, events, gate } = slowMerchant()
    const response = handler(delivery('r1'))
    await vi.advanceTimersByTimeAsync(1_000)
    await response
    gate.resolve({ orderId: 'A-1' })
    await handler.drain()
    expect(events).toMatchObject([{ kind: 'failed' }, { kind: 'late', code: 'SUCCESS', resultCode: 'SUCCESS' }])
    expect(summarize(await handler(delivery('r1')))).toStrictEqual(SUCCESS)
    expect(onOrder).toHaveBeenCalledOnce()
  })

  test('a failure of onOrder releases the order', async () => {
    const { handler, onOrder, events, gate } = slowMerchant()
    const response = handler(delivery('r1'))
    await vi.advanceTimersByTimeAsync(1_000)
    await response
    gate.reject(new OrderRefusedError('REQUEST_TRAFFIC_EXCEED_LIMIT'))
    await handler.drain()
    expect(events).toMatchObject([{ kind: 'failed' }, { kind: 'late', code: 'ERR_REFUSED' }])
    onOrder.mockReturnValueOnce({ orderId: 'A-1' })
    expect(summarize(await handler(delivery('r1')))).toStrictEqual(SUCCESS)
  })

  test('the lease keeps other deliveries away while onOrder still runs', async () => {
    const { handler, onOrder, gate } = slowMerchant()
    const first = handler(delivery('r1'))
    await vi.advanceTimersByTimeAsync(1_000)
    await first
    const second = handler(delivery('r1'))
    await vi.advanceTimersByTimeAsync(1_000)
    expect(summarize(await second)).toStrictEqual(TRY_LATER)
    expect(onOrder).toHaveBeenCalledOnce()
    gate.resolve({ orderId: 'A-1' })
    await handler.drain()
  })

  test('no timer is left when the response was in time', async () => {
    const { handler } = merchant()
    await handler(delivery('r1'))
    expect(vi.getTimerCount()).toBe(0)
  })

  test('of a claim that hangs, the response is UNKNOWN_EXCEPTION; a late claim is released, and onOrder does not run', async () => {
    const gate = deferred()
    const store = memoryStore()
    const claim = vi.fn<OrderSyncStore['claim']>(async (...args) => {
      await gate.promise
      return await store.claim(...args)
    })
    const { handler, onOrder, events, store: calls } = merchant({ store: { ...store, claim } })
    const response = handler(delivery('r1'))
    await vi.advanceTimersByTimeAsync(10_000)
    expect(summarize(await response)).toStrictEqual(TRY_LATER)
    gate.resolve()
    await until(() => calls.release.mock.calls.length > 0)
    expect(onOrder).not.toHaveBeenCalled()
    expect(calls.release).toHaveBeenCalledOnce()
    // The call was given up after storeTimeoutMs, before the deadline of the request: nothing ends late.
    expect(kinds(events)).toStrictEqual(['failed'])
    expect(summarize(await handler(delivery('r1')))).toStrictEqual(SUCCESS)
  })

  test('of a claim that is slower than the request may be, a late claim is released, and onOrder does not run', async () => {
    const gate = deferred()
    const store = memoryStore()
    const claim = vi.fn<OrderSyncStore['claim']>(async (...args) => {
      await gate.promise
      return await store.claim(...args)
    })
    const options = { store: { ...store, claim }, timeoutMs: 1_000, storeTimeoutMs: 5_000 }
    const { handler, onOrder, store: calls } = merchant(options)
    const response = handler(delivery('r1'))
    await vi.advanceTimersByTimeAsync(1_000)
    expect(summarize(await response)).toStrictEqual(TRY_LATER)
    gate.resolve()
    await until(() => calls.release.mock.calls.length > 0)
    await handler.drain()
    expect(onOrder).not.toHaveBeenCalled()
  })

  test('of a finish that hangs, the response is UNKNOWN_EXCEPTION', async () => {
    const store = { ...memoryStore(), finish: () => new Promise<boolean>(() => {}) }
    const { handler, onOrder } = merchant({ store })
    const response = handler(delivery('r1'))
    await vi.advanceTimersByTimeAsync(10_000)
    expect(summarize(await response)).toStrictEqual(TRY_LATER)
    expect(onOrder).toHaveBeenCalledOnce()
  })

  test.each<[string, Parameters<typeof merchant>[0], string]>([
    ['a credentials look-up', { credentials: () => new Promise<never>(() => {}) }, 'ERR_CREDENTIALS_LOOKUP'],
    ['an extInfoSchema', { extInfoSchema: neverValidates }, 'ERR_HANDLER_TIMEOUT'],
  ])('of %s that never ends, the response is HTTP 500, unsigned, and nothing runs', async (_, options, code) => {
    const { handler, onOrder, store, events } = merchant(options)
    const response = handler(delivery('r1'))
    await vi.advanceTimersByTimeAsync(9_999)
    expect(events).toStrictEqual([])
    await vi.advanceTimersByTimeAsync(1)
    expect(summarize(await response)).toStrictEqual({ ...TRY_LATER, status: 500, signed: false })
    expect(events).toMatchObject([{ kind: 'unavailable', code, status: 500 }])
    expect(events[0]?.error).toMatchObject({ name: 'HandlerError', message: events[0]?.message })
    expect(events[0]?.message).toContain('The request timed out after 10000 ms')
    expect(onOrder).not.toHaveBeenCalled()
    expect(store.claim).not.toHaveBeenCalled()
    // Work that never ends does not hold its slot, and does not keep a process from ending.
    await handler.drain()
  })

  test('of a body that never ends, the response is HTTP 408 after bodyTimeoutMs, unsigned, and nothing runs', async () => {
    const { handler, onOrder, store, events } = merchant()
    const response = handler({ ...delivery('r1'), body: endless() })
    await vi.advanceTimersByTimeAsync(4_999)
    expect(events).toStrictEqual([])
    await vi.advanceTimersByTimeAsync(1)
    expect(summarize(await response)).toStrictEqual({ ...TRY_LATER, status: 408, signed: false })
    expect(events).toMatchObject([{ kind: 'rejected', code: 'ERR_BODY_TIMEOUT', status: 408 }])
    expect(onOrder).not.toHaveBeenCalled()
    expect(store.claim).not.toHaveBeenCalled()
    await handler.drain()
  })

  test('of onOrder that never ends, the slot is free again when the lease expires, and drain lists the running request', async () => {
    const { handler, onOrder } = merchant({
      maxConcurrent: 1,
      timeoutMs: 1_000,
      leaseMs: 5_000,
      onOrder: ({ merchantBizNo }) => (merchantBizNo === 'other' ? { orderId: 'A-1' } : new Promise(() => {})),
    })
    const first = handler(delivery('r1'))
    await until(() => onOrder.mock.calls.length > 0)
    await vi.advanceTimersByTimeAsync(1_000)
    expect(summarize(await first)).toStrictEqual(TRY_LATER)
    const draining = handler.drain({ timeoutMs: 100 })
    await vi.advanceTimersByTimeAsync(100)
    expect(await draining).toMatchObject({
      stillRunning: [{ clientId: CLIENT_ID, requestId: 'r1', runningMs: expect.any(Number) }],
    })
    const other = () => handler(delivery('r2', T, { merchantBizNo: 'other' }))
    expect(summarize(await other())).toMatchObject({ status: 429 })
    const drainedAfterLease = handler.drain()
    await vi.advanceTimersByTimeAsync(5_000)
    expect(await drainedAfterLease).toStrictEqual({ stillRunning: [] })
    expect(summarize(await other())).toMatchObject({ resultCode: 'SUCCESS' })
  })

  test('an order that is accepted too late does not run', async () => {
    const gate = deferred()
    const { handler, onOrder, store, events } = merchant({
      async credentials() {
        await gate.promise
        return merchantCredentials()
      },
    })
    const response = handler(delivery('r1'))
    await vi.advanceTimersByTimeAsync(10_000)
    await response
    gate.resolve()
    await handler.drain()
    expect(kinds(events)).toStrictEqual(['unavailable'])
    expect(onOrder).not.toHaveBeenCalled()
    expect(store.claim).not.toHaveBeenCalled()
  })

  test('a delivery does not wait any longer for another delivery of its order', async () => {
    const gate = deferred<OrderResult>()
    const { handler, events } = merchant({
      onOrder: () => gate.promise,
      timeoutMs: 500,
      leaseMs: 5_000,
      busyWaitMs: 60_000,
    })
    const responses = [handler(delivery('r1')), handler(delivery('r2'))]
    await vi.advanceTimersByTimeAsync(500)
    for (const response of responses) expect(summarize(await response)).toStrictEqual(TRY_LATER)
    gate.resolve({ orderId: 'A-1' })
    await handler.drain()
    expect(kinds(events).filter((kind) => kind === 'failed')).toHaveLength(2)
  })
})

async function* endless(): AsyncGenerator<Uint8Array> {
  yield Buffer.from('{')
  await new Promise<never>(() => {})
}

describe('the signal of onOrder', () => {
  test('is not aborted, and no listener is left on the signal of the peer, after the response', async () => {
    const peer = new AbortController()
    const { handler, onOrder } = merchant()
    expect(summarize(await handler({ ...delivery('r1'), signal: peer.signal }))).toStrictEqual(SUCCESS)
    expect(onOrder.mock.calls[0]?.[1].signal.aborted).toBe(false)
    expect(getEventListeners(peer.signal, 'abort')).toStrictEqual([])
    peer.abort()
    expect(onOrder.mock.calls[0]?.[1].signal.aborted).toBe(false)
  })

  test('is not kept in memory while the signal of the peer lives, although onOrder listened to it', async () => {
    const peer = new AbortController()
    let reference: WeakRef<AbortSignal> | undefined
    const handler = createOrderSyncHandler({
      credentials: merchantCredentials(),
      now: () => NOW,
      store: memoryStore({ now: () => NOW }),
      onOrder(_order, { signal }) {
        signal.addEventListener('abort', () => {})
        reference = new WeakRef(signal)
        return { orderId: 'A-1' }
      },
    })
    expect(summarize(await handler({ ...delivery('r1'), signal: peer.signal }))).toStrictEqual(SUCCESS)
    expect(reference && (await isCollectable(reference))).toBe(true)
    expect(peer.signal.aborted).toBe(false)
  })
})

describe('when the peer closes the connection', () => {
  test('while onOrder runs, the signal is aborted, and the result is stored', async () => {
    const peer = new AbortController()
    const gate = deferred<OrderResult>()
    const { handler, onOrder, events } = merchant({ onOrder: () => gate.promise })
    const response = handler({ ...delivery('r1'), signal: peer.signal })
    await until(() => onOrder.mock.calls.length > 0)
    const reason = new Error('gone')
    peer.abort(reason)
    expect(onOrder.mock.calls[0]?.[1].signal).toMatchObject({ aborted: true, reason })
    gate.resolve({ orderId: 'A-1' })
    expect(summarize(await response)).toStrictEqual(SUCCESS)
    expect(kinds(events)).toStrictEqual(['processed'])
  })

  test('before onOrder runs, the signal is aborted, and the result is stored for the next delivery', async () => {
    const reason = new Error('gone')
    const { handler, onOrder } = merchant()
    const response = await handler({ ...delivery('r1'), signal: AbortSignal.abort(reason) })
    expect(summarize(response)).toStrictEqual(SUCCESS)
    expect(onOrder.mock.calls[0]?.[1].signal).toMatchObject({ aborted: true, reason })
    expect(summarize(await handler(delivery('r1')))).toStrictEqual(SUCCESS)
    expect(onOrder).toHaveBeenCalledOnce()
  })

  test('while it waits for another delivery of the order, the wait ends', async () => {
    const peer = new AbortController()
    const gate = deferred<OrderResult>()
    const { handler, onOrder, events, store } = merchant({ onOrder: () => gate.promise })
    const first = handler(delivery('r1'))
    await until(() => onOrder.mock.calls.length > 0)
    const second = handler({ ...delivery('r2'), signal: peer.signal })
    await vi.advanceTimersByTimeAsync(10)
    peer.abort(new Error('gone'))
    expect(summarize(await second)).toStrictEqual(TRY_LATER)
    expect(kinds(events)).toStrictEqual(['busy'])
    expect(store.claim).toHaveBeenCalledTimes(2)
    gate.resolve({ orderId: 'A-1' })
    await first
  })
})

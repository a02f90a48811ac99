import { getEventListeners } from 'node:events'
import { beforeEach, describe, expect, test, vi } from 'vitest'
import {
  DeliveryError,
  type IncomingRequest,
  memoryStore,
  OrderRefusedError,
  type OrderResult,
  type OrderSyncStore,
  ProtocolError,
  type StandardSchema,
} from '../../src/public/index.ts'
import { deferred, until } from '../support/deferred.ts'
import { merchant, SUCCESS, summarize, TRY_LATER } from '../support/merchant.ts'
import { encryptedRequest, merchantCredentials, NOW, order, refusal, request } from '../support/messages.ts'

vi.mock('node:timers/promises', () => import('../support/timers.ts'))

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] })
  return () => void vi.useRealTimers()
})

const T = NOW - 1_000
const CONFLICT = {
  status: 409,
  resultCode: 'REPEAT_REQ_INCONSISTENT',
  resultStatus: 'F',
  signed: true,
  encrypted: false,
}

const undecided: StandardSchema<unknown, never> = {
  '~standard': { version: 1, vendor: 'test', validate: () => new Promise<never>(() => {}) },
}

/** A delivery of one order: the request, and when the event happened. */
const delivery = (requestId: string, orderModifyTime = T, changes: Record<string, unknown> = {}) =>
  request({ message: order({ requestId, orderModifyTime, ...changes }) })

/** An onOrder that answers, …: which run it was can be told by its answer. */
const counting = () => {
  let runs = 0
  return () => ({ orderId: `A-${++runs}` })
}

const kinds = (events: readonly { kind: string }[]) => events.map(({ kind }) => kind)

describe('a delivery of an order that was processed', () => {
  test.each<[string, () => ReturnType<typeof request>, string, object]>([
    ['the same request is a replay', () => delivery('r1'), 'replay', SUCCESS],
    [
      'the same request, signed anew',
      () => request({ message: order({ requestId: 'r1' }), time: '2024-05-22T09:13:00+08:00' }),
      'replay',
      SUCCESS,
    ],
    [
      'the same request, encrypted',
      () => encryptedRequest({ message: order({ requestId: 'r1' }) }),
      'replay',
      { ...SUCCESS, encrypted: true },
    ],
    ['another request about the same event is a duplicate', () => delivery('r2'), 'duplicate', SUCCESS],
    ['a request about an older event is stale', () => delivery('r2', T - 1), 'stale', SUCCESS],
    [
      'the same requestId with another body is a conflict',
      () => delivery('r1', T, { orderStatus: 'x' }),
      'rejected',
      CONFLICT,
    ],
    ['a newer event is processed', () => delivery('r2', T + 1), 'processed', { ...SUCCESS, orderId: 'A-2' }],
    [
      'another order is processed',
      () => delivery('r2', T, { merchantBizNo: 'x' }),
      'processed',
      { ...SUCCESS, orderId: 'A-2' },
    ],
    [
      'the order of another merchant is processed',
      () => delivery('r2', T, { merchantId: 'm' }),
      'processed',
      { ...SUCCESS, orderId: 'A-2' },
    ],
    ['merchantId without content is none', () => delivery('r2', T, { merchantId: '' }), 'duplicate', SUCCESS],
  ])('%s', async (_, make, kind, answered) => {
    const { handler, onOrder, events } = merchant({ onOrder: counting() })
    expect(summarize(await handler(delivery('r1')))).toStrictEqual(SUCCESS)
    expect(summarize(await handler(make()))).toStrictEqual(answered)
    expect(kinds(events)).toStrictEqual(['processed', kind])
    expect(onOrder).toHaveBeenCalledTimes(kind === 'processed' ? 2 : 1)
  })

  test('by the literal reading of the page, what happened before the last processing is stale', async () => {
    const store = memoryStore({ now: () => T + 500 })
    const { handler, events } = merchant({ store, compareModifyTimeWith: 'processedAt' })
    await handler(delivery('r1', T))
    await handler(delivery('r2', T + 400))
    await handler(delivery('r3', T + 600))
    expect(kinds(events)).toStrictEqual(['processed', 'stale', 'processed'])
  })

  test('no two ids run into one: what separates them in a message separates them in the store', async () => {
    const { handler, onOrder } = merchant()
    await handler(delivery('r1', T, { merchantId: 'a', merchantBizNo: 'b","c' }))
    await handler(delivery('r2', T, { merchantId: 'a","b', merchantBizNo: 'c' }))
    expect(onOrder).toHaveBeenCalledTimes(2)
  })
})

test('the store is told nothing of the customer', async () => {
  const { handler, store } = merchant()
  await handler(delivery('r1'))
  const told = JSON.stringify([store.claim.mock.calls, store.finish.mock.calls])
  for (const value of ['r1', 'BIZ-0001', 'TRADE-20240522-0001', 'USER-2088012345678901', 'NOTE-']) {
    expect(told).not.toContain(value)
  }
  expect(store.claim.mock.calls[0]?.[1]).toStrictEqual({ leaseMs: 30_000, compareModifyTimeWith: 'orderModifyTime' })
})

describe('deliveries at the same time', () => {
  test('fifty copies: onOrder runs once, and all are answered alike', async () => {
    const { handler, onOrder, events } = merchant({ onOrder: counting() })
    const replies = Array.from({ length: 50 }, () => handler(delivery('r1')))
    await vi.advanceTimersByTimeAsync(2_000)
    for (const reply of await Promise.all(replies)) expect(summarize(reply)).toStrictEqual(SUCCESS)
    expect(onOrder).toHaveBeenCalledOnce()
    expect(kinds(events).sort()).toStrictEqual(['processed', ...Array.from({ length: 49 }, () => 'replay')])
  })

  test('fifty requests about one event: onOrder runs once, and all are answered alike', async () => {
    const { handler, onOrder } = merchant({ onOrder: counting() })
    const replies = Array.from({ length: 50 }, (_, n) => handler(delivery(`r${n}`)))
    await vi.advanceTimersByTimeAsync(2_000)
    for (const reply of await Promise.all(replies)) expect(summarize(reply)).toStrictEqual(SUCCESS)
    expect(onOrder).toHaveBeenCalledOnce()
  })

  test('events of one order never run side by side, and the newest is the last', async () => {
    let running = 0
    const seen: number[] = []
    const { handler, store } = merchant({
      async onOrder({ orderModifyTime }) {
        expect(++running).toBe(1)
        await new Promise((resolve) => setTimeout(resolve, 40))
        running--
        seen.push(orderModifyTime)
        return { orderId: 'A-1' }
      },
    })
    const replies = [3, 1, 4, 2].map((time) => handler(delivery(`r${time}`, T + time)))
    await vi.advanceTimersByTimeAsync(2_000)
    await Promise.all(replies)
    expect(seen).toStrictEqual([...seen].sort((a, b) => a - b))
    expect(seen.at(-1)).toBe(T + 4)
    expect(store.claim).toHaveBeenCalled()
  })

  test('another order does not wait', async () => {
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
  const busy = async () => {
    const gate = deferred<OrderResult>()
    const made = merchant({ onOrder: () => gate.promise, busyWaitMs: 1_000 })
    const first = made.handler(delivery('r1'))
    await until(() => made.onOrder.mock.calls.length > 0)
    return { ...made, first, gate }
  }

  test.each<[string, string, number, string]>([
    ['the same request', 'r1', T, 'replay'],
    ['another request about the same event', 'r2', T, 'duplicate'],
    ['an older event', 'r2', T - 1, 'stale'],
  ])('%s waits for the answer, and gets it', async (_, requestId, time, kind) => {
    const { handler, first, gate, events } = await busy()
    const second = handler(delivery(requestId, time))
    await vi.advanceTimersByTimeAsync(300)
    gate.resolve({ orderId: 'A-1' })
    expect(summarize(await first)).toStrictEqual(SUCCESS)
    await vi.advanceTimersByTimeAsync(700)
    expect(summarize(await second)).toStrictEqual(SUCCESS)
    expect(kinds(events)).toStrictEqual(['processed', kind])
  })

  test('whoever has waited busyWaitMs is told to try later', async () => {
    const { handler, first, gate, events, onOrder, store } = await busy()
    const second = handler(delivery('r2', T + 1))
    await vi.advanceTimersByTimeAsync(999)
    expect(events).toStrictEqual([])
    await vi.advanceTimersByTimeAsync(1)
    expect(summarize(await second)).toStrictEqual(TRY_LATER)
    expect(events).toMatchObject([{ kind: 'busy', code: 'UNKNOWN_EXCEPTION', status: 200 }])
    // The pauses grow: a store is not asked without end.
    expect(store.claim.mock.calls.length).toBeLessThan(10)
    gate.resolve({ orderId: 'A-1' })
    expect(summarize(await first)).toStrictEqual(SUCCESS)
    expect(onOrder).toHaveBeenCalledOnce()
  })

  test('the pauses grow to a quarter of a second, and no further', async () => {
    const gate = deferred<OrderResult>()
    const { handler, onOrder, store } = merchant({ onOrder: () => gate.promise, busyWaitMs: 5_000 })
    const first = handler(delivery('r1'))
    await until(() => onOrder.mock.calls.length > 0)
    const second = handler(delivery('r2'))
    await until(() => store.claim.mock.calls.length === 2)
    for (const pause of [25, 50, 100, 200, 250, 250, 250]) {
      const before = store.claim.mock.calls.length
      await vi.advanceTimersByTimeAsync(pause - 1)
      expect(store.claim).toHaveBeenCalledTimes(before)
      await vi.advanceTimersByTimeAsync(1)
      expect(store.claim).toHaveBeenCalledTimes(before + 1)
    }
    gate.resolve({ orderId: 'A-1' })
    await vi.advanceTimersByTimeAsync(250)
    expect(summarize(await first)).toStrictEqual(SUCCESS)
    expect(summarize(await second)).toStrictEqual(SUCCESS)
  })

  test('with busyWaitMs 0 nobody waits', async () => {
    const gate = deferred<OrderResult>()
    const { handler, onOrder } = merchant({ onOrder: () => gate.promise, busyWaitMs: 0 })
    const first = handler(delivery('r1'))
    await until(() => onOrder.mock.calls.length > 0)
    expect(summarize(await handler(delivery('r1')))).toStrictEqual(TRY_LATER)
    gate.resolve({ orderId: 'A-1' })
    await first
  })

  test('the same requestId with another body is a conflict at once', async () => {
    const { handler, first, gate } = await busy()
    expect(summarize(await handler(delivery('r1', T, { orderStatus: 'x' })))).toStrictEqual(CONFLICT)
    gate.resolve({ orderId: 'A-1' })
    expect(summarize(await first)).toStrictEqual(SUCCESS)
  })

  test('a requestId that was told to try later is known from then on', async () => {
    const { handler, gate, first } = await busy()
    const second = handler(delivery('r2', T + 1))
    await vi.advanceTimersByTimeAsync(1_000)
    await second
    expect(summarize(await handler(delivery('r2', T + 2)))).toStrictEqual(CONFLICT)
    gate.resolve({ orderId: 'A-1' })
    await first
  })

  test('a waiting delivery runs when the first one fails', async () => {
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

describe('what onOrder throws', () => {
  test.each<[string, unknown]>([
    ['an error', new Error('SECRET-1')],
    ['no error', 'SECRET-1'],
    ['nothing', undefined],
    ['a rejection of its own', new ProtocolError('ERR_FIELD_INVALID', 'of something else')],
    ['a failed delivery of its own', new DeliveryError('ERR_TIMEOUT', 'of something else')],
    [
      'a refusal of what it sent on itself',
      new OrderRefusedError('PROCESS_FAIL', 'no', { response: refusal('PROCESS_FAIL') }),
    ],
  ])('%s: try later, and the next delivery runs it again', async (_, error) => {
    const { handler, onOrder, events, store } = merchant()
    onOrder.mockImplementationOnce(() => {
      throw error
    })
    expect(summarize(await handler(delivery('r1')))).toStrictEqual(TRY_LATER)
    expect(events).toMatchObject([{ kind: 'failed', status: 200, resultCode: 'UNKNOWN_EXCEPTION' }])
    expect(events[0]?.error).toBe(error)
    expect(JSON.stringify(events)).not.toContain('SECRET-1')
    expect(store.release).toHaveBeenCalledOnce()
    expect(summarize(await handler(delivery('r1')))).toStrictEqual(SUCCESS)
    expect(onOrder).toHaveBeenCalledTimes(2)
  })

  test.each<[string, unknown]>([
    ['nothing', undefined],
    ['null', null],
    ['no orderId', {}],
    ['an orderId that is a number', { orderId: 5 }],
    ['an empty orderId', { orderId: '' }],
    ['an orderId of 65 characters', { orderId: 'x'.repeat(65) }],
  ])('returning %s is a failure too', async (_, result) => {
    const warning = vi.spyOn(process, 'emitWarning').mockReturnValue()
    const { handler, onOrder, events } = merchant()
    onOrder.mockReturnValueOnce(result as OrderResult)
    expect(summarize(await handler(delivery('r1')))).toStrictEqual(TRY_LATER)
    // Said where the developer looks, also when he listens to nothing.
    expect(events).toMatchObject([
      { kind: 'failed', code: 'ERR_ORDER_ID', message: expect.stringContaining('{ orderId }') },
    ])
    expect(warning).toHaveBeenCalledWith(
      expect.stringContaining('{ orderId }'),
      expect.objectContaining({ code: 'ERR_ORDER_ID' }),
    )
    expect(summarize(await handler(delivery('r1')))).toStrictEqual(SUCCESS)
  })

  test('while an orderId of 64 characters is answered', async () => {
    const orderId = '😀'.repeat(64)
    const { handler } = merchant({ onOrder: () => ({ orderId }) })
    expect(summarize(await handler(delivery('r1')))).toStrictEqual({ ...SUCCESS, orderId })
  })
})

describe('a refusal', () => {
  const refusing = (...args: ConstructorParameters<typeof OrderRefusedError>) => {
    const error = new OrderRefusedError(...args)
    return { error, ...merchant({ onOrder: () => Promise.reject(error) }) }
  }

  test('for good is answered, kept, and replayed without running again', async () => {
    const { handler, onOrder, events, error } = refusing('PROCESS_FAIL', 'Out of noodles.')
    const answered = { ...TRY_LATER, resultCode: 'PROCESS_FAIL', resultStatus: 'F' }
    expect(summarize(await handler(delivery('r1')))).toStrictEqual(answered)
    expect(summarize(await handler(delivery('r1')))).toStrictEqual(answered)
    expect(onOrder).toHaveBeenCalledOnce()
    expect(events).toMatchObject([
      { kind: 'refused', code: 'ERR_REFUSED', resultCode: 'PROCESS_FAIL' },
      { kind: 'replay', code: 'PROCESS_FAIL' },
    ])
    expect(events[0]?.error).toBe(error)
  })

  test('for good is of the request, not of the event: another request about it runs', async () => {
    const { handler, onOrder } = refusing('PROCESS_FAIL')
    await handler(delivery('r1'))
    onOrder.mockReturnValueOnce({ orderId: 'A-1' })
    expect(summarize(await handler(delivery('r2')))).toStrictEqual(SUCCESS)
  })

  test.each(['UNKNOWN_EXCEPTION', 'REQUEST_TRAFFIC_EXCEED_LIMIT'])(
    'for now, %s, is answered and forgotten',
    async (resultCode) => {
      const { handler, onOrder, store, events } = refusing(resultCode)
      expect(summarize(await handler(delivery('r1')))).toStrictEqual({ ...TRY_LATER, resultCode })
      expect(store.finish).not.toHaveBeenCalled()
      expect(events).toMatchObject([{ kind: 'refused', resultCode }])
      onOrder.mockReturnValueOnce({ orderId: 'A-1' })
      expect(summarize(await handler(delivery('r1')))).toStrictEqual(SUCCESS)
    },
  )

  test.each(['SUCCESS', 'NO_SUCH_CODE', '', 'constructor'])(
    'with the code %j, which is none, is PROCESS_FAIL',
    async (resultCode) => {
      expect(summarize(await refusing(resultCode).handler(delivery('r1')))).toMatchObject({
        resultCode: 'PROCESS_FAIL',
        resultStatus: 'F',
      })
    },
  )

  test('says what the application says, at most 256 characters of it, and else what the table says', async () => {
    const messageOf = async (text?: string) => {
      const reply = await refusing('PROCESS_FAIL', text).handler(delivery('r1'))
      return JSON.parse(Buffer.from(reply.body).toString()).result.resultMessage as string
    }
    expect(await messageOf('Out of noodles.')).toBe('Out of noodles.')
    expect(await messageOf()).toBe('The order could not be processed.')
    expect(await messageOf('m'.repeat(300))).toBe('m'.repeat(256))
    // Cut between characters, not in the middle of one.
    expect(await messageOf(`${'m'.repeat(255)}😀`)).not.toMatch(/[\ud800-\udfff](?![\udc00-\udfff])/)
  })

  test('from the other build of this package is one as well', async () => {
    const { handler, onOrder } = merchant()
    const twin = Object.assign(new Error('refused'), {
      name: 'OrderRefusedError',
      code: 'ERR_REFUSED',
      resultCode: 'ACCESS_DENIED',
    })
    Object.defineProperty(twin, Symbol.for('alipayhk-order-sync/error'), { value: true })
    onOrder.mockRejectedValueOnce(twin)
    expect(summarize(await handler(delivery('r1')))).toMatchObject({ resultCode: 'ACCESS_DENIED' })
  })
})

describe('a lease that has run out', () => {
  test('and was taken by another delivery: the late finish is refused, and the peer told to try later', async () => {
    let now = NOW
    const store = memoryStore({ now: () => now })
    const gate = deferred<OrderResult>()
    const { handler, onOrder, events } = merchant({ store, onOrder: counting() })
    onOrder.mockReturnValueOnce(gate.promise)
    const first = handler(delivery('r1'))
    await until(() => onOrder.mock.calls.length > 0)
    now += 30_001
    expect(summarize(await handler(delivery('r1')))).toStrictEqual(SUCCESS)
    gate.resolve({ orderId: 'late' })
    expect(summarize(await first)).toStrictEqual(TRY_LATER)
    expect(kinds(events)).toStrictEqual(['processed', 'fenced'])
    const [one, two] = onOrder.mock.calls.map(([, { fencingToken }]) => fencingToken)
    expect(two).toBeGreaterThan(one ?? Number.POSITIVE_INFINITY)
    expect(summarize(await handler(delivery('r1')))).toStrictEqual(SUCCESS)
  })

  test('of a refusal is no different', async () => {
    const store = { ...memoryStore(), finish: () => Promise.resolve(false) }
    const { handler, events } = merchant({
      store,
      onOrder: () => Promise.reject(new OrderRefusedError('PROCESS_FAIL')),
    })
    expect(summarize(await handler(delivery('r1')))).toStrictEqual(TRY_LATER)
    expect(kinds(events)).toStrictEqual(['fenced'])
  })
})

describe('a store that fails', () => {
  const failing = (changes: Partial<OrderSyncStore>) => merchant({ store: { ...memoryStore(), ...changes } })
  const down = () => Promise.reject(new Error('SECRET-1: the database is down'))

  test('to claim: try later, and onOrder does not run', async () => {
    const { handler, onOrder, events } = failing({ claim: down })
    expect(summarize(await handler(delivery('r1')))).toStrictEqual(TRY_LATER)
    expect(onOrder).not.toHaveBeenCalled()
    expect(events).toMatchObject([{ kind: 'failed', code: 'UNKNOWN_EXCEPTION' }])
    expect(JSON.stringify(events)).not.toContain('SECRET-1')
  })

  test('by throwing instead of rejecting, is no different', async () => {
    const { handler } = failing({
      claim() {
        throw new Error('down')
      },
    })
    expect(summarize(await handler(delivery('r1')))).toStrictEqual(TRY_LATER)
  })

  test('to finish, and recovers: what onOrder did is kept', async () => {
    const store = memoryStore()
    const finish = vi.fn(store.finish).mockImplementationOnce(down).mockImplementationOnce(down)
    const { handler, onOrder } = merchant({ store: { ...store, finish } })
    const reply = handler(delivery('r1'))
    await vi.advanceTimersByTimeAsync(500)
    expect(summarize(await reply)).toStrictEqual(SUCCESS)
    expect(finish).toHaveBeenCalledTimes(3)
    expect(summarize(await handler(delivery('r1')))).toStrictEqual(SUCCESS)
    expect(onOrder).toHaveBeenCalledOnce()
  })

  test('to finish, for good: try later, and the order is not given free while the lease holds', async () => {
    const { handler, onOrder, store, events } = failing({ finish: down })
    const reply = handler(delivery('r1'))
    // The answer is signed on the thread pool, which no fake clock drives.
    await vi.advanceTimersByTimeAsync(10_000)
    expect(summarize(await reply)).toStrictEqual(TRY_LATER)
    await vi.advanceTimersByTimeAsync(50_000)
    expect(onOrder).toHaveBeenCalledOnce()
    expect(store.release).not.toHaveBeenCalled()
    expect(kinds(events)).toStrictEqual(['failed', 'late'])
    await handler.drain()
  })

  test('to release: the failure is answered all the same', async () => {
    const error = new Error('of the application')
    const { handler, onOrder, events } = failing({ release: down })
    onOrder.mockRejectedValueOnce(error)
    expect(summarize(await handler(delivery('r1')))).toStrictEqual(TRY_LATER)
    expect(events[0]?.error).toBe(error)
  })

  test('to keep an answer as it was: try later', async () => {
    const { handler, onOrder } = failing({ claim: () => Promise.resolve({ decision: 'replay', storedResponse: '{' }) })
    expect(summarize(await handler(delivery('r1')))).toStrictEqual(TRY_LATER)
    expect(onOrder).not.toHaveBeenCalled()
  })
})

describe('the deadline', () => {
  const slow = (options: { timeoutMs?: number } = {}) => {
    const gate = deferred<OrderResult>()
    return { gate, ...merchant({ onOrder: () => gate.promise, timeoutMs: 1_000, leaseMs: 5_000, ...options }) }
  }

  test('answers "try later", and tells onOrder by its signal', async () => {
    const { handler, onOrder, events, gate } = slow()
    const reply = handler(delivery('r1'))
    await until(() => onOrder.mock.calls.length > 0)
    const signal = onOrder.mock.calls[0]?.[1].signal
    await vi.advanceTimersByTimeAsync(999)
    expect(signal?.aborted).toBe(false)
    await vi.advanceTimersByTimeAsync(1)
    expect(summarize(await reply)).toStrictEqual(TRY_LATER)
    expect(signal?.reason).toMatchObject({ name: 'TimeoutError' })
    expect(events).toMatchObject([{ kind: 'failed', code: 'UNKNOWN_EXCEPTION', status: 200 }])
    expect(events[0]?.error).toMatchObject({ message: '"onOrder" or the store took longer than 1000 ms' })
    gate.resolve({ orderId: 'A-1' })
    await handler.drain()
  })

  test('is that of each request, however many there are, and what ends before it leaves no timer', async () => {
    const { handler, onOrder, gate } = slow()
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
    const late = () => onOrder.mock.calls.slice(1, 3).map(([, { signal }]) => signal.aborted)
    const told: boolean[][] = [late()]
    for (const milliseconds of [599, 1, 399, 1]) {
      await vi.advanceTimersByTimeAsync(milliseconds)
      told.push(late())
    }
    expect(told).toEqual([...Array(2).fill([false, false]), ...Array(2).fill([true, false]), [true, true]])
    expect(vi.getTimerCount()).toBe(0)
    for (const reply of [first, second]) expect(summarize(await reply)).toStrictEqual(TRY_LATER)
    gate.resolve({ orderId: 'A-3' })
    await handler.drain()
  })

  test('does not undo what onOrder does after it: that is kept, told as late, and answered to the next delivery', async () => {
    const { handler, onOrder, events, gate } = slow()
    const reply = handler(delivery('r1'))
    await vi.advanceTimersByTimeAsync(1_000)
    await reply
    gate.resolve({ orderId: 'A-1' })
    await handler.drain()
    expect(events).toMatchObject([{ kind: 'failed' }, { kind: 'late', code: 'SUCCESS', resultCode: 'SUCCESS' }])
    expect(summarize(await handler(delivery('r1')))).toStrictEqual(SUCCESS)
    expect(onOrder).toHaveBeenCalledOnce()
  })

  test('frees the order when onOrder fails after it', async () => {
    const { handler, onOrder, events, gate } = slow()
    const reply = handler(delivery('r1'))
    await vi.advanceTimersByTimeAsync(1_000)
    await reply
    gate.reject(new OrderRefusedError('REQUEST_TRAFFIC_EXCEED_LIMIT'))
    await handler.drain()
    expect(events).toMatchObject([{ kind: 'failed' }, { kind: 'late', code: 'ERR_REFUSED' }])
    onOrder.mockReturnValueOnce({ orderId: 'A-1' })
    expect(summarize(await handler(delivery('r1')))).toStrictEqual(SUCCESS)
  })

  test('keeps others off as long as the lease holds', async () => {
    const { handler, onOrder, gate } = slow()
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

  test('leaves nothing behind when the answer comes in time', async () => {
    const { handler } = merchant()
    await handler(delivery('r1'))
    expect(vi.getTimerCount()).toBe(0)
  })

  test('answers for a store that hangs; a claim that comes late is released, and onOrder does not run', async () => {
    const gate = deferred()
    const store = memoryStore()
    const claim = vi.fn<OrderSyncStore['claim']>(async (...args) => {
      await gate.promise
      return await store.claim(...args)
    })
    const { handler, onOrder, events, store: calls } = merchant({ store: { ...store, claim } })
    const reply = handler(delivery('r1'))
    await vi.advanceTimersByTimeAsync(10_000)
    expect(summarize(await reply)).toStrictEqual(TRY_LATER)
    gate.resolve()
    await handler.drain()
    expect(onOrder).not.toHaveBeenCalled()
    expect(calls.release).toHaveBeenCalledOnce()
    expect(kinds(events)).toStrictEqual(['failed', 'late'])
    expect(summarize(await handler(delivery('r1')))).toStrictEqual(SUCCESS)
  })

  test('answers for a store that hangs in finish', async () => {
    const store = { ...memoryStore(), finish: () => new Promise<boolean>(() => {}) }
    const { handler, onOrder } = merchant({ store })
    const reply = handler(delivery('r1'))
    await vi.advanceTimersByTimeAsync(10_000)
    expect(summarize(await reply)).toStrictEqual(TRY_LATER)
    expect(onOrder).toHaveBeenCalledOnce()
  })

  test.each<[string, Parameters<typeof merchant>[0], Partial<IncomingRequest>, boolean]>([
    ['credentials that are never found', { credentials: () => new Promise<never>(() => {}) }, {}, false],
    ['a body that never ends', {}, { body: endless() }, true],
    ['a schema that never decides', { extInfoSchema: undecided }, {}, true],
  ])('answers for %s, and nothing runs', async (_, options, changes, signed) => {
    const { handler, onOrder, store, events } = merchant(options)
    const reply = handler({ ...delivery('r1'), ...changes })
    await vi.advanceTimersByTimeAsync(9_999)
    expect(events).toStrictEqual([])
    await vi.advanceTimersByTimeAsync(1)
    expect(summarize(await reply)).toStrictEqual({ ...TRY_LATER, status: 500, signed })
    expect(events).toMatchObject([{ kind: 'unavailable', code: 'UNKNOWN_EXCEPTION', status: 500 }])
    expect(events[0]?.error).toMatchObject({
      name: 'TimeoutError',
      message: 'The request was not verified within 10000 ms',
    })
    expect(onOrder).not.toHaveBeenCalled()
    expect(store.claim).not.toHaveBeenCalled()
  })

  test('does not let an order start that was accepted after it', async () => {
    const gate = deferred()
    const { handler, onOrder, store, events } = merchant({
      async credentials() {
        await gate.promise
        return merchantCredentials()
      },
    })
    const reply = handler(delivery('r1'))
    await vi.advanceTimersByTimeAsync(10_000)
    await reply
    gate.resolve()
    await handler.drain()
    expect(kinds(events)).toStrictEqual(['unavailable', 'late'])
    expect(onOrder).not.toHaveBeenCalled()
    expect(store.claim).not.toHaveBeenCalled()
  })

  test('ends the waiting for an order that is busy', async () => {
    const gate = deferred<OrderResult>()
    const { handler, events } = merchant({
      onOrder: () => gate.promise,
      timeoutMs: 500,
      leaseMs: 5_000,
      busyWaitMs: 60_000,
    })
    const replies = [handler(delivery('r1')), handler(delivery('r2'))]
    await vi.advanceTimersByTimeAsync(500)
    for (const reply of replies) expect(summarize(await reply)).toStrictEqual(TRY_LATER)
    gate.resolve({ orderId: 'A-1' })
    await handler.drain()
    expect(kinds(events).filter((kind) => kind === 'failed')).toHaveLength(2)
  })
})

async function* endless(): AsyncGenerator<Uint8Array> {
  yield Buffer.from('{')
  await new Promise<never>(() => {})
}

test('a signal is let go with its request: nothing listens to the peer any more, and none is made of others', async () => {
  // Node 20 never forgets what AbortSignal.any() has made, once the merchant's code has listened to it.
  const any = vi.spyOn(AbortSignal, 'any')
  const peer = new AbortController()
  const { handler, onOrder } = merchant()
  expect(summarize(await handler({ ...delivery('r1'), signal: peer.signal }))).toStrictEqual(SUCCESS)
  expect(onOrder).toHaveBeenCalledOnce()
  expect(getEventListeners(peer.signal, 'abort')).toStrictEqual([])
  expect(any).not.toHaveBeenCalled()
  any.mockRestore()
})

test('a signal that is asked for when its request is over listens to nobody', async () => {
  const peer = new AbortController()
  const { handler, onOrder } = merchant()
  await handler({ ...delivery('r1'), signal: peer.signal })
  expect(onOrder.mock.calls[0]?.[1].signal.aborted).toBe(false)
  expect(getEventListeners(peer.signal, 'abort')).toStrictEqual([])
})

describe('a peer that goes away', () => {
  test('while onOrder runs: its signal tells, and what it does is kept', async () => {
    const peer = new AbortController()
    const gate = deferred<OrderResult>()
    const { handler, onOrder, events } = merchant({ onOrder: () => gate.promise })
    const reply = handler({ ...delivery('r1'), signal: peer.signal })
    await until(() => onOrder.mock.calls.length > 0)
    const reason = new Error('gone')
    peer.abort(reason)
    expect(onOrder.mock.calls[0]?.[1].signal).toMatchObject({ aborted: true, reason })
    gate.resolve({ orderId: 'A-1' })
    expect(summarize(await reply)).toStrictEqual(SUCCESS)
    expect(kinds(events)).toStrictEqual(['processed'])
  })

  test('before onOrder runs: its signal tells, and what it does is kept, for the peer will ask again', async () => {
    const reason = new Error('gone')
    const { handler, onOrder } = merchant()
    const reply = await handler({ ...delivery('r1'), signal: AbortSignal.abort(reason) })
    expect(summarize(reply)).toStrictEqual(SUCCESS)
    expect(onOrder.mock.calls[0]?.[1].signal).toMatchObject({ aborted: true, reason })
    expect(summarize(await handler(delivery('r1')))).toStrictEqual(SUCCESS)
    expect(onOrder).toHaveBeenCalledOnce()
  })

  test('while another delivery of the order runs: the waiting ends', async () => {
    const peer = new AbortController()
    const gate = deferred<OrderResult>()
    const { handler, onOrder } = merchant({ onOrder: () => gate.promise })
    const first = handler(delivery('r1'))
    await until(() => onOrder.mock.calls.length > 0)
    const second = handler({ ...delivery('r2'), signal: peer.signal })
    await vi.advanceTimersByTimeAsync(10)
    peer.abort(new Error('gone'))
    expect(summarize(await second)).toStrictEqual(TRY_LATER)
    gate.resolve({ orderId: 'A-1' })
    await first
  })
})

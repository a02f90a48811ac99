import { beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest'
import type { OrderResult } from '../../src/public/index.ts'
import type { StandardSchema } from '../../src/public/messages.ts'
import type { ObserveHandler } from '../../src/server/observation.ts'
import { OBSERVE } from '../../src/telemetry/observe.ts'
import { deferred, until } from '../support/deferred.ts'
import { merchant, SUCCESS, summarize, TRY_LATER } from '../support/merchant.ts'
import { CLIENT_ID, merchantCredentials, order, request } from '../support/messages.ts'
import { rejectionOf } from '../support/thrown.ts'

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] })
  onTestFinished(() => void vi.useRealTimers())
  // The clock of `performance` is not 0 when a process begins to work.
  vi.advanceTimersByTime(1_234)
})

const neverValidates: StandardSchema<unknown, never> = {
  '~standard': { version: 1, vendor: 'test', validate: vi.fn(() => new Promise<never>(() => {})) },
}

/** The requests that are running now. */
async function stillRunning({ drain }: ReturnType<typeof merchant>['handler']) {
  const draining = drain({ timeoutMs: 0 })
  await vi.advanceTimersByTimeAsync(0)
  return (await draining).stillRunning
}

/** A handler whose `onOrder` ends when the test says so, and a request that it processes. */
async function startProcessing(options: Parameters<typeof merchant>[0] = {}) {
  const gate = deferred<OrderResult>()
  const shop = merchant({ onOrder: () => gate.promise, timeoutMs: 1_000, leaseMs: 5_000, ...options })
  const response = shop.handler(request())
  await until(() => shop.onOrder.mock.calls.length > 0)
  return { ...shop, response, end: () => gate.resolve({ orderId: 'A-1' }) }
}

describe('drain', () => {
  test('lists what is known about a request, and how long it has run', async () => {
    const { handler, response, end } = await startProcessing()
    await vi.advanceTimersByTimeAsync(500)
    expect(await stillRunning(handler)).toStrictEqual([
      { clientId: CLIENT_ID, requestId: order()['requestId'], runningMs: 500 },
    ])
    end()
    expect(summarize(await response)).toStrictEqual(SUCCESS)
    expect(await handler.drain()).toStrictEqual({ stillRunning: [] })
  })

  test('lists a request whose credentials are looked up, without its ids', async () => {
    const gate = deferred<undefined>()
    const { handler } = merchant({ credentials: () => gate.promise })
    const response = handler(request())
    await vi.advanceTimersByTimeAsync(20)
    expect(await stillRunning(handler)).toStrictEqual([{ runningMs: 20 }])
    gate.resolve(undefined)
    await response
  })

  test('lists a request once if its time is up and its response is being signed', async () => {
    const gate = deferred<Uint8Array>()
    // The first call is the probe for the merchant's own key.
    const sign = vi.fn(() => gate.promise).mockResolvedValueOnce(new Uint8Array(256))
    const credentials = { ...merchantCredentials(), privateKeys: { 1: { algorithm: 'RSA256' as const, sign } } }
    const { handler, response, end } = await startProcessing({ credentials })
    await vi.advanceTimersByTimeAsync(1_000)
    await until(() => sign.mock.calls.length > 1)
    expect(await stillRunning(handler)).toStrictEqual([
      { clientId: CLIENT_ID, requestId: order()['requestId'], runningMs: 1_000 },
    ])
    gate.resolve(new Uint8Array(256))
    await response
    end()
  })

  test.each([-1, Number.NaN])('rejects the timeout %s', async (timeoutMs) => {
    const error = await rejectionOf(merchant().handler.drain({ timeoutMs }))
    expect(error).toBeInstanceOf(RangeError)
    expect(error.message).toBe('"timeoutMs" must not be negative')
  })

  test.each([undefined, 2 ** 31, Number.POSITIVE_INFINITY])('waits without a timer for %s ms', async (timeoutMs) => {
    const { handler, response, end } = await startProcessing()
    const onDrained = vi.fn()
    const draining = handler.drain({ timeoutMs }).then(onDrained)
    await vi.advanceTimersByTimeAsync(100)
    expect(onDrained).not.toHaveBeenCalled()
    end()
    await Promise.all([response, draining])
    expect(onDrained).toHaveBeenCalledExactlyOnceWith({ stillRunning: [] })
  })

  test('ends after its timeout', async () => {
    const { handler, response, end } = await startProcessing()
    const draining = handler.drain({ timeoutMs: 100 })
    await vi.advanceTimersByTimeAsync(100)
    expect(await draining).toMatchObject({ stillRunning: [{ runningMs: 100 }] })
    end()
    await response
  })
})

describe('health', () => {
  test('counts a request that is being processed, also after its time is up', async () => {
    const { handler, response, end } = await startProcessing({ maxConcurrent: 2 })
    const inFlight = async () => (await handler.health()).inFlight
    expect(await inFlight()).toStrictEqual({ responding: 1, working: 1, maxConcurrent: 2 })
    await vi.advanceTimersByTimeAsync(1_000)
    expect(summarize(await response)).toStrictEqual(TRY_LATER)
    expect(await inFlight()).toStrictEqual({ responding: 0, working: 1, maxConcurrent: 2 })
    end()
    await handler.drain()
    expect(await inFlight()).toStrictEqual({ responding: 0, working: 0, maxConcurrent: 2 })
  })

  test('says how long the store took', async () => {
    const { store, handler } = merchant()
    store.read.mockImplementation(async () => {
      await new Promise((resolve) => setTimeout(resolve, 30))
      return undefined
    })
    const checking = handler.health()
    await vi.advanceTimersByTimeAsync(30)
    expect((await checking).store).toStrictEqual({ reachable: true, migrated: true, latencyMs: 30 })
  })
})

describe('when its time is up, a request', () => {
  test('aborts the signal of onOrder with a TimeoutError', async () => {
    const { onOrder, response, end } = await startProcessing()
    await vi.advanceTimersByTimeAsync(1_000)
    await response
    const message = 'The request took longer than 1000 ms'
    expect(onOrder.mock.calls[0]?.[1].signal.reason).toMatchObject({ name: 'TimeoutError', message })
    end()
  })

  test('has an event with its Client-Id, if its headers were checked', async () => {
    const { handler, events } = merchant({ extInfoSchema: neverValidates, timeoutMs: 1_000 })
    const response = handler(request())
    await until(() => vi.mocked(neverValidates['~standard'].validate).mock.calls.length > 0)
    await vi.advanceTimersByTimeAsync(1_000)
    await response
    expect(events).toMatchObject([{ kind: 'unavailable', clientId: CLIENT_ID }])
  })

  test('is responded to at once, even if an observer could show more of its body', async () => {
    const shop = merchant({ credentials: () => new Promise<never>(() => {}), timeoutMs: 1_000 })
    const observer = vi.fn()
    const { stop } = (Reflect.get(shop.handler, OBSERVE) as ObserveHandler)(observer)
    const onResponse = vi.fn()
    const response = shop.handler({ ...request(), body: new ReadableStream<Uint8Array>() }).then(onResponse)
    await vi.advanceTimersByTimeAsync(1_000)
    for (let turn = 0; turn < 20; turn++) await new Promise(setImmediate)
    expect(onResponse).toHaveBeenCalledOnce()
    await response
    stop()
  })
})

test('a request above maxConcurrent has an event that says so', async () => {
  const { handler, events, response, end } = await startProcessing({ maxConcurrent: 1 })
  await handler(request({ message: order({ requestId: 'r-2' }) }))
  const message = 'Too many requests are in progress.'
  expect(events).toMatchObject([{ kind: 'rejected', code: 'ERR_TRAFFIC', message, clientId: CLIENT_ID }])
  end()
  await response
})

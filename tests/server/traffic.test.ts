import { beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest'
import { createBodyGate } from '../../src/server/body-gate.ts'
import { deferred, until } from '../support/deferred.ts'
import { merchant, SUCCESS, summarize } from '../support/merchant.ts'
import { order, request } from '../support/messages.ts'
import { rejectionOf } from '../support/thrown.ts'

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] })
  onTestFinished(() => void vi.useRealTimers())
})

const TOO_MUCH_TRAFFIC = {
  status: 429,
  resultCode: 'REQUEST_TRAFFIC_EXCEED_LIMIT',
  resultStatus: 'U',
  signed: false,
  encrypted: false,
}

const delivery = (number: number) =>
  request({ message: order({ requestId: `r-${number}`, merchantBizNo: `b-${number}` }) })

describe('maxConcurrent', () => {
  test('rejects further requests, unsigned and without a claim, until earlier ones have ended', async () => {
    const gate = deferred()
    const { handler, onOrder, events, store } = merchant({
      maxConcurrent: 2,
      onOrder: async () => {
        await gate.promise
        return { orderId: 'A-1' }
      },
    })
    const accepted = [handler(delivery(1)), handler(delivery(2))]
    expect(summarize(await handler(delivery(3)))).toEqual(TOO_MUCH_TRAFFIC)
    expect(events).toMatchObject([{ kind: 'rejected', code: 'ERR_TRAFFIC' }])
    await until(() => onOrder.mock.calls.length === 2)
    expect(store.claim).toHaveBeenCalledTimes(2)
    gate.resolve()
    for (const response of accepted) expect(summarize(await response)).toEqual(SUCCESS)
    expect(summarize(await handler(delivery(3)))).toEqual(SUCCESS)
    expect(onOrder).toHaveBeenCalledTimes(3)
  })

  test('counts work that outlives its response', async () => {
    const gate = deferred()
    const { handler, onOrder } = merchant({
      maxConcurrent: 1,
      timeoutMs: 1_000,
      onOrder: async ({ merchantBizNo }) => {
        if (merchantBizNo === 'b-1') await gate.promise
        return { orderId: 'A-1' }
      },
    })
    const first = handler(delivery(1))
    await until(() => onOrder.mock.calls.length > 0)
    await vi.advanceTimersByTimeAsync(1_000)
    expect(summarize(await first)).toMatchObject({ resultCode: 'UNKNOWN_EXCEPTION' })
    expect(summarize(await handler(delivery(2)))).toEqual(TOO_MUCH_TRAFFIC)
    gate.resolve()
    await handler.drain()
    expect(summarize(await handler(delivery(2)))).toEqual(SUCCESS)
  })

  test('does not count a body that never ends after timeoutMs, and drain() does not wait for it', async () => {
    const { handler } = merchant({ maxConcurrent: 1, timeoutMs: 1_000 })
    const first = handler({ ...delivery(1), body: new ReadableStream<Uint8Array>() })
    await vi.advanceTimersByTimeAsync(1_000)
    expect(summarize(await first)).toMatchObject({ status: 500, resultCode: 'UNKNOWN_EXCEPTION' })
    await handler.drain()
    expect(summarize(await handler(delivery(2)))).toEqual(SUCCESS)
  })
})

test('a body that is late is reported as late, even if its connection closes in the same moment', async () => {
  const limits = { maxBodyBytes: 10, maxReading: 1, maxReadingBytes: 10, bodyTimeoutMs: 100 }
  const caller = new AbortController()
  const place = createBodyGate(limits)(undefined)
  const error = rejectionOf(place.read(new ReadableStream<Uint8Array>(), { connection: caller.signal }))
  vi.advanceTimersByTime(100)
  caller.abort()
  expect(await error).toMatchObject({ code: 'ERR_BODY_TIMEOUT' })
})

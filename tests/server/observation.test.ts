import { describe, expect, onTestFinished, test, vi } from 'vitest'
import type { ObservedDelivery, ObserveHandler } from '../../src/server/observation.ts'
import { OBSERVE } from '../../src/telemetry/observe.ts'
import { deferred } from '../support/deferred.ts'
import { merchant } from '../support/merchant.ts'
import { bytesOf, encryptedRequest, order, request } from '../support/messages.ts'

type Merchant = ReturnType<typeof merchant>

function observe({ handler }: Merchant) {
  const observer = vi.fn<(delivery: ObservedDelivery) => void>()
  const observed = (Reflect.get(handler, OBSERVE) as ObserveHandler)(observer)
  return { observer, ...observed, last: () => observer.mock.lastCall?.[0] }
}

const stepsOf = (delivery: ObservedDelivery | undefined) => delivery?.steps.map(({ step }) => step)

describe('an observed handler', () => {
  test('publishes the received request, each step, the event and the response', async () => {
    const shop = merchant()
    const { last } = observe(shop)
    const sent = request()
    const response = await shop.handler(sent)
    const delivery = last()
    expect(delivery?.request).toEqual({ method: sent.method, path: sent.path, headers: sent.headers })
    expect(delivery?.body).toEqual(sent.body)
    expect(delivery?.response).toBe(response)
    expect(delivery?.events.map(({ kind }) => kind)).toEqual(['processed'])
    const all = ['received', 'verified', 'decrypted', 'validated', 'decided', 'onOrder', 'onOrderEnded', 'stored']
    expect(stepsOf(delivery)).toEqual([...all, 'concluded', 'responded'])
    const times = delivery?.steps.map(({ at }) => at) ?? []
    expect(times).toEqual(times.toSorted((a, b) => a - b))
  })

  test('publishes the body before and after decryption', async () => {
    const shop = merchant()
    const { last } = observe(shop)
    const sent = encryptedRequest()
    await shop.handler(sent)
    expect(last()?.body).toEqual(sent.body)
    expect(Buffer.from(last()?.plaintext ?? [])).toEqual(bytesOf(order()))
  })

  test('has no plaintext of a message that did not verify', async () => {
    const shop = merchant()
    const { last } = observe(shop)
    await shop.handler({ ...request(), body: bytesOf(order({ orderStatus: 'OTHER' })) })
    expect(last()?.plaintext).toBeUndefined()
    expect(stepsOf(last())).toEqual(['received', 'concluded', 'responded'])
    expect(last()?.events.map(({ code }) => code)).toEqual(['ERR_SIGNATURE_INVALID'])
  })

  test('reads the body of a request that is rejected for its headers, which the handler does not need', async () => {
    const shop = merchant()
    const { last } = observe(shop)
    const sent = request({ clientId: 'SOMEBODY' })
    const chunks = async function* () {
      yield sent.body.subarray(0, 10)
      yield sent.body.subarray(10)
    }
    expect((await shop.handler({ ...sent, body: chunks() })).status).toBe(401)
    expect(Buffer.from(last()?.body ?? [])).toEqual(sent.body)
  })

  test('does not wait for more than a megabyte of the body, nor for a reader that has locked it', async () => {
    const shop = merchant()
    const { last } = observe(shop)
    const sent = request({ clientId: 'SOMEBODY' })
    const endless = async function* () {
      for (;;) yield Buffer.alloc(100_000)
    }
    const broken = async function* (): AsyncGenerator<Uint8Array> {
      yield Buffer.from('{')
      throw new Error('gone')
    }
    for (const body of [endless(), broken()]) {
      expect((await shop.handler({ ...sent, body })).status).toBe(401)
      expect(last()?.body).toBeUndefined()
    }
  })

  test('does not publish a body that is too large, because its beginning is lost', async () => {
    const shop = merchant({ maxBodyBytes: 100, maxReadingBytes: 1_000 })
    const { last } = observe(shop)
    const chunks = async function* () {
      for (let index = 0; index < 5; index++) yield Buffer.alloc(60)
    }
    await shop.handler({ ...request(), body: chunks() })
    expect(last()?.events.map(({ code }) => code)).toEqual(['ERR_BODY_TOO_LARGE'])
    expect(last()?.body).toBeUndefined()
  })

  test('publishes again when the work ends after the response', async () => {
    const gate = deferred<{ orderId: string }>()
    // The time is over when `onOrder` runs, and not before.
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
    onTestFinished(() => void vi.useRealTimers())
    const onOrder = () => {
      vi.advanceTimersByTime(20)
      return gate.promise
    }
    const shop = merchant({ onOrder, timeoutMs: 20, leaseMs: 1_000 })
    const { observer, last } = observe(shop)
    await shop.handler(request())
    expect(last()?.events.map(({ kind }) => kind)).toEqual(['failed'])
    gate.resolve({ orderId: 'A-1' })
    await vi.waitFor(() => expect(observer).toHaveBeenCalledTimes(2))
    expect(observer.mock.calls[0]?.[0]).toBe(last())
    expect(last()?.events.map(({ kind }) => kind)).toEqual(['failed', 'late'])
  })

  test('responds as it does without an observer, also when the observer throws', async () => {
    const shop = merchant()
    const { observer } = observe(shop)
    observer.mockImplementation(() => {
      throw new Error('observer')
    })
    expect((await shop.handler(request())).status).toBe(200)
    expect(shop.events.map(({ kind }) => kind)).toEqual(['processed'])
  })

  test('is not observed after stop', async () => {
    const shop = merchant()
    const { observer, stop } = observe(shop)
    stop()
    await shop.handler(request())
    expect(observer).not.toHaveBeenCalled()
  })

  test('hides the method from enumeration', () => {
    const { handler } = merchant()
    expect(Object.getOwnPropertySymbols({ ...handler })).toEqual([])
    expect(Object.keys(handler).sort()).toEqual(['drain', 'fetch', 'health'])
  })
})

import { beforeEach, describe, expect, test } from 'vitest'
import { memoryStore, type OrderSyncEvent } from '../../src/public/index.ts'
import { gatewayRsa, strangerRsa } from '../support/keys.ts'
import { merchant, summarize } from '../support/merchant.ts'
import { encryptedRequest, merchantCredentials, NOW, order, request, withHeaders } from '../support/messages.ts'
import { recordWarnings } from '../support/warnings.ts'

const T = NOW - 1_000
const traced = (tracerId: string | undefined, make = request()) => withHeaders(make, { 'Tracer-Id': tracerId })

beforeEach(() => void recordWarnings())

describe('Tracer-Id', () => {
  test.each([
    ['as received', 'abcdefg135202000000000263818', 'abcdefg135202000000000263818'],
    ['of 128 characters', 'x'.repeat(128), 'x'.repeat(128)],
    ['without the white space around it', ' a b ', 'a b'],
  ])('%s is in the response, in the event and in the context of onOrder', async (_, sent, expected) => {
    const { handler, events, onOrder } = merchant()
    const response = await handler(traced(sent))
    expect(summarize(response)).toMatchObject({ resultCode: 'SUCCESS', signed: true })
    expect(response.headers['Tracer-Id']).toBe(expected)
    expect(events).toMatchObject([{ kind: 'processed', tracerId: expected }])
    expect(onOrder.mock.calls[0]?.[1]).toMatchObject({ tracerId: expected, requestId: order()['requestId'] })
  })

  test.each([
    ['absent', undefined],
    ['empty', ''],
    ['white space', '  '],
    ['of 129 characters', 'x'.repeat(129)],
    ['not printable', 'a\u0007b'],
    ['more than one line', 'a\r\nSet-Cookie: b'],
    ['not ASCII', 'ü'],
  ])('that is %s is replaced with a new one', async (_, sent) => {
    const { handler, events } = merchant()
    const ids = [await handler(traced(sent)), await handler(traced(sent))].map(({ headers }) => headers['Tracer-Id'])
    for (const id of ids) expect(id).toMatch(/^[0-9a-f]{32}$/)
    expect(ids[0]).not.toBe(ids[1])
    expect(events.map(({ tracerId }) => tracerId)).toStrictEqual(ids)
  })

  test.each<[number, Parameters<typeof merchant>[0], Parameters<ReturnType<typeof merchant>['handler']>[0]]>([
    [405, {}, { ...traced('t-1'), method: 'GET' }],
    [401, {}, traced('t-1', request({ key: strangerRsa().privateKey }))],
    [401, {}, traced('t-1', request({ clientId: 'STRANGER' }))],
    [400, {}, withHeaders(traced('t-1'), { Signature: 'x' })],
    [500, { signedPath: () => 5 as never }, traced('t-1')],
    [500, { timeoutMs: 20, credentials: () => new Promise<never>(() => {}) }, traced('t-1')],
    [200, {}, traced('t-1', request({ message: '{' }))],
    [200, {}, traced('t-1', encryptedRequest())],
  ])('is in a response with HTTP %d', async (status, options, sent) => {
    const response = await merchant(options).handler(sent)
    expect(response).toMatchObject({ status, headers: { 'Tracer-Id': 't-1' } })
  })

  test.each([{ headers: null }, { headers: 5 }, undefined])(
    'is new when the HTTP layer passes no headers: %o',
    async (broken) => {
      const { handler, events } = merchant()
      const { headers } = await handler(broken as never)
      expect(headers['Tracer-Id']).toMatch(/^[0-9a-f]{32}$/)
      expect(events[0]?.tracerId).toBe(headers['Tracer-Id'])
      expect((await handler(broken as never)).headers['Tracer-Id']).not.toBe(headers['Tracer-Id'])
    },
  )

  test('is new also when randomBytes throws', async () => {
    const randomBytes = () => {
      throw new Error('no entropy')
    }
    const { headers } = await merchant({ randomBytes }).handler(request())
    expect(headers['Tracer-Id']).toMatch(/^[0-9a-f]{32}$/)
  })
})

describe('an event has', () => {
  const last = (events: readonly OrderSyncEvent[]) => events.at(-1) ?? expect.fail('there is no event')

  test.each([
    ['a field that is missing', order({ orderStatus: undefined }), 'ERR_FIELD_INVALID'],
    ['a fraction', order({ extInfo: { weightKg: 0.5 } }), 'ERR_JSON_INVALID'],
    ['a time in the future', order({ orderModifyTime: NOW * 2 }), 'ERR_FIELD_INVALID'],
  ])('the order, not enumerable, although it is rejected for %s', async (_, message, code) => {
    for (const make of [request, encryptedRequest]) {
      const { handler, events } = merchant()
      await handler(make({ message }))
      const event = last(events)
      const { requestId, merchantBizNo, tradeNo } = order()
      expect(event).toMatchObject({ kind: 'rejected', code, requestId, keyVersion: '1', encrypted: make !== request })
      expect([event.merchantBizNo, event.tradeNo]).toStrictEqual([merchantBizNo, tradeNo])
      expect(Object.keys(event)).not.toContain('merchantBizNo')
      expect(Object.keys(event)).not.toContain('tradeNo')
      expect(event.order).toBeUndefined()
    }
  })

  test.each([
    ['too long', 'x'.repeat(65)],
    ['not ASCII', 'ü'],
    ['no text', 5],
  ])('no requestId that is %s', async (_, requestId) => {
    const { handler, events } = merchant()
    await handler(request({ message: order({ requestId }) }))
    expect(last(events)).not.toHaveProperty('requestId')
    expect(last(events).merchantBizNo).toBe(order()['merchantBizNo'])
  })

  test('no part of a message whose signature did not verify', async () => {
    const { handler, events } = merchant()
    await handler(request({ key: strangerRsa().privateKey }))
    const event = last(events)
    expect(event).toMatchObject({ kind: 'rejected', code: 'ERR_SIGNATURE_INVALID', keyVersion: '1', encrypted: false })
    for (const name of ['requestId', 'orderKey']) expect(event).not.toHaveProperty(name)
    expect([event.merchantBizNo, event.tradeNo, event.order]).toStrictEqual([undefined, undefined, undefined])
  })

  test('the unknown Client-Id', async () => {
    const { handler, events } = merchant()
    await handler(request({ clientId: 'STRANGER' }))
    expect(last(events)).toMatchObject({ code: 'ERR_CLIENT_UNKNOWN', unknownClientId: 'STRANGER' })
    expect(last(events)).not.toHaveProperty('clientId')
    await handler(request())
    expect(last(events)).not.toHaveProperty('unknownClientId')
  })

  test('the version of the key that verified, also when the header names none', async () => {
    const peerPublicKeys = { 1: strangerRsa().publicKey, 2: gatewayRsa().publicKey }
    const { handler, events } = merchant({ credentials: { ...merchantCredentials(), peerPublicKeys } as never })
    await handler(request({ keyVersion: '2' }))
    await handler(request({ keyVersion: '' }))
    await handler(request({ keyVersion: '9' }))
    expect(events.map(({ kind, keyVersion }) => [kind, keyVersion])).toStrictEqual([
      ['processed', '2'],
      ['replay', '2'],
      ['rejected', '9'],
    ])
  })

  test('the same orderKey for the same order, and that of the store', async () => {
    const { handler, events, store } = merchant()
    await handler(request())
    await handler(request({ message: order({ requestId: 'r2', orderModifyTime: NOW }) }))
    await handler(request({ message: order({ requestId: 'r3', merchantBizNo: 'other' }) }))
    const [first, second, other] = events.map(({ orderKey }) => orderKey)
    expect(second).toBe(first)
    expect(other).not.toBe(first)
    expect((await store.read(first ?? ''))?.last?.orderModifyTime).toBe(NOW)
  })
})

describe('the event of', () => {
  const deliverAfterOne = async (changes: Record<string, unknown>, options: Parameters<typeof merchant>[0] = {}) => {
    const { handler, events } = merchant(options)
    await handler(request())
    await handler(request({ message: order({ requestId: 'r2', ...changes }) }))
    return events[1]
  }

  test.each([
    ['a duplicate with the same content', 'duplicate', T, {}, false],
    ['a duplicate with another content', 'duplicate', T, { orderStatus: 'REFUNDED' }, true],
    ['a duplicate with another content in extInfo', 'duplicate', T, { extInfo: { note: 'x' } }, true],
    ['a stale event with the same content', 'stale', T - 5, {}, false],
    ['a stale event with another content', 'stale', T - 5, { orderStatus: 'PENDING' }, true],
  ])(
    '%s has both times, and whether the content differs',
    async (_, kind, orderModifyTime, changes, contentDiffers) => {
      expect(await deliverAfterOne({ orderModifyTime, ...changes })).toMatchObject({
        kind,
        orderModifyTime,
        lastOrderModifyTime: T,
        contentDiffers,
      })
    },
  )

  test('a duplicate leaves contentDiffers out when the store does not know the content', async () => {
    const store = memoryStore()
    const forgetful: typeof store = {
      ...store,
      async claim(delivery, options) {
        const claim = await store.claim(delivery, options)
        return 'last' in claim ? { ...claim, last: { orderModifyTime: claim.last.orderModifyTime } } : claim
      },
    }
    const event = await deliverAfterOne({}, { store: forgetful })
    expect(event).toMatchObject({ kind: 'duplicate', lastOrderModifyTime: T })
    expect(event).not.toHaveProperty('contentDiffers')
  })

  test('a newer event has no times of the last event', async () => {
    const event = await deliverAfterOne({ orderModifyTime: T + 1 })
    expect(event?.kind).toBe('processed')
    for (const name of ['orderModifyTime', 'lastOrderModifyTime', 'contentDiffers']) {
      expect(event).not.toHaveProperty(name)
    }
  })
})

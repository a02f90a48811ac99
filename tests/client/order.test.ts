import { describe, expect, test } from 'vitest'
import { toOutgoingOrder } from '../../src/client/order.ts'
import { createOrderSyncClient, type OrderInput } from '../../src/public/index.ts'
import { merchantCredentials, NOW, order } from '../support/messages.ts'
import { rejectionOf, thrownBy } from '../support/thrown.ts'

const SECONDS = Math.floor(NOW / 1_000)
const YEAR_2000 = Date.UTC(2000, 0, 1)

describe('toOutgoingOrder', () => {
  test.each([
    [
      'seconds in both times',
      { orderCreateTime: SECONDS, orderModifyTime: SECONDS },
      /Create.*seconds.*Modify.*seconds/,
    ],
    ['seconds in orderCreateTime', { orderCreateTime: SECONDS }, /orderCreateTime.*seconds/],
    ['seconds in orderModifyTime', { orderModifyTime: SECONDS }, /orderModifyTime.*seconds/],
    ['zero', { orderCreateTime: 0 }, /orderCreateTime.*seconds/],
    ['the last millisecond of 1999', { orderCreateTime: YEAR_2000 - 1 }, /orderCreateTime/],
    [
      'an orderModifyTime before the orderCreateTime',
      { orderCreateTime: NOW, orderModifyTime: NOW - 1 },
      /"orderModifyTime" must be the same as "orderCreateTime" or later/,
    ],
  ])('rejects %s with ERR_FIELD_INVALID', (_, changes, message) => {
    const error = thrownBy(() => toOutgoingOrder(order(changes)))
    expect(error).toMatchObject({ name: 'ProtocolError', code: 'ERR_FIELD_INVALID' })
    expect(error.message).toMatch(message)
  })

  test.each([
    ['equal times', { orderCreateTime: NOW, orderModifyTime: NOW }],
    ['the first millisecond of 2000', { orderCreateTime: YEAR_2000 }],
  ])('accepts %s', (_, changes) => {
    expect(toOutgoingOrder(order(changes))).toStrictEqual(order(changes))
  })

  test('writes the members in the sequence of the API page, for any sequence of the input', () => {
    const page = {
      requestId: 'r1',
      merchantId: 'm1',
      tradeNo: 't1',
      merchantBizNo: 'b1',
      merchantBizType: 'TRADE_ORDER',
      amount: { value: '3', currency: 'HKD' },
      payAmount: { value: '2', currency: 'HKD', unit: 'cents' },
      discountAmount: { value: '1', currency: 'HKD' },
      orderStatus: 'PAID',
      orderCreateTime: NOW,
      orderModifyTime: NOW,
      userId: 'u1',
      openId: 'o1',
      zebra: 1,
      apple: 2,
      extInfo: { z: 1, a: 2 },
    }
    const { extInfo, zebra, apple, ...known } = page
    const shuffled = { extInfo, ...reversed(known), zebra, apple }
    expect(JSON.stringify(toOutgoingOrder(shuffled))).toBe(JSON.stringify(page))
    expect(JSON.stringify(toOutgoingOrder(page))).toBe(JSON.stringify(page))
  })

  test('adds no member for one that is undefined', () => {
    expect(Object.keys(toOutgoingOrder(order({ merchantId: undefined, payAmount: undefined })))).toStrictEqual(
      Object.keys(order()),
    )
  })
})

describe('syncOrder', () => {
  test('rejects an order whose times are seconds, and sends nothing', async () => {
    const client = createOrderSyncClient({
      credentials: merchantCredentials(),
      environment: 'testing',
      fetch: () => Promise.reject(new Error('an order was sent')),
    })
    const input = order({ orderModifyTime: SECONDS, orderCreateTime: SECONDS }) as unknown as OrderInput
    expect(await rejectionOf(client.syncOrder(input))).toMatchObject({
      code: 'ERR_FIELD_INVALID',
      issues: [{ field: 'orderCreateTime' }, { field: 'orderModifyTime' }],
    })
  })
})

/** The same object with its keys, and those of its objects, in reverse. */
function reversed(value: object): object {
  const entries = Object.entries(value).map(([key, member]): [string, unknown] => [
    key,
    typeof member === 'object' && member !== null && !('unit' in member) ? reversed(member) : member,
  ])
  return Object.fromEntries(entries.reverse())
}

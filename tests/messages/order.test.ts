import { describe, expect, expectTypeOf, test } from 'vitest'
import { type OpenObject, type Order, orderSchema } from '../../src/messages/order.ts'
import { validateOrder } from '../../src/messages/validate.ts'
import { BAD_ORDERS } from '../support/fields.ts'
import { isValidFor } from '../support/json-schema.ts'
import { order, orderWithout } from '../support/messages.ts'
import { thrownBy } from '../support/thrown.ts'

const MINIMAL = {
  requestId: 'r',
  tradeNo: 't',
  merchantBizNo: 'b',
  merchantBizType: 'TRADE_ORDER',
  orderStatus: 's',
  orderCreateTime: 0,
  orderModifyTime: 0,
  userId: 'u',
  extInfo: {},
}

describe('validateOrder', () => {
  test.each<[string, Record<string, unknown>]>([
    ['with every field', order({ merchantId: 'm', openId: 'o', payAmount: { value: '0', currency: 'HKD' } })],
    ['with only the required fields', MINIMAL],
    ['with a requestId of 32 hex digits', order({ requestId: '0123456789abcdef0123456789abcdef' })],
    ['with a requestId with dashes', order({ requestId: '01234567-89ab-cdef-0123-456789abcdef' })],
    ['with a requestId of 64 characters', order({ requestId: 'x'.repeat(64) })],
    ['with openId instead of userId', { ...orderWithout('userId'), openId: 'o' }],
    ['with openId and an empty userId', order({ userId: '', openId: 'o' })],
    ['with userId and an empty openId', order({ openId: '' })],
    ['with an empty merchantId', order({ merchantId: '' })],
    ['with an amount of one digit', order({ amount: { value: '0', currency: 'HKD' } })],
    ['with an amount of 64 digits', order({ amount: { value: '9'.repeat(64), currency: 'HKD' } })],
    ['with unknown fields in an amount', order({ amount: { value: '1', currency: 'HKD', unit: 'cents' } })],
    ['with the largest time', order({ orderModifyTime: Number.MAX_SAFE_INTEGER })],
    ['with a modification time before the creation time', order({ orderCreateTime: 2, orderModifyTime: 1 })],
    ['with line feeds and other scripts in a text', order({ orderStatus: '已付款\n😀' })],
    ['with any members in extInfo', order({ extInfo: { a: [null, { b: true }], amount: 'x' } })],
  ])('accepts an order %s', (_, message) => {
    expect(validateOrder(message)).toBe(message)
    expect(isValidFor(orderSchema, message)).toBe(true)
  })

  test('keeps unknown fields', () => {
    const message = order({ newFieldjrPOUb: [1], somethingNew: { deep: [{}] }, constructor: 'x' })
    expect(validateOrder(structuredClone(message))).toStrictEqual(message)
  })

  test.each(BAD_ORDERS)('rejects an order and names the field: $rule', ({ message, field }) => {
    const value: unknown = typeof message === 'string' ? JSON.parse(message) : message
    const error = thrownBy(() => validateOrder(value))
    expect(isValidFor(orderSchema, value)).toBe(false)
    expect(error).toMatchObject({ name: 'ProtocolError', code: 'ERR_FIELD_INVALID' })
    const { issues } = error as unknown as { issues: { field: string; expected: string }[] }
    expect(issues).toStrictEqual([{ field, expected: expect.stringMatching(/^(a|an|present|TRADE_ORDER)\b/) }])
    expect(error.message).toBe(
      field === ''
        ? 'The order is invalid: it must be a JSON object.'
        : `The order is invalid: "${field}" must be ${issues[0]?.expected}.`,
    )
  })

  test('rejects an order for each field of the schema', () => {
    const rejectedFields = new Set(BAD_ORDERS.map(({ field }) => field.split('.')[0]))
    expect([...rejectedFields]).toStrictEqual(expect.arrayContaining(Object.keys(orderSchema.properties ?? {})))
  })

  test('names all invalid fields, each once', () => {
    const { message, issues } = thrownBy(() =>
      validateOrder(order({ tradeNo: '', amount: {}, extInfo: 5 })),
    ) as Error & {
      issues: { field: string }[]
    }
    expect(issues.map(({ field }) => field).sort()).toStrictEqual([
      'amount.currency',
      'amount.value',
      'extInfo',
      'tradeNo',
    ])
    for (const { field } of issues) expect(message).toContain(`"${field}"`)
  })

  test('names each field with its rule, also next to a user that is missing', () => {
    const message = { ...orderWithout('userId'), tradeNo: '', orderStatus: 5 }
    const expected = [
      '"tradeNo" must be a string with content',
      '"orderStatus" must be a string with content',
      '"userId" must be present with content, unless "openId" is',
    ]
    const { message: text } = thrownBy(() => validateOrder(message))
    const rules = /^The order is invalid: (.*)\.$/.exec(text)?.[1]?.split('; ')
    expect(rules?.toSorted()).toEqual(expected.toSorted())
  })

  test('throws an error without the values and the unknown names of the order', () => {
    const message = {
      ...order({ userId: 5, tradeNo: ['SECRET-1'], orderStatus: { s: 'SECRET-2' }, merchantBizType: 'SECRET-3' }),
      requestId: 'SECRET 4',
      amount: { value: 'SECRET-5', currency: 'SECRET-6', 'SECRET-7': 1 },
      orderCreateTime: 'SECRET-8',
      'SECRET-9': 'x',
    }
    const error = thrownBy(() => validateOrder(message))
    expect(JSON.stringify({ ...error, message: error.message, stack: error.stack })).not.toMatch(/SECRET/)
  })

  test('treats a field with the value undefined as absent', () => {
    expect(validateOrder(order({ merchantId: undefined, amount: undefined }))).toBeDefined()
    expect(() => validateOrder(order({ tradeNo: undefined }))).toThrow('"tradeNo"')
  })
})

test('Order has the types of the protocol', () => {
  expectTypeOf<Order['extInfo']>().toEqualTypeOf<OpenObject>()
  expectTypeOf<Order<{ a: 1 }>['extInfo']>().toEqualTypeOf<{ a: 1 }>()
  expectTypeOf<Order['merchantBizType']>().toEqualTypeOf<'TRADE_ORDER'>()
  expectTypeOf<Order['orderModifyTime']>().toEqualTypeOf<number>()
  // exactOptionalPropertyTypes: an optional member has a value or is absent.
  expectTypeOf<{ merchantId: undefined }>().not.toExtend<Pick<Order, 'merchantId'>>()
})

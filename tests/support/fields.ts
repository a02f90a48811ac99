import { order, orderWithout } from './messages.ts'

/** A message that breaks one rule of section 5, and the field that must be named for it; '' for the whole. */
export interface BadOrder {
  readonly rule: string
  readonly message: unknown
  readonly field: string
}

const TEXTS = ['tradeNo', 'merchantBizNo', 'orderStatus']
const TIMES = ['orderCreateTime', 'orderModifyTime']
const AMOUNTS = ['amount', 'payAmount', 'discountAmount']
const OPTIONAL_TEXTS = ['merchantId', 'userId', 'openId']
const REQUIRED = ['requestId', 'merchantBizType', 'extInfo', ...TEXTS, ...TIMES]

const bad = (rule: string, message: unknown, field: string): BadOrder => ({ rule, message, field })

/** The order with one field set to a value that it must not have. */
const wrong = (field: string, value: unknown, what: string = JSON.stringify(value)): BadOrder =>
  bad(`${field} is ${what}`, order({ [field]: value }), field)

const badAmount = (field: string, value: unknown, at: string): BadOrder =>
  bad(`${field} is ${JSON.stringify(value).slice(0, 40)}`, order({ [field]: value }), at)

/** Every way to break a rule of the table of fields. What is no JSON at all, or not strict, is not here. */
export const BAD_ORDERS: readonly BadOrder[] = [
  bad('an array', [order()], ''),
  bad('null', null, ''),
  bad('a string', '"text"', ''),
  bad('a number', 5, ''),
  ...REQUIRED.map((field) => bad(`${field} is absent`, orderWithout(field), field)),
  ...REQUIRED.map((field) => wrong(field, null)),
  ...TEXTS.flatMap((field) => [
    wrong(field, ''),
    wrong(field, ' \n'),
    wrong(field, 5),
    wrong(field, {}),
    wrong(field, ['x']),
  ]),
  ...OPTIONAL_TEXTS.flatMap((field) => [wrong(field, null), wrong(field, 5), wrong(field, [])]),
  wrong('requestId', ''),
  wrong('requestId', 5),
  wrong('requestId', 'x'.repeat(65), '65 characters'),
  wrong('requestId', 'a b'),
  wrong('requestId', 'a\n'),
  wrong('requestId', 'é'),
  wrong('merchantBizType', 'REFUND_ORDER'),
  wrong('merchantBizType', 'trade_order'),
  wrong('merchantBizType', ''),
  ...TIMES.flatMap((field) => [
    wrong(field, '1716340341000'),
    wrong(field, -1),
    wrong(field, true),
    wrong(field, '2024-05-22T09:12:21+08:00'),
  ]),
  ...AMOUNTS.flatMap((field) => [
    badAmount(field, null, field),
    badAmount(field, '1000', field),
    badAmount(field, 1000, field),
    badAmount(field, [], field),
    badAmount(field, { value: '1000' }, `${field}.currency`),
    badAmount(field, { currency: 'HKD' }, `${field}.value`),
    badAmount(field, { value: 1000, currency: 'HKD' }, `${field}.value`),
    badAmount(field, { value: '', currency: 'HKD' }, `${field}.value`),
    badAmount(field, { value: '10.00', currency: 'HKD' }, `${field}.value`),
    badAmount(field, { value: '-1', currency: 'HKD' }, `${field}.value`),
    badAmount(field, { value: '1e3', currency: 'HKD' }, `${field}.value`),
    badAmount(field, { value: '1\n', currency: 'HKD' }, `${field}.value`),
    badAmount(field, { value: '1'.repeat(65), currency: 'HKD' }, `${field}.value`),
    badAmount(field, { value: '1000', currency: 'hkd' }, `${field}.currency`),
    badAmount(field, { value: '1000', currency: 'HK' }, `${field}.currency`),
    badAmount(field, { value: '1000', currency: 'HKDX' }, `${field}.currency`),
    badAmount(field, { value: '1000', currency: 344 }, `${field}.currency`),
  ]),
  bad('neither userId nor openId', orderWithout('userId'), 'userId'),
  bad('userId is empty and openId absent', order({ userId: '' }), 'userId'),
  bad('userId is white space and openId absent', order({ userId: ' \t' }), 'userId'),
  bad('userId and openId are empty', order({ userId: '', openId: '' }), 'userId'),
  wrong('extInfo', []),
  wrong('extInfo', '{}'),
  wrong('extInfo', true),
]

import { order, orderWithout } from './messages.ts'

/** A message that breaks one rule of docs/protocol.md section 5. */
export interface BadOrder {
  readonly rule: string
  readonly message: unknown
  /** The field that the error must name; '' for the message as a whole. */
  readonly field: string
}

const TEXTS = ['tradeNo', 'merchantBizNo', 'orderStatus']
const TIMES = ['orderCreateTime', 'orderModifyTime']
const AMOUNTS = ['amount', 'payAmount', 'discountAmount']
const OPTIONAL_TEXTS = ['merchantId', 'userId', 'openId']
const REQUIRED = ['requestId', 'merchantBizType', 'extInfo', ...TEXTS, ...TIMES]

const bad = (rule: string, message: unknown, field: string): BadOrder => ({ rule, message, field })

/** An order with an invalid value in one field. */
const badField = (field: string, value: unknown, description: string = JSON.stringify(value)): BadOrder =>
  bad(`${field} is ${description}`, order({ [field]: value }), field)

/** An order with an invalid amount; `invalidField` is the field that the error must name. */
const badAmount = (field: string, value: unknown, invalidField: string): BadOrder =>
  bad(`${field} is ${JSON.stringify(value).slice(0, 40)}`, order({ [field]: value }), invalidField)

/** One message for every way to break a rule about a field. All of them are strict JSON. */
export const BAD_ORDERS: readonly BadOrder[] = [
  bad('the message is an array', [order()], ''),
  bad('the message is null', null, ''),
  bad('the message is a string', '"text"', ''),
  bad('the message is a number', 5, ''),
  ...REQUIRED.map((field) => bad(`${field} is absent`, orderWithout(field), field)),
  ...REQUIRED.map((field) => badField(field, null)),
  ...TEXTS.flatMap((field) => [
    badField(field, ''),
    badField(field, ' \n'),
    badField(field, 5),
    badField(field, {}),
    badField(field, ['x']),
  ]),
  ...OPTIONAL_TEXTS.flatMap((field) => [badField(field, null), badField(field, 5), badField(field, [])]),
  badField('requestId', ''),
  badField('requestId', 5),
  badField('requestId', 'x'.repeat(65), '65 characters'),
  badField('requestId', 'a b'),
  badField('requestId', 'a\n'),
  badField('requestId', 'é'),
  badField('merchantBizType', 'REFUND_ORDER'),
  badField('merchantBizType', 'trade_order'),
  badField('merchantBizType', ''),
  ...TIMES.flatMap((field) => [
    badField(field, '1716340341000'),
    badField(field, -1),
    badField(field, true),
    badField(field, '2024-05-22T09:12:21+08:00'),
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
  bad('userId and openId are absent', orderWithout('userId'), 'userId'),
  bad('userId is empty and openId absent', order({ userId: '' }), 'userId'),
  bad('userId is white space and openId absent', order({ userId: ' \t' }), 'userId'),
  bad('userId and openId are empty', order({ userId: '', openId: '' }), 'userId'),
  badField('extInfo', []),
  badField('extInfo', '{}'),
  badField('extInfo', true),
]

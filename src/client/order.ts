import type { FieldIssue } from '../errors.ts'
import type { Amount } from '../messages/amount.ts'
import type { OpenObject, Order } from '../messages/order.ts'
import { invalidFields, validateOrder } from '../messages/validate.ts'

type FilledIn = 'requestId' | 'merchantBizType'

/** An order to send. `requestId` and `merchantBizType` are filled in when they are missing. */
export type OrderInput<ExtInfo = OpenObject> = Omit<Order<ExtInfo>, FilledIn> & Partial<Pick<Order, FilledIn>>

/**
 * The input with `requestId` and `merchantBizType`, also if it has them as `undefined`. Validate it next: an own `__proto__`
 * member stays a member, and is then rejected. With `Object.assign({}, input)` it would become the prototype.
 */
export function completeOrder<ExtInfo>(
  input: OrderInput<ExtInfo>,
  { requestId, merchantBizType }: Pick<Order, FilledIn>,
): Order<ExtInfo> {
  // Not { ...input, requestId }: V8 then creates a new object shape for each order, which takes five times as long.
  return Object.assign({ requestId, merchantBizType, ...input }, { requestId, merchantBizType })
}

/** 2000-01-01 in milliseconds. A later time in seconds is far below it. */
const YEAR_2000 = 946_684_800_000

/**
 * Validates an order that will be sent, as the client does. Stricter than a receiver, because the mistakes are still easy to
 * correct: the times must be milliseconds, and in their order.
 *
 * @param value The order, with `requestId` and `merchantBizType`.
 * @returns The order with its known members in the order of the API page, so that a retry from another process, which read
 * the order from a database, has the same bytes.
 * @throws {@link ProtocolError} `ERR_FIELD_INVALID`
 * @see docs/protocol.md section 5.1
 * @example
 * ```ts
 * import { toOutgoingOrder } from 'alipayhk-order-sync/messages'
 *
 * export function check(order: object) {
 *   return toOutgoingOrder({ requestId: 'R-1', merchantBizType: 'TRADE_ORDER', ...order })
 * }
 * ```
 */
export function toOutgoingOrder(value: unknown): Order {
  const order = validateOrder(value)
  const issues = timeIssues(order)
  if (issues.length > 0) throw invalidFields('order', issues)
  return inPageOrder(order)
}

function timeIssues({ orderCreateTime, orderModifyTime }: Order): FieldIssue[] {
  const issues = Object.entries({ orderCreateTime, orderModifyTime })
    .filter(([, time]) => time < YEAR_2000)
    .map(([field]) => ({ field, expected: 'in milliseconds, after the year 2000; is it in seconds?' }))
  if (issues.length > 0 || orderModifyTime >= orderCreateTime) return issues
  return [{ field: 'orderModifyTime', expected: 'the same as "orderCreateTime" or later' }]
}

function inPageOrder(order: Order): Order {
  const { requestId, merchantId, tradeNo, merchantBizNo, merchantBizType, ...afterType } = order
  const { amount, payAmount, discountAmount, orderStatus, orderCreateTime, orderModifyTime, ...afterTimes } = afterType
  const { userId, openId, extInfo, ...unknown } = afterTimes
  return {
    requestId,
    ...defined({ merchantId }),
    tradeNo,
    merchantBizNo,
    merchantBizType,
    ...defined({
      amount: amountInPageOrder(amount),
      payAmount: amountInPageOrder(payAmount),
      discountAmount: amountInPageOrder(discountAmount),
    }),
    orderStatus,
    orderCreateTime,
    orderModifyTime,
    ...defined({ userId, openId }),
    ...unknown,
    extInfo,
  }
}

function amountInPageOrder(amount: Amount | undefined): Amount | undefined {
  if (amount === undefined) return undefined
  const { value, currency, ...unknown } = amount
  return { value, currency, ...unknown }
}

/** The members that are not undefined. */
function defined<Members extends object>(members: Members): { [Name in keyof Members]?: NonNullable<Members[Name]> } {
  const entries = Object.entries(members).filter(([, member]) => member !== undefined)
  return Object.fromEntries(entries) as { [Name in keyof Members]?: NonNullable<Members[Name]> }
}

import type { JSONSchemaType } from 'ajv'
import { type Amount, amountSchema } from './amount.ts'

/** An object whose members are not specified. */
export type OpenObject = { [member: string]: unknown }

/**
 * One order sync message. Members that are not listed here are kept, because the gateway adds members without notice.
 * Read them with a cast.
 *
 * @typeParam ExtInfo The type of `extInfo`. To narrow it, pass `extInfoSchema` to the handler or the client.
 * @see docs/protocol.md section 5.1
 */
export interface Order<ExtInfo = OpenObject> {
  /** Identifies this request and all its retries: a UUID, at most 64 characters. */
  requestId: string
  /** The merchant of the order, when an agent sells it. */
  merchantId?: string
  /** Alipay's trade number. */
  tradeNo: string
  /** The order number on the merchant's side. */
  merchantBizNo: string
  merchantBizType: 'TRADE_ORDER'
  amount?: Amount
  payAmount?: Amount
  discountAmount?: Amount
  /** The merchant's own status. */
  orderStatus: string
  /** The time of the first business event, in milliseconds since the epoch. The same in every sync of one order. */
  orderCreateTime: number
  /** The time of this business event, in milliseconds since the epoch. It decides whether an event is a duplicate. */
  orderModifyTime: number
  /** The AlipayHK user. Either this or `openId` is not blank. */
  userId?: string
  /** The AlipayHK user. Either this or `userId` is not blank. */
  openId?: string
  /** Members that the merchant and AlipayHK agree on. */
  extInfo: ExtInfo
}

const requiredText = { type: 'string', pattern: '\\S', description: 'a string with content' } as const
const optionalText = { type: 'string', nullable: true, description: 'a string' } as const
const optionalAmount = { ...amountSchema, nullable: true } as const
const time = {
  type: 'integer',
  minimum: 0,
  maximum: Number.MAX_SAFE_INTEGER,
  description: 'a whole number of milliseconds since the epoch',
} as const

/**
 * JSON Schema of {@link Order}. The compiler checks that it matches the type, and requires `nullable` on optional
 * members; `scripts/generate.ts` removes it.
 */
export const orderSchema: JSONSchemaType<Order> = {
  type: 'object',
  description: 'a JSON object',
  required: [
    'requestId',
    'tradeNo',
    'merchantBizNo',
    'merchantBizType',
    'orderStatus',
    'orderCreateTime',
    'orderModifyTime',
    'extInfo',
  ],
  properties: {
    requestId: { type: 'string', pattern: '^[!-~]{1,64}$', description: 'a UUID, at most 64 characters' },
    merchantId: optionalText,
    tradeNo: requiredText,
    merchantBizNo: requiredText,
    merchantBizType: { type: 'string', const: 'TRADE_ORDER', description: 'TRADE_ORDER' },
    amount: optionalAmount,
    payAmount: optionalAmount,
    discountAmount: optionalAmount,
    orderStatus: requiredText,
    orderCreateTime: time,
    orderModifyTime: time,
    userId: optionalText,
    openId: optionalText,
    extInfo: { type: 'object', required: [], additionalProperties: true, description: 'an object' },
  },
  anyOf: [
    { type: 'object', required: ['userId'], properties: { userId: { type: 'string', pattern: '\\S' } } },
    { type: 'object', required: ['openId'], properties: { openId: { type: 'string', pattern: '\\S' } } },
  ],
}

import type { JSONSchemaType } from 'ajv'
import { type Amount, amountSchema } from './amount.ts'

/** An object whose members nobody has described. */
export type OpenObject = { [member: string]: unknown }

/**
 * One order, as it is synchronised. Members that are not listed here are kept, and can be read after a cast:
 * the gateway adds members without notice.
 *
 * @typeParam ExtInfo What `extInfo` holds; give a schema to the handler or the client to narrow it.
 * @see docs/protocol.md section 5.1
 */
export interface Order<ExtInfo = OpenObject> {
  /** Identifies this request, the same in every retry of it: a UUID, at most 64 characters. */
  requestId: string
  /** The merchant of the order, when it is sold by an agent. */
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
  /** When the first business event happened, in milliseconds since the epoch; the same in every sync of one order. */
  orderCreateTime: number
  /** When this business event happened, in milliseconds since the epoch. What idempotency goes by. */
  orderModifyTime: number
  /** The AlipayHK user; this or `openId` has content. */
  userId?: string
  /** The AlipayHK user; this or `userId` has content. */
  openId?: string
  /** Open: what is in it is agreed between the merchant and AlipayHK. */
  extInfo: ExtInfo
}

const text = { type: 'string', pattern: '\\S', description: 'a string with content' } as const
const optionalText = { type: 'string', nullable: true, description: 'a string' } as const
const optionalAmount = { ...amountSchema, nullable: true } as const
const moment = {
  type: 'integer',
  minimum: 0,
  maximum: Number.MAX_SAFE_INTEGER,
  description: 'a whole number of milliseconds since the epoch',
} as const

/** JSON Schema of {@link Order}, kept equal to the type by the compiler. */
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
    tradeNo: text,
    merchantBizNo: text,
    merchantBizType: { type: 'string', const: 'TRADE_ORDER', description: 'TRADE_ORDER' },
    amount: optionalAmount,
    payAmount: optionalAmount,
    discountAmount: optionalAmount,
    orderStatus: text,
    orderCreateTime: moment,
    orderModifyTime: moment,
    userId: optionalText,
    openId: optionalText,
    extInfo: { type: 'object', required: [], additionalProperties: true, description: 'an object' },
  },
  anyOf: [
    { type: 'object', required: ['userId'], properties: { userId: { type: 'string', pattern: '\\S' } } },
    { type: 'object', required: ['openId'], properties: { openId: { type: 'string', pattern: '\\S' } } },
  ],
}

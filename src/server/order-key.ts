import { sha256 } from '../crypto/node.ts'

/** What identifies an order. `merchantId` is present if an agent sold the order. */
export interface OrderIdentity {
  readonly clientId: string
  readonly merchantId?: string | undefined
  readonly merchantBizType: string
  readonly merchantBizNo: string
}

/**
 * The key of an order in a store: for `store.read(key)` and `store.forget(key)`. A hash, so that no store holds customer data, and so that no id can be made to look like two
 * others joined.
 *
 * @returns 43 characters of base64url.
 * @see docs/protocol.md section 7
 * @example
 * ```ts
 * import { orderKey } from 'alipayhk-order-sync'
 *
 * const key = orderKey({ clientId: '4Q5Y8W0WSG45P907917', merchantBizType: 'TRADE_ORDER', merchantBizNo: 'A-1001' })
 * ```
 */
export function orderKey({ clientId, merchantId, merchantBizType, merchantBizNo }: OrderIdentity): string {
  // An empty merchantId counts as none: both name the merchant's own orders.
  return sha256(JSON.stringify([clientId, merchantId || null, merchantBizType, merchantBizNo]), 'base64url')
}

import { sha256 } from '../crypto/node.ts'

/** What identifies an order. */
export interface OrderIdentity {
  readonly clientId: string
  readonly merchantId?: string | undefined
  readonly merchantBizType: string
  readonly merchantBizNo: string
}

/**
 * The key of an order in the store. A hash, so that no store holds customer data, and so that no id can be made to look like two
 * others joined.
 *
 * @see docs/protocol.md section 7
 */
export function orderKey({ clientId, merchantId, merchantBizType, merchantBizNo }: OrderIdentity): string {
  // An empty merchantId counts as none: both name the merchant's own orders.
  return sha256(JSON.stringify([clientId, merchantId || null, merchantBizType, merchantBizNo]), 'base64url')
}

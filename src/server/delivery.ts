import { sha256 } from '../crypto/digest.ts'
import type { Order } from '../messages/order.ts'
import type { Delivery } from '../stores/store.ts'

/**
 * What a store is told of a delivery. Hashed, so that no store holds customer data, and no id can be made to look
 * like two others put together.
 *
 * @param plaintext The bytes of the message, decrypted: every encryption of it has another ciphertext.
 * @see docs/protocol.md section 7.1
 */
export function toDelivery(order: Order<unknown>, clientId: string, plaintext: Uint8Array): Delivery {
  return {
    // A merchantId without content is none: both name the merchant's own orders.
    orderKey: hash(JSON.stringify([clientId, order.merchantId || null, order.merchantBizType, order.merchantBizNo])),
    requestKey: hash(JSON.stringify([clientId, order.requestId])),
    digest: hash(plaintext),
    orderModifyTime: order.orderModifyTime,
  }
}

const hash = (data: string | Uint8Array) => sha256(data, 'base64url')

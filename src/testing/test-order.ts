import { secureRandomUUID } from '../crypto/node.ts'
import type { Order } from '../messages/order.ts'

/**
 * A valid order with unique ids. Pass the members that your test is about.
 *
 * @see docs/protocol.md section 5.1
 * @example
 * ```ts
 * import { createTestOrder } from 'alipayhk-order-sync/testing'
 *
 * const paid = createTestOrder({ orderStatus: 'PAID' })
 * const refunded = { ...paid, ...createTestOrder({ merchantBizNo: paid.merchantBizNo, orderStatus: 'REFUNDED' }) }
 * ```
 */
export function createTestOrder(changes: Partial<Order> = {}): Order {
  const id = secureRandomUUID().replaceAll('-', '')
  const time = Date.now()
  return {
    requestId: id,
    tradeNo: `T-${id}`,
    merchantBizNo: `B-${id}`,
    merchantBizType: 'TRADE_ORDER',
    orderStatus: 'PAID',
    orderCreateTime: time,
    orderModifyTime: time,
    userId: 'TEST-USER',
    extInfo: {},
    ...changes,
  }
}

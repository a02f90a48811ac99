import type { OrderSyncHandler } from '../server/handler.ts'
import { type NodeRequest, type NodeResponse, toNodeListener } from './node.ts'

const PARSED_BODY_HINT = `In Next.js, switch the body parser off in the file of this route:

  export const config = { api: { bodyParser: false } }`

/**
 * Turns a handler into an API route. The `config` must stand in the route's own file, where Next.js looks for it.
 *
 * @see docs/protocol.md section 1
 * @example
 * ```ts
 * // pages/api/open/alipay/v1/merchant/order/sync.ts
 * import { createOrderSyncHandler, memoryStore } from 'alipayhk-order-sync'
 * import { orderSync } from 'alipayhk-order-sync/next-pages'
 *
 * export const config = { api: { bodyParser: false } }
 *
 * // Made by the first request: `next build` loads this file without your keys.
 * let answer: ReturnType<typeof orderSync> | undefined
 *
 * export default function route(...message: Parameters<ReturnType<typeof orderSync>>) {
 *   answer ??= orderSync(createHandler())
 *   return answer(...message)
 * }
 *
 * function createHandler() {
 *   return createOrderSyncHandler({
 *     credentials: {
 *       clientId: '4Q5Y8W0WSG45P907917',
 *       privateKeys: { 1: process.env['MERCHANT_PRIVATE_KEY'] ?? '' },
 *       peerPublicKeys: { 1: process.env['ALIPAYHK_PUBLIC_KEY'] ?? '' },
 *     },
 *     store: memoryStore(), // for tests: instances share nothing
 *     onOrder: (order) => ({ orderId: order.merchantBizNo }),
 *   })
 * }
 * ```
 */
export function nextPagesOrderSync(handler: OrderSyncHandler): (request: NodeRequest, response: NodeResponse) => Promise<void> {
  return toNodeListener(handler, PARSED_BODY_HINT)
}

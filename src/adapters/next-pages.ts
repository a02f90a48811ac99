import type { OrderSyncHandler } from '../server/http.ts'
import { toNodeListener } from './node.ts'
import type { NodeRequest, NodeResponse } from './node-request.ts'

const PARSED_BODY_HINT = `In Next.js, switch the body parser off in the file of this route:

  export const config = { api: { bodyParser: false } }`

/**
 * Turns a handler into an API route. Next.js reads `config` from the file of the route, so it must be there.
 *
 * @see docs/protocol.md section 1
 * @example
 * ```ts
 * // pages/api/open/alipay/v1/merchant/order/sync.ts
 * import { createOrderSyncHandler, memoryStore } from 'alipayhk-order-sync'
 * import { nextPagesOrderSync } from 'alipayhk-order-sync/next-pages'
 *
 * export const config = { api: { bodyParser: false } }
 *
 * type Route = ReturnType<typeof nextPagesOrderSync>
 * let route: Route | undefined
 *
 * export default function orderSync(...args: Parameters<Route>) {
 *   // Not at the top of the file: `next build` loads it without your keys.
 *   route ??= nextPagesOrderSync(createHandler())
 *   return route(...args)
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
export function nextPagesOrderSync(
  handler: OrderSyncHandler,
): (request: NodeRequest, response: NodeResponse) => Promise<void> {
  return toNodeListener(handler, PARSED_BODY_HINT)
}

import type { OrderSyncHandler } from '../server/http.ts'
import { toNodeListener } from './node.ts'
import type { NodeRequest, NodeResponse } from './node-request.ts'

const PARSED_BODY_HINT = `In Express, mount it before express.json():

  app.post(path, expressOrderSync(handler))
  app.use(express.json())

or keep express.json() away from this path:

  const parseJson = express.json()
  app.use((req, res, next) => (req.path === path ? next() : parseJson(req, res, next)))

With express.json({ verify }) instead, Express refuses bodies above its own limit of 100 kB before the handler sees them.`

/**
 * Turns a handler into Express middleware.
 *
 * @see docs/protocol.md section 1
 * @example
 * ```ts
 * import express from 'express'
 * import { ORDER_SYNC_PATH, type OrderSyncHandler } from 'alipayhk-order-sync'
 * import { expressOrderSync } from 'alipayhk-order-sync/express'
 *
 * export function createApp(handler: OrderSyncHandler) {
 *   const app = express()
 *   app.post(ORDER_SYNC_PATH, expressOrderSync(handler))
 *   app.use(express.json())
 *   return app
 * }
 * ```
 */
export function expressOrderSync(
  handler: OrderSyncHandler,
): (request: NodeRequest, response: NodeResponse) => Promise<void> {
  return toNodeListener(handler, PARSED_BODY_HINT)
}

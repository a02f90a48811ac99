import { createServer, type Server } from 'node:http'
import type { OrderSyncHandler } from '../server/http.ts'
import {
  type FrameworkRequest,
  type NodeRequest,
  type NodeResponse,
  PARSED_BODY_HINT,
  toIncomingRequest,
} from './node-request.ts'
import { ignoreErrorsOf, sendResponse } from './send-response.ts'

export { type FrameworkRequest, type NodeRequest, type NodeResponse, toIncomingRequest }

/**
 * Turns a handler into a listener for `node:http`, `https` and `http2`, and for frameworks of the Connect family.
 * Its promise never rejects. Does nothing if other code has sent or destroyed the response.
 *
 * @param parsedBodyHint How to fix the mounting when a body parser ran first. The default suits any framework.
 * @see docs/protocol.md section 1
 * @example
 * ```ts
 * import { createServer } from 'node:http'
 * import type { OrderSyncHandler } from 'alipayhk-order-sync'
 * import { toNodeListener } from 'alipayhk-order-sync/node'
 *
 * export const serve = (handler: OrderSyncHandler) => createServer(toNodeListener(handler)).listen(3000)
 * ```
 */
export function toNodeListener(
  handler: OrderSyncHandler,
  parsedBodyHint: string = PARSED_BODY_HINT,
): (request: NodeRequest, response: NodeResponse) => Promise<void> {
  return async (request, response) => {
    ignoreErrorsOf(response)
    sendResponse(request, response, await handler(toIncomingRequest(request, response, request, parsedBodyHint)))
  }
}

/**
 * Creates a `node:http` server that passes every path to the handler.
 *
 * @see docs/protocol.md section 1
 * @example
 * ```ts
 * import type { OrderSyncHandler } from 'alipayhk-order-sync'
 * import { createOrderSyncServer } from 'alipayhk-order-sync/node'
 *
 * export const serve = (handler: OrderSyncHandler) => createOrderSyncServer(handler).listen(3000)
 * ```
 */
export function createOrderSyncServer(handler: OrderSyncHandler): Server {
  return createServer(toNodeListener(handler))
}

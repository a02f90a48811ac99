import type { IncomingRequest } from '../server/handler.ts'
import type { NodeRequest, NodeResponse } from './node.ts'
import { peerSignal } from './peer.ts'
import { rawBody } from './raw-body.ts'

/** For a developer whose body parser ran before, whatever his framework. */
export const PARSED_BODY_HINT = `Mount the handler before any body parser, or have the parser keep the bytes as request.rawBody (a Buffer).`

/** What a framework has put around a request. */
export interface FrameworkRequest {
  readonly body?: unknown
  readonly rawBody?: unknown
  readonly originalUrl?: string
}

/**
 * What a handler is to know of a request of `node:http`; for adapters to frameworks on top of it.
 *
 * @param around What a framework has put around the request: body parsers leave there what they made (`body`), and
 * perhaps the bytes (`rawBody`), and routers the path as it was received (`originalUrl`). By default the request itself.
 * @param parsedBodyHint What to tell a developer whose body parser ran before; the default suits any framework.
 * @see docs/protocol.md section 1
 * @example
 * ```ts
 * import { createServer } from 'node:http'
 * import type { OrderSyncHandler } from 'alipayhk-order-sync'
 * import { toIncomingRequest } from 'alipayhk-order-sync/node'
 *
 * export const serve = (handler: OrderSyncHandler) =>
 *   createServer(async (request, response) => {
 *     const { status, headers, body } = await handler(toIncomingRequest(request, response))
 *     response.writeHead(status, headers).end(body)
 *   })
 * ```
 */
export function toIncomingRequest(
  request: NodeRequest,
  response: NodeResponse,
  around: FrameworkRequest = request,
  parsedBodyHint: string = PARSED_BODY_HINT,
): IncomingRequest {
  return {
    method: request.method ?? '',
    // Routers cut their mount path off url.
    path: around.originalUrl ?? request.originalUrl ?? request.url ?? '',
    headers: request.headers,
    parsedBodyHint,
    body: () => rawBody(request, around),
    signal: () => peerSignal(response),
  }
}

/**
 * For `node:http`, and for what is built on it.
 *
 * @packageDocumentation
 */
import { createServer as createHttpServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { RequestBody } from '../server/body.ts'
import type { IncomingRequest, OrderSyncHandler } from '../server/handler.ts'
import { overUnread } from './unread.ts'

/** A request of `node:http`, with what frameworks and platforms on top of it add. */
export type NodeRequest = IncomingMessage & { originalUrl?: string; body?: unknown; rawBody?: unknown }

const MEND = `Mount the handler before any body parser, or have the parser keep the bytes as request.rawBody (a Buffer).`

/**
 * Turns a handler into a listener for `node:http` (and `https`, and frameworks of the Connect family).
 *
 * @param howToMend What to tell a developer whose body parser ran before; the default suits any framework.
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
  howToMend: string = MEND,
): (request: NodeRequest, response: ServerResponse) => Promise<void> {
  return async (request, response) => {
    const { status, headers, body } = await handler(toIncomingRequest(request, response, request, howToMend))
    const content = overUnread(request, response, body)
    response.writeHead(status, { ...headers, 'Content-Length': body.length })
    if (content instanceof Uint8Array) response.end(content)
    else content.pipe(response)
  }
}

/**
 * What a handler is to know of a request of `node:http`; for adapters to frameworks on top of it.
 *
 * @param parsed Where body parsers leave what they made (`body`), and perhaps the bytes (`rawBody`).
 * @param howToMend What to tell a developer whose body parser ran before.
 */
export function toIncomingRequest(
  request: NodeRequest,
  response: ServerResponse,
  parsed: { body?: unknown; rawBody?: unknown },
  howToMend: string,
): IncomingRequest {
  const peer = new AbortController()
  response.once('close', () => response.writableFinished || peer.abort(new Error('The peer has gone')))
  return {
    method: request.method ?? '',
    // Routers cut their mount path off url, and keep what was received here.
    path: request.originalUrl ?? request.url ?? '',
    headers: request.headers,
    body: rawBody(request, parsed),
    signal: peer.signal,
    howToMend,
  }
}

/** A `node:http` server on which every path leads to the handler: `createServer(handler).listen(3000)`. */
export function createServer(handler: OrderSyncHandler): Server {
  return createHttpServer(toNodeListener(handler))
}

/** The bytes: those that a parser has kept, or the stream. Else what the parser left, for the handler to refuse. */
function rawBody(request: NodeRequest, parsed: { body?: unknown; rawBody?: unknown }): RequestBody {
  for (const kept of [parsed.rawBody, parsed.body]) {
    if (kept instanceof Uint8Array || typeof kept === 'string') return kept
  }
  // Who reads beside us takes bytes away as much as who has read before.
  if (request.readableDidRead || request.readableFlowing) return {} as RequestBody
  // Leaving the loop over the stream half-way must not destroy the socket: an answer is due.
  return request.iterator({ destroyOnReturn: false })
}

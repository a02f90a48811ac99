import { isAscii } from 'node:buffer'
import { createServer as createHttpServer, type IncomingMessage, type Server } from 'node:http'
import type { Readable, Writable } from 'node:stream'
import type { OrderSyncHandler } from '../server/handler.ts'
import { type FrameworkRequest, PARSED_BODY_HINT, toIncomingRequest } from './node-request.ts'
import { drainBeforeClose } from './drain-before-close.ts'

export { type FrameworkRequest, toIncomingRequest }

/** What is used of a request of `node:http` or `node:http2`, and of what frameworks and platforms on top of it add. */
export type NodeRequest = Readable &
  Pick<IncomingMessage, 'complete' | 'headers' | 'httpVersionMajor' | 'method' | 'url'> & {
    readonly originalUrl?: string
    readonly body?: unknown
    readonly rawBody?: unknown
  }

/** What is used of a response of either. */
export type NodeResponse = Writable & {
  /** Of HTTP/2. */
  readonly stream?: Writable
  setHeader(name: string, value: string): unknown
  writeHead(status: number, headers: { [name: string]: string | number }): unknown
}

/**
 * Turns a handler into a listener for `node:http` (and `https`, `http2`, and frameworks of the Connect family).
 *
 * @param parsedBodyHint What to tell a developer whose body parser ran before; the default suits any framework.
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
    const { status, headers, body } = await handler(toIncomingRequest(request, response, request, parsedBodyHint))
    const content = drainBeforeClose(request, response, body)
    // The copy does not begin the literal: see docs/decisions/0012.
    response.writeHead(status, { 'Content-Length': body.length, ...headers })
    if (!(content instanceof Uint8Array)) content.pipe(response)
    // As text it leaves together with its head; as bytes it would be written beside it. ASCII is one text to everybody.
    else if (isAscii(content)) response.end(content.toString('latin1'), 'latin1')
    else response.end(content)
  }
}

/**
 * A `node:http` server on which every path leads to the handler: `createServer(handler).listen(3000)`.
 *
 * @see docs/protocol.md section 1
 * @example
 * ```ts
 * import type { OrderSyncHandler } from 'alipayhk-order-sync'
 * import { createServer } from 'alipayhk-order-sync/node'
 *
 * export const serve = (handler: OrderSyncHandler) => createServer(handler).listen(3000)
 * ```
 */
export function createOrderSyncServer(handler: OrderSyncHandler): Server {
  return createHttpServer(toNodeListener(handler))
}

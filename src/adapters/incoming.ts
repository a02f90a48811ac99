import type { RequestBody } from '../server/body.ts'
import type { IncomingRequest } from '../server/handler.ts'
import type { NodeRequest, NodeResponse } from './node.ts'
import { peerSignal } from './peer.ts'
import { rawBody } from './raw-body.ts'

/** For a developer whose body parser ran before, whatever his framework. */
export const MEND = `Mount the handler before any body parser, or have the parser keep the bytes as request.rawBody (a Buffer).`

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
 * @param howToMend What to tell a developer whose body parser ran before; the default suits any framework.
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
  howToMend: string = MEND,
): IncomingRequest {
  return new FromNode(request, response, around, howToMend)
}

/**
 * A class for its getters, see docs/decisions/0012. They are the object's own, so that a copy has the body and the
 * signal too.
 */
class FromNode implements IncomingRequest {
  readonly method: string
  readonly path: string
  readonly headers: NodeRequest['headers']
  readonly howToMend: string
  declare readonly body: RequestBody
  declare readonly signal: AbortSignal
  readonly #request: NodeRequest
  readonly #response: NodeResponse
  readonly #around: FrameworkRequest

  static readonly #getters = {
    body: {
      enumerable: true,
      get(this: FromNode) {
        return rawBody(this.#request, this.#around)
      },
    },
    signal: {
      enumerable: true,
      get(this: FromNode) {
        return peerSignal(this.#response)
      },
    },
  }

  constructor(request: NodeRequest, response: NodeResponse, around: FrameworkRequest, howToMend: string) {
    this.howToMend = howToMend
    this.method = request.method ?? ''
    // Routers cut their mount path off url.
    this.path = around.originalUrl ?? request.originalUrl ?? request.url ?? ''
    this.headers = request.headers
    this.#request = request
    this.#response = response
    this.#around = around
    Object.defineProperties(this, FromNode.#getters)
  }
}

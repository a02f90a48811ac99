/**
 * For `node:http`, and for what is built on it.
 *
 * @packageDocumentation
 */
import { isAscii } from 'node:buffer'
import { createServer as createHttpServer, type IncomingMessage, type Server } from 'node:http'
import type { Readable, Writable } from 'node:stream'
import type { RequestBody } from '../server/body.ts'
import type { IncomingRequest, OrderSyncHandler } from '../server/handler.ts'
import { peerSignal } from './peer.ts'
import { rawBody } from './raw-body.ts'
import { overUnread } from './unread.ts'

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

const MEND = `Mount the handler before any body parser, or have the parser keep the bytes as request.rawBody (a Buffer).`

/**
 * Turns a handler into a listener for `node:http` (and `https`, `http2`, and frameworks of the Connect family).
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
): (request: NodeRequest, response: NodeResponse) => Promise<void> {
  return async (request, response) => {
    const { status, headers, body } = await handler(toIncomingRequest(request, response, request, howToMend))
    const content = overUnread(request, response, body)
    response.writeHead(status, { ...headers, 'Content-Length': body.length })
    if (!(content instanceof Uint8Array)) content.pipe(response)
    // As text it leaves together with its head; as bytes it would be written beside it. ASCII is one text to everybody.
    else if (isAscii(content)) response.end(content.toString('latin1'), 'latin1')
    else response.end(content)
  }
}

/** What a framework has put around a request. */
interface Around {
  readonly body?: unknown
  readonly rawBody?: unknown
  readonly originalUrl?: string
}

/**
 * What a handler is to know of a request of `node:http`; for adapters to frameworks on top of it.
 *
 * @param around What a framework has put around the request: body parsers leave there what they made (`body`), and
 * perhaps the bytes (`rawBody`), and routers the path as it was received (`originalUrl`).
 * @param howToMend What to tell a developer whose body parser ran before.
 */
export function toIncomingRequest(
  request: NodeRequest,
  response: NodeResponse,
  around: Around,
  howToMend: string,
): IncomingRequest {
  return new FromNode(request, response, around, howToMend)
}

/** A class for its getters: those of a literal are new functions each time, and V8 keeps what they see for too long. */
class FromNode implements IncomingRequest {
  readonly method: string
  readonly path: string
  readonly headers: IncomingMessage['headers']
  readonly howToMend: string
  readonly #request: NodeRequest
  readonly #response: NodeResponse
  readonly #around: Around

  constructor(request: NodeRequest, response: NodeResponse, around: Around, howToMend: string) {
    this.howToMend = howToMend
    this.method = request.method ?? ''
    // Routers cut their mount path off url.
    this.path = around.originalUrl ?? request.originalUrl ?? request.url ?? ''
    this.headers = request.headers
    this.#request = request
    this.#response = response
    this.#around = around
  }

  get body(): RequestBody {
    return rawBody(this.#request, this.#around)
  }

  get signal(): AbortSignal {
    return peerSignal(this.#response)
  }
}

/** A `node:http` server on which every path leads to the handler: `createServer(handler).listen(3000)`. */
export function createServer(handler: OrderSyncHandler): Server {
  return createHttpServer(toNodeListener(handler))
}

import type { IncomingMessage } from 'node:http'
import type { Readable, Writable } from 'node:stream'
import { type HintCompleter, type IncomingRequest, PARSED_BODY } from '../server/http.ts'
import { addFrameworkHint } from './framework-hint.ts'

/** The members that the adapters use of a request of `node:http` or `node:http2`, with those that frameworks add. */
export type NodeRequest = Readable &
  Pick<IncomingMessage, 'complete' | 'headers' | 'httpVersionMajor' | 'method' | 'url'> &
  Partial<Pick<IncomingMessage, 'rawHeaders'>> &
  FrameworkRequest

/** The members that the adapters use of a response of `node:http` or `node:http2`. */
export type NodeResponse = Writable & {
  /** Only in HTTP/2. */
  readonly stream?: Writable
  readonly headersSent: boolean
  setHeader(name: string, value: string): unknown
  writeHead(status: number, headers: { [name: string]: string | number }): unknown
}

/** What frameworks and body parsers add to a request. */
export interface FrameworkRequest {
  /** The result of a body parser. Used only when it is a string or bytes. */
  readonly body?: unknown
  /** The bytes that a body parser kept. */
  readonly rawBody?: unknown
  /** The path as received, if a router shortens `url`. */
  readonly originalUrl?: string
}

/** How to fix the mounting, in any framework. */
export const PARSED_BODY_HINT = `Mount the handler before any body parser, or make the parser keep the bytes as request.rawBody (a Buffer).`

/**
 * Translates a request of `node:http` for a handler. For adapters to frameworks that are built on `node:http`.
 *
 * @param framework The framework's own request object, when `body`, `rawBody` or `originalUrl` are there. By default `request`.
 * @param parsedBodyHint How to fix the mounting when a body parser ran first. The default suits any framework.
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
 *     // Other code may have responded first, such as response.setTimeout().
 *     if (!response.headersSent) response.writeHead(status, headers).end(body)
 *   })
 * ```
 */
export function toIncomingRequest(
  request: NodeRequest,
  response: NodeResponse,
  framework: FrameworkRequest = request,
  parsedBodyHint: string = PARSED_BODY_HINT,
): IncomingRequest {
  return {
    method: request.method ?? '',
    // Routers remove their mount path from `url`.
    path: framework.originalUrl ?? request.originalUrl ?? request.url ?? '',
    headers: readHeaders(request),
    body: createBody(request, framework, parsedBodyHint),
    signal: connectionSignal(response),
    parsedBodyHint,
  }
}

/** Node keeps only the first of several Content-Type headers. Other platforms join them; the result must be the same. */
function readHeaders({ headers, rawHeaders = [] }: NodeRequest): IncomingRequest['headers'] {
  const types = rawHeaders.filter((_, at) => at % 2 === 1 && rawHeaders[at - 1]?.toLowerCase() === 'content-type')
  return types.length > 1 ? { ...headers, 'content-type': types } : headers
}

function createBody(
  request: NodeRequest,
  framework: FrameworkRequest,
  parsedBodyHint: string,
): HintCompleter & AsyncIterable<BodyChunk> {
  return {
    // Opened when the handler reads: a body parser may still run before.
    [Symbol.asyncIterator]: () => openBody(request, framework),
    // A copy of the request can have a hint of its own: do not change that one.
    completeHint: (hint) => (hint === parsedBodyHint ? addFrameworkHint(hint, request, framework) : hint),
  }
}

function openBody(request: NodeRequest, framework: FrameworkRequest): AsyncIterator<BodyChunk> {
  const kept = keptBytes(framework)
  if (kept !== undefined) return chunkOf(kept)
  // Someone else reads, or has read, this stream: bytes would be missing.
  if (request.readableDidRead || request.readableFlowing) return chunkOf(PARSED_BODY)
  // A handler that stops reading early must not destroy the socket: it still has to send the response.
  return request.iterator({ destroyOnReturn: false })
}

type BodyChunk = Uint8Array | string | typeof PARSED_BODY

async function* chunkOf<Chunk>(chunk: Chunk): AsyncGenerator<Chunk> {
  yield chunk
}

/** The bytes that a body parser kept, if it did. */
function keptBytes(framework: FrameworkRequest): Uint8Array | string | undefined {
  for (const name of ['rawBody', 'body'] as const) {
    try {
      const kept = framework[name]
      if (isBytes(kept)) return kept
      const unparsed = unparsedBodyOf(kept)
      if (isBytes(unparsed)) return unparsed
    } catch {
      // On some platforms `body` is a getter that parses, and throws when that fails.
    }
  }
  return undefined
}

function isBytes(value: unknown): value is Uint8Array | string {
  return value instanceof Uint8Array || typeof value === 'string'
}

/** koa-body and Strapi, with `includeUnparsed`, keep the text as a member of the parsed body. */
function unparsedBodyOf(parsed: unknown): unknown {
  if (typeof parsed !== 'object' || parsed === null) return undefined
  return (parsed as { readonly [UNPARSED_BODY]?: unknown })[UNPARSED_BODY]
}

const UNPARSED_BODY: unique symbol = Symbol.for('unparsedBody')

/** Aborted when the connection closes before the response is complete. */
function connectionSignal(response: NodeResponse): AbortSignal {
  const connection = new AbortController()
  const onClose = () => {
    // Not `writableFinished`: HTTP/2 sets it when the stream closes, even before the response was sent.
    if (!response.writableEnded) connection.abort(new Error('The peer has disconnected'))
  }
  // A response of HTTP/2 does not report that it is closed; its stream does.
  if (response.closed || response.stream?.destroyed) onClose()
  else response.once('close', onClose)
  return connection.signal
}

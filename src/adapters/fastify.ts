import { ORDER_SYNC_PATH } from '../protocol/endpoint.ts'
import type { OrderSyncHandler } from '../server/http.ts'
import { drainBeforeClose } from './drain-before-close.ts'
import { type NodeRequest, type NodeResponse, toIncomingRequest } from './node-request.ts'
import { ignoreErrorsOf, isRespondedTo } from './send-response.ts'

/** The members of a Fastify instance that the adapter uses. */
export interface FastifyInstance {
  removeAllContentTypeParsers(): unknown
  addContentTypeParser(
    contentType: string,
    parser: (request: FastifyRequest, payload: unknown, done: (error: Error | null, body?: unknown) => void) => void,
  ): unknown
  all(
    path: string,
    options: {
      bodyLimit: number
      config: object
      preParsing: (request: FastifyRequest, reply: FastifyReply, payload: unknown, done: () => void) => void
    },
    handler: (request: FastifyRequest, reply: FastifyReply) => unknown,
  ): unknown
}

interface FastifyRequest {
  readonly raw: NodeRequest
  headers: object
}

interface FastifyReply {
  readonly raw: NodeResponse
  code(status: number): unknown
  headers(headers: { [name: string]: string }): unknown
  send(body: unknown): unknown
  /** Fastify leaves the response alone. */
  hijack(): unknown
}

/** Options of the {@link fastifyOrderSync} plugin. */
export interface FastifyOrderSyncOptions {
  handler: OrderSyncHandler
  /** The route. @defaultValue the path of AlipayHK's API, `ORDER_SYNC_PATH` */
  path?: string | undefined
}

const PARSED_BODY_HINT = `In Fastify, remove the preParsing hook that reads the payload of this route.`

/**
 * A Fastify plugin that adds one route. Content type parsers are scoped to a plugin in Fastify, so this one changes
 * nothing for the rest of your application, and your parsers do not see these bodies.
 *
 * @see docs/protocol.md section 1
 * @example
 * ```ts
 * import type { OrderSyncHandler } from 'alipayhk-order-sync'
 * import { fastifyOrderSync } from 'alipayhk-order-sync/fastify'
 * import Fastify from 'fastify'
 *
 * export const createApp = (handler: OrderSyncHandler) => Fastify().register(fastifyOrderSync, { handler })
 * ```
 */
export async function fastifyOrderSync(fastify: FastifyInstance, options: FastifyOrderSyncOptions): Promise<void> {
  const { handler, path = ORDER_SYNC_PATH } = options
  fastify.removeAllContentTypeParsers()
  fastify.addContentTypeParser('*', restoreContentType)
  const routeOptions = {
    // The handler has its own limit, and sends a protocol response to a larger body.
    bodyLimit: Number.MAX_SAFE_INTEGER,
    // The option of the fastify-raw-body plugin, which would read the stream.
    config: { rawBody: false },
    preParsing: hideContentType,
  }
  fastify.all(path, routeOptions, async ({ raw }, reply) => {
    ignoreErrorsOf(reply.raw)
    const { status, headers, body } = await handler(toIncomingRequest(raw, reply.raw, raw, PARSED_BODY_HINT))
    if (isRespondedTo(reply.raw)) return reply.hijack()
    reply.code(status)
    reply.headers({ 'Content-Length': String(body.length), ...headers })
    return reply.send(drainBeforeClose(raw, reply.raw, body))
  })
}

/** Fastify rejects a Content-Type that it cannot parse, but the response must be the one of the protocol. */
function hideContentType(request: FastifyRequest, _reply: FastifyReply, _payload: unknown, done: () => void): void {
  request.headers = { ...request.headers, 'content-type': 'application/octet-stream' }
  done()
}

/** Runs after Fastify checked the Content-Type, and reads nothing: the hooks that follow see the header as it was sent. */
function restoreContentType(request: FastifyRequest, _payload: unknown, done: (error: Error | null) => void): void {
  request.headers = { ...request.headers, 'content-type': request.raw.headers['content-type'] }
  done(null)
}

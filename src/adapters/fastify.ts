import { ORDER_SYNC_PATH } from '../protocol/endpoint.ts'
import type { OrderSyncHandler } from '../server/handler.ts'
import { type NodeRequest, type NodeResponse, toIncomingRequest } from './node.ts'
import { drainBeforeClose } from './drain-before-close.ts'

/** What is used of an instance of Fastify. */
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
}

/** Options of the {@link fastifyOrderSync} plugin. */
export interface FastifyOrderSyncOptions {
  handler: OrderSyncHandler
  /** The route. @defaultValue that of the API page */
  path?: string | undefined
}

const PARSED_BODY_HINT = `In Fastify, let no preParsing hook read the payload of this route.`

/**
 * A Fastify plugin that answers at one route. Parsers are a plugin's own in Fastify, so those of your application stay as
 * they are, and never see these bodies.
 *
 * @see docs/protocol.md section 1
 * @example
 * ```ts
 * import type { OrderSyncHandler } from 'alipayhk-order-sync'
 * import { orderSync } from 'alipayhk-order-sync/fastify'
 * import Fastify from 'fastify'
 *
 * export const createApp = (handler: OrderSyncHandler) => Fastify().register(orderSync, { handler })
 * ```
 */
export async function fastifyOrderSync(fastify: FastifyInstance, options: FastifyOrderSyncOptions): Promise<void> {
  const { handler, path = ORDER_SYNC_PATH } = options
  fastify.removeAllContentTypeParsers()
  fastify.addContentTypeParser('*', showType)
  // The handler has a limit of its own, and answers in the protocol's terms. fastify-raw-body is told to keep away.
  fastify.all(path, { bodyLimit: Number.MAX_SAFE_INTEGER, config: { rawBody: false }, preParsing: hideType }, answer)

  async function answer({ raw }: FastifyRequest, reply: FastifyReply): Promise<unknown> {
    const { status, headers, body } = await handler(toIncomingRequest(raw, reply.raw, raw, PARSED_BODY_HINT))
    reply.code(status)
    reply.headers({ 'Content-Length': String(body.length), ...headers })
    return reply.send(drainBeforeClose(raw, reply.raw, body))
  }
}

/** Fastify refuses a type that it cannot read. The handler has an answer of its own, and the raw request. */
function hideType(request: FastifyRequest, _reply: FastifyReply, _payload: unknown, done: () => void): void {
  request.headers = { ...request.headers, 'content-type': 'application/octet-stream' }
  done()
}

/** Reads nothing: it comes when Fastify has seen the type, and hooks that come later are to see what was sent. */
function showType(request: FastifyRequest, _payload: unknown, done: (error: Error | null) => void): void {
  request.headers = { ...request.headers, 'content-type': request.raw.headers['content-type'] }
  done(null)
}

/**
 * For Fastify 4 and 5.
 *
 * @packageDocumentation
 */
import type { ServerResponse } from 'node:http'
import { ORDER_SYNC_PATH } from '../protocol/endpoint.ts'
import type { OrderSyncHandler } from '../server/handler.ts'
import { type NodeRequest, toIncomingRequest } from './node.ts'
import { overUnread } from './unread.ts'

/** What is used of an instance of Fastify. */
export interface FastifyInstance {
  removeAllContentTypeParsers(): unknown
  addContentTypeParser(
    contentType: string,
    parser: (request: unknown, payload: unknown, done: (error: Error | null, body?: unknown) => void) => void,
  ): unknown
  all(
    path: string,
    options: { bodyLimit: number; config: object },
    handler: (request: FastifyRequest, reply: FastifyReply) => unknown,
  ): unknown
  setErrorHandler(
    handler: (error: { readonly code?: string }, request: FastifyRequest, reply: FastifyReply) => unknown,
  ): unknown
}

interface FastifyRequest {
  readonly raw: NodeRequest
  readonly originalUrl: string
}

interface FastifyReply {
  readonly raw: ServerResponse
  code(status: number): unknown
  headers(headers: { [name: string]: string }): unknown
  send(body: unknown): unknown
}

/** Options of the {@link orderSync} plugin. */
export interface FastifyOrderSyncOptions {
  handler: OrderSyncHandler
  /** The route. @defaultValue that of the API page */
  path?: string | undefined
}

const MEND = `In Fastify, let no preParsing hook read the payload of this route.`

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
export async function orderSync(fastify: FastifyInstance, options: FastifyOrderSyncOptions): Promise<void> {
  const { handler, path = ORDER_SYNC_PATH } = options
  fastify.removeAllContentTypeParsers()
  fastify.addContentTypeParser('*', (_request, _payload, done) => done(null))
  // The handler has a limit of its own, and answers in the protocol's terms. fastify-raw-body is told to keep away.
  fastify.all(path, { bodyLimit: Number.MAX_SAFE_INTEGER, config: { rawBody: false } }, answer)
  // A Content-Type that Fastify cannot read does not get so far; the handler has an answer to it.
  fastify.setErrorHandler(async (error, request, reply) => {
    if (error.code !== 'FST_ERR_CTP_INVALID_MEDIA_TYPE') throw error
    return await answer(request, reply)
  })

  async function answer({ raw, originalUrl }: FastifyRequest, reply: FastifyReply): Promise<unknown> {
    const { status, headers, body } = await handler({
      ...toIncomingRequest(raw, reply.raw, raw, MEND),
      path: originalUrl,
    })
    reply.code(status)
    reply.headers({ ...headers, 'Content-Length': String(body.length) })
    return reply.send(overUnread(raw, reply.raw, body))
  }
}

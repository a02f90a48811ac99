import type { OrderSyncHandler } from '../server/http.ts'
import { drainBeforeClose } from './drain-before-close.ts'
import { type NodeRequest, type NodeResponse, toIncomingRequest } from './node-request.ts'
import { ignoreErrorsOf, isRespondedTo } from './send-response.ts'

/** The members of a Koa context that the adapter uses. */
export interface KoaContext {
  readonly req: NodeRequest
  readonly res: NodeResponse
  readonly request: { readonly originalUrl: string }
  status: number
  body: unknown
  /** `false`: Koa leaves the response alone. */
  respond?: boolean | undefined
  set(headers: { [name: string]: string }): void
}

const PARSED_BODY_HINT = `In Koa, mount it before the body parser:

  router.post(path, koaOrderSync(handler))
  app.use(router.routes())
  app.use(bodyParser())

or let koa-body keep the text: koaBody({ includeUnparsed: true }).`

/**
 * Turns a handler into Koa middleware.
 *
 * @see docs/protocol.md section 1
 * @example
 * ```ts
 * import { ORDER_SYNC_PATH, type OrderSyncHandler } from 'alipayhk-order-sync'
 * import { koaOrderSync } from 'alipayhk-order-sync/koa'
 * import Koa from 'koa'
 *
 * export function createApp(handler: OrderSyncHandler) {
 *   const orderSync = koaOrderSync(handler)
 *   return new Koa().use((context, next) => (context.path === ORDER_SYNC_PATH ? orderSync(context) : next()))
 * }
 * ```
 */
export function koaOrderSync(handler: OrderSyncHandler): (context: KoaContext) => Promise<void> {
  return async (context) => {
    const { req, res, request } = context
    ignoreErrorsOf(res)
    // Body parsers for Koa write `body`, and some of them `rawBody`, on the context's own request.
    const { status, headers, body } = await handler(toIncomingRequest(req, res, request, PARSED_BODY_HINT))
    if (isRespondedTo(res)) {
      context.respond = false
      return
    }
    context.status = status
    context.body = drainBeforeClose(req, res, body)
    context.set({ 'Content-Length': String(body.length), ...headers })
  }
}

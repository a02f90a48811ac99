import { Buffer } from 'node:buffer'
import { Readable } from 'node:stream'
import type { OrderSyncHandler } from '../../src/public/index.ts'
import { onHttp, split } from './mounts.ts'
import type { Serve, Served } from './suite.ts'

/** Lets a function of the web standard listen. */
export type ServeFetch = (fetch: (request: Request) => Response | Promise<Response>) => Promise<Served>

/** A server of the web standard in short, as Hono and others make one of node:http. */
export const serveFetch: ServeFetch = (fetch) =>
  onHttp(async (request, response) => {
    const { method = '', url = '', headers } = request
    const body = method === 'GET' ? null : Readable.toWeb(request)
    const init = { method, headers: headers as HeadersInit, body, duplex: 'half' } as RequestInit
    const answer = await fetch(new Request(`http://127.0.0.1${url}`, init))
    response.writeHead(answer.status, Object.fromEntries(answer.headers))
    response.end(Buffer.from(await answer.arrayBuffer()))
  })

/** handler.fetch, on a server of the web standard. */
export const onFetch = (serve: ServeFetch) => ({
  ways: { alone: ({ fetch }: OrderSyncHandler) => serve(fetch) },
  parsed: {
    ways: {
      'behind something that has read': ({ fetch }: OrderSyncHandler) =>
        serve(async (request) => {
          await request.text()
          return await fetch(request)
        }),
    },
    tells: ['await request.clone().json()'],
  },
})

interface HonoApp {
  readonly use: (middleware: HonoMiddleware) => unknown
  readonly all: (path: string, handler: (context: HonoContext) => unknown) => HonoApp
  readonly route: (path: string, app: HonoApp) => unknown
  readonly fetch: (request: Request) => Response | Promise<Response>
}
export type HonoMiddleware = (context: HonoContext, next: () => Promise<void>) => Promise<unknown>
interface HonoContext {
  readonly req: { readonly raw: Request; readonly json: () => Promise<unknown> }
}
export type Hono = new () => HonoApp

/** Hono, which parses nothing by itself. */
export function onHono(Application: Hono, serve: ServeFetch) {
  const ways = (mount: (app: HonoApp, handler: (context: HonoContext) => unknown, path: string) => unknown): Serve => {
    return (handler, path) => {
      const app = new Application()
      mount(app, (context) => handler.fetch(context.req.raw), path)
      return serve((request) => app.fetch(request))
    }
  }
  return {
    with: ways,
    ways: {
      alone: ways((app, handler, path) => app.all(path, handler)),
      'under a route': ways((app, handler, path) => {
        const [prefix, rest] = split(path)
        app.route(prefix, new Application().all(rest, handler))
      }),
    },
    parsed: {
      ways: {
        'behind something that reads': ways((app, handler, path) => {
          app.use(async ({ req }, next) => {
            await req.json()
            await next()
          })
          app.all(path, handler)
        }),
      },
      tells: ['await request.clone().json()'],
    },
  }
}

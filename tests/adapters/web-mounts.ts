import { Buffer } from 'node:buffer'
import { Readable } from 'node:stream'
import { mainMount, mount, type ParsedBody, parsedMount, type Serve, type Served } from './adapter.ts'
import { serveHttp, splitPath } from './node-mounts.ts'

// Without vitest: other runtimes load this file too.

/** Starts a server for a function of the Fetch API. */
export type ServeFetch = (fetch: (request: Request) => Response | Promise<Response>) => Promise<Served>

/** A server for the Fetch API on top of node:http, as Hono and others have it. */
export const serveFetch: ServeFetch = (fetch) =>
  serveHttp(async (incoming, outgoing) => {
    const { method = '', url = '', headers } = incoming
    const body = method === 'GET' ? null : Readable.toWeb(incoming)
    const init = { method, headers: headers as HeadersInit, body, duplex: 'half' } as RequestInit
    const response = await fetch(new Request(`http://127.0.0.1${url}`, init))
    // The peer may have gone meanwhile.
    outgoing.on('error', () => undefined)
    outgoing.writeHead(response.status, Object.fromEntries(response.headers))
    outgoing.end(Buffer.from(await response.arrayBuffer()))
  })

const parsedBody: ParsedBody = { hints: ['await request.clone().json()'] }

/** handler.fetch, on a server for the Fetch API. */
export const createFetchAdapter = (serve: ServeFetch) => ({
  mounts: {
    alone: mainMount(({ fetch }) => serve(fetch)),
    'behind code that has read the body': parsedMount(
      ({ fetch }) =>
        serve(async (request) => {
          await request.text()
          return await fetch(request)
        }),
      parsedBody,
    ),
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

/** Hono, which has no body parser that runs by itself. */
export function createHonoAdapter(Application: Hono, serve: ServeFetch) {
  const serveApp = (
    addMiddleware: (app: HonoApp, orderSync: (context: HonoContext) => unknown, path: string) => unknown,
  ): Serve => {
    return (handler, path) => {
      const app = new Application()
      addMiddleware(app, (context) => handler.fetch(context.req.raw), path)
      return serve((request) => app.fetch(request))
    }
  }
  return {
    serveApp,
    mounts: {
      alone: mainMount(serveApp((app, orderSync, path) => app.all(path, orderSync))),
      'under a route': mount(
        serveApp((app, orderSync, path) => {
          const [prefix, rest] = splitPath(path)
          app.route(prefix, new Application().all(rest, orderSync))
        }),
      ),
      'behind middleware that has read the body': parsedMount(
        serveApp((app, orderSync, path) => {
          app.use(async ({ req }, next) => {
            await req.json()
            await next()
          })
          app.all(path, orderSync)
        }),
        parsedBody,
      ),
    },
  }
}

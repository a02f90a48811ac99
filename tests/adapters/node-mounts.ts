import { Buffer } from 'node:buffer'
import { createServer, type IncomingMessage, type RequestListener } from 'node:http'
import { createRequire } from 'node:module'
import type { AddressInfo } from 'node:net'
import { setImmediate } from 'node:timers/promises'
import type Express from 'express'
import type { RequestHandler } from 'express'
import type Fastify from 'fastify'
import type { FastifyInstance } from 'fastify'
import type Koa from 'koa'
import type { Middleware } from 'koa'
import { expressOrderSync } from '../../src/adapters/express.ts'
import { fastifyOrderSync } from '../../src/adapters/fastify.ts'
import { koaOrderSync } from '../../src/adapters/koa.ts'
import { toNodeListener } from '../../src/adapters/node.ts'
import type { OrderSyncHandler } from '../../src/public/index.ts'
import { listen } from '../support/http.ts'
import { bytesKeptMount, mainMount, mount, type ParsedBody, parsedMount, type Serve, type Served } from './adapter.ts'

// Without vitest: other runtimes load this file too.

/** Loads the version of a package that is installed in a folder. */
export const createLoader = (folder: string) => {
  const require = createRequire(new URL(`../../${folder}/package.json`, import.meta.url))
  return <Module>(name: string): Module => require(name) as Module
}
export type Load = ReturnType<typeof createLoader>

export const serveHttp = (listener: RequestListener): Promise<Served> => listen(createServer(listener))

/** Splits a path behind its first folder. */
export function splitPath(path: string): [prefix: string, rest: string] {
  const at = path.indexOf('/', 1)
  return [path.slice(0, at), path.slice(at)]
}

/** Reads a body to its end, as a body parser does. */
export async function readAll(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = []
  for await (const chunk of request) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks)
}

/** node:http, with middleware in front. */
export function createNodeAdapter(serve: typeof serveHttp = serveHttp) {
  const behind =
    (middleware: (request: IncomingMessage) => unknown): Serve =>
    (handler) =>
      serve(async (request, response) => {
        await middleware(request)
        await toNodeListener(handler)(request, response)
      })
  const parsedBody: ParsedBody = {
    hints: [
      'Mount the handler before any body parser, or make the parser keep the bytes as request.rawBody (a Buffer).',
    ],
  }
  return {
    mounts: {
      alone: mainMount((handler) => serve(toNodeListener(handler))),
      'behind asynchronous middleware': mount(behind(() => setImmediate())),
      'behind middleware that keeps bytes': bytesKeptMount(
        behind(async (request) =>
          Object.assign(request, { rawBody: new Uint8Array(await readAll(request)), body: {} }),
        ),
      ),
      'behind middleware that keeps text': bytesKeptMount(
        behind(async (request) => Object.assign(request, { body: String(await readAll(request)) })),
      ),
      'behind middleware that has read the body': parsedMount(behind(readAll), parsedBody),
      'beside a listener that reads the body': parsedMount(
        behind((request) => void request.on('data', () => {})),
        parsedBody,
      ),
    },
  }
}

const keepBytes = (request: IncomingMessage, _: unknown, bytes: Buffer) =>
  void Object.assign(request, { rawBody: bytes })

/** Express, with its own body parsers. */
export function createExpressAdapter(create: typeof Express, serve: typeof serveHttp = serveHttp) {
  type App = ReturnType<typeof create>
  const serveApp = (addMiddleware: (app: App, orderSync: RequestHandler, path: string) => unknown): Serve => {
    return (handler, path) => {
      const app = create()
      addMiddleware(app, expressOrderSync(handler), path)
      return serve(app)
    }
  }
  const anyType = { type: () => true, limit: '9mb' }
  const parsedBody: ParsedBody = {
    hints: [
      `In Express, mount it before express.json():

  app.post(path, expressOrderSync(handler))
  app.use(express.json())
`,
      `  app.use((req, res, next) => (req.path === path ? next() : parseJson(req, res, next)))`,
    ],
  }
  return {
    serveApp,
    mounts: {
      alone: mainMount(serveApp((app, orderSync, path) => app.all(path, orderSync))),
      'with use()': mount(serveApp((app, orderSync, path) => app.use(path, orderSync))),
      'on a router': mount(
        serveApp((app, orderSync, path) => {
          const [prefix, rest] = splitPath(path)
          app.use(prefix, create.Router().all(rest, orderSync))
        }),
      ),
      'before the body parsers': mount(
        serveApp((app, orderSync, path) =>
          app
            .all(path, orderSync)
            .use(create.json(), create.urlencoded({ extended: false }), create.text(), create.raw()),
        ),
      ),
      'behind body parsers for other types': mount(
        serveApp((app, orderSync, path) =>
          app
            .use(create.json({ type: 'text/x' }), create.urlencoded({ extended: false, type: 'text/x' }))
            .all(path, orderSync),
        ),
      ),
      'behind a json() that skips the path': mount(
        serveApp((app, orderSync, path) => {
          const parseJson = create.json()
          app.use((req, res, next) => (req.path === path ? next() : parseJson(req, res, next)))
          app.all(path, orderSync)
        }),
      ),
      'behind json() with verify': bytesKeptMount(
        serveApp((app, orderSync, path) => app.use(create.json({ verify: keepBytes })).all(path, orderSync)),
      ),
      'behind raw()': bytesKeptMount(
        serveApp((app, orderSync, path) => app.use(create.raw(anyType)).all(path, orderSync)),
      ),
      'behind text()': bytesKeptMount(
        serveApp((app, orderSync, path) => app.use(create.text(anyType)).all(path, orderSync)),
      ),
      'behind json()': parsedMount(
        serveApp((app, orderSync, path) => app.use(create.json()).all(path, orderSync)),
        parsedBody,
      ),
      'behind all body parsers': parsedMount(
        serveApp((app, orderSync, path) =>
          app.use(create.json(), create.urlencoded({ extended: false }), create.text()).all(path, orderSync),
        ),
        parsedBody,
      ),
    },
  }
}

/** Koa, which has no body parser of its own. */
export function createKoaAdapter(Application: typeof Koa, serve: typeof serveHttp = serveHttp) {
  const routeTo =
    (path: string, handler: OrderSyncHandler): Middleware =>
    (context, next) =>
      context.path === path ? koaOrderSync(handler)(context) : next()
  const serveApp = (addMiddleware: (app: Koa, handler: OrderSyncHandler, path: string) => unknown): Serve => {
    return (handler, path) => {
      const app = new Application({ env: 'test' })
      app.silent = true
      addMiddleware(app, handler, path)
      return serve(app.callback())
    }
  }
  const bodyParser: Middleware = async (context, next) => {
    if (context.is('json')) Object.assign(context.request, { body: JSON.parse(String(await readAll(context.req))) })
    return await next()
  }
  const parsedBody: ParsedBody = {
    hints: [
      `In Koa, mount it before the body parser:

  router.post(path, koaOrderSync(handler))
  app.use(router.routes())
  app.use(bodyParser())`,
    ],
  }
  return {
    routeTo,
    serveApp,
    parsedBody,
    mounts: {
      alone: mainMount(serveApp((app, handler, path) => app.use(routeTo(path, handler)))),
      'before a body parser': mount(serveApp((app, handler, path) => app.use(routeTo(path, handler)).use(bodyParser))),
      'behind a router that shortens the path': mount(
        serveApp((app, handler, path) => {
          const [prefix, rest] = splitPath(path)
          app.use((context, next) => {
            context.path = context.path.slice(prefix.length)
            return next()
          })
          app.use(routeTo(rest, handler))
        }),
      ),
      'behind a body parser that keeps the text as koa-body does': bytesKeptMount(
        serveApp((app, handler, path) =>
          app
            .use(async (context, next) => {
              if (!context.is('json')) return await next()
              const text = String(await readAll(context.req))
              Object.assign(context.request, { body: { [Symbol.for('unparsedBody')]: text } })
              await next()
            })
            .use(routeTo(path, handler)),
        ),
      ),
      'behind a body parser': parsedMount(
        serveApp((app, handler, path) => app.use(bodyParser).use(routeTo(path, handler))),
        parsedBody,
      ),
      'behind middleware that has read the body': parsedMount(
        serveApp((app, handler, path) =>
          app
            .use(async (context, next) => {
              await readAll(context.req)
              await next()
            })
            .use(routeTo(path, handler)),
        ),
        parsedBody,
      ),
    },
  }
}

/** Fastify, with its own body parsers. */
export function createFastifyAdapter(create: typeof Fastify) {
  const serveApp = (addPlugins: (app: FastifyInstance, handler: OrderSyncHandler, path: string) => unknown): Serve => {
    return async (handler, path) => {
      const app = create({ forceCloseConnections: true })
      await addPlugins(app, handler, path)
      await app.listen({ port: 0, host: '127.0.0.1' })
      const { port } = app.server.address() as AddressInfo
      return { port, close: () => app.close() }
    }
  }
  return {
    serveApp,
    mounts: {
      alone: mainMount(serveApp((app, handler, path) => app.register(fastifyOrderSync, { handler, path }))),
      'with a prefix': mount(
        serveApp((app, handler, path) => {
          const [prefix, rest] = splitPath(path)
          app.register(fastifyOrderSync, { handler, prefix, path: rest })
        }),
      ),
      "beside the application's parsers and hooks": mount(
        serveApp((app, handler, path) => {
          app.addContentTypeParser('*', { parseAs: 'string' }, (_request, _body, done) => done(new Error('not here')))
          app.addHook('preParsing', async (_request, _reply, payload) => payload)
          app.register(fastifyOrderSync, { handler, path })
        }),
      ),
      'behind a hook that has read the body': parsedMount(
        serveApp((app, handler, path) => {
          app.addHook('preParsing', async (request) => void (await readAll(request.raw)))
          app.register(fastifyOrderSync, { handler, path })
        }),
        { hints: ['In Fastify, remove the preParsing hook that reads the payload of this route.'] },
      ),
    },
  }
}

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
import * as express from '../../src/adapters/express.ts'
import * as fastify from '../../src/adapters/fastify.ts'
import * as koa from '../../src/adapters/koa.ts'
import { toNodeListener } from '../../src/adapters/node.ts'
import type { OrderSyncHandler } from '../../src/public/index.ts'
import { listen } from '../support/http.ts'
import type { Serve, Served } from './suite.ts'

/** Loads a version of a framework, or what goes with it, from a folder that it is installed in. */
export const loaderOf = (folder: string) => {
  const require = createRequire(new URL(`../../${folder}/package.json`, import.meta.url))
  return <Module>(name: string): Module => require(name) as Module
}
export type Load = ReturnType<typeof loaderOf>

export const onHttp = (listener: RequestListener): Promise<Served> => listen(createServer(listener))

/** The first folder of a path, and the rest. */
export function split(path: string): [prefix: string, rest: string] {
  const at = path.indexOf('/', 1)
  return [path.slice(0, at), path.slice(at)]
}

/** What a parser makes of the body of any request, before anything else sees it. */
export async function readAll(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = []
  for await (const chunk of request) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks)
}

/** node:http, with what may stand in front. */
export function onNode(serve: typeof onHttp = onHttp) {
  const behind =
    (middleware: (request: IncomingMessage) => unknown): Serve =>
    (handler) =>
      serve(async (request, response) => {
        await middleware(request)
        await toNodeListener(handler)(request, response)
      })
  return {
    ways: {
      alone: (handler: OrderSyncHandler) => serve(toNodeListener(handler)),
      'behind something that is slow': behind(() => setImmediate()),
    },
    kept: {
      'behind something that keeps bytes': behind(async (request) =>
        Object.assign(request, { rawBody: new Uint8Array(await readAll(request)), body: {} }),
      ),
      'behind something that keeps text': behind(async (request) =>
        Object.assign(request, { body: String(await readAll(request)) }),
      ),
    },
    parsed: {
      ways: {
        'behind something that has read': behind(readAll),
        'beside something that reads': behind((request) => void request.on('data', () => {})),
      },
      tells: [
        'Mount the handler before any body parser, or have the parser keep the bytes as request.rawBody (a Buffer).',
      ],
    },
  }
}

const keep = (request: IncomingMessage, _: unknown, bytes: Buffer) => void Object.assign(request, { rawBody: bytes })

/** Express, with the parsers that it brings. */
export function onExpress(create: typeof Express, serve: typeof onHttp = onHttp) {
  type App = ReturnType<typeof create>
  const ways = (mount: (app: App, handler: RequestHandler, path: string) => unknown): Serve => {
    return (handler, path) => {
      const app = create()
      mount(app, express.expressOrderSync(handler), path)
      return serve(app)
    }
  }
  const anything = { type: () => true, limit: '9mb' }
  return {
    with: ways,
    ways: {
      alone: ways((app, handler, path) => app.all(path, handler)),
      'under use()': ways((app, handler, path) => app.use(path, handler)),
      'under a router': ways((app, handler, path) => {
        const [prefix, rest] = split(path)
        app.use(prefix, create.Router().all(rest, handler))
      }),
      'before the parsers': ways((app, handler, path) =>
        app.all(path, handler).use(create.json(), create.urlencoded({ extended: false }), create.text(), create.raw()),
      ),
      'behind parsers of other types': ways((app, handler, path) =>
        app
          .use(create.json({ type: 'text/x' }), create.urlencoded({ extended: false, type: 'text/x' }))
          .all(path, handler),
      ),
    },
    kept: {
      'behind json() with verify': ways((app, handler, path) =>
        app.use(create.json({ verify: keep })).all(path, handler),
      ),
      'behind raw()': ways((app, handler, path) => app.use(create.raw(anything)).all(path, handler)),
      'behind text()': ways((app, handler, path) => app.use(create.text(anything)).all(path, handler)),
    },
    parsed: {
      ways: {
        'behind json()': ways((app, handler, path) => app.use(create.json()).all(path, handler)),
        'behind all parsers': ways((app, handler, path) =>
          app.use(create.json(), create.urlencoded({ extended: false }), create.text()).all(path, handler),
        ),
      },
      tells: [
        `In Express, mount it before express.json():

  app.post(path, orderSync(handler))
  app.use(express.json())
`,
        `  app.use(express.json({ verify: (req, _res, rawBody) => { Object.assign(req, { rawBody }) } }))`,
      ],
    },
  }
}

/** Koa, which brings no parser. */
export function onKoa(Application: typeof Koa, serve: typeof onHttp = onHttp) {
  const at =
    (path: string, handler: OrderSyncHandler): Middleware =>
    (context, next) =>
      context.path === path ? koa.koaOrderSync(handler)(context) : next()
  const ways = (mount: (app: Koa, handler: OrderSyncHandler, path: string) => unknown): Serve => {
    return (handler, path) => {
      const app = new Application({ env: 'test' })
      app.silent = true
      mount(app, handler, path)
      return serve(app.callback())
    }
  }
  const parser: Middleware = async (context, next) => {
    if (context.is('json')) Object.assign(context.request, { body: JSON.parse(String(await readAll(context.req))) })
    return await next()
  }
  return {
    at,
    with: ways,
    ways: {
      alone: ways((app, handler, path) => app.use(at(path, handler))),
      'before a parser': ways((app, handler, path) => app.use(at(path, handler)).use(parser)),
      'behind a router that cuts the path': ways((app, handler, path) => {
        const [prefix, rest] = split(path)
        app.use((context, next) => {
          context.path = context.path.slice(prefix.length)
          return next()
        })
        app.use(at(rest, handler))
      }),
    },
    parsed: {
      ways: {
        'behind a parser': ways((app, handler, path) => app.use(parser).use(at(path, handler))),
        'behind something that reads, and keeps nothing': ways((app, handler, path) =>
          app
            .use(async (context, next) => {
              await readAll(context.req)
              await next()
            })
            .use(at(path, handler)),
        ),
      },
      tells: [
        `In Koa, mount it before the body parser:

  router.post(path, orderSync(handler))
  app.use(router.routes())
  app.use(bodyParser())`,
      ],
    },
  }
}

/** Fastify, with the parsers that it brings. */
export function onFastify(create: typeof Fastify) {
  const ways = (mount: (app: FastifyInstance, handler: OrderSyncHandler, path: string) => unknown): Serve => {
    return async (handler, path) => {
      const app = create({ forceCloseConnections: true })
      await mount(app, handler, path)
      await app.listen({ port: 0, host: '127.0.0.1' })
      const { port } = app.server.address() as AddressInfo
      return { port, close: () => app.close() }
    }
  }
  return {
    with: ways,
    ways: {
      alone: ways((app, handler, path) => app.register(fastify.fastifyOrderSync, { handler, path })),
      'with a prefix': ways((app, handler, path) => {
        const [prefix, rest] = split(path)
        app.register(fastify.fastifyOrderSync, { handler, prefix, path: rest })
      }),
      'beside parsers and hooks of its own': ways((app, handler, path) => {
        app.addContentTypeParser('*', { parseAs: 'string' }, (_request, _body, done) => done(new Error('not here')))
        app.addHook('preParsing', async (_request, _reply, payload) => payload)
        app.register(fastify.fastifyOrderSync, { handler, path })
      }),
    },
    parsed: {
      ways: {
        'behind a hook that reads': ways((app, handler, path) => {
          app.addHook('preParsing', async (request) => void (await readAll(request.raw)))
          app.register(fastify.fastifyOrderSync, { handler, path })
        }),
      },
      tells: ['In Fastify, let no preParsing hook read the payload of this route.'],
    },
  }
}

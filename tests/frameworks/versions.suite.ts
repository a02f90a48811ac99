import type Express from 'express'
import type { RequestHandler } from 'express'
import type Fastify from 'fastify'
import type { FastifyPluginCallback } from 'fastify'
import type Koa from 'koa'
import type { Middleware } from 'koa'
import { fastifyOrderSync } from '../../src/adapters/fastify.ts'
import { koaOrderSync } from '../../src/adapters/koa.ts'
import { type Adapter, bytesKeptMount, compressedMount, mount, parsedMount } from '../adapters/adapter.ts'
import {
  createExpressAdapter,
  createFastifyAdapter,
  createKoaAdapter,
  createLoader,
  type Load,
  serveHttp,
  splitPath,
} from '../adapters/node-mounts.ts'
import { describeAdapter } from '../adapters/suite.ts'
import { createHonoAdapter, type Hono, type HonoMiddleware } from '../adapters/web-mounts.ts'

// Two major versions of each framework, with the middleware that is commonly used beside the handler.

for (const major of ['current', 'previous']) {
  const load = createLoader(`.cache/frameworks/${major}`)
  const withVersion = (name: string) => `${name} ${load<{ version: string }>(`${name}/package.json`).version}`
  describeAdapter(withVersion('express'), withExpress(load))
  describeAdapter(withVersion('koa'), withKoa(load))
  describeAdapter(withVersion('fastify'), withFastify(load))
}
describeAdapter('hono', withHono(createLoader('.cache/frameworks/current')))

function withExpress(load: Load): Adapter {
  const { mounts, serveApp } = createExpressAdapter(load<typeof Express>('express'))
  const compression = load<(options: object) => RequestHandler>('compression')
  return {
    mounts: {
      ...mounts,
      'behind compression()': compressedMount(
        serveApp((app, orderSync, path) => app.use(compression({ threshold: 0 })).all(path, orderSync)),
      ),
    },
  }
}

type KoaRouter = new (options?: {
  prefix: string
}) => {
  use: (...middleware: Middleware[]) => unknown
  all: (path: string, middleware: Middleware) => unknown
  routes: () => Middleware
}
type CreateMiddleware = (options?: object) => Middleware

function withKoa(load: Load): Adapter {
  const { mounts, serveApp, routeTo, parsedBody } = createKoaAdapter(load<typeof Koa>('koa'))
  const Router = load<{ default?: KoaRouter } & KoaRouter>('@koa/router')
  const compress = load<CreateMiddleware>('koa-compress')
  const bodyparser = load<CreateMiddleware>('koa-bodyparser')
  const { bodyParser: newBodyParser } = load<{ bodyParser: CreateMiddleware }>('@koa/bodyparser')
  const { koaBody } = load<{ koaBody: CreateMiddleware }>('koa-body')
  const onRouter = (path: string, middleware: Middleware, options?: { prefix: string }) => {
    const router = new Router(options)
    router.all(path, middleware)
    return router.routes()
  }
  return {
    mounts: {
      ...mounts,
      'on a router, before its body parser': mount(
        serveApp((app, handler, path) => app.use(onRouter(path, koaOrderSync(handler))).use(bodyparser())),
      ),
      'on a router with a prefix': mount(
        serveApp((app, handler, path) => {
          const [prefix, rest] = splitPath(path)
          app.use(onRouter(rest, koaOrderSync(handler), { prefix }))
        }),
      ),
      'behind compress()': compressedMount(
        serveApp((app, handler, path) => app.use(compress({ threshold: 0 })).use(routeTo(path, handler))),
      ),
      // Both keep the text of what they parse, as rawBody.
      'behind koa-bodyparser': bytesKeptMount(
        serveApp((app, handler, path) => app.use(bodyparser()).use(routeTo(path, handler))),
      ),
      'behind @koa/bodyparser': bytesKeptMount(
        serveApp((app, handler, path) => app.use(newBodyParser()).use(routeTo(path, handler))),
      ),
      'behind koa-body that keeps the text': bytesKeptMount(
        serveApp((app, handler, path) => app.use(koaBody({ includeUnparsed: true })).use(routeTo(path, handler))),
      ),
      'behind koa-body': parsedMount(
        serveApp((app, handler, path) => app.use(koaBody()).use(routeTo(path, handler))),
        parsedBody,
      ),
    },
  }
}

function withFastify(load: Load): Adapter {
  const { mounts, serveApp } = createFastifyAdapter(load<typeof Fastify>('fastify'))
  const compress = load<FastifyPluginCallback<{ threshold: number }>>('@fastify/compress')
  const rawBody = load<FastifyPluginCallback<{ global: boolean; runFirst: boolean }>>('fastify-raw-body')
  return {
    mounts: {
      ...mounts,
      'beside @fastify/compress': compressedMount(
        serveApp(async (app, handler, path) => {
          await app.register(compress, { threshold: 0 })
          app.register(fastifyOrderSync, { handler, path })
        }),
      ),
      'beside fastify-raw-body': mount(
        serveApp(async (app, handler, path) => {
          await app.register(rawBody, { global: true, runFirst: true })
          app.register(fastifyOrderSync, { handler, path })
        }),
      ),
    },
  }
}

function withHono(load: Load): Adapter {
  const { Hono } = load<{ Hono: Hono }>('hono')
  const { compress } = load<{ compress: (options: object) => HonoMiddleware }>('hono/compress')
  const { getRequestListener } = load<{ getRequestListener: (fetch: unknown) => Parameters<typeof serveHttp>[0] }>(
    '@hono/node-server',
  )
  const { mounts, serveApp } = createHonoAdapter(Hono, (fetch) => serveHttp(getRequestListener(fetch)))
  return {
    mounts: {
      ...mounts,
      'behind compress()': compressedMount(
        serveApp((app, orderSync, path) => {
          app.use(compress({ threshold: 0 }))
          app.all(path, orderSync)
        }),
      ),
    },
  }
}

import type Express from 'express'
import type { RequestHandler } from 'express'
import type Fastify from 'fastify'
import type { FastifyPluginCallback } from 'fastify'
import type Koa from 'koa'
import type { Middleware } from 'koa'
import { fastifyOrderSync as fastifyOrderSync } from '../../src/adapters/fastify.ts'
import { koaOrderSync as koaOrderSync } from '../../src/adapters/koa.ts'
import { type Load, loaderOf, onExpress, onFastify, onHttp, onKoa, split } from '../adapters/mounts.ts'
import { type Adapter, describeAdapter } from '../adapters/suite.ts'
import { type Hono, type HonoMiddleware, onHono } from '../adapters/web-mounts.ts'

// The suite over two majors of each framework, with what is usually mounted beside the handler.

const MAJORS = { current: 'current', previous: 'previous' } as const

for (const major of Object.keys(MAJORS)) {
  const load = loaderOf(`.cache/frameworks/${major}`)
  const named = (name: string) => `${name} ${load<{ version: string }>(`${name}/package.json`).version}`
  describeAdapter(named('express'), withExpress(load))
  describeAdapter(named('koa'), withKoa(load))
  describeAdapter(named('fastify'), withFastify(load))
}
describeAdapter('hono', withHono(loaderOf('.cache/frameworks/current')))

function withExpress(load: Load): Adapter {
  const adapter = onExpress(load<typeof Express>('express'))
  const compression = load<(options: object) => RequestHandler>('compression')
  return {
    ...adapter,
    ways: {
      ...adapter.ways,
      'behind compression()': adapter.with((app, handler, path) =>
        app.use(compression({ threshold: 0 })).all(path, handler),
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
  const adapter = onKoa(load<typeof Koa>('koa'))
  const Router = load<{ default?: KoaRouter } & KoaRouter>('@koa/router')
  const compress = load<CreateMiddleware>('koa-compress')
  const bodyparser = load<CreateMiddleware>('koa-bodyparser')
  const { bodyParser: newBodyParser } = load<{ bodyParser: CreateMiddleware }>('@koa/bodyparser')
  const { koaBody } = load<{ koaBody: CreateMiddleware }>('koa-body')
  const routed = (path: string, middleware: Middleware, options?: { prefix: string }) => {
    const router = new Router(options)
    router.all(path, middleware)
    return router.routes()
  }
  return {
    ...adapter,
    ways: {
      ...adapter.ways,
      'on a router, before its parser': adapter.with((app, handler, path) =>
        app.use(routed(path, koaOrderSync(handler))).use(bodyparser()),
      ),
      'on a router with a prefix': adapter.with((app, handler, path) => {
        const [prefix, rest] = split(path)
        app.use(routed(rest, koaOrderSync(handler), { prefix }))
      }),
      'behind compress()': adapter.with((app, handler, path) =>
        app.use(compress({ threshold: 0 })).use(adapter.at(path, handler)),
      ),
    },
    kept: {
      // It keeps the text of what it parses.
      'behind koa-bodyparser': adapter.with((app, handler, path) =>
        app.use(bodyparser()).use(adapter.at(path, handler)),
      ),
      'behind @koa/bodyparser': adapter.with((app, handler, path) =>
        app.use(newBodyParser()).use(adapter.at(path, handler)),
      ),
    },
    parsed: {
      ...adapter.parsed,
      ways: {
        ...adapter.parsed.ways,
        'behind koa-body': adapter.with((app, handler, path) => app.use(koaBody()).use(adapter.at(path, handler))),
      },
    },
  }
}

function withFastify(load: Load): Adapter {
  const adapter = onFastify(load<typeof Fastify>('fastify'))
  const compress = load<FastifyPluginCallback<{ threshold: number }>>('@fastify/compress')
  const rawBody = load<FastifyPluginCallback<{ global: boolean; runFirst: boolean }>>('fastify-raw-body')
  return {
    ...adapter,
    ways: {
      ...adapter.ways,
      'beside a plugin that compresses': adapter.with(async (app, handler, path) => {
        await app.register(compress, { threshold: 0 })
        app.register(fastifyOrderSync, { handler, path })
      }),
      'beside fastify-raw-body': adapter.with(async (app, handler, path) => {
        await app.register(rawBody, { global: true, runFirst: true })
        app.register(fastifyOrderSync, { handler, path })
      }),
    },
  }
}

function withHono(load: Load): Adapter {
  const { Hono } = load<{ Hono: Hono }>('hono')
  const { compress } = load<{ compress: (options: object) => HonoMiddleware }>('hono/compress')
  const { getRequestListener } = load<{ getRequestListener: (fetch: unknown) => Parameters<typeof onHttp>[0] }>(
    '@hono/node-server',
  )
  const adapter = onHono(Hono, (fetch) => onHttp(getRequestListener(fetch)))
  return {
    ...adapter,
    ways: {
      ...adapter.ways,
      'behind compress()': adapter.with((app, handler, path) => {
        app.use(compress({ threshold: 0 }))
        app.all(path, handler)
      }),
    },
  }
}

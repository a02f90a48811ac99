import type Express from 'express'
import type Fastify from 'fastify'
import type Koa from 'koa'
import type { Adapter, Served } from '../adapters/adapter.ts'
import {
  createExpressAdapter,
  createFastifyAdapter,
  createKoaAdapter,
  createLoader,
  createNodeAdapter,
} from '../adapters/node-mounts.ts'
import {
  createFetchAdapter,
  createHonoAdapter,
  type Hono,
  type ServeFetch,
  serveFetch,
} from '../adapters/web-mounts.ts'

/** The servers of Bun and Deno, as far as they are used here. */
const { Bun, Deno } = globalThis as {
  readonly Bun?: {
    serve(options: object): { readonly port: number; stop(closeActiveConnections: boolean): Promise<void> }
  }
  readonly Deno?: {
    serve(options: object, fetch: unknown): { readonly addr: { readonly port: number } }
  }
}

/** Starts the runtime's own server for the Fetch API. */
const serve: ServeFetch = async (fetch): Promise<Served> => {
  const address = { hostname: '127.0.0.1', port: 0 }
  if (Bun) {
    const server = Bun.serve({ ...address, fetch })
    return { port: server.port, close: () => server.stop(true) }
  }
  if (Deno) {
    // Not shutdown(): it waits for requests that hang.
    const controller = new AbortController()
    const server = Deno.serve({ ...address, signal: controller.signal, onListen() {} }, fetch)
    return { port: server.addr.port, close: async () => controller.abort() }
  }
  return await serveFetch(fetch)
}

const load = createLoader('.cache/frameworks/current')

/** The adapters that are tested on other runtimes. */
export const ADAPTERS = {
  'handler.fetch': createFetchAdapter(serve),
  Hono: createHonoAdapter(load<{ Hono: Hono }>('hono').Hono, serve),
  'node:http': createNodeAdapter(),
  Express: createExpressAdapter(load<typeof Express>('express')),
  Koa: createKoaAdapter(load<typeof Koa>('koa')),
  Fastify: createFastifyAdapter(load<typeof Fastify>('fastify')),
} satisfies Record<string, Adapter>

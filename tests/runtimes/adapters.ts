import type Express from 'express'
import type Fastify from 'fastify'
import type Koa from 'koa'
import { loaderOf, onExpress, onFastify, onKoa, onNode } from '../adapters/mounts.ts'
import type { Adapter, Served } from '../adapters/suite.ts'
import { type Hono, onFetch, onHono, type ServeFetch, serveFetch } from '../adapters/web-mounts.ts'

/** What is used of the servers of Bun and Deno, each of which is there or not. */
const { Bun, Deno } = globalThis as {
  readonly Bun?: {
    serve(options: object): { readonly port: number; stop(closeActiveConnections: boolean): Promise<void> }
  }
  readonly Deno?: {
    serve(options: object, fetch: unknown): { readonly addr: { readonly port: number } }
  }
}

/** The runtime's own server. */
const serve: ServeFetch = async (fetch): Promise<Served> => {
  const anywhere = { hostname: '127.0.0.1', port: 0 }
  if (Bun) {
    const server = Bun.serve({ ...anywhere, fetch })
    return { port: server.port, close: () => server.stop(true) }
  }
  if (Deno) {
    // Its shutdown() would wait for what hangs.
    const end = new AbortController()
    const server = Deno.serve({ ...anywhere, signal: end.signal, onListen() {} }, fetch)
    return { port: server.addr.port, close: async () => end.abort() }
  }
  return await serveFetch(fetch)
}

const load = loaderOf('.cache/frameworks/current')

/** What is to hold on other runtimes as well. */
export const ADAPTERS = {
  'handler.fetch': onFetch(serve),
  Hono: onHono(load<{ Hono: Hono }>('hono').Hono, serve),
  'node:http': onNode(),
  Express: onExpress(load<typeof Express>('express')),
  Koa: onKoa(load<typeof Koa>('koa')),
  Fastify: onFastify(load<typeof Fastify>('fastify')),
} satisfies Record<string, Adapter>

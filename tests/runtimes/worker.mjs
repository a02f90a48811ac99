/** The host on workerd. Every merchant is served by the worker's one port, by the function that is set at the moment. */

import { httpServerHandler } from 'cloudflare:node'
import { createServer } from 'node:http'
import express from 'express'
import { Hono } from 'hono'
import Koa from 'koa'
import { createExpressAdapter, createKoaAdapter, createNodeAdapter } from '../adapters/node-mounts.ts'
import { createFetchAdapter, createHonoAdapter } from '../adapters/web-mounts.ts'
import { createHost } from './host.ts'

let currentFetch

const serve = async (fetch) => {
  currentFetch = fetch
  // The launcher knows the port of the worker.
  return { port: 0, close: async () => {} }
}
const serveNode = async (listener) => {
  const server = createServer(listener)
  const { fetch } = httpServerHandler(server.listen(8080))
  currentFetch = fetch
  return { port: 0, close: () => new Promise((resolve) => server.close(resolve)) }
}

export default { fetch: (...args) => currentFetch(...args) }
export const host = {
  fetch: createHost({
    'handler.fetch': createFetchAdapter(serve),
    Hono: createHonoAdapter(Hono, serve),
    'node:http': createNodeAdapter(serveNode),
    Express: createExpressAdapter(express, serveNode),
    Koa: createKoaAdapter(Koa, serveNode),
  }),
}

/** The host on workerd: a merchant is whatever the worker answers with. */

import { httpServerHandler } from 'cloudflare:node'
import { createServer } from 'node:http'
import express from 'express'
import { Hono } from 'hono'
import Koa from 'koa'
import { onExpress, onKoa, onNode } from '../adapters/mounts.ts'
import { onFetch, onHono } from '../adapters/web-mounts.ts'
import { createHost } from './host.ts'

let answer

/** There is one port, and it is known. */
const serve = async (fetch) => {
  answer = fetch
  return { port: 0, close: async () => {} }
}
const serveNode = async (listener) => {
  const server = createServer(listener)
  const { fetch } = httpServerHandler(server.listen(8080))
  answer = fetch
  return { port: 0, close: () => new Promise((resolve) => server.close(resolve)) }
}

export default { fetch: (...request) => answer(...request) }
export const host = {
  fetch: createHost({
    'handler.fetch': onFetch(serve),
    Hono: onHono(Hono, serve),
    'node:http': onNode(serveNode),
    Express: onExpress(express, serveNode),
    Koa: onKoa(Koa, serveNode),
  }),
}

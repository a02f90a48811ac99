import express from 'express'
import createFastify from 'fastify'
import Koa from 'koa'
import { nextPagesOrderSync } from '../../src/adapters/next-pages.ts'
import { mainMount, parsedMount, type Serve, SOCKET_GROUPS } from './adapter.ts'
import { LAMBDA_PLATFORMS } from './lambda-platform.ts'
import {
  createExpressAdapter,
  createFastifyAdapter,
  createKoaAdapter,
  createNodeAdapter,
  readAll,
  serveHttp,
} from './node-mounts.ts'
import { describeAdapter } from './suite.ts'
import { createFetchAdapter, serveFetch } from './web-mounts.ts'

// The frameworks in the versions of devDependencies, without other packages. Two major versions of each, with the
// middleware that is commonly used beside the handler, are tested in tests/frameworks.

/** What Next.js passes to an API route: `body` is set, unless the body parser is switched off. */
const serveNext =
  (bodyParser: boolean): Serve =>
  (handler) =>
    serveHttp(async (request, response) => {
      if (bodyParser) Object.assign(request, { body: JSON.parse(String(await readAll(request))) })
      await nextPagesOrderSync(handler)(request, response)
    })

describeAdapter('node:http', createNodeAdapter())
describeAdapter('handler.fetch', createFetchAdapter(serveFetch))
describeAdapter('Express', createExpressAdapter(express))
describeAdapter('Koa', createKoaAdapter(Koa))
describeAdapter('Fastify', createFastifyAdapter(createFastify))
describeAdapter('Next.js pages', {
  mounts: {
    'without its body parser': mainMount(serveNext(false)),
    'behind its body parser': parsedMount(serveNext(true), {
      hints: ['In Next.js', '  export const config = { api: { bodyParser: false } }'],
    }),
  },
})
for (const [name, platform] of Object.entries(LAMBDA_PLATFORMS)) {
  // These platforms invoke the function only when the request is complete.
  describeAdapter(`lambdaOrderSync behind ${name}`, { ...platform, without: SOCKET_GROUPS })
}

import express from 'express'
import createFastify from 'fastify'
import Koa from 'koa'
import { nextPagesOrderSync } from '../../src/adapters/next-pages.ts'
import { LAMBDA_PLATFORMS } from './lambda-platform.ts'
import { onExpress, onFastify, onHttp, onKoa, onNode, readAll } from './mounts.ts'
import { describeAdapter, type Serve } from './suite.ts'
import { onFetch, serveFetch } from './web-mounts.ts'

// With the majors that the project is developed with, and no more than these bring. What goes with them, and other
// majors: tests/frameworks.

/** What Next.js gives to an API route: parsed by default, as it is where the parser is switched off. */
const behindNext =
  (bodyParser: boolean): Serve =>
  (handler) =>
    onHttp(async (request, response) => {
      if (bodyParser) Object.assign(request, { body: JSON.parse(String(await readAll(request))) })
      await nextPagesOrderSync(handler)(request, response)
    })

describeAdapter('node:http', onNode())
describeAdapter('handler.fetch', onFetch(serveFetch))
describeAdapter('Express', onExpress(express))
describeAdapter('Koa', onKoa(Koa))
describeAdapter('Fastify', onFastify(createFastify))
describeAdapter('Next.js pages', {
  ways: { 'without its parser': behindNext(false) },
  parsed: {
    ways: { 'behind its parser': behindNext(true) },
    tells: ['In Next.js', '  export const config = { api: { bodyParser: false } }'],
  },
})
for (const [name, platform] of Object.entries(LAMBDA_PLATFORMS)) {
  describeAdapter(`AWS Lambda behind ${name}`, { ...platform, whole: true })
}

import type { IncomingMessage } from 'node:http'
import { setImmediate } from 'node:timers/promises'
import express from 'express'
import createFastify from 'fastify'
import Koa from 'koa'
import { orderSync } from '../../src/adapters/next-pages.ts'
import { toNodeListener } from '../../src/adapters/node.ts'
import { LAMBDA_PLATFORMS } from './lambda-platform.ts'
import { onExpress, onFastify, onFetch, onHttp, onKoa, readAll } from './mounts.ts'
import { describeAdapter, type Serve } from './suite.ts'

// With the majors that the project is developed with, and no more than these bring. What goes with them, and other
// majors: tests/frameworks.

/** What Next.js gives to an API route: parsed by default, as it is where the parser is switched off. */
const behindNext =
  (bodyParser: boolean): Serve =>
  (handler) =>
    onHttp(async (request, response) => {
      if (bodyParser) Object.assign(request, { body: JSON.parse(String(await readAll(request))) })
      await orderSync(handler)(request, response)
    })

/** node:http with something in front. */
const behind =
  (middleware: (request: IncomingMessage) => unknown): Serve =>
  (handler) =>
    onHttp(async (request, response) => {
      await middleware(request)
      await toNodeListener(handler)(request, response)
    })

describeAdapter('node:http', {
  ways: {
    alone: (handler) => onHttp(toNodeListener(handler)),
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
})
describeAdapter('handler.fetch', {
  ways: { alone: ({ fetch }) => onFetch(fetch) },
  parsed: {
    ways: {
      'behind something that has read': ({ fetch }) =>
        onFetch(async (request) => {
          await request.text()
          return await fetch(request)
        }),
    },
    tells: ['await request.clone().json()'],
  },
})
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

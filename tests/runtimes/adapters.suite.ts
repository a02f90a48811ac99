import process from 'node:process'
import { afterAll, expect, test } from 'vitest'
import type { Adapter } from '../adapters/adapter.ts'
import { describeAdapter } from '../adapters/suite.ts'
import { ADAPTERS } from './adapters.ts'
import { launch } from './launch.ts'

// The merchants live on another runtime; the clients and the assertions run here. docs/runtimes.md lists the differences.

interface Runtime {
  /** Its `navigator.userAgent`. */
  readonly userAgent: RegExp
  readonly adapters: Readonly<Record<string, Adapter>>
}

const RUNTIMES: Readonly<Record<string, Runtime>> = {
  bun: { userAgent: /^Bun\//, adapters: ADAPTERS },
  deno: { userAgent: /^Deno\//, adapters: ADAPTERS },
  workerd: {
    userAgent: /^Cloudflare-Workers$/,
    adapters: {
      // "Can't read from request stream after response has been sent.": the client's connection is reset instead.
      'handler.fetch': { ...ADAPTERS['handler.fetch'], without: ['large bodies'] },
      Hono: { ...ADAPTERS.Hono, without: ['large bodies'] },
      'node:http': ADAPTERS['node:http'],
      Express: ADAPTERS.Express,
      Koa: ADAPTERS.Koa,
    },
  },
}

const { RUNTIME = '', RUNTIME_COMMAND = '[]' } = process.env
const { userAgent, startMerchant, stop } = await launch(JSON.parse(RUNTIME_COMMAND))
afterAll(stop)

test(`merchants live on ${userAgent}`, () => {
  expect(userAgent).toMatch(RUNTIMES[RUNTIME]?.userAgent ?? 'a known runtime')
})
for (const [name, adapter] of Object.entries(RUNTIMES[RUNTIME]?.adapters ?? {})) {
  describeAdapter(name, adapter, startMerchant)
}

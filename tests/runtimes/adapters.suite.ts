import process from 'node:process'
import { afterAll, expect, test } from 'vitest'
import { type Adapter, describeAdapter } from '../adapters/suite.ts'
import { ADAPTERS } from './adapters.ts'
import { launch } from './launch.ts'

// The suite over merchants that live on another runtime; clients and judges stay here. What differs is in docs/runtimes.md.

interface Runtime {
  /** What it calls itself. */
  readonly name: RegExp
  readonly adapters: Readonly<Record<string, Adapter>>
}

const RUNTIMES: Readonly<Record<string, Runtime>> = {
  bun: { name: /^Bun\//, adapters: ADAPTERS },
  deno: { name: /^Deno\//, adapters: ADAPTERS },
  workerd: {
    name: /^Cloudflare-Workers$/,
    adapters: {
      // "Can't read from request stream after response has been sent."
      'handler.fetch': { ...ADAPTERS['handler.fetch'], resets: true },
      Hono: { ...ADAPTERS.Hono, resets: true },
      'node:http': ADAPTERS['node:http'],
      Express: ADAPTERS.Express,
      Koa: ADAPTERS.Koa,
    },
  },
}

const { RUNTIME = '', RUNTIME_COMMAND = '[]' } = process.env
const { name, start, end } = await launch(JSON.parse(RUNTIME_COMMAND))
afterAll(end)

test(`merchants live on ${name}`, () => expect(name).toMatch(RUNTIMES[RUNTIME]?.name ?? 'a known runtime'))
for (const [name, adapter] of Object.entries(RUNTIMES[RUNTIME]?.adapters ?? {})) describeAdapter(name, adapter, start)

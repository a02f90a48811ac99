import { createServer, type RequestListener } from 'node:http'
import { describe, expect, test } from 'vitest'
import { exchange } from '../adapters/client.ts'
import { loaderOf } from '../adapters/mounts.ts'
import { describeAdapter, type Serve } from '../adapters/suite.ts'
import { merchantCredentials, NOW, PATH, request } from '../support/messages.ts'
import { listen } from '../support/http.ts'

// Two majors of Next.js as users run them: built, and started in this process, where routes find the suite's handler.

type Next = (options: object) => { prepare: () => Promise<void>; getRequestHandler: () => RequestListener }

const MAJORS = ['current', 'previous']

/** In the query string of a route with parameters, Next.js writes %20 as + and a name without a value with a =. */
const instead = { 'an order with a query string': { send: () => request({ path: `${PATH}?b=2&a=%2F&c=` }) } }

process.env['NODE_ENV'] = 'production'

for (const major of MAJORS) {
  const folder = `.cache/frameworks/${major}`
  const load = loaderOf(folder)
  const { version } = load<{ version: string }>('next/package.json')
  const next = load<Next>('next')

  /** One server for all tests: preparing takes its time. */
  const started = (app: string) => {
    let ready: Promise<number> | undefined
    const start = async () => {
      const server = next({ dir: `${folder}/next/${app}`, dev: false, quiet: true })
      await server.prepare()
      return (await listen(createServer(server.getRequestHandler()))).port
    }
    return () => (ready ??= start())
  }
  const on =
    (port: () => Promise<number>): Serve =>
    async (handler) => {
      Object.assign(globalThis, { orderSyncHandler: handler })
      return { port: await port(), close: async () => {} }
    }
  const pages = started('pages')
  const app = started('app')

  describeAdapter(`next ${version}, pages`, {
    instead,
    ways: { 'without its parser': on(pages) },
    parsed: {
      ways: { 'behind its parser': on(pages) },
      path: '/api/parsed/sync',
      tells: ['In Next.js', '  export const config = { api: { bodyParser: false } }'],
    },
  })
  describeAdapter(`next ${version}, app`, { instead, ways: { alone: on(app) } })

  describe(`next ${version}`, () => {
    test('bundles the package', async () => {
      const onOrder = () => ({ orderId: 'A-1' })
      Object.assign(globalThis, { orderSyncOptions: { credentials: merchantCredentials(), now: () => NOW, onOrder } })
      const reply = await exchange(await app(), request({ path: '/bundled' }))
      expect(reply).toMatchObject({ status: 200, headers: { signature: expect.stringContaining('RSA256') } })
    })
  })
}

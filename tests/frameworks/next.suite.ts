import { createServer, type RequestListener } from 'node:http'
import { describe, expect, test } from 'vitest'
import { mainMount, parsedMount, type Serve } from '../adapters/adapter.ts'
import { sendRequest } from '../adapters/client.ts'
import { createLoader } from '../adapters/node-mounts.ts'
import { describeAdapter } from '../adapters/suite.ts'
import { listen } from '../support/http.ts'
import { merchantCredentials, NOW, PATH, request } from '../support/messages.ts'

// Two major versions of Next.js, built, and started in this process, so that a test can set the handler of the routes.

type Next = (options: object) => { prepare: () => Promise<void>; getRequestHandler: () => RequestListener }

const MAJORS = ['current', 'previous']

/** In the query string of a route with parameters, Next.js replaces %20 by +, and adds a = to a name without a value. */
const differences = { 'an order with a query string': { request: () => request({ path: `${PATH}?b=2&a=%2F&c=` }) } }

process.env['NODE_ENV'] = 'production'

for (const major of MAJORS) {
  const folder = `.cache/frameworks/${major}`
  const load = createLoader(folder)
  const { version } = load<{ version: string }>('next/package.json')
  const next = load<Next>('next')

  /** Starts one server for all tests, at the first call: Next.js takes seconds to start. */
  const createApp = (name: string) => {
    let port: Promise<number> | undefined
    const start = async () => {
      const server = next({ dir: `${folder}/next/${name}`, dev: false, quiet: true })
      await server.prepare()
      return (await listen(createServer(server.getRequestHandler()))).port
    }
    return () => (port ??= start())
  }
  const serveOn =
    (startApp: () => Promise<number>): Serve =>
    async (handler) => {
      Object.assign(globalThis, { orderSyncHandler: handler })
      return { port: await startApp(), close: async () => {} }
    }
  const startPages = createApp('pages')
  const startAppRouter = createApp('app')

  describeAdapter(`next ${version}, pages`, {
    differences,
    mounts: {
      'without its body parser': mainMount(serveOn(startPages)),
      'behind its body parser': parsedMount(serveOn(startPages), {
        path: '/api/parsed/sync',
        hints: ['In Next.js', '  export const config = { api: { bodyParser: false } }'],
      }),
    },
  })
  describeAdapter(`next ${version}, app`, { differences, mounts: { alone: mainMount(serveOn(startAppRouter)) } })

  describe(`next ${version}`, () => {
    test('bundles the package into a route', async () => {
      const onOrder = () => ({ orderId: 'A-1' })
      Object.assign(globalThis, { orderSyncOptions: { credentials: merchantCredentials(), now: () => NOW, onOrder } })
      const response = await sendRequest(await startAppRouter(), request({ path: '/bundled' }))
      expect(response).toMatchObject({ status: 200, headers: { signature: expect.stringContaining('RSA256') } })
    })
  })
}

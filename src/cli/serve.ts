import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import process from 'node:process'
import { parseArgs } from 'node:util'
import { createOrderSyncHandler, ORDER_SYNC_PATH, type OrderSyncHandler } from 'alipayhk-order-sync'
import { toNodeListener } from 'alipayhk-order-sync/node'
import { noPositionals, UsageError, wholeNumber } from './arguments.ts'
import { IDENTITY_HELP, IDENTITY_OPTIONS, readCredentials } from './identity.ts'
import { print, printJson } from './output.ts'
import { DEFAULT_STORE, openStore, STORE_HELP } from './store.ts'

export const help = `alipayhk-order-sync serve --client-id ID --private-key FILE --peer-public-key FILE [OPTIONS]

Receives orders, and prints one line of JSON for each that is new, and for every other outcome. SIGTERM and SIGINT end
it, once what is under way is answered.

${IDENTITY_HELP}
  --port N                   0 picks a free one (3000)
  --host H                   (127.0.0.1)
  --path PATH                (${ORDER_SYNC_PATH})
${STORE_HELP}
  --clock-tolerance SECONDS  how far a Request-Time may be from our clock (300)`

export async function run(args: string[]): Promise<void> {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: {
      ...IDENTITY_OPTIONS,
      port: { type: 'string', default: '3000' },
      host: { type: 'string', default: '127.0.0.1' },
      path: { type: 'string', default: ORDER_SYNC_PATH },
      store: { type: 'string', default: DEFAULT_STORE },
      'clock-tolerance': { type: 'string', default: '300' },
    },
  })
  noPositionals(positionals)
  const port = wholeNumber('--port', values.port, { max: 65_535 })
  const path = parsePath(values.path)
  const clockToleranceSeconds = wholeNumber('--clock-tolerance', values['clock-tolerance'], { min: 1, max: 86_400 })
  const credentials = await readCredentials(values)
  const { store, close } = await openStore(values.store)
  const handler = createOrderSyncHandler({
    credentials,
    store,
    clockToleranceSeconds,
    async onOrder(order) {
      const orderId = randomBytes(16).toString('hex')
      // Waited for: an order that nobody was told of is not processed, and comes again.
      await printJson({ event: 'order', order, orderId })
      return { orderId }
    },
    onEvent({ kind, ...known }) {
      // Its line has been printed, by onOrder.
      if (kind !== 'processed') printJson({ event: kind, ...known }).catch(() => {})
    },
  })
  const server = createPathServer(handler, path)
  // Listened for before anyone can know that we are up.
  const stop = stopRequest()
  try {
    server.listen(port, values.host)
    await once(server, 'listening')
    await print(`listening on ${urlOf(server, values.host)}${path}`)
    const failure = await stop
    await drain(server, handler)
    if (failure !== undefined) throw failure
  } finally {
    await close()
  }
}

function parsePath(path: string): string {
  if (/[?#\s]/.test(path)) throw new UsageError('--path must be a path alone, without query string or white space.')
  return path.startsWith('/') ? path : `/${path}`
}

function createPathServer(handler: OrderSyncHandler, path: string): Server {
  const listener = toNodeListener(handler)
  const server = createServer((request, response) => {
    // While draining, nobody else closes the connection of a request that was under way.
    response.once('finish', () => server.listening || server.closeIdleConnections())
    if (request.url?.split('?')[0] === path) listener(request, response)
    else response.writeHead(404, { 'Content-Type': 'text/plain; charset=UTF-8' }).end('Not found\n')
  })
  return server
}

function urlOf(server: Server, host: string): string {
  const { port } = server.address() as AddressInfo
  return `http://${host.includes(':') ? `[${host}]` : host}:${port}`
}

/** Resolves on the first signal, a second one then kills; or with an error, when nobody reads what we print any more. */
function stopRequest(): Promise<Error | undefined> {
  return new Promise((resolve) => {
    for (const signal of ['SIGTERM', 'SIGINT']) process.once(signal, () => resolve(undefined))
    process.stdout.once('error', () => resolve(new UsageError('Standard output was closed.')))
  })
}

/** How long a peer may take to end its request, in milliseconds. */
const GRACE = 5_000

async function drain(server: Server, handler: OrderSyncHandler): Promise<void> {
  const closed = once(server, 'close')
  server.close()
  server.closeIdleConnections()
  setTimeout(() => server.closeAllConnections(), GRACE).unref()
  await closed
  await handler.drain()
}

import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import process from 'node:process'
import { parseArgs } from 'node:util'
import { createOrderSyncHandler, ORDER_SYNC_PATH, type OrderSyncHandler } from 'alipayhk-order-sync'
import { toNodeListener } from 'alipayhk-order-sync/node'
import { assertNoPositionals, parseWholeNumber, UsageError } from './arguments.ts'
import { IDENTITY_HELP, IDENTITY_OPTIONS, readCredentials } from './identity.ts'
import { DEFAULT_STORE, errorCodeOf, openStore, STORE_HELP } from './open-store.ts'
import { isOutputBlocked, print, printJson } from './output.ts'

export const help = `alipayhk-order-sync serve --client-id ID --private-key FILE --peer-public-key FILE [OPTIONS]

Receives orders, and prints one line of JSON for each new order and for every other outcome. On SIGTERM or SIGINT it
completes the requests in progress, and exits.

${IDENTITY_HELP}
  --port N                   0 selects a free port (3000)
  --host H                   the address to listen on (127.0.0.1)
  --path PATH                the path of the API (${ORDER_SYNC_PATH})
${STORE_HELP}
  --clock-tolerance SECONDS  how much a Request-Time may differ from our clock (300)`

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
  assertNoPositionals(positionals)
  const port = parseWholeNumber('--port', values.port, { max: 65_535 })
  const path = parsePath(values.path)
  const clockToleranceSeconds = parseWholeNumber('--clock-tolerance', values['clock-tolerance'], {
    min: 1,
    max: 86_400,
  })
  const credentials = await readCredentials(values)
  const { store, migrate, close } = await openStore(values.store)
  await migrate().catch(async (error: unknown) => {
    await close()
    throw new UsageError(`--store: the tables cannot be created (${errorCodeOf(error)}).`)
  })
  const handler = createOrderSyncHandler({
    credentials,
    store,
    clockToleranceSeconds,
    async onOrder(order) {
      const orderId = randomBytes(16).toString('hex')
      // Await the line: if it cannot be printed, the order fails and the peer retries.
      await printJson({ event: 'order', order, orderId })
      return { orderId }
    },
    onEvent({ kind, ...details }) {
      // onOrder has already printed the line of a processed order.
      if (kind !== 'processed') printJson({ event: kind, ...details }).catch(() => {})
    },
  })
  const server = createPathServer(handler, path)
  // Listen for signals before the server accepts requests.
  const stopped = waitForStop()
  try {
    server.listen(port, values.host)
    await once(server, 'listening')
    await print(`listening on ${urlOf(server, values.host)}${path}`)
    const failure = await stopped
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
    // close() leaves a connection open that is busy with a request. Close it after the response, or drain() waits.
    response.once('finish', () => server.listening || server.closeIdleConnections())
    if (request.url?.split('?')[0] !== path) respondText(response, 404, 'Not found')
    // An order whose line cannot be printed would not be processed: the peer retries later.
    else if (isOutputBlocked()) respondText(response, 503, 'Nobody reads the output of this process')
    else listener(request, response)
  })
  return server
}

function respondText(response: ServerResponse, status: number, text: string): void {
  response.writeHead(status, { 'Content-Type': 'text/plain; charset=UTF-8', Connection: 'close' }).end(`${text}\n`)
}

function urlOf(server: Server, host: string): string {
  const { port } = server.address() as AddressInfo
  return `http://${host.includes(':') ? `[${host}]` : host}:${port}`
}

/**
 * Resolves on the first signal, and leaves the second one to Node, which kills the process. Resolves with an error
 * when the reader closes standard output.
 */
function waitForStop(): Promise<Error | undefined> {
  return new Promise((resolve) => {
    for (const signal of ['SIGTERM', 'SIGINT']) process.once(signal, () => resolve(undefined))
    process.stdout.once('error', () => resolve(new UsageError('Standard output was closed.')))
  })
}

/** The time in which a peer must complete its request after a signal. */
const DRAIN_TIMEOUT_MS = 5_000

async function drain(server: Server, handler: OrderSyncHandler): Promise<void> {
  const closed = once(server, 'close')
  server.close()
  server.closeIdleConnections()
  setTimeout(() => server.closeAllConnections(), DRAIN_TIMEOUT_MS).unref()
  await closed
  await handler.drain()
}

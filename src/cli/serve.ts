import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import { createOrderSyncHandler, ORDER_SYNC_PATH, type OrderSyncHandler } from 'alipayhk-order-sync'
import { toNodeListener } from 'alipayhk-order-sync/node'
import { defineCommand } from './command.ts'
import { CONSOLE_OPTIONS, CONSOLE_RECORD, startConsole } from './console.ts'
import { ENCRYPTION_OPTIONS, encryptionOf } from './encryption.ts'
import { IDENTITY_OPTIONS, readCredentials } from './identity.ts'
import { errorCodeOf, openStoreOrMemory, STORES } from './open-store.ts'
import { flag, namedText, oneOf, optional, text, type ValuesOf, wholeNumber, withDefault } from './option.ts'
import { isOutputBlocked, print, printJson } from './output.ts'
import { listenOn, respondText, waitForStop } from './server.ts'
import { UsageError } from './usage-error.ts'

const OPTIONS = {
  ...IDENTITY_OPTIONS,
  port: withDefault('3000', wholeNumber('N', '0 selects a free port', { max: 65_535 })),
  host: withDefault('127.0.0.1', text('H', 'the address to listen on')),
  path: withDefault(ORDER_SYNC_PATH, { placeholder: 'PATH', help: 'the path of the API', parse: parsePath }),
  'signed-path': optional(text('PATH', 'the path that the sender signs, if a proxy rewrites it')),
  store: optional(namedText('STORE', `${STORES} (default: sqlite:./order-sync.db)`)),
  'clock-tolerance': withDefault(
    '300',
    wholeNumber('SECONDS', 'how much a Request-Time may differ from the local clock', { min: 1, max: 86_400 }),
  ),
  'tolerant-status': flag('respond with HTTP 200 to every request, even a rejected one'),
  'allow-fractions': flag('accept fractions, such as 1.5, in extInfo'),
  'compare-modify-time-with': withDefault(
    'orderModifyTime',
    oneOf(['orderModifyTime', 'processedAt'], 'how to decide whether an event is older than a processed one'),
  ),
  'max-body-bytes': withDefault(
    '1048576',
    wholeNumber('N', 'the largest accepted body, in bytes', { min: 1, max: 67_108_864 }),
  ),
  ...ENCRYPTION_OPTIONS,
  ...CONSOLE_OPTIONS,
  ...CONSOLE_RECORD,
}

const IDENTITY = '--client-id ID --private-key merchant/private.pem --peer-public-key alipayhk/public.pem'

export const serve = defineCommand(
  {
    name: 'serve',
    summary: 'receive orders and print each as a line of JSON',
    description:
      'Receives orders, and prints one line of JSON for each new order and for every other outcome. On SIGTERM or SIGINT it completes the requests in progress, and exits.',
    options: OPTIONS,
    examples: [
      { does: 'listen on port 3000', line: `npx alipayhk-order-sync serve ${IDENTITY}` },
      {
        does: 'listen on a free port, keep orders in memory, and show new orders only',
        line: `npx alipayhk-order-sync serve --port 0 --store memory ${IDENTITY} | grep '"event":"order"'`,
      },
      {
        does: 'show received orders in a browser, and send orders from there',
        line: `npx alipayhk-order-sync serve --console --peer-private-key alipayhk/private.pem ${IDENTITY}`,
      },
    ],
  },
  async ({ values }) => {
    await listen(values)
    return 0
  },
)

async function listen(values: ValuesOf<typeof OPTIONS>): Promise<void> {
  const { path, port, host } = values
  const credentials = await readCredentials(values)
  const { store, migrate, close } = await openStoreOrMemory(values.store)
  await migrate().catch(async (error: unknown) => {
    await close()
    throw new UsageError(`${values.store?.label ?? '--store'}: the tables cannot be created (${errorCodeOf(error)}).`)
  })
  const handler = createOrderSyncHandler({
    credentials,
    store,
    signedPath: values['signed-path'],
    clockToleranceSeconds: values['clock-tolerance'],
    alwaysStatus200: values['tolerant-status'],
    allowFractions: values['allow-fractions'],
    compareModifyTimeWith: values['compare-modify-time-with'],
    maxBodyBytes: values['max-body-bytes'],
    encryption: encryptionOf(values),
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
    await startConsole(values, { handler, credentials, record: values.record })
    await print(`listening on ${await listenOn(server, { port, host })}${path}`)
    const failure = await stopped
    await drain(server, handler)
    if (failure !== undefined) throw failure
  } finally {
    await close()
  }
}

function parsePath(path: string, label: string): string {
  if (/[?#\s]/.test(path)) throw new UsageError(`${label} must be a path alone, without query string or white space.`)
  return path.startsWith('/') ? path : `/${path}`
}

function createPathServer(handler: OrderSyncHandler, path: string): Server {
  const listener = toNodeListener(handler)
  const server = createServer((request, response) => {
    // close() leaves a connection open that is busy with a request. Close it after the response, or drain() waits.
    response.once('finish', () => server.listening || server.closeIdleConnections())
    if (request.url?.split('?')[0] !== path) respondText(response, 404, 'Not found')
    // An order whose line cannot be printed would not be processed: the peer retries later.
    else if (isOutputBlocked()) respondText(response, 503, 'The standard output of this process is not being read')
    else listener(request, response)
  })
  return server
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

import process from 'node:process'
import { buffer } from 'node:stream/consumers'
import {
  createOrderSyncClient,
  DeliveryError,
  ENVIRONMENTS,
  type Environment,
  ORDER_SYNC_PATH,
  type OrderInput,
  OrderRefusedError,
  type OrderSyncClient,
} from 'alipayhk-order-sync'
import { checkLines } from './bulk/check-lines.ts'
import { isJsonLines, validateOrder } from './bulk/order-line.ts'
import { sendLines } from './bulk/send-lines.ts'
import { defineCommand } from './command.ts'
import { ENCRYPTION_OPTIONS, encryptionOf } from './encryption.ts'
import { decodeText, readNamedFile } from './files.ts'
import { IDENTITY_OPTIONS, readCredentials } from './identity.ts'
import { file, flag, oneOf, optional, text, type ValuesOf, wholeNumber, withDefault } from './option.ts'
import { printJson, printToStderr } from './output.ts'
import { UsageError } from './usage-error.ts'

const OPTIONS = {
  url: optional(text('BASE', 'an origin, or a full URL')),
  environment: optional(oneOf(['testing', 'production'], 'a host of AlipayHK, instead of --url')),
  ...IDENTITY_OPTIONS,
  'allow-insecure-url': flag('allow an http URL to another machine'),
  encrypt: flag("encrypt the order with the peer's RSA key"),
  ...ENCRYPTION_OPTIONS,
  'signed-path': optional(text('PATH', 'the path to sign, if a proxy rewrites it')),
  'agent-token': optional(text('TOKEN', 'the value of the Agent-Token header')),
  'allow-fractions': flag('send fractions, such as 1.5, in extInfo'),
  'clock-tolerance': withDefault(
    '300',
    wholeNumber('SECONDS', 'how much a Response-Time may differ from the local clock', { min: 1, max: 86_400 }),
  ),
  timeout: withDefault('10000', wholeNumber('MS', 'the time limit of each attempt', { min: 1, max: 3_600_000 })),
  retries: withDefault('3', wholeNumber('N', 'retries after "try later" or no response', { max: 100 })),
  'dry-run': flag('validate, and send nothing'),
  jsonl: flag('the file has one order on each line: send them all'),
  concurrency: withDefault('10', wholeNumber('N', 'with --jsonl: orders in flight', { min: 1, max: 1_000 })),
  journal: optional(
    file('with --jsonl: records what was sent, so that the same command can continue after an interruption'),
  ),
  failures: optional(
    file('with --jsonl: receives the orders to send again (default: the name of the journal with .failures.jsonl)'),
  ),
  'stop-after': withDefault(
    '100',
    wholeNumber('N', 'with --jsonl: stop after N undelivered orders in a row; 0: never', { max: 1_000_000 }),
  ),
}

const IDENTITY = '--client-id ID --private-key alipayhk/private.pem --peer-public-key merchant/public.pem'

export const send = defineCommand(
  {
    name: 'send',
    summary: 'send one order, or a file of orders',
    description:
      'Sends the order in FILE, or from standard input (-), and prints the verified response as JSON. Adds requestId and merchantBizType if they are missing. Give --url or --environment.\n\nWith --jsonl, sends each line of FILE as an order, several at once, shows progress, and prints a summary as JSON. With --journal, run the same command again after an interruption: it continues, and skips the orders that have a known outcome.',
    options: OPTIONS,
    argument: {
      placeholder: 'FILE|-',
      whenMissing: 'The name of the order file is missing. Use - for standard input.',
      whenRepeated: 'Give one file. There is more than one argument.',
      completes: 'file',
    },
    exitStatuses: {
      1: 'the peer refused the order, or one of them',
      2: '"try later" or no response after all retries: the outcome is unknown',
      3: 'the response cannot be trusted',
      130: 'with --jsonl: stopped by SIGINT (Ctrl-C); 143 by SIGTERM',
    },
    examples: [
      {
        does: 'send an order to a handler on this machine',
        line: `npx alipayhk-order-sync send --url http://127.0.0.1:3000 ${IDENTITY} order.json`,
      },
      {
        does: "send an encrypted order from standard input to AlipayHK's test environment",
        line: `cat order.json | npx alipayhk-order-sync send --environment testing --encrypt ${IDENTITY} -`,
      },
      {
        does: 'send a file of orders, 20 at a time; after Ctrl-C, the same command continues',
        line: `npx alipayhk-order-sync send --jsonl orders.jsonl --concurrency 20 --journal orders.journal --environment testing ${IDENTITY}`,
      },
    ],
  },
  async ({ values, argument }) => {
    const client = await createClient(values)
    if (values.jsonl) return await sendFile(values, argument, client)
    for (const name of ['journal', 'failures'] as const) {
      if (values[name] !== undefined)
        throw new UsageError(`${values[name].label} is for --jsonl, a file of many orders.`)
    }
    await sendOrder(values, argument, client)
    return 0
  },
)

async function createClient(values: ValuesOf<typeof OPTIONS>): Promise<OrderSyncClient> {
  return createOrderSyncClient({
    ...destinationOf(values),
    allowInsecureUrl: values['allow-insecure-url'],
    credentials: await readCredentials(values),
    encrypt: values.encrypt,
    encryption: encryptionOf(values),
    signedPath: values['signed-path'],
    agentToken: values['agent-token'],
    allowFractions: values['allow-fractions'],
    clockToleranceSeconds: values['clock-tolerance'],
    timeoutMs: values.timeout,
    retries: values.retries,
  })
}

async function sendFile(values: ValuesOf<typeof OPTIONS>, orders: string, client: OrderSyncClient): Promise<number> {
  const allowFractions = values['allow-fractions']
  if (values['dry-run']) return await checkLines(orders, allowFractions)
  const journal = values.journal?.value
  const route = { clientId: values['client-id'], destination: describeDestination(values) }
  return await sendLines(client, route, {
    orders,
    journal,
    failures: values.failures?.value ?? (journal && `${journal}.failures.jsonl`),
    concurrency: values.concurrency,
    stopAfter: values['stop-after'],
    allowFractions,
  })
}

/** Without user, password and query string, which may be secret. */
function describeDestination(values: ValuesOf<typeof OPTIONS>): string {
  const { url, environment } = destinationOf(values)
  const { origin, pathname } = new URL(environment === undefined ? url : ENVIRONMENTS[environment])
  return `${origin}${pathname === '/' ? ORDER_SYNC_PATH : pathname}`
}

async function sendOrder(values: ValuesOf<typeof OPTIONS>, file: string, client: OrderSyncClient): Promise<void> {
  const order = await readOrder(file)
  if (values['dry-run']) {
    const checked = validateOrder(order, values['allow-fractions'])
    if ('issue' in checked) throw checked.issue
    return await printJson({ dryRun: true, valid: 1, invalid: 0 })
  }
  try {
    const { response, requestId, attempts, tracerId } = await client.syncOrder(order)
    const trace = tracerId === undefined ? '' : `, Tracer-Id ${JSON.stringify(tracerId)}`
    printToStderr(`Accepted at attempt ${attempts}, requestId ${requestId}${trace}.`)
    await printJson(response)
  } catch (error) {
    const hasResponse = error instanceof OrderRefusedError || error instanceof DeliveryError
    if (hasResponse && error.response !== undefined) await printJson(error.response)
    throw error
  }
}

type Destination =
  | { readonly url: string; readonly environment?: undefined }
  | { readonly environment: Environment; readonly url?: undefined }

function destinationOf({ url = '', environment }: Pick<ValuesOf<typeof OPTIONS>, 'url' | 'environment'>): Destination {
  if (url === '' && environment === undefined) {
    throw new UsageError('--url is missing. Give --url or --environment, or set ORDER_SYNC_URL.')
  }
  // A variable may set one of them. An order must not go to a host by mistake.
  if (url !== '' && environment !== undefined) {
    throw new UsageError('Both --url and --environment are given. Give one of them; check ORDER_SYNC_URL too.')
  }
  return environment === undefined ? { url } : { environment }
}

async function readOrder(file: string): Promise<OrderInput> {
  const bytes = file === '-' ? await buffer(process.stdin) : await readNamedFile({ label: 'The order', value: file })
  const text = decodeText(bytes)
  if (text === undefined) throw new UsageError('The order is not JSON: it is not UTF-8.')
  const value = parseJson(text)
  if (Array.isArray(value)) {
    throw new UsageError(
      'The order must be a JSON object. To send many orders, use --jsonl and a file with one order on each line.',
    )
  }
  if (typeof value !== 'object' || value === null) {
    throw new UsageError('The order must be a JSON object.')
  }
  // The client validates it, and names each invalid field.
  return value as OrderInput
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (error) {
    if (isJsonLines(text)) {
      throw new UsageError('This is a JSONL file: it has one order on each line. Give --jsonl to send them all.')
    }
    // Cut the message before the engine quotes the order.
    const [reason] = (error as Error).message.split(/,? ?(?:\.\.\.)?"/)
    throw new UsageError(`The order is not JSON: ${reason}.`)
  }
}

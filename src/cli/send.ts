import process from 'node:process'
import { buffer } from 'node:stream/consumers'
import { createOrderSyncClient, DeliveryError, type OrderInput, OrderRefusedError } from 'alipayhk-order-sync'
import { defineCommand } from './command.ts'
import { ENCRYPTION_OPTIONS, encryptionOf } from './encryption.ts'
import { decodeText, readNamedFile } from './files.ts'
import { IDENTITY_OPTIONS, readCredentials } from './identity.ts'
import { flag, oneOf, optional, text, type ValuesOf, wholeNumber, withDefault } from './option.ts'
import { printJson, printToStderr } from './output.ts'
import { UsageError } from './usage-error.ts'

const OPTIONS = {
  url: optional(text('BASE', 'an origin, or a full URL')),
  environment: optional(oneOf(['testing', 'production'], 'a host of AlipayHK, in place of --url')),
  ...IDENTITY_OPTIONS,
  'allow-insecure-url': flag('allow an http URL to another machine'),
  encrypt: flag("encrypt the order with the peer's RSA key"),
  ...ENCRYPTION_OPTIONS,
  'signed-path': optional(text('PATH', 'the path to sign, if a proxy rewrites it')),
  'agent-token': optional(text('TOKEN', 'the value of the Agent-Token header')),
  'allow-fractions': flag('send numbers in extInfo that are not safe integers'),
  'clock-tolerance': withDefault(
    '300',
    wholeNumber('SECONDS', 'how much a Response-Time may differ from our clock', { min: 1, max: 86_400 }),
  ),
  timeout: withDefault('10000', wholeNumber('MS', 'the time limit of each attempt', { min: 1, max: 3_600_000 })),
  retries: withDefault('3', wholeNumber('N', 'retries after "try later" or no response', { max: 100 })),
}

const IDENTITY = '--client-id ID --private-key alipayhk/private.pem --peer-public-key merchant/public.pem'

export const send = defineCommand(
  {
    name: 'send',
    summary: 'send one order',
    description:
      'Sends the order in FILE, or from standard input (-), and prints the verified response as JSON. Adds requestId and merchantBizType if they are missing. Give --url or --environment.',
    options: OPTIONS,
    argument: {
      placeholder: 'FILE|-',
      whenMissing: 'The file that holds the order is missing; - reads standard input.',
      whenRepeated: 'One file is sent at a time, and more than one argument was given.',
      completes: 'file',
    },
    exitStatuses: {
      1: 'the peer refused the order',
      2: '"try later" or no response after all retries: the outcome is unknown',
      3: 'the response cannot be trusted',
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
    ],
  },
  async ({ values, argument }) => {
    await sendOrder(values, argument)
    return 0
  },
)

async function sendOrder(values: ValuesOf<typeof OPTIONS>, file: string): Promise<void> {
  const client = createOrderSyncClient({
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
  const order = await readOrder(file)
  try {
    const { response, requestId, attempts, tracerId } = await client.syncOrder(order)
    const trace = tracerId === undefined ? '' : `, Tracer-Id ${JSON.stringify(tracerId)}`
    printToStderr(`Taken at attempt ${attempts}, requestId ${requestId}${trace}.`)
    await printJson(response)
  } catch (error) {
    const hasResponse = error instanceof OrderRefusedError || error instanceof DeliveryError
    if (hasResponse && error.response !== undefined) await printJson(error.response)
    throw error
  }
}

function destinationOf({ url, environment }: Pick<ValuesOf<typeof OPTIONS>, 'url' | 'environment'>) {
  if (!url && environment === undefined) {
    throw new UsageError('--url is missing. Give it, or set ORDER_SYNC_URL, or give --environment.')
  }
  // A variable may set one of them. An order must not go to a host by mistake.
  if (url && environment !== undefined) {
    throw new UsageError('Both --url and --environment are given. Give one of them; check ORDER_SYNC_URL too.')
  }
  return environment === undefined ? { url } : { environment }
}

async function readOrder(file: string): Promise<OrderInput> {
  const bytes = file === '-' ? await buffer(process.stdin) : await readNamedFile({ label: 'The order', value: file })
  const text = decodeText(bytes)
  if (text === undefined) throw new UsageError('The order is not JSON: it is not UTF-8.')
  const value = parseJson(text)
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new UsageError('The order must be a JSON object.')
  }
  // The client validates it, and names each invalid field.
  return value as OrderInput
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (error) {
    // Cut the message before the engine quotes the order.
    const [reason] = (error as Error).message.split(/,? ?(?:\.\.\.)?"/)
    throw new UsageError(`The order is not JSON: ${reason}.`)
  }
}

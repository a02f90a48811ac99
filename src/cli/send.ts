import process from 'node:process'
import { buffer } from 'node:stream/consumers'
import { parseArgs } from 'node:util'
import { createOrderSyncClient, DeliveryError, type OrderInput, OrderRefusedError } from 'alipayhk-order-sync'
import { parseWholeNumber, requireOption, UsageError } from './arguments.ts'
import { decodeText, readNamedFile } from './files.ts'
import { IDENTITY_HELP, IDENTITY_OPTIONS, readCredentials } from './identity.ts'
import { printJson, printToStderr } from './output.ts'

export const help = `alipayhk-order-sync send --url BASE --client-id ID --private-key FILE --peer-public-key FILE [OPTIONS] FILE|-

Sends the order in FILE, or from standard input (-), and prints the verified response as JSON. Adds requestId and
merchantBizType if they are missing.

  --url BASE                 an origin, or a full URL
${IDENTITY_HELP}
  --allow-insecure-url       allow an http URL to another machine
  --encrypt                  encrypt the order with the peer's RSA key
  --timeout MS               the time limit of each attempt (10000)
  --retries N                retries after "try later" or no response (3)

Exit status: 0 the peer accepted the order; 1 the peer refused it, or there is an error on this side; 2 "try later" or
no response after all retries; 3 the response cannot be trusted.`

export async function run(args: string[]): Promise<void> {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: {
      ...IDENTITY_OPTIONS,
      url: { type: 'string' },
      'allow-insecure-url': { type: 'boolean', default: false },
      encrypt: { type: 'boolean', default: false },
      timeout: { type: 'string', default: '10000' },
      retries: { type: 'string', default: '3' },
    },
  })
  const [file, ...others] = positionals
  if (file === undefined) throw new UsageError('The file that holds the order is missing; - reads standard input.')
  if (others.length > 0) throw new UsageError('One file is sent at a time, and more than one argument was given.')
  const client = createOrderSyncClient({
    url: requireOption('--url', values.url),
    allowInsecureUrl: values['allow-insecure-url'],
    credentials: await readCredentials(values),
    encrypt: values.encrypt,
    timeoutMs: parseWholeNumber('--timeout', values.timeout, { min: 1, max: 3_600_000 }),
    retries: parseWholeNumber('--retries', values.retries, { max: 100 }),
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

async function readOrder(file: string): Promise<OrderInput> {
  const bytes = file === '-' ? await buffer(process.stdin) : await readNamedFile('The order', file)
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

import process from 'node:process'
import { buffer } from 'node:stream/consumers'
import { parseArgs } from 'node:util'
import { createOrderSyncClient, DeliveryError, type OrderInput, RefusalError } from 'alipayhk-order-sync'
import { required, UsageError, wholeNumber } from './arguments.ts'
import { decodeText, readNamedFile } from './files.ts'
import { IDENTITY_HELP, IDENTITY_OPTIONS, readCredentials } from './identity.ts'
import { complain, printJson } from './output.ts'

export const help = `alipayhk-order-sync send --url BASE --client-id ID --private-key FILE --peer-public-key FILE [OPTIONS] FILE|-

Sends the order in FILE, or on standard input, and prints the verified answer as JSON. A missing requestId or
merchantBizType is filled in.

  --url BASE                 an origin, or a whole URL
${IDENTITY_HELP}
  --encrypt                  encrypt the order to the peer's RSA key
  --timeout MS               for each attempt (10000)
  --retries N                after "try later", or no answer (3)

Exit status: 0 the order was taken; 1 it was refused, or something is wrong on this side; 2 "try later", or no answer,
after all retries; 3 an answer came that cannot be trusted.`

export async function run(args: string[]): Promise<void> {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: {
      ...IDENTITY_OPTIONS,
      url: { type: 'string' },
      encrypt: { type: 'boolean', default: false },
      timeout: { type: 'string', default: '10000' },
      retries: { type: 'string', default: '3' },
    },
  })
  const [file, ...others] = positionals
  if (file === undefined) throw new UsageError('The file that holds the order is missing; - reads standard input.')
  if (others.length > 0) throw new UsageError('One file is sent at a time, and more than one argument was given.')
  const client = createOrderSyncClient({
    url: required('--url', values.url),
    credentials: await readCredentials(values),
    encrypt: values.encrypt,
    timeoutMs: wholeNumber('--timeout', values.timeout, { min: 1, max: 3_600_000 }),
    retries: wholeNumber('--retries', values.retries, { max: 100 }),
  })
  const order = await readOrder(file)
  try {
    const { reply, requestId, attempts, tracerId } = await client.syncOrder(order)
    const trace = tracerId === undefined ? '' : `, Tracer-Id ${JSON.stringify(tracerId)}`
    complain(`Taken at attempt ${attempts}, requestId ${requestId}${trace}.`)
    await printJson(reply)
  } catch (error) {
    const refused = error instanceof RefusalError || error instanceof DeliveryError
    if (refused && error.reply !== undefined) await printJson(error.reply)
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
  // The client finds out whether it is one, and says what is wrong.
  return value as OrderInput
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (error) {
    // Up to where the engine begins to quote the text.
    const [reason] = (error as Error).message.split(/,? ?(?:\.\.\.)?"/)
    throw new UsageError(`The order is not JSON: ${reason}.`)
  }
}

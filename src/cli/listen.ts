import { createServer, type IncomingMessage } from 'node:http'
import {
  type Credentials,
  createOrderSyncHandler,
  isOrderSyncError,
  memoryStore,
  verifyRequest,
} from 'alipayhk-order-sync'
import { defineCommand } from './command.ts'
import { CONSOLE_OPTIONS, startConsole } from './console.ts'
import { ENCRYPTION_OPTIONS, encryptionOf } from './encryption.ts'
import { IDENTITY_OPTIONS, readCredentials } from './identity.ts'
import { errorCodeOf } from './open-store.ts'
import { optional, required, text, type ValuesOf, wholeNumber, withDefault } from './option.ts'
import { print, printJson, printToStderr } from './output.ts'
import { createRecording, type RecordedMessage } from './recording.ts'
import { listenOn, respondText, waitForStop } from './server.ts'
import { UsageError } from './usage-error.ts'

export const RECORD = withDefault(
  './order-sync-messages.jsonl',
  text('FILE', 'the file of the messages; contains customer data, readable by you only'),
)

const OPTIONS = {
  forward: required({ ...text('URL', 'your application: an origin, or a full URL'), parse: parseForward }),
  ...IDENTITY_OPTIONS,
  record: RECORD,
  port: withDefault('3001', wholeNumber('N', '0 selects a free port', { max: 65_535 })),
  host: withDefault('127.0.0.1', text('H', 'the address to listen on')),
  'signed-path': optional(text('PATH', 'the path that the sender signs, if a proxy rewrites it')),
  timeout: withDefault('30000', wholeNumber('MS', 'the time limit of your application', { min: 1, max: 3_600_000 })),
  ...ENCRYPTION_OPTIONS,
  ...CONSOLE_OPTIONS,
}

type Values = ValuesOf<typeof OPTIONS>

const IDENTITY = '--client-id ID --private-key merchant/private.pem --peer-public-key alipayhk/public.pem'

export const listen = defineCommand(
  {
    name: 'listen',
    summary: 'record received requests, and forward them to your application',
    description:
      'Verifies each request, appends it to a file, forwards it unchanged to your application, and returns the response. Prints one line of JSON for each request. `replay` sends a recorded request again. For development.',
    options: OPTIONS,
    examples: [
      {
        does: 'record and forward',
        line: `npx alipayhk-order-sync listen --forward http://127.0.0.1:3000 ${IDENTITY}`,
      },
      {
        does: 'show received orders in a browser, with the reason for each rejection',
        line: `npx alipayhk-order-sync listen --console --forward http://127.0.0.1:3000 ${IDENTITY}`,
      },
    ],
  },
  async ({ values }) => {
    const credentials = await readCredentials(values)
    const record = createRecording(values.record)
    const look = createOnlooker(values, credentials)
    let count = 0
    const receive = async (incoming: IncomingMessage) => {
      const startedAt = Date.now()
      const received = await readMessage(incoming)
      const id = `${startedAt.toString(36)}-${++count}`
      const verdict = await verify(received, { values, credentials })
      const message = { id, receivedAt: new Date(startedAt).toISOString(), ...received, order: verdict.order }
      record(message)
      if (values.console) void look({ ...received, body: Buffer.from(received.bodyBase64, 'base64') })
      const response = await forward(message, values)
      const { order: _, ...shown } = verdict
      const durationMs = Date.now() - startedAt
      const line = { event: 'message', id, ...shown, status: response?.status ?? null, durationMs }
      await printJson(line).catch(() => {})
      return response
    }
    const server = createServer((incoming, outgoing) => {
      receive(incoming)
        .then((response) => {
          if (response === undefined) respondText(outgoing, 502, 'The application did not respond')
          else outgoing.writeHead(response.status, response.headers).end(response.body)
        })
        .catch(() => void outgoing.destroy())
    })
    const stopped = waitForStop()
    await startConsole(values, { handler: look, credentials, record: undefined })
    await print(`listening on ${await listenOn(server, values)}, forwarding to ${values.forward.origin}`)
    const failure = await stopped
    server.close()
    server.closeAllConnections()
    if (failure !== undefined) throw failure
    return 0
  },
)

/** A handler whose response is not sent: the console shows how this package evaluates a message. */
function createOnlooker(values: Values, credentials: Credentials) {
  return createOrderSyncHandler({
    credentials,
    store: memoryStore(),
    signedPath: values['signed-path'],
    maxBodyBytes: MAX_BODY_BYTES,
    encryption: encryptionOf(values),
    onOrder: () => ({ orderId: 'forwarded' }),
    onEvent: () => {},
  })
}

function parseForward(url: string, label: string): URL {
  if (URL.canParse(url)) {
    const { protocol, username, password } = new URL(url)
    if (/^https?:$/.test(protocol) && username === '' && password === '') return new URL(url)
  }
  throw new UsageError(`${label} must be an http or https URL without user name and password.`)
}

type Received = Pick<RecordedMessage, 'method' | 'path' | 'headers' | 'bodyBase64'>

/** Four times the default limit of `serve`. */
const MAX_BODY_BYTES = 4_194_304

async function readMessage(incoming: IncomingMessage): Promise<Received> {
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of incoming) {
    size += chunk.length
    if (size > MAX_BODY_BYTES) throw new Error('The body is too large')
    chunks.push(chunk)
  }
  const { method = '', url: path = '', headers } = incoming
  const texts = Object.entries(headers).map(([name, value]) => [name, [value].flat().join(', ')])
  return { method, path, headers: Object.fromEntries(texts), bodyBase64: Buffer.concat(chunks).toString('base64') }
}

interface Verdict {
  readonly verified: boolean
  readonly code?: string | undefined
  readonly message?: string | undefined
  readonly order?: object | undefined
}

async function verify(
  { method, path, headers, bodyBase64 }: Received,
  { values, credentials }: { values: Values; credentials: Awaited<ReturnType<typeof readCredentials>> },
): Promise<Verdict> {
  const request = { method, path, headers, body: Buffer.from(bodyBase64, 'base64') }
  const options = { credentials, signedPath: values['signed-path'], encryption: encryptionOf(values) }
  try {
    const { order } = await verifyRequest(request, options)
    return { verified: true, order }
  } catch (error) {
    const { code, message } = isOrderSyncError(error) ? error : { code: 'ERR_UNEXPECTED', message: String(error) }
    return { verified: false, code, message }
  }
}

/** Hop-by-hop headers, and those that fetch writes itself. */
const NOT_FORWARDED = new Set([
  ...['connection', 'content-length', 'expect', 'host', 'keep-alive', 'te', 'trailer', 'transfer-encoding', 'upgrade'],
  ...['proxy-authenticate', 'proxy-authorization', 'proxy-connection'],
])

const forwardable = (headers: Iterable<readonly [string, string]>) =>
  Object.fromEntries([...headers].filter(([name]) => !NOT_FORWARDED.has(name) && name !== 'content-encoding'))

/** The request-target may be `//host/path` or a whole URL. Only the host of --forward receives requests. */
function targetOf(path: string, base: URL): URL {
  if (base.pathname !== '/') return base
  const target = path.replace(/^https?:\/\/[^/?#]*/i, '')
  return new URL(base.origin + (target.startsWith('/') ? target : `/${target}`))
}

/** Sends the received bytes unchanged: the application verifies them itself. */
async function forward({ method, path, headers, bodyBase64 }: Received, { forward: base, timeout }: Values) {
  const url = targetOf(path, base)
  try {
    const response = await fetch(url, {
      method,
      headers: { ...forwardable(Object.entries(headers)), 'accept-encoding': 'identity' },
      ...(method !== 'GET' && method !== 'HEAD' && { body: Buffer.from(bodyBase64, 'base64') }),
      redirect: 'manual',
      signal: AbortSignal.timeout(timeout),
    })
    const body = Buffer.from(await response.arrayBuffer())
    return { status: response.status, headers: forwardable(response.headers), body }
  } catch (error) {
    // fetch only says "fetch failed": the reason is in the cause.
    printToStderr(`Your application at ${url.origin} did not respond: ${errorCodeOf((error as Error).cause ?? error)}.`)
    return undefined
  }
}

import { ConfigurationError, ProtocolError } from '../errors.ts'
import { parseCredentials } from '../secure-message/credentials.ts'
import { requireEncryptionKey } from '../secure-message/secure.ts'
import { requireHeader, verifyMessage } from '../secure-message/verify.ts'
import type { Order } from '../messages/order.ts'
import type { StandardSchema } from '../messages/standard-schema.ts'
import { validateExtInfo, validateOrder } from '../messages/validate.ts'
import { ORDER_SYNC_METHOD } from '../protocol/endpoint.ts'
import { collectHeaders } from '../protocol/headers.ts'
import { assertAnnouncedSize, readBody } from './body.ts'
import type { Stop } from './deadline.ts'
import { toDelivery } from './delivery.ts'
import type { Progress } from './event.ts'
import type { IncomingRequest } from './handler.ts'
import type { Settings } from './options.ts'
import type { Outcome } from './outcome.ts'
import { processOrder } from './process.ts'

/** A request that has come in, and what goes with it. */
interface Received {
  readonly request: IncomingRequest
  readonly progress: Progress
  readonly stop: Stop
  /** More requests are at work than `maxConcurrent`. */
  readonly crowded: boolean
}

/** Everything up to the outcome. What is thrown here ended the request before it was accepted. */
export async function receive<ExtInfo, Transaction>(
  { request, progress, stop, crowded }: Received,
  settings: Settings<ExtInfo, Transaction>,
): Promise<Outcome> {
  const headers = collectHeaders(request.headers)
  progress.headers = headers
  progress.path = signedPath(request, settings.signedPath)
  assertOneLine(progress)
  const given = settings.credentials
  const found = typeof given === 'function' ? await lookUp(headers.get('client-id'), given) : given
  // Asked again here, for a function that looks ids up without regard to case, or always finds the same tenant.
  const isCaller = found != null && found.clientId === headers.get('client-id')
  const credentials = isCaller ? parseCredentials(found) : undefined
  if (credentials !== undefined) progress.caller = credentials
  // Before anything that costs more than a look-up, and late enough to sign what is said.
  if (crowded) throw new ProtocolError('ERR_TRAFFIC', 'Too many requests are in progress.')
  if (request.method !== ORDER_SYNC_METHOD) {
    throw new ProtocolError('ERR_METHOD', `The method is not ${ORDER_SYNC_METHOD}.`)
  }
  requireHeader(headers, 'Client-Id')
  if (credentials === undefined) throw new ProtocolError('ERR_CLIENT_UNKNOWN', 'The Client-Id is not known here.')
  assertAnnouncedSize(headers.get('content-length'), settings.maxBodyBytes)
  const { method, path } = progress
  const arrived = { method, path, headers, timeHeader: 'Request-Time', body: readOnce } as const
  const scrutiny = { now: settings.now(), clockToleranceSeconds: settings.clockToleranceSeconds, json: settings.json }
  const { message, plaintext } = await verifyMessage(arrived, credentials, settings.envelope, scrutiny)
  const valid = validateOrder(message)
  const order = settings.extInfoSchema === undefined ? (valid as Order<ExtInfo>) : await narrowed(valid, settings.extInfoSchema)
  progress.order = order
  const encrypted = headers.has('encrypt')
  // Found out now rather than after the order has been processed.
  if (encrypted) requireEncryptionKey(credentials)
  const { clientId } = credentials
  const delivery = toDelivery(valid, clientId, plaintext)
  const context = { clientId, agentToken: headers.get('agent-token'), encrypted }
  return await processOrder({ order, delivery, context, stop }, settings)

  async function readOnce(): Promise<Uint8Array> {
    const { maxBodyBytes: maxBytes } = settings
    // A small body comes a turn later than its headers, whole: to wait for a stream would cost more than to parse it.
    await undefined
    const body = typeof request.body === 'function' ? request.body() : request.body
    progress.body = await readBody(body, { maxBytes, parsedBodyHint: request.parsedBodyHint, stop })
    return progress.body
  }
}

async function narrowed<ExtInfo>(order: Order, schema: StandardSchema<unknown, ExtInfo>): Promise<Order<ExtInfo>> {
  return { ...order, extInfo: await validateExtInfo(order.extInfo, schema) }
}

function signedPath(request: IncomingRequest, option: Settings<unknown, unknown>["signedPath"]): string {
  const path: unknown = typeof option === 'function' ? option(request) : (option ?? request.path)
  if (typeof path === 'string') return path
  throw new ConfigurationError(
    'ERR_PATH',
    'The path is not a string: "path" must be, or return, the request-target that the sender signs.',
  )
}

/** Made once: for Node 20 the build turns the second into a call of RegExp, wherever it stands. */
const CONTROL_OR_SPACE = /[\p{Cc}\s]/u
const CONTROL = /\p{Cc}/u

/** Before anything is signed: with a line break in its first line, an answer could be made to read as a message of ours. */
function assertOneLine({ method, path }: Progress): void {
  if ((method !== ORDER_SYNC_METHOD && CONTROL_OR_SPACE.test(method)) || CONTROL.test(path)) {
    throw new ProtocolError('ERR_HEADER_INVALID', 'The method or the path has characters that it cannot have.')
  }
}

async function lookUp<Found>(
  clientId: string | undefined,
  tenants: (clientId: string) => Promise<Found> | Found,
): Promise<Found | undefined> {
  return clientId === undefined || clientId === '' ? undefined : await tenants(clientId)
}

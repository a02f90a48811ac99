import { ConfigurationError, ProtocolError } from '../errors.ts'
import type { Order } from '../messages/order.ts'
import { validateExtInfo, validateOrder } from '../messages/validate.ts'
import { ORDER_SYNC_METHOD } from '../protocol/endpoint.ts'
import { collectHeaders, requireHeader } from '../protocol/headers.ts'
import {
  type Credentials,
  type ParsedCredentials,
  parseCredentials,
  requireEncryptionKey,
} from '../secure-message/credentials.ts'
import { parseFreshHead, type VerifiedMessage, verifyMessage } from '../secure-message/verify.ts'
import type { RequestAbort } from './abort.ts'
import { assertContentLength, readBody } from './body.ts'
import type { Ended } from './event.ts'
import type { IncomingRequest } from './http.ts'
import type { HandlerSettings } from './options.ts'
import { toOutcome } from './outcome.ts'
import { type Recipient, STRANGER } from './respond.ts'

/** A request whose headers are read and whose caller is looked up. Nothing is verified yet. */
export interface Identified {
  readonly kind: 'identified'
  readonly method: string
  /** The path that the signature is verified for. */
  readonly path: string
  /** By lower-case name. */
  readonly headers: ReadonlyMap<string, string>
  readonly recipient: Recipient
}

/** A request whose order is verified and valid. */
export interface Accepted<ExtInfo> {
  readonly kind: 'accepted'
  readonly recipient: Recipient
  readonly order: Order<ExtInfo>
  /** The decrypted message: its digest tells one body from another. */
  readonly plaintext: Uint8Array
  readonly clientId: string
  readonly agentToken: string | undefined
  readonly encrypted: boolean
}

/** Step 1: reads the headers and looks the caller up. */
export async function identify<ExtInfo, Transaction>(
  request: IncomingRequest,
  settings: HandlerSettings<ExtInfo, Transaction>,
): Promise<Identified | Ended> {
  try {
    const { method } = request
    const headers = collectHeaders(request.headers)
    const path = resolveSignedPath(request, settings.signedPath)
    assertOneLine(method, path)
    const clientId = headers.get('client-id')
    const found = await findCredentials(clientId, settings.credentials)
    // Compared here as well: a look-up may ignore case, or always return the same tenant.
    const credentials = found != null && found.clientId === clientId ? parseCredentials(found) : undefined
    const isEncrypted = headers.has('encrypt')
    const recipient: Recipient = credentials ? { kind: 'client', credentials, method, path, isEncrypted } : STRANGER
    return { kind: 'identified', method, path, headers, recipient }
  } catch (error) {
    return endWith(error, STRANGER)
  }
}

/** Step 2: reads the body, verifies, decrypts and validates it. */
export async function accept<ExtInfo, Transaction>(
  identified: Identified,
  { request, abort, isCrowded }: { request: IncomingRequest; abort: RequestAbort; isCrowded: boolean },
  settings: HandlerSettings<ExtInfo, Transaction>,
): Promise<Accepted<ExtInfo> | Ended> {
  const { method, path, headers, recipient } = identified
  try {
    // After the credentials look-up, so that the response can be signed, and before any expensive step.
    if (isCrowded) throw new ProtocolError('ERR_TRAFFIC', 'Too many requests are in progress.')
    const credentials = assertKnownClient(identified)
    assertContentLength(headers.get('content-length'), settings.maxBodyBytes)
    const { clockToleranceSeconds, maxBodyBytes: maxBytes } = settings
    const head = parseFreshHead(headers, 'request', { now: settings.now(), clockToleranceSeconds })
    const { parsedBodyHint } = request
    const body = await readBody(request.body, { maxBytes, parsedBodyHint, signal: abort.signal })
    const message = { method, path, head, body }
    return await verifyMessage(message, credentials, settings).then(
      (verified) => validate(verified, identified, credentials, settings),
      (error) => ({ ...endWith(error, recipient), unverified: { message, headers } }),
    )
  } catch (error) {
    return endWith(error, recipient)
  }
}

function assertKnownClient({ method, headers, recipient }: Identified): ParsedCredentials {
  if (method !== ORDER_SYNC_METHOD) throw new ProtocolError('ERR_METHOD', `The method is not ${ORDER_SYNC_METHOD}.`)
  requireHeader(headers, 'Client-Id')
  if (recipient.kind === 'client') return recipient.credentials
  throw new ProtocolError('ERR_CLIENT_UNKNOWN', 'The Client-Id is not known here.')
}

async function validate<ExtInfo, Transaction>(
  { value, plaintext }: VerifiedMessage,
  { headers, recipient }: Identified,
  credentials: ParsedCredentials,
  { extInfoSchema }: HandlerSettings<ExtInfo, Transaction>,
): Promise<Accepted<ExtInfo>> {
  const encrypted = headers.has('encrypt')
  // The response must be encrypted too. Check the key for it now, not after the order was processed.
  if (encrypted) requireEncryptionKey(credentials)
  const order = validateOrder(value)
  const extInfo = await validateExtInfo(order.extInfo, extInfoSchema)
  const { clientId } = credentials
  const agentToken = headers.get('agent-token')
  return { kind: 'accepted', recipient, order: { ...order, extInfo }, plaintext, clientId, agentToken, encrypted }
}

function endWith(error: unknown, recipient: Recipient): Ended {
  return { kind: 'ended', outcome: toOutcome(error), recipient }
}

function resolveSignedPath(request: IncomingRequest, option: HandlerSettings<unknown, unknown>['signedPath']): string {
  const path: unknown = typeof option === 'function' ? option(request) : (option ?? request.path)
  if (typeof path === 'string') return path
  throw new ConfigurationError(
    'ERR_PATH',
    'The path is not a string: "signedPath" must be, or return, the request-target that the sender signs.',
  )
}

/** A line break in the first signed line would let a response be read as another message of ours. */
function assertOneLine(method: string, path: string): void {
  if (/[\p{Cc}\s]/u.test(method) || /\p{Cc}/u.test(path)) {
    throw new ProtocolError('ERR_HEADER_INVALID', 'The method or the path has characters that it cannot have.')
  }
}

async function findCredentials(
  clientId: string | undefined,
  credentials: Credentials | ((clientId: string) => Credentials | undefined | Promise<Credentials | undefined>),
): Promise<Credentials | undefined> {
  if (typeof credentials !== 'function') return credentials
  return clientId === undefined || clientId === '' ? undefined : await credentials(clientId)
}

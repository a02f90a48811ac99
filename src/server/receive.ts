import { ConfigurationError, describeKind, isOrderSyncError, ProtocolError } from '../errors.ts'
import type { Order } from '../messages/order.ts'
import type { StandardSchema } from '../messages/standard-schema.ts'
import { validateExtInfo, validateOrder } from '../messages/validate.ts'
import { ORDER_SYNC_METHOD } from '../protocol/endpoint.ts'
import { collectHeaders, requireHeader } from '../protocol/headers.ts'
import { canonicalJson, parseLoosely } from '../protocol/json.ts'
import {
  findDecryptionKey,
  isClientId,
  type ParsedCredentials,
  parseCredentials,
  requireEncryptionKey,
} from '../secure-message/credentials.ts'
import { assertPeerKeysNotOwn } from '../secure-message/own-key.ts'
import {
  assertSigned,
  type DecryptedMessage,
  decryptMessage,
  parseFreshHead,
  parseMessage,
  type ReceivedMessage,
  type VerifiedMessage,
} from '../secure-message/verify.ts'
import type { RequestAbort } from './abort.ts'
import type { BodyPlace } from './body-gate.ts'
import type { EncryptMemory } from './encrypt-memory.ts'
import { isOwnSideError, lookupThrew, optionThrew, signerThrew } from './failures.ts'
import type { IncomingRequest } from './http.ts'
import type { HandlerSettings } from './options.ts'
import { orderKey } from './order-key.ts'
import { toOutcome } from './outcome.ts'
import type { Ended } from './report.ts'
import { type Recipient, STRANGER } from './respond.ts'
import { noteIdentity, type RequestTrace } from './trace.ts'

/** A request whose caller is looked up. Its body may still be arriving. */
interface Identified {
  readonly kind: 'identified'
  readonly credentials: ParsedCredentials
  readonly method: string
  /** The path that the signature is verified for. */
  readonly path: string
  /** By lower-case name. */
  readonly headers: ReadonlyMap<string, string>
  readonly place: BodyPlace
}

/** A request whose headers are checked and whose body has arrived. Nothing is verified yet. */
export interface Received {
  readonly kind: 'received'
  readonly credentials: ParsedCredentials
  readonly message: ReceivedMessage
  readonly headers: ReadonlyMap<string, string>
}

/** A message whose signature is verified and whose JSON is parsed. From here on, the response is signed. */
interface Verified {
  readonly kind: 'verified'
  readonly recipient: Recipient
  readonly value: unknown
}

/** A request whose order is verified and valid. */
export interface Accepted<ExtInfo> {
  readonly kind: 'accepted'
  readonly credentials: ParsedCredentials
  readonly recipient: Recipient
  readonly order: Order<ExtInfo>
  /** The key of the order in the store. */
  readonly orderKey: string
  /** The message as canonical JSON, without `requestId` and `orderModifyTime`: its digest tells one content from another. */
  readonly content: string
  readonly agentToken: string | undefined
  readonly encrypted: boolean
}

type Settings = Pick<
  HandlerSettings<unknown, unknown>,
  'credentials' | 'signedPath' | 'clockToleranceSeconds' | 'now' | 'timeoutMs' | 'json' | 'encryption' | 'maxFutureMs'
>

/** What {@link receive} needs besides the options. */
interface ReceiveContext {
  readonly abort: RequestAbort
  readonly trace: RequestTrace
  /** Takes over the `Tracer-Id` of the request. */
  readonly adoptTracerId: (tracerId: string | undefined) => void
  /** Takes a place for a body that arrives. */
  readonly enter: (contentLength: string | undefined) => BodyPlace
}

/** Step 1: checks the headers, looks the caller up and reads the body. */
export async function receive(
  request: IncomingRequest,
  context: ReceiveContext,
  settings: Settings,
): Promise<Received | Ended> {
  const identified = await identify(request, context, settings)
  return identified.kind === 'ended' ? identified : await readMessage(identified, request, context, settings)
}

async function identify(
  request: IncomingRequest,
  { abort, trace, adoptTracerId, enter }: ReceiveContext,
  settings: Settings,
): Promise<Identified | Ended> {
  try {
    const method = requireMethod(request)
    const headers = collectHeaders(request.headers)
    adoptTracerId(headers.get('tracer-id'))
    const path = resolveSignedPath(request, settings.signedPath)
    assertOneLine(method, path)
    if (method !== ORDER_SYNC_METHOD) throw new ProtocolError('ERR_METHOD', `The method is not ${ORDER_SYNC_METHOD}.`)
    const clientId = requireClientId(headers)
    // Before the look-up: a stranger must not be able to start more of them than there are places.
    const place = enter(headers.get('content-length'))
    try {
      trace.waiting = 'lookup'
      const credentials = await findCredentials(clientId, { abort, trace }, settings)
      return { kind: 'identified', credentials, method, path, headers, place }
    } catch (error) {
      place.leave()
      throw error
    }
  } catch (error) {
    return endUnverified(error)
  }
}

async function readMessage(
  { credentials, method, path, headers, place }: Identified,
  request: IncomingRequest,
  { abort, trace }: ReceiveContext,
  { now, clockToleranceSeconds }: Settings,
): Promise<Received | Ended> {
  try {
    // Inside the `try`: the body may be a getter that throws.
    const { body: given } = request
    const head = parseFreshHead(headers, 'request', { now: now(), clockToleranceSeconds })
    trace.encrypted = head.encrypt !== undefined
    const keyVersion = credentials.peerPublicKeys.get(head.signature.keyVersion)?.version ?? head.signature.keyVersion
    if (keyVersion !== undefined) trace.keyVersion = keyVersion
    trace.waiting = 'body'
    const options = {
      connection: abort.connection,
      // A getter, because that of an adapter has a cost.
      get parsedBodyHint() {
        return request.parsedBodyHint
      },
    }
    const body = await abort.beforeTimeout(place.read(given, options))
    return { kind: 'received', credentials, headers, message: { method, path, head, body } }
  } catch (error) {
    return endUnverified(error, credentials)
  } finally {
    place.leave()
  }
}

/** What {@link accept} needs besides the options: the abort of the request, and what the handler remembers of others. */
interface AcceptContext {
  readonly abort: RequestAbort
  readonly trace: RequestTrace
  readonly encryptMemory: EncryptMemory
  readonly warnOfSeconds: ReturnType<typeof createSecondsWarning>
}

/** Step 2: verifies the signature, and only then decrypts, parses and validates the message. */
export async function accept<ExtInfo>(
  received: Received,
  { abort, trace, encryptMemory, warnOfSeconds }: AcceptContext,
  settings: Settings,
  extInfoSchema: StandardSchema<unknown, ExtInfo> | undefined,
): Promise<Accepted<ExtInfo> | Ended> {
  const { message, headers, credentials } = received
  trace.waiting = 'verification'
  try {
    // Half of the time: a signer that does not respond must not use up the time of the order.
    await assertPeerKeysNotOwn(credentials, { timeoutMs: settings.timeoutMs / 2 })
    await assertSigned(message, credentials)
    encryptMemory.assertUnchanged(message, credentials.clientId, settings.now())
  } catch (error) {
    return { ...endUnverified(error, credentials), unverified: { message, headers } }
  }
  try {
    // Bounded: a remote signer, or a schema, may never settle.
    const accepted = await abort.beforeTimeout(openAndValidate(received, trace, settings, extInfoSchema))
    if (accepted.kind === 'accepted') warnOfSeconds(accepted.order)
    return accepted
  } catch (error) {
    return endUnverified(error, credentials)
  }
}

async function openAndValidate<ExtInfo>(
  received: Received,
  trace: RequestTrace,
  settings: Settings,
  extInfoSchema: StandardSchema<unknown, ExtInfo> | undefined,
): Promise<Accepted<ExtInfo> | Ended> {
  const verified = await open(received, trace, settings)
  return verified.kind === 'ended' ? verified : await validate(received, verified, trace, settings, extInfoSchema)
}

async function open(
  { message, credentials }: Received,
  trace: RequestTrace,
  settings: Settings,
): Promise<Verified | Ended> {
  const { method, path, head } = message
  const isEncrypted = head.encrypt !== undefined
  const recipient: Recipient = { kind: 'client', credentials, method, path, isEncrypted }
  try {
    // The response must be encrypted too. Check the key for it now, not after the order was processed.
    if (isEncrypted) requireEncryptionKey(credentials)
    const decrypted = await decrypt(message, credentials, trace, settings)
    const { value, aesBits } = parseAndNote(decrypted, trace, settings)
    return { kind: 'verified', value, recipient: aesBits === undefined ? recipient : { ...recipient, aesBits } }
  } catch (error) {
    return endVerified(error, credentials, recipient)
  }
}

async function decrypt(
  message: ReceivedMessage,
  credentials: ParsedCredentials,
  trace: RequestTrace,
  { encryption }: Settings,
): Promise<DecryptedMessage> {
  const { encrypt } = message.head
  const isRemote = encrypt !== undefined && findDecryptionKey(credentials, encrypt.keyVersion).key.isRemote
  trace.waiting = isRemote ? 'signerDecryption' : 'decryption'
  try {
    return await decryptMessage(message, credentials, encryption)
  } catch (error) {
    throw isRemote && !isOrderSyncError(error) ? signerThrew('decrypt', error) : error
  }
}

/** Also notes how the order is identified when the JSON breaks a rule: the rejection is final, and somebody must find the order. */
function parseAndNote(decrypted: DecryptedMessage, trace: RequestTrace, { json }: Settings): VerifiedMessage {
  try {
    const parsed = parseMessage(decrypted, json)
    noteIdentity(trace, parsed.value)
    return parsed
  } catch (error) {
    noteIdentity(trace, parseLoosely(decrypted.plaintext, json)?.value)
    throw error
  }
}

async function validate<ExtInfo>(
  { message, headers, credentials }: Received,
  { value, recipient }: Verified,
  trace: RequestTrace,
  settings: Settings,
  extInfoSchema: StandardSchema<unknown, ExtInfo> | undefined,
): Promise<Accepted<ExtInfo> | Ended> {
  try {
    const valid = validateOrder(value)
    assertNotInFuture(valid, settings)
    trace.waiting = 'extInfoSchema'
    const extInfo = await validateExtInfo(valid.extInfo, extInfoSchema).catch((error: unknown) => {
      throw isOrderSyncError(error) ? error : optionThrew('extInfoSchema', error)
    })
    const order = { ...valid, extInfo }
    const key = orderKey({ ...valid, clientId: credentials.clientId })
    trace.order = order
    trace.orderKey = key
    const { requestId, orderModifyTime, ...content } = valid
    return {
      kind: 'accepted',
      credentials,
      recipient,
      order,
      orderKey: key,
      content: canonicalJson(content),
      agentToken: headers.get('agent-token'),
      encrypted: message.head.encrypt !== undefined,
    }
  } catch (error) {
    return endVerified(error, credentials, recipient)
  }
}

/** The end of a request that is not verified: its response is not signed. */
function endUnverified(error: unknown, credentials?: ParsedCredentials): Ended {
  return { kind: 'ended', outcome: toOutcome(error), recipient: STRANGER, ...(credentials && { credentials }) }
}

/** The end of a verified request. Its response is signed, unless the failure is ours and nothing was decided. */
function endVerified(error: unknown, credentials: ParsedCredentials, recipient: Recipient): Ended {
  const outcome = toOutcome(error)
  return { kind: 'ended', outcome, recipient: outcome.kind === 'unavailable' ? STRANGER : recipient, credentials }
}

/** Callers without types pass anything. A missing method is a fault of the mounting, not of the message. */
function requireMethod(request: { readonly method?: unknown } | null | undefined): string {
  const method = request?.method
  if (typeof method === 'string') return method
  const what =
    typeof request === 'object' && request !== null
      ? `"method" is ${describeKind(method)}`
      : `The request is ${describeKind(request)}`
  throw new ConfigurationError(
    'ERR_REQUEST',
    `${what}. Give the handler { method, path, headers, body }, or use the adapter of your framework.`,
  )
}

function resolveSignedPath(request: IncomingRequest, option: Settings['signedPath']): string {
  const path: unknown =
    typeof option === 'function' ? callSignedPath(option, request) : (option ?? toOriginForm(request.path))
  if (typeof path === 'string') return path
  throw new ConfigurationError(
    'ERR_PATH',
    'The path is not a string: "signedPath" must be, or return, the request-target that the sender signs.',
  )
}

function callSignedPath(signedPath: (request: IncomingRequest) => string, request: IncomingRequest): unknown {
  try {
    return signedPath(request)
  } catch (error) {
    throw optionThrew('signedPath', error)
  }
}

/** The path and query of a request-target in absolute form, `https://host/path`: senders sign the path alone. */
function toOriginForm(target: unknown): unknown {
  if (typeof target !== 'string') return target
  const [, rest] = /^https?:\/\/[^/?#]*(.*)$/i.exec(target) ?? []
  if (rest === undefined) return target
  return rest.startsWith('/') ? rest : `/${rest}`
}

/** A line break in the first signed line would let a response be read as another message of ours. */
function assertOneLine(method: string, path: string): void {
  if (/[\p{Cc}\s]/u.test(method) || /\p{Cc}/u.test(path)) {
    throw new ProtocolError('ERR_HEADER_INVALID', 'The method or the path has characters that it cannot have.')
  }
}

/** Checked before the look-up: the id may be anything that fits into a header. */
function requireClientId(headers: ReadonlyMap<string, string>): string {
  const clientId = requireHeader(headers, 'Client-Id')
  if (isClientId(clientId)) return clientId
  throw new ProtocolError('ERR_HEADER_INVALID', 'The Client-Id header is not 1 to 128 visible ASCII characters.')
}

async function findCredentials(
  clientId: string,
  { abort, trace }: Pick<ReceiveContext, 'abort' | 'trace'>,
  { credentials }: Settings,
): Promise<ParsedCredentials> {
  const lookUp = typeof credentials === 'function' ? credentials : () => credentials
  const found = await abort.beforeTimeout((async () => await lookUp(clientId))()).catch((error: unknown) => {
    // What parsePrivateKey() throws inside the function says which key is wrong.
    throw isOwnSideError(error) ? error : lookupThrew(error)
  })
  // Compared here as well: a look-up may ignore case, or always return the same tenant.
  if (found != null && found.clientId === clientId) return parseCredentials(found)
  trace.unknownClientId = clientId
  throw new ProtocolError('ERR_CLIENT_UNKNOWN', 'The Client-Id is not known here.')
}

/** One event from the far future would make every later event of its order stale. */
function assertNotInFuture({ orderModifyTime }: Order, { now, maxFutureMs }: Settings): void {
  if (orderModifyTime <= now() + maxFutureMs) return
  const expected = 'a time that is not far in the future'
  throw new ProtocolError('ERR_FIELD_INVALID', `The order is invalid: "orderModifyTime" must be ${expected}.`, {
    issues: [{ field: 'orderModifyTime', expected }],
  })
}

/** Creates the function that warns, once, of an `orderModifyTime` of ten digits. It is accepted: the API page names no unit. */
export function createSecondsWarning(): (order: Pick<Order, 'orderModifyTime'>) => void {
  let isWarned = false
  return ({ orderModifyTime }) => {
    if (isWarned || !/^\d{10}$/.test(String(orderModifyTime))) return
    isWarned = true
    const message =
      'An "orderModifyTime" has ten digits: the peer sends seconds instead of milliseconds. Two events of an order within the same second count as duplicates.'
    process.emitWarning(message, 'OrderSyncWarning')
  }
}

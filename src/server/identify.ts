import { ConfigurationError, describeKind, ProtocolError } from '../errors.ts'
import { ORDER_SYNC_METHOD } from '../protocol/endpoint.ts'
import { collectHeaders, requireHeader } from '../protocol/headers.ts'
import { isClientId, type ParsedCredentials, parseCredentials } from '../secure-message/credentials.ts'
import type { RequestAbort } from './abort.ts'
import type { BodyPlace } from './body-gate.ts'
import { type Ended, endUnverified } from './ended.ts'
import { isOwnSideError, lookupThrew, optionThrew } from './failures.ts'
import type { IncomingRequest } from './http.ts'
import type { NotAccepted } from './outcome.ts'
import { noteTracerId, type RequestTrace } from './trace.ts'
import type { VerifySettings } from './verify-options.ts'

/** A request with a known caller. Its body may not be complete. */
export interface Identified {
  readonly kind: 'identified'
  readonly credentials: ParsedCredentials
  readonly method: string
  /** The path for which the signature is verified. */
  readonly path: string
  /** By lower-case name. */
  readonly headers: ReadonlyMap<string, string>
  readonly place: BodyPlace
}

/** What {@link identify} needs in addition to the options. */
export interface ReceiveContext {
  readonly abort: RequestAbort
  readonly trace: RequestTrace
  /** Takes a place for the body. */
  readonly enter: (contentLength: string | undefined) => BodyPlace
}

type Settings = Pick<VerifySettings<unknown>, 'credentials' | 'signedPath'>

/** Checks the first line and the headers, takes a place for the body, and looks up the credentials of the caller. */
export async function identify(
  request: IncomingRequest,
  { abort, trace, enter }: ReceiveContext,
  settings: Settings,
): Promise<Identified | Ended<NotAccepted>> {
  try {
    const method = requireMethod(request)
    const headers = collectHeaders(request.headers)
    noteTracerId(trace, headers.get('tracer-id'))
    const path = resolveSignedPath(request, settings.signedPath)
    assertOneLine(method, path)
    if (method !== ORDER_SYNC_METHOD) throw new ProtocolError('ERR_METHOD', `The method is not ${ORDER_SYNC_METHOD}.`)
    const clientId = requireClientId(headers)
    // Before the credentials lookup: an attacker must not start more lookups than there are places.
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

/** Callers without types can pass anything. A missing method is a mistake of the mounting, not of the message. */
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
  const [, rest] = /^https?:\/\/[^/?#]*(.*)$/is.exec(target) ?? []
  if (rest === undefined) return target
  return rest.startsWith('/') ? rest : `/${rest}`
}

/** With a line break in the first signed line, a response could be parsed as a different signed message. */
function assertOneLine(method: string, path: string): void {
  if (/[\p{Cc}\s]/u.test(method) || /\p{Cc}/u.test(path)) {
    throw new ProtocolError('ERR_HEADER_INVALID', 'The method or the path contains invalid characters.')
  }
}

/** Checked before the credentials lookup: a header can contain any id. */
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
    // An error of parsePrivateKey() inside the function names the wrong key.
    throw isOwnSideError(error) ? error : lookupThrew(error)
  })
  // Compare it again: the function may ignore case, or always return the same tenant.
  if (found != null && found.clientId === clientId) return parseCredentials(found)
  trace.unknownClientId = clientId
  throw new ProtocolError('ERR_CLIENT_UNKNOWN', 'The Client-Id is unknown.')
}

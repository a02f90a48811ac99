import { type EncryptionOptions, resolveEncryptionOptions } from '../crypto/envelope.ts'
import { sha256 } from '../crypto/node.ts'
import { isOrderSyncError, ProtocolError } from '../errors.ts'
import {
  anyValue,
  assertFunction,
  assertText,
  flag,
  nonNegativeNumber,
  type OptionRules,
  optionalOneOf,
  positiveNumber,
  resolveOptions,
} from '../option-rules.ts'
import { ORDER_SYNC_METHOD, ORDER_SYNC_PATH } from '../protocol/endpoint.ts'
import {
  collectHeaders,
  type HeadersInput,
  type MessageHead,
  type MessageKind,
  parseMessageHead,
  parseSignatureHeader,
  requireHeader,
  timeHeaderOf,
} from '../protocol/headers.ts'
import { signedContent } from '../protocol/signed-content.ts'
import { assertFresh, parseTime } from '../protocol/time.ts'
import { type Credentials, type ParsedCredentials, parseCredentials } from '../secure-message/credentials.ts'
import { assertSigned } from '../secure-message/verify.ts'
import { readCapture } from './capture/capture.ts'
import type { Capture } from './capture/captured-message.ts'
import { type SignedParts, shownPath } from './change.ts'
import { type OpenedBody, openBody } from './content.ts'
import type { Explanation } from './explanation.ts'
import type { ExplainedCause } from './opening.ts'
import { type Found, search } from './search.ts'
import { maskBody, shownHeader, toVisible, visible } from './visible.ts'

/** A captured message as an object. A HAR entry, or a HAR file, is understood too. */
export interface CapturedMessage {
  readonly method?: string | undefined
  /** The request-target, or a URL. */
  readonly path?: string | undefined
  /** The HTTP status: then it is a response. */
  readonly status?: number | undefined
  readonly headers: HeadersInput
  /** The body as text or bytes. A parsed object has lost the bytes that were signed. */
  readonly body?: unknown
  /** The body in base64, in place of `body`. */
  readonly bodyBase64?: string | undefined
}

/** Options of {@link explainRequest}. */
export interface ExplainOptions {
  /** Whether it is a request or a response. @defaultValue what the capture shows, otherwise a request */
  readonly direction?: MessageKind | undefined
  /** The method that was signed; of a response, that of its request. @defaultValue that of the capture, otherwise POST */
  readonly method?: string | undefined
  /** The path that was signed, as in the option `signedPath`; of a response, that of its request. @defaultValue that of the capture, otherwise the path of the API */
  readonly path?: string | undefined
  /** The clock, in milliseconds since the epoch. @defaultValue the time in a HAR entry, otherwise Date.now */
  readonly now?: (() => number) | undefined
  /** How far the time of the message may differ from the clock, in seconds. @defaultValue 300 */
  readonly clockToleranceSeconds?: number | undefined
  /** How messages are encrypted, as in the option of the handler. */
  readonly encryption?: EncryptionOptions | undefined
  /** The largest body that is examined, in bytes. @defaultValue 1_048_576 */
  readonly maxBodyBytes?: number | undefined
  /** How long causes are searched for, in milliseconds. @defaultValue 900 */
  readonly maxMs?: number | undefined
  /** How many texts are compared with the signature at most. @defaultValue 200_000 */
  readonly maxTrials?: number | undefined
  /** Shows customer data: the signed text and the decrypted body as they are. Keys are never shown. @defaultValue false */
  readonly showData?: boolean | undefined
}

const RULES = {
  direction: optionalOneOf(['request', 'response']),
  method: { assert: assertText },
  path: { assert: assertText },
  now: { assert: assertFunction },
  clockToleranceSeconds: nonNegativeNumber(300),
  encryption: anyValue(),
  maxBodyBytes: positiveNumber(1_048_576),
  maxMs: positiveNumber(900),
  maxTrials: positiveNumber(200_000),
  showData: flag(false),
} satisfies OptionRules<ExplainOptions>

/**
 * Explains a captured message: takes it apart, verifies it as the handler or the client does and, if it is not accepted,
 * finds the change with which the signature verifies. For development: it reads messages that nobody has verified.
 *
 * @param captured Raw HTTP, a curl command, a HAR entry or JSON, as text or bytes; or an object.
 * @param credentials Your own, as the handler has them: the message is from the peer.
 * @throws {@link ConfigurationError} `ERR_REQUEST` when it is not a message, and the codes of credentials and keys
 * @throws TypeError, RangeError when an option is wrong
 * @see docs/protocol.md section 3.4
 * @example
 * ```ts
 * import { readFile } from 'node:fs/promises'
 * import { type Credentials, explainRequest } from 'alipayhk-order-sync'
 *
 * export async function explain(file: string, credentials: Credentials) {
 *   const { verified, causes } = await explainRequest(await readFile(file), credentials)
 *   if (!verified) for (const { code, fix } of causes) console.log(`${code}: ${fix}`)
 * }
 * ```
 */
export async function explainRequest(
  captured: string | Uint8Array | CapturedMessage | object,
  credentials: Credentials,
  options: ExplainOptions = {},
): Promise<Explanation> {
  const settings = resolveOptions<ExplainOptions, typeof RULES>('explainRequest', RULES, options)
  const keys = parseCredentials(credentials)
  const encryption = resolveEncryptionOptions(settings.encryption)
  const capture = readCapture(captured, settings.maxBodyBytes, settings.direction)
  const message = toMessage(capture, settings)
  const now = settings.now?.() ?? capture.capturedAt ?? Date.now()
  const checks = await check(message, keys, { now, clockToleranceSeconds: settings.clockToleranceSeconds })
  const opened = await openBody(message, keys, encryption)
  const found = checks.isSigned ? undefined : await searchCauses(message, opened, keys, settings)
  const causes = toCauses(message, checks, found)
  const error = checks.errors[0]
  return {
    verified: error === undefined,
    causes: error === undefined ? [] : causes,
    ...(error && { error: { code: error.code, message: error.message } }),
    notes: [...capture.notes, ...opened.notes, ...(error === undefined ? [] : searchNotes(found, causes, keys))],
    form: capture.form,
    ...describeMessage(message, keys, { now, isFresh: checks.isFresh }),
    ...describeContent(message, keys, opened, found?.parts, settings.showData),
    issues: opened.issues,
    trials: found?.trials ?? 0,
  }
}

/** A captured message, ready to be verified. */
export interface ExplainedMessage {
  readonly direction: MessageKind
  readonly method: string
  readonly path: string
  readonly otherPaths: readonly string[]
  readonly headers: ReadonlyMap<string, string>
  readonly rawHeaders: Capture['headers']
  readonly body: Uint8Array
}

function toMessage(capture: Capture, { direction, method, path }: ExplainOptions): ExplainedMessage {
  const headers = collectHeaders(capture.headers)
  const isResponse = headers.has('response-time') && !headers.has('request-time')
  const captured = capture.path === undefined ? undefined : toOriginForm(capture.path)
  const signedPath = path ?? captured ?? ORDER_SYNC_PATH
  return {
    direction: direction ?? capture.direction ?? (isResponse ? 'response' : 'request'),
    method: method ?? capture.method ?? ORDER_SYNC_METHOD,
    path: signedPath,
    otherPaths: [captured, capture.path].filter(
      (known): known is string => known !== undefined && known !== signedPath,
    ),
    headers,
    rawHeaders: capture.headers,
    body: capture.body,
  }
}

/** As the handler does: a request-target in absolute form counts as its path and query. */
function toOriginForm(target: string): string {
  const [, rest] = /^https?:\/\/[^/?#]*(.*)$/i.exec(target) ?? []
  if (rest === undefined) return target
  return rest.startsWith('/') ? rest : `/${rest}`
}

/** What the handler or the client finds wrong, in their order. */
interface Checks {
  readonly errors: readonly ProtocolError[]
  /** Whether the signature verifies, whatever else is wrong. */
  readonly isSigned: boolean
  readonly isFresh: boolean
}

async function check(
  { direction, method, path, headers, body }: ExplainedMessage,
  credentials: ParsedCredentials,
  limits: { readonly now: number; readonly clockToleranceSeconds: number },
): Promise<Checks> {
  const errors: ProtocolError[] = []
  const run = <Value>(step: () => Value): Value | undefined => {
    try {
      return step()
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error
      errors.push(error)
      return undefined
    }
  }
  run(() => assertMethod(direction, method))
  run(() => assertClientId(headers, credentials))
  const head = run(() => parseMessageHead(headers, direction))
  const header = timeHeaderOf(direction)
  const before = errors.length
  const sentAt = head?.sentAt ?? instantOf(headers.get(header.toLowerCase()))
  if (sentAt !== undefined) run(() => assertFresh(sentAt, { ...limits, header }))
  const isFresh = sentAt !== undefined && errors.length === before
  const isSigned = head !== undefined && (await isSignedBy({ method, path, head, body }, credentials, errors))
  return { errors, isSigned, isFresh }
}

async function isSignedBy(
  message: { method: string; path: string; head: MessageHead; body: Uint8Array },
  credentials: ParsedCredentials,
  errors: ProtocolError[],
): Promise<boolean> {
  try {
    await assertSigned(message, credentials)
    return true
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error
    errors.push(error)
    return false
  }
}

function assertMethod(direction: MessageKind, method: string): void {
  if (direction === 'response' || method.toUpperCase() === ORDER_SYNC_METHOD) return
  throw new ProtocolError('ERR_METHOD', `The method is not ${ORDER_SYNC_METHOD}.`)
}

function assertClientId(headers: ReadonlyMap<string, string>, { clientId }: ParsedCredentials): void {
  if (requireHeader(headers, 'Client-Id') === clientId) return
  throw new ProtocolError('ERR_CLIENT_UNKNOWN', 'The Client-Id header is not the "clientId" of the credentials.')
}

function instantOf(text: string | undefined): number | undefined {
  try {
    return text === undefined ? undefined : parseTime(text)
  } catch {
    return undefined
  }
}

function searchCauses(
  { direction, method, path, otherPaths, headers, body }: ExplainedMessage,
  { plaintext }: OpenedBody,
  credentials: ParsedCredentials,
  { maxTrials, maxMs, maxBodyBytes }: { maxTrials: number; maxMs: number; maxBodyBytes: number },
): Promise<Found> {
  const timeHeader = timeHeaderOf(direction)
  // Nothing can be changed about a body that is lost.
  const maxChanges = body.length === 0 ? 1 : 2
  const limits = { maxTrials, maxMs, maxBodyBytes, maxChanges, clock: () => performance.now() } as const
  return search({ method, path, otherPaths, headers, timeHeader, body, plaintext }, credentials, limits)
}

/** The causes in the order of their weight: what makes the signature verify, what else is refused, and the time. */
function toCauses(message: ExplainedMessage, { errors, isSigned }: Checks, found: Found | undefined): ExplainedCause[] {
  const causes: ExplainedCause[] = [...(found?.causes ?? [])]
  const add = (cause: ExplainedCause | undefined) => {
    if (cause !== undefined && !causes.some(({ code }) => code === cause.code)) causes.push(cause)
  }
  const isExplained = isSigned || found?.causes !== undefined
  for (const error of errors) {
    const cause = headerCause(error, message)
    // Another reading of the Signature header is a cause already.
    if (!(isExplained && cause?.code === 'signature-encoding')) add(cause)
  }
  if (!isExplained && message.body.length === 0) add(emptyBody(message))
  const expired = errors.find(({ code }) => code === 'ERR_TIME_RANGE')
  if (isExplained && expired !== undefined) {
    add({
      code: 'expired',
      fix: `${expired.message} A message that was captured earlier is expired now: compare its time with the time of its arrival.`,
    })
  }
  return causes
}

/** What the handler refuses before it verifies anything. */
function headerCause(
  { code, message }: ProtocolError,
  { headers, direction }: ExplainedMessage,
): ExplainedCause | undefined {
  if (code === 'ERR_METHOD') return { code: 'method', fix: `${message} Send the order with POST.` }
  if (code === 'ERR_CLIENT_UNKNOWN') {
    return { code: 'client-id', fix: `${message} Send the id that AlipayHK assigned, or correct "clientId".` }
  }
  if (code === 'ERR_HEADER_INVALID') {
    const isTime = instantOf(headers.get(timeHeaderOf(direction).toLowerCase())) === undefined
    return {
      code:
        isSignatureReadable(headers) && isTime
          ? 'time'
          : isSignatureReadable(headers)
            ? 'header'
            : 'signature-encoding',
      fix: message,
    }
  }
  return code === 'ERR_HEADER_MISSING' || code === 'ERR_CONTENT_TYPE' ? { code: 'header', fix: message } : undefined
}

function isSignatureReadable(headers: ReadonlyMap<string, string>): boolean {
  try {
    parseSignatureHeader(headers.get('signature') ?? '')
    return true
  } catch (error) {
    if (isOrderSyncError(error)) return false
    throw error
  }
}

function emptyBody({ headers }: ExplainedMessage): ExplainedCause {
  const length = Number(headers.get('content-length'))
  const announced = length > 0 ? ` Content-Length announced ${length} bytes.` : ''
  return {
    code: 'body-empty',
    fix: `The body is empty, and no order is empty: something in front has read or dropped it.${announced} Mount the handler before any body parser, and look for a proxy or firewall that drops bodies, or a redirect that turned POST into a request without a body.`,
  }
}

function searchNotes(
  found: Found | undefined,
  causes: readonly ExplainedCause[],
  { peerPublicKeys }: ParsedCredentials,
): string[] {
  if (found === undefined || found.causes !== undefined) return []
  const [latest] = peerPublicKeys.newestFirst
  const fingerprint = latest?.key.fingerprint
  const compare =
    fingerprint === undefined ? '' : ` The fingerprint of peerPublicKeys[${latest?.version}] is ${fingerprint}.`
  if (found.isByNoKey) {
    return [
      `The signature was made with a key that is not configured here, or its bytes are damaged. Compare the fingerprint of the sender's public key with yours: describeKey() prints it.${compare}`,
    ]
  }
  if (found.isCut)
    return ['The search was ended by its limits before everything was tried: raise "maxMs" and "maxTrials".']
  return causes.length > 0
    ? []
    : [
        `No change that is known makes the signature verify. Compare with the sender, byte by byte, the signed text, or first its SHA-256 digest.${compare}`,
      ]
}

function describeMessage(
  { direction, method, path, headers, rawHeaders }: ExplainedMessage,
  { peerPublicKeys }: ParsedCredentials,
  { now, isFresh }: { readonly now: number; readonly isFresh: boolean },
): Pick<Explanation, 'direction' | 'method' | 'path' | 'headers' | 'time' | 'signature' | 'key'> {
  const header = timeHeaderOf(direction)
  const text = headers.get(header.toLowerCase())
  const sentAt = instantOf(text)
  const signature = headers.get('signature')
  const parsed = signature === undefined || !isSignatureReadable(headers) ? undefined : parseSignatureHeader(signature)
  const key = parsed && peerPublicKeys.get(parsed.keyVersion)
  return {
    direction,
    method: toVisible(method.slice(0, 20)),
    path: shownPath(path),
    headers: rawHeaders
      .slice(0, 100)
      .map(([name, value]) => ({ name: toVisible(name.slice(0, 100)), value: shownHeader(name, value) })),
    ...(text !== undefined && {
      time: {
        header,
        text: toVisible(text.slice(0, 100)),
        ...(sentAt !== undefined && {
          sentAt: new Date(sentAt).toISOString(),
          ageSeconds: Math.round((now - sentAt) / 1000),
        }),
        isFresh,
      },
    }),
    ...(signature !== undefined && {
      signature: {
        ...(parsed && { algorithm: parsed.algorithm, bytes: parsed.signature.length }),
        ...(parsed?.keyVersion !== undefined && { keyVersion: parsed.keyVersion }),
      },
    }),
    ...(key && {
      key: {
        version: key.version,
        algorithm: key.key.algorithm,
        ...(key.key.fingerprint !== undefined && { fingerprint: key.key.fingerprint }),
      },
    }),
  }
}

function describeContent(
  { direction, method, path, headers, body }: ExplainedMessage,
  { clientId }: ParsedCredentials,
  { plaintext, isEncrypted }: OpenedBody,
  found: SignedParts | undefined,
  showData: boolean,
): Pick<Explanation, 'signed' | 'body'> {
  const time = headers.get(timeHeaderOf(direction).toLowerCase()) ?? ''
  const show = (bytes: Uint8Array) => (showData ? bytes : maskBody(bytes))
  const hide = (text: string) => (showData ? text : shownPath(text))
  const head = { method, path, clientId, time }
  return {
    signed: {
      expected: visible(signedContent({ ...head, path: hide(path) }, show(body))),
      ...(found && { found: visible(found.layout({ ...found, path: hide(found.path), body: show(found.body) })) }),
      sha256: sha256(signedContent(head, body), 'hex'),
    },
    body: {
      bytes: body.length,
      isEncrypted,
      ...(plaintext && { plaintext: visible(show(plaintext)) }),
    },
  }
}

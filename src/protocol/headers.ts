import { ConfigurationError, describeKind, ProtocolError, printable } from '../errors.ts'
import { decodeAnyBase64, decodeBase64, encodeBase64 } from './encoding.ts'
import { parseTime } from './time.ts'

/** The algorithms of a `Signature` header. */
export type SignatureAlgorithm = 'RSA256' | 'ECC224'

/** A `Signature` header, parsed. */
export interface SignatureHeader {
  readonly algorithm: SignatureAlgorithm
  /** Absent: the latest version. */
  readonly keyVersion?: string
  readonly signature: Uint8Array
}

/** An `Encrypt` header, parsed. */
export interface EncryptHeader {
  readonly algorithm: 'RSA_AES'
  /** Absent: the latest version. */
  readonly keyVersion?: string
  /** The AES key, encrypted with the recipient's public key. */
  readonly symmetricKey: Uint8Array
}

/**
 * HTTP headers in any form that frameworks provide. Names are case-insensitive.
 *
 * `Headers`, a `Map`, an object, or a list: of pairs, of `{ key, value }`, or of alternating names and values like the
 * `rawHeaders` of Node. A value is a string, a number or a boolean, or a list of such values or of `{ key, value }`, as in
 * Lambda@Edge. `null` and `undefined` mean that the header is absent.
 */
export type HeadersInput =
  | Iterable<readonly [name: string, value: HeaderValue]>
  | readonly HeaderEntry[]
  | readonly string[]
  | Readonly<Record<string, HeaderValue>>

/** The value of a header, as frameworks provide it. */
export type HeaderValue = HeaderScalar | readonly (HeaderScalar | HeaderEntry)[]

type HeaderScalar = string | number | bigint | boolean | null | undefined

/** A header in a list of headers. */
export interface HeaderEntry {
  /** The name. Not needed if the entry is listed under its name. */
  readonly key?: string | undefined
  readonly value: HeaderScalar
}

/**
 * Headers by lower-case name. The values of a repeated header are joined with a comma, as in HTTP.
 * The parsers below then reject it as a repeated key or a malformed value.
 *
 * @throws {@link ConfigurationError} `ERR_REQUEST` when the headers have another form: the mounting is wrong
 */
export function collectHeaders(headers: HeadersInput): ReadonlyMap<string, string> {
  const collected = new Map<string, string>()
  for (const [name, value] of entriesOf(headers)) {
    if (typeof name !== 'string') throw unknownHeaders('A name among the headers', name)
    const text = toText(name, value)
    if (text === undefined) continue
    const key = name.toLowerCase()
    const before = collected.get(key)
    collected.set(key, before === undefined ? text : `${before}, ${text}`)
  }
  return collected
}

/** Pairs of name and value, unchecked: callers without types can pass anything. */
function* entriesOf(headers: unknown): Generator<readonly [name: unknown, value: unknown]> {
  if (typeof headers !== 'object' || headers === null) throw unknownHeaders('"headers"', headers)
  if (!isIterable(headers)) {
    yield* Object.entries(headers)
    return
  }
  let name: string | undefined
  for (const entry of headers) {
    if (name !== undefined) {
      yield [name, entry]
      name = undefined
    } else if (typeof entry === 'string') name = entry
    else if (Array.isArray(entry)) yield [entry[0], entry[1]]
    else if (isEntry(entry)) yield [entry.key, entry.value]
    else throw unknownHeaders('An entry of "headers"', entry)
  }
  if (name !== undefined) throw unknownHeaders('A value among the headers', undefined)
}

function isIterable(headers: object): headers is Iterable<unknown> {
  return Symbol.iterator in headers
}

function isEntry(value: unknown): value is { readonly key?: unknown; readonly value: unknown } {
  return typeof value === 'object' && value !== null && 'value' in value
}

/** The values of a header as one text; `undefined` for `null`, `undefined` and an empty list. */
function toText(name: string, value: unknown): string | undefined {
  if (typeof value === 'string') return value
  if (value === null || value === undefined) return undefined
  if (typeof value === 'number' || typeof value === 'bigint' || typeof value === 'boolean') return String(value)
  if (isEntry(value)) return toText(name, value.value)
  if (!Array.isArray(value)) throw unknownHeaders(`The value of the header "${printable(name, 64)}"`, value)
  const texts = value.map((one) => toText(name, one)).filter((text) => text !== undefined)
  return texts.length > 0 ? texts.join(', ') : undefined
}

function unknownHeaders(what: string, value: unknown): ConfigurationError {
  return new ConfigurationError(
    'ERR_REQUEST',
    `${what} is ${describeKind(value)}. Give the handler the received headers: an object of strings, Headers, a Map, or a list of pairs.`,
  )
}

/**
 * Parses a `Signature` header. White space around pairs and inside the value is ignored, and the key order is free.
 * `algorithm` defaults to RSA256. The value is base64 in either alphabet, URL-encoded or not.
 *
 * @throws {@link ProtocolError} `ERR_HEADER_INVALID`
 * @see docs/protocol.md section 2.2
 * @example
 * ```ts
 * import { parseSignatureHeader } from 'alipayhk-order-sync/protocol'
 *
 * const { keyVersion, signature } = parseSignatureHeader('algorithm=RSA256,keyVersion=1,signature=%2B%2B%2F%2FAA%3D%3D')
 * ```
 */
export function parseSignatureHeader(text: string): SignatureHeader {
  const { algorithm = 'RSA256', keyVersion, value } = parsePairs('Signature', 'signature', text)
  const known = algorithm.toUpperCase()
  if (known !== 'RSA256' && known !== 'ECC224') {
    throw invalid('Signature', '"algorithm" is neither RSA256 nor ECC224')
  }
  return { algorithm: known, signature: value, ...keyVersion }
}

/**
 * The inverse of {@link parseSignatureHeader}: standard base64, URL-encoded, keys in the page's order.
 *
 * @see docs/protocol.md section 2.2
 * @example
 * ```ts
 * import { formatSignatureHeader } from 'alipayhk-order-sync/protocol'
 *
 * // algorithm=RSA256,keyVersion=1,signature=AQID
 * formatSignatureHeader({ algorithm: 'RSA256', keyVersion: '1', signature: Uint8Array.of(1, 2, 3) })
 * ```
 */
export function formatSignatureHeader({ algorithm, keyVersion, signature }: SignatureHeader): string {
  return formatPairs(algorithm, keyVersion, `signature=${encodeURIComponent(encodeBase64(signature))}`)
}

/**
 * Parses an `Encrypt` header, as tolerantly as {@link parseSignatureHeader}; `algorithm` defaults to RSA_AES.
 *
 * @throws {@link ProtocolError} `ERR_HEADER_INVALID`
 * @see docs/protocol.md section 2.2
 * @example
 * ```ts
 * import { parseEncryptHeader } from 'alipayhk-order-sync/protocol'
 *
 * const { symmetricKey } = parseEncryptHeader('algorithm=RSA_AES,keyVersion=1,symmetricKey=%2B%2B%2F%2FAA%3D%3D')
 * ```
 */
export function parseEncryptHeader(text: string): EncryptHeader {
  const { algorithm = 'RSA_AES', keyVersion, value } = parsePairs('Encrypt', 'symmetricKey', text)
  if (algorithm.toUpperCase() !== 'RSA_AES') throw invalid('Encrypt', '"algorithm" is not RSA_AES')
  return { algorithm: 'RSA_AES', symmetricKey: value, ...keyVersion }
}

/**
 * The inverse of {@link parseEncryptHeader}.
 *
 * @see docs/protocol.md section 2.2
 * @example
 * ```ts
 * import { formatEncryptHeader } from 'alipayhk-order-sync/protocol'
 *
 * // algorithm=RSA_AES,symmetricKey=AQID
 * formatEncryptHeader({ algorithm: 'RSA_AES', symmetricKey: Uint8Array.of(1, 2, 3) })
 * ```
 */
export function formatEncryptHeader({ algorithm, keyVersion, symmetricKey }: EncryptHeader): string {
  return formatPairs(algorithm, keyVersion, `symmetricKey=${encodeURIComponent(encodeBase64(symmetricKey))}`)
}

function formatPairs(algorithm: string, keyVersion: string | undefined, last: string): string {
  return `algorithm=${algorithm},${keyVersion === undefined ? '' : `keyVersion=${keyVersion},`}${last}`
}

interface Pairs {
  readonly algorithm: string | undefined
  /** Ready to spread: empty when the header names no version. */
  readonly keyVersion: { keyVersion?: string }
  readonly value: Uint8Array
}

function parsePairs(header: string, valueKey: 'signature' | 'symmetricKey', text: string): Pairs {
  const found = new Map<string, string>()
  for (let at = 0; at <= text.length; ) {
    const comma = text.indexOf(',', at)
    const end = comma < 0 ? text.length : comma
    // Split at the first "=": base64 padding has more of them.
    const equals = text.indexOf('=', at)
    if (equals < 0 || equals > end) throw invalid(header, 'a pair has no "="')
    const key = text.slice(at, equals).trim()
    if (found.has(key)) throw invalid(header, 'a key is repeated')
    found.set(key, text.slice(equals + 1, end).trim())
    at = end + 1
  }
  const keyVersion = found.get('keyVersion') ?? ''
  if (!/^[\x21-\x7e]{0,64}$/.test(keyVersion)) throw invalid(header, '"keyVersion" is not a version')
  return {
    algorithm: found.get('algorithm'),
    keyVersion: keyVersion === '' ? {} : { keyVersion },
    value: decodeValue(header, valueKey, found.get(valueKey)),
  }
}

function decodeValue(header: string, key: string, value = ''): Uint8Array {
  if (value === '') throw invalid(header, `"${key}" is missing`)
  // Most senders emit standard base64 without white space: tried first, because it is the quickest.
  const text = hasSpace(value)
    ? removeSpace(decodePercent(header, key, removeSpace(value)))
    : decodePercent(header, key, value)
  const bytes = decodeBase64(text) ?? decodeAnyBase64(text)
  if (bytes === undefined || bytes.length === 0) throw invalid(header, `"${key}" is not base64`)
  return bytes
}

/** White space, raw or as `%0A`, `%0D`, `%09` or `%20`. */
const hasSpace = (value: string) => /\s|%(?:0[9AD]|20)/i.test(value)

/** Many encoders wrap base64. White space is removed twice: the sample on the API page has it inside a percent escape. */
function removeSpace(text: string): string {
  return text.replace(/[ \t\r\n]+/g, '')
}

function decodePercent(header: string, key: string, text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    throw invalid(header, `"${key}" has a bad percent escape`)
  }
}

function invalid(header: string, why: string): ProtocolError {
  return new ProtocolError('ERR_HEADER_INVALID', `The ${header} header is malformed: ${why}.`)
}

/** The media types of a message. The charset is always UTF-8. */
export const CONTENT_TYPES = {
  json: 'application/json; charset=UTF-8',
  encrypted: 'text/plain; charset=UTF-8',
} as const

/**
 * Rejects a `Content-Type` other than JSON (for an encrypted body, also plain text) in UTF-8.
 *
 * @throws {@link ProtocolError} `ERR_CONTENT_TYPE`
 * @see docs/protocol.md section 2.1
 */
export function assertContentType(text: string, { encrypted }: { encrypted: boolean }): void {
  if (text === CONTENT_TYPES.json) return
  // Some clients send the header twice, and HTTP joins the two lines with a comma.
  for (const member of text.split(',')) assertMediaType(member, encrypted)
}

function assertMediaType(text: string, encrypted: boolean): void {
  const [type = '', ...parameters] = text.split(';').map((part) => part.trim().toLowerCase())
  if (type !== 'application/json' && !(encrypted && type === 'text/plain')) {
    throw new ProtocolError('ERR_CONTENT_TYPE', 'Content-Type is not application/json.')
  }
  const charsets = parameters.filter((parameter) => parameter.startsWith('charset'))
  if (charsets.length > 1 || !charsets.every((charset) => /^charset=("utf-?8"|utf-?8)$/.test(charset))) {
    throw new ProtocolError('ERR_CONTENT_TYPE', 'The charset of Content-Type is not UTF-8.')
  }
}

/** A message is a request or its response; they differ in the name of the time header. */
export type MessageKind = 'request' | 'response'

const TIME_HEADERS = { request: 'Request-Time', response: 'Response-Time' } as const

/** The name of the header that holds the time of a message. */
export function timeHeaderOf(kind: MessageKind): 'Request-Time' | 'Response-Time' {
  return TIME_HEADERS[kind]
}

/** The headers of a message, parsed. Not verified yet. */
export interface MessageHead {
  readonly signature: SignatureHeader
  /** Present when the body is encrypted. */
  readonly encrypt: EncryptHeader | undefined
  /** The text of the time header exactly as sent: the signature covers this text. */
  readonly time: string
  /** The same time in milliseconds since the epoch. */
  readonly sentAt: number
}

/** Throws a {@link ProtocolError} when the headers break one rule. */
export type HeaderRule = (headers: ReadonlyMap<string, string>, kind: MessageKind) => void

/**
 * The rules that the headers of every message must keep. Handler and client both apply this list, in this order, in
 * {@link parseMessageHead}: add a rule here and nowhere else.
 */
export const HEADER_RULES: readonly HeaderRule[] = [
  (headers) => requireHeader(headers, 'Client-Id'),
  (headers) => assertContentType(requireHeader(headers, 'Content-Type'), { encrypted: headers.has('encrypt') }),
  (headers, kind) => requireHeader(headers, timeHeaderOf(kind)),
  (headers) => requireHeader(headers, 'Signature'),
]

/**
 * Checks the headers of a message by {@link HEADER_RULES} and parses them.
 *
 * @param headers By lower-case name.
 * @throws {@link ProtocolError} `ERR_HEADER_MISSING`, `ERR_HEADER_INVALID`, `ERR_CONTENT_TYPE`
 * @see docs/protocol.md section 2
 */
export function parseMessageHead(headers: ReadonlyMap<string, string>, kind: MessageKind): MessageHead {
  for (const rule of HEADER_RULES) rule(headers, kind)
  const encrypt = headers.get('encrypt')
  const time = requireHeader(headers, timeHeaderOf(kind))
  return {
    signature: parseSignatureHeader(requireHeader(headers, 'Signature')),
    encrypt: encrypt === undefined ? undefined : parseEncryptHeader(encrypt),
    time,
    sentAt: parseTime(time, timeHeaderOf(kind)),
  }
}

/** @throws {@link ProtocolError} `ERR_HEADER_MISSING` */
export function requireHeader(headers: ReadonlyMap<string, string>, name: string): string {
  const value = headers.get(name.toLowerCase())
  if (value === undefined || value === '') {
    throw new ProtocolError('ERR_HEADER_MISSING', `The ${name} header is missing.`)
  }
  return value
}

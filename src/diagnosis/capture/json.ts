import { decodeAnyBase64 } from '../../protocol/encoding.ts'
import { collectHeaders, type HeadersInput, type MessageKind } from '../../protocol/headers.ts'
import { type Capture, type CaptureParts, notAMessage } from './captured-message.ts'
import { splitUrl } from './curl.ts'

type Members = Readonly<Record<string, unknown>>

/** Reads a HAR file or entry, or an object with method, path, headers and body. */
export function readJson(value: object, expected: MessageKind | undefined): Capture {
  const members = value as Members
  const entries = entriesOf(members)
  if (entries === undefined) return { form: 'json', ...readObject(members) }
  const found = entries.map((entry) => readEntry(entry, expected)).filter((entry) => entry !== undefined)
  const signed = found.find(({ headers }) => headers.some(([name]) => name.toLowerCase() === 'signature')) ?? found[0]
  if (signed === undefined) throw notAMessage('The HAR file has no entry with a request.')
  const notes =
    found.length > 1 ? [`The HAR file has ${found.length} entries: this is the first one with a Signature header.`] : []
  return { form: 'har', ...signed, notes: [...signed.notes, ...notes] }
}

/** The entries of a HAR file; the value itself when it is an entry; undefined when it is neither. */
function entriesOf(value: Members): Members[] | undefined {
  const log = isMembers(value['log']) ? value['log']['entries'] : undefined
  if (Array.isArray(log)) return log.filter(isMembers).slice(0, 10_000)
  if (Array.isArray(value)) throw notAMessage('The capture is a list. Pass one message, or a HAR file.')
  const { request } = value
  return isMembers(request) && ('headers' in request || 'url' in request) ? [value] : undefined
}

function readEntry(
  { request, response, startedDateTime }: Members,
  expected: MessageKind | undefined,
): CaptureParts | undefined {
  if (!isMembers(request)) return undefined
  const { host, path } = splitUrl(textOf(request['url'] ?? request['path']) ?? '')
  const method = textOf(request['method'])
  const startedAt = Date.parse(textOf(startedDateTime) ?? '')
  const capturedAt = Number.isNaN(startedAt) ? undefined : startedAt
  const part = expected === 'response' ? response : request
  if (!isMembers(part)) return undefined
  const content = part[expected === 'response' ? 'content' : 'postData'] ?? part
  const { body, notes } = readBody(isMembers(content) ? content : part)
  const headers = readHeaders(part['headers'])
  const hasHost = headers.some(([name]) => name.toLowerCase() === 'host')
  return {
    direction: expected ?? 'request',
    method,
    path,
    status: expected === 'response' ? Number(part['status']) || undefined : undefined,
    headers: hasHost || host === '' ? headers : [...headers, ['Host', host]],
    body,
    capturedAt,
    notes,
  }
}

function readObject(value: Members): CaptureParts {
  const { method, status } = value
  const path = textOf(value['path'] ?? value['url'] ?? value['rawPath'])
  const target = path === undefined || !/^https?:\/\//i.test(path) ? path : splitUrl(path).path
  const query = textOf(value['rawQueryString'])
  if (value['headers'] === undefined) {
    throw notAMessage(
      'The JSON has no "headers". Pass { method, path, headers, body }, or "bodyBase64" instead of "body".',
    )
  }
  const { body, notes } = readBody(value)
  return {
    direction: typeof status === 'number' ? 'response' : undefined,
    method: textOf(method ?? value['httpMethod']),
    path: target !== undefined && query ? `${target}?${query}` : target,
    status: typeof status === 'number' ? status : undefined,
    headers: readHeaders(value['headers']),
    body,
    notes,
  }
}

/** `headers` in any form that the handler accepts, or as HAR writes them: a list of { name, value }. */
function readHeaders(headers: unknown): (readonly [string, string])[] {
  const list = Array.isArray(headers) ? headers : []
  const named = list.filter(isMembers).filter(({ name }) => typeof name === 'string')
  if (list.length > 0 && named.length === list.length) {
    return named.flatMap(({ name, value }) => {
      const [known = '', text = ''] = [textOf(name), textOf(value)]
      return known.startsWith(':') ? [] : [[known, text] as const]
    })
  }
  return [...collectHeaders(headers as HeadersInput)]
}

function readBody(value: Members): { body: Uint8Array; notes: string[] } {
  const { body, text, bodyBase64 } = value
  const content = body ?? text
  if (bodyBase64 !== undefined && bodyBase64 !== null) return { body: fromBase64(bodyBase64), notes: [] }
  if (content === undefined || content === null) return { body: new Uint8Array(), notes: [] }
  if (content instanceof Uint8Array) return { body: content, notes: [] }
  if (typeof content === 'string') {
    const isBase64 = value['isBase64Encoded'] === true || value['encoding'] === 'base64'
    return { body: isBase64 ? fromBase64(content) : Buffer.from(content), notes: [] }
  }
  if (isMembers(content) && content['type'] === 'Buffer' && Array.isArray(content['data'])) {
    return { body: Uint8Array.from(content['data'].map(Number)), notes: [] }
  }
  const notes = ['The captured body is a parsed object, not text: the received bytes are lost. Capture the raw body.']
  return { body: Buffer.from(serialize(content)), notes }
}

/** The caller's object may have a circular reference or a bigint. */
function serialize(content: unknown): string {
  try {
    return JSON.stringify(content) ?? ''
  } catch {
    throw notAMessage('The captured body is an object that cannot be written as JSON. Pass its text or bytes.')
  }
}

function fromBase64(text: unknown): Uint8Array {
  const bytes =
    typeof text === 'string' ? (text === '' ? new Uint8Array() : decodeAnyBase64(text.replace(/\s+/g, ''))) : undefined
  if (bytes === undefined) throw notAMessage('The base64 body of the capture cannot be decoded.')
  return bytes
}

const textOf = (value: unknown) => (typeof value === 'string' ? value : undefined)

function isMembers(value: unknown): value is Members {
  return typeof value === 'object' && value !== null
}

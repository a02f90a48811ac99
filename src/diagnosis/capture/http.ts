import { type CaptureParts, notAMessage } from './captured-message.ts'

const LF = 0x0a
const CR = 0x0d
const MAX_HEADERS = 1_000

/** Reads a raw HTTP request or response, also as `curl -v` prints it, or with the pseudo-headers of HTTP/2. */
export function readHttp(bytes: Uint8Array): CaptureParts {
  const { lines, bodyAt } = splitHead(bytes)
  const stripped = lines.map((line) => line.replace(/^[<>] ?/, '')).filter((line, index) => line !== '' || index > 0)
  const [first = '', ...rest] = stripped
  const request = /^([A-Za-z]+)[ \t]+(\S+)(?:[ \t]+HTTP\/[\d.]+)?$/.exec(first)
  const response = /^HTTP\/[\d.]+[ \t]+(\d{3})/.exec(first)
  const isPseudo = first.startsWith(':')
  if (request === null && response === null && !isPseudo) {
    throw notAMessage(
      'This is not a message: the first line is neither a request line such as "POST /path HTTP/1.1" nor a status line. Pass raw HTTP, a curl command, a HAR entry or JSON.',
    )
  }
  const headers = readHeaders(isPseudo ? stripped : rest)
  const pseudo = (name: string) => headers.find(([known]) => known === name)?.[1]
  const status = response?.[1] ?? pseudo(':status')
  const isResponse = status !== undefined
  const { body, notes } = readBody(bytes.subarray(bodyAt), headers)
  return {
    direction: isResponse ? 'response' : 'request',
    method: isResponse ? undefined : (request?.[1] ?? pseudo(':method')),
    path: isResponse ? undefined : (request?.[2] ?? pseudo(':path')),
    status: isResponse ? Number(status) : undefined,
    headers: headers.filter(([name]) => !name.startsWith(':')),
    body,
    notes,
  }
}

/** The lines before the first empty line, and where the body begins. */
function splitHead(bytes: Uint8Array): { lines: string[]; bodyAt: number } {
  const lines: string[] = []
  let at = bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf ? 3 : 0
  while (at < bytes.length) {
    const found = bytes.indexOf(LF, at)
    const end = found < 0 ? bytes.length : found
    const line = Buffer.from(bytes.subarray(at, bytes[end - 1] === CR ? Math.max(at, end - 1) : end)).toString('utf8')
    at = end + 1
    if (/^(?:[<>] ?)?$/.test(line) && lines.length > 0) break
    if (line.trim() !== '') lines.push(line)
    if (lines.length > MAX_HEADERS) throw notAMessage(`The capture has more than ${MAX_HEADERS} header lines.`)
  }
  return { lines, bodyAt: Math.min(at, bytes.length) }
}

function readHeaders(lines: readonly string[]): (readonly [string, string])[] {
  const headers: [string, string][] = []
  for (const line of lines) {
    const last = headers.at(-1)
    if (/^[ \t]/.test(line) && last !== undefined) {
      last[1] = `${last[1]} ${line.trim()}`
      continue
    }
    const [, name, value = ''] = /^(:?[^:\s]+)\s*:[ \t]*(.*)$/s.exec(line) ?? []
    if (name === undefined)
      throw notAMessage(`Line ${headers.length + 2} of the message is not a header such as "Name: value".`)
    headers.push([name, value.trimEnd()])
  }
  return headers
}

function readBody(
  rest: Uint8Array,
  headers: readonly (readonly [string, string])[],
): { body: Uint8Array; notes: string[] } {
  const value = (name: string) => headers.find(([known]) => known.toLowerCase() === name)?.[1]
  if (/chunked/i.test(value('transfer-encoding') ?? '')) {
    const joined = joinChunks(rest)
    if (joined !== undefined) return { body: joined, notes: [] }
    return {
      body: rest,
      notes: ['Transfer-Encoding is chunked, but the body has no chunks: the capture has joined them.'],
    }
  }
  const length = /^\d{1,15}$/.test(value('content-length') ?? '') ? Number(value('content-length')) : undefined
  if (length === undefined || length === rest.length) return { body: rest, notes: [] }
  const surplus = Buffer.from(rest.subarray(length)).toString('latin1')
  // Editors, and some capture tools, add a line break at the end of a file.
  if (length < rest.length && /^[\r\n]+$/.test(surplus)) return { body: rest.subarray(0, length), notes: [] }
  const notes = [
    `Content-Length is ${length}, but the captured body has ${rest.length} bytes: the body was cut or changed, in transit or in the capture.`,
  ]
  return { body: rest, notes }
}

/** Joins the chunks of a chunked body; undefined when it is not one. */
function joinChunks(bytes: Uint8Array): Uint8Array | undefined {
  const chunks: Uint8Array[] = []
  for (let at = 0; ; ) {
    const end = bytes.indexOf(LF, at)
    if (end < 0) return undefined
    const [, hex] =
      /^([0-9a-f]{1,8})\s*(?:;.*)?\r?$/i.exec(Buffer.from(bytes.subarray(at, end)).toString('latin1')) ?? []
    if (hex === undefined) return undefined
    const size = Number.parseInt(hex, 16)
    if (size === 0) return Buffer.concat(chunks)
    const chunk = bytes.subarray(end + 1, end + 1 + size)
    if (chunk.length < size) return undefined
    chunks.push(chunk)
    at = end + 1 + size
    if (bytes[at] === CR) at++
    if (bytes[at] !== LF) return undefined
    at++
  }
}

import { decodeUtf8 } from '../../protocol/encoding.ts'
import type { MessageKind } from '../../protocol/headers.ts'
import { type Capture, notAMessage } from './captured-message.ts'
import { readCurl } from './curl.ts'
import { readHttp } from './http.ts'
import { readJson } from './json.ts'

/** The maximum size of a capture, as a multiple of the largest body: JSON writes one byte as up to six characters. */
const MAX_OVERHEAD = 6
const MAX_HEAD_BYTES = 1_048_576

/**
 * Reads a captured message: raw HTTP, a curl command, a HAR entry or JSON.
 *
 * @param expected Whether to read the request or the response of a HAR entry.
 * @throws {@link ConfigurationError} `ERR_REQUEST` when it is not a message
 */
export function readCapture(captured: unknown, maxBodyBytes: number, expected: MessageKind | undefined): Capture {
  const capture = readForm(captured, maxBodyBytes, expected)
  if (capture.body.length > maxBodyBytes) {
    throw notAMessage(
      `The captured body has ${capture.body.length} bytes. The limit is ${maxBodyBytes} bytes, as in the handler: see "maxBodyBytes".`,
    )
  }
  return capture
}

function readForm(captured: unknown, maxBodyBytes: number, expected: MessageKind | undefined): Capture {
  if (typeof captured === 'object' && captured !== null && !(captured instanceof Uint8Array)) {
    return readJson(captured, expected)
  }
  if (typeof captured !== 'string' && !(captured instanceof Uint8Array)) {
    throw notAMessage('Pass the text or the bytes of a message, or an object with method, path, headers and body.')
  }
  if (captured.length > maxBodyBytes * MAX_OVERHEAD + MAX_HEAD_BYTES) {
    throw notAMessage(`The capture is larger than a message with a body of ${maxBodyBytes} bytes: see "maxBodyBytes".`)
  }
  const bytes = typeof captured === 'string' ? Buffer.from(captured) : captured
  const start = Buffer.from(bytes.subarray(0, 64))
    .toString('latin1')
    .replace(/^\xef\xbb\xbf/, '')
    .trimStart()
  if (/^(\$ )?curl(\.exe)?\s/.test(start)) return { form: 'curl', ...readCurl(textOf(bytes)) }
  if (start.startsWith('{') || start.startsWith('[')) {
    const value = parseJsonText(textOf(bytes).replace(/^\uFEFF/, ''))
    return readJson(value, expected)
  }
  return { form: 'http', ...readHttp(bytes) }
}

function textOf(bytes: Uint8Array): string {
  const text = decodeUtf8(bytes)
  if (text === undefined)
    throw notAMessage('The capture is not UTF-8. Pass the body as "bodyBase64" in JSON, or raw HTTP.')
  return text
}

function parseJsonText(text: string): object {
  try {
    const value: unknown = JSON.parse(text)
    if (typeof value === 'object' && value !== null) return value
  } catch {
    // The error of JSON.parse() quotes the text.
  }
  throw notAMessage(
    'The capture begins like JSON, but cannot be parsed. Pass { method, path, headers, body }, or "bodyBase64" instead of "body".',
  )
}

import { ConfigurationError, isOrderSyncError, ProtocolError } from '../errors.ts'
import { encodeUtf8 } from '../protocol/encoding.ts'
import type { RequestBody } from './http.ts'

interface BodyLimits {
  readonly maxBytes: number
  /** How to fix the mounting, for a developer whose body parser ran first. */
  readonly parsedBodyHint?: string | undefined
  /** Ends the wait for a stream. */
  readonly signal?: AbortSignal | undefined
}

/**
 * Reads a body, up to a limit.
 *
 * @throws {@link ProtocolError} `ERR_BODY_TOO_LARGE`, `ERR_BODY_INCOMPLETE`
 * @throws {@link ConfigurationError} `ERR_BODY_PARSED`
 */
export async function readBody(body: RequestBody, limits: BodyLimits): Promise<Uint8Array> {
  if (isStream(body)) return await readStream(body, limits)
  const bytes = typeof body === 'string' ? encodeUtf8(body) : (body ?? new Uint8Array())
  if (!(bytes instanceof Uint8Array)) throw bodyParsed(limits.parsedBodyHint)
  if (bytes.length > limits.maxBytes) throw bodyTooLarge(limits.maxBytes)
  return bytes
}

/**
 * Checks the `Content-Length` before the body is read.
 *
 * @throws {@link ProtocolError} `ERR_BODY_TOO_LARGE`
 */
export function assertContentLength(contentLength: string | undefined, maxBytes: number): void {
  if (Number(contentLength ?? 0) > maxBytes) throw bodyTooLarge(maxBytes)
}

function isStream(body: unknown): body is AsyncIterable<unknown> {
  return typeof body === 'object' && body !== null && Symbol.asyncIterator in body && !(body instanceof Uint8Array)
}

/** Races the stream against the signal: a stream that never continues cannot be left from inside its loop. */
async function readStream(stream: AsyncIterable<unknown>, limits: BodyLimits): Promise<Uint8Array> {
  const { signal } = limits
  const reading = collect(stream, limits)
  if (signal === undefined) return await reading
  return await new Promise((resolve, reject) => {
    const abort = () => reject(bodyIncomplete())
    const release = () => signal.removeEventListener('abort', abort)
    signal.addEventListener('abort', abort)
    if (signal.aborted) abort()
    reading.finally(release).then(resolve, reject)
  })
}

async function collect(stream: AsyncIterable<unknown>, { maxBytes, parsedBodyHint, signal }: BodyLimits) {
  let bytes = new Uint8Array()
  let size = 0
  try {
    for await (const chunk of stream) {
      const next: unknown = typeof chunk === 'string' ? encodeUtf8(chunk) : chunk
      if (!(next instanceof Uint8Array)) throw bodyParsed(parsedBodyHint)
      if (size + next.length > maxBytes) throw bodyTooLarge(maxBytes)
      if (signal?.aborted) throw bodyIncomplete()
      // Copied into one buffer: chunks of one byte, kept as objects, would cost a hundred times their size.
      if (size + next.length > bytes.length) bytes = grow(bytes, size + next.length)
      bytes.set(next, size)
      size += next.length
    }
  } catch (error) {
    throw isOrderSyncError(error) ? error : bodyIncomplete()
  }
  return bytes.subarray(0, size)
}

/** At least doubles the buffer, so that a body is copied a few times and not with every chunk. */
function grow(bytes: Uint8Array, size: number): Uint8Array<ArrayBuffer> {
  const larger = new Uint8Array(bytes.length === 0 ? size : Math.max(size, bytes.length * 2))
  larger.set(bytes)
  return larger
}

function bodyParsed(hint = 'Give the handler the raw bytes of the request.'): ConfigurationError {
  return new ConfigurationError(
    'ERR_BODY_PARSED',
    `The request body was parsed before its signature could be verified, and a parsed body cannot be turned back into the bytes that were signed. ${hint}`,
  )
}

function bodyIncomplete(): ProtocolError {
  return new ProtocolError(
    'ERR_BODY_INCOMPLETE',
    'The connection closed, or the time was up, before the body was complete.',
  )
}

function bodyTooLarge(maxBytes: number): ProtocolError {
  return new ProtocolError('ERR_BODY_TOO_LARGE', `The body is larger than the limit of ${maxBytes} bytes.`)
}

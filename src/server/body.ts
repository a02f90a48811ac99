import { ConfigurationError, isOrderSyncError, ProtocolError } from '../errors.ts'
import { encodeUtf8 } from '../protocol/encoding.ts'
import type { Stop } from './deadline.ts'

/** The body of a request: its bytes, or a stream of them. A string stands for its UTF-8 bytes. */
export type RequestBody = Uint8Array | string | AsyncIterable<Uint8Array | string> | null | undefined

/**
 * Reads a body, up to a bound.
 *
 * @param limits The largest body in bytes, what to tell a developer whose parser ran before, and what ends the wait.
 * @throws {@link RejectionError} `ERR_BODY_TOO_LARGE`, `ERR_BODY_INCOMPLETE`
 * @throws {@link ConfigurationError} `ERR_BODY_PARSED`
 */
export function readBody(body: RequestBody, limits: BodyLimits): Uint8Array | Promise<Uint8Array> {
  if (!isRaw(body)) throw parsed(limits.parsedBodyHint)
  const whole = typeof body === 'string' ? encodeUtf8(body) : (body ?? new Uint8Array())
  if (whole instanceof Uint8Array) return assertSize(whole, limits.maxBytes)
  const signal = limits.stop?.signal()
  const reading = readStream(whole, limits, signal)
  return signal ? unlessAborted(reading, signal) : reading
}

async function readStream(
  stream: AsyncIterable<unknown>,
  { maxBytes, parsedBodyHint }: BodyLimits,
  signal: AbortSignal | undefined,
) {
  let bytes = new Uint8Array()
  let size = 0
  try {
    for await (const chunk of stream) {
      const next: unknown = typeof chunk === 'string' ? encodeUtf8(chunk) : chunk
      if (!(next instanceof Uint8Array)) throw parsed(parsedBodyHint)
      if (size + next.length > maxBytes) throw tooLarge(maxBytes)
      if (signal?.aborted) throw incomplete()
      // Not kept as they are: a body that comes byte by byte would cost a hundred times its size.
      if (size + next.length > bytes.length) bytes = grown(bytes, size + next.length)
      bytes.set(next, size)
      size += next.length
    }
  } catch (error) {
    throw isOrderSyncError(error) ? error : incomplete()
  }
  return bytes.subarray(0, size)
}

/** Twofold at least, so that a body is copied a few times and not with every chunk. */
function grown(bytes: Uint8Array, size: number): Uint8Array<ArrayBuffer> {
  const larger = new Uint8Array(bytes.length === 0 ? size : Math.max(size, bytes.length * 2))
  larger.set(bytes)
  return larger
}

/** From outside: a stream that never goes on cannot be left from inside. */
async function unlessAborted(reading: Promise<Uint8Array>, signal: AbortSignal): Promise<Uint8Array> {
  let abort = () => {}
  const aborted = new Promise<never>((_, reject) => {
    abort = () => reject(incomplete())
  })
  if (signal.aborted) abort()
  signal.addEventListener('abort', abort)
  try {
    return await Promise.race([reading, aborted])
  } finally {
    // A signal made of others stays in memory for as long as somebody listens.
    signal.removeEventListener('abort', abort)
  }
}

interface BodyLimits {
  readonly maxBytes: number
  readonly parsedBodyHint?: string | undefined
  readonly stop?: Pick<Stop, 'signal'> | undefined
}

function assertSize(bytes: Uint8Array, maxBytes: number): Uint8Array {
  if (bytes.length > maxBytes) throw tooLarge(maxBytes)
  return bytes
}

function isRaw(body: unknown): body is RequestBody {
  if (typeof body !== 'object' || body === null) return body === null || body === undefined || typeof body === 'string'
  return body instanceof Uint8Array || Symbol.asyncIterator in body
}

/** @throws {@link RejectionError} `ERR_BODY_TOO_LARGE` when the length that is announced is over the bound already */
export function assertAnnouncedSize(contentLength: string | undefined, maxBytes: number): void {
  if (Number(contentLength ?? 0) > maxBytes) throw tooLarge(maxBytes)
}

function parsed(parsedBodyHint = 'Give the handler the raw bytes of the request.'): ConfigurationError {
  return new ConfigurationError(
    'ERR_BODY_PARSED',
    `The request body was parsed before its signature could be verified, and what a parser made of it cannot be turned back into the bytes that were signed. ${parsedBodyHint}`,
  )
}

function incomplete(): ProtocolError {
  return new ProtocolError('ERR_BODY_INCOMPLETE', 'The connection or the time ended before the body did.')
}

function tooLarge(maxBytes: number): ProtocolError {
  return new ProtocolError('ERR_BODY_TOO_LARGE', `The body is larger than the ${maxBytes} bytes that are accepted.`)
}

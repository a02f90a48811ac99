import { ConfigurationError, isOrderSyncError, RejectionError } from '../errors.ts'
import { encodeUtf8 } from '../protocol/bytes.ts'

/** The body of a request: its bytes, or a stream of them. A string stands for its UTF-8 bytes. */
export type RequestBody = Uint8Array | string | AsyncIterable<Uint8Array | string> | null | undefined

/**
 * Reads a body, up to a bound.
 *
 * @param limits The largest body in bytes, and what to tell a developer whose parser ran before.
 * @throws {@link RejectionError} `ERR_BODY_TOO_LARGE`, `ERR_BODY_INCOMPLETE`
 * @throws {@link ConfigurationError} `ERR_BODY_PARSED`
 */
export async function readBody(body: RequestBody, { maxBytes, howToMend }: BodyLimits): Promise<Uint8Array> {
  if (!isRaw(body)) throw parsed(howToMend)
  const whole = typeof body === 'string' ? encodeUtf8(body) : (body ?? new Uint8Array())
  if (whole instanceof Uint8Array) return assertSize(whole, maxBytes)
  const chunks: Uint8Array[] = []
  let size = 0
  try {
    for await (const chunk of whole) {
      const bytes: unknown = typeof chunk === 'string' ? encodeUtf8(chunk) : chunk
      if (!(bytes instanceof Uint8Array)) throw parsed(howToMend)
      size += bytes.length
      if (size > maxBytes) throw tooLarge(maxBytes)
      chunks.push(bytes)
    }
  } catch (error) {
    if (isOrderSyncError(error)) throw error
    throw new RejectionError('ERR_BODY_INCOMPLETE', 'The connection ended before the body did.')
  }
  return chunks.length === 1 && chunks[0] !== undefined ? chunks[0] : Buffer.concat(chunks)
}

interface BodyLimits {
  readonly maxBytes: number
  readonly howToMend?: string | undefined
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

function parsed(howToMend = 'Give the handler the raw bytes of the request.'): ConfigurationError {
  return new ConfigurationError(
    'ERR_BODY_PARSED',
    `The request body was parsed before its signature could be verified, and what a parser made of it cannot be turned back into the bytes that were signed. ${howToMend}`,
  )
}

function tooLarge(maxBytes: number): RejectionError {
  return new RejectionError('ERR_BODY_TOO_LARGE', `The body is larger than the ${maxBytes} bytes that are accepted.`)
}

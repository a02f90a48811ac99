import { ConfigurationError, describeKind, isOrderSyncError, ProtocolError } from '../errors.ts'
import { encodeUtf8 } from '../protocol/encoding.ts'
import { withTimeout } from '../timeout.ts'
import { PARSED_BODY, type RequestBody } from './http.ts'

/** The limits of bodies that are still arriving. */
export interface BodyLimits {
  /** The largest accepted body, in bytes. */
  readonly maxBodyBytes: number
  /** Bodies that arrive at the same time. */
  readonly maxReading: number
  /** Bytes that the buffers of arriving bodies may hold together. */
  readonly maxReadingBytes: number
  /** Milliseconds for one body to arrive. */
  readonly bodyTimeoutMs: number
}

/** The place of one request among those whose body is still arriving. */
export interface BodyPlace {
  /**
   * Reads the body, up to the limits.
   *
   * @throws {@link ProtocolError} `ERR_BODY_TOO_LARGE`, `ERR_BODY_INCOMPLETE`, `ERR_BODY_TIMEOUT`, `ERR_TRAFFIC`
   * @throws {@link ConfigurationError} `ERR_BODY_PARSED`, `ERR_REQUEST`
   */
  readonly read: (body: RequestBody, options?: ReadOptions) => Promise<Uint8Array>
  /** Gives the place, and the buffer, up. */
  readonly leave: () => void
}

interface ReadOptions {
  /** How to fix the mounting, for a developer whose body parser ran first. */
  readonly parsedBodyHint?: string | undefined
  /** Ends the wait for a stream. */
  readonly signal?: AbortSignal | undefined
}

/** The state of one place. */
interface Arriving {
  bytes: number
  buffer: Uint8Array<ArrayBuffer>
  readonly refused: AbortController
}

/**
 * Creates the gate for bodies that are still arriving. Above a limit, it refuses the body that has been arriving for
 * longest: a genuine order arrives within milliseconds, while a stranger sends slowly to hold places and memory.
 */
export function createBodyGate({ maxBodyBytes, maxReading, maxReadingBytes, bodyTimeoutMs }: BodyLimits) {
  // A Set iterates in the order of insertion: the longest-arriving body comes first.
  const places = new Set<Arriving>()
  let totalBytes = 0

  function leave(place: Arriving): void {
    if (!places.delete(place)) return
    totalBytes -= place.bytes
    // A stream that never continues keeps its reader alive, but must not keep the bytes.
    place.buffer = EMPTY
  }

  function refuseLongest(): void {
    for (const place of places) {
      if (places.size <= maxReading && totalBytes <= maxReadingBytes) return
      leave(place)
      place.refused.abort(new ProtocolError('ERR_TRAFFIC', 'Too many request bodies are arriving at the same time.'))
    }
  }

  /** Makes room in the buffer, and accounts for it. */
  function reserve(place: Arriving, bytes: number): void {
    if (bytes <= place.bytes || !places.has(place)) return
    totalBytes += bytes - place.bytes
    place.bytes = bytes
    const larger = new Uint8Array(bytes)
    larger.set(place.buffer)
    place.buffer = larger
    refuseLongest()
  }

  async function collect(place: Arriving, stream: AsyncIterable<unknown>, hint: string | undefined) {
    const { signal } = place.refused
    let size = 0
    try {
      for await (const chunk of stream) {
        const next = toBytes(chunk)
        if (next === undefined) throw notBytes(chunk, hint)
        const end = size + next.length
        if (end > maxBodyBytes) throw bodyTooLarge(maxBodyBytes)
        // At least doubled, so that a body without Content-Length is copied a few times and not with every chunk.
        if (end > place.bytes) reserve(place, Math.min(maxBodyBytes, Math.max(end, place.bytes * 2)))
        if (signal.aborted) throw signal.reason
        // Copied into one buffer: chunks of one byte, kept as objects, would cost a hundred times their size.
        place.buffer.set(next, size)
        size = end
      }
    } catch (error) {
      throw isOrderSyncError(error) ? error : bodyIncomplete()
    }
    return place.buffer.subarray(0, size)
  }

  /**
   * Takes a place for the body of a request.
   *
   * @param contentLength The header: the buffer gets this size.
   * @throws {@link ProtocolError} `ERR_BODY_TOO_LARGE` when the header is above the limit
   */
  return function enter(contentLength: string | undefined): BodyPlace {
    const announced = Number(contentLength ?? 0)
    if (announced > maxBodyBytes) throw bodyTooLarge(maxBodyBytes)
    const place: Arriving = { bytes: 0, buffer: EMPTY, refused: new AbortController() }
    places.add(place)
    refuseLongest()

    async function readStream(stream: AsyncIterable<unknown>, { parsedBodyHint, signal }: ReadOptions) {
      const { refused } = place
      const abort = () => refused.abort(bodyIncomplete())
      if (signal?.aborted) abort()
      else signal?.addEventListener('abort', abort)
      try {
        if (announced > 0) reserve(place, Math.ceil(announced))
        return await withTimeout(() => collect(place, stream, parsedBodyHint), {
          timeoutMs: bodyTimeoutMs,
          onTimeout: bodyTimeout,
          signal: refused.signal,
        })
      } finally {
        signal?.removeEventListener('abort', abort)
        // Ends the loop over a stream that continues after all.
        refused.abort(bodyIncomplete())
        leave(place)
      }
    }

    return {
      leave: () => leave(place),
      async read(body, options = {}) {
        if (isStream(body)) return await readStream(body, options)
        leave(place)
        const bytes = toBytes(body ?? EMPTY)
        if (bytes === undefined) throw notBytes(body, options.parsedBodyHint)
        if (bytes.length > maxBodyBytes) throw bodyTooLarge(maxBodyBytes)
        return bytes
      },
    }
  }
}

const EMPTY = new Uint8Array()

function isStream(body: unknown): body is AsyncIterable<unknown> {
  return isObject(body) && Symbol.asyncIterator in body && !ArrayBuffer.isView(body)
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null
}

/** The bytes of a body, or of a part of it, in any form that holds bytes. */
function toBytes(body: unknown): Uint8Array | undefined {
  if (typeof body === 'string') return encodeUtf8(body)
  if (body instanceof Uint8Array) return body
  if (ArrayBuffer.isView(body)) return new Uint8Array(body.buffer, body.byteOffset, body.byteLength)
  return isArrayBuffer(body) ? new Uint8Array(body) : undefined
}

/** Not by `instanceof`: test runners give each file an `ArrayBuffer` of its own. */
function isArrayBuffer(value: unknown): value is ArrayBuffer {
  return Object.prototype.toString.call(value) === '[object ArrayBuffer]'
}

/** Says what was given as body, or as a part of it. It is either the result of a parser or no body at all. */
function notBytes(body: unknown, hint = 'Give the handler the raw bytes of the request.'): ConfigurationError {
  const kind = describeKind(body)
  const fix = fixOf(body)
  if (fix !== undefined) return new ConfigurationError('ERR_REQUEST', `The request body is ${kind}. ${fix}`)
  const what = body === PARSED_BODY ? 'The request body' : `The request body is ${kind}: it`
  return new ConfigurationError(
    'ERR_BODY_PARSED',
    `${what} was parsed before its signature could be verified, and a parsed body cannot be turned back into the bytes that were signed. ${hint}`,
  )
}

/** For a body that no parser returns, how to get the bytes. */
function fixOf(body: unknown): string | undefined {
  if (body === PARSED_BODY) return undefined
  if (typeof body === 'function' || typeof body === 'symbol') return 'Give the handler the raw bytes of the request.'
  if (!isObject(body)) return undefined
  if ('then' in body) return 'Await it, and give the handler the bytes.'
  if ('arrayBuffer' in body) return 'Give the handler its bytes: await body.arrayBuffer().'
  if ('pipe' in body || 'getReader' in body) return 'Give the handler a stream that is an async iterable, or the bytes.'
  return undefined
}

function bodyIncomplete(): ProtocolError {
  return new ProtocolError('ERR_BODY_INCOMPLETE', 'The connection closed before the body was complete.')
}

function bodyTimeout(): ProtocolError {
  return new ProtocolError('ERR_BODY_TIMEOUT', 'The body did not arrive in time.')
}

function bodyTooLarge(maxBytes: number): ProtocolError {
  return new ProtocolError('ERR_BODY_TOO_LARGE', `The body is larger than the limit of ${maxBytes} bytes.`)
}

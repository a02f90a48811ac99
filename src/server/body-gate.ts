import { ConfigurationError, describeKind, isOrderSyncError, ProtocolError } from '../errors.ts'
import { encodeUtf8 } from '../protocol/encoding.ts'
import { waitFor } from '../timeout.ts'
import { type HintCompleter, PARSED_BODY, type RequestBody } from './http.ts'

/** The limits of bodies that are being received. */
export interface BodyLimits {
  /** The largest accepted body, in bytes. */
  readonly maxBodyBytes: number
  /** The maximum number of bodies that are received at the same time. */
  readonly maxReading: number
  /** The maximum size of all buffers of bodies that are being received, in bytes. */
  readonly maxReadingBytes: number
  /** Time limit for receiving a body, in milliseconds. */
  readonly bodyTimeoutMs: number
}

/** The place of one request among those whose body is being received. */
export interface BodyPlace {
  /**
   * Reads the body, up to the limits.
   *
   * @throws {@link ProtocolError} `ERR_BODY_TOO_LARGE`, `ERR_BODY_INCOMPLETE`, `ERR_BODY_TIMEOUT`, `ERR_TRAFFIC`
   * @throws {@link ConfigurationError} `ERR_BODY_PARSED`, `ERR_REQUEST`
   */
  readonly read: (body: RequestBody, options?: ReadOptions) => Promise<Uint8Array>
  /** Releases the place and the buffer. */
  readonly leave: () => void
}

interface ReadOptions {
  /** Its hint explains how to fix the mounting if a body parser ran first. It may be a getter: read it only for an error. */
  readonly request?: { readonly parsedBodyHint?: string | undefined } | undefined
  /** Aborted when the connection closes: ends the wait for a stream. */
  readonly connection?: AbortSignal | undefined
}

/** The state of one place. */
interface Arriving {
  bytes: number
  /** Content-Length, if it is known. */
  readonly maxBytes: number
  /** False during the credentials lookup: the place is not taken away then, because the lookup would continue without a place. */
  isReading: boolean
  buffer: Uint8Array<ArrayBuffer>
  /** Whether reading has stopped. */
  isStopped: boolean
  /** Ends the wait for the body. */
  rejectWait: (reason: ProtocolError) => void
}

/**
 * Creates the gate for bodies that are being received. Above a limit, it rejects the oldest body: a genuine order takes
 * milliseconds, while an attacker sends slowly to hold places and memory.
 */
export function createBodyGate({ maxBodyBytes, maxReading, maxReadingBytes, bodyTimeoutMs }: BodyLimits) {
  // A Set iterates in the sequence of insertion: the oldest body comes first.
  const places = new Set<Arriving>()
  let totalBytes = 0

  function leave(place: Arriving): void {
    // Ends the loop if the stream continues later.
    place.isStopped = true
    if (!places.delete(place)) return
    totalBytes -= place.bytes
    // A stream that never continues keeps its reader in memory, but must not keep the bytes.
    place.buffer = EMPTY
    // V8 can keep a deleted entry of a Set until a full garbage collection. With the callback, it would keep the request too.
    place.rejectWait = () => {}
  }

  /** Rejects the oldest body. Returns false if no body is being received. */
  function refuseOldest(): boolean {
    for (const place of places) {
      if (!place.isReading) continue
      place.rejectWait(tooManyBodies())
      leave(place)
      return true
    }
    return false
  }

  /** Makes room in the buffer, and accounts for it. */
  function reserve(place: Arriving, bytes: number): void {
    if (bytes <= place.bytes || !places.has(place)) return
    totalBytes += bytes - place.bytes
    place.bytes = bytes
    const larger = new Uint8Array(bytes)
    larger.set(place.buffer)
    place.buffer = larger
    while (totalBytes > maxReadingBytes && refuseOldest());
  }

  async function collect(place: Arriving, stream: BodyStream, options: ReadOptions) {
    let size = 0
    // Whether the loop waits for the stream: an error is then an error of the stream.
    let isWaiting = true
    try {
      for await (const chunk of stream) {
        isWaiting = false
        const next = toBytes(chunk)
        if (next === undefined) throw notBytes(chunk, hintFor(stream, options))
        const end = size + next.length
        if (end > maxBodyBytes) throw bodyTooLarge(maxBodyBytes)
        // At least doubled, so that a body is copied a few times and not with every chunk; never above Content-Length. Memory is
        // reserved as bytes arrive: an attacker could announce 1 MiB with each request and send nothing.
        if (end > place.bytes) reserve(place, Math.max(end, Math.min(place.bytes * 2, place.maxBytes)))
        if (place.isStopped) break
        // Copied into one buffer: chunks of one byte, kept as objects, would cost a hundred times their size.
        place.buffer.set(next, size)
        size = end
        isWaiting = true
      }
    } catch (error) {
      // Only an error of the stream means that the connection closed.
      throw isWaiting && !isOrderSyncError(error) ? bodyIncomplete() : error
    }
    return place.buffer.subarray(0, size)
  }

  /**
   * Takes a place for the body of a request.
   *
   * @param contentLength The header: the buffer never exceeds it.
   * @throws {@link ProtocolError} `ERR_BODY_TOO_LARGE` if the header is above the limit; `ERR_TRAFFIC` if all places wait
   * for a credentials lookup
   */
  return function enter(contentLength: string | undefined): BodyPlace {
    const announced = Number(contentLength ?? 0)
    if (announced > maxBodyBytes) throw bodyTooLarge(maxBodyBytes)
    if (places.size >= maxReading && !refuseOldest()) throw tooManyBodies()
    const maxBytes = announced > 0 ? Math.ceil(announced) : maxBodyBytes
    const place: Arriving = {
      bytes: 0,
      maxBytes,
      buffer: EMPTY,
      isReading: false,
      isStopped: false,
      rejectWait: () => {},
    }
    places.add(place)

    async function readStream(stream: BodyStream, options: ReadOptions) {
      const refused = new Promise<never>((_, reject) => {
        place.rejectWait = reject
      })
      refused.catch(() => {})
      try {
        place.isReading = true
        const work = () => Promise.race([collect(place, stream, options), refused])
        return await waitFor(work, { timeoutMs: bodyTimeoutMs, onTimeout: bodyTimeout, signal: options.connection })
      } catch (error) {
        throw options.connection?.aborted && error === options.connection.reason ? bodyIncomplete() : error
      } finally {
        leave(place)
      }
    }

    return {
      leave: () => leave(place),
      async read(body, options = {}) {
        if (isStream(body)) return await readStream(body, options)
        leave(place)
        const bytes = toBytes(body ?? EMPTY)
        if (bytes === undefined) throw notBytes(body, options.request?.parsedBodyHint)
        if (bytes.length > maxBodyBytes) throw bodyTooLarge(maxBodyBytes)
        return bytes
      },
    }
  }
}

const EMPTY = new Uint8Array()

type BodyStream = AsyncIterable<unknown> & Partial<HintCompleter>

function isStream(body: unknown): body is BodyStream {
  return isObject(body) && Symbol.asyncIterator in body && !ArrayBuffer.isView(body)
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null
}

/** How to fix the mounting. The stream of an adapter adds what is known about the framework. */
function hintFor(stream: BodyStream, { request }: ReadOptions): string | undefined {
  const hint = request?.parsedBodyHint
  return hint && (stream.completeHint?.(hint) ?? hint)
}

/** The bytes of a body, or of a part of it, in any form that holds bytes. */
function toBytes(body: unknown): Uint8Array | undefined {
  if (typeof body === 'string') return encodeUtf8(body)
  if (body instanceof Uint8Array) return body
  if (ArrayBuffer.isView(body)) return new Uint8Array(body.buffer, body.byteOffset, body.byteLength)
  return isArrayBuffer(body) ? new Uint8Array(body) : undefined
}

/** Not by `instanceof`: test runners give each file a separate `ArrayBuffer` class. */
function isArrayBuffer(value: unknown): value is ArrayBuffer {
  return Object.prototype.toString.call(value) === '[object ArrayBuffer]'
}

/** Describes an invalid body, or an invalid part of one: the result of a parser, or not a body at all. */
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

function tooManyBodies(): ProtocolError {
  return new ProtocolError('ERR_TRAFFIC', 'Too many request bodies are being received at the same time.')
}

function bodyIncomplete(): ProtocolError {
  return new ProtocolError('ERR_BODY_INCOMPLETE', 'The connection closed before the body was complete.')
}

function bodyTimeout(): ProtocolError {
  return new ProtocolError('ERR_BODY_TIMEOUT', 'The body was not received in time.')
}

function bodyTooLarge(maxBytes: number): ProtocolError {
  return new ProtocolError('ERR_BODY_TOO_LARGE', `The body is larger than the limit of ${maxBytes} bytes.`)
}

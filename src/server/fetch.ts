import { type IncomingRequest, PARSED_BODY } from './http.ts'

/** The limits for reading the rest of a body after the response. */
const REST_LIMITS = { ms: 2_000, bytes: 16 * 1_048_576 } as const

const PARSED_BODY_HINT =
  'Call handler.fetch before request.json(), request.text() or a middleware reads the body, or let them read a clone: await request.clone().json().'

/** Converts a `Request` of the Fetch API. */
export function fromWebRequest(request: Request): IncomingRequest {
  const { method, headers, signal, url } = request
  // Cut from the text: the parts of a URL object lose a trailing "?".
  const path = url.slice(new URL(url).origin.length).replace(/#.*$/, '')
  // A locked stream counts as parsed: another reader has its bytes.
  const isTaken = request.bodyUsed || request.body?.locked
  const body = isTaken ? PARSED_BODY : request.body && withoutCancel(request.body)
  return { method, path, headers, body, signal, parsedBodyHint: PARSED_BODY_HINT }
}

/** By default, leaving a stream early cancels it, which closes the connection before the response. */
function withoutCancel(stream: ReadableStream<Uint8Array>): AsyncIterable<Uint8Array> {
  return { [Symbol.asyncIterator]: () => stream.values({ preventCancel: true }) }
}

/**
 * Reads the rest of a partly read body that was rejected, up to {@link REST_LIMITS}. While a part of the body is unread, some
 * servers (Next.js, Hono on Node) do not send the response, or reset the connection before the peer has read it.
 * Does nothing while the handler's own reader waits for a stalled stream. Never rejects.
 */
export async function discardRest({ body }: Request): Promise<void> {
  if (body === null || body.locked) return
  const reader = body.getReader()
  const timer = setTimeout(() => void reader.cancel().catch(() => {}), REST_LIMITS.ms)
  try {
    for (let size = 0; size < REST_LIMITS.bytes; ) {
      const { value, done } = await reader.read()
      if (done) return
      size += value.length
    }
    await reader.cancel()
  } catch {
    // The peer has closed the connection.
  } finally {
    clearTimeout(timer)
  }
}

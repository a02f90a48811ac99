import { type IncomingRequest, PARSED_BODY } from './http.ts'

/** For how long, and how much of, the rest of a body is read after the response. */
const REST_LIMITS = { ms: 2_000, bytes: 16 * 1_048_576 } as const

const PARSED_BODY_HINT =
  'Call handler.fetch before request.json(), request.text() or a middleware reads the body, or let them read a clone: await request.clone().json().'

/** Translates a request of the web standard. */
export function fromWebRequest(request: Request): IncomingRequest {
  const { method, headers, signal, url } = request
  // Cut from the text: the parts of a URL object lose a "?" that nothing follows.
  const path = url.slice(new URL(url).origin.length).replace(/#.*$/, '')
  // A stream that another reader holds is as good as parsed: its bytes are gone.
  const isTaken = request.bodyUsed || request.body?.locked
  const body = isTaken ? PARSED_BODY : request.body && withoutCancel(request.body)
  return { method, path, headers, body, signal, parsedBodyHint: PARSED_BODY_HINT }
}

/** Leaving a stream half-way cancels it by default, and that closes the connection before the response. */
function withoutCancel(stream: ReadableStream<Uint8Array>): AsyncIterable<Uint8Array> {
  return { [Symbol.asyncIterator]: () => stream.values({ preventCancel: true }) }
}

/**
 * Reads the rest of a body that was refused half-way, up to {@link REST_LIMITS}. Some servers (Next.js, Hono on Node) do
 * not send the response, or reset the connection before the peer has read it, while a part of the body is unread.
 * Does nothing while the handler's own reader waits for a stream that has stopped. Never rejects.
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

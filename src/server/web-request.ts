import type { RequestBody } from './body.ts'
import type { IncomingRequest } from './handler.ts'

/** Milliseconds and bytes for which what is left of a body is still taken in. */
const PATIENCE = { ms: 2_000, bytes: 16 * 1_048_576 } as const

const READ_ALREADY =
  'Give handler.fetch the request before request.json(), request.text() or a middleware has read it; clone it for them: await request.clone().json().'

/** What a handler is to know of a request of the web standard. */
export function fromWebRequest(request: Request): IncomingRequest {
  const { method, headers, signal, url } = request
  // Cut out rather than put together from a URL's parts: those leave out a "?" that nothing follows.
  const path = url.slice(new URL(url).origin.length).replace(/#.*$/, '')
  // A stream that has been read, or is being read, is as good as parsed: what it held is gone.
  const isTaken = request.bodyUsed || request.body?.locked
  const body = isTaken ? ({} as RequestBody) : request.body && uncancelled(request.body)
  return { method, path, headers, body, signal, parsedBodyHint: READ_ALREADY }
}

/** A stream that is left half-way is cancelled, unless told not to; that takes the connection down before the answer. */
function uncancelled(stream: ReadableStream<Uint8Array>): AsyncIterable<Uint8Array> {
  return { [Symbol.asyncIterator]: () => stream.values({ preventCancel: true }) }
}

/**
 * Takes in what a refusal has left of a body, for a while. Servers in front (Next.js, Hono on Node) do not send the
 * answer, or reset the connection before the peer has read it, while there is a stream of it that nobody reads.
 */
export async function discardRest({ body }: Request): Promise<void> {
  if (body === null || body.locked) return
  const reader = body.getReader()
  const timer = setTimeout(() => void reader.cancel().catch(() => {}), PATIENCE.ms)
  try {
    for (let size = 0; size < PATIENCE.bytes; ) {
      const { value, done } = await reader.read()
      if (done) return
      size += value.length
    }
    await reader.cancel()
  } catch {
    // The peer has gone.
  } finally {
    clearTimeout(timer)
  }
}

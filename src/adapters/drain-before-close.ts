import { Buffer } from 'node:buffer'
import { Readable } from 'node:stream'
import { finished } from 'node:stream/promises'
import type { NodeRequest, NodeResponse } from './node.ts'

/** Milliseconds for which what is left of a body is still taken in after the answer. */
const PATIENCE_MS = 2_000

/**
 * The body of an answer, as the server is to send it. Where the request has not been read to its end, its connection
 * is closed, but not at once: bytes that come to a closed connection reset it, and the peer loses an answer that it
 * has not read yet. So that answer is a stream, which is held open until the peer has sent the rest, for a while.
 */
export function drainBeforeClose(request: NodeRequest, response: NodeResponse, body: Uint8Array): Buffer | Readable {
  if (request.complete) return Buffer.from(body.buffer, body.byteOffset, body.byteLength)
  const { stream } = response
  // In HTTP/2 a request has a stream to itself, and only that is to end.
  if (request.httpVersionMajor >= 2) stream?.once('finish', () => stream.destroy())
  else response.setHeader('Connection', 'close')
  return Readable.from(withPatience(request, body), { objectMode: false })
}

async function* withPatience(request: NodeRequest, body: Uint8Array) {
  yield body
  await finished(request.resume(), { signal: AbortSignal.timeout(PATIENCE_MS) }).catch(() => {})
}

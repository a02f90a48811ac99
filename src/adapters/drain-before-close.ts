import { Buffer } from 'node:buffer'
import { Readable } from 'node:stream'
import { finished } from 'node:stream/promises'
import type { NodeRequest, NodeResponse } from './node-request.ts'

/** Milliseconds to wait for the rest of a request body before the connection is closed. */
const DRAIN_TIMEOUT_MS = 2_000

/**
 * Returns the response body in the form to send. When the request was read to its end, that is the bytes.
 *
 * Otherwise the connection must be closed after the response, but not immediately: data that arrives on a closed socket
 * resets the connection, and the peer loses a response that it has not read yet. So the body is then a stream, which
 * stays open until the rest of the request has been received or the time is up.
 */
export function drainBeforeClose(request: NodeRequest, response: NodeResponse, body: Uint8Array): Buffer | Readable {
  if (request.complete) return Buffer.from(body.buffer, body.byteOffset, body.byteLength)
  const { stream } = response
  // In HTTP/2 only this request's stream is closed, not the connection.
  if (request.httpVersionMajor >= 2) stream?.once('finish', () => stream.destroy())
  else response.setHeader('Connection', 'close')
  return Readable.from(sendThenDrain(request, body), { objectMode: false })
}

async function* sendThenDrain(request: NodeRequest, body: Uint8Array) {
  yield body
  // Rejects when the time is up or the peer has disconnected. In both cases the response ends here.
  await finished(request.resume(), { signal: AbortSignal.timeout(DRAIN_TIMEOUT_MS) }).catch(() => {})
}

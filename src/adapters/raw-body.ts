import type { Buffer } from 'node:buffer'
import type { RequestBody } from '../server/body.ts'
import type { NodeRequest } from './node.ts'

/** The bytes: those that a parser has kept, or the stream. Else what the parser left, for the handler to refuse. */
export function rawBody(request: NodeRequest, parsed: { body?: unknown; rawBody?: unknown }): RequestBody {
  for (const kept of [parsed.rawBody, parsed.body]) {
    if (kept instanceof Uint8Array || typeof kept === 'string') return kept
  }
  // Who reads beside us takes bytes away as much as who has read before.
  if (request.readableDidRead || request.readableFlowing) return {} as RequestBody
  // A small body comes with its headers, whole: then there is nothing to wait for.
  if (request.readableLength === Number(request.headers['content-length'])) {
    const whole = request.read() as Buffer | null
    // To its end, of which others may want to be told.
    request.resume()
    return whole
  }
  // Leaving the loop over the stream half-way must not destroy the socket: an answer is due.
  return request.iterator({ destroyOnReturn: false })
}

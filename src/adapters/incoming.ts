import type { RequestBody } from '../server/body.ts'
import type { IncomingRequest } from '../server/handler.ts'
import type { NodeRequest, NodeResponse } from './node.ts'
import { peerSignal } from './peer.ts'
import { rawBody } from './raw-body.ts'

/** What a framework has put around a request. */
export interface FrameworkRequest {
  readonly body?: unknown
  readonly rawBody?: unknown
  readonly originalUrl?: string
}

/**
 * What a handler is to know of a request of `node:http`; for adapters to frameworks on top of it.
 *
 * @param around What a framework has put around the request: body parsers leave there what they made (`body`), and
 * perhaps the bytes (`rawBody`), and routers the path as it was received (`originalUrl`).
 * @param howToMend What to tell a developer whose body parser ran before.
 */
export function toIncomingRequest(
  request: NodeRequest,
  response: NodeResponse,
  around: FrameworkRequest,
  howToMend: string,
): IncomingRequest {
  return new FromNode(request, response, around, howToMend)
}

/** A class for its getters: those of a literal are new functions each time, and V8 keeps what they see for too long. */
class FromNode implements IncomingRequest {
  readonly method: string
  readonly path: string
  readonly headers: NodeRequest['headers']
  readonly howToMend: string
  readonly #request: NodeRequest
  readonly #response: NodeResponse
  readonly #around: FrameworkRequest

  constructor(request: NodeRequest, response: NodeResponse, around: FrameworkRequest, howToMend: string) {
    this.howToMend = howToMend
    this.method = request.method ?? ''
    // Routers cut their mount path off url.
    this.path = around.originalUrl ?? request.originalUrl ?? request.url ?? ''
    this.headers = request.headers
    this.#request = request
    this.#response = response
    this.#around = around
  }

  get body(): RequestBody {
    return rawBody(this.#request, this.#around)
  }

  get signal(): AbortSignal {
    return peerSignal(this.#response)
  }
}

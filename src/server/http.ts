import type { HeadersInput } from '../protocol/headers.ts'

/** Stands for a body whose bytes are gone: a body parser, or another reader, took them. */
export const PARSED_BODY: unique symbol = Symbol.for('alipayhk-order-sync/parsed-body')

/**
 * The body of a request: its bytes, or a stream of them. A string stands for its UTF-8 bytes.
 * {@link PARSED_BODY}, alone or in the stream, says that the bytes are gone.
 */
export type RequestBody =
  | Uint8Array
  | ArrayBuffer
  | string
  | AsyncIterable<Uint8Array | ArrayBuffer | string | typeof PARSED_BODY>
  | typeof PARSED_BODY
  | null
  | undefined

/** A request, as any HTTP layer can give it. */
export interface IncomingRequest {
  readonly method: string
  /** The request-target: path and query string. */
  readonly path: string
  readonly headers: HeadersInput
  /** The bytes as they arrived, or a stream of them. Never the result of a body parser. */
  readonly body?: RequestBody
  /** Aborted when the peer closes the connection. */
  readonly signal?: AbortSignal | undefined
  /** For adapters: how to fix the mounting when `body` turns out to be parsed already. */
  readonly parsedBodyHint?: string | undefined
}

/** A response, as any HTTP layer can send it. */
export interface HttpResponse {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  /** The bytes that were signed. Send them unchanged. */
  readonly body: Uint8Array
}

/** Made by `createOrderSyncHandler`. */
export interface OrderSyncHandler {
  /** Handles one request. Never rejects. */
  (request: IncomingRequest): Promise<HttpResponse>
  /** The same for the web standard: Next.js, Hono, Bun, Deno, Workers. Needs no `this`. */
  readonly fetch: (request: Request) => Promise<Response>
  /**
   * Resolves when nothing is in flight any more, work that outlived its response included. For a clean shutdown: stop
   * accepting requests first. It then ends, at the latest when the last lease is over: `timeoutMs` + `leaseMs` after the last
   * request arrived.
   *
   * @param options `timeoutMs`: milliseconds to wait at most. @defaultValue until every lease is over
   */
  readonly drain: (options?: { readonly timeoutMs?: number | undefined }) => Promise<DrainResult>
}

/** The result of `drain()`. */
export interface DrainResult {
  /** Requests whose work had not ended when the time was up. Empty after a complete drain. */
  readonly stillRunning: readonly RunningRequest[]
}

/** A request at work. */
export interface RunningRequest {
  /** The caller, if it is known. */
  readonly clientId?: string
  /** The request, if its signature verified. */
  readonly requestId?: string
  /** Milliseconds since it arrived. */
  readonly runningMs: number
}

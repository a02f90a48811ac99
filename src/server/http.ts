import type { HeadersInput } from '../protocol/headers.ts'

/** Marks a body whose bytes a body parser, or another reader, has consumed. */
export const PARSED_BODY: unique symbol = Symbol.for('alipayhk-order-sync/parsed-body')

/** Completes `parsedBodyHint`. A member of the body, not of the request: `{ ...request, path }` keeps it without calling it. */
export interface HintCompleter {
  /** Adds the fix for the framework to `parsedBodyHint`. Expensive: call it only when the hint is shown. */
  readonly completeHint: (hint: string) => string
}

/**
 * The body of a request: its bytes, or a stream of them. A string stands for its UTF-8 bytes.
 * {@link PARSED_BODY}, alone or in the stream, means that the bytes were consumed.
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
  /** The received bytes, or a stream of them. Never the result of a body parser. */
  readonly body?: RequestBody
  /** Aborted when the peer closes the connection. */
  readonly signal?: AbortSignal | undefined
  /** For adapters: how to mount the handler correctly, shown when a body parser has already parsed `body`. */
  readonly parsedBodyHint?: string | undefined
}

/** A response, as any HTTP layer can send it. */
export interface HttpResponse {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  /** The bytes that were signed. Send them unchanged. */
  readonly body: Uint8Array
}

/** The handler that `createOrderSyncHandler()` returns. */
export interface OrderSyncHandler {
  /** Handles one request. Never rejects. */
  (request: IncomingRequest): Promise<HttpResponse>
  /** Handles a web standard `Request`: for Next.js, Hono, Bun, Deno, Workers. Works without `this`. */
  readonly fetch: (request: Request) => Promise<Response>
  /**
   * Waits until no request is in flight, including work that outlives its response. For a clean shutdown, stop accepting
   * requests first. Then it resolves at the latest when the last lease expires: `timeoutMs` + `leaseMs` after the last
   * request arrived.
   *
   * @param options `timeoutMs`: upper bound of the wait, in milliseconds. @defaultValue until every lease expires
   */
  readonly drain: (options?: { readonly timeoutMs?: number | undefined }) => Promise<DrainResult>
  /**
   * Reports whether the handler can process an order now. Calls the store, for at most `storeTimeoutMs`. For the health check
   * of a load balancer or an orchestrator: see docs/health.md. Never rejects. The result has no secret and no customer data.
   *
   * @see docs/protocol.md section 7.3
   * @example
   * ```ts
   * import type { OrderSyncHandler } from 'alipayhk-order-sync'
   *
   * export async function GET(handler: OrderSyncHandler) {
   *   const health = await handler.health()
   *   return Response.json(health, { status: health.ok ? 200 : 503 })
   * }
   * ```
   */
  readonly health: () => Promise<HandlerHealth>
}

/** The result of `health()`. */
export interface HandlerHealth {
  /** Whether an order can be processed: the store works, and the handler is not full. */
  readonly ok: boolean
  readonly store: StoreHealth
  readonly inFlight: {
    /** Requests without a response. */
    readonly responding: number
    /** Requests in progress, including work that outlived its response. At `maxConcurrent`, new requests are rejected. */
    readonly working: number
    readonly maxConcurrent: number
  }
}

/** Whether the store can be used. */
export interface StoreHealth {
  /** Whether it responds. */
  readonly reachable: boolean
  /** Whether the tables match this release. False while the store is not reachable. */
  readonly migrated: boolean
  /** Milliseconds that it took to respond, or to fail. */
  readonly latencyMs: number
  /** What is wrong: `ERR_STORE`, `ERR_STORE_TIMEOUT` or `ERR_STORE_NOT_MIGRATED`. */
  readonly code?: string
  /** A description, with the class and the code of the error of the driver. */
  readonly message?: string
}

/** The result of `drain()`. */
export interface DrainResult {
  /** Requests that were still running at the end of the wait. Empty after a complete drain. */
  readonly stillRunning: readonly RunningRequest[]
}

/** A request that is still running. */
export interface RunningRequest {
  /** The caller, if it is known. */
  readonly clientId?: string
  /** The request, if its signature verified. */
  readonly requestId?: string
  /** Time since the request arrived, in milliseconds. */
  readonly runningMs: number
}

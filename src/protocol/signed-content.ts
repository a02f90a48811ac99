/** What a signature covers, besides the body. */
export interface SignedHead {
  readonly method: string
  /** The request-target: path and query string, as the sender of the request wrote it. */
  readonly path: string
  readonly clientId: string
  /** The text of `Request-Time` or `Response-Time`, exactly as sent. */
  readonly time: string
}

/** The bytes that are signed, in two pieces so that a body need not be copied. */
export interface SignedContent {
  readonly head: string
  /** The body exactly as on the wire: the ciphertext when it is encrypted. */
  readonly body: Uint8Array
}

/**
 * The content that is signed: `<METHOD> <path>\n<Client-Id>.<time>.<body>`.
 * A response is signed over the method and path of its request.
 *
 * @see docs/protocol.md section 3.1
 * @example
 * ```ts
 * import { formatTime, ORDER_SYNC_PATH, signedContent } from 'alipayhk-order-sync'
 *
 * const head = { method: 'POST', path: ORDER_SYNC_PATH, clientId: '4Q5Y8W0WSG45P907917', time: formatTime(Date.now()) }
 * const content = signedContent(head, Buffer.from('{}'))
 * ```
 */
export function signedContent({ method, path, clientId, time }: SignedHead, body: Uint8Array): SignedContent {
  return { head: `${method.toUpperCase()} ${path}\n${clientId}.${time}.`, body }
}

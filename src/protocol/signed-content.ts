import { Buffer } from 'node:buffer'

/** What a signature covers in addition to the body. */
export interface SignedHead {
  readonly method: string
  /** The request-target: path and query string, as the sender of the request wrote it. */
  readonly path: string
  readonly clientId: string
  /** The text of `Request-Time` or `Response-Time`, exactly as sent. */
  readonly time: string
}

/**
 * Returns the bytes that are signed: `<METHOD> <path>\n<Client-Id>.<time>.<body>`.
 * A response is signed over the method and path of its request.
 *
 * @param body The body exactly as on the wire: the ciphertext when it is encrypted.
 * @see docs/protocol.md section 3.1
 * @example
 * ```ts
 * import { ORDER_SYNC_PATH } from 'alipayhk-order-sync'
 * import { formatTime, signedContent } from 'alipayhk-order-sync/protocol'
 *
 * const head = { method: 'POST', path: ORDER_SYNC_PATH, clientId: '4Q5Y8W0WSG45P907917', time: formatTime(Date.now()) }
 * const content = signedContent(head, Buffer.from('{}'))
 * ```
 */
export function signedContent({ method, path, clientId, time }: SignedHead, body: Uint8Array): Uint8Array {
  return Buffer.concat([Buffer.from(`${method.toUpperCase()} ${path}\n${clientId}.${time}.`), body])
}

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
 */
export function signedContent({ method, path, clientId, time }: SignedHead, body: Uint8Array): SignedContent {
  return { head: `${method.toUpperCase()} ${path}\n${clientId}.${time}.`, body }
}

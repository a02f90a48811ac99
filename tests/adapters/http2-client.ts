import { once } from 'node:events'
import { connect, type IncomingHttpHeaders, type SecureClientSessionOptions } from 'node:http2'
import { buffer } from 'node:stream/consumers'
import type { Connect } from './client.ts'
import type { SuiteRequest } from './request-cases.ts'

/**
 * Sends all requests in one session of HTTP/2.
 *
 * @param tls Without it, the session is in the clear.
 */
export const connectOverHttp2 =
  (tls?: SecureClientSessionOptions): Connect =>
  (port) => {
    const session = tls ? connect(`https://127.0.0.1:${port}`, tls) : connect(`http://127.0.0.1:${port}`)
    return {
      async send(request) {
        // Without `endStream: false`, Node ends a DELETE or GET before its body.
        const stream = session.request(toHttp2Headers(request), { endStream: false })
        stream.end(request.body)
        const closed = once(stream, 'close').then(() => Promise.reject(new Error('The stream closed')))
        const [{ ':status': status = 0, ...headers }] = (await Promise.race([once(stream, 'response'), closed])) as [
          IncomingHttpHeaders & { readonly ':status'?: number },
        ]
        const received = Object.entries(headers).map(([name, value]) => [name, String(value)])
        return { status, headers: Object.fromEntries(received), body: await buffer(stream) }
      },
      close: () => session.destroy(),
    }
  }

/** HTTP/2 has no Transfer-Encoding: a body without a Content-Length is the same as chunks in HTTP/1.1. */
export function toHttp2Headers({ method, path, headers, body }: SuiteRequest) {
  const { 'Transfer-Encoding': chunked, ...rest } = headers
  const length = chunked === undefined ? { 'content-length': body.length } : {}
  return { ':method': method, ':path': path, ...rest, ...length }
}

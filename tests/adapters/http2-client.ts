import { once } from 'node:events'
import { connect, type IncomingHttpHeaders, type SecureClientSessionOptions } from 'node:http2'
import { buffer } from 'node:stream/consumers'
import type { Connect } from './client.ts'
import type { SuiteRequest } from './exchanges.ts'

/** One session of HTTP/2, over TLS. */
export const connectOverHttp2 =
  (tls: SecureClientSessionOptions): Connect =>
  (port) => {
    const session = connect(`https://127.0.0.1:${port}`, tls)
    return {
      async send(sent) {
        // A DELETE or GET would be at its end already.
        const stream = session.request(headersOf(sent), { endStream: false })
        stream.end(sent.body)
        const [{ ':status': status = 0, ...headers }] = (await once(stream, 'response')) as [
          IncomingHttpHeaders & { readonly ':status'?: number },
        ]
        const received = Object.entries(headers).map(([name, value]) => [name, String(value)])
        return { status, headers: Object.fromEntries(received), body: await buffer(stream) }
      },
      end: () => session.destroy(),
    }
  }

/** HTTP/2 has frames where HTTP/1.1 has chunks; otherwise the length is told here too. */
export function headersOf({ method, path, headers, body }: SuiteRequest) {
  const { 'Transfer-Encoding': chunked, ...rest } = headers
  const length = chunked === undefined ? { 'content-length': body.length } : {}
  return { ':method': method, ':path': path, ...rest, ...length }
}

import { request as requestHttp } from 'node:http'
import { request as requestHttps } from 'node:https'
import { connect } from 'node:net'
import { connect as connectTls } from 'node:tls'
import type { SignedRequest } from '../tamper.ts'

/** The largest response that is read. */
const MAX_RESPONSE_BYTES = 1_048_576

/** The HTTP response. */
export interface ReceivedResponse {
  readonly status: number
  /** Alternating names and values, as received. */
  readonly rawHeaders: readonly string[]
  readonly body: Uint8Array
}

/** Why there is no response. */
export interface Silence {
  readonly silence: 'timeout' | 'connection' | 'too large' | 'hung up'
  /** A code of Node.js: `ECONNREFUSED`. */
  readonly code?: string | undefined
}

/** How a request is sent. */
export interface SendOptions {
  readonly timeoutMs: number
  readonly signal: AbortSignal
  /** Closes the connection as soon as the request is written. */
  readonly hangUp?: boolean | undefined
}

/** Sends one request on a new connection. Never rejects: no response is a result too. */
export function send(
  url: URL,
  { method, path, headers, body }: SignedRequest,
  { timeoutMs, signal, hangUp = false }: SendOptions,
): Promise<ReceivedResponse | Silence> {
  const request = url.protocol === 'https:' ? requestHttps : requestHttp
  return new Promise((resolve) => {
    const outgoing = request(url, {
      ...{ method, path, agent: false, signal: AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]) },
      headers: { ...headers, ...(method !== 'GET' && { 'Content-Length': body.length }) },
    })
    const fail = (error: NodeJS.ErrnoException) => {
      const isTimeout = error.name === 'AbortError' || error.name === 'TimeoutError'
      resolve(isTimeout ? { silence: 'timeout' } : { silence: 'connection', code: error.code })
    }
    outgoing.on('error', fail)
    outgoing.on('response', (incoming) => {
      const chunks: Buffer[] = []
      let size = 0
      incoming.on('error', fail)
      incoming.on('data', (chunk: Buffer) => {
        size += chunk.length
        chunks.push(chunk)
        if (size <= MAX_RESPONSE_BYTES) return
        resolve({ silence: 'too large' })
        outgoing.destroy()
      })
      incoming.on('end', () => {
        const { statusCode: status = 0, rawHeaders } = incoming
        resolve({ status, rawHeaders, body: Buffer.concat(chunks) })
      })
      // A body that was cut off has no end.
      incoming.on('close', () => resolve({ silence: 'connection', code: 'ECONNRESET' }))
    })
    outgoing.end(body, () => {
      if (!hangUp) return
      // Wait until the last bytes are sent.
      outgoing.socket?.destroySoon()
      resolve({ silence: 'hung up' })
    })
  })
}

/** Opens connections that send the head and half of the body, and then nothing. */
export function sendHalf(url: URL, { method, path, headers, body }: SignedRequest, connections: number) {
  const fields = Object.entries({ Host: url.host, ...headers, 'Content-Length': String(body.length) })
  const head = [`${method} ${path} HTTP/1.1`, ...fields.map(([name, value]) => `${name}: ${value}`), '', ''].join(
    '\r\n',
  )
  const port = Number(url.port) || (url.protocol === 'https:' ? 443 : 80)
  const host = url.hostname.replace(/^\[|\]$/g, '')
  const sockets = Array.from({ length: connections }, () => {
    const socket = url.protocol === 'https:' ? connectTls({ host, port, servername: host }) : connect(port, host)
    // The endpoint may close it, which is correct.
    socket.on('error', () => {})
    socket.write(Buffer.concat([Buffer.from(head), body.subarray(0, body.length >> 1)]))
    return socket
  })
  return { close: () => sockets.forEach((socket) => void socket.destroy()) }
}

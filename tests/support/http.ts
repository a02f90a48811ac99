import { type IncomingMessage, request as requestOverHttp, type Server } from 'node:http'
import { type AddressInfo, connect } from 'node:net'
import type { TestRequest } from './messages.ts'

/** A response as it arrived on a socket. */
export interface ReceivedResponse {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: Buffer
}

/** Starts a server on a free port of 127.0.0.1. */
export async function listen(server: Server) {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  return {
    port,
    async close() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

/** Sends a request with node:http. */
export function send(
  port: number,
  { method, path, headers, body }: TestRequest,
  options: object = {},
): Promise<ReceivedResponse> {
  return new Promise((resolve, reject) => {
    const sending = requestOverHttp({ host: '127.0.0.1', port, method, path, headers, ...options }, (response) => {
      readAll(response).then((received) => resolve({ ...headOf(response), body: received }), reject)
    })
    sending.on('error', reject)
    sending.end(body)
  })
}

async function readAll(response: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = []
  for await (const chunk of response) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks)
}

/** Status and headers. The names of the headers are spelt as they were sent. */
function headOf({ statusCode = 0, rawHeaders }: IncomingMessage): Omit<ReceivedResponse, 'body'> {
  const headers: Record<string, string> = {}
  for (let at = 0; at < rawHeaders.length; at += 2) headers[rawHeaders[at] ?? ''] = rawHeaders[at + 1] ?? ''
  return { status: statusCode, headers }
}

/** A request as it is written to a socket. */
export function wire({ method, path, headers, body }: TestRequest, contentLength = body.length): Buffer {
  const lines = Object.entries({ Host: 'x', ...headers, 'Content-Length': contentLength }).map(
    ([name, value]) => `${name}: ${value}\r\n`,
  )
  return Buffer.concat([Buffer.from(`${method} ${path} HTTP/1.1\r\n${lines.join('')}\r\n`), body])
}

/** Writes bytes to a socket in one piece. Reads until the peer closes, or until `count` responses are complete. */
export function exchangeRaw(port: number, bytes: Uint8Array, count: number): Promise<ReceivedResponse[]> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => socket.write(bytes))
    let received = Buffer.alloc(0)
    // A peer that closes with unread bytes resets the connection. Responses that arrived before that count.
    socket.on('error', () => {})
    socket.on('close', () => resolve(parseResponses(received)))
    socket.on('data', (chunk) => {
      received = Buffer.concat([received, chunk])
      if (parseResponses(received).length >= count) socket.destroy()
    })
  })
}

function parseResponses(bytes: Buffer): ReceivedResponse[] {
  const responses: ReceivedResponse[] = []
  for (let at = 0; at < bytes.length; ) {
    const end = bytes.indexOf('\r\n\r\n', at)
    if (end < 0) break
    const [first = '', ...lines] = bytes.subarray(at, end).toString('latin1').split('\r\n')
    const headers = Object.fromEntries(lines.map((line) => line.split(/: (.*)/s).slice(0, 2) as [string, string]))
    const length = Number(headers['Content-Length'])
    const body = bytes.subarray(end + 4, end + 4 + length)
    if (body.length < length) break
    responses.push({ status: Number(first.split(' ')[1]), headers, body })
    at = end + 4 + length
  }
  return responses
}

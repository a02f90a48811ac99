import { Agent, request as requestOverHttp } from 'node:http'
import type { Socket } from 'node:net'
import type { ReceivedResponse } from '../support/http.ts'
import type { SuiteRequest } from './request-cases.ts'

/** The same response with the names of its headers in lower case. Servers differ in how they write them. */
export const withLowerCaseHeaders = <Message extends { readonly headers: Readonly<Record<string, string>> }>(
  response: Message,
): Message => ({
  ...response,
  headers: Object.fromEntries(Object.entries(response.headers).map(([name, value]) => [name.toLowerCase(), value])),
})

/** Sends a request with node:http. */
export function sendRequest(
  port: number,
  { method, path, headers, body }: SuiteRequest,
  options: object = {},
): Promise<ReceivedResponse> {
  return new Promise((resolve, reject) => {
    // For DELETE, Node sends the body but no Content-Length of its own.
    const length = 'Transfer-Encoding' in headers ? {} : { 'Content-Length': body.length }
    const request = requestOverHttp({
      host: '127.0.0.1',
      port,
      method,
      path,
      headers: { ...headers, ...length },
      ...options,
    })
    request.on('error', reject)
    request.on('response', async (response) => {
      const chunks: Buffer[] = []
      response.on('error', reject)
      for await (const chunk of response) chunks.push(chunk as Buffer)
      const received = Object.entries(response.headers).map(([name, value]) => [name, String(value)])
      resolve({
        status: response.statusCode ?? 0,
        headers: Object.fromEntries(received) as Record<string, string>,
        body: Buffer.concat(chunks),
      })
    })
    request.end(body)
  })
}

/** A client that sends all requests on one connection, as long as the server keeps it open. */
export interface Connection {
  readonly send: (request: SuiteRequest) => Promise<ReceivedResponse>
  readonly close: () => void
}
export type Connect = (port: number) => Connection

export const connectOverHttp: Connect = (port) => {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  return { send: (request) => sendRequest(port, request, { agent }), close: () => agent.destroy() }
}

/** The head of a request, as it is written to a socket. */
export const formatHead = ({ method, path, headers }: SuiteRequest): string =>
  `${method} ${path} HTTP/1.1\r\n${Object.entries({ Host: 'x', ...headers })
    .map(([name, value]) => `${name}: ${value}\r\n`)
    .join('')}\r\n`

/** Reads one response from a socket, and resolves as soon as it is complete. */
export function readResponse(socket: Socket): Promise<ReceivedResponse> {
  return new Promise((resolve, reject) => {
    let received = Buffer.alloc(0)
    socket.on('data', (chunk) => {
      received = Buffer.concat([received, chunk])
      const response = parseResponse(received)
      if (response) resolve(response)
    })
    socket.on('close', () => reject(new Error(`The connection closed after ${JSON.stringify(String(received))}`)))
    socket.on('error', reject)
    socket.resume()
  })
}

function parseResponse(bytes: Buffer): ReceivedResponse | undefined {
  const end = bytes.indexOf('\r\n\r\n')
  if (end < 0) return undefined
  const [first = '', ...lines] = bytes.subarray(0, end).toString('latin1').split('\r\n')
  const entries = lines.map((line) => /^(.*?): *(.*)$/.exec(line)).map((match) => [match?.[1] ?? '', match?.[2] ?? ''])
  const { headers } = withLowerCaseHeaders({ headers: Object.fromEntries(entries) as Record<string, string> })
  const rest = bytes.subarray(end + 4)
  const body =
    headers['transfer-encoding'] === 'chunked'
      ? parseChunks(rest)
      : takeComplete(rest, Number(headers['content-length']))
  return body && { status: Number(first.split(' ')[1]), headers, body }
}

const takeComplete = (bytes: Buffer, length: number) => (bytes.length < length ? undefined : bytes.subarray(0, length))

function parseChunks(bytes: Buffer): Buffer | undefined {
  const chunks: Buffer[] = []
  for (let at = 0; ; ) {
    const end = bytes.indexOf('\r\n', at)
    const size = Number.parseInt(bytes.subarray(at, end).toString('latin1'), 16)
    if (end < 0 || bytes.length < end + size + 4) return undefined
    if (size === 0) return Buffer.concat(chunks)
    chunks.push(bytes.subarray(end + 2, end + 2 + size))
    at = end + size + 4
  }
}

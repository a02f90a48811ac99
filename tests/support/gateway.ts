import { createServer, type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { type RequestParts, signedResponse, success } from './messages.ts'

/** A request that the gateway received. */
export interface GatewayRequest {
  readonly method: string
  readonly path: string
  readonly headers: IncomingHttpHeaders & Record<string, string | undefined>
  readonly body: Buffer
}

/** What the gateway does with one request. */
export type Behaviour = (response: ServerResponse, request: GatewayRequest, incoming: IncomingMessage) => void

/** Responds as the specification says. */
export const respondsSigned =
  (message: unknown = success(), parts: RequestParts = {}, status = 200): Behaviour =>
  (response, { path }) => {
    const { headers, body } = signedResponse(message, { path, ...parts })
    response.writeHead(status, headers).end(body)
  }

/** Responds with any status, body and headers, unsigned. */
export const respondsWith =
  (status: number, body: string | Uint8Array = '', headers: Record<string, string> = {}): Behaviour =>
  (response) =>
    void response.writeHead(status, headers).end(body)

/** Closes the connection without a response. */
export const closesConnection: Behaviour = (_response, _request, incoming) => void incoming.socket.destroy()

/** Keeps the connection open and never responds. */
export const neverResponds: Behaviour = () => {}

/** A gateway on 127.0.0.1. Each request gets the next behaviour of the script; when the script ends, the last one repeats. */
export async function startGateway(...script: readonly Behaviour[]) {
  const requests: GatewayRequest[] = []
  const server = createServer(async (incoming, response) => {
    const chunks: Buffer[] = []
    for await (const chunk of incoming) chunks.push(chunk as Buffer)
    const { method = '', url: path = '', headers } = incoming
    const request = { method, path, headers: headers as GatewayRequest['headers'], body: Buffer.concat(chunks) }
    const behaviour = script[Math.min(requests.length, script.length - 1)] ?? respondsSigned()
    requests.push(request)
    behaviour(response, request, incoming)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  return {
    url: `http://127.0.0.1:${port}`,
    requests,
    async close() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

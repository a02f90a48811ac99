import { createServer, type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { type RequestParts, signedResponse, success } from './messages.ts'

/** A request as the gateway saw it. */
export interface Seen {
  readonly method: string
  readonly path: string
  readonly headers: IncomingHttpHeaders & Record<string, string | undefined>
  readonly body: Buffer
}

/** What the gateway does with one request. */
export type Behaviour = (response: ServerResponse, seen: Seen, request: IncomingMessage) => void

/** Answers as the specification says. */
export const respondsSigned =
  (message: unknown = success(), parts: RequestParts = {}, status = 200): Behaviour =>
  (response, { path }) => {
    const { headers, body } = signedResponse(message, { path, ...parts })
    response.writeHead(status, headers).end(body)
  }

/** Answers with anything. */
export const respondsWith =
  (status: number, body: string | Uint8Array = '', headers: Record<string, string> = {}): Behaviour =>
  (response) =>
    void response.writeHead(status, headers).end(body)

/** Hangs up without an answer. */
export const hangsUp: Behaviour = (_response, _seen, request) => void request.socket.destroy()

/** Never answers. */
export const neverResponds: Behaviour = () => {}

/** A gateway on 127.0.0.1 that does one thing after the other, and the last of them from then on. */
export async function startGateway(...script: readonly Behaviour[]) {
  const seen: Seen[] = []
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk as Buffer)
    const { method = '', url: path = '', headers } = request
    const current = { method, path, headers: headers as Seen['headers'], body: Buffer.concat(chunks) }
    const behaviour = script[Math.min(seen.length, script.length - 1)] ?? respondsSigned()
    seen.push(current)
    behaviour(response, current, request)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  return {
    url: `http://127.0.0.1:${port}`,
    seen,
    async close() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

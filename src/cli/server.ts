import { once } from 'node:events'
import type { Server, ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import process from 'node:process'
import { UsageError } from './usage-error.ts'

/** Responds with a line of text, and closes the connection. */
export function respondText(response: ServerResponse, status: number, text: string): void {
  response.writeHead(status, { 'Content-Type': 'text/plain; charset=UTF-8', Connection: 'close' }).end(`${text}\n`)
}

/** The origin of a server. */
function urlOf(server: Server, host: string): string {
  const { port } = server.address() as AddressInfo
  return `http://${host.includes(':') ? `[${host}]` : host}:${port}`
}

/**
 * Resolves on the first signal, and leaves the second one to Node, which kills the process. Resolves with an error
 * when the reader closes standard output.
 */
export function waitForStop(): Promise<Error | undefined> {
  return new Promise((resolve) => {
    for (const signal of ['SIGTERM', 'SIGINT']) process.once(signal, () => resolve(undefined))
    process.stdout.once('error', () => resolve(new UsageError('Standard output was closed.')))
  })
}

/** Starts a server, and resolves to its origin. */
export async function listenOn(server: Server, { port, host }: { port: number; host: string }): Promise<string> {
  server.listen(port, host)
  await once(server, 'listening')
  return urlOf(server, host)
}

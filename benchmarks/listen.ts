import type { Server } from 'node:http'
import process from 'node:process'

/** Listens on a free port of a worker, and sends the port to the parent process. */
export function sendPort(server: Server): void {
  server.listen(0, '127.0.0.1', () => {
    const address = server.address()
    if (address === null || typeof address === 'string') throw new Error('The server has no port')
    process.send?.(address.port)
  })
}

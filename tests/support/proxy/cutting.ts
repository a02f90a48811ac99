import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'

/** Which chunk from the client ends its connection: before the server gets it, or when the server has responded to it. */
export interface Cut {
  /** The first chunk is 1. */
  readonly chunk: number
  readonly side: 'before' | 'after'
}

/** A TCP proxy that ends the first connection at one chunk. */
export interface CuttingProxy {
  readonly port: number
  /** Whether the cut has happened. */
  readonly hasCut: () => boolean
  close(): Promise<void>
}

/** Starts the proxy on 127.0.0.1, in front of any server. Later connections are forwarded unchanged. */
export async function startCuttingProxy(
  target: { readonly host: string; readonly port: number },
  cut: Cut,
): Promise<CuttingProxy> {
  const sockets = new Set<Socket>()
  let hasCut = false
  let connections = 0

  function keep(socket: Socket): void {
    sockets.add(socket)
    socket.on('error', () => undefined)
    socket.on('close', () => sockets.delete(socket))
  }

  const server = createServer({ noDelay: true }, (client) => {
    const isFirst = connections++ === 0
    const upstream = connect({ ...target, noDelay: true })
    for (const socket of [client, upstream]) keep(socket)
    const end = () => {
      client.destroy()
      upstream.destroy()
    }
    client.on('close', end)
    upstream.on('close', end)
    let chunks = 0
    let isLast = false
    client.on('data', (chunk) => {
      chunks += 1
      if (isFirst && chunks === cut.chunk) {
        hasCut = true
        if (cut.side === 'before') return end()
        isLast = true
      }
      upstream.write(chunk)
    })
    upstream.on('data', (chunk) => {
      if (isLast) return end()
      client.write(chunk)
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    port: (server.address() as AddressInfo).port,
    hasCut: () => hasCut,
    async close() {
      for (const socket of sockets) socket.destroy()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

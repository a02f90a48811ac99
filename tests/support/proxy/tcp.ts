import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'

/** A TCP proxy that can behave as a network that loses every packet. */
export interface TcpProxy {
  /** The port of the proxy on 127.0.0.1. */
  readonly port: number
  /** Stops forwarding in both directions. No connection is closed or reset, and new ones are accepted, but silent. */
  goDark(): void
  /** Forwards connections that are opened from now on. Those from before or during the darkness stay silent. */
  light(): void
  /** Destroys all connections on both sides. */
  cutAll(): void
  close(): Promise<void>
}

/** Starts a proxy on 127.0.0.1, in front of any server. */
export async function startTcpProxy(target: { readonly host: string; readonly port: number }): Promise<TcpProxy> {
  const sockets = new Set<Socket>()
  const forwarded = new Set<() => void>()
  let dark = false

  function keep(socket: Socket): void {
    sockets.add(socket)
    socket.on('error', () => undefined)
    socket.on('close', () => sockets.delete(socket))
  }

  // Half-open: a peer that closes a silent connection must not get a FIN back.
  const server = createServer({ allowHalfOpen: true, noDelay: true }, (client) => {
    keep(client)
    if (dark) return void client.resume()
    const upstream = connect({ ...target, allowHalfOpen: true, noDelay: true })
    keep(upstream)
    client.pipe(upstream).pipe(client)
    const destroyBoth = () => [client, upstream].forEach((socket) => void socket.destroy())
    const silence = () => {
      forwarded.delete(silence)
      client.unpipe(upstream).off('close', destroyBoth).resume()
      upstream.unpipe(client).off('close', destroyBoth).resume()
    }
    forwarded.add(silence)
    for (const socket of [client, upstream]) {
      socket.on('close', destroyBoth)
      socket.on('close', () => forwarded.delete(silence))
    }
  })

  server.listen(0, '127.0.0.1')
  await once(server, 'listening')

  function cutAll(): void {
    for (const socket of sockets) socket.destroy()
  }
  return {
    port: (server.address() as AddressInfo).port,
    goDark() {
      dark = true
      for (const silence of forwarded) silence()
    },
    light() {
      dark = false
    },
    cutAll,
    async close() {
      cutAll()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

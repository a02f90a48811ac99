import { connect, createServer, type Socket } from 'node:net'

/** A TCP proxy in front of PostgreSQL that can end a connection as a shutdown of the server does. */
export interface PostgresProxy {
  /** The URL of the database through the proxy. */
  readonly url: string
  /** Appends FATAL 57P01 to the next chunk that ends with ReadyForQuery, and closes that connection. */
  terminateAfterNextReady(): void
  close(): Promise<void>
}

/** ReadyForQuery, outside of a transaction. */
const READY = Buffer.from([0x5a, 0, 0, 0, 5, 0x49])

const FATAL = errorResponse({
  S: 'FATAL',
  V: 'FATAL',
  C: '57P01',
  M: 'terminating connection due to administrator command',
})

/** Starts a proxy in front of the database. */
export async function startPostgresProxy(databaseUrl: string): Promise<PostgresProxy> {
  const target = new URL(databaseUrl)
  const sockets = new Set<Socket>()
  let armed = false
  const server = createServer((client) => {
    const upstream = connect(Number(target.port || 5432), target.hostname)
    for (const socket of [client, upstream]) {
      sockets.add(socket)
      socket.on('error', () => undefined)
      socket.on('close', () => sockets.delete(socket))
    }
    client.on('data', (chunk) => upstream.write(chunk))
    client.on('close', () => upstream.destroy())
    upstream.on('close', () => client.destroy())
    upstream.on('data', (chunk) => {
      if (!(armed && chunk.subarray(-READY.length).equals(READY))) return void client.write(chunk)
      armed = false
      client.end(Buffer.concat([chunk, FATAL]))
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  const url = new URL(databaseUrl)
  url.hostname = '127.0.0.1'
  url.port = String(typeof address === 'object' ? address?.port : '')
  return {
    url: url.href,
    terminateAfterNextReady() {
      armed = true
    },
    async close() {
      for (const socket of sockets) socket.destroy()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

function errorResponse(fields: Readonly<Record<string, string>>): Buffer {
  const body = Object.entries(fields)
    .map(([field, value]) => `${field}${value}\0`)
    .join('')
  const length = Buffer.alloc(4)
  length.writeUInt32BE(4 + body.length + 1)
  return Buffer.concat([Buffer.from('E'), length, Buffer.from(`${body}\0`)])
}

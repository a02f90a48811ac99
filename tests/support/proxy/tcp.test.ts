import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { afterEach, expect, test } from 'vitest'
import { startTcpProxy } from './tcp.ts'

const closers: (() => unknown)[] = []
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close()
})

/** A server that sends back what it gets, and its connections. */
async function startEcho() {
  const connections: Socket[] = []
  const server = createServer((socket) => {
    connections.push(socket)
    socket.on('error', () => undefined).pipe(socket)
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  closers.push(() => void server.close())
  const proxy = await startTcpProxy({ host: '127.0.0.1', port: (server.address() as AddressInfo).port })
  closers.push(() => proxy.close())
  return { proxy, connections }
}

/** A connection through the proxy, and everything that happened on it. */
async function open(port: number) {
  const socket = connect(port, '127.0.0.1')
  closers.push(() => void socket.destroy())
  const seen: string[] = []
  socket.on('data', (chunk) => seen.push(String(chunk)))
  for (const name of ['end', 'close', 'error']) socket.on(name, () => seen.push(name))
  await once(socket, 'connect')
  return { socket, seen }
}

const echoed = async ({ socket }: { socket: Socket }, text: string) => {
  socket.write(text)
  const [chunk] = await once(socket, 'data')
  return String(chunk)
}

test('startTcpProxy forwards bytes, and the end of a connection, in both directions', async () => {
  const { proxy, connections } = await startEcho()
  const first = await open(proxy.port)
  expect(await echoed(first, 'hello')).toBe('hello')
  first.socket.end()
  await once(first.socket, 'close')
  expect(first.seen).toEqual(['hello', 'end', 'close'])
  const second = await open(proxy.port)
  await echoed(second, 'again')
  connections[1]?.resetAndDestroy()
  await once(second.socket, 'close')
})

test('goDark silences open and new connections without closing any, and light forwards only new ones', async () => {
  const { proxy, connections } = await startEcho()
  const before = await open(proxy.port)
  await echoed(before, 'hello')
  const serverSaw: string[] = []
  connections[0]?.on('data', (chunk) => serverSaw.push(String(chunk))).on('end', () => serverSaw.push('end'))
  proxy.goDark()
  const during = await open(proxy.port)
  for (const { socket } of [before, during]) socket.write('lost')
  connections[0]?.write('lost too')
  proxy.light()
  const after = await open(proxy.port)
  // Ends of silent connections reach nobody.
  before.socket.end('lost again')
  // Once these come back, anything else would have arrived.
  for (const text of ['one', 'two', 'three']) expect(await echoed(after, text)).toBe(text)
  expect(before.seen).toEqual(['hello'])
  expect(during.seen).toEqual([])
  expect(serverSaw).toEqual([])
  expect(connections).toHaveLength(2)
})

test('cutAll destroys silent and forwarded connections on both sides, and new ones are forwarded', async () => {
  const { proxy, connections } = await startEcho()
  const silent = await open(proxy.port)
  await echoed(silent, 'hello')
  proxy.goDark()
  proxy.light()
  const forwarded = await open(proxy.port)
  await echoed(forwarded, 'hello')
  const closed = [silent.socket, forwarded.socket, ...connections].map((socket) => once(socket, 'close'))
  proxy.cutAll()
  await Promise.all(closed)
  expect(await echoed(await open(proxy.port), 'new')).toBe('new')
})

/**
 * The load, in a process of its own: sends requests that were made before over connections that are kept, one at a time
 * on each, and tells how long each took.
 */
import { connect, type Socket } from 'node:net'
import process from 'node:process'

/** What it is told to do. */
export interface LoadRun {
  readonly port: number
  readonly connections: number
  readonly requests: readonly Buffer[]
  /** Sent over connections of their own, again and again, for as long as the load lasts. */
  readonly probe?: { readonly connections: number; readonly request: Buffer }
}

/** What came of it. */
export interface LoadResult {
  readonly perSecond: number
  /** Milliseconds that each of the requests took; where there is a probe, each of its requests. */
  readonly latencies: readonly number[]
}

process.on('message', async (run: LoadRun) => process.send?.(await load(run)))

async function load({ port, connections, requests, probe }: LoadRun): Promise<LoadResult> {
  const dialled = (count: number) => Promise.all(Array.from({ length: count }, () => dial(port)))
  const [sockets, probing] = [await dialled(connections), await dialled(probe?.connections ?? 0)]
  const latencies = { load: [] as number[], probe: [] as number[] }
  let next = 0
  // After a pause caches are cold, and the pauses of two servers are not alike.
  await onEach(sockets, [], () => (next < requests.length / 8 ? requests[next++] : undefined))
  const timed = requests.length - next
  const start = performance.now()
  const loading = onEach(sockets, latencies.load, () => requests[next++])
  await Promise.all([
    loading,
    onEach(probing, latencies.probe, () => (next < requests.length ? probe?.request : undefined)),
  ])
  const seconds = (performance.now() - start) / 1_000
  for (const socket of [...sockets, ...probing]) socket.destroy()
  return { perSecond: timed / seconds, latencies: probe ? latencies.probe : latencies.load }
}

/** Sends on each socket one request after the other, until there is none. */
async function onEach(sockets: readonly Socket[], latencies: number[], next: () => Buffer | undefined): Promise<void> {
  await Promise.all(
    sockets.map(async (socket) => {
      for (let request = next(); request !== undefined; request = next()) {
        const sentAt = performance.now()
        await exchange(socket, request)
        latencies.push(performance.now() - sentAt)
      }
    }),
  )
}

function dial(port: number): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1', () => resolve(socket))
    socket.setNoDelay().on('error', reject)
  })
}

function exchange(socket: Socket, request: Buffer): Promise<void> {
  return new Promise((resolve, reject) => {
    let received = ''
    const onData = (chunk: Buffer) => {
      received += chunk.toString('latin1')
      const end = received.indexOf('\r\n\r\n')
      if (end < 0) return
      const length = Number(/\r\ncontent-length: (\d+)/i.exec(received)?.[1])
      if (received.length < end + 4 + length) return
      socket.off('data', onData)
      // A server that fails fast must not win.
      if (received.startsWith('HTTP/1.1 200 ')) resolve()
      else reject(new Error(received.slice(0, 300)))
    }
    socket.on('data', onData)
    socket.write(request)
  })
}

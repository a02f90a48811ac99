/** The load, in its own process. It sends prepared requests over kept-alive connections, one at a time on each. */
import { connect, type Socket } from 'node:net'
import process from 'node:process'

/** A message to this worker. */
export interface LoadRun {
  readonly port: number
  readonly connections: number
  readonly requests: readonly Buffer[]
  /** A request that is repeated on connections of its own while the load lasts. */
  readonly probe?: { readonly connections: number; readonly request: Buffer }
}

/** The message that the worker sends back. */
export interface LoadResult {
  readonly perSecond: number
  /** Milliseconds of each request. With a probe, of each request of the probe only. */
  readonly latencies: readonly number[]
}

process.on('message', async (run: LoadRun) => process.send?.(await runLoad(run)))

async function runLoad({ port, connections, requests, probe }: LoadRun): Promise<LoadResult> {
  const openSockets = (count: number) => Promise.all(Array.from({ length: count }, () => openSocket(port)))
  const [sockets, probeSockets] = [await openSockets(connections), await openSockets(probe?.connections ?? 0)]
  const latencies = { load: [] as number[], probe: [] as number[] }
  let next = 0
  // The first eighth is not counted: after a pause, processor caches are cold, more on one side than on the other.
  await sendOnEach(sockets, [], () => (next < requests.length / 8 ? requests[next++] : undefined))
  const timed = requests.length - next
  const start = performance.now()
  const loading = sendOnEach(sockets, latencies.load, () => requests[next++])
  await Promise.all([
    loading,
    sendOnEach(probeSockets, latencies.probe, () => (next < requests.length ? probe?.request : undefined)),
  ])
  const seconds = (performance.now() - start) / 1_000
  for (const socket of [...sockets, ...probeSockets]) socket.destroy()
  return { perSecond: timed / seconds, latencies: probe ? latencies.probe : latencies.load }
}

/** Sends one request after the other on each socket, until `next` returns undefined. */
async function sendOnEach(
  sockets: readonly Socket[],
  latencies: number[],
  next: () => Buffer | undefined,
): Promise<void> {
  await Promise.all(
    sockets.map(async (socket) => {
      for (let request = next(); request !== undefined; request = next()) {
        const sentAt = performance.now()
        await send(socket, request)
        latencies.push(performance.now() - sentAt)
      }
    }),
  )
}

function openSocket(port: number): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1', () => resolve(socket))
    socket.setNoDelay().on('error', reject)
  })
}

/** Sends a request and waits for the complete response. */
function send(socket: Socket, request: Buffer): Promise<void> {
  return new Promise((resolve, reject) => {
    let received = ''
    const onData = (chunk: Buffer) => {
      received += chunk.toString('latin1')
      const end = received.indexOf('\r\n\r\n')
      if (end < 0) return
      const length = Number(/\r\ncontent-length: (\d+)/i.exec(received)?.[1])
      if (received.length < end + 4 + length) return
      socket.off('data', onData)
      // A server that fails is fast, and must not count.
      if (received.startsWith('HTTP/1.1 200 ')) resolve()
      else reject(new Error(received.slice(0, 300)))
    }
    socket.on('data', onData)
    socket.write(request)
  })
}

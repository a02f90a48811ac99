import { createServer, request as httpRequest, type ServerResponse } from 'node:http'
import { type AddressInfo, connect, type Socket } from 'node:net'
import { text } from 'node:stream/consumers'
import { afterEach, beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest'
import { deliveryEntry } from '../../src/console/entry.ts'
import { eventStream } from '../../src/console/response.ts'
import { createRing } from '../../src/console/ring.ts'
import { toRow } from '../../src/console/row.ts'
import { sendNode, toWeb } from '../../src/console/shells.ts'
import { createHub } from '../../src/console/stream.ts'
import type { Batch } from '../../src/console/wire.ts'
import { startConsole } from './world.ts'

// The timers of the console only: those of the sockets are real.
beforeEach(() => void vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval', 'setTimeout', 'clearTimeout'] }))
afterEach(() => void vi.useRealTimers())

const ABOUT = {
  ...{ capacity: 500, canSendAsPeer: false, hasHandler: true, hasClient: false },
  ...{ hasOutbox: false, isRecording: false },
}
/** As much as may wait for one page: the limit of the buffer, and one message of 500 rows, each of which has a text of 1,000 characters. */
const MOST_BYTES = 262_144 + 500 * 2_000
/** 100 s. Their rows are more than the socket buffers of the machine hold. */
const UPDATES = 400
const LAST = `e${UPDATES * 45}`

/** A hub whose rows are large, so that a few thousand of them fill the socket buffers. */
function createWorld() {
  const ring = createRing({ capacity: 500, maxBytes: 100_000_000 })
  const hub = createHub({ ring, about: () => ABOUT, toRow: (entry, { show }) => toRow(entry, { show, salt: 'salt' }) })
  onTestFinished(hub.close)
  let count = 0
  const deliver = (number: number) => {
    for (let index = 0; index < number; index++) {
      const events = [{ kind: 'failed', code: 'ERR_ON_ORDER', message: 'x'.repeat(1_000) }]
      const request = { method: 'POST', path: '/', headers: {} }
      const delivery = { startedAt: performance.now(), request, steps: [], events }
      ring.put(deliveryEntry(delivery, { id: `e${++count}`, now: 0 }))
      hub.changed()
    }
  }
  /** Lets the sockets work between two updates of the pages. */
  const pass = async (milliseconds: number) => {
    vi.advanceTimersByTime(milliseconds)
    await new Promise(setImmediate)
  }
  /** Thousands of deliveries, for longer than a page may read nothing. Calls back between two updates. */
  const burst = async (between: () => void = () => {}, updates = UPDATES) => {
    for (let update = 0; update < updates; update++) {
      deliver(45)
      await pass(250)
      between()
    }
  }
  return { hub, burst }
}

type World = ReturnType<typeof createWorld>

/** Collects the ids of the rows in a stream. */
function createRowReader() {
  let received = ''
  return {
    take(chunk: Uint8Array): void {
      received += Buffer.from(chunk).toString('latin1')
    },
    last: (): string | undefined => {
      const data = [...received.matchAll(/event: rows\ndata: (.*)\n\n/g)].at(-1)?.[1] ?? '{"rows":[]}'
      return (JSON.parse(data) as Batch).rows.at(-1)?.id
    },
  }
}

describe('a page over node:http that does not read', () => {
  async function serve() {
    const world = createWorld()
    const responses: ServerResponse[] = []
    const server = createServer((incoming, response) => {
      responses.push(response)
      sendNode(
        eventStream((sink) => world.hub.open(sink, { show: false })),
        incoming,
        response,
      )
    })
    onTestFinished(() => {
      server.closeAllConnections()
      server.close()
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const { port } = server.address() as AddressInfo
    const opened = (pages: number) => vi.waitFor(() => expect(world.hub.size()).toBe(pages), { interval: 5 })
    /** Opens the stream, and reads nothing. */
    const openStuck = async () => {
      const socket = connect(port, '127.0.0.1')
      socket.pause()
      onTestFinished(() => void socket.destroy())
      socket.write('GET / HTTP/1.1\r\nHost: localhost\r\n\r\n')
      return socket
    }
    const openReader = () =>
      new Promise<ReturnType<typeof createRowReader>>((resolve, reject) => {
        const reader = createRowReader()
        httpRequest({ port, host: '127.0.0.1' }, (response) => {
          response.on('data', reader.take).on('error', () => {})
          resolve(reader)
        })
          .on('error', reject)
          .end()
      })
    return { ...world, responses, opened, openStuck, openReader }
  }

  test.each([
    ['reads nothing', () => {}],
    ['reads one byte a quarter of a second', (socket: Socket) => void socket.read(1)],
  ])('and %s has a bounded buffer, is disconnected, and delays no other page', async (_, read) => {
    const { burst, responses, opened, openStuck, openReader, hub } = await serve()
    const socket = await openStuck()
    await opened(1)
    const reader = await openReader()
    let most = 0
    await burst(() => {
      most = Math.max(most, responses[0]?.writableLength ?? 0)
      read(socket)
    })
    expect(most).toBeGreaterThan(262_144)
    expect(most).toBeLessThan(MOST_BYTES)
    expect([responses[0]?.destroyed, hub.size()]).toEqual([true, 1])
    await vi.waitFor(() => expect(reader.last()).toBe(LAST), { interval: 5 })
    // EventSource connects again, and starts with everything that is there.
    const again = await openReader()
    await vi.waitFor(() => expect(again.last()).toBe(LAST), { interval: 5 })
  })

  test('leaves no connection open when the console closes', async () => {
    const { hub, burst, responses, opened, openStuck, openReader } = await serve()
    await openStuck()
    await opened(1)
    await burst(() => {
      if (responses[0]?.writableLength !== 0) hub.close()
    })
    await openReader()
    const isGone = ({ destroyed, writableFinished }: ServerResponse) => destroyed || writableFinished
    await vi.waitFor(() => expect(responses.map(isGone)).toEqual([true, true]), { interval: 5 })
  })
})

describe('a page over fetch that does not read', () => {
  const open = ({ hub }: World, init: RequestInit = {}) =>
    toWeb(
      eventStream((sink) => hub.open(sink, { show: false })),
      new Request('http://localhost/', init),
    )

  test('is disconnected, and delays no other page', async () => {
    const world = createWorld()
    const stuck = open(world).body?.getReader()
    const reader = createRowReader()
    const read = (async () => {
      for await (const chunk of open(world).body ?? []) reader.take(chunk)
    })()
    await world.burst()
    expect(world.hub.size()).toBe(1)
    await expect(stuck?.read()).rejects.toThrow('did not read')
    expect(reader.last()).toBe(LAST)
    const again = createRowReader()
    const reopened = open(world).body?.getReader()
    while (again.last() !== LAST) again.take((await reopened?.read())?.value ?? Buffer.alloc(0))
    world.hub.close()
    await read
  })

  test('has a bounded buffer', async () => {
    const world = createWorld()
    const reader = open(world).body?.getReader()
    // Shorter than the time after which it is disconnected.
    await world.burst(() => {}, UPDATES / 4)
    let bytes = 0
    for (let isWaiting = true; isWaiting; ) {
      const chunk = await Promise.race([
        reader?.read(),
        new Promise<undefined>((resolve) => setImmediate(resolve, undefined)),
      ])
      bytes += chunk?.value?.length ?? 0
      isWaiting = chunk !== undefined
    }
    expect(bytes).toBeGreaterThan(262_144)
    expect(bytes).toBeLessThan(MOST_BYTES)
  })

  test('takes no place when the request was aborted before', async () => {
    const world = createWorld()
    open(world, { signal: AbortSignal.abort() })
    expect(world.hub.size()).toBe(0)
  })
})

describe('a command whose body never ends', () => {
  test('gets 408 over node:http after 10 s, and its connection is closed', async () => {
    const world = await startConsole()
    onTestFinished(world.close)
    const { host, hostname, port, origin } = new URL(world.url)
    const socket = connect(Number(port), hostname)
    const head = [`POST ${world.console.path}api/send HTTP/1.1`, `Host: ${host}`, `Origin: ${origin}`]
    socket.write(`${[...head, 'Content-Type: application/json', 'Content-Length: 100'].join('\r\n')}\r\n\r\n{`)
    await vi.waitFor(() => expect(vi.getTimerCount()).toBe(1), { interval: 5 })
    vi.advanceTimersByTime(10_000)
    expect(await text(socket)).toMatch(/^HTTP\/1\.1 408 /)
  })

  test('gets 408 over fetch after 10 s', async () => {
    const world = await startConsole()
    onTestFinished(world.close)
    const request = new Request(`${world.url}api/send`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json', Origin: new URL(world.url).origin },
      body: new ReadableStream(),
      duplex: 'half',
    } as RequestInit)
    const response = world.console.fetch(request)
    vi.advanceTimersByTime(10_000)
    expect((await response).status).toBe(408)
  })
})

import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { text } from 'node:stream/consumers'
import { describe, expect, onTestFinished, test } from 'vitest'
import { createConsole } from '../../src/public/console.ts'
import { createTestOrder } from '../../src/public/testing.ts'
import { type ConsoleWorld, startConsole } from './world.ts'

async function start() {
  const world = await startConsole()
  onTestFinished(world.close)
  return world
}

function open({ url }: ConsoleWorld): Socket {
  const { port, hostname } = new URL(url)
  const socket = connect(Number(port), hostname)
  onTestFinished(() => void socket.destroy())
  return socket
}

/** Sends bytes, and reads until the server closes the connection. fetch would repair the path and the headers. */
async function exchange(world: ConsoleWorld, head: string): Promise<string> {
  const socket = open(world)
  socket.write(`${head}\r\nConnection: close\r\n\r\n`)
  return await text(socket)
}

const statusOf = (response: string) => Number(/^HTTP\/1\.1 (\d+)/.exec(response)?.[1])

describe('a web page in the same browser', () => {
  const commands = [
    ['outbox/retry', { id: '31' }],
    ['outbox/discard', { id: '31' }],
    ['send', { scenario: 'order', as: 'peer', order: createTestOrder() }],
    ['send', { scenario: 'order', as: 'client', order: createTestOrder() }],
    ['deliveries/1/replay', { mode: 'same' }],
    ['deliveries/1/replay', { mode: 'signed' }],
  ] as const
  const strangers = ['null', 'http://attacker.example', 'http://localhost.attacker.example', 'http://127.0.0.1:1']

  test.each(commands)('cannot run %s %j, from any origin and with any type of body', async (path, body) => {
    const world = await start()
    await world.peer.send(createTestOrder())
    const send = async (headers: Record<string, string>) =>
      (await fetch(`${world.url}api/${path}`, { method: 'POST', headers, body: JSON.stringify(body) })).status
    const own = new URL(world.url).origin
    for (const origin of strangers) {
      expect(await send({ 'Content-Type': 'application/json', Origin: origin })).toBe(403)
      expect(await send({ 'Content-Type': 'text/plain', Origin: origin })).toBe(403)
    }
    expect(await send({ 'Content-Type': 'application/json' })).toBe(403)
    for (const type of ['text/plain', 'application/x-www-form-urlencoded', 'multipart/form-data; boundary=x']) {
      expect(await send({ 'Content-Type': type, Origin: own })).toBe(415)
    }
    const { minutes } = (await (await fetch(`${world.url}api/charts`)).json()) as { minutes: { kinds: object }[] }
    expect(minutes.map(({ kinds }) => kinds)).toEqual([{ processed: 1 }])
    expect(world.outbox).toMatchObject({ retried: [], discarded: [] })
    // The same command of the page itself.
    expect(await send({ 'Content-Type': 'application/json', Origin: own })).toBe(200)
  })

  test.each(['OPTIONS', 'HEAD', 'PUT', 'DELETE', 'PATCH'])('gets no permission with %s', async (method) => {
    const world = await start()
    const headers = { Origin: new URL(world.url).origin, 'Access-Control-Request-Method': 'POST' }
    const overNode = await fetch(`${world.url}api/charts`, { method, headers })
    const overFetch = await world.console.fetch(new Request(`${world.url}api/charts`, { method, headers }))
    for (const response of [overNode, overFetch]) {
      expect(response.status).toBe(405)
      expect([...response.headers.keys()].filter((name) => name.startsWith('access-control-'))).toEqual([])
    }
  })
})

describe('a program on the same machine', () => {
  test.each([
    '/../../../../etc/passwd',
    '/%2e%2e/%2e%2e/etc/passwd',
    '/..%2f..%2fetc%2fpasswd',
    '/api/../console.html',
    '/api/deliveries/__proto__',
    '/api/deliveries/constructor/curl?show=1',
    '/console.html',
    '//api/charts',
    '/\0',
  ])('gets no file and no object by the path %j', async (path) => {
    const world = await start()
    const response = await exchange(world, `GET ${world.console.path.slice(0, -1)}${path} HTTP/1.1\r\nHost: 127.0.0.1`)
    expect([400, 404]).toContain(statusOf(response))
    expect(response).not.toMatch(/root:|<html/)
  })

  test('gets nothing with a Host that only begins like this machine', async () => {
    const world = await start()
    for (const host of ['localhost.evil.com', '127.0.0.1.evil.com', '127.0.0.1@evil.com', 'evil.com#localhost']) {
      const response = await exchange(world, `GET ${world.console.path}api/charts HTTP/1.1\r\nHost: ${host}`)
      expect(statusOf(response)).toBe(403)
    }
  })

  test('gets nothing through a proxy that speaks HTTP/1.0, as nginx does by default', async () => {
    const world = await start()
    const asked = (version: string) =>
      exchange(world, `GET ${world.console.path}api/charts HTTP/${version}\r\nHost: 127.0.0.1`)
    expect(statusOf(await asked('1.0'))).toBe(403)
    expect(statusOf(await asked('1.1'))).toBe(200)
  })

  test('never sees the token in a response to a request without it', async () => {
    const world = await start()
    const [token = ''] = world.console.path.split('/').slice(-2)
    for (const path of ['/', '/order-sync-console', '/order-sync-console/', '/order-sync-console/x/api/stream']) {
      const response = await exchange(world, `GET ${path} HTTP/1.1\r\nHost: 127.0.0.1`)
      expect(statusOf(response)).toBe(404)
      expect(response).not.toContain(token)
    }
  })

  test('cannot stop the page or the handler with 1,000 open connections', async () => {
    const world = await start()
    const sockets = Array.from({ length: 1_000 }, () => open(world))
    await Promise.all(sockets.map((socket) => once(socket, 'connect')))
    for (const socket of sockets) socket.write(`POST ${world.console.path}api/send HTTP/1.1\r\nHost: 127.0.0.1\r\nX: `)
    expect((await world.peer.send(createTestOrder())).status).toBe(200)
    expect((await fetch(`${world.url}api/charts`)).status).toBe(200)
    expect((await fetch(world.url)).status).toBe(200)
  })

  test('can fill the 16 streams over one connection, and frees them when it closes', async () => {
    const world = await start()
    const socket = open(world)
    socket.write(`GET ${world.console.path}api/stream HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n`.repeat(100))
    await once(socket, 'data')
    expect((await fetch(`${world.url}api/stream`)).status).toBe(503)
    socket.destroy()
    await expect.poll(async () => (await fetch(`${world.url}api/stream`)).status).toBe(200)
  })
})

describe('two consoles of one handler', () => {
  test('both see a delivery, and each of them only with its own token', async () => {
    const world = await start()
    const { handler, console: one } = world
    const other = createConsole({ handler, basePath: '/other' })
    const read = async (page: typeof one, path: string) =>
      await page.fetch(new Request(`http://localhost${path}api/charts`))
    await world.peer.send(createTestOrder())
    for (const page of [one, other]) {
      expect(await (await read(page, page.path)).json()).toMatchObject({ minutes: [{ kinds: { processed: 1 } }] })
    }
    const [token] = one.path.split('/').slice(-2)
    expect((await read(other, `/other/${token}/`)).status).toBe(404)
    one.close()
    await world.peer.send(createTestOrder())
    expect(await (await read(other, other.path)).json()).toMatchObject({ minutes: [{ kinds: { processed: 2 } }] })
    other.close()
  })
})

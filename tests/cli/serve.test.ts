import { Agent, request as httpRequest } from 'node:http'
import { connect } from 'node:net'
import { expect, test, vi } from 'vitest'
import type { OrderInput } from '../../src/public/index.ts'
import { cli, serve } from '../support/cli.ts'
import { order } from '../support/messages.ts'
import { gatewayClient, identity, keyFile, merchant } from './identity.ts'

/** Returns a fetch that calls `betweenHeadAndBody` when the server has read the head, and then sends the body. */
function fetchInTwoSteps(betweenHeadAndBody: () => Promise<void>): typeof globalThis.fetch {
  return (url, init) =>
    new Promise((resolve, reject) => {
      const headers = { ...(init?.headers as Record<string, string>), Expect: '100-continue', Connection: 'keep-alive' }
      const body = init?.body as Uint8Array
      const request = httpRequest(new URL(String(url)), {
        method: 'POST',
        headers: { ...headers, 'Content-Length': body.length },
        agent: new Agent({ keepAlive: true }),
      })
      request.once('continue', () => betweenHeadAndBody().then(() => request.end(body), reject))
      request.once('error', reject)
      request.once('response', async (response) => {
        const chunks = await response.toArray()
        resolve(
          new Response(Buffer.concat(chunks), {
            status: response.statusCode ?? 0,
            headers: response.headers as Record<string, string>,
          }),
        )
      })
      request.flushHeaders()
    })
}

/** Resolves when the server accepts no connections any more. */
async function connectionsRefused(url: string): Promise<void> {
  const { hostname, port } = new URL(url)
  const accepted = await new Promise<boolean>((resolve) => {
    const socket = connect(Number(port), hostname)
    socket.once('connect', () => resolve(true)).once('error', () => resolve(false))
    socket.once('connect', () => socket.destroy())
  })
  if (accepted) await connectionsRefused(url)
}

test.each(['SIGTERM', 'SIGINT'] as const)(
  'serve responds to the request in progress after %s, and exits with 0',
  async (signal) => {
    const { url, child, nextEvent, exitCode } = await serve(merchant())
    const fetch = fetchInTwoSteps(async () => {
      child.kill(signal)
      await connectionsRefused(url)
    })
    const { orderId } = await gatewayClient(url, { fetch: fetch }).syncOrder(order() as unknown as OrderInput)
    expect(await nextEvent()).toEqual({ event: 'order', order: order(), orderId })
    expect(await exitCode).toBe(0)
  },
)

test('serve exits after SIGTERM while a connection is idle', async () => {
  const { url, child, nextEvent, exitCode } = await serve(merchant())
  // The global fetch keeps its connection open.
  await gatewayClient(url, { fetch: fetch }).syncOrder(order() as unknown as OrderInput)
  await nextEvent()
  child.kill('SIGTERM')
  expect(await exitCode).toBe(0)
})

test('serve does not process the order and exits with 64 when standard output is closed', async () => {
  const { url, child, exitCode } = await serve(merchant())
  child.stdout?.destroy()
  await expect(gatewayClient(url, { fetch: fetch }).syncOrder(order() as unknown as OrderInput)).rejects.toMatchObject({
    code: 'ERR_RESULT_UNKNOWN',
  })
  expect(await exitCode).toBe(64)
})

test('serve prints one line when the port is in use', async () => {
  const { url } = await serve(merchant())
  const { code, stdout, stderr } = await cli(['serve', ...merchant(), '--store', 'memory', '--port', new URL(url).port])
  expect({ code, stdout }).toEqual({ code: 64, stdout: '' })
  expect(stderr).toMatch(/^listen EADDRINUSE: .*\n$/)
})

test('serve prints an IPv6 host in brackets', async (context) => {
  const { url } = await serve([...merchant(), '--host', '::1']).catch(() => context.skip('this machine has no IPv6'))
  expect(new URL(url).hostname).toBe('[::1]')
})

test.each([
  [
    'a private key instead of a public key',
    [...merchant().slice(0, 4), '--peer-public-key', keyFile('gatewayRsa', 'privateKey')],
    'a public key was expected',
  ],
  ['our own public key', identity('merchantRsa', 'merchantRsa'), 'public half of your own private key'],
  ['an invalid port', [...merchant(), '--port', '65536'], '--port must be a whole number from 0 to 65535'],
  ['a clock tolerance of 0', [...merchant(), '--clock-tolerance', '0'], '--clock-tolerance must be a whole number'],
  ['a path with a query string', [...merchant(), '--path', '/orders?a=b'], '--path must be a path alone'],
  ['an argument that is not an option', [...merchant(), 'orders'], 'This command takes options only'],
  ['an unknown option', [...merchant(), '--tls'], "Unknown option '--tls'"],
  ['a missing client id', [], '--client-id is missing'],
])('serve rejects %s in one line', async (_, args, message) => {
  const { code, stdout, stderr } = await cli(['serve', ...args])
  expect({ code, stdout }).toEqual({ code: 64, stdout: '' })
  expect(stderr).toContain(message)
  expect(stderr.trim().split('\n')).toHaveLength(1)
})

test('serve responds 503 while its output is not read, with bounded memory, and processes orders when reading continues', async () => {
  const { url, child, nextEvent } = await serve(merchant())
  const stdout = child.stdout ?? expect.fail('serve has no standard output')
  stdout.pause()
  const stranger = () => fetch(url, { method: 'POST', headers: { 'Client-Id': 'x'.repeat(100) }, body: '{}' })
  const statuses = new Set<number>()
  // Each refused request prints a line of about 200 bytes. The pipe holds some 64 KiB of them.
  for (let sent = 0; sent < 4_000 && !statuses.has(503); sent += 50) {
    for (const { status } of await Promise.all(Array.from({ length: 50 }, stranger))) statuses.add(status)
  }
  expect(statuses).toStrictEqual(new Set([401, 503]))
  stdout.resume()
  const client = gatewayClient(url, { fetch })
  const message = { ...order(), requestId: 'r-after' } as unknown as OrderInput
  const sent = vi.waitFor(async () => expect(await client.syncOrder(message)).toMatchObject({ attempts: 1 }), 10_000)
  // Read every line: readline stops reading when 1,024 of them wait for their reader.
  while ((await nextEvent())['event'] !== 'order');
  await sent
})

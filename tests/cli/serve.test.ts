import { Agent, request as httpRequest } from 'node:http'
import { connect } from 'node:net'
import { expect, test } from 'vitest'
import { createOrderSyncClient, type OrderInput } from '../../src/public/index.ts'
import { cli, serve } from '../support/cli.ts'
import { CLIENT_ID, order } from '../support/messages.ts'
import { gatewayRsa, merchantRsa } from '../support/keys.ts'
import { identity, keyFile, merchant } from './identity.ts'

const client = (url: string, fetch: typeof globalThis.fetch) =>
  createOrderSyncClient({
    credentials: {
      clientId: CLIENT_ID,
      privateKeys: { 1: gatewayRsa().privateKey },
      peerPublicKeys: { 1: merchantRsa().publicKey },
    },
    url,
    retries: 0,
    fetch,
  })

/** A fetch that does something once the server has seen the head of the request, and only then sends the body. */
function fetchIn2(meanwhile: () => Promise<void>): typeof globalThis.fetch {
  return (url, init) =>
    new Promise((resolve, reject) => {
      const headers = { ...(init?.headers as Record<string, string>), Expect: '100-continue', Connection: 'keep-alive' }
      const body = init?.body as Uint8Array
      const request = httpRequest(new URL(String(url)), {
        method: 'POST',
        headers: { ...headers, 'Content-Length': body.length },
        agent: new Agent({ keepAlive: true }),
      })
      request.once('continue', () => meanwhile().then(() => request.end(body), reject))
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

/** Resolves once nobody listens there any more. */
async function refused(url: string): Promise<void> {
  const { hostname, port } = new URL(url)
  const accepted = await new Promise<boolean>((resolve) => {
    const socket = connect(Number(port), hostname)
    socket.once('connect', () => resolve(true)).once('error', () => resolve(false))
    socket.once('connect', () => socket.destroy())
  })
  if (accepted) await refused(url)
}

test.each(['SIGTERM', 'SIGINT'] as const)('%s: what is under way is answered, then it exits with 0', async (signal) => {
  const { url, child, next, ended } = await serve(merchant())
  const fetch = fetchIn2(async () => {
    child.kill(signal)
    await refused(url)
  })
  const { orderId } = await client(url, fetch).syncOrder(order() as unknown as OrderInput)
  expect(await next()).toEqual({ event: 'order', order: order(), orderId })
  expect(await ended).toBe(0)
})

test('SIGTERM: an idle connection does not hold it up', async () => {
  const { url, child, next, ended } = await serve(merchant())
  // The global fetch keeps its connection.
  await client(url, fetch).syncOrder(order() as unknown as OrderInput)
  await next()
  child.kill('SIGTERM')
  expect(await ended).toBe(0)
})

test('nobody reads any more: the order is not taken, and serve ends with 1', async () => {
  const { url, child, ended } = await serve(merchant())
  child.stdout?.destroy()
  await expect(client(url, fetch).syncOrder(order() as unknown as OrderInput)).rejects.toMatchObject({
    code: 'ERR_RESULT_UNKNOWN',
  })
  expect(await ended).toBe(1)
})

test('a port that is in use is told in a line', async () => {
  const { url } = await serve(merchant())
  const { code, stdout, stderr } = await cli(['serve', ...merchant(), '--store', 'memory', '--port', new URL(url).port])
  expect({ code, stdout }).toEqual({ code: 1, stdout: '' })
  expect(stderr).toMatch(/^listen EADDRINUSE: .*\n$/)
})

test('an IPv6 host stands in brackets', async (context) => {
  const { url } = await serve([...merchant(), '--host', '::1']).catch(() => context.skip('no IPv6 here'))
  expect(new URL(url).hostname).toBe('[::1]')
})

test.each([
  [
    'a private key for a public one',
    [...merchant().slice(0, 4), '--peer-public-key', keyFile('gatewayRsa', 'privateKey')],
    'a public key was expected',
  ],
  ['its own public key', identity('merchantRsa', 'merchantRsa'), 'public half of your own private key'],
  ['a port that is none', [...merchant(), '--port', '65536'], '--port must be a whole number from 0 to 65535'],
  ['a tolerance of nothing', [...merchant(), '--clock-tolerance', '0'], '--clock-tolerance must be a whole number'],
  ['a path with a query string', [...merchant(), '--path', '/orders?a=b'], '--path must be a path alone'],
  ['an argument that is no option', [...merchant(), 'orders'], 'Options are all it takes'],
  ['an option that is not known', [...merchant(), '--tls'], "Unknown option '--tls'"],
  ['no client id', [], '--client-id is missing'],
])('refuses %s, in a line', async (_, args, message) => {
  const { code, stdout, stderr } = await cli(['serve', ...args])
  expect({ code, stdout }).toEqual({ code: 1, stdout: '' })
  expect(stderr).toContain(message)
  expect(stderr.trim().split('\n')).toHaveLength(1)
})

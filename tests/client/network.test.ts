import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { createServer as createHttpServer } from 'node:http'
import { createServer as createHttpsServer } from 'node:https'
import { type AddressInfo, connect, type Server } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Agent, ProxyAgent, fetch as undiciFetch } from 'undici'
import { beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { type ClientOptions, createOrderSyncClient, type OrderInput } from '../../src/public/index.ts'
import { respondsSigned, startGateway } from '../support/gateway.ts'
import { merchantCredentials, NOW, order, signedResponse, success } from '../support/messages.ts'
import { rejectionOf } from '../support/thrown.ts'

/** A server that is closed at the end of the test, and its port. */
async function listen(server: Server): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => void server.close())
  return (server.address() as AddressInfo).port
}

const client = (options: Partial<ClientOptions>) =>
  createOrderSyncClient({ credentials: merchantCredentials(), now: () => NOW, retries: 0, ...options })
const sync = (options: Partial<ClientOptions>) => client(options).syncOrder(order() as unknown as OrderInput)

const tls = { key: '', cert: '' }
beforeAll(() => {
  const folder = mkdtempSync(join(tmpdir(), 'tls-'))
  const [key, cert] = [join(folder, 'key.pem'), join(folder, 'cert.pem')]
  const args = ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2', '-subj', '/CN=localhost']
  execFileSync('openssl', [...args, '-addext', 'subjectAltName=DNS:localhost', '-keyout', key, '-out', cert], {
    stdio: 'ignore',
    timeout: 20_000,
  })
  tls.key = readFileSync(key, 'utf8')
  tls.cert = readFileSync(cert, 'utf8')
  rmSync(folder, { recursive: true })
})

/** An HTTPS server that responds signed. With `requestCert`, to clients with its own certificate only. */
function tlsGateway(requestCert: boolean) {
  return createHttpsServer(
    { ...tls, requestCert, rejectUnauthorized: requestCert, ca: tls.cert },
    (request, response) => {
      request.resume().on('end', () => {
        const { headers, body } = signedResponse(success(), { path: request.url ?? '' })
        response.writeHead(200, headers).end(body)
      })
    },
  )
}

describe('ERR_NETWORK names the host and the code of the network', () => {
  test('ENOTFOUND: no such host', async () => {
    const error = await rejectionOf(sync({ url: 'https://gateway.invalid/sync?token=SECRET' }))
    expect(error).toMatchObject({ name: 'DeliveryError', code: 'ERR_NETWORK' })
    // Where there is no DNS server at all, the code is EAI_AGAIN.
    expect(error.message).toMatch(
      /^gateway\.invalid could not be reached, or closed the connection: (ENOTFOUND|EAI_AGAIN)\.$/,
    )
  })

  test('ECONNREFUSED: no server listens', async () => {
    const gateway = await startGateway()
    await gateway.close()
    const error = await rejectionOf(sync({ url: gateway.url }))
    expect(error.message).toBe(
      `${new URL(gateway.url).host} could not be reached, or closed the connection: ECONNREFUSED.`,
    )
  })

  test('DEPTH_ZERO_SELF_SIGNED_CERT: the certificate is not trusted', async () => {
    const port = await listen(tlsGateway(false))
    const error = await rejectionOf(sync({ url: `https://localhost:${port}/sync` }))
    expect(error.message).toBe(
      `localhost:${port} could not be reached, or closed the connection: DEPTH_ZERO_SELF_SIGNED_CERT.`,
    )
  })

  test('or the class of an error without a code, and never its message', async () => {
    const fetch = () => Promise.reject(new TypeError('SECRET', { cause: new RangeError('SECRET') }))
    const error = await rejectionOf(sync({ url: 'https://localhost:1/', fetch }))
    expect(error.message).toBe(
      'localhost:1 could not be reached, or closed the connection: TypeError, caused by RangeError.',
    )
  })
})

// The code of docs/send.md: keep them the same.
const through =
  (dispatcher: Agent | ProxyAgent): typeof globalThis.fetch =>
  (url, init) =>
    undiciFetch(url as string, { ...(init as object), dispatcher }) as unknown as Promise<Response>

describe('docs/send.md: fetch with a dispatcher of undici', () => {
  test('sends through a proxy', async () => {
    const gateway = await startGateway(respondsSigned())
    onTestFinished(gateway.close)
    const tunnels: string[] = []
    const proxy = createHttpServer()
    proxy.on('connect', (request, socket) => {
      tunnels.push(request.url ?? '')
      const { hostname, port } = new URL(`http://${request.url}`)
      const upstream = connect(Number(port), hostname, () => {
        socket.write('HTTP/1.1 200 Connection established\r\n\r\n')
        upstream.pipe(socket).pipe(upstream)
      })
      for (const one of [socket, upstream]) one.on('error', () => {})
    })
    const proxyAgent = new ProxyAgent({ uri: `http://127.0.0.1:${await listen(proxy)}`, proxyTunnel: true })
    onTestFinished(() => proxyAgent.destroy())
    expect(await sync({ url: gateway.url, fetch: through(proxyAgent) })).toMatchObject({ orderId: 'A-1' })
    expect(tunnels).toEqual([new URL(gateway.url).host])
    expect(gateway.requests).toHaveLength(1)
  })

  test('sends with a client certificate that the server requires', async () => {
    const url = `https://localhost:${await listen(tlsGateway(true))}/sync`
    const withCertificate = new Agent({ connect: { ...tls, ca: tls.cert } })
    const without = new Agent({ connect: { ca: tls.cert } })
    onTestFinished(async () => void (await Promise.all([withCertificate.destroy(), without.destroy()])))
    expect(await sync({ url, fetch: through(withCertificate) })).toMatchObject({ orderId: 'A-1' })
    expect(await rejectionOf(sync({ url, fetch: through(without) }))).toMatchObject({ code: 'ERR_NETWORK' })
  })
})

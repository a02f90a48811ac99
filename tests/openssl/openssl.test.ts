import { execFileSync, spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, describe, expect, test, vi } from 'vitest'
import {
  createOrderSyncClient,
  createOrderSyncHandler,
  memoryStore,
  ORDER_SYNC_PATH,
  type Order,
  type OrderInput,
} from '../../src/public/index.ts'
import { temporaryFolder, writeTo } from '../support/cli.ts'
import { CLIENT_ID, order, success } from '../support/messages.ts'
import { root } from '../support/project.ts'

const folder = temporaryFolder()

// The tests start dozens of processes, which takes long on a slow machine.
vi.setConfig({ testTimeout: 30_000, hookTimeout: 30_000 })

/** openssl also generates the keys, so that one side of each test is independent of Node. */
beforeAll(() => {
  const openssl = (...args: string[]) => execFileSync('openssl', args, { cwd: folder, stdio: 'pipe' })
  for (const name of ['merchant', 'gateway', 'stranger']) {
    openssl('genpkey', '-algorithm', 'RSA', '-pkeyopt', 'rsa_keygen_bits:2048', '-out', `${name}-rsa.pem`)
    openssl('genpkey', '-algorithm', 'EC', '-pkeyopt', 'ec_paramgen_curve:secp224r1', '-out', `${name}-ecc.pem`)
    for (const kind of ['rsa', 'ecc']) {
      openssl('pkey', '-in', `${name}-${kind}.pem`, '-pubout', '-out', `${name}-${kind}-public.pem`)
    }
  }
})

const pathOf = (key: string) => join(folder, `${key}.pem`)
const pemOf = (key: string) => readFileSync(pathOf(key), 'utf8')

interface Message {
  readonly headers: Record<string, string>
  readonly body: Uint8Array
}

let messageCount = 0

/** Makes a message with make-request.sh. */
function makeMessage(message: unknown, key: string, ...options: string[]): Message {
  const out = join(folder, `message-${++messageCount}`)
  const args = ['-i', CLIENT_ID, '-k', pathOf(key), ...options, out]
  execFileSync(`${root}tests/openssl/make-request.sh`, args, { input: JSON.stringify(message) })
  const lines = readFileSync(join(out, 'headers'), 'utf8').trimEnd().split('\n')
  return {
    headers: Object.fromEntries(lines.map((line) => line.split(/: (.*)/))),
    body: readFileSync(join(out, 'body')),
  }
}

/** Checks a message with check-message.sh. Returns the decrypted message, or exit status and output. */
function checkMessage({ headers, body }: Message, key: string, ...options: string[]) {
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`)
  const files = [writeTo(folder, 'headers', lines.join('')), writeTo(folder, 'body', body)]
  const args = ['-i', CLIENT_ID, '-k', pathOf(key), ...options, ...files]
  const { status, stdout, stderr } = spawnSync(`${root}tests/openssl/check-message.sh`, args, { encoding: 'utf8' })
  return status === 0 ? JSON.parse(stdout) : { status, stdout, stderr }
}

const rejection = (reason: string) => ({
  status: 1,
  stdout: '',
  stderr: expect.stringContaining(`rejected: ${reason}`),
})

/** Changes the first byte of the body. */
const tampered = ({ headers, body }: Message): Message => {
  const changed = Uint8Array.from(body)
  changed[0] = (changed[0] ?? 0) ^ 1
  return { headers, body: changed }
}

const credentials = (ownKey: string, peerKey: string) => ({
  clientId: CLIENT_ID,
  privateKeys: { 1: pemOf(ownKey) },
  peerPublicKeys: { 1: pemOf(`${peerKey}-public`) },
})

describe.each([
  { name: 'plain messages', kind: 'rsa', encrypted: false },
  { name: 'encrypted messages', kind: 'rsa', encrypted: true },
  { name: 'messages signed with ECC224', kind: 'ecc', encrypted: false },
])('openssl and this library: $name', ({ kind, encrypted }) => {
  const merchant = `merchant-${kind}`
  const gateway = `gateway-${kind}`
  const stranger = `stranger-${kind}`
  const encryptTo = (key: string) => (encrypted ? ['-e', pathOf(`${key}-public`)] : [])
  const decryptWith = (key: string) => (encrypted ? ['-d', pathOf(key)] : [])

  /** Passes a message to the handler of the merchant. */
  async function receive(message: Message, path = ORDER_SYNC_PATH) {
    const orders: Order[] = []
    const handler = createOrderSyncHandler({
      credentials: credentials(merchant, gateway),
      store: memoryStore(),
      onOrder(order) {
        orders.push(order)
        return { orderId: 'A-1' }
      },
    })
    const { status, headers, body } = await handler({ method: 'POST', path, ...message })
    return { orders, status, response: { headers: { ...headers }, body } }
  }

  test('the handler accepts a request of openssl, and openssl accepts the response', async () => {
    const { orders, status, response } = await receive(makeMessage(order(), gateway, ...encryptTo(merchant)))
    expect({ orders, status }).toEqual({ orders: [order()], status: 200 })
    expect('Encrypt' in response.headers).toBe(encrypted)
    expect(checkMessage(response, `${merchant}-public`, ...decryptWith(gateway))).toEqual(success('A-1'))
  })

  test('the handler rejects a request of openssl with another key, path or body', async () => {
    const request = makeMessage(order(), gateway, ...encryptTo(merchant))
    const forgeries = [
      [makeMessage(order(), stranger, ...encryptTo(merchant)), ORDER_SYNC_PATH],
      [tampered(request), ORDER_SYNC_PATH],
      [request, '/'],
    ] as const
    for (const [message, path] of forgeries) {
      const { orders, status, response } = await receive(message, path)
      expect({ orders, status }).toEqual({ orders: [], status: 401 })
      // The response to a request that did not verify is neither signed nor encrypted.
      expect(response.headers).not.toHaveProperty('Signature')
      expect(response.headers).not.toHaveProperty('Encrypt')
      expect(JSON.parse(Buffer.from(response.body).toString())).toMatchObject({
        result: { resultCode: 'INVALID_SIGNATURE', resultStatus: 'F' },
      })
    }
  })

  test('openssl rejects a response with another key, path, Client-Id or body, or without a signature', async () => {
    const { response } = await receive(makeMessage(order(), gateway, ...encryptTo(merchant)))
    const key = `${merchant}-public`
    const decrypt = decryptWith(gateway)
    const { Signature: _, ...unsigned } = response.headers
    expect(checkMessage(response, `${stranger}-public`, ...decrypt)).toEqual(rejection('the signature'))
    expect(checkMessage(response, key, ...decrypt, '-p', '/')).toEqual(rejection('the signature'))
    expect(checkMessage(tampered(response), key, ...decrypt)).toEqual(rejection('the signature'))
    expect(checkMessage(response, key, ...decrypt, '-i', 'another')).toEqual(rejection('Client-Id'))
    expect(checkMessage({ ...response, headers: unsigned }, key, ...decrypt)).toEqual(rejection('it is not signed'))
    expect(checkMessage(response, kind === 'rsa' ? 'merchant-ecc-public' : 'merchant-rsa-public')).toEqual(
      rejection('the algorithm'),
    )
  })

  /** Sends an order with a client whose peer is openssl. Returns the requests, and the result or the error. */
  async function send(respond: () => Message) {
    const requests: Message[] = []
    const client = createOrderSyncClient({
      credentials: credentials(gateway, merchant),
      url: 'https://merchant.invalid',
      encrypt: encrypted,
      retries: 0,
      async fetch(_, init) {
        requests.push({ headers: init?.headers as Record<string, string>, body: init?.body as Uint8Array })
        const { headers, body } = respond()
        return new Response(Buffer.from(body), { headers })
      },
    })
    const result = client.syncOrder(order() as unknown as OrderInput)
    return { requests, result: await result.catch((error: unknown) => error) }
  }

  test('openssl accepts the request of the client, and the client accepts the response', async () => {
    const { requests, result } = await send(() => makeMessage(success('A-2'), merchant, '-r', ...encryptTo(gateway)))
    expect(result).toMatchObject({ orderId: 'A-2', response: success('A-2') })
    const [request = { headers: {}, body: new Uint8Array() }] = requests
    expect('Encrypt' in request.headers).toBe(encrypted)
    expect(checkMessage(request, `${gateway}-public`, ...decryptWith(merchant))).toEqual(order())
    expect(checkMessage(tampered(request), `${gateway}-public`, ...decryptWith(merchant))).toEqual(
      rejection('the signature'),
    )
    expect(checkMessage(request, `${stranger}-public`, ...decryptWith(merchant))).toEqual(rejection('the signature'))
  })

  test('the client rejects a response of openssl with another key, path or body', async () => {
    const forgeries = [
      () => makeMessage(success(), stranger, '-r', ...encryptTo(gateway)),
      () => makeMessage(success(), merchant, '-r', '-p', '/', ...encryptTo(gateway)),
      () => tampered(makeMessage(success(), merchant, '-r', ...encryptTo(gateway))),
    ]
    for (const respond of forgeries) {
      expect((await send(respond)).result).toMatchObject({
        name: 'UntrustedResponseError',
        code: 'ERR_REPLY_SIGNATURE',
      })
    }
  })
})

test('openssl cannot decrypt a message that is encrypted with another key', async () => {
  const message = makeMessage(order(), 'gateway-rsa', '-e', pathOf('merchant-rsa-public'))
  expect(checkMessage(message, 'gateway-rsa-public', '-d', pathOf('merchant-rsa'))).toEqual(order())
  expect(checkMessage(message, 'gateway-rsa-public', '-d', pathOf('stranger-rsa'))).toEqual(
    rejection('it cannot be decrypted'),
  )
  expect(checkMessage(message, 'gateway-rsa-public')).toEqual(rejection('it is encrypted'))
})

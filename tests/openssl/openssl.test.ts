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

// Dozens of processes: a slow machine is no failure.
vi.setConfig({ testTimeout: 30_000, hookTimeout: 30_000 })

/** The keys are openssl's as well: what is on one side of these tests has never seen Node. */
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
const contentOf = (key: string) => readFileSync(pathOf(key), 'utf8')

interface Message {
  readonly headers: Record<string, string>
  readonly body: Uint8Array
}

let made = 0

/** A message that make-request.sh makes. */
function make(message: unknown, key: string, ...options: string[]): Message {
  const out = join(folder, `made-${++made}`)
  const args = ['-i', CLIENT_ID, '-k', pathOf(key), ...options, out]
  execFileSync(`${root}tests/openssl/make-request.sh`, args, { input: JSON.stringify(message) })
  const lines = readFileSync(join(out, 'headers'), 'utf8').trimEnd().split('\n')
  return {
    headers: Object.fromEntries(lines.map((line) => line.split(/: (.*)/))),
    body: readFileSync(join(out, 'body')),
  }
}

/** What check-message.sh says of a message. */
function check({ headers, body }: Message, key: string, ...options: string[]) {
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`)
  const files = [writeTo(folder, 'headers', lines.join('')), writeTo(folder, 'body', body)]
  const args = ['-i', CLIENT_ID, '-k', pathOf(key), ...options, ...files]
  const { status, stdout, stderr } = spawnSync(`${root}tests/openssl/check-message.sh`, args, { encoding: 'utf8' })
  return status === 0 ? JSON.parse(stdout) : { status, stdout, stderr }
}

const refused = (why: string) => ({ status: 1, stdout: '', stderr: expect.stringContaining(`refused: ${why}`) })

/** The message with another first byte of the body. */
const tampered = ({ headers, body }: Message): Message => {
  const other = Uint8Array.from(body)
  other[0] = (other[0] ?? 0) ^ 1
  return { headers, body: other }
}

const credentials = (ours: string, theirs: string) => ({
  clientId: CLIENT_ID,
  privateKeys: { 1: contentOf(ours) },
  peerPublicKeys: { 1: contentOf(`${theirs}-public`) },
})

describe.each([
  { name: 'plain', kind: 'rsa', encrypted: false },
  { name: 'encrypted', kind: 'rsa', encrypted: true },
  { name: 'signed with ECC224', kind: 'ecc', encrypted: false },
])('$name', ({ kind, encrypted }) => {
  const merchant = `merchant-${kind}`
  const gateway = `gateway-${kind}`
  const stranger = `stranger-${kind}`
  const encryptTo = (key: string) => (encrypted ? ['-e', pathOf(`${key}-public`)] : [])
  const decryptWith = (key: string) => (encrypted ? ['-d', pathOf(key)] : [])

  /** Gives a message to a merchant's handler. */
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
    const reply = await handler({ method: 'POST', path, ...message })
    return { orders, status: reply.status, reply: { headers: { ...reply.headers }, body: reply.body } }
  }

  test('the handler accepts what openssl makes, and openssl accepts its answer', async () => {
    const { orders, status, reply } = await receive(make(order(), gateway, ...encryptTo(merchant)))
    expect({ orders, status }).toEqual({ orders: [order()], status: 200 })
    expect('Encrypt' in reply.headers).toBe(encrypted)
    expect(check(reply, `${merchant}-public`, ...decryptWith(gateway))).toEqual(success('A-1'))
  })

  test('the handler refuses what openssl makes with another key, for another path, or of another body', async () => {
    const request = make(order(), gateway, ...encryptTo(merchant))
    const forgeries = [
      [make(order(), stranger, ...encryptTo(merchant)), ORDER_SYNC_PATH],
      [tampered(request), ORDER_SYNC_PATH],
      [request, '/'],
    ] as const
    for (const [message, path] of forgeries) {
      const { orders, status, reply } = await receive(message, path)
      expect({ orders, status }).toEqual({ orders: [], status: 401 })
      // A refusal is signed too.
      expect(check(reply, `${merchant}-public`, ...decryptWith(gateway), '-p', path)).toMatchObject({
        result: { resultCode: 'INVALID_SIGNATURE', resultStatus: 'F' },
      })
    }
  })

  test('openssl refuses an answer under another key, for another path or Client-Id, of another body, or unsigned', async () => {
    const { reply } = await receive(make(order(), gateway, ...encryptTo(merchant)))
    const key = `${merchant}-public`
    const decrypt = decryptWith(gateway)
    const { Signature: _, ...unsigned } = reply.headers
    expect(check(reply, `${stranger}-public`, ...decrypt)).toEqual(refused('the signature'))
    expect(check(reply, key, ...decrypt, '-p', '/')).toEqual(refused('the signature'))
    expect(check(tampered(reply), key, ...decrypt)).toEqual(refused('the signature'))
    expect(check(reply, key, ...decrypt, '-i', 'another')).toEqual(refused('Client-Id'))
    expect(check({ ...reply, headers: unsigned }, key, ...decrypt)).toEqual(refused('it is not signed'))
    expect(check(reply, kind === 'rsa' ? 'merchant-ecc-public' : 'merchant-rsa-public')).toEqual(
      refused('the algorithm'),
    )
  })

  /** Sends an order with a client whose peer is openssl, and gives what it made of the request, and the result. */
  async function send(answer: () => Message) {
    const requests: Message[] = []
    const client = createOrderSyncClient({
      credentials: credentials(gateway, merchant),
      url: 'http://merchant.invalid',
      encrypt: encrypted,
      retries: 0,
      async fetch(_, init) {
        requests.push({ headers: init?.headers as Record<string, string>, body: init?.body as Uint8Array })
        const { headers, body } = answer()
        return new Response(Buffer.from(body), { headers })
      },
    })
    const result = client.syncOrder(order() as unknown as OrderInput)
    return { requests, result: await result.catch((error: unknown) => error) }
  }

  test('openssl accepts what the client sends, and the client accepts its answer', async () => {
    const { requests, result } = await send(() => make(success('A-2'), merchant, '-a', ...encryptTo(gateway)))
    expect(result).toMatchObject({ orderId: 'A-2', reply: success('A-2') })
    const [request = { headers: {}, body: new Uint8Array() }] = requests
    expect('Encrypt' in request.headers).toBe(encrypted)
    expect(check(request, `${gateway}-public`, ...decryptWith(merchant))).toEqual(order())
    expect(check(tampered(request), `${gateway}-public`, ...decryptWith(merchant))).toEqual(refused('the signature'))
    expect(check(request, `${stranger}-public`, ...decryptWith(merchant))).toEqual(refused('the signature'))
  })

  test('the client refuses an answer that openssl makes with another key, for another path, or of another body', async () => {
    const answers = [
      () => make(success(), stranger, '-a', ...encryptTo(gateway)),
      () => make(success(), merchant, '-a', '-p', '/', ...encryptTo(gateway)),
      () => tampered(make(success(), merchant, '-a', ...encryptTo(gateway))),
    ]
    for (const answer of answers) {
      expect((await send(answer)).result).toMatchObject({ name: 'ReplyError', code: 'ERR_REPLY_SIGNATURE' })
    }
  })
})

test('openssl cannot open what is encrypted to another key', async () => {
  const message = make(order(), 'gateway-rsa', '-e', pathOf('merchant-rsa-public'))
  expect(check(message, 'gateway-rsa-public', '-d', pathOf('merchant-rsa'))).toEqual(order())
  expect(check(message, 'gateway-rsa-public', '-d', pathOf('stranger-rsa'))).toEqual(refused('it cannot be decrypted'))
  expect(check(message, 'gateway-rsa-public')).toEqual(refused('it is encrypted'))
})

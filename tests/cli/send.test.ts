import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { expect, onTestFinished, test } from 'vitest'
import { createOrderSyncServer } from '../../src/adapters/node.ts'
import { createOrderSyncHandler, memoryStore, OrderRefusedError, type OrderResult } from '../../src/public/index.ts'
import { cli, writeTo } from '../support/cli.ts'
import { gatewayRsa, merchantRsa } from '../support/keys.ts'
import { CLIENT_ID, order } from '../support/messages.ts'
import { folder, gateway, identity, keyFile } from './identity.ts'

/** Listens on a free port until the test ends, and returns the origin. */
async function listen(server: ReturnType<typeof createServer>): Promise<string> {
  await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => void server.close().closeAllConnections())
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

const merchantServer = (onOrder: () => OrderResult) =>
  createOrderSyncServer(
    createOrderSyncHandler({
      credentials: {
        clientId: CLIENT_ID,
        privateKeys: { 1: merchantRsa().privateKey },
        peerPublicKeys: { 1: gatewayRsa().publicKey },
      },
      store: memoryStore(),
      onOrder,
    }),
  )

const send = (url: string, ...args: string[]) =>
  cli(['send', '--url', url, ...gateway(), ...args, '-'], JSON.stringify(order()))

test('send exits with 0 when the peer accepts the order, and adds the path of the API to an origin', async () => {
  const { code, stdout } = await send(await listen(merchantServer(() => ({ orderId: 'A-1' }))))
  expect(code).toBe(0)
  expect(stdout).toBe(
    '{"result":{"resultCode":"SUCCESS","resultStatus":"S","resultMessage":"success"},"orderId":"A-1"}\n',
  )
})

test('send exits with 1 and prints the response when the peer refuses the order', async () => {
  const refuse = () => {
    throw new OrderRefusedError('ACCESS_DENIED', 'not from\u009b here')
  }
  const { code, stdout, stderr } = await send(await listen(merchantServer(refuse)))
  expect(code).toBe(1)
  expect(JSON.parse(stdout)).toEqual({
    result: { resultCode: 'ACCESS_DENIED', resultStatus: 'F', resultMessage: 'not from\u009b here' },
  })
  expect(stderr).toContain('ACCESS_DENIED')
  expect(stdout + stderr).not.toContain('\u009b')
})

test('send exits with 2 when every response is "try later"', async () => {
  let attempts = 0
  const fail = () => {
    attempts++
    throw new Error('the database is down')
  }
  const { code, stdout, stderr } = await send(await listen(merchantServer(fail)), '--retries', '1')
  expect({ code, attempts }).toEqual({ code: 2, attempts: 2 })
  expect(JSON.parse(stdout)).toMatchObject({ result: { resultCode: 'UNKNOWN_EXCEPTION', resultStatus: 'U' } })
  expect(stderr).toContain('ERR_RESULT_UNKNOWN')
  expect(stderr).toContain(`requestId: ${order()['requestId']}`)
  expect(stderr).not.toContain('database')
})

test('send exits with 2 when the connection is refused', async () => {
  const server = createServer()
  const url = await listen(server)
  await new Promise((resolve) => server.close(resolve))
  const { code, stdout, stderr } = await send(url, '--retries', '0')
  expect({ code, stdout }).toEqual({ code: 2, stdout: '' })
  expect(stderr).toMatch(/: ECONNREFUSED\. \(ERR_NETWORK\)/)
})

test('send exits with 2 when no response arrives in time', async () => {
  const { code, stderr } = await send(await listen(createServer(() => {})), '--retries', '0', '--timeout', '50')
  expect(code).toBe(2)
  expect(stderr).toMatch(/There was no verified response from 127\.0\.0\.1:\d+ within 50 ms\. \(ERR_TIMEOUT\)/)
})

const respondWith = (status: number, body: string, headers = {}): RequestListener => {
  return (request, response) => {
    request.resume()
    response.writeHead(status, headers).end(body)
  }
}

test('send exits with 2 after an unsigned HTTP 5xx', async () => {
  const { code, stderr } = await send(await listen(createServer(respondWith(502, 'Bad Gateway'))), '--retries', '0')
  expect(code).toBe(2)
  expect(stderr).toContain('ERR_HTTP_STATUS')
  expect(stderr).toContain('HTTP status: 502\nThe response begins: "Bad Gateway"\n')
})

test.each([
  ['unsigned', respondWith(200, '{"result":{"resultCode":"SUCCESS","resultStatus":"S"},"orderId":"1"}')],
  ['a redirect', respondWith(302, '', { Location: 'http://127.0.0.1/' })],
])('send exits with 3 when the response cannot be trusted: %s', async (_, listener) => {
  const { code, stdout, stderr } = await send(await listen(createServer(listener)))
  expect({ code, stdout }).toEqual({ code: 3, stdout: '' })
  expect(stderr).toContain('ERR_REPLY_')
})

test('send exits with 3 when the response is signed with another key', async () => {
  const url = await listen(merchantServer(() => ({ orderId: 'A-1' })))
  const args = ['send', '--url', url, ...identity('gatewayRsa', 'strangerRsa'), '-']
  const { code, stdout, stderr } = await cli(args, JSON.stringify(order()))
  expect({ code, stdout }).toEqual({ code: 3, stdout: '' })
  expect(stderr).toContain('ERR_REPLY_SIGNATURE')
})

const withKey = (file: string) => [
  ...['--url', 'http://127.0.0.1:9', '--client-id', CLIENT_ID],
  ...['--private-key', file, '--peer-public-key', keyFile('merchantRsa', 'publicKey'), '-'],
]

const privatePem = () => gatewayRsa().privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()

test.each([
  ['a missing key file', () => withKey('no-such.pem'), '--private-key no-such.pem cannot be read: no such file'],
  [
    'a folder instead of a key file',
    () => withKey(folder),
    '--private-key cannot be read: illegal operation on a directory',
  ],
  [
    'a public key instead of a private key',
    () => withKey(keyFile('gatewayRsa', 'publicKey')),
    'a private key was expected',
  ],
  ['text that is not a key', () => withKey(writeTo(folder, 'note.pem', 'no key')), '--private-key is neither PEM nor'],
  ['the key instead of its file', () => withKey(privatePem().replaceAll('-----', '')), '--private-key cannot be read'],
  [
    'the key in one line instead of its file',
    () => withKey(privatePem().split('\n').slice(1, -2).join('')),
    'cannot be read',
  ],
  ['a key that the shell has split', () => ['send', ...privatePem().split(/\s+/).slice(3, -4), '-'], 'more than one'],
  ['the key in place of an option', () => [...gateway(), privatePem()], 'An argument starts with a dash'],
  ['our own public key', () => identity('gatewayRsa', 'gatewayRsa'), 'public half of your own private key'],
  ['a missing key', () => ['--client-id', CLIENT_ID], '--private-key is missing'],
  ['a missing client id', () => gateway().slice(2), '--client-id is missing'],
  ['an invalid client id', () => ['--client-id', 'a b', ...gateway().slice(2)], '"clientId" must be'],
  ['an invalid key version', () => [...gateway(), '--key-version', 'a b'], 'ERR_KEY_RING'],
  ['an empty URL', () => ['--url', '', ...gateway()], '--url is missing'],
  ['an invalid URL', () => ['--url', 'merchant', ...gateway()], '"url" is not a URL'],
  ['encryption with an ECC224 key', () => [...identity('gatewayEcc', 'merchantEcc'), '--encrypt'], 'ERR_KEY_USE'],
  [
    'a number of retries that is not a number',
    () => [...gateway(), '--retries', 'x'],
    '--retries must be a whole number',
  ],
  ['a negative timeout', () => [...gateway(), '--timeout=-1'], '--timeout must be a whole number from 1'],
  ['an unknown option', () => [...gateway(), '--encrpyt'], "Unknown option '--encrpyt'"],
  ['an option without its value', () => [...gateway(), '--url'], "Option '--url <value>' argument missing"],
  ['more than one file', () => [...gateway(), 'a.json'], 'more than one argument'],
])('send exits with 64 and one line, without stack and key, for %s', async (_, args, message) => {
  const options = args()
  const rest = options.at(-1) === '-' ? [] : options.at(-1) === '--url' ? [] : ['-']
  const url = options.includes('--url') || options[0] === 'send' ? [] : ['--url', 'http://127.0.0.1:9']
  const { code, stdout, stderr } = await cli(['send', ...url, ...options, ...rest], JSON.stringify(order()))
  expect({ code, stdout }).toEqual({ code: 64, stdout: '' })
  expect(stderr).toContain(message)
  expect(stderr.trim().split('\n')).toHaveLength(1)
  for (const line of privatePem().split('\n').slice(1, -2)) expect(stderr).not.toContain(line)
})

test.each([
  ['truncated', '{"tradeNo":', 'The order is not JSON: '],
  ['not JSON', '{"tradeNo": SECRET}', 'The order is not JSON: '],
  ['not UTF-8', Buffer.from([0x7b, 0xff, 0x7d]), 'The order is not JSON: it is not UTF-8.'],
  ['empty', '', 'The order is not JSON: '],
  ['an array', '[]', 'The order must be a JSON object.'],
  ['null', 'null', 'The order must be a JSON object.'],
])('send exits with 64 for an order that is %s', async (name, content, message) => {
  const file = writeTo(folder, `${name}.json`, content)
  const { code, stdout, stderr } = await cli(['send', '--url', 'http://127.0.0.1:9', ...gateway(), file])
  expect({ code, stdout }).toEqual({ code: 64, stdout: '' })
  expect(stderr).toContain(message)
  expect(stderr).not.toContain('SECRET')
})

test('send exits with 64 when the file of the order is not named or does not exist', async () => {
  const args = ['send', '--url', 'http://127.0.0.1:9', ...gateway()]
  expect(await cli(args)).toMatchObject({ code: 64, stderr: expect.stringContaining('Use - for standard input') })
  expect(await cli([...args, 'no-such.json'])).toMatchObject({
    code: 64,
    stderr: 'The order no-such.json cannot be read: no such file or directory.\n',
  })
})

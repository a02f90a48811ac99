import { constants, privateDecrypt } from 'node:crypto'
import { createServer, type IncomingHttpHeaders } from 'node:http'
import type { AddressInfo } from 'node:net'
import { expect, onTestFinished, test } from 'vitest'
import { cli, serve } from '../support/cli.ts'
import { merchantRsa } from '../support/keys.ts'
import { CLIENT_ID, order } from '../support/messages.ts'
import { gateway, identity, merchant } from './identity.ts'

const send = (url: string, args: readonly string[], changes: Record<string, unknown> = {}) =>
  cli(['send', '--url', url, ...args, '-'], JSON.stringify(order(changes)))

const forger = () => identity('strangerRsa', 'merchantRsa')

test.each([
  [[], 401],
  [['--tolerant-status'], 200],
])('serve %j responds to a request that does not verify with HTTP %i', async (options, status) => {
  const { url, nextEvent } = await serve([...merchant(), ...options])
  const { stderr } = await send(url, forger())
  expect(stderr).toContain('ERR_REPLY_UNSIGNED')
  expect(stderr).toContain(`HTTP status: ${status}`)
  expect(await nextEvent()).toMatchObject({ event: 'rejected', code: 'ERR_SIGNATURE_INVALID' })
})

// Node 20 does not decrypt RSAES-PKCS1-v1_5.
const WRAP = ['--key-wrap', 'RSA-OAEP']

test.each([
  ['128', 16],
  ['192', 24],
  ['256', 32],
])('send --aes-bits %s encrypts with an AES key of %i bytes', async (bits, length) => {
  let headers: IncomingHttpHeaders = {}
  const server = createServer((request, response) => {
    headers = request.headers
    request.resume()
    response.end()
  })
  await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => void server.close().closeAllConnections())
  const { port } = server.address() as AddressInfo
  const { code } = await send(`http://127.0.0.1:${port}`, [...gateway(), '--encrypt', ...WRAP, '--aes-bits', bits])
  expect(code).toBe(3)
  const [, wrapped = ''] = /symmetricKey=([^,]+)/.exec(String(headers['encrypt'])) ?? []
  const key = privateDecrypt(
    { key: merchantRsa().privateKey, padding: constants.RSA_PKCS1_OAEP_PADDING },
    Buffer.from(decodeURIComponent(wrapped), 'base64'),
  )
  expect(key).toHaveLength(length)
})

const OTHER_ENCRYPTION = ['--aes-mode', 'CBC', '--key-wrap', 'RSA-OAEP-256', '--key-form', 'text', '--aes-bits', '128']

test('serve decrypts messages that send encrypts with the same options, and no others', async () => {
  const { url, nextEvent } = await serve([...merchant(), ...OTHER_ENCRYPTION])
  expect(await send(url, [...gateway(), '--encrypt', ...OTHER_ENCRYPTION])).toMatchObject({ code: 0 })
  expect(await nextEvent()).toMatchObject({ event: 'order' })
  // Neither side can read the other one.
  expect(await send(url, [...gateway(), '--encrypt'], { requestId: 'r-2' })).toMatchObject({ code: 3 })
  expect(await nextEvent()).toMatchObject({ event: 'rejected', code: 'ERR_DECRYPTION' })
})

test.each([
  ['serve', ['--allow-fractions'], 0],
  ['neither', [], 64],
])('fractions in extInfo are allowed by %s', async (_, options, code) => {
  const { url } = await serve([...merchant(), ...options])
  expect((await send(url, [...gateway(), ...options], { extInfo: { weight: 1.5 } })).code).toBe(code)
})

test('serve --signed-path verifies the path that the sender signs', async () => {
  const { url } = await serve([...merchant(), '--signed-path', '/before/the/proxy'])
  expect(await send(url, [...gateway(), '--signed-path', '/before/the/proxy'])).toMatchObject({ code: 0 })
  expect(await send(url, gateway(), { requestId: 'r-2' })).toMatchObject({ code: 3 })
})

test('serve --max-body-bytes rejects a larger body', async () => {
  const { url, nextEvent } = await serve([...merchant(), '--max-body-bytes', '100'])
  await send(url, gateway())
  expect(await nextEvent()).toMatchObject({ event: 'rejected', code: 'ERR_BODY_TOO_LARGE' })
})

test('serve --compare-modify-time-with processedAt reports a change from before the processing as stale', async () => {
  const { url, nextEvent } = await serve([...merchant(), '--compare-modify-time-with', 'processedAt'])
  await send(url, gateway(), { orderModifyTime: Date.now() - 60_000 })
  expect(await nextEvent()).toMatchObject({ event: 'order' })
  await send(url, gateway(), { requestId: 'r-2', orderModifyTime: Date.now() - 1_000 })
  expect(await nextEvent()).toMatchObject({ event: 'stale' })
})

test('serve and send read their options from environment variables', async () => {
  const { url } = await serve(merchant())
  const [, clientId, , privateKey, , peerPublicKey] = gateway()
  const environment = {
    ORDER_SYNC_URL: url,
    ORDER_SYNC_CLIENT_ID: clientId,
    ORDER_SYNC_PRIVATE_KEY_FILE: privateKey,
    ORDER_SYNC_PEER_PUBLIC_KEY_FILE: peerPublicKey,
  }
  expect(await cli(['send', '-'], JSON.stringify(order()), environment)).toMatchObject({ code: 0 })
  const broken = { ...environment, ORDER_SYNC_PRIVATE_KEY_FILE: peerPublicKey }
  expect(await cli(['send', '-'], JSON.stringify(order()), broken)).toMatchObject({
    code: 64,
    stderr: expect.stringMatching(/^ORDER_SYNC_PRIVATE_KEY_FILE .*a private key was expected/),
  })
})

test.each([
  [[], '--url is missing. Give --url or --environment, or set ORDER_SYNC_URL.'],
  [['--url', 'http://127.0.0.1:9', '--environment', 'testing'], 'Both --url and --environment are given.'],
  [['--environment', 'staging'], '--environment must be testing or production.'],
])('send needs one destination: %j', async (args, message) => {
  const { code, stderr } = await cli(['send', ...gateway(), ...args, '-'], '{}')
  expect({ code, stderr }).toEqual({ code: 64, stderr: expect.stringContaining(message) })
})

test('store rejects --key together with --merchant-biz-no, so that it cannot forget the wrong order', async () => {
  const args = ['store', 'forget', '--store', 'sqlite:x.db', '--merchant-biz-no', 'A-1']
  const { code, stderr } = await cli(args, '', { ORDER_SYNC_KEY: 'k'.repeat(43), ORDER_SYNC_CLIENT_ID: CLIENT_ID })
  expect({ code, stderr }).toEqual({
    code: 64,
    stderr: 'Both --key and --merchant-biz-no are given. Give one of them.\n',
  })
})

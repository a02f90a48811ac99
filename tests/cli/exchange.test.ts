import { createPrivateKey, createPublicKey } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { createOrderSyncClient, type OrderInput } from '../../src/public/index.ts'
import { cli, serve, writeTo } from '../support/cli.ts'
import { CLIENT_ID, order, orderWithout } from '../support/messages.ts'
import { gatewayRsa, merchantRsa } from '../support/keys.ts'
import { folder, gateway, identity, merchant } from './identity.ts'

const SUCCESS = { resultCode: 'SUCCESS', resultStatus: 'S', resultMessage: 'success' }

test.each([
  ['plain', 'Rsa', []],
  ['encrypted', 'Rsa', ['--encrypt']],
  ['signed with ECC224', 'Ecc', []],
])('serve and send talk in two processes: %s', async (_, keys, options) => {
  const { url, next } = await serve(identity(`merchant${keys}`, `gateway${keys}`))
  const sent = order()
  const file = writeTo(folder, `order-${keys}${options}.json`, JSON.stringify(sent))
  const { code, stdout, stderr } = await cli([
    'send',
    ...['--url', url],
    ...identity(`gateway${keys}`, `merchant${keys}`),
    ...options,
    file,
  ])
  expect(code, stderr).toBe(0)
  const line = await next()
  expect(line).toEqual({ event: 'order', order: sent, orderId: expect.stringMatching(/^[0-9a-f]{32}$/) })
  expect(JSON.parse(stdout)).toEqual({ result: SUCCESS, orderId: line['orderId'] })
  expect(stderr).toContain(String(sent['requestId']))
})

test('every outcome is one line, and an order is printed once', async () => {
  const { url, next } = await serve(merchant())
  const send = (changes: object, who = gateway()) =>
    cli(['send', '--url', url, ...who, '-'], JSON.stringify(order({ ...changes })))
  const newer = { requestId: 'r-1', orderModifyTime: 1_000 }

  const first = JSON.parse((await send(newer)).stdout)
  expect(await next()).toEqual({ event: 'order', order: order(newer), orderId: first.orderId })
  for (const [event, changes] of [
    ['replay', newer],
    ['duplicate', { ...newer, requestId: 'r-2' }],
    ['stale', { requestId: 'r-3', orderModifyTime: 999 }],
  ] as const) {
    const { code, stdout } = await send(changes)
    expect({ code, answer: JSON.parse(stdout) }).toEqual({ code: 0, answer: first })
    expect(await next()).toMatchObject({ event, code: 'SUCCESS', requestId: changes.requestId, clientId: CLIENT_ID })
  }

  const conflict = await send({ ...newer, orderStatus: 'OTHER' })
  expect({ ...conflict, stdout: JSON.parse(conflict.stdout) }).toMatchObject({
    code: 1,
    stdout: { result: { resultCode: 'REPEAT_REQ_INCONSISTENT', resultStatus: 'F' } },
  })
  expect(await next()).toMatchObject({ event: 'rejected', code: 'ERR_REQUEST_CONFLICT', status: 409 })

  const forged = await send({ requestId: 'r-4' }, identity('strangerRsa', 'merchantRsa'))
  expect({ ...forged, stdout: JSON.parse(forged.stdout) }).toMatchObject({
    code: 1,
    stdout: { result: { resultCode: 'INVALID_SIGNATURE', resultStatus: 'F' } },
  })
  const line = await next()
  expect(line).toMatchObject({ event: 'rejected', code: 'ERR_SIGNATURE_INVALID', status: 401 })
  // The hint is for the developer who reads this; what was not signed is not repeated.
  expect(line['message']).toContain('fingerprint')
  expect(line).not.toHaveProperty('requestId')

  const last = await send({ requestId: 'r-5', orderModifyTime: 1_001 })
  expect(await next()).toMatchObject({ event: 'order', orderId: JSON.parse(last.stdout).orderId })
})

test('a missing requestId and merchantBizType are filled in', async () => {
  const { url, next } = await serve(merchant())
  const { requestId, merchantBizType, ...sent } = order()
  expect((await cli(['send', '--url', url, ...gateway(), '-'], JSON.stringify(sent))).code).toBe(0)
  expect(await next()).toMatchObject({
    order: { ...sent, requestId: expect.stringMatching(/^[0-9a-f]{32}$/), merchantBizType: 'TRADE_ORDER' },
  })
})

test('key versions are those of the options, both ways', async () => {
  const { url, next } = await serve([...merchant(), '--key-version', '7', '--peer-key-version', '3'])
  const send = (...versions: string[]) =>
    cli(['send', '--url', url, ...gateway(), ...versions, '-'], JSON.stringify(order()))
  expect((await send('--key-version', '3', '--peer-key-version', '7', '--encrypt')).code).toBe(0)
  expect(await next()).toMatchObject({ event: 'order' })
  // Signed with a version that the receiver does not have.
  expect((await send('--key-version', '4', '--peer-key-version', '7')).code).toBe(1)
  expect(await next()).toMatchObject({ event: 'rejected', code: 'ERR_SIGNATURE_INVALID' })
  // The answer is signed with a version that the sender does not have.
  expect((await send('--key-version', '3', '--peer-key-version', '8', '--encrypt')).code).toBe(3)
  expect(await next()).toMatchObject({ event: 'rejected', code: 'ERR_DECRYPTION' })
})

test('keys are read in any form that the library takes', async () => {
  const [, , , privateFile = '', , publicFile = ''] = merchant()
  const der = createPrivateKey(readFileSync(privateFile)).export({ type: 'pkcs8', format: 'der' })
  const bare = createPublicKey(readFileSync(publicFile)).export({ type: 'spki', format: 'der' }).toString('base64')
  const { url } = await serve([
    ...['--client-id', CLIENT_ID],
    ...['--private-key', writeTo(folder, 'merchant.der', der)],
    ...['--peer-public-key', writeTo(folder, 'gateway.txt', `${bare}\n`)],
  ])
  expect((await cli(['send', '--url', url, ...gateway(), '-'], JSON.stringify(order()))).code).toBe(0)
})

test('orders are received at the path that was given, and nowhere else', async () => {
  const { url, next } = await serve([...merchant(), '--path', '/shop/orders'])
  expect(new URL(url).pathname).toBe('/shop/orders')
  const elsewhere = await fetch(new URL('/', url), { method: 'POST', body: 'x' })
  expect([elsewhere.status, elsewhere.headers.get('content-type'), await elsewhere.text()]).toEqual([
    404,
    'text/plain; charset=UTF-8',
    'Not found\n',
  ])
  // The query string is part of what is signed, not of where it goes.
  for (const query of ['', '?from=hk']) {
    const sent = order({ requestId: `r${query}` })
    expect((await cli(['send', '--url', url + query, ...gateway(), '-'], JSON.stringify(sent))).code).toBe(0)
  }
  expect([(await next())['event'], (await next())['event']]).toEqual(['order', 'duplicate'])
})

test('--clock-tolerance is what a Request-Time may be off', async () => {
  const { url, next } = await serve([...merchant(), '--clock-tolerance', '60'])
  const sync = (secondsAgo: number, requestId: string) =>
    createOrderSyncClient({
      credentials: {
        clientId: CLIENT_ID,
        privateKeys: { 1: gatewayRsa().privateKey },
        peerPublicKeys: { 1: merchantRsa().publicKey },
      },
      url,
      retries: 0,
      now: () => Date.now() - secondsAgo * 1000,
    }).syncOrder(order({ requestId }) as unknown as OrderInput)
  await expect(sync(45, 'r-1')).resolves.toMatchObject({ attempts: 1 })
  expect(await next()).toMatchObject({ event: 'order' })
  await expect(sync(75, 'r-2')).rejects.toMatchObject({ resultCode: 'INVALID_SIGNATURE' })
  expect(await next()).toMatchObject({ event: 'rejected', code: 'ERR_TIME_RANGE' })
})

test('what a terminal would obey, or a reader take for the end of the line, is escaped', async () => {
  const { url, next, child } = await serve(merchant())
  let raw = ''
  child.stdout?.on('data', (chunk) => (raw += chunk))
  const extInfo = { note: 'a\u2028b\u009b31m\u007f\u202ec\n\u001b[31m' }
  const { code } = await cli(['send', '--url', url, ...gateway(), '-'], JSON.stringify(order({ extInfo })))
  expect(code).toBe(0)
  expect(await next()).toMatchObject({ order: { extInfo } })
  expect(raw.trimEnd()).not.toMatch(/[^\x20-\x7e]/)
})

test('an order that breaks the protocol is not sent', async () => {
  const { url } = await serve(merchant())
  const sent = JSON.stringify(orderWithout('tradeNo'))
  const { code, stdout, stderr } = await cli(['send', '--url', url, ...gateway(), '-'], sent)
  expect({ code, stdout }).toEqual({ code: 1, stdout: '' })
  expect(stderr).toBe('The order is invalid: "tradeNo" must be a string with content. (ERR_FIELD_INVALID)\n')
})

import { createPrivateKey, createPublicKey } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import type { OrderInput } from '../../src/public/index.ts'
import { cli, serve, writeTo } from '../support/cli.ts'
import { CLIENT_ID, NOW, order, orderWithout } from '../support/messages.ts'
import { folder, gateway, gatewayClient, identity, merchant } from './identity.ts'

const SUCCESS = { resultCode: 'SUCCESS', resultStatus: 'S', resultMessage: 'success' }

test.each([
  ['plain', 'Rsa', []],
  ['encrypted', 'Rsa', ['--encrypt']],
  ['signed with ECC224', 'Ecc', []],
])('serve receives the order that send sends from another process: %s', async (_, keys, options) => {
  const { url, nextEvent } = await serve(identity(`merchant${keys}`, `gateway${keys}`))
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
  const line = await nextEvent()
  expect(line).toEqual({ event: 'order', order: sent, orderId: expect.stringMatching(/^[0-9a-f]{32}$/) })
  expect(JSON.parse(stdout)).toEqual({ result: SUCCESS, orderId: line['orderId'] })
  expect(stderr).toContain(String(sent['requestId']))
})

test('serve prints one line for every outcome, and each order once', async () => {
  const { url, nextEvent } = await serve(merchant())
  const send = (changes: object, sender = gateway()) =>
    cli(['send', '--url', url, ...sender, '-'], JSON.stringify(order({ ...changes })))
  const newer = { requestId: 'r-1', orderModifyTime: NOW }

  const first = JSON.parse((await send(newer)).stdout)
  expect(await nextEvent()).toEqual({ event: 'order', order: order(newer), orderId: first.orderId })
  for (const [event, changes] of [
    ['replay', newer],
    ['duplicate', { ...newer, requestId: 'r-2' }],
    ['stale', { requestId: 'r-3', orderModifyTime: NOW - 1 }],
  ] as const) {
    const { code, stdout } = await send(changes)
    expect({ code, response: JSON.parse(stdout) }).toEqual({ code: 0, response: first })
    expect(await nextEvent()).toMatchObject({
      event,
      code: 'SUCCESS',
      requestId: changes.requestId,
      clientId: CLIENT_ID,
    })
  }

  const conflict = await send({ ...newer, orderStatus: 'OTHER' })
  expect({ ...conflict, stdout: JSON.parse(conflict.stdout) }).toMatchObject({
    code: 1,
    stdout: { result: { resultCode: 'REPEAT_REQ_INCONSISTENT', resultStatus: 'F' } },
  })
  expect(await nextEvent()).toMatchObject({ event: 'rejected', code: 'ERR_REQUEST_CONFLICT', status: 200 })

  const forged = await send({ requestId: 'r-4' }, identity('strangerRsa', 'merchantRsa'))
  // The response to a request that did not verify is not signed.
  expect(forged).toMatchObject({ code: 3, stdout: '', stderr: expect.stringContaining('ERR_REPLY_UNSIGNED') })
  const line = await nextEvent()
  expect(line).toMatchObject({ event: 'rejected', code: 'ERR_SIGNATURE_INVALID', status: 401 })
  // The message helps the developer. Values from the unverified body are not printed.
  expect(line['message']).toContain('fingerprint')
  expect(line).not.toHaveProperty('requestId')

  const last = await send({ requestId: 'r-5', orderModifyTime: NOW + 1 })
  expect(await nextEvent()).toMatchObject({ event: 'order', orderId: JSON.parse(last.stdout).orderId })
})

test('send adds a missing requestId and merchantBizType', async () => {
  const { url, nextEvent } = await serve(merchant())
  const { requestId, merchantBizType, ...sent } = order()
  expect((await cli(['send', '--url', url, ...gateway(), '-'], JSON.stringify(sent))).code).toBe(0)
  expect(await nextEvent()).toMatchObject({
    order: { ...sent, requestId: expect.stringMatching(/^[0-9a-f]{32}$/), merchantBizType: 'TRADE_ORDER' },
  })
})

test('serve and send use the key versions of their options', async () => {
  const { url, nextEvent } = await serve([...merchant(), '--key-version', '7', '--peer-key-version', '3'])
  const send = (...versions: string[]) =>
    cli(['send', '--url', url, ...gateway(), ...versions, '-'], JSON.stringify(order()))
  expect((await send('--key-version', '3', '--peer-key-version', '7', '--encrypt')).code).toBe(0)
  expect(await nextEvent()).toMatchObject({ event: 'order' })
  // The receiver does not have the version of the signature.
  expect((await send('--key-version', '4', '--peer-key-version', '7')).code).toBe(3)
  expect(await nextEvent()).toMatchObject({ event: 'rejected', code: 'ERR_SIGNATURE_INVALID' })
  // The sender does not have the version that signs the response.
  expect((await send('--key-version', '3', '--peer-key-version', '8', '--encrypt')).code).toBe(3)
  expect(await nextEvent()).toMatchObject({ event: 'rejected', code: 'ERR_DECRYPTION' })
})

test('serve reads keys as DER and as bare base64', async () => {
  const [, , , privateFile = '', , publicFile = ''] = merchant()
  const der = createPrivateKey(readFileSync(privateFile)).export({ type: 'pkcs8', format: 'der' })
  const base64 = createPublicKey(readFileSync(publicFile)).export({ type: 'spki', format: 'der' }).toString('base64')
  const { url } = await serve([
    ...['--client-id', CLIENT_ID],
    ...['--private-key', writeTo(folder, 'merchant.der', der)],
    ...['--peer-public-key', writeTo(folder, 'gateway.txt', `${base64}\n`)],
  ])
  expect((await cli(['send', '--url', url, ...gateway(), '-'], JSON.stringify(order()))).code).toBe(0)
})

test('serve --path receives orders at that path only', async () => {
  const { url, nextEvent } = await serve([...merchant(), '--path', '/shop/orders'])
  expect(new URL(url).pathname).toBe('/shop/orders')
  const otherPath = await fetch(new URL('/', url), { method: 'POST', body: 'x' })
  expect([otherPath.status, otherPath.headers.get('content-type'), await otherPath.text()]).toEqual([
    404,
    'text/plain; charset=UTF-8',
    'Not found\n',
  ])
  // The query string is signed, but it does not select the path.
  for (const query of ['', '?from=hk']) {
    const sent = order({ requestId: `r${query}` })
    expect((await cli(['send', '--url', url + query, ...gateway(), '-'], JSON.stringify(sent))).code).toBe(0)
  }
  expect([(await nextEvent())['event'], (await nextEvent())['event']]).toEqual(['order', 'duplicate'])
})

test('serve --clock-tolerance limits the difference of Request-Time to the clock', async () => {
  const { url, nextEvent } = await serve([...merchant(), '--clock-tolerance', '60'])
  const sync = (secondsAgo: number, requestId: string) =>
    gatewayClient(url, { now: () => Date.now() - secondsAgo * 1000 }).syncOrder(
      order({ requestId }) as unknown as OrderInput,
    )
  await expect(sync(45, 'r-1')).resolves.toMatchObject({ attempts: 1 })
  expect(await nextEvent()).toMatchObject({ event: 'order' })
  await expect(sync(75, 'r-2')).rejects.toMatchObject({
    code: 'ERR_REPLY_UNSIGNED',
    excerpt: expect.stringContaining('INVALID_SIGNATURE'),
  })
  expect(await nextEvent()).toMatchObject({ event: 'rejected', code: 'ERR_TIME_RANGE' })
})

test('serve escapes control characters and line separators', async () => {
  const { url, nextEvent, child } = await serve(merchant())
  let stdout = ''
  child.stdout?.on('data', (chunk) => (stdout += chunk))
  const extInfo = { note: 'a\u2028b\u009b31m\u007f\u202ec\n\u001b[31m' }
  const { code } = await cli(['send', '--url', url, ...gateway(), '-'], JSON.stringify(order({ extInfo })))
  expect(code).toBe(0)
  expect(await nextEvent()).toMatchObject({ order: { extInfo } })
  expect(stdout.trimEnd()).not.toMatch(/[^\x20-\x7e]/)
})

test('send rejects an invalid order without sending it', async () => {
  const { url } = await serve(merchant())
  const sent = JSON.stringify(orderWithout('tradeNo'))
  const { code, stdout, stderr } = await cli(['send', '--url', url, ...gateway(), '-'], sent)
  expect({ code, stdout }).toEqual({ code: 64, stdout: '' })
  expect(stderr).toBe('The order is invalid: "tradeNo" must be a string with content. (ERR_FIELD_INVALID)\n')
})

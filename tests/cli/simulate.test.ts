import { once } from 'node:events'
import { readFileSync, statSync } from 'node:fs'
import { createServer, request as rawRequest } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { createOrderSyncClient } from '../../src/public/index.ts'
import { createTestOrder } from '../../src/public/testing.ts'
import { type CommandResult, cli, folderIn, serve, startCommand } from '../support/cli.ts'
import { gatewayRsa, merchantRsa } from '../support/keys.ts'
import { CLIENT_ID } from '../support/messages.ts'
import { folder, gateway, gatewayClient, identity, keyFile, merchant } from './identity.ts'

const simulate = (url: string, ...args: string[]): Promise<CommandResult> =>
  cli(['simulate', '--url', url, ...gateway(), ...args])

test('simulate exits with 0 when the endpoint conforms, and writes JUnit XML', async () => {
  const { url } = await serve(merchant())
  const junit = join(folderIn(folder), 'report.xml')
  const { code, stdout, stderr } = await simulate(url, '--junit', junit, '--seed', '7')
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
  expect(stdout).toMatch(/^Scenario smoke, seed 7, http/)
  expect(stdout).toMatch(/The endpoint conforms: \d+ rules tested, 0 broken, 0 warnings\./)
  expect(readFileSync(junit, 'utf8')).toMatch(/<testsuite name="smoke" tests="\d+" failures="0" errors="0"/)
})

test('simulate exits with 1 and names the rule when the endpoint breaks one', async () => {
  // It knows a stranger in place of the gateway.
  const { url } = await serve(identity('merchantRsa', 'strangerRsa'))
  const junit = join(folderIn(folder), 'report.xml')
  const { code, stdout } = await simulate(url, '--json', '--junit', junit)
  expect(code).toBe(1)
  const report = JSON.parse(stdout)
  expect(report).toMatchObject({ passed: false, scenario: 'smoke' })
  expect(report.rules[0]).toMatchObject({
    rule: 'valid-order',
    outcome: 'failed',
    findings: [{ expected: 'the status S', actual: 'HTTP 401, F, INVALID_SIGNATURE, unsigned' }],
  })
  expect(readFileSync(junit, 'utf8')).toContain('<failure message="A valid order is accepted (section 5.1)">')
})

test('simulate signs with two keys in the scenario rotation, and names what it cannot test without them', async () => {
  const { url } = await serve(merchant())
  const without = await simulate(url, '--scenario', 'rotation')
  expect(without.stdout).toContain('Note: Not tested: signatures of key version 2. Give the sender that private key.')
  // serve knows one key of the peer: the rotation would stop orders.
  const withKey = await simulate(
    url,
    '--scenario',
    'rotation',
    '--next-private-key',
    keyFile('strangerRsa', 'privateKey'),
  )
  expect(withKey.code).toBe(1)
  expect(withKey.stdout).toMatch(/FAIL {2}Signatures of all keys of the peer are accepted during a rotation/)
})

test('simulate exits with 64 for an unknown scenario, and for an http URL to another machine', async () => {
  expect(await simulate('http://127.0.0.1:1', '--scenario', 'smok')).toMatchObject({ code: 64 })
  const insecure = await simulate('http://192.0.2.1')
  expect(insecure).toMatchObject({ code: 64, stderr: expect.stringContaining('Use https') })
})

test('simulate reports an endpoint that does not listen', async () => {
  const { code, stdout } = await simulate('http://127.0.0.1:1', '--json', '--scenario', 'bad-day')
  expect(code).toBe(1)
  const { rules, notes } = JSON.parse(stdout)
  const [failed] = rules.filter(({ outcome }: { outcome: string }) => outcome === 'failed')
  expect(failed.findings[0].actual).toBe('The connection failed (ECONNREFUSED).')
  expect(notes).toEqual(['The endpoint did not respond to any request, so the rest of the scenario was skipped.'])
})

test('listen records and forwards unchanged, explain reads the record, and replay sends it again', async () => {
  const application = await serve(merchant())
  const record = join(folderIn(folder), 'messages.jsonl')
  const listening = await startCommand(
    ['listen', '--port', '0', '--forward', new URL(application.url).origin, '--record', record, ...merchant()],
    /^listening on (http:\S+), forwarding to /,
  )
  const origin = listening.url
  const order = createTestOrder()
  // The application signs the response: nothing was changed on the way.
  expect(await gatewayClient(origin, {}).syncOrder(order)).toMatchObject({ attempts: 1 })
  const line = await listening.nextEvent()
  expect(line).toMatchObject({ event: 'message', verified: true, status: 200 })
  expect(JSON.stringify(line)).not.toContain(order.merchantBizNo)
  expect(await application.nextEvent()).toMatchObject({ event: 'order', order: { merchantBizNo: order.merchantBizNo } })
  expect(statSync(record).mode & 0o777).toBe(0o600)

  const recorded = readFileSync(record, 'utf8')
  expect(await cli(['explain', ...merchant(), '-'], recorded)).toMatchObject({ code: 0 })

  const send = (id: string, ...args: string[]) =>
    cli(['replay', '--url', application.url, '--record', record, ...gateway(), ...args, id])
  const again = await send(String(line['id']))
  expect(again.code).toBe(0)
  expect(JSON.parse(again.stdout)).toMatchObject({ status: 200, result: { resultStatus: 'S' }, signed: true })
  expect(await application.nextEvent()).toMatchObject({ event: 'replay' })
  expect(JSON.parse((await send('last', '--encrypt', '--request-id', 'another')).stdout)).toMatchObject({
    encrypted: true,
  })
  expect(await application.nextEvent()).toMatchObject({ event: 'duplicate' })
  expect(await send('no-such-id')).toMatchObject({
    code: 64,
    stderr: expect.stringContaining('has no message with this id'),
  })

  // What does not verify is recorded and forwarded too.
  const response = await fetch(origin + new URL(application.url).pathname, { method: 'POST', body: 'junk' })
  expect(response.status).toBeGreaterThanOrEqual(400)
  expect(await listening.nextEvent()).toMatchObject({ verified: false, code: 'ERR_HEADER_MISSING' })
  expect(await send('last')).toMatchObject({
    code: 64,
    stderr: expect.stringContaining('The order in the message cannot be read'),
  })
  listening.child.kill('SIGTERM')
  expect(await listening.exitCode).toBe(0)

  application.child.kill('SIGKILL')
  await application.exitCode
  expect(await send(String(line['id']))).toMatchObject({ code: 64, stderr: 'fetch failed: ECONNREFUSED\n' })
})

test('listen sends only to the host of --forward', async () => {
  const requests: string[] = []
  const server = (name: string) =>
    createServer((incoming, outgoing) => {
      requests.push(`${name} ${incoming.url}`)
      outgoing.writeHead(200, { 'X-Name': 'caf\u00e9' }).end()
    }).listen(0, '127.0.0.1')
  const [application, other] = [server('application'), server('other')]
  onTestFinished(() => {
    for (const running of [application, other]) running.close()
  })
  await Promise.all([once(application, 'listening'), once(other, 'listening')])
  const host = `127.0.0.1:${(other.address() as AddressInfo).port}`
  const port = (application.address() as AddressInfo).port
  const listening = await startCommand(
    [
      ...['listen', '--port', '0', '--forward', `http://127.0.0.1:${port}`],
      ...['--record', join(folderIn(folder), 'messages.jsonl'), ...merchant()],
    ],
    /^listening on (http:\S+), /,
  )
  const targets = [`//${host}/a`, `http://${host}/b?c`, '/d?e=//f']
  for (const path of targets) await once(rawRequest({ port: new URL(listening.url).port, path }).end(), 'response')
  listening.child.kill('SIGTERM')
  expect(requests).toEqual([`application //${host}/a`, 'application /b?c', 'application /d?e=//f'])
})

test('listen rejects a URL with a password, and does not print it', async () => {
  const { code, stderr } = await cli(['listen', '--forward', 'http://user:SECRET@127.0.0.1:1', ...merchant()])
  expect({ code, stderr }).toEqual({
    code: 64,
    stderr: expect.stringMatching(/^--forward must be an http or https URL without user name and password\.$/m),
  })
})

test('listen responds 502 while the application does not run, and continues', async () => {
  const { url, child, exitCode } = await serve(merchant())
  child.kill('SIGKILL')
  await exitCode
  const { origin } = new URL(url)
  const record = join(folderIn(folder), 'messages.jsonl')
  const listening = await startCommand(
    ['listen', '--port', '0', '--forward', origin, '--record', record, ...merchant()],
    /^listening on (http:\S+), /,
  )
  for (const _ of [1, 2]) expect((await fetch(listening.url, { method: 'POST', body: '{}' })).status).toBe(502)
  listening.child.kill('SIGTERM')
  expect(await listening.stderr).toContain(`Your application at ${origin} did not respond: ECONNREFUSED.`)
})

test('receive sends the responses of --responses in sequence', async () => {
  const receiving = await startCommand(
    ['receive', '--port', '0', '--responses', 'html-502,U,S', ...gateway()],
    /^listening on (http:\S+)$/,
  )
  const client = createOrderSyncClient({
    credentials: {
      clientId: CLIENT_ID,
      privateKeys: { 1: merchantRsa().privateKey },
      peerPublicKeys: { 1: gatewayRsa().publicKey },
    },
    ...{ url: receiving.url, baseDelayMs: 1 },
  })
  const order = createTestOrder()
  expect(await client.syncOrder(order)).toMatchObject({ attempts: 3 })
  expect(await receiving.nextEvent()).toMatchObject({ event: 'order', order: { merchantBizNo: order.merchantBizNo } })
  receiving.child.kill('SIGTERM')
  expect(await receiving.exitCode).toBe(0)
  expect(await cli(['receive', '--responses', 'S,X', ...gateway()])).toMatchObject({ code: 64 })
})

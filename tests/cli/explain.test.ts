import { expect, test } from 'vitest'
import { cli, writeTo } from '../support/cli.ts'
import { gatewayRsa, strangerRsa } from '../support/keys.ts'
import {
  CLIENT_ID,
  encryptedRequest,
  order,
  PATH,
  request,
  signedResponse,
  success,
  type TestRequest,
} from '../support/messages.ts'
import { folder, gateway, merchant } from './identity.ts'

/** The message as the JSON that the command reads. */
const json = ({ method, path, headers, body }: TestRequest) =>
  JSON.stringify({ method, path, headers, body: Buffer.from(body).toString() })
const http = ({ method, path, headers, body }: TestRequest) =>
  `${method} ${path} HTTP/1.1\r\n${Object.entries(headers)
    .map(([name, value]) => `${name}: ${value}\r\n`)
    .join('')}\r\n${Buffer.from(body).toString()}`

const NOW = ['--now', '2024-05-22T09:12:22+08:00']
const explain = (input: string, ...args: string[]) => cli(['explain', ...merchant(), ...NOW, ...args, '-'], input)

test('explain exits with 0 when the message is accepted', async () => {
  const { code, stdout, stderr } = await explain(http(request()))
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
  expect(stdout).toMatch(/^The request is accepted: its signature verifies, and its time is fresh\.\n/)
  expect(stdout).toContain(`Signed     POST ${PATH}\u240a\n           ${CLIENT_ID}.`)
})

test('explain exits with 1 and prints the change, and the signed text of both sides', async () => {
  const { code, stdout } = await explain(http({ ...request({ path: '/hook' }), path: '/hook/?token=SECRET' }))
  expect(code).toBe(1)
  expect(stdout.split('\n').slice(0, 5)).toEqual([
    'The request is not accepted.',
    '  ERR_SIGNATURE_INVALID: The signature does not verify with the configured key for this method, path, Client-Id, time and body.',
    '',
    'Change this:',
    '  1. path: The sender signed the path /hook, but it was verified for /hook/?token=…. Set the option "signedPath" to the path that the sender signs.',
  ])
  expect(stdout).toContain('By sender  POST /hook\u240a\n')
  expect(stdout).not.toContain('SECRET')
})

test('explain --json prints the explanation as one line of JSON, the most likely cause first', async () => {
  const { code, stdout } = await explain(json({ ...request({ path: '/hook' }), path: '/hook/' }), '--json')
  expect(code).toBe(1)
  expect(stdout.trim().split('\n')).toHaveLength(1)
  expect(JSON.parse(stdout)).toMatchObject({
    verified: false,
    causes: [{ code: 'path', fix: expect.stringContaining('"signedPath"') }],
    trials: expect.any(Number),
  })
})

test('explain prints two changes that are needed together', async () => {
  const broken = { ...request({ path: '/hook' }), path: '/hook/', body: Buffer.from(`${JSON.stringify(order())}\n`) }
  const { code, stdout } = await explain(json(broken))
  expect(code).toBe(1)
  expect(stdout).toContain('Make all of these changes:\n  1. body-newline: ')
  expect(stdout).toContain('\n  2. path: ')
})

test('explain exits with 2 when there is no explanation', async () => {
  const { code, stdout } = await explain(json(request({ key: strangerRsa().privateKey })), '--json')
  expect(code).toBe(2)
  expect(JSON.parse(stdout)).toMatchObject({ verified: false, causes: [] })
  const { stdout: text } = await explain(json(request({ key: strangerRsa().privateKey })))
  expect(text).toMatch(/^The request is not accepted, and no known change makes its signature verify\.\n/)
  expect(text).toContain('  Note: The signature was made with a key that is not configured,')
})

test.each([
  ['text that is not a message', 'hello'],
  ['nothing', ''],
  ['JSON without headers', '{}'],
  ['JSON that is cut off', '{"method":'],
])('explain exits with 64 for %s', async (_, input) => {
  const { code, stdout, stderr } = await explain(input)
  expect({ code, stdout }).toEqual({ code: 64, stdout: '' })
  expect(stderr).toMatch(/ \(ERR_REQUEST\)\n$/)
})

test.each<readonly [string, string[], string]>([
  ['a missing key', ['--client-id', CLIENT_ID, '-'], '--private-key is missing'],
  ['a missing file', merchant(), 'The name of the message file is missing'],
  ['two files', [...merchant(), 'a', 'b'], 'more than one argument'],
  [
    'a file that does not exist',
    [...merchant(), 'no-such.http'],
    'The message no-such.http cannot be read: no such file or directory.',
  ],
  ['a wrong direction', [...merchant(), '--direction', 'both', '-'], '--direction must be request or response.'],
  ['a wrong time', [...merchant(), '--now', 'today', '-'], '--now must be a time'],
  ['a wrong mode of AES', [...merchant(), '--aes-mode', 'GCM', '-'], '--aes-mode must be ECB or CBC.'],
  ['an unknown option', [...merchant(), '--jsn', '-'], "Unknown option '--jsn'"],
])('explain exits with 64 for %s', async (_, args, message) => {
  const { code, stdout, stderr } = await cli(['explain', ...args], json(request()))
  expect({ code, stdout }).toEqual({ code: 64, stdout: '' })
  expect(stderr).toContain(message)
})

test('explain exits with 64 for a capture that is too large', async () => {
  const { code, stderr } = await explain('x'.repeat(8_388_609))
  expect({ code, stderr }).toEqual({ code: 64, stderr: 'The message is larger than 8388608 bytes.\n' })
})

test('explain reads a file, and the clock of the machine', async () => {
  const file = writeTo(folder, 'request.http', http(request()))
  const { code, stdout } = await cli(['explain', ...merchant(), '--json', file])
  expect(code).toBe(1)
  expect(JSON.parse(stdout).causes).toEqual([{ code: 'expired', fix: expect.any(String) }])
  const tolerant = await cli(['explain', ...merchant(), '--clock-tolerance', '999999999999', file])
  expect(tolerant.code).toBe(0)
})

test('explain verifies a response with --method and --path', async () => {
  const { headers, body } = signedResponse(success(), { path: '/hook', method: 'POST', key: gatewayRsa().privateKey })
  const input = JSON.stringify({ headers, body: Buffer.from(body).toString() })
  const args = ['--direction', 'response', '--method', 'POST', '--path', '/hook']
  expect((await explain(input, ...args)).code).toBe(0)
  expect((await explain(input, ...args.slice(0, 5), '/hook/')).code).toBe(1)
})

test('explain shows customer data only with --show-data, and never a key', async () => {
  const captured = json(encryptedRequest())
  const { stdout } = await explain(captured)
  expect(stdout).toContain('Decrypted  {"requestId":"')
  expect(stdout).not.toContain('TRADE-20240522-0001')
  const shown = await explain(captured, '--show-data')
  expect(shown.stdout).toContain('"tradeNo":"TRADE-20240522-0001"')
  const key = gatewayRsa().publicKey.export({ type: 'spki', format: 'der' }).toString('base64')
  for (let at = 50; at + 16 <= key.length; at += 8) expect(shown.stdout).not.toContain(key.slice(at, at + 16))
})

test('explain finds that the message was signed with your own key', async () => {
  const { code, stdout } = await cli(['explain', ...gateway(), ...NOW, '--json', '-'], json(request()))
  expect(code).toBe(1)
  expect(JSON.parse(stdout).causes).toEqual([{ code: 'wrong-key-of-ours', fix: expect.any(String) }])
})

test('explain prints what the schema does not allow', async () => {
  const { code, stdout } = await explain(json(request({ message: order({ amount: { value: '', currency: 'HKD' } }) })))
  expect(code).toBe(0)
  expect(stdout).toMatch(/The body breaks these rules:\n {2}\/amount\/value: .+\n$/)
})

import { spawn } from 'node:child_process'
import { existsSync, readFileSync, statSync } from 'node:fs'
import { createServer } from 'node:http'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { expect, onTestFinished, test, vi } from 'vitest'
import type { OrderInput } from '../../src/public/index.ts'
import { CLI, cli, folderIn } from '../support/cli.ts'
import { listen as listenOn } from '../support/http.ts'
import { order } from '../support/messages.ts'
import { folder, gateway, gatewayClient, keyFile, merchant } from './identity.ts'

/** Starts a command on a free port, and waits for the address of its console on standard error. Kills it after the test. */
async function start(args: readonly string[], cwd: string) {
  const child = spawn(process.execPath, [CLI, ...args, '--port', '0', '--console'], {
    cwd,
    env: { ...process.env, NODE_NO_WARNINGS: '1' },
  })
  onTestFinished(() => void child.kill('SIGKILL'))
  const first = async (stream: NodeJS.ReadableStream, pattern: RegExp) => {
    for await (const line of createInterface({ input: stream })) {
      const [, found] = pattern.exec(line) ?? []
      if (found !== undefined) return found
    }
    throw new Error(`${args[0]} did not print ${pattern}`)
  }
  const [url, page] = await Promise.all([
    first(child.stdout, /^listening on (http:[^\s,]+)/),
    first(child.stderr, /^console: (http:\S+)$/),
  ])
  return { url, page }
}

/** The first rows that a page gets. */
async function rowsOf(page: string): Promise<{ kind: string }[]> {
  const reader = (await fetch(`${page}api/stream`)).body?.getReader()
  for (let text = ''; ; ) {
    const { value } = (await reader?.read()) ?? {}
    if (value === undefined) throw new Error('no rows')
    text += new TextDecoder().decode(value)
    const [, data] = /event: rows\ndata: (.*)\n\n/.exec(text) ?? []
    if (data === undefined) continue
    await reader?.cancel()
    return JSON.parse(data).rows
  }
}

const send = (url: string) => gatewayClient(url, { fetch }).syncOrder(order() as unknown as OrderInput)

const sendFrom = (page: string) =>
  fetch(`${page}api/send`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json', Origin: new URL(page).origin },
    body: JSON.stringify({ scenario: 'encrypted', as: 'peer', order: order({ requestId: 'from-the-page' }) }),
  }).then((response) => response.json())

test('serve --console shows received orders on a local page, and writes no file', async () => {
  const cwd = folderIn(folder)
  const { url, page } = await start(['serve', '--store', 'memory', ...merchant()], cwd)
  await send(url)
  expect(page).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/order-sync-console\/[\w-]{32}\/$/)
  expect((await rowsOf(page)).map(({ kind }) => kind)).toEqual(['processed'])
  const html = await fetch(page)
  expect(html.headers.get('content-security-policy')).toMatch(/script-src 'sha256-[\w+/]{43}='/)
  expect(await html.text()).toContain('<title>Order sync console</title>')
  expect(existsSync(join(cwd, 'order-sync-messages.jsonl'))).toBe(false)
  expect(await sendFrom(page)).toMatchObject({ results: [{ error: expect.stringContaining('no key') }] })
})

test('serve --console --peer-private-key sends orders from the page, and --record writes received messages', async () => {
  const record = join(folderIn(folder), 'record.jsonl')
  const keys = ['--peer-private-key', keyFile('gatewayRsa', 'privateKey')]
  const args = ['serve', '--store', 'memory', ...merchant(), ...keys, '--record', record]
  const { page } = await start(args, folder)
  expect(await sendFrom(page)).toMatchObject({ results: [{ status: 200, resultCode: 'SUCCESS', signed: true }] })
  // It is written after the response.
  await vi.waitFor(() => expect(readFileSync(record, 'utf8')).toContain('\n'), { timeout: 10_000 })
  const [line = ''] = readFileSync(record, 'utf8').split('\n')
  expect(JSON.parse(line)).toMatchObject({ method: 'POST', order: { requestId: 'from-the-page' } })
  expect(statSync(record).mode & 0o777).toBe(0o600)
  const explained = await cli(['explain', ...merchant(), '-'], line)
  expect(explained.code).toBe(0)
})

test('listen --console shows forwarded messages', async () => {
  const application = createServer((incoming, outgoing) => {
    incoming.resume()
    outgoing.writeHead(500).end()
  })
  const { port, close } = await listenOn(application)
  onTestFinished(close)
  const { url, page } = await start(
    ['listen', ...merchant(), '--forward', `http://127.0.0.1:${port}`],
    folderIn(folder),
  )
  await expect(send(url)).rejects.toMatchObject({ name: 'DeliveryError' })
  expect((await rowsOf(page)).map(({ kind }) => kind)).toEqual(['processed'])
})

test.each([
  [['--record', 'x.jsonl'], '--record needs --console.'],
  [['--peer-private-key', 'x.pem'], '--peer-private-key needs --console.'],
])('serve %j exits with 64 without --console', async (options, words) => {
  const { code, stderr } = await cli(['serve', '--store', 'memory', '--port', '0', ...gateway(), ...options])
  expect({ code, stderr }).toEqual({ code: 64, stderr: expect.stringContaining(words) })
})

test('serve --console exits with 64 when the port of the console is in use', async () => {
  const { port, close } = await listenOn(createServer())
  onTestFinished(close)
  const args = ['serve', '--store', 'memory', '--port', '0', '--console', '--console-port', String(port), ...merchant()]
  const { code, stderr } = await cli(args)
  expect({ code, stderr }).toEqual({ code: 64, stderr: expect.stringContaining('--console-port') })
})

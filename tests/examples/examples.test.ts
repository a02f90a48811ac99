import { spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { request as requestOverHttp } from 'node:http'
import { connect } from 'node:net'
import { join } from 'node:path'
import process from 'node:process'
import { buffer } from 'node:stream/consumers'
import { beforeAll, expect, test } from 'vitest'
import { temporaryFolder } from '../support/cli.ts'
import { type ReceivedResponse, send } from '../support/http.ts'
import { strangerRsa } from '../support/keys.ts'
import { SUCCESS, summarize } from '../support/merchant.ts'
import { encryptedRequest, order, PATH, type RequestParts, request, type TestRequest } from '../support/messages.ts'
import { read, root } from '../support/project.ts'
import { type Application, execute, install, pack, start } from './application.ts'

interface Example {
  readonly name: string
  /** Commands of the README that run before the server. */
  readonly prepare?: readonly string[]
  /** Commands of the README, each of which starts a server. */
  readonly starts: readonly string[]
  /** Where the handler is mounted. @defaultValue the path of the API */
  readonly paths?: readonly string[]
  /** The exit code after SIGTERM. @defaultValue 0 */
  readonly exitCode?: number
  /** Variables that its README asks for. */
  readonly env?: Readonly<Record<string, string>>
  /** A program that it needs; without it, the example is skipped. */
  readonly needs?: string
}

const examples: readonly Example[] = [
  { name: '01-node', starts: ['node server.js'] },
  { name: '02-express', starts: ['node server.js'] },
  { name: '03-koa', starts: ['node server.js'] },
  { name: '04-fastify', starts: ['node server.js'] },
  { name: '05-hono', starts: ['node server.js'] },
  {
    name: '06-next',
    // The build also checks the types.
    prepare: ['npx next build'],
    starts: ['npx next start'],
    paths: [PATH, '/api/order-sync'],
    // Next.js shuts down cleanly, with the exit code of the signal.
    exitCode: 143,
  },
  {
    name: '07-nest',
    starts: [
      'node --import tsx main-express.ts',
      'node --import tsx main-controller.ts',
      'node --import tsx main-fastify.ts',
    ],
  },
  { name: '08-lambda', starts: ['node local.js'] },
  { name: '09-egg', starts: ['node server.js'] },
  { name: '10-midway', starts: ['node --import tsx main.ts'] },
  {
    name: '11-hsm',
    needs: 'softhsm2-util',
    prepare: ['npm rebuild pkcs11js --ignore-scripts=false', 'node create-token.js'],
    starts: ['node server.js'],
    env: { PKCS11_PIN: '1234', SOFTHSM2_CONF: 'softhsm2.conf' },
  },
  { name: '12-kms', starts: ['node local.js'] },
]

/** Type checks of the examples that have no build. */
const TYPE_CHECKS: Readonly<Record<string, string>> = { '07-nest': 'npx tsc', '10-midway': 'npx tsc' }

const folder = temporaryFolder()
let tarball: string

beforeAll(async () => {
  tarball = await pack(folder)
}, 60_000)

test('every example is tested with the commands of its README', () => {
  const numbered = readdirSync(`${root}examples`).filter((name) => /^\d/.test(name))
  expect(examples.map(({ name }) => name)).toEqual(numbered.sort())
  for (const { name, prepare = [], starts } of examples) {
    for (const command of ['npm install', ...prepare, ...starts]) {
      expect(read(`examples/${name}/README.md`)).toContain(`\`${command}\``)
    }
  }
})

test.concurrent.for(examples)(
  'example $name processes, deduplicates and rejects orders, and shuts down cleanly',
  async ({ name, prepare = [], starts, paths = [PATH], exitCode = 0, env = {}, needs }, context) => {
    if (needs !== undefined && !isInstalled(needs)) context.skip(`${needs} is not installed`)
    const copy = join(folder, name)
    await install(name, tarball, copy)
    const typeCheck = TYPE_CHECKS[name]
    for (const command of typeCheck ? [typeCheck, ...prepare] : prepare) await execute(command, copy, env)
    for (const command of starts) {
      const application = await start(command, copy, env)
      context.onTestFinished(() => void application.child.kill('SIGKILL'))
      await context.expect(health(application.port)).resolves.toMatchObject({ status: 200, ok: true })
      for (const path of paths) await testOrders(application.port, path, context.expect)
      const last = await sendWhileStopping(application, message('last'))
      context.expect(summarize(withCapitalizedHeaders(last))).toEqual(processed('last'))
      const { code, signal, events } = await application.ended
      context.expect({ code, signal }).toEqual({ code: exitCode, signal: null })
      const perPath = ['processed', 'processed', 'duplicate', 'ERR_SIGNATURE_INVALID']
      const seen = events.map(({ kind, code }) => (kind === 'rejected' ? code : kind))
      context.expect(seen).toEqual([...paths.flatMap(() => perPath), 'processed'])
    }
  },
)

const isInstalled = (program: string) => spawnSync('which', [program], { timeout: 10_000 }).status === 0

const hasSqlite = process.getBuiltinModule('node:sqlite' as never) !== undefined

const restarted = ['01-node', '11-hsm', '12-kms'].flatMap((name) => examples.filter((one) => one.name === name))

test.skipIf(!hasSqlite).for(restarted)(
  'example $name recognizes a duplicate after a restart',
  async (example, context) => {
    const { name, prepare = [], starts, env = {}, needs } = example
    const { onTestFinished, expect } = context
    if (needs !== undefined && !isInstalled(needs)) context.skip(`${needs} is not installed`)
    const copy = join(folder, `${name}-restarted`)
    onTestFinished(() => remove(copy))
    await install(name, tarball, copy)
    for (const command of prepare) await execute(command, copy, env)
    const kinds: unknown[] = []
    for (const _ of ['first', 'second']) {
      const { port, child, ended } = await start(starts[0] ?? '', copy, { ...env, DATABASE: 'order-sync.db' })
      onTestFinished(() => void child.kill('SIGKILL'))
      expect(summarize(withCapitalizedHeaders(await send(port, message('A'))))).toEqual(processed('A'))
      child.kill('SIGTERM')
      const { code, events } = await ended
      expect(code).toBe(0)
      kinds.push(...events.map(({ kind }) => kind))
    }
    expect(kinds).toEqual(['processed', 'duplicate'])
  },
)

/** Removes a copy early: each has thousands of files. */
const remove = (copy: string) => rm(copy, { recursive: true, force: true, maxRetries: 3 })

const processed = (merchantBizNo: string) => ({ ...SUCCESS, orderId: `order-${merchantBizNo}` })

let requests = 0

/** A request with the current time, a new requestId, and the given order number. */
function message(
  merchantBizNo: string,
  parts: RequestParts = {},
  createRequest: (parts: RequestParts) => TestRequest = request,
): TestRequest {
  const requestId = `${++requests}`.padStart(32, '0')
  return createRequest({ time: new Date().toISOString(), message: order({ requestId, merchantBizNo }), ...parts })
}

async function health(port: number): Promise<object> {
  const { status, body } = await send(port, { method: 'GET', path: '/health', headers: {}, body: new Uint8Array() })
  return { status, ...JSON.parse(Buffer.from(body).toString()) }
}

async function testOrders(port: number, path: string, expect: (value: unknown) => { toEqual(value: unknown): void }) {
  const sendAndSummarize = async (sent: TestRequest) =>
    summarize(withCapitalizedHeaders(await send(port, sent)), { path })
  expect(await sendAndSummarize(message('plain', { path }))).toEqual(processed('plain'))
  expect(await sendAndSummarize(message('encrypted', { path }, encryptedRequest))).toEqual({
    ...processed('encrypted'),
    encrypted: true,
  })
  expect(await sendAndSummarize(message('plain', { path }))).toEqual(processed('plain'))
  const forged = { status: 401, resultCode: 'INVALID_SIGNATURE', resultStatus: 'F', signed: false, encrypted: false }
  expect(await sendAndSummarize(message('forged', { path, key: strangerRsa().privateKey }))).toEqual(forged)
}

/** Some frameworks send the names of headers in lower case. */
function withCapitalizedHeaders({ headers, ...rest }: ReceivedResponse): ReceivedResponse {
  const entries = Object.entries(headers)
  const names = entries.map(([name, value]) => [name.replace(/\b[a-z]/g, (letter) => letter.toUpperCase()), value])
  return { ...rest, headers: Object.fromEntries(names) }
}

/** Sends SIGTERM while the application waits for a body, and sends the body when it accepts no new connections. */
async function sendWhileStopping({ port, child }: Application, sent: TestRequest): Promise<ReceivedResponse> {
  const { method, path, body } = sent
  const headers = { ...sent.headers, 'Content-Length': body.length, Expect: '100-continue' }
  const sending = requestOverHttp({ host: '127.0.0.1', port, method, path, headers })
  const responded = once(sending, 'response')
  responded.catch(() => {})
  sending.flushHeaders()
  await once(sending, 'continue')
  child.kill('SIGTERM')
  while (await isListening(port));
  sending.end(body)
  const [response] = await responded
  const names: Record<string, string> = {}
  for (let at = 0; at < response.rawHeaders.length; at += 2)
    names[response.rawHeaders[at]] = response.rawHeaders[at + 1]
  return { status: response.statusCode, headers: names, body: await buffer(response) }
}

function isListening(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => {
      socket.destroy()
      resolve(true)
    })
    socket.on('error', () => resolve(false))
  })
}

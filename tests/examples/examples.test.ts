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
import { order, PATH, type RequestParts, request, encryptedRequest, type TestRequest } from '../support/messages.ts'
import { type ReceivedResponse, send } from '../support/http.ts'
import { strangerRsa } from '../support/keys.ts'
import { summarize, SUCCESS } from '../support/merchant.ts'
import { read, root } from '../support/project.ts'
import { type Application, execute, install, pack, start } from './application.ts'

interface Example {
  readonly name: string
  /** What has to be run first: each of these is in the README. */
  readonly prepare?: readonly string[]
  /** What each starts a server. */
  readonly starts: readonly string[]
  /** Where messages go. */
  readonly paths?: readonly string[]
  /** What it ends with when it is asked to. */
  readonly exitCode?: number
}

const examples: readonly Example[] = [
  { name: '01-node', starts: ['node server.js'] },
  { name: '02-express', starts: ['node server.js'] },
  { name: '03-koa', starts: ['node server.js'] },
  { name: '04-fastify', starts: ['node server.js'] },
  { name: '05-hono', starts: ['node server.js'] },
  {
    name: '06-next',
    // The build checks the types too.
    prepare: ['npx next build'],
    starts: ['npx next start'],
    paths: [PATH, '/api/order-sync'],
    // Next.js ends in order, and says by which signal.
    exitCode: 143,
  },
  { name: '07-nest', starts: ['node --import tsx main-express.ts', 'node --import tsx main-fastify.ts'] },
  { name: '08-lambda', starts: ['node local.js'] },
]

/** What is checked besides, where no build does it. */
const TYPED: Readonly<Record<string, string>> = { '07-nest': 'npx tsc' }

const folder = temporaryFolder()
let tarball: string

beforeAll(async () => {
  tarball = await pack(folder)
}, 60_000)

test('every example is tested, by the commands of its README', () => {
  const numbered = readdirSync(`${root}examples`).filter((name) => /^\d/.test(name))
  expect(examples.map(({ name }) => name)).toEqual(numbered.sort())
  for (const { name, prepare = [], starts } of examples) {
    for (const command of ['npm install', ...prepare, ...starts]) {
      expect(read(`examples/${name}/README.md`)).toContain(`\`${command}\``)
    }
  }
})

test.concurrent.for(examples)(
  '$name',
  async ({ name, prepare = [], starts, paths = [PATH], exitCode = 0 }, context) => {
    const copy = join(folder, name)
    await install(name, tarball, copy)
    const typed = TYPED[name]
    for (const command of typed ? [typed, ...prepare] : prepare) await execute(command, copy)
    for (const command of starts) {
      const application = await start(command, copy)
      context.onTestFinished(() => void application.child.kill('SIGKILL'))
      await context.expect(health(application.port)).resolves.toBe(200)
      for (const path of paths) await exchange(application.port, path, context.expect)
      const last = await answerWhileStopping(application, message('last'))
      context.expect(summarize(capitalised(last))).toEqual(processed('last'))
      const { code, signal, events } = await application.ended
      context.expect({ code, signal }).toEqual({ code: exitCode, signal: null })
      const perPath = ['processed', 'processed', 'duplicate', 'ERR_SIGNATURE_INVALID']
      const seen = events.map(({ kind, code }) => (kind === 'rejected' ? code : kind))
      context.expect(seen).toEqual([...paths.flatMap(() => perPath), 'processed'])
    }
  },
)

const remembers = process.getBuiltinModule('node:sqlite' as never) !== undefined

test.skipIf(!remembers)('01-node remembers its orders when it starts again', async ({ onTestFinished }) => {
  const copy = join(folder, 'remembering')
  onTestFinished(() => remove(copy))
  await install('01-node', tarball, copy)
  const kinds: unknown[] = []
  for (const _ of ['first', 'second']) {
    const { port, child, ended } = await start('node server.js', copy, { DATABASE: 'order-sync.db' })
    onTestFinished(() => void child.kill('SIGKILL'))
    expect(summarize(capitalised(await send(port, message('A'))))).toEqual(processed('A'))
    child.kill('SIGTERM')
    const { code, events } = await ended
    expect(code).toBe(0)
    kinds.push(...events.map(({ kind }) => kind))
  }
  expect(kinds).toEqual(['processed', 'duplicate'])
})

/** Thousands of files each: not all at the end, and not in the way of the other test. */
const remove = (copy: string) => rm(copy, { recursive: true, force: true, maxRetries: 3 })

const processed = (merchantBizNo: string) => ({ ...SUCCESS, orderId: `order-${merchantBizNo}` })

let requests = 0

/** A request of now, with an id of its own, about an order by its number. */
function message(merchantBizNo: string, parts: RequestParts = {}, make = request): TestRequest {
  const requestId = `${++requests}`.padStart(32, '0')
  return make({ time: new Date().toISOString(), message: order({ requestId, merchantBizNo }), ...parts })
}

async function health(port: number): Promise<number> {
  const { status } = await send(port, { method: 'GET', path: '/health', headers: {}, body: new Uint8Array() })
  return status
}

async function exchange(port: number, path: string, expect: (value: unknown) => { toEqual(value: unknown): void }) {
  const judged = async (sent: TestRequest) => summarize(capitalised(await send(port, sent)), { path })
  expect(await judged(message('plain', { path }))).toEqual(processed('plain'))
  expect(await judged(message('secret', { path }, encryptedRequest))).toEqual({ ...processed('secret'), encrypted: true })
  expect(await judged(message('plain', { path }))).toEqual(processed('plain'))
  const forged = { status: 401, resultCode: 'INVALID_SIGNATURE', resultStatus: 'F', signed: true, encrypted: false }
  expect(await judged(message('forged', { path, key: strangerRsa().privateKey }))).toEqual(forged)
}

/** Some frameworks send the names of headers in lower case, which they may. */
function capitalised({ headers, ...rest }: ReceivedResponse): ReceivedResponse {
  const entries = Object.entries(headers)
  const names = entries.map(([name, value]) => [name.replace(/\b[a-z]/g, (letter) => letter.toUpperCase()), value])
  return { ...rest, headers: Object.fromEntries(names) }
}

/** Asks the application to stop while it waits for a body, and sends the body once it takes no new connection. */
async function answerWhileStopping({ port, child }: Application, sent: TestRequest): Promise<ReceivedResponse> {
  const { method, path, body } = sent
  const headers = { ...sent.headers, 'Content-Length': body.length, Expect: '100-continue' }
  const sending = requestOverHttp({ host: '127.0.0.1', port, method, path, headers })
  const answered = once(sending, 'response')
  answered.catch(() => {})
  sending.flushHeaders()
  await once(sending, 'continue')
  child.kill('SIGTERM')
  while (await isListening(port));
  sending.end(body)
  const [response] = await answered
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

import { mkdirSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { addFrameworkHint } from '../../src/adapters/framework-hint.ts'
import { createOrderSyncServer, toNodeListener } from '../../src/adapters/node.ts'
import { temporaryFolder } from '../support/cli.ts'
import { listen, send } from '../support/http.ts'
import { merchant, SUCCESS, summarize } from '../support/merchant.ts'
import { encryptedRequest, request } from '../support/messages.ts'

/** What the requests of an application show of it. */
interface Shown {
  readonly request?: object
  readonly framework?: object
}

/** Sets a member of a global object until the test has finished. The requests show nothing. */
function setGlobal(target: object, name: string | symbol, value: unknown): Shown {
  Object.defineProperty(target, name, { value, configurable: true, writable: true, enumerable: true })
  onTestFinished(() => void Reflect.deleteProperty(target, name))
  return {}
}

const folder = temporaryFolder()
let projects = 0

/** Makes the working directory a folder below a project that has installed some packages. The requests show nothing. */
function workIn(...installed: string[]): Shown {
  const project = join(folder, `project-${++projects}`)
  const working = join(project, 'apps/api')
  mkdirSync(working, { recursive: true })
  for (const name of installed) {
    mkdirSync(join(project, 'node_modules', name), { recursive: true })
    writeFileSync(join(project, 'node_modules', name, 'package.json'), JSON.stringify({ name }))
  }
  const cwd = vi.spyOn(process, 'cwd').mockReturnValue(working)
  onTestFinished(() => cwd.mockRestore())
  return {}
}

/** Names of all frameworks that a hint has lines for. */
const namedIn = (hint: string) => Array.from(hint.matchAll(/^(?:In|On) (\w+)/gm), ([, name]) => name)

const hintFor = ({ request = {}, framework }: Shown) => addFrameworkHint('Mount it first.', request, framework)

describe('addFrameworkHint', () => {
  test('keeps the hint of the adapter, and warns that one of the two media types can work while the other fails', () => {
    workIn()
    const hint = hintFor({})
    expect(hint).toMatch(/^Mount it first\.\n\nTest with a plain and with an encrypted order: .* one can work while/)
    expect(namedIn(hint)).toEqual([])
  })

  // What each of them shows was seen in a real application of it.
  test.each<[string, () => Shown, string]>([
    ['Strapi', () => setGlobal(globalThis, 'strapi', {}), 'includeUnparsed: true'],
    ['Sails', () => ({ request: { _sails: {} } }), `order: ['orderSync', 'cookieParser', 'session', 'bodyParser'`],
    [
      'Nest',
      () => {
        setGlobal(Reflect, 'getMetadata', () => {})
        return workIn('@nestjs/core')
      },
      '{ rawBody: true }',
    ],
    ['Midway', () => setGlobal(globalThis, 'MIDWAY_APPLICATION_CONTEXT', {}), 'koaOrderSync(handler)(context)'],
    [
      'Egg',
      () => ({ framework: { app: Object.create({ [Symbol.for('egg#eggPath')]: '/app' }) } }),
      'csrf: { ignore: path }',
    ],
    ['Egg', () => workIn('egg'), 'koaOrderSync(handler)'],
    ['Moleculer', () => ({ request: { $service: {}, $route: {} } }), 'bodyParsers: false'],
    ['Adonis', () => workIn('@adonisjs/core'), '{ rawBody: request.raw() }'],
    ['Vercel', () => setGlobal(globalThis, Symbol.for('@vercel/request-context'), {}), 'NODEJS_HELPERS=0'],
    ['Vercel', () => setGlobal(process.env, 'VERCEL', '1'), 'export const POST = handler.fetch'],
    ['Firebase', () => setGlobal(process.env, 'FUNCTION_TARGET', 'orderSync'), 'request.rawBody'],
    ['Firebase', () => ({ request: { executionId: 'a' } }), 'request.rawBody'],
  ])('names the fix for %s if it is used, and no other', (name, prepare, fix) => {
    workIn()
    const hint = hintFor(prepare())
    expect(namedIn(hint)).toEqual([name])
    expect(hint).toContain(fix)
  })

  test.each<[string, () => Shown]>([
    ['reflect-metadata without Nest', () => setGlobal(Reflect, 'getMetadata', () => {})],
    ['Nest that is installed and does not run', () => workIn('@nestjs/core')],
    ['a package with a longer name', () => workIn('egg-mock', '@adonisjs/core-extra')],
    ['an application of plain Koa', () => ({ framework: { app: { context: {} } } })],
    ['a request with an application that is no object', () => ({ framework: { app: null }, request: { app: 'egg' } })],
    ['one of the two members of Moleculer', () => ({ request: { $service: {} } })],
    ['a variable with a longer name', () => setGlobal(process.env, 'VERCEL_LIKE', '1')],
  ])('names no framework for %s', (_, prepare) => {
    workIn()
    expect(namedIn(hintFor(prepare()))).toEqual([])
  })

  test('survives a missing working directory, a request that throws, and unreadable variables', () => {
    vi.spyOn(process, 'cwd').mockImplementation(() => {
      throw new Error('ENOENT: uv_cwd')
    })
    onTestFinished(() => void vi.restoreAllMocks())
    refuseVariables()
    const framework = {
      get app(): never {
        throw new Error('no app')
      },
    }
    expect(namedIn(hintFor({ framework }))).toEqual([])
  })

  test('reads no variable and no file in Deno, which would prompt for permission', () => {
    workIn('egg', '@adonisjs/core')
    expect(namedIn(hintFor({}))).toEqual(['Egg', 'Adonis'])
    setGlobal(globalThis, 'Deno', {})
    const { has } = refuseVariables()
    expect(namedIn(hintFor({}))).toEqual([])
    expect(has).not.toHaveBeenCalled()
  })
})

/** As Deno does without --allow-env. */
function refuseVariables() {
  const has = vi.fn((_: NodeJS.ProcessEnv, name: string | symbol): boolean => {
    throw new Error(`NotCapable: Requires env access to "${String(name)}"`)
  })
  const { env } = process
  process.env = new Proxy(env, { has })
  onTestFinished(() => {
    process.env = env
  })
  return { has }
}

describe('toNodeListener', () => {
  test.each([
    ['a plain', request, false],
    ['an encrypted', encryptedRequest, true],
  ])('looks for frameworks only for a parsed body, not for %s order', async (_, create, encrypted) => {
    workIn()
    const { has } = refuseVariables()
    const { handler } = merchant()
    const { port, close } = await listen(createOrderSyncServer(handler))
    onTestFinished(close)
    expect(summarize(await send(port, create()))).toStrictEqual({ ...SUCCESS, encrypted })
    expect(has).not.toHaveBeenCalled()
    expect(process.cwd).not.toHaveBeenCalled()
  })

  test('names the framework in the event of a parsed body', async () => {
    workIn('@adonisjs/core')
    vi.spyOn(process, 'emitWarning').mockImplementation(() => {})
    const { handler, events } = merchant()
    const listener = toNodeListener(handler)
    const server = createServer((incoming, response) => {
      incoming.resume()
      incoming.once('end', () => void listener(incoming, response))
    })
    const { port, close } = await listen(server)
    onTestFinished(close)
    expect(await send(port, request())).toMatchObject({ status: 500 })
    expect(events).toMatchObject([{ code: 'ERR_BODY_PARSED', message: expect.stringMatching(/^In Adonis,/m) }])
  })
})

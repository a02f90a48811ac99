import { execFile } from 'node:child_process'
import { cpSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { delimiter, dirname, join, posix } from 'node:path'
import { promisify } from 'node:util'
import ts from 'typescript'
import { beforeAll, expect, test } from 'vitest'
import { temporaryFolder } from '../support/cli.ts'
import { entryPoints } from '../support/compile.ts'
import { importsOf } from '../support/imports.ts'
import { read, root } from '../support/project.ts'

/** Packs the package and installs it into an empty folder, as a user does. */
const folder = temporaryFolder()
const app = join(folder, 'app')
const installed = join(app, 'node_modules/alipayhk-order-sync')
const { name, dependencies, peerDependencies, version } = JSON.parse(read('package.json'))
const tarball = join(folder, `${name}-${version}.tgz`)
const run = promisify(execFile)

/** The runtime that runs the tests comes first, for npm too; and what npm tells its scripts is not for another npm. */
const env = Object.fromEntries(
  Object.entries(process.env).filter(([key]) => !/^npm_(package|lifecycle|config_local_prefix)/.test(key)),
)
env['PATH'] = dirname(process.execPath) + delimiter + env['PATH']

const at = (cwd: string, command: string, ...args: string[]) => run(command, args, { cwd, env })
const script = async (cwd: string, file: string, code: string, ...flags: string[]) => {
  writeFileSync(join(cwd, file), code)
  return JSON.parse((await at(cwd, process.execPath, ...flags, file)).stdout)
}

/** The files of the tarball, by their path in it. */
let packed: string[]

beforeAll(async () => {
  mkdirSync(app)
  writeFileSync(join(app, 'package.json'), '{ "private": true }')
  // Without scripts: dist/ is built already, and other tests are using it.
  const { stdout } = await at(root, 'npm', 'pack', '--ignore-scripts', '--json', '--pack-destination', folder)
  packed = JSON.parse(stdout)[0].files.map(({ path }: { path: string }) => path)
  await at(app, 'npm', 'install', '--prefer-offline', '--no-audit', '--no-fund', tarball)
}, 300_000)

test('the tarball holds what users need, and nothing else', () => {
  const tops = new Set(packed.map((path) => path.split('/')[0]))
  expect([...tops].sort()).toEqual(
    [
      'CHANGELOG.md',
      'LICENSE',
      'README.md',
      'SECURITY.md',
      'THIRD_PARTY_LICENSES.md',
      'dist',
      'docs',
      'examples',
      'package.json',
    ].sort(),
  )
  expect(packed.filter((path) => /^docs\//.test(path) && !/\.md$/.test(path))).toEqual([])
  expect(packed).toEqual(expect.arrayContaining(['dist/cli.js', 'dist/schemas/order.json', 'docs/protocol.md']))
})

test('nothing but the run-time dependencies is installed with it', () => {
  const folders = readdirSync(join(app, 'node_modules')).filter((entry) => !entry.startsWith('.'))
  expect(folders.sort()).toEqual([name, ...Object.keys(dependencies)].sort())
})

const names = entryPoints.map(({ name }) => name)

test('import and require give the same names', async () => {
  const list = 'JSON.stringify(Object.fromEntries(found.map(([name, module]) => [name, Object.keys(module).sort()])))'
  const imported = await script(
    app,
    'names.mjs',
    `const found = await Promise.all(${JSON.stringify(names)}.map(async (name) => [name, await import(name)]))
    console.log(${list})`,
  )
  const required = await script(
    app,
    'names.cjs',
    `const found = ${JSON.stringify(names)}.map((name) => [name, require(name)])
    console.log(${list})`,
  )
  expect(Object.keys(imported)).toEqual(names)
  expect(imported[name]).toContain('createOrderSyncHandler')
  expect(imported).toEqual(required)
})

test('the schemas can be imported and required', async () => {
  const schemas = await script(
    app,
    'schemas.mjs',
    `import { createRequire } from 'node:module'
    import order from '${name}/schemas/order.json' with { type: 'json' }
    const reply = createRequire(import.meta.url)('${name}/schemas/reply.json')
    console.log(JSON.stringify([order.required, reply.required]))`,
  )
  expect(schemas).toEqual([expect.arrayContaining(['requestId', 'extInfo']), ['result']])
})

test("an error of one build is known to the other, and a stranger's is not", async () => {
  const known = await script(
    app,
    'errors.mjs',
    `import { createRequire } from 'node:module'
    import * as esm from '${name}'
    const cjs = createRequire(import.meta.url)('${name}')
    const [ours, theirs] = [new esm.RefusalError('PROCESS_FAIL'), new cjs.RefusalError('PROCESS_FAIL')]
    const stranger = Object.assign(new Error(), { code: 'ERR_REFUSED' })
    console.log(JSON.stringify({
      instances: theirs instanceof esm.RefusalError,
      esm: [ours, theirs, stranger].map(esm.isOrderSyncError),
      cjs: [ours, theirs, stranger].map(cjs.isOrderSyncError),
    }))`,
  )
  expect(known).toEqual({ instances: false, esm: [true, true, false], cjs: [true, true, false] })
})

test('no dependency is loaded with it; jose comes with the first JWK set', async () => {
  const bare = join(folder, 'bare')
  cpSync(join(app, 'node_modules', name), join(bare, 'node_modules', name), { recursive: true })
  const imports = names.map((name) => `await import('${name}')`).join('\n')
  const requires = names.map((name) => `require('${name}')`).join('\n')
  const code = `const { importJwkSet } = await import('${name}')
    const set = { keys: [{ kty: 'RSA', kid: '1', n: 'AQAB', e: 'AQAB' }] }
    console.log(JSON.stringify(await importJwkSet(set, 'public').catch(({ code }) => code)))`
  expect(await script(bare, 'all.cjs', `${requires}\nconsole.log(true)`)).toBe(true)
  expect(await script(bare, 'all.mjs', `${imports}\n${code}`)).toBe('ERR_MODULE_NOT_FOUND')
})

const dist = () => packed.filter((path) => /^dist\/.*\.(c?js|d\.c?ts)$/.test(path))
const textOf = (path: string) => readFileSync(join(installed, path), 'utf8')

test('dist imports its own files, built-in modules by their full names, and dependencies', () => {
  const own = new Set([name, ...Object.keys(dependencies), ...Object.keys(peerDependencies)])
  const imports = dist().flatMap((path) => importsOf(path, textOf(path)))
  expect(imports.length).toBeGreaterThan(20)
  const packageOf = (specifier: string) => /^(@[^/]+\/)?[^/]+/.exec(specifier)?.[0] ?? ''
  const others = imports.filter(({ to }) => !/^(node:|dist\/)/.test(to) && !own.has(packageOf(to)))
  expect(others).toEqual([])
})

test('what is bundled comes with its licence', () => {
  const licences = textOf('THIRD_PARTY_LICENSES.md')
  const named = [...licences.matchAll(/^## (.+)$/gm)].map(([, heading]) => heading)
  // esbuild notes where each piece comes from.
  const from = /\/\/ [^\n]*node_modules\/((?:@[^/\s]+\/)?[^/\s]+)/g
  const bundled = dist().flatMap((path) => [...textOf(path).matchAll(from)].map(([, origin = '']) => origin))
  expect([...new Set(bundled)].sort()).toEqual(named.sort())
  expect(named).toContain('ts-pattern')
  for (const origin of named) {
    expect(licences).toContain(read(`node_modules/${origin}/LICENSE`).trim())
  }
})

test('validation works where code cannot be made from strings, as on edge runtimes and under strict CSPs', async () => {
  const strict = '--disallow-code-generation-from-strings'
  const code = `import { generateKeyPairSync } from 'node:crypto'
    import { createOrderSyncClient } from '${name}'
    const [ours, theirs] = [1, 2].map(() => generateKeyPairSync('rsa', { modulusLength: 2048 }))
    const credentials = { clientId: 'C', privateKeys: { 1: ours.privateKey }, peerPublicKeys: { 1: theirs.publicKey } }
    const codeOf = ({ name, code }) => code ?? name
    const refused = await createOrderSyncClient({ credentials, environment: 'testing' }).syncOrder({}).catch(codeOf)
    let made
    try { made = new Function('return 1')() } catch (error) { made = codeOf(error) }
    console.log(JSON.stringify({ refused, made }))`
  expect(await script(app, 'strict.mjs', code, strict)).toEqual({ refused: 'ERR_FIELD_INVALID', made: 'EvalError' })
  for (const path of dist()) expect(textOf(path)).not.toMatch(/new Function\b|ajv\/dist/)
})

test('npx runs the command', async () => {
  const { stdout } = await at(app, 'npx', name, '--help')
  for (const command of ['keygen', 'serve', 'send']) expect(stdout).toContain(command)
}, 60_000)

test('the documents that the README links to are in the tarball', () => {
  const links = [...textOf('README.md').matchAll(/\]\((?![a-z]+:)([^)#\s]+\.md)/g)].map(([, link = '']) =>
    posix.join(link),
  )
  expect(links).toContain('docs/protocol.md')
  expect(links.filter((link) => !packed.includes(link))).toEqual([])
})

/** What linters and the compiler say is the same on every runtime: `npm test` has asked them once. */
const onceOnly = test.skipIf(process.env['SHORT'] !== undefined)

onceOnly(
  'publint finds nothing',
  async () => {
    const { stdout } = await at(root, process.execPath, 'node_modules/publint/src/cli.js', '--strict', tarball)
    expect(stdout).toContain('All good!')
  },
  60_000,
)

onceOnly(
  'types resolve as the code does, in every mode (attw)',
  async () => {
    const attw = 'node_modules/@arethetypeswrong/cli/dist/index.js'
    // Its exit code tells, and this rejects for any but 0.
    const { stdout } = await at(root, process.execPath, attw, tarball, '--profile', 'node16', '--format', 'ascii')
    expect(stdout).toContain(`"${name}/express"`)
  },
  60_000,
)

const { NodeNext: NodeNextModule, Node16: Node16Module, Preserve } = ts.ModuleKind
const { NodeNext, Node16, Bundler } = ts.ModuleResolutionKind

onceOnly.each([
  ['node16', { module: Node16Module, moduleResolution: Node16 }],
  ['nodenext', { module: NodeNextModule, moduleResolution: NodeNext }],
  ['bundler', { module: Preserve, moduleResolution: Bundler }],
])(
  'a consumer compiles at the strictest, without DOM, declarations checked too: %s',
  (_, modules) => {
    cpSync(join(root, 'tests/package/consumer'), app, { recursive: true })
    const options: ts.CompilerOptions = {
      ...modules,
      target: ts.ScriptTarget.ES2023,
      lib: ['lib.es2023.d.ts'],
      types: ['node'],
      typeRoots: [join(root, 'node_modules/@types')],
      strict: true,
      exactOptionalPropertyTypes: true,
      noUncheckedIndexedAccess: true,
      skipLibCheck: false,
      noEmit: true,
    }
    const program = ts.createProgram([join(app, 'consumer.mts'), join(app, 'consumer.cts')], options)
    const errors = ts.getPreEmitDiagnostics(program).map(({ messageText, file }) => {
      return `${file?.fileName}: ${ts.flattenDiagnosticMessageText(messageText, ' ')}`
    })
    expect(errors).toEqual([])
  },
  60_000,
)

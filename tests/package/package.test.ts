import { execFile } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { delimiter, dirname, join, posix } from 'node:path'
import { promisify } from 'node:util'
import { build } from 'esbuild'
import ts from 'typescript'
import { beforeAll, expect, test } from 'vitest'
import { entryPoints } from '../../scripts/entry-points.ts'
import { temporaryFolder } from '../support/cli.ts'
import { importsOf } from '../support/imports.ts'
import { read, root } from '../support/project.ts'

const folder = temporaryFolder()
/** An application that has nothing installed but the package. */
const app = join(folder, 'app')
const installed = join(app, 'node_modules/alipayhk-order-sync')
const { name, dependencies, peerDependencies, version } = JSON.parse(read('package.json'))
const tarball = join(folder, `${name}-${version}.tgz`)
const run = promisify(execFile)

/** npm must use the Node that runs the tests. Variables that npm sets for its scripts would confuse the inner npm. */
const env = Object.fromEntries(
  Object.entries(process.env).filter(([key]) => !/^npm_(package|lifecycle|config_local_prefix)/.test(key)),
)
env['PATH'] = dirname(process.execPath) + delimiter + env['PATH']

const runIn = (cwd: string, command: string, ...args: string[]) => run(command, args, { cwd, env })

/** Writes a script into a folder and runs it there. It must print JSON. */
const runScript = async (cwd: string, file: string, code: string, ...flags: string[]) => {
  writeFileSync(join(cwd, file), code)
  return JSON.parse((await runIn(cwd, process.execPath, ...flags, file)).stdout)
}

/** The paths of the files in the tarball. */
let packed: string[]

beforeAll(async () => {
  mkdirSync(app)
  writeFileSync(join(app, 'package.json'), '{ "private": true }')
  // Without scripts: dist/ is built already, and other tests use it.
  const { stdout } = await runIn(root, 'npm', 'pack', '--ignore-scripts', '--json', '--pack-destination', folder)
  packed = JSON.parse(stdout)[0].files.map(({ path }: { path: string }) => path)
  await runIn(app, 'npm', 'install', '--prefer-offline', '--no-audit', '--no-fund', tarball)
}, 300_000)

test('the tarball contains the build and a few documents, and nothing else', () => {
  const tops = new Set(packed.map((path) => path.split('/')[0]))
  // npm adds every README.
  const documents = ['LICENSE', 'README.md', 'README.zh-HK.md', 'SECURITY.md', 'THIRD_PARTY_LICENSES.md']
  expect([...tops].sort()).toEqual([...documents, 'dist', 'package.json'].sort())
  expect(packed).toEqual(expect.arrayContaining(['dist/cli.js', 'dist/schemas/order.json']))
  expect(packed.filter((path) => path.endsWith('.map'))).toEqual([])
})

test('the tarball is within the budget of its parts', () => {
  // kB, packed, in both formats and with the types. Decision 0018 has the history.
  const budget = { base: 180, outbox: 35, simulator: 35, bulk: 10, console: 120 }
  const kilobytes = Object.values(budget).reduce((sum, part) => sum + part)
  expect(statSync(tarball).size).toBeLessThanOrEqual(kilobytes * 1000)
})

test('the manifest has no member that is only for this repository', () => {
  const manifest = JSON.parse(textOf('package.json'))
  for (const member of ['workspaces', 'allowScripts']) expect(manifest).not.toHaveProperty(member)
  for (const script of ['prepare', 'install', 'preinstall', 'postinstall'])
    expect(manifest.scripts).not.toHaveProperty(script)
})

test('every peer dependency is optional, and has an upper bound', () => {
  const { peerDependenciesMeta } = JSON.parse(textOf('package.json'))
  for (const [peer, range] of Object.entries(peerDependencies)) {
    expect(range).toMatch(/^>=\d+(\.\d+)? <\d+$/)
    expect(peerDependenciesMeta[peer]).toEqual({ optional: true })
  }
})

test('npm install adds the run-time dependencies, and no other package', () => {
  const folders = readdirSync(join(app, 'node_modules')).filter((entry) => !entry.startsWith('.'))
  expect(folders.sort()).toEqual([name, ...Object.keys(dependencies)].sort())
})

/** The entry points that need no peer dependency: an application that has none can load them all. */
const specifiers = entryPoints
  .map(({ specifier }) => specifier)
  .filter((specifier) => !specifier.endsWith('/opentelemetry'))

test('an entry point whose peer dependency is missing names it', async () => {
  const code = `console.log(JSON.stringify(await import('${name}/opentelemetry').catch(({ message }) => message)))`
  expect(await runScript(app, 'missing.mjs', code)).toContain("Cannot find package '@opentelemetry/api'")
})

test('import and require export the same names', async () => {
  const list = 'JSON.stringify(Object.fromEntries(found.map(([name, module]) => [name, Object.keys(module).sort()])))'
  const imported = await runScript(
    app,
    'names.mjs',
    `const found = await Promise.all(${JSON.stringify(specifiers)}.map(async (name) => [name, await import(name)]))
    console.log(${list})`,
  )
  const required = await runScript(
    app,
    'names.cjs',
    `const found = ${JSON.stringify(specifiers)}.map((name) => [name, require(name)])
    console.log(${list})`,
  )
  expect(Object.keys(imported)).toEqual(specifiers)
  expect(imported[name]).toContain('createOrderSyncHandler')
  expect(imported).toEqual(required)
})

test('the schemas can be imported and required', async () => {
  const schemas = await runScript(
    app,
    'schemas.mjs',
    `import { createRequire } from 'node:module'
    import order from '${name}/schemas/order.json' with { type: 'json' }
    const response = createRequire(import.meta.url)('${name}/schemas/response.json')
    console.log(JSON.stringify([order.required, response.required]))`,
  )
  expect(schemas).toEqual([expect.arrayContaining(['requestId', 'extInfo']), ['result']])
})

test('isOrderSyncError is true for errors of the ESM and of the CJS build, and false for other errors', async () => {
  const results = await runScript(
    app,
    'errors.mjs',
    `import { createRequire } from 'node:module'
    import * as esm from '${name}'
    const cjs = createRequire(import.meta.url)('${name}')
    const errors = [new esm.OrderRefusedError('PROCESS_FAIL'), new cjs.OrderRefusedError('PROCESS_FAIL')]
    const otherError = Object.assign(new Error(), { code: 'ERR_REFUSED' })
    console.log(JSON.stringify({
      instanceOf: errors[1] instanceof esm.OrderRefusedError,
      esm: [...errors, otherError].map(esm.isOrderSyncError),
      cjs: [...errors, otherError].map(cjs.isOrderSyncError),
    }))`,
  )
  expect(results).toEqual({ instanceOf: false, esm: [true, true, false], cjs: [true, true, false] })
})

test('an error of a sub-path is an instance of the class that the root exports, in both builds', async () => {
  const check = (load: string) => `
    const [{ OrderRefusedError, ProtocolError }, { parseTime }] = ${load}
    let caught
    try { parseTime('now') } catch (error) { caught = error }
    console.log(JSON.stringify([ProtocolError, OrderRefusedError].map((type) => caught instanceof type)))`
  const modules = JSON.stringify([name, `${name}/protocol`])
  const esm = `await Promise.all(${modules}.map((specifier) => import(specifier)))`
  expect(await runScript(app, 'instance.mjs', check(esm))).toEqual([true, false])
  expect(await runScript(app, 'instance.cjs', check(`${modules}.map(require)`))).toEqual([true, false])
})

test('no entry point loads a dependency; importJwkSet loads jose', async () => {
  const bare = join(folder, 'bare')
  cpSync(join(app, 'node_modules', name), join(bare, 'node_modules', name), { recursive: true })
  const imports = specifiers.map((specifier) => `await import('${specifier}')`).join('\n')
  const requires = specifiers.map((specifier) => `require('${specifier}')`).join('\n')
  const code = `const { importJwkSet } = await import('${name}')
    const set = { keys: [{ kty: 'RSA', kid: '1', n: 'AQAB', e: 'AQAB' }] }
    console.log(JSON.stringify(await importJwkSet(set, 'public').catch(({ code }) => code)))`
  expect(await runScript(bare, 'all.cjs', `${requires}\nconsole.log(true)`)).toBe(true)
  expect(await runScript(bare, 'all.mjs', `${imports}\n${code}`)).toBe('ERR_MODULE_NOT_FOUND')
})

const dist = () => packed.filter((path) => /^dist\/.*\.(c?js|d\.c?ts)$/.test(path))
const textOf = (path: string) => readFileSync(join(installed, path), 'utf8')

test('dist/ imports its own files, dependencies, and modules of Node.js by their node: names only', () => {
  const own = new Set([name, ...Object.keys(dependencies), ...Object.keys(peerDependencies)])
  const imports = dist().flatMap((path) => importsOf(path, textOf(path)))
  expect(imports.length).toBeGreaterThan(20)
  const packageOf = (specifier: string) => /^(@[^/]+\/)?[^/]+/.exec(specifier)?.[0] ?? ''
  const otherImports = imports.filter(({ to }) => !/^(node:|dist\/)/.test(to) && !own.has(packageOf(to)))
  expect(otherImports).toEqual([])
})

test('THIRD_PARTY_LICENSES.md contains the licence of each bundled package', async () => {
  const licences = textOf('THIRD_PARTY_LICENSES.md')
  const named = [...licences.matchAll(/^## (.+)$/gm)].map(([, heading]) => heading)
  const { metafile } = await build({
    entryPoints: [...entryPoints.map(({ source }) => source), 'src/cli/main.ts', 'src/console/page/main.tsx'].map(
      (path) => join(root, path),
    ),
    jsx: 'automatic',
    jsxImportSource: 'preact',
    bundle: true,
    write: false,
    outdir: folder,
    format: 'esm',
    platform: 'node',
    metafile: true,
    external: [name, `${name}/*`, ...Object.keys(dependencies), ...Object.keys(peerDependencies)],
    logLevel: 'error',
  })
  const bundled = Object.keys(metafile.inputs).flatMap(
    (path) => /node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(path)?.[1] ?? [],
  )
  expect([...new Set(bundled)].sort()).toEqual(named.sort())
  expect(named).toContain('ts-pattern')
  for (const origin of named) {
    expect(licences).toContain(read(`node_modules/${origin}/LICENSE`).trim())
  }
})

test('validation works without code generation from strings, as on edge runtimes and under a strict CSP', async () => {
  const strict = '--disallow-code-generation-from-strings'
  const code = `import { generateKeyPairSync } from 'node:crypto'
    import { createOrderSyncClient } from '${name}'
    const [ours, theirs] = [1, 2].map(() => generateKeyPairSync('rsa', { modulusLength: 2048 }))
    const credentials = { clientId: 'C', privateKeys: { 1: ours.privateKey }, peerPublicKeys: { 1: theirs.publicKey } }
    const codeOf = ({ name, code }) => code ?? name
    const rejected = await createOrderSyncClient({ credentials, environment: 'testing' }).syncOrder({}).catch(codeOf)
    let generated
    try { generated = new Function('return 1')() } catch (error) { generated = codeOf(error) }
    console.log(JSON.stringify({ rejected, generated }))`
  expect(await runScript(app, 'strict.mjs', code, strict)).toEqual({
    rejected: 'ERR_FIELD_INVALID',
    generated: 'EvalError',
  })
  for (const path of dist()) expect(textOf(path)).not.toMatch(/new Function\b|ajv\/dist/)
})

test('npx runs the command line', async () => {
  const { stdout } = await runIn(app, 'npx', name, '--help')
  for (const command of ['keygen', 'serve', 'send']) expect(stdout).toContain(command)
}, 60_000)

test('the README of the tarball links to files of the repository, where npm finds them', () => {
  const links = [...textOf('README.md').matchAll(/\]\((?![a-z]+:)([^)#\s]+)/g)].map(([, link = '']) => posix.join(link))
  expect(links).toContain('docs/protocol.md')
  expect(links.filter((link) => !existsSync(join(root, link)))).toEqual([])
})

/** Linters and the compiler report the same on every runtime: `npm test` runs them, `npm run test:runtimes` does not. */
const testOnce = test.skipIf(process.env['SHORT'] !== undefined)

testOnce(
  'publint --strict reports no problem',
  async () => {
    const { stdout } = await runIn(root, process.execPath, 'node_modules/publint/src/cli.js', '--strict', tarball)
    expect(stdout).toContain('All good!')
  },
  60_000,
)

testOnce(
  'attw finds types for every entry point, in every mode of resolution',
  async () => {
    const attw = 'node_modules/@arethetypeswrong/cli/dist/index.js'
    // It exits with an error code when it finds a problem, and then this promise rejects.
    const { stdout } = await runIn(root, process.execPath, attw, tarball, '--profile', 'strict', '--format', 'ascii')
    expect(stdout).toContain(`"${name}/express"`)
  },
  60_000,
)

const { NodeNext: NodeNextModule, Node16: Node16Module, Preserve } = ts.ModuleKind
const { NodeNext, Node16, Bundler } = ts.ModuleResolutionKind

testOnce.each([
  ['node16', { module: Node16Module, moduleResolution: Node16 }],
  ['nodenext', { module: NodeNextModule, moduleResolution: NodeNext }],
  ['bundler', { module: Preserve, moduleResolution: Bundler }],
])(
  'a consumer compiles with moduleResolution %s, strict, without DOM, declarations included',
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

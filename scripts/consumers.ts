/**
 * Compiles programs that use the packed package, with several versions of TypeScript and every resolution of modules,
 * `skipLibCheck: false`; and runs the test files of docs/testing.md in Jest. Usage: npm run test:consumers
 *
 * The compilers of tests/consumers/ are installed into .cache/consumers/. Results are written to .cache/results/, in vitest's
 * JSON format.
 */
import { spawnSync } from 'node:child_process'
import { cpSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { resolve } from 'node:path'
import process from 'node:process'
import './ensure-built.ts'
import { entryPoints } from './entry-points.ts'
import { install } from './install.ts'
import { run } from './run.ts'

const folder = resolve('.cache/consumers')

interface Resolution {
  readonly options: Readonly<Record<string, unknown>>
  /** The files that are compiled: `.ts` is CommonJS under node10, and what package.json says elsewhere. */
  readonly files: readonly string[]
}

const ES_MODULES = ['all.mts', 'consumer.mts']
const COMMONJS = ['all.cts', 'consumer.cts']
const RESOLUTIONS: Readonly<Record<string, Resolution>> = {
  // consumer.cts uses `import = require()`, and consumer.mts is an ES module: node10 knows neither extension.
  node10: { options: { module: 'commonjs', moduleResolution: 'node' }, files: ['all.ts'] },
  node16: { options: { module: 'node16', moduleResolution: 'node16' }, files: [...ES_MODULES, ...COMMONJS] },
  nodenext: { options: { module: 'nodenext', moduleResolution: 'nodenext' }, files: [...ES_MODULES, ...COMMONJS] },
  bundler: { options: { module: 'esnext', moduleResolution: 'bundler' }, files: ES_MODULES },
}

/** Extra options of a version: in TypeScript 6, node10 is deprecated, and TypeScript 7 no longer has it. */
const VERSIONS: Readonly<
  Record<string, { readonly without?: string; readonly types?: string; readonly options?: object }>
> = {
  // The types of Node.js of today need a newer compiler.
  'typescript-5.0': { types: 'types-node-2024' },
  'typescript-5.9': {},
  'typescript-6': { options: { ignoreDeprecations: '6.0' } },
  'typescript-7': { without: 'node10' },
}

/** A program that imports every entry point. */
function importAll(): string {
  const imports = entryPoints.map(({ specifier }, index) => `import * as module${index} from '${specifier}'`)
  return `${imports.join('\n')}\nexport const all: object[] = [${entryPoints.map((_, index) => `module${index}`).join(', ')}]\n`
}

function prepare(): void {
  install(resolve('tests/consumers'), folder)
  run('npm', ['pack', '--ignore-scripts', '--silent', '--pack-destination', folder], '.', {
    stdout: 2,
    timeoutMs: 60_000,
  })
  const installed = `${folder}/node_modules/alipayhk-order-sync`
  rmSync(installed, { recursive: true, force: true })
  mkdirSync(installed, { recursive: true })
  run('tar', ['xzf', `${folder}/alipayhk-order-sync-0.1.0.tgz`, '--strip-components=1', '-C', installed], '.', {
    timeoutMs: 60_000,
  })
  cpSync('tests/package/consumer', folder, { recursive: true })
  for (const types of ['types-node-2024', 'types-node-today']) {
    mkdirSync(`${folder}/${types}`, { recursive: true })
    rmSync(`${folder}/${types}/node`, { force: true })
    symlinkSync(`${folder}/node_modules/${types}`, `${folder}/${types}/node`, 'dir')
  }
  for (const extension of ['ts', 'mts', 'cts']) writeFileSync(`${folder}/all.${extension}`, importAll())
}

/** Compiles, and returns the output of the compiler. Empty if there is no error. */
function compile(version: string, { options, files }: Resolution, more: object): string {
  const compilerOptions = {
    ...options,
    ...more,
    target: 'es2022',
    lib: ['es2023'],
    types: ['node'],
    strict: true,
    exactOptionalPropertyTypes: true,
    noUncheckedIndexedAccess: true,
    skipLibCheck: false,
    noEmit: true,
  }
  writeFileSync(`${folder}/tsconfig.json`, JSON.stringify({ compilerOptions, files }))
  const tsc = `${folder}/node_modules/${version}/bin/tsc`
  const { status, stdout, error } = spawnSync(process.execPath, [tsc, '-p', 'tsconfig.json', '--pretty', 'false'], {
    cwd: folder,
    encoding: 'utf8',
    timeout: 60_000,
  })
  return status === 0 ? '' : `${error?.message ?? ''}${stdout || `exit status ${status}`}`
}

/** The test files of docs/testing.md for Jest, and the flags of Node.js that they need. */
const JEST = [
  { title: 'Jest, CommonJS', file: 'order-sync.test.cjs', flags: [], passed: 6 },
  { title: 'Jest, ES modules', file: 'order-sync.jest.test.mjs', flags: ['--experimental-vm-modules'], passed: 1 },
]

/** Runs a test file of the guide, and returns the output of Jest. Empty if the tests passed. */
function runJest({ file, flags, passed }: (typeof JEST)[number]): string {
  const [, block] =
    new RegExp(`\`\`\`js\\n(// ${file.replaceAll('.', '\\.')}\\n[\\s\\S]*?)\`\`\``).exec(
      readFileSync('docs/testing.md', 'utf8'),
    ) ?? []
  if (block === undefined) return `docs/testing.md has no block ${file}`
  const tests = `${folder}/jest`
  rmSync(tests, { recursive: true, force: true })
  mkdirSync(tests)
  writeFileSync(`${tests}/${file}`, block)
  writeFileSync(`${tests}/package.json`, JSON.stringify({ jest: { testEnvironment: 'node', transform: {} } }))
  const jest = [...flags, `${folder}/node_modules/jest/bin/jest.js`, '--rootDir', tests]
  const { status, stderr, error } = spawnSync(process.execPath, jest, {
    cwd: tests,
    encoding: 'utf8',
    timeout: 60_000,
    env: { ...process.env, NO_COLOR: '1' },
  })
  const isComplete = status === 0 && stderr.includes(`Tests:       ${passed} passed, ${passed} total`)
  return isComplete ? '' : `${error?.message ?? ''}${stderr}`
}

prepare()
const compiled = Object.entries(VERSIONS).flatMap(([version, { without, types = 'types-node-today', options = {} }]) =>
  Object.entries(RESOLUTIONS)
    .filter(([name]) => name !== without)
    .map(([name, resolution]) => ({
      title: `${version}, ${name}`,
      output: compile(version, resolution, { ...options, typeRoots: [types] }),
    })),
)
const results = [...compiled, ...JEST.map((test) => ({ title: test.title, output: runJest(test) }))]
for (const { title, output } of results) console.log(`${output === '' ? '✓' : '✗'} ${title}${output && `\n${output}`}`)
const failed = results.filter(({ output }) => output !== '').length
mkdirSync('.cache/results', { recursive: true })
const summary = { numPassedTests: results.length - failed, numFailedTests: failed, numPendingTests: 0 }
writeFileSync('.cache/results/consumers.json', JSON.stringify(summary))
if (failed > 0) process.exitCode = 1

/**
 * Tests the package on other runtimes: the tests on each version of Node; on Bun, Deno and workerd the scenarios of the
 * demo, and the adapter tests with merchants that live there.
 * Needs dist/, so build first. Usage: npm run test:runtimes [-- node-24 deno …]
 *
 * The runtimes are npm packages with one binary each, and are installed into .cache/runtimes/. Results are written to
 * .cache/results/, in vitest's JSON format.
 */
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { delimiter, dirname, resolve } from 'node:path'
import process from 'node:process'
import { installFrameworks } from './install-frameworks.ts'
import { run, vitest } from './run.ts'

const { platform, arch } = process
const bunArch = arch === 'arm64' ? 'aarch64' : arch
const denoLibc = platform === 'linux' ? '-glibc' : ''
const workerdArch = arch === 'x64' ? '64' : arch

const nodeOf = (version: string, leftOut: readonly string[] = []) => ({
  package: `node-${platform}-${arch}`,
  version,
  binary: 'bin/node',
  ownTests: (results: string) => testsWithout(leftOut, results),
})

/** Drivers of servers run on the latest Node; here only node:sqlite, and what all stores share. */
const SERVER_STORES = [
  '--exclude=tests/stores/{orms,outbox}/**',
  '--exclude=tests/stores/!(sqlite*|conformance|broken-stores|expiry|options).test.ts',
]
/** What is built, started and packed: run on the oldest and the latest Node. */
const BUILT = '--exclude=tests/{cli,demo,package}/**'

/** Without slow tests of the command line and of broken networks. `npm test` runs them. */
const WITHOUT_SLOW = [
  '--exclude=tests/cli/!(serve-and-send|keygen|explain).test.ts',
  '--exclude=tests/cli/bulk/**',
  '--exclude=tests/stores/dark-network.test.ts',
]

/** `npm test` has run what is built, started and packed, when this Node is of the oldest major. */
const BUILT_ON_OLDEST = process.versions.node.startsWith('20.') ? [BUILT] : []

/** See scripts/runtime-scenarios.mjs. */
const CUSTOMER_DATA = 'MARKER-OF-CUSTOMER-DATA'

/** Hosts merchants for the adapter tests. */
const HOST = 'tests/runtimes/process.ts'
const DENO = ['run', '--no-prompt', '--node-modules-dir=manual']
/** Without --allow-env: the library must not read environment variables. */
const DENO_WITHOUT_ENV = [...DENO, '--allow-net', '--allow-read', '--allow-write']

/**
 * Node: the oldest supported version, and the latest version of each later major. The latest Node runs nearly all tests, the others run
 * the tests whose outcome depends on the version. Other runtimes: the latest version of one major.
 */
const RUNTIMES: Readonly<Record<string, Runtime>> = {
  'node-20.19': nodeOf('20.19.0', [...SERVER_STORES, ...BUILT_ON_OLDEST]),
  'node-22': nodeOf('22', [...SERVER_STORES, BUILT]),
  'node-24': nodeOf('24', [...SERVER_STORES, BUILT]),
  'node-26': nodeOf('26', WITHOUT_SLOW),
  bun: {
    package: `@oven/bun-${platform}-${bunArch}`,
    version: '1',
    binary: 'bin/bun',
    ownTests: scenarios([]),
    printsEvents: true,
    host: () => [HOST],
  },
  deno: {
    package: `@deno/${platform}-${arch}${denoLibc}`,
    version: '2',
    binary: 'deno',
    ownTests: scenarios(DENO_WITHOUT_ENV),
    printsEvents: true,
    host: () => [...DENO, '--allow-all', HOST],
  },
  workerd: {
    package: `@cloudflare/workerd-${platform}-${workerdArch}`,
    version: '1',
    binary: 'bin/workerd',
    ownTests: workerScenarios,
    printsEvents: true,
    printsCounts: true,
    host: hostWorker,
  },
}

interface Runtime {
  /** The npm package that holds the binary. */
  readonly package: string
  readonly version: string
  readonly binary: string
  /** Arguments of the binary for the tests that run on it entirely. */
  readonly ownTests: (results: string) => string[]
  /** It prints events and errors that contain {@link CUSTOMER_DATA}. Nothing of it may be in the output. */
  readonly printsEvents?: true
  /** The counts are in its last line of output, because it cannot write files. */
  readonly printsCounts?: true
  /** Arguments of the binary to host merchants for the adapter tests. */
  readonly host?: () => string[]
}

/** The tests of `npm test`, without some. */
function testsWithout(leftOut: readonly string[], results: string): string[] {
  const { scripts } = JSON.parse(readFileSync('package.json', 'utf8')) as { scripts: { test: string } }
  const [, ...args] = scripts.test.split(' ')
  return vitest([...args, ...leftOut], results)
}

function scenarios(flags: readonly string[]): (results: string) => string[] {
  return (results) => [...flags, 'scripts/runtime-process.mjs', results]
}

function workerScenarios(): string[] {
  bundle('scripts/runtime-worker.mjs', 'worker')
  return ['test', 'scripts/runtime-worker.capnp']
}

function hostWorker(): string[] {
  bundle('tests/runtimes/worker.mjs', 'host')
  return ['serve', 'tests/runtimes/worker.capnp', '--control-fd=1']
}

/** A worker is one file. CommonJS inside it needs a `require` for node: modules, and the frameworks are in .cache. */
function bundle(source: string, name: string): void {
  const banner = "import { createRequire as $createRequire } from 'node:module'; const require = $createRequire('/')"
  const form = ['--bundle', '--format=esm', '--platform=node', '--external:cloudflare:*', `--banner:js=${banner}`]
  const output = ['--log-level=warning', `--outfile=.cache/runtimes/${name}.mjs`]
  const NODE_PATH = ['current/node_modules', 'node_modules'].map((path) => `.cache/frameworks/${path}`).join(delimiter)
  run('node_modules/.bin/esbuild', [source, ...form, ...output], '.', { env: { NODE_PATH } })
}

/** Runs the adapter tests on this Node, with merchants on another runtime. */
function runAdapters(name: string, command: readonly string[]): boolean {
  const args = ['run', '--config=tests/runtimes/vitest.config.ts']
  const { status } = spawnSync(process.execPath, vitest(args, `.cache/results/${name}-adapters.json`), {
    env: { ...process.env, RUNTIME: name, RUNTIME_COMMAND: JSON.stringify(command) },
    stdio: ['ignore', 'inherit', 'inherit'],
  })
  return status === 0
}

/** Installs a runtime unless it is installed, and returns the path of its binary. */
function install(name: string, { package: packageName, version, binary }: Runtime): string {
  const folder = resolve('.cache/runtimes', name)
  const path = resolve(folder, 'node_modules', packageName, binary)
  if (existsSync(path)) return path
  mkdirSync(folder, { recursive: true })
  writeFileSync(resolve(folder, 'package.json'), '{ "private": true }\n')
  const npm = ['install', '--no-save', '--no-package-lock', '--no-audit', '--no-fund', '--ignore-scripts']
  run('npm', [...npm, `${packageName}@${version}`], folder)
  if (!existsSync(path)) throw new Error(`${packageName} has no ${binary}`)
  return path
}

/** Runs the tests that run on the runtime entirely. */
function runOwnTests(name: string, { ownTests, printsEvents, printsCounts }: Runtime, binary: string): boolean {
  // Processes that the tests start must use the same runtime.
  const PATH = dirname(binary) + delimiter + process.env['PATH']
  const results = `.cache/results/${name}.json`
  const { status, stdout } = spawnSync(binary, ownTests(results), {
    // The long race and crash tests run in full with npm test.
    env: { ...process.env, PATH, SHORT: '1' },
    stdio: ['ignore', printsEvents ? 'pipe' : 'inherit', 'inherit'],
    maxBuffer: 64 * 1024 * 1024,
  })
  const output = printsEvents ? stdout.toString() : ''
  process.stdout.write(output)
  if (printsCounts) {
    const [, passed = 0, failed = 1] = /(\d+) passed, (\d+) failed/.exec(output) ?? []
    writeFileSync(results, JSON.stringify({ numPassedTests: Number(passed), numFailedTests: Number(failed) }))
  }
  const isSilent = !output.includes(CUSTOMER_DATA)
  if (!isSilent) console.error(`console.log() printed customer data: ${CUSTOMER_DATA}`)
  return status === 0 && isSilent
}

const names = process.argv.length > 2 ? process.argv.slice(2) : Object.keys(RUNTIMES)
mkdirSync('.cache/results', { recursive: true })
const failed = names.filter((name) => {
  const runtime = RUNTIMES[name]
  if (runtime === undefined) throw new Error(`There is no runtime "${name}", only ${Object.keys(RUNTIMES).join(', ')}`)
  const binary = install(name, runtime)
  console.log(`\n── ${name} ${'─'.repeat(60 - name.length)}`)
  const passed = [runOwnTests(name, runtime, binary)]
  if (runtime.host) {
    installFrameworks()
    passed.push(runAdapters(name, [binary, ...runtime.host()]))
  }
  return passed.includes(false)
})
if (failed.length > 0) {
  console.error(`\nFailed on ${failed.join(', ')}`)
  process.exit(1)
}

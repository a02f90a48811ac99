/**
 * Proves the package on other runtimes: the whole suite on each Node; on Bun, Deno and workerd the exchange of the demo,
 * and the suite of the adapters over merchants that live there.
 * Needs dist/, so build first. Usage: npm run test:runtimes [-- node-24 deno …]
 *
 * The runtimes come from npm, as packages that hold one binary, into .cache/runtimes/. Results go to .cache/results/,
 * in the form of vitest's JSON.
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

const nodeOf = (version: string) => ({ of: `node-${platform}-${arch}`, version, binary: 'bin/node', alone: suite })

/** Hosts merchants for the suite of the adapters. */
const HOST = 'tests/runtimes/process.ts'
const DENO = ['run', '--no-prompt', '--node-modules-dir=manual']
/** Without --allow-env: the library must do without an environment. */
const DENO_ALONE = [...DENO, '--allow-net', '--allow-read', '--allow-write']

/** The least Node that is supported, and every major since; the latest of a major of the others. */
const RUNTIMES: Readonly<Record<string, Runtime>> = {
  'node-20.19': nodeOf('20.19.0'),
  'node-22': nodeOf('22'),
  'node-24': nodeOf('24'),
  'node-26': nodeOf('26'),
  bun: {
    of: `@oven/bun-${platform}-${bunArch}`,
    version: '1',
    binary: 'bin/bun',
    alone: exchange([]),
    host: () => [HOST],
  },
  deno: {
    of: `@deno/${platform}-${arch}${denoLibc}`,
    version: '2',
    binary: 'deno',
    alone: exchange(DENO_ALONE),
    host: () => [...DENO, '--allow-all', HOST],
  },
  workerd: {
    of: `@cloudflare/workerd-${platform}-${workerdArch}`,
    version: '1',
    binary: 'bin/workerd',
    alone: worker,
    tells: true,
    host: hostWorker,
  },
}

interface Runtime {
  /** The npm package that holds the binary. */
  readonly of: string
  readonly version: string
  readonly binary: string
  /** What to pass to the binary for what it does by itself. */
  readonly alone: (results: string) => string[]
  /** It has no files to write results to: its last line tells them. */
  readonly tells?: true
  /** What to pass to the binary to have it host merchants for the suite of the adapters. */
  readonly host?: () => string[]
}

/** What `npm test` does. */
function suite(results: string): string[] {
  const { scripts } = JSON.parse(readFileSync('package.json', 'utf8')) as { scripts: { test: string } }
  const [, ...args] = scripts.test.split(' ')
  return vitest(args, results)
}

function exchange(flags: readonly string[]): (results: string) => string[] {
  return (results) => [...flags, 'scripts/runtime-exchange.mjs', results]
}

function worker(): string[] {
  bundle('scripts/runtime-worker.mjs', 'worker')
  return ['test', 'scripts/runtime-worker.capnp']
}

function hostWorker(): string[] {
  bundle('tests/runtimes/worker.mjs', 'host')
  return ['serve', 'tests/runtimes/worker.capnp', '--control-fd=1']
}

/** Workers are of one file, in which CommonJS has to find node: modules, and the frameworks be found. */
function bundle(source: string, name: string): void {
  const banner = "import { createRequire as $createRequire } from 'node:module'; const require = $createRequire('/')"
  const form = ['--bundle', '--format=esm', '--platform=node', '--external:cloudflare:*', `--banner:js=${banner}`]
  const output = ['--log-level=warning', `--outfile=.cache/runtimes/${name}.mjs`]
  const NODE_PATH = ['current/node_modules', 'node_modules'].map((path) => `.cache/frameworks/${path}`).join(delimiter)
  run('node_modules/.bin/esbuild', [source, ...form, ...output], '.', { env: { NODE_PATH } })
}

/** The suite of the adapters, driven by this Node, over merchants on another runtime. */
function runAdapters(name: string, command: readonly string[]): boolean {
  const args = ['run', '--config=tests/runtimes/vitest.config.ts']
  const { status } = spawnSync(process.execPath, vitest(args, `.cache/results/${name}-adapters.json`), {
    env: { ...process.env, RUNTIME: name, RUNTIME_COMMAND: JSON.stringify(command) },
    stdio: ['ignore', 'inherit', 'inherit'],
  })
  return status === 0
}

/** Installs a runtime unless it is there, and gives the path of its binary. */
function install(name: string, { of, version, binary }: Runtime): string {
  const folder = resolve('.cache/runtimes', name)
  const path = resolve(folder, 'node_modules', of, binary)
  if (existsSync(path)) return path
  mkdirSync(folder, { recursive: true })
  writeFileSync(resolve(folder, 'package.json'), '{ "private": true }\n')
  const npm = ['install', '--no-save', '--no-package-lock', '--no-audit', '--no-fund', '--ignore-scripts']
  run('npm', [...npm, `${of}@${version}`], folder)
  if (!existsSync(path)) throw new Error(`${of} has no ${binary}`)
  return path
}

/** What the runtime does by itself. */
function runAlone(name: string, { alone, tells }: Runtime, binary: string): boolean {
  // What the tests start finds the same runtime.
  const PATH = dirname(binary) + delimiter + process.env['PATH']
  const results = `.cache/results/${name}.json`
  const { status, stdout } = spawnSync(binary, alone(results), {
    // The races and crashes of processes have run in full with npm test.
    env: { ...process.env, PATH, SHORT: '1' },
    stdio: ['ignore', tells ? 'pipe' : 'inherit', 'inherit'],
  })
  if (tells) {
    const told = stdout.toString()
    process.stdout.write(told)
    const [, passed = 0, failed = 1] = /(\d+) passed, (\d+) failed/.exec(told) ?? []
    writeFileSync(results, JSON.stringify({ numPassedTests: Number(passed), numFailedTests: Number(failed) }))
  }
  return status === 0
}

const wanted = process.argv.length > 2 ? process.argv.slice(2) : Object.keys(RUNTIMES)
mkdirSync('.cache/results', { recursive: true })
const failed = wanted.filter((name) => {
  const runtime = RUNTIMES[name]
  if (runtime === undefined) throw new Error(`There is no runtime "${name}", only ${Object.keys(RUNTIMES).join(', ')}`)
  const binary = install(name, runtime)
  console.log(`\n── ${name} ${'─'.repeat(60 - name.length)}`)
  const passed = [runAlone(name, runtime, binary)]
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

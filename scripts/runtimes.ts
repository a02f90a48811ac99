/**
 * Proves the package on other runtimes: the whole suite on each Node, the exchange of the demo on Bun, Deno and workerd.
 * Needs dist/, so build first. Usage: npm run test:runtimes [-- node-24 deno …]
 *
 * The runtimes come from npm, as packages that hold one binary, into .cache/runtimes/. Results go to .cache/results/,
 * in the form of vitest's JSON.
 */
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { delimiter, dirname, resolve } from 'node:path'
import process from 'node:process'

const { platform, arch } = process
const bunArch = arch === 'arm64' ? 'aarch64' : arch
const denoLibc = platform === 'linux' ? '-glibc' : ''

const nodeOf = (version: string) => ({ of: `node-${platform}-${arch}`, version, binary: 'bin/node', run: suite })

const workerdArch = arch === 'x64' ? '64' : arch

/** The least Node that is supported, and every major since; the latest of a major of the others. */
const RUNTIMES: Readonly<Record<string, Runtime>> = {
  'node-20.19': nodeOf('20.19.0'),
  'node-22': nodeOf('22'),
  'node-24': nodeOf('24'),
  'node-26': nodeOf('26'),
  bun: { of: `@oven/bun-${platform}-${bunArch}`, version: '1', binary: 'bin/bun', run: exchange([]) },
  deno: {
    of: `@deno/${platform}-${arch}${denoLibc}`,
    version: '2',
    binary: 'deno',
    run: exchange(['run', '--allow-all', '--node-modules-dir=manual']),
  },
  workerd: {
    of: `@cloudflare/workerd-${platform}-${workerdArch}`,
    version: '1',
    binary: 'bin/workerd',
    run: worker,
    tells: true,
  },
}

interface Runtime {
  /** The npm package that holds the binary. */
  readonly of: string
  readonly version: string
  readonly binary: string
  /** What to pass to the binary. */
  readonly run: (results: string) => string[]
  /** It has no files to write results to: its last line tells them. */
  readonly tells?: true
}

/** What `npm test` does. */
function suite(results: string): string[] {
  const { scripts } = JSON.parse(readFileSync('package.json', 'utf8')) as { scripts: { test: string } }
  const [, ...args] = scripts.test.split(' ')
  return [
    'node_modules/vitest/vitest.mjs',
    ...args,
    '--reporter=default',
    '--reporter=json',
    `--outputFile.json=${results}`,
  ]
}

function exchange(flags: readonly string[]): (results: string) => string[] {
  return (results) => [...flags, 'scripts/runtime-exchange.mjs', results]
}

/** Workers are of one file. */
function worker(): string[] {
  const bundle = ['--bundle', '--format=esm', '--platform=node', '--outfile=.cache/runtimes/worker.mjs']
  const { status } = spawnSync('node_modules/.bin/esbuild', ['scripts/runtime-worker.mjs', ...bundle], {
    stdio: ['ignore', 'ignore', 'inherit'],
  })
  if (status !== 0) throw new Error('The worker could not be bundled')
  return ['test', 'scripts/runtime-worker.capnp']
}

/** Installs a runtime unless it is there, and gives the path of its binary. */
function install(name: string, { of, version, binary }: Runtime): string {
  const folder = resolve('.cache/runtimes', name)
  const path = resolve(folder, 'node_modules', of, binary)
  if (existsSync(path)) return path
  mkdirSync(folder, { recursive: true })
  writeFileSync(resolve(folder, 'package.json'), '{ "private": true }\n')
  const npm = ['install', '--no-save', '--no-package-lock', '--no-audit', '--no-fund', '--ignore-scripts']
  const { status } = spawnSync('npm', [...npm, `${of}@${version}`], { cwd: folder, stdio: 'inherit' })
  if (status !== 0 || !existsSync(path)) throw new Error(`${name} could not be installed`)
  return path
}

const wanted = process.argv.length > 2 ? process.argv.slice(2) : Object.keys(RUNTIMES)
mkdirSync('.cache/results', { recursive: true })
const failed = wanted.filter((name) => {
  const runtime = RUNTIMES[name]
  if (runtime === undefined) throw new Error(`There is no runtime "${name}", only ${Object.keys(RUNTIMES).join(', ')}`)
  const binary = install(name, runtime)
  console.log(`\n── ${name} ${'─'.repeat(60 - name.length)}`)
  // What the tests start finds the same runtime.
  const PATH = dirname(binary) + delimiter + process.env['PATH']
  const results = `.cache/results/${name}.json`
  const { status, stdout } = spawnSync(binary, runtime.run(results), {
    // The races and crashes of processes have run in full with npm test.
    env: { ...process.env, PATH, SHORT: '1' },
    stdio: ['ignore', runtime.tells ? 'pipe' : 'inherit', 'inherit'],
  })
  if (runtime.tells) {
    const told = stdout.toString()
    process.stdout.write(told)
    const [, passed = 0, failed = 1] = /(\d+) passed, (\d+) failed/.exec(told) ?? []
    writeFileSync(results, JSON.stringify({ numPassedTests: Number(passed), numFailedTests: Number(failed) }))
  }
  return status !== 0
})
if (failed.length > 0) {
  console.error(`\nFailed on ${failed.join(', ')}`)
  process.exit(1)
}

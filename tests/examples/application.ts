import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { cpSync } from 'node:fs'
import { delimiter, dirname, join } from 'node:path'
import process from 'node:process'
import { promisify } from 'node:util'
import { gatewayRsa, merchantRsa, pem } from '../support/keys.ts'
import { CLIENT_ID } from '../support/messages.ts'
import { read, root } from '../support/project.ts'

/** Our environment, without the variables that npm and vitest set for their own processes. */
const inherited = Object.fromEntries(
  Object.entries(process.env).filter(
    ([key]) => !/^(npm_(package|lifecycle|config_local_prefix)|VITE|NODE_ENV)/.test(key),
  ),
)
const env = cleanEnv()

/** The environment of commands: with the Node that runs the tests first on the PATH, for npm too. */
export function cleanEnv(): Record<string, string | undefined> {
  return {
    ...inherited,
    PATH: dirname(process.execPath) + delimiter + inherited['PATH'],
    NEXT_TELEMETRY_DISABLED: '1',
  }
}

const run = promisify(execFile)
const npm = (cwd: string, ...args: string[]) => run('npm', args, { cwd, env })

/** Packs the package into a folder, and returns the path of the tarball. */
export async function pack(folder: string): Promise<string> {
  const { name, version } = JSON.parse(read('package.json'))
  // Without scripts: dist/ is already built, and other tests use it.
  await npm(root, 'pack', '--ignore-scripts', '--pack-destination', folder)
  return join(folder, `${name}-${version}.tgz`)
}

/** Copies an example out of the project and installs its dependencies, with the tarball as this package. */
export async function install(name: string, tarball: string, folder: string): Promise<void> {
  const isInstalled = /node_modules|package-lock|\.next/
  cpSync(`${root}examples/${name}`, folder, {
    recursive: true,
    filter: (path) => !isInstalled.test(path.slice(root.length)),
  })
  await npm(folder, 'install', '--prefer-offline', '--no-audit', '--no-fund', '--ignore-scripts', tarball)
}

/** Splits a command of a README into program and arguments. Without npx, which does not pass signals on. */
function parse(command: string, folder: string): [program: string, args: string[]] {
  const [first = '', second = '', ...rest] = command.split(' ')
  if (first === 'node') return [process.execPath, [second, ...rest]]
  if (first === 'npm') return ['npm', [second, ...rest]]
  return [join(folder, 'node_modules/.bin', second), rest]
}

/** Our environment, with the keys of the tests. */
const withKeys = (extra: Record<string, string>) => ({
  ...env,
  CLIENT_ID,
  MERCHANT_PRIVATE_KEY: pem(merchantRsa().privateKey),
  ALIPAYHK_PUBLIC_KEY: pem(gatewayRsa().publicKey),
  ...extra,
})

/** Runs a command until it ends. */
export async function execute(command: string, folder: string, extra: Record<string, string> = {}): Promise<void> {
  const [program, args] = parse(command, folder)
  await run(program, args, { cwd: folder, env: withKeys(extra) })
}

/** An example that is running. */
export interface Application {
  readonly port: number
  readonly child: ChildProcess
  /** Resolves when the process has ended, with the events that it logged. */
  readonly ended: Promise<{ code: number | null; signal: NodeJS.Signals | null; events: Record<string, unknown>[] }>
}

/** Starts an example on a free port, and waits until it prints where it listens. */
export async function start(command: string, folder: string, extra: Record<string, string> = {}): Promise<Application> {
  const [program, args] = parse(command, folder)
  const child = spawn(program, args, {
    cwd: folder,
    env: withKeys({ PORT: '0', ...extra }),
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let stdout = ''
  let stderr = ''
  child.stderr.on('data', (chunk) => (stderr += chunk))
  const closed = once(child, 'close')
  const port = await new Promise<number>((resolve, reject) => {
    child.stdout.on('data', (chunk) => {
      stdout += chunk
      const [, found] = /https?:\/\/[^\s/]+:(\d+)\s/.exec(stdout) ?? []
      if (found !== undefined) resolve(Number(found))
    })
    closed.then(([code]) => reject(new Error(`"${command}" has ended with ${code}:\n${stdout}\n${stderr}`)), reject)
  })
  const ended = closed.then(([code, signal]) => ({ code, signal, events: parseEvents(stdout) }))
  return { port, child, ended }
}

function parseEvents(stdout: string): Record<string, unknown>[] {
  const lines = stdout.split('\n').filter((line) => line.startsWith('{'))
  return lines.map((line) => JSON.parse(line))
}

import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { text } from 'node:stream/consumers'
import { afterAll, onTestFinished } from 'vitest'
import { root } from './project.ts'

/** The built command. */
export const CLI = `${root}dist/cli.js`

/** Without the variables that set options. Node 22 prints a warning about its SQLite module on standard error, which the tests check. */
const ENV = {
  ...Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('ORDER_SYNC_'))),
  NODE_NO_WARNINGS: '1',
}

/** The exit code and output of a process. */
export interface CommandResult {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

/** Runs the command until it exits. */
export async function cli(
  args: readonly string[],
  input = '',
  environment: NodeJS.ProcessEnv = {},
): Promise<CommandResult> {
  const child = spawn(process.execPath, [CLI, ...args], { env: { ...ENV, ...environment } })
  // A command that fails early does not read its input.
  child.stdin.on('error', () => {})
  child.stdin.end(input)
  const [stdout, stderr, [code]] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'close')])
  return { code, stdout, stderr }
}

/** A running `serve`. */
export interface ServeProcess {
  readonly url: string
  readonly child: ChildProcess
  /** Parses the next line on standard output. */
  readonly nextEvent: () => Promise<Record<string, unknown>>
  /** Resolves with the exit code. */
  readonly exitCode: Promise<number | null>
  /** Resolves with everything on standard error, at the end of the process. */
  readonly stderr: Promise<string>
}

/** Starts `serve` on a free port with the memory store, unless `args` says otherwise. Kills it after the test. */
export const serve = (args: readonly string[]): Promise<ServeProcess> => serveFrom(CLI, ['--store', 'memory', ...args])

/** Starts `serve` of an installed command on a free port, in a folder. Kills it after the test. */
export const serveFrom = (command: string, args: readonly string[], cwd?: string): Promise<ServeProcess> =>
  startCommand(['serve', '--port', '0', ...args], /^listening on (http:\S+)$/, { command, cwd })

/** Starts a command that listens, and waits for the line with its URL. Kills it after the test. */
export async function startCommand(
  args: readonly string[],
  listening: RegExp,
  { command = CLI, cwd }: { command?: string; cwd?: string | undefined } = {},
): Promise<ServeProcess> {
  const child = spawn(process.execPath, [command, ...args], { env: ENV, cwd })
  onTestFinished(() => void child.kill('SIGKILL'))
  const exitCode = once(child, 'close').then(([code]: (number | null)[]) => code ?? null)
  const stderr = text(child.stderr)
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  const nextLine = async () => {
    const { value, done } = await lines.next()
    if (done) throw new Error(`${args[0]} has exited: ${await stderr}`)
    return value
  }
  const [, url = ''] = listening.exec(await nextLine()) ?? []
  return { url, child, exitCode, stderr, nextEvent: async () => JSON.parse(await nextLine()) }
}

/** Creates a folder, and removes it after the tests of the file. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'order-sync-test-'))
  afterAll(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

/** Creates a new folder inside another one. */
export const folderIn = (folder: string): string => mkdtempSync(join(folder, 'in-'))

/** Writes a file to a folder and returns its path. */
export function writeTo(folder: string, name: string, content: string | Uint8Array): string {
  const path = join(folder, name)
  writeFileSync(path, content)
  return path
}

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

/** Node 22 warns of its SQLite, on the standard error that is looked at here. */
const ENV = { ...process.env, NODE_NO_WARNINGS: '1' }

/** A process that has ended. */
export interface Ended {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

/** Runs the command to its end. */
export async function cli(args: readonly string[], input = ''): Promise<Ended> {
  const child = spawn(process.execPath, [CLI, ...args], { env: ENV })
  // A command that fails early does not read its input.
  child.stdin.on('error', () => {})
  child.stdin.end(input)
  const [stdout, stderr, [code]] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'close')])
  return { code, stdout, stderr }
}

/** A `serve` that is up. */
export interface Serving {
  readonly url: string
  readonly child: ChildProcess
  /** The next line on standard output, which is JSON. */
  readonly next: () => Promise<Record<string, unknown>>
  /** The exit code, once it has ended by itself. */
  readonly ended: Promise<number | null>
}

/** Starts `serve` on a free port, in memory unless told otherwise, and ends it with the test. */
export async function serve(args: readonly string[]): Promise<Serving> {
  const child = spawn(process.execPath, [CLI, 'serve', '--port', '0', '--store', 'memory', ...args], { env: ENV })
  onTestFinished(() => void child.kill('SIGKILL'))
  const ended = once(child, 'close').then(([code]: (number | null)[]) => code ?? null)
  const failure = text(child.stderr)
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  const nextLine = async () => {
    const { value, done } = await lines.next()
    if (done) throw new Error(`serve has ended: ${await failure}`)
    return value
  }
  const [, url = ''] = /^listening on (http:\S+)$/.exec(await nextLine()) ?? []
  return { url, child, ended, next: async () => JSON.parse(await nextLine()) }
}

/** A folder that goes away after the tests of the file that asks for it. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'order-sync-test-'))
  afterAll(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

/** A new folder in another one. */
export const folderIn = (folder: string): string => mkdtempSync(join(folder, 'in-'))

/** Writes a file to a folder, and gives its path. */
export function writeTo(folder: string, name: string, content: string | Uint8Array): string {
  const path = join(folder, name)
  writeFileSync(path, content)
  return path
}

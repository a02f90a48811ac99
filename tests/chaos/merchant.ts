import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import process from 'node:process'
import { createInterface } from 'node:readline'
import type { Readable } from 'node:stream'
import { bundle } from '../support/processes.ts'
import { root } from '../support/project.ts'

/** A merchant's server in a process of its own, which faults end and start again. */
export interface ChaosMerchant {
  /** The port of the server; undefined while there is none. */
  readonly port: () => number | undefined
  readonly start: () => Promise<void>
  /** SIGKILL. */
  readonly kill: () => Promise<void>
  /** SIGSTOP. */
  readonly freeze: () => void
  /** SIGCONT. */
  readonly resume: () => void
  /** SIGTERM: resolves to what is wrong with its end, or undefined. */
  readonly shutDown: () => Promise<string | undefined>
  /** Sends a message to the process, if it is running. */
  readonly tell: (message: object) => void
}

/** A script other than that of the chaos test. */
export interface MerchantScript {
  readonly script: string
  readonly execArgv: readonly string[]
  /** Receives what the process sends with `process.send()`. */
  readonly onMessage: (message: unknown) => void
}

/** The time for a server to start, or to drain and end. */
const LIMIT_MS = 20_000

const CHAOS_SCRIPT: MerchantScript = {
  script: 'tests/chaos/merchant-process.ts',
  execArgv: [],
  onMessage: () => undefined,
}

/**
 * Creates a merchant. Its process is not started yet.
 *
 * @param onUnexpectedEnd Called with a description when the process ends by itself.
 */
export function createChaosMerchant(
  args: readonly string[],
  onUnexpectedEnd: (description: string) => void,
  { script: path, execArgv, onMessage }: MerchantScript = CHAOS_SCRIPT,
): ChaosMerchant {
  let child: ChildProcess | undefined
  let port: number | undefined
  let isExpectedToEnd = false
  let drained: unknown
  let errors = ''

  async function start(): Promise<void> {
    isExpectedToEnd = false
    const script = await bundle(path)
    const started = spawn(process.execPath, [...execArgv, script, ...args], {
      cwd: root,
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    })
    started.on('message', onMessage)
    child = started
    errors = ''
    started.stderr?.on('data', (chunk) => {
      errors = `${errors}${chunk}`.slice(-4_000)
    })
    started.on('exit', (code, signal) => {
      if (child === started) port = undefined
      if (!isExpectedToEnd) onUnexpectedEnd(`ended by itself with ${signal ?? code}: ${errors}`)
    })
    const lines = createInterface({ input: started.stdout as Readable })
    const [line] = await Promise.race([
      once(lines, 'line', { signal: AbortSignal.timeout(LIMIT_MS) }),
      once(started, 'exit').then((): never => {
        throw new Error(`The server did not start: ${errors}`)
      }),
    ])
    port = (JSON.parse(String(line)) as { port: number }).port
    lines.on('line', (next) => {
      drained = JSON.parse(next)
    })
  }

  return {
    port: () => port,
    start,
    async kill() {
      if (child === undefined || child.exitCode !== null || child.signalCode !== null) return
      isExpectedToEnd = true
      port = undefined
      const ended = once(child, 'exit')
      child.kill('SIGKILL')
      await ended
    },
    freeze: () => void child?.kill('SIGSTOP'),
    resume: () => void child?.kill('SIGCONT'),
    // A process that has just ended cannot be told anything: the callback keeps the error from being thrown.
    tell: (message) => void (child?.connected && child.send(message, () => undefined)),
    async shutDown() {
      if (child === undefined || port === undefined) return undefined
      isExpectedToEnd = true
      const ended = once(child, 'exit', { signal: AbortSignal.timeout(LIMIT_MS) })
      child.kill('SIGTERM')
      const [code, signal] = await ended.catch(() => [undefined, 'no end within its time'])
      if (signal !== null && signal !== undefined) child.kill('SIGKILL')
      if (code !== 0) return `ended with ${signal ?? code} after SIGTERM: ${errors}`
      const { stillRunning } = (drained ?? {}) as { stillRunning?: unknown[] }
      return stillRunning?.length === 0 ? undefined : `drained with ${JSON.stringify(stillRunning)} still running`
    },
  }
}

import { type ChildProcess, spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import type { StartMerchant } from '../adapters/fixture.ts'

/** A host for merchants, on another runtime in a process of its own. */
export interface Launched {
  /** Its `navigator.userAgent`. */
  readonly userAgent: string
  readonly startMerchant: StartMerchant
  readonly stop: () => void
}

/**
 * Launches a host, and waits until it prints where it listens, in the format of `workerd --control-fd`. A host that does
 * not listen in time is launched once more: Deno 2.9 can block on a lock of its own while it loads modules.
 */
export async function launch(command: readonly string[], timeoutMs = 60_000): Promise<Launched> {
  const host = (await startHost(command, timeoutMs)) ?? (await startHost(command, timeoutMs))
  if (host === undefined) throw new Error(`${command[0]} was launched twice, and did not listen within ${timeoutMs} ms`)
  const { child, ports } = host
  const post = async <Result>(body: string) => {
    const response = await fetch(`http://127.0.0.1:${ports['host']}/`, { method: 'POST', body })
    if (!response.ok) throw new Error(await response.text())
    return (await response.json()) as Result
  }
  const { userAgent } = await post<{ userAgent: string }>('')
  return {
    userAgent,
    async startMerchant(merchant) {
      const { port } = await post<{ port: number }>(JSON.stringify(merchant))
      // The host closes a merchant when it starts the next one.
      return { port: port || (ports['merchant'] ?? 0), recorded: () => post(''), close: async () => {} }
    },
    stop: () => void child.kill('SIGKILL'),
  }
}

interface Host {
  readonly child: ChildProcess
  /** By the name of the socket: `host`, and `merchant` on workerd. */
  readonly ports: Readonly<Record<string, number>>
}

/** Resolves to undefined when the host does not listen in time. */
async function startHost([binary = '', ...args]: readonly string[], timeoutMs: number): Promise<Host | undefined> {
  const child = spawn(binary, args, { stdio: ['ignore', 'pipe', 'inherit'] })
  const ports: Record<string, number> = {}
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => {
      resolve(undefined)
      child.kill('SIGKILL')
    }, timeoutMs)
    child.once('error', (error) => {
      clearTimeout(timer)
      reject(error)
    })
    child.once('exit', (code) => {
      clearTimeout(timer)
      reject(new Error(`${binary} has ended with ${code}`))
    })
    createInterface(child.stdout).on('line', (line) => {
      // Frameworks print log lines too.
      if (!line.startsWith('{"')) return
      const { socket, port } = JSON.parse(line) as { socket: string; port: number }
      ports[socket] = port
      if (socket !== 'host') return
      clearTimeout(timer)
      resolve({ child, ports })
    })
  })
}

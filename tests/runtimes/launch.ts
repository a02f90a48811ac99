import { type ChildProcess, spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import type { Merchant, Mount } from '../adapters/suite.ts'

/** Another runtime, in a process of its own. */
export interface Launched {
  /** What it calls itself. */
  readonly name: string
  readonly start: (mount: Mount) => Promise<Merchant>
  readonly end: () => void
}

/**
 * Launches a host, and waits until it has told on its standard output where it listens, as `workerd --control-fd` does.
 * One that never does is ended and launched once more: Deno 2.9 has waited for a lock of its own while it loaded modules.
 */
export async function launch(command: readonly string[], withinMs = 60_000): Promise<Launched> {
  const host = (await listening(command, withinMs)) ?? (await listening(command, withinMs))
  if (host === undefined) throw new Error(`${command[0]} was launched twice, and did not listen within ${withinMs} ms`)
  const { child, ports } = host
  const ask = async <Answer>(body: string) => {
    const answer = await fetch(`http://127.0.0.1:${ports['host']}/`, { method: 'POST', body })
    if (!answer.ok) throw new Error(await answer.text())
    return (await answer.json()) as Answer
  }
  const { runtime } = await ask<{ runtime: string }>('')
  return {
    name: runtime,
    async start({ serve: _, ...command }) {
      const { port } = await ask<{ port: number }>(JSON.stringify(command))
      // The host ends the merchant when the next one is started.
      return { port: port || (ports['merchant'] ?? 0), seen: () => ask(''), close: async () => {} }
    },
    end: () => void child.kill('SIGKILL'),
  }
}

interface Host {
  readonly child: ChildProcess
  /** By what listens there. */
  readonly ports: Readonly<Record<string, number>>
}

/** Nothing, when it has not told in time. */
async function listening([binary = '', ...args]: readonly string[], withinMs: number): Promise<Host | undefined> {
  const child = spawn(binary, args, { stdio: ['ignore', 'pipe', 'inherit'] })
  const ports: Record<string, number> = {}
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => {
      resolve(undefined)
      child.kill('SIGKILL')
    }, withinMs)
    child.once('error', (error) => {
      clearTimeout(timer)
      reject(error)
    })
    child.once('exit', (code) => {
      clearTimeout(timer)
      reject(new Error(`${binary} has ended with ${code}`))
    })
    createInterface(child.stdout).on('line', (line) => {
      // What a framework logs is no news.
      if (!line.startsWith('{"')) return
      const { socket, port } = JSON.parse(line) as { socket: string; port: number }
      ports[socket] = port
      if (socket !== 'host') return
      clearTimeout(timer)
      resolve({ child, ports })
    })
  })
}

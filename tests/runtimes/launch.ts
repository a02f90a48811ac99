import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import type { Merchant, Mount } from '../adapters/suite.ts'

/** Another runtime, in a process of its own. */
export interface Launched {
  /** What it calls itself. */
  readonly name: string
  readonly start: (mount: Mount) => Promise<Merchant>
  readonly end: () => void
}

/** Launches a host, and waits until it has told on its standard output where it listens, as `workerd --control-fd` does. */
export async function launch(command: readonly string[]): Promise<Launched> {
  const [binary = '', ...args] = command
  const child = spawn(binary, args, { stdio: ['ignore', 'pipe', 'inherit'] })
  const ports: Record<string, number> = {}
  const listening = new Promise<void>((resolve, reject) => {
    child.once('error', reject)
    child.once('exit', (code) => reject(new Error(`${binary} has ended with ${code}`)))
    createInterface(child.stdout).on('line', (line) => {
      // What a framework logs is no news.
      if (!line.startsWith('{"')) return
      const { socket, port } = JSON.parse(line) as { socket: string; port: number }
      ports[socket] = port
      if (socket === 'host') resolve()
    })
  })
  await listening
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

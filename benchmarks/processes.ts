import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { availableParallelism } from 'node:os'
import process from 'node:process'
import { fileURLToPath } from 'node:url'

/** A process that answers each message with one of its own. */
export interface Worker {
  readonly ask: <Answer>(message: unknown) => Promise<Answer>
  readonly end: () => void
}

const running = new Set<ChildProcess>()
process.on('exit', () => {
  for (const child of running) child.kill()
})

/** As docs/performance.md advises: signatures at work at once, as many as there are cores. */
const ADVISED = { UV_THREADPOOL_SIZE: String(availableParallelism()) }

/**
 * A process pauses while the others have their turns. V8 may then throw away code that it takes for old, and the same work
 * takes half as long again, for a minute, in whichever process it happens.
 */
const KEEPS_CODE = ['--no-flush-bytecode']

/** Starts a file of this folder, as it was bundled, in a process of its own. */
export function startWorker(
  name: string,
  { execArgv = [], env = {} }: { execArgv?: string[]; env?: Readonly<Record<string, string>> } = {},
): Worker {
  const child = fork(fileURLToPath(new URL(`./${name}.js`, import.meta.url)), {
    serialization: 'advanced',
    execArgv: [...KEEPS_CODE, ...execArgv],
    env: { ...process.env, ...ADVISED, ...env },
  })
  running.add(child)
  const died = once(child, 'exit').then(([code]) => {
    throw new Error(`${name} has ended with ${code}`)
  })
  died.catch(() => {})
  return {
    async ask<Answer>(message: unknown) {
      const answered = once(child, 'message')
      child.send(message as object)
      const [answer] = await Promise.race([answered, died])
      return answer as Answer
    },
    end() {
      running.delete(child)
      child.kill()
    },
  }
}

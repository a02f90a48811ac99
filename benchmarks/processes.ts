import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { availableParallelism } from 'node:os'
import process from 'node:process'
import { fileURLToPath } from 'node:url'

/** A child process that sends one message back for each message that it receives. */
export interface Worker {
  /** Sends a message and resolves to the message that the worker sends back. */
  readonly call: <Result>(message: unknown) => Promise<Result>
  readonly stop: () => void
}

const children = new Set<ChildProcess>()
process.on('exit', () => {
  for (const child of children) child.kill()
})

/** As docs/performance.md recommends: as many concurrent signatures as cores. */
const THREAD_POOL = { UV_THREADPOOL_SIZE: String(availableParallelism()) }

/**
 * A process waits while the others have their turns. V8 may then discard compiled code that it has not used for a while.
 * The same work takes 1.5 times as long afterwards, for up to a minute.
 */
const KEEP_BYTECODE = ['--no-flush-bytecode']

/** Starts a file of this folder, as it was bundled, in a process of its own. */
export function startWorker(
  name: string,
  { execArgv = [], env = {} }: { execArgv?: string[]; env?: Readonly<Record<string, string>> } = {},
): Worker {
  const child = fork(fileURLToPath(new URL(`./${name}.js`, import.meta.url)), {
    serialization: 'advanced',
    execArgv: [...KEEP_BYTECODE, ...execArgv],
    env: { ...process.env, ...THREAD_POOL, ...env },
  })
  children.add(child)
  const crashed = once(child, 'exit').then(([code]) => {
    throw new Error(`${name} exited with code ${code}`)
  })
  crashed.catch(() => {})
  return {
    async call<Result>(message: unknown) {
      const received = once(child, 'message')
      child.send(message as object)
      const [result] = await Promise.race([received, crashed])
      return result as Result
    },
    stop() {
      children.delete(child)
      child.kill()
    },
  }
}

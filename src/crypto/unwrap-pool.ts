import { availableParallelism } from 'node:os'
import { hasModulusLength, type UnwrapJob, unwrap } from './unwrap.ts'

interface Pool {
  run(job: UnwrapJob): Promise<Uint8Array>
  on(event: 'error', listener: () => void): unknown
  readonly threads: readonly { terminate(): Promise<unknown> }[]
}

let started = false
let pool: Pool | undefined
/** Ends the wait for each job that the threads have. */
const waiting = new Set<() => void>()

/**
 * Resolves to the AES key, or to the substitute. A worker thread decrypts if the machine has spare cores. The first
 * job starts the threads and does not wait for them. If threads cannot start (another runtime, a bundle without the
 * worker's file), this thread decrypts.
 */
export async function unwrapOnPool(job: UnwrapJob): Promise<Uint8Array> {
  if (!hasModulusLength(job)) return job.substitute
  if (!started) void start(job)
  if (pool === undefined) return unwrap(job)
  try {
    return await runOn(pool, job)
  } catch {
    return unwrap(job)
  }
}

/** Rejects when the threads cannot run the job, even if it waits for a thread that never starts. */
function runOn(threads: Pool, job: UnwrapJob): Promise<Uint8Array> {
  return new Promise((resolve, reject) => {
    waiting.add(reject)
    threads
      .run(job)
      .then(resolve, reject)
      .finally(() => waiting.delete(reject))
  })
}

async function start(job: UnwrapJob): Promise<void> {
  started = true
  try {
    const threads = threadCount()
    if (threads === 0) return
    // Loaded on first use: most merchants never decrypt.
    const { Tinypool } = await import('tinypool')
    const filename = new URL('./unwrap-worker.js', import.meta.url).href
    const made: Pool = new Tinypool({ filename, minThreads: threads, maxThreads: threads })
    // An idle worker that crashes emits 'error'; without a listener that ends the process. If no other worker replaces it, for example
    // because a deployment has replaced the files, jobs would wait forever: this thread decrypts from then on.
    made.on('error', () => {
      if (made.threads.length >= threads) return
      pool = undefined
      for (const stop of waiting) stop()
    })
    try {
      await runOn(made, job)
      pool = made
    } catch {
      // Not destroy(): when another thread fails at the same time, destroy() throws an error that cannot be caught.
      await Promise.all(made.threads.map((thread) => thread.terminate()))
    }
  } catch {
    // No threads: the module is missing, or Deno does not permit reading the environment.
  }
}

/** The event loop uses one core, and signing another. A thread without a free core makes everything slower. */
function threadCount(): number {
  const cores = availableParallelism()
  const wanted = process.env['ORDER_SYNC_DECRYPT_THREADS'] ?? ''
  return /^\d+$/.test(wanted) ? Math.min(Number(wanted), cores) : Math.min(4, Math.max(0, cores - 2))
}

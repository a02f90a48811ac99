import { availableParallelism } from 'node:os'
import { hasModulusLength, type UnwrapJob, unwrap } from './unwrap.ts'

interface Pool {
  run(job: UnwrapJob): Promise<Uint8Array>
  on(event: 'error', listener: () => void): unknown
  readonly threads: readonly { terminate(): Promise<unknown> }[]
}

let started = false
let pool: Pool | undefined

/**
 * The AES key, or the substitute: from a worker thread where the machine has cores to spare, else done here. The first
 * job starts the threads, and does not wait for them. Where there can be none (another runtime, a bundle that left the
 * worker's file behind), all is done here.
 */
export async function unwrapOnPool(job: UnwrapJob): Promise<Uint8Array> {
  if (!hasModulusLength(job)) return job.substitute
  if (!started) void start(job)
  if (pool === undefined) return unwrap(job)
  try {
    return await pool.run(job)
  } catch {
    return unwrap(job)
  }
}

async function start(job: UnwrapJob): Promise<void> {
  started = true
  try {
    const threads = threadCount()
    if (threads === 0) return
    // Loaded here: most merchants never decrypt.
    const { Tinypool } = await import('tinypool')
    const filename = new URL('./unwrap-worker.js', import.meta.url).href
    const made: Pool = new Tinypool({ filename, minThreads: threads, maxThreads: threads })
    // Of a thread that fails with nothing to do: unheard, it would end the process.
    made.on('error', () => {})
    try {
      await made.run(job)
      pool = made
    } catch {
      // Not destroy(): when another thread fails meanwhile, it throws where nobody can catch it.
      await Promise.all(made.threads.map((thread) => thread.terminate()))
    }
  } catch {
    // No threads here: no such module, or, on Deno, no leave to read the environment.
  }
}

/** The event loop fills a core, and signing another: where these are all, a thread more makes everything slower. */
function threadCount(): number {
  const cores = availableParallelism()
  const wanted = process.env['ORDER_SYNC_DECRYPT_THREADS'] ?? ''
  return /^\d+$/.test(wanted) ? Math.min(Number(wanted), cores) : Math.min(4, Math.max(0, cores - 2))
}

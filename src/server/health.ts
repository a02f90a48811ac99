import { IN_CAUSE, toOwnSideError } from './failures.ts'
import type { StoreHealth } from './http.ts'

/** Replaces {@link IN_CAUSE}: a check emits no event that has the error. */
const CALL_IT = 'Call it yourself to see the error. It is not printed, because it may contain customer data.'

/** Checks whether a store works. Never rejects. Concurrent calls share one check, so that a flood of health checks calls the store once. */
export function createStoreCheck(ping: () => Promise<void>): () => Promise<StoreHealth> {
  let running: Promise<StoreHealth> | undefined
  return () => {
    running ??= check(ping).finally(() => {
      running = undefined
    })
    return running
  }
}

async function check(ping: () => Promise<void>): Promise<StoreHealth> {
  const startedAt = performance.now()
  const latencyMs = () => performance.now() - startedAt
  try {
    await ping()
    return { reachable: true, migrated: true, latencyMs: latencyMs() }
  } catch (error) {
    const { code, message } = toOwnSideError(error)
    // The database is reachable, but its tables are missing.
    const reachable = code === 'ERR_STORE_NOT_MIGRATED'
    return { reachable, migrated: false, latencyMs: latencyMs(), code, message: message.replace(IN_CAUSE, CALL_IT) }
  }
}

import { toOwnSideError } from './failures.ts'
import type { StoreHealth } from './http.ts'

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
    return { reachable: code === 'ERR_STORE_NOT_MIGRATED', migrated: false, latencyMs: latencyMs(), code, message }
  }
}

import { toOwnSideError } from './failures.ts'
import type { StoreHealth } from './http.ts'

/** Asks a store whether it can work. Never rejects. Calls at the same time share one question: a flood of checks asks once. */
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
    // The database has answered that its tables are missing.
    return { reachable: code === 'ERR_STORE_NOT_MIGRATED', migrated: false, latencyMs: latencyMs(), code, message }
  }
}

import { ConfigurationError } from '../errors.ts'

/** Another session held a lock for longer than the procedures wait. */
export function isLockWaitTimeout(error: unknown): boolean {
  return numberOfError(error) === 1205
}

/**
 * A deadlock, or a row that changed since the transaction began to read (MariaDB with `innodb_snapshot_isolation`). The next attempt
 * succeeds.
 */
export function isDeadlock(error: unknown): boolean {
  return [1213, 1020].includes(numberOfError(error))
}

/** The procedure has rolled back, and its session is as it was before. After any other error, that is not known. */
export function isRolledBack(error: unknown): boolean {
  return isDeadlock(error) || isLockWaitTimeout(error)
}

/** Unknown procedure, table, column or database, no database, wrong number of arguments. */
const NOT_MIGRATED = new Set([1305, 1146, 1054, 1049, 1046, 1318])

/** Whether an error says that a database does not exist. */
export function isUnknownDatabase(error: unknown): boolean {
  return numberOfError(error) === 1049
}

/** Whether an error says that tables or procedures are missing. */
export function isNotMigrated(error: unknown): boolean {
  return NOT_MIGRATED.has(numberOfError(error))
}

/** The error to throw for an error of the driver. */
export function explain(error: unknown, database: string | undefined): unknown {
  return isNotMigrated(error) ? notMigrated(database, error) : error
}

/** Tables or procedures are missing, or of an earlier release. */
export function notMigrated(database: string | undefined, cause?: unknown): ConfigurationError {
  const call = database === undefined ? 'migrateMysql(pool)' : `migrateMysql(pool, { database: '${database}' })`
  return new ConfigurationError(
    'ERR_STORE_NOT_MIGRATED',
    'The tables or procedures of the store are missing in the database or outdated: ' +
      `run ${call} first. If you have, check the database of the connection.`,
    cause === undefined ? undefined : { cause },
  )
}

function numberOfError(error: unknown): number {
  return Number((error as { errno?: unknown } | null)?.errno)
}

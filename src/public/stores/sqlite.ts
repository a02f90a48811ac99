/**
 * A durable store in one SQLite file, for one machine and any number of processes.
 *
 * @packageDocumentation
 */
export {
  forgetExpired,
  type SqliteDatabase,
  type SqliteDriver,
  type SqliteStore,
  type SqliteStoreOptions,
  sqliteStore,
} from '../../stores/sqlite.ts'

/**
 * A durable store in one SQLite file, for one machine and any number of processes.
 *
 * @packageDocumentation
 */

export { type SqliteOutboxStore, type SqliteOutboxStoreOptions, sqliteOutboxStore } from '../../stores/outbox-sqlite.ts'
export {
  forgetExpired,
  type SqliteDatabase,
  type SqliteDriver,
  type SqliteStore,
  type SqliteStoreOptions,
  sqliteStore,
} from '../../stores/sqlite.ts'

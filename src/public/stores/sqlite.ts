/**
 * A durable store in one SQLite file, for one machine and any number of processes.
 *
 * @packageDocumentation
 */
export { type SqliteDatabase, type SqliteStore, type SqliteStoreOptions, sqliteStore } from '../../stores/sqlite.ts'

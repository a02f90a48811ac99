/**
 * A durable store in PostgreSQL, for any number of machines. It uses your `pg` pool.
 *
 * @packageDocumentation
 */

export {
  type PostgresExecutor,
  type PostgresOutboxStoreOptions,
  postgresOutboxStore,
} from '../../stores/outbox-postgres.ts'
export { migratePostgresOutbox } from '../../stores/outbox-postgres-migration.ts'
export {
  type ClientOf,
  forgetExpired,
  migratePostgres,
  POSTGRES_MIGRATIONS,
  POSTGRES_SCHEMA_VERSION,
  type PostgresClient,
  type PostgresPool,
  type PostgresSchemaOptions,
  type PostgresStoreOptions,
  postgresStore,
  transactionalPostgresStore,
} from '../../stores/postgres.ts'

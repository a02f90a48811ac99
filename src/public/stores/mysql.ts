/**
 * A durable store in MySQL or MariaDB, for any number of machines. It uses your `mysql2` pool.
 *
 * @packageDocumentation
 */
export { forgetExpired, type MysqlStoreOptions, mysqlStore, transactionalMysqlStore } from '../../stores/mysql.ts'
export type { MysqlDatabaseOptions } from '../../stores/mysql-database.ts'
export { migrateMysql } from '../../stores/mysql-migration.ts'
export type { ConnectionOf, MysqlConnection, MysqlPool, MysqlQuery } from '../../stores/mysql-pool.ts'
export { MYSQL_MIGRATIONS, MYSQL_SCHEMA_VERSION, MYSQL_SQL_MODE } from '../../stores/mysql-schema.ts'
export {
  type MysqlExecutor,
  type MysqlOutboxStoreOptions,
  mysqlOutboxStore,
} from '../../stores/outbox-mysql.ts'
export { migrateMysqlOutbox } from '../../stores/outbox-mysql-migration.ts'

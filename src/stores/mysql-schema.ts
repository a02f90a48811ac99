import { PROCEDURES_1, type Procedure } from './mysql-procedures.ts'

/** The schema version that this release needs. */
export const MYSQL_SCHEMA_VERSION = 1

/**
 * The schema of {@link mysqlStore} as SQL: a list of statements for each version. Run each statement once, in order, as one
 * query: a procedure contains semicolons. `migrateMysql` does that. To run the migrations with your own tool, copy these
 * texts, and set the session variable `sql_mode` to {@link MYSQL_SQL_MODE} before: a procedure keeps the mode in which it was
 * created. Tables and procedures are created in the database of the connection.
 */
export const MYSQL_MIGRATIONS: readonly (readonly string[])[] = migrationsFor('')

/** The `sql_mode` in which the procedures must be created: a value that does not fit its column is an error. */
export const MYSQL_SQL_MODE = 'STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION'

/**
 * The migrations for one database. A migration that has run somewhere must never change. MySQL commits after each statement
 * that changes the schema. So every statement can run again after a crash, and the version is written last.
 *
 * A later version adds procedures with new names and keeps these: processes of the earlier release still call them.
 *
 * @param prefix The quoted database and a dot, or nothing for the database of the connection.
 */
export function migrationsFor(prefix: string): readonly (readonly string[])[] {
  return [createSchema(prefix)]
}

function createSchema(prefix: string): readonly string[] {
  return [
    // Keys are bytes: every text collation that MySQL and MariaDB share ignores spaces at the end.
    `CREATE TABLE IF NOT EXISTS ${prefix}order_sync_orders (
  order_key         VARBINARY(64) NOT NULL PRIMARY KEY,
  token             BIGINT NOT NULL,
  leased_at         BIGINT NULL,
  lease_until       BIGINT NULL,
  last_modify_time  BIGINT NULL,
  last_processed_at BIGINT NULL,
  last_response     TEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NULL,
  last_content      VARBINARY(64) NULL,
  CHECK ((last_modify_time IS NULL) = (last_processed_at IS NULL) AND (last_modify_time IS NULL) = (last_response IS NULL))
) ENGINE = InnoDB`,
    `CREATE TABLE IF NOT EXISTS ${prefix}order_sync_requests (
  request_key VARBINARY(64) NOT NULL PRIMARY KEY,
  digest      VARBINARY(64) NOT NULL,
  response    TEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NULL,
  expires_at  BIGINT NOT NULL,
  order_key   VARBINARY(64) NULL,
  KEY order_sync_requests_expiry (expires_at),
  KEY order_sync_requests_order (order_key)
) ENGINE = InnoDB`,
    `CREATE TABLE IF NOT EXISTS ${prefix}order_sync_schema (
  id      INT NOT NULL PRIMARY KEY,
  version INT NOT NULL
) ENGINE = InnoDB`,
    ...PROCEDURES_1.flatMap((procedure) => createProcedure(prefix, procedure)),
    `INSERT INTO ${prefix}order_sync_schema (id, version) VALUES (1, 1) ON DUPLICATE KEY UPDATE version = 1`,
  ]
}

/** `CREATE OR REPLACE` exists in MariaDB only. */
function createProcedure(prefix: string, { name, parameters, body }: Procedure): readonly string[] {
  return [
    `DROP PROCEDURE IF EXISTS ${prefix}${name}`,
    `CREATE PROCEDURE ${prefix}${name}(${parameters})\nSQL SECURITY INVOKER\n${body}`,
  ]
}

import { resolveOptions } from '../option-rules.ts'
import { BEGIN } from './outbox-postgres.ts'
import { assertPool, inTransaction, listenToPool, type PostgresClient, type PostgresPool } from './postgres-pool.ts'
import { createSchema, prefixOf, SCHEMA_RULE } from './postgres-schema-name.ts'

/** The schema version that this release needs. */
const VERSION = 1

/**
 * Creates the tables of the outbox. Several processes may run it at once, and it may run again.
 *
 * @throws Error when the database was migrated by a later release
 * @see docs/protocol.md section 6.2
 * @example
 * ```ts
 * import { migratePostgresOutbox } from 'alipayhk-order-sync/stores/postgres'
 * import { Pool } from 'pg'
 *
 * const pool = new Pool()
 * pool.on('error', (error) => console.error('an idle connection broke; the pool opens a new one', error))
 * await migratePostgresOutbox(pool)
 * ```
 */
export async function migratePostgresOutbox(
  pool: PostgresPool,
  options: { readonly schema?: string | undefined } = {},
): Promise<void> {
  assertPool(pool, 'pool')
  const { schema } = resolveOptions('migratePostgresOutbox', { schema: SCHEMA_RULE }, options)
  listenToPool('migratePostgresOutbox', pool)
  const prefix = prefixOf(schema)
  await inTransaction(pool, {
    begin: BEGIN,
    async work(client) {
      // An arbitrary number. Every release must lock the same one.
      await client.query('SELECT pg_advisory_xact_lock(7046029254386353132)')
      if (schema !== undefined) await createSchema(client, schema)
      const version = await schemaVersion(client, `${prefix}order_sync_outbox_schema`)
      if (version > VERSION) throw new Error('The outbox was migrated by a later release of alipayhk-order-sync')
      if (version === 0) await client.query(tablesOf(prefix))
      return { commit: true, value: undefined }
    },
  })
}

/** Only reads: the role of the application may have no right to create a table, even if the table exists. */
async function schemaVersion(client: PostgresClient, table: string): Promise<number> {
  const { rows: found } = await client.query('SELECT to_regclass($1) IS NOT NULL AS found', [table])
  if ((found[0] as { found?: unknown } | undefined)?.found !== true) return 0
  const { rows } = await client.query(`SELECT version FROM ${table}`)
  return Number((rows[0] as { version?: unknown } | undefined)?.version ?? 0)
}

function tablesOf(prefix: string): string {
  return `
CREATE TABLE ${prefix}order_sync_outbox_schema (version integer NOT NULL);
CREATE TABLE ${prefix}order_sync_outbox (
  id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  -- In the order of the bytes, as the worker sorts keys: locks taken in two orders would be a deadlock.
  order_key   text COLLATE "C" NOT NULL,
  event_time  bigint NOT NULL,
  request_id  text NOT NULL,
  payload     text NOT NULL,
  -- 1 waiting, 2 sent, 3 failed, 4 skipped, 5 stale
  state       smallint NOT NULL,
  attempts    integer NOT NULL,
  -- Times are milliseconds since the epoch.
  due_at      bigint NOT NULL,
  created_at  bigint NOT NULL,
  expires_at  bigint NOT NULL,
  finished_at bigint,
  code        text,
  UNIQUE (request_id, order_key, event_time)
);
CREATE INDEX order_sync_outbox_waiting ON ${prefix}order_sync_outbox (order_key, event_time, id) WHERE state = 1;
CREATE INDEX order_sync_outbox_failed ON ${prefix}order_sync_outbox (id) WHERE state = 3;
CREATE INDEX order_sync_outbox_ended ON ${prefix}order_sync_outbox (finished_at) WHERE state IN (2, 4, 5);
-- Each order: its lease, and what was sent last.
CREATE TABLE ${prefix}order_sync_outbox_orders (
  order_key text COLLATE "C" PRIMARY KEY,
  -- When the order may be claimed: its next event is due, or its lease is over. NULL: nothing waits.
  due_at    bigint,
  leased    smallint NOT NULL,
  token     bigint NOT NULL,
  sent_time bigint
);
CREATE INDEX order_sync_outbox_due ON ${prefix}order_sync_outbox_orders (due_at) WHERE due_at IS NOT NULL;
-- Orders with new events that no worker has seen yet.
CREATE TABLE ${prefix}order_sync_outbox_changes (
  id        bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  order_key text COLLATE "C" NOT NULL
);
INSERT INTO ${prefix}order_sync_outbox_schema (version) VALUES (${VERSION});
`
}

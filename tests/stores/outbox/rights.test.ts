import { randomUUID } from 'node:crypto'
import { createPool } from 'mysql2/promise'
import { Pool } from 'pg'
import { describe, expect, inject, onTestFinished, test } from 'vitest'
import type { OrderInput, SyncResult } from '../../../src/public/index.ts'
import { createOutbox, type OutboxStore } from '../../../src/public/outbox.ts'
import { createTestOrder } from '../../../src/public/testing.ts'
import { mysqlOutboxStore } from '../../../src/stores/outbox-mysql.ts'
import { migrateMysqlOutbox } from '../../../src/stores/outbox-mysql-migration.ts'
import { postgresOutboxStore } from '../../../src/stores/outbox-postgres.ts'
import { migratePostgresOutbox } from '../../../src/stores/outbox-postgres-migration.ts'
import { openOutbox } from '../../support/outbox.ts'
import { makePlace } from '../../support/stores.ts'

const postgresUrl = inject('postgresUrl')
const mysqlUrl = inject('mysqlUrl')

/** Calls every method of an outbox: an event fails, is tried again, and is sent. */
async function useEverything(store: OutboxStore): Promise<void> {
  let isDown = true
  const client = {
    async syncOrder({ requestId = '' }: OrderInput): Promise<SyncResult> {
      if (isDown) throw new Error('down')
      const response = { result: { resultCode: 'SUCCESS', resultStatus: 'S' } } as const
      return { orderId: 'A', requestId, attempts: 1, tracerId: undefined, response }
    },
  }
  const outbox = createOutbox({
    store,
    client,
    maxRetryMs: 1,
    baseDelayMs: 2,
    random: () => 0.999,
    keepSentMs: 0,
    onEvent: () => {},
  })
  const order = createTestOrder({ merchantBizNo: 'A' })
  await outbox.enqueueAll([order, { ...order, requestId: '1', orderModifyTime: Number(order.orderModifyTime) + 1 }])
  expect(await outbox.drain()).toMatchObject({ failed: 1, dropped: 1 })
  const [failure] = await outbox.failed()
  isDown = false
  expect(await outbox.retry(failure?.id ?? '')).toBe(true)
  expect(await outbox.drain()).toMatchObject({ sent: 1 })
  expect(await outbox.discard(failure?.id ?? '')).toBe(false)
  expect(await outbox.prune()).toBe(0)
  expect(await outbox.stats()).toMatchObject({ waiting: 0, failed: 0 })
  expect(await outbox.health()).toMatchObject({ ok: true })
}

describe('with only the documented rights, an application can use an outbox that is up to date, and migrate it:', () => {
  test.runIf(postgresUrl)('PostgreSQL', async () => {
    const { place, remove } = await makePlace('postgres', postgresUrl ?? '')
    const { rows, close } = await openOutbox(place)
    const [, connectionString = '', schema = ''] = place.split(' ')
    const role = `app_${schema}`
    await rows(`
      CREATE ROLE ${role};
      GRANT USAGE ON SCHEMA ${schema} TO ${role};
      GRANT SELECT ON ${schema}.order_sync_outbox_schema TO ${role};
      GRANT SELECT, INSERT, UPDATE ON ${schema}.order_sync_outbox_orders TO ${role};
      GRANT SELECT, INSERT, UPDATE, DELETE ON ${schema}.order_sync_outbox, ${schema}.order_sync_outbox_changes TO ${role}`)
    const pool = new Pool({ connectionString, options: `-c role=${role}` })
    onTestFinished(async () => {
      await pool.end()
      await rows(`DROP OWNED BY ${role}; DROP ROLE ${role}`)
      await close()
      await remove()
    })
    await migratePostgresOutbox(pool, { schema })
    await useEverything(postgresOutboxStore({ pool, schema }))
    await expect(pool.query(`DELETE FROM ${schema}.order_sync_outbox_orders`)).rejects.toMatchObject({ code: '42501' })
  })

  test.runIf(mysqlUrl)('MySQL', async () => {
    const { place, remove } = await makePlace('mysql', mysqlUrl ?? '')
    const { rows, close } = await openOutbox(place)
    const [, url = '', database = ''] = place.split(' ')
    const user = `app_${randomUUID().replaceAll('-', '').slice(0, 16)}`
    const rights = [
      'SELECT ON order_sync_outbox_schema',
      'SELECT, INSERT, UPDATE ON order_sync_outbox_orders',
      'SELECT, INSERT, UPDATE, DELETE ON order_sync_outbox',
      'SELECT, INSERT, UPDATE, DELETE ON order_sync_outbox_changes',
    ]
    await rows(`CREATE USER ${user} IDENTIFIED BY 'S3CRET'`)
    for (const right of rights) await rows(`GRANT ${right} TO ${user}`)
    const pool = createPool({ uri: url, user, password: 'S3CRET', database: 'information_schema' })
    onTestFinished(async () => {
      await pool.end()
      await rows(`DROP USER ${user}`)
      await close()
      await remove()
    })
    await migrateMysqlOutbox(pool, { database })
    await useEverything(mysqlOutboxStore({ pool, database }))
    await expect(pool.query(`DELETE FROM ${database}.order_sync_outbox_orders`)).rejects.toMatchObject({
      code: 'ER_TABLEACCESS_DENIED_ERROR',
    })
  })
})

import { randomUUID } from 'node:crypto'
import { Pool } from 'pg'
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest'
import { createOutbox } from '../../src/public/outbox.ts'
import { createTestOrder } from '../../src/public/testing.ts'
import { postgresOutboxStore } from '../../src/stores/outbox-postgres.ts'
import { migratePostgresOutbox } from '../../src/stores/outbox-postgres-migration.ts'
import { migratePostgres, postgresStore, transactionalPostgresStore } from '../../src/stores/postgres.ts'
import { storeCases } from '../../src/testing/store-cases.ts'
import { startPgBouncer } from '../support/services.ts'

const postgresUrl = inject('postgresUrl')
const pgBouncer = postgresUrl === undefined ? undefined : await startPgBouncer(postgresUrl)
if (pgBouncer === undefined) console.warn('PgBouncer is not installed; its tests are skipped')

/** In transaction mode, each transaction may run on another connection to the server. */
describe.skipIf(pgBouncer === undefined)('PgBouncer in transaction mode', () => {
  const schema = `order_sync_${randomUUID().replaceAll('-', '')}`
  const pool = new Pool({ connectionString: pgBouncer?.url, max: 20 })

  beforeAll(async () => {
    await migratePostgres(pool, { schema })
    await migratePostgresOutbox(pool, { schema })
  })
  afterAll(async () => {
    await pool.query(`DROP SCHEMA ${schema} CASCADE`)
    await pool.end()
    pgBouncer?.stop()
  })

  describe('postgresStore', () => {
    test.each(storeCases)('$name', ({ run }) => run({ createStore: () => postgresStore({ pool, schema }) }))
  })

  describe('transactionalPostgresStore', () => {
    test.each(storeCases)('$name', ({ run }) =>
      run({ createStore: () => transactionalPostgresStore({ pool, schema }) }),
    )
  })

  test.for([true, false])('the outbox with notify: %s sends each order once, the newest event last', async (notify) => {
    const arrived = new Map<string, number[]>()
    const stop = new AbortController()
    const orders = Array.from({ length: 30 }, (_, no) => `${notify}-${no}`)
    const modified = Date.now() - 60_000
    const outbox = createOutbox({
      store: postgresOutboxStore({ pool, schema, notify }),
      pollMs: 20,
      client: {
        async syncOrder({ merchantBizNo, orderModifyTime, requestId = '' }) {
          const times = arrived.get(merchantBizNo) ?? []
          arrived.set(merchantBizNo, [...times, Number(orderModifyTime)])
          if (orders.every((no) => arrived.get(no)?.at(-1) === modified + 4)) stop.abort()
          const result = { resultCode: 'SUCCESS', resultStatus: 'S' } as const
          return { orderId: 'A', requestId, attempts: 1, tracerId: undefined, response: { result } }
        },
      },
    })
    const workers = [outbox.run({ signal: stop.signal }), outbox.run({ signal: stop.signal })]
    for (let version = 0; version < 5; version++) {
      await Promise.all(
        orders.map(async (merchantBizNo) => {
          const transaction = await pool.connect()
          try {
            await transaction.query('BEGIN')
            const times = { orderCreateTime: modified, orderModifyTime: modified + version }
            await outbox.enqueue(createTestOrder({ merchantBizNo, ...times }), { transaction })
            await transaction.query('COMMIT')
          } finally {
            transaction.release()
          }
        }),
      )
    }
    await Promise.all(workers)
    for (const no of orders) expect(arrived.get(no)).toEqual(arrived.get(no)?.toSorted((a, b) => a - b))
    expect(await outbox.stats()).toMatchObject({ waiting: 0, failed: 0 })
  })
})

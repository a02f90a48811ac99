import process from 'node:process'
import { setTimeout as sleep } from 'node:timers/promises'
import { Pool } from 'pg'
import { describe, expect, inject, onTestFinished, test, vi } from 'vitest'
import { migratePostgres, postgresStore, transactionalPostgresStore } from '../../src/stores/postgres.ts'
import type { PostgresClient, PostgresPool } from '../../src/stores/postgres-pool.ts'
import type { OrderSyncStore } from '../../src/stores/store.ts'
import { isRunning, run } from '../support/processes.ts'
import { makePlace } from '../support/stores.ts'

const url = inject('postgresUrl')

const delivery = {
  orderKey: 'order',
  requestKey: 'request',
  digest: 'digest',
  contentDigest: 'content',
  orderModifyTime: 1,
}
const another = { ...delivery, requestKey: 'another' }
const completion = { storedResponse: 'response', processed: true }
const claimOptions = { leaseMs: 1_000, compareModifyTimeWith: 'orderModifyTime' } as const

async function newPool(max = 10): Promise<Pool> {
  const { place, remove } = await makePlace('postgres', url ?? '')
  onTestFinished(remove)
  const pool = new Pool({ connectionString: url, options: `-c search_path=${place.split(' ')[2]}`, max })
  pool.on('error', () => undefined)
  onTestFinished(() => pool.end())
  await migratePostgres(pool)
  return pool
}

async function claim(store: Pick<OrderSyncStore, 'claim'>): Promise<number> {
  const claimed = await store.claim(delivery, claimOptions)
  if (claimed.decision !== 'process') throw new Error(claimed.decision)
  return claimed.token
}

/** A pool whose clients run `before` ahead of COMMIT. */
function poolWithCommit(pool: Pool, before: (client: PostgresClient) => Promise<unknown>): PostgresPool {
  return {
    query: (text, values) => pool.query(text, values),
    async connect() {
      const client: PostgresClient = await pool.connect()
      return new Proxy(client, {
        get(target, name) {
          if (name !== 'query') return Reflect.get(target, name)
          return async (text: string, values?: unknown[]) => {
            if (text === 'COMMIT') await before(target)
            return await target.query(text, values)
          }
        },
      })
    },
  }
}

describe.skipIf(url === undefined)('postgresStore, while a frozen process holds the row locks of an order', () => {
  test('reports every delivery as busy within the lock timeout, and its pool stays usable', async () => {
    const pool = await newPool(3)
    const store = postgresStore({ pool })
    const token = await claim(store)
    const frozen = await pool.connect()
    await frozen.query('BEGIN')
    await frozen.query('SELECT order_sync_finish($1, $2, $3, $4, $5, $6, true, 1000)', [
      ...['order', 'request', 'digest', 1],
      ...[token, 'response'],
    ])
    const before = performance.now()
    const claims = await Promise.all(
      [delivery, another, { ...another, orderModifyTime: 2 }, delivery].map((next) => store.claim(next, claimOptions)),
    )
    expect(claims).toEqual(Array.from({ length: 4 }, () => ({ decision: 'busy' })))
    expect(performance.now() - before).toBeLessThan(3_000)
    expect(await store.claim({ ...another, digest: 'changed' }, claimOptions)).toEqual({ decision: 'conflict' })
    expect((await store.claim({ ...another, orderKey: 'free', requestKey: 'free' }, claimOptions)).decision).toBe(
      'process',
    )
    await frozen.query('COMMIT')
    frozen.release()
    expect(await store.claim(delivery, claimOptions)).toEqual({ decision: 'replay', storedResponse: 'response' })
  })
})

describe.skipIf(url === undefined)('transactionalPostgresStore', () => {
  const SHOW = `SELECT current_setting('idle_in_transaction_session_timeout') AS timeout`

  test.each([
    [1_000, '1min'],
    [90_000, '3min'],
  ])(
    'for a lease of %d ms, limits the idle time in onOrder to %s, and before COMMIT to 5 s',
    async (leaseMs, limit) => {
      const pool = await newPool()
      const timeouts: unknown[] = []
      const show = async (client: PostgresClient) => timeouts.push((await client.query(SHOW)).rows)
      const store = transactionalPostgresStore({ pool: poolWithCommit(pool, show) })
      const claimed = await store.claim(delivery, { ...claimOptions, leaseMs })
      if (claimed.decision !== 'process') throw new Error(claimed.decision)
      const finished = store.finishInTransaction?.({ delivery, token: claimed.token }, async (client) => {
        await show(client)
        return completion
      })
      expect(await finished).toBe(true)
      expect(timeouts).toEqual([[{ timeout: limit }], [{ timeout: '5s' }]])
      expect((await pool.query(SHOW)).rows).toEqual([{ timeout: '0' }])
    },
  )

  test('frees the order of a process that was stopped before COMMIT, and rolls its writes back', async () => {
    const pool = await newPool(4)
    await pool.query('CREATE TABLE effects (author text)')
    const { schema } = (await pool.query('SELECT current_schema() AS schema')).rows[0]
    const frozen = run('tests/stores/frozen-worker.ts', [url ?? '', schema, '1000'])
    const idle = `SELECT application_name AS name FROM pg_stat_activity
      WHERE application_name LIKE $1 AND state = 'idle in transaction' AND query LIKE '%order_sync_finish%'`
    const name = await vi.waitUntil(
      async () => (await pool.query(idle, [`frozen % ${schema}`])).rows[0]?.name as string | undefined,
      { timeout: 10_000 },
    )
    const pid = Number(name.split(' ')[1])
    onTestFinished(() => {
      if (isRunning(pid)) process.kill(pid, 'SIGKILL')
    })
    // The lease is over.
    await sleep(1_200)

    const store = transactionalPostgresStore({ pool })
    const before = performance.now()
    const claims = await Promise.all(
      Array.from({ length: 8 }, (_, index) =>
        store.claim(index % 2 ? delivery : { ...delivery, requestKey: `${index}` }, claimOptions),
      ),
    )
    expect(claims).toEqual(Array.from({ length: 8 }, () => ({ decision: 'busy' })))
    expect(performance.now() - before).toBeLessThan(2_500)

    const claimed = await vi.waitUntil(
      async () => {
        const claim = await store.claim(delivery, claimOptions)
        return claim.decision === 'process' && claim
      },
      { timeout: 10_000, interval: 250 },
    )
    expect((await pool.query('SELECT * FROM effects')).rows).toEqual([])
    expect(await store.finish({ delivery, token: claimed.token }, completion)).toBe(true)
    process.kill(pid, 'SIGCONT')
    expect((await frozen).stdout).toBe('rejected\n')
    expect((await store.read('order'))?.last?.storedResponse).toBe('response')
  })
})

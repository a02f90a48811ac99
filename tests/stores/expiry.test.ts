import { Redis } from 'ioredis'
import { describe, expect, inject, onTestFinished, test } from 'vitest'
import { memoryStore } from '../../src/stores/memory.ts'
import { forgetExpired as forgetExpiredInMysql, mysqlStore } from '../../src/stores/mysql.ts'
import { forgetExpired as forgetExpiredInPostgres, postgresStore } from '../../src/stores/postgres.ts'
import { forgetExpired, sqliteStore } from '../../src/stores/sqlite.ts'
import type { OrderSyncStore } from '../../src/stores/store.ts'
import { hasNodeSqlite, makePlace, openPlace } from '../support/stores.ts'

const mysqlUrl = inject('mysqlUrl')
const postgresUrl = inject('postgresUrl')
const redisUrl = inject('redisUrl')
const driver = hasNodeSqlite ? 'node:sqlite' : 'better-sqlite3'

const delivery = {
  orderKey: 'order',
  requestKey: 'request',
  digest: 'digest',
  contentDigest: 'content',
  orderModifyTime: 1,
}
const claimOptions = { leaseMs: 30_000, compareModifyTimeWith: 'orderModifyTime' } as const
const completion = { storedResponse: 'response', processed: true }

/** A store whose clock can be set back, seen from the order that it leased before. */
interface StoreWithClock {
  readonly store: OrderSyncStore<unknown>
  readonly setBack: (milliseconds: number) => unknown
}

async function newFile(): Promise<string> {
  const { place, remove } = await makePlace(driver, '')
  onTestFinished(remove)
  return place.slice(driver.length + 1)
}

async function openPostgres() {
  const { place, remove } = await makePlace('postgres', postgresUrl ?? '')
  onTestFinished(remove)
  const { store, pool, close } = await openPlace(place)
  onTestFinished(async () => void (await close()))
  if (pool === undefined) throw new Error('no pool')
  return { store, pool }
}

async function openMysql() {
  const { place, remove } = await makePlace('mysql', mysqlUrl ?? '')
  onTestFinished(remove)
  const { store, mysqlPool, close } = await openPlace(place)
  onTestFinished(async () => void (await close()))
  if (mysqlPool === undefined) throw new Error('no pool')
  return { store, pool: mysqlPool }
}

const stores: Readonly<Record<string, { skip: boolean; open: () => Promise<StoreWithClock> }>> = {
  memoryStore: {
    skip: false,
    async open() {
      let now = 1e12
      const store = memoryStore({ now: () => now })
      return {
        store,
        setBack(milliseconds) {
          now -= milliseconds
        },
      }
    },
  },
  sqliteStore: {
    skip: false,
    async open() {
      let now = 1e12
      const store = sqliteStore({ file: await newFile(), driver, now: () => now })
      onTestFinished(() => store.close())
      return {
        store,
        setBack(milliseconds) {
          now -= milliseconds
        },
      }
    },
  },
  postgresStore: {
    skip: postgresUrl === undefined,
    async open() {
      const { store, pool } = await openPostgres()
      // The clock of the server stays: move what it has recorded.
      const shift = `UPDATE order_sync_orders SET leased_at = leased_at + $1 * interval '1 ms', lease_until = lease_until + $1 * interval '1 ms'`
      return { store, setBack: (milliseconds) => pool.query(shift, [milliseconds]) }
    },
  },
  mysqlStore: {
    skip: mysqlUrl === undefined,
    async open() {
      const { store, pool } = await openMysql()
      const shift = 'UPDATE order_sync_orders SET leased_at = leased_at + ?, lease_until = lease_until + ?'
      return { store, setBack: (milliseconds) => pool.query(shift, [milliseconds, milliseconds]) }
    },
  },
  redisStore: {
    skip: redisUrl === undefined,
    async open() {
      const { place, remove } = await makePlace('redis', redisUrl ?? '')
      onTestFinished(remove)
      const { store, close } = await openPlace(place)
      onTestFinished(async () => void (await close()))
      const client = new Redis(redisUrl ?? '')
      onTestFinished(async () => void (await client.quit()))
      const key = `${place.split(' ')[2]}{order}`
      const setBack = async (milliseconds: number) => {
        await client.hincrby(key, 'leased_at', milliseconds)
        await client.hincrby(key, 'lease_until', milliseconds)
      }
      return { store, setBack }
    },
  },
}

describe.each(Object.entries(stores))('%s', (_, { skip, open }) => {
  test.skipIf(skip)('frees the order of a dead process when the clock is set back by an hour', async () => {
    const { store, setBack } = await open()
    const died = await store.claim(delivery, claimOptions)
    if (died.decision !== 'process') throw new Error(died.decision)
    await setBack(3_600_000)
    expect((await store.read('order'))?.lease).toBeUndefined()
    const next = await store.claim(delivery, claimOptions)
    if (next.decision !== 'process') throw new Error(next.decision)
    expect(next.token).toBeGreaterThan(died.token)
    expect(await store.finish({ delivery, token: died.token }, completion)).toBe(false)
    expect(await store.finish({ delivery, token: next.token }, completion)).toBe(true)
  })

  test.skipIf(skip)(
    'keeps a lease when the clock is set back by less than a second, or a claim has a shorter lease',
    async () => {
      const { store, setBack } = await open()
      expect((await store.claim(delivery, claimOptions)).decision).toBe('process')
      await setBack(500)
      expect(await store.claim(delivery, { ...claimOptions, leaseMs: 1 })).toEqual({ decision: 'busy' })
      expect((await store.read('order'))?.lease).toBeDefined()
    },
  )
})

describe('expired requests in SQLite', () => {
  const WEEK = 604_800_000

  async function fill(requests: number) {
    const file = await newFile()
    const first = sqliteStore({ file, driver, now: () => 1e12 })
    for (let key = 0; key < requests; key++) {
      await first.claim({ ...delivery, orderKey: `${key}`, requestKey: `${key}` }, claimOptions)
    }
    await first.close()
    return file
  }

  test('are deleted by the first claim of a process', async () => {
    const file = await fill(5)
    const later = sqliteStore({ file, driver, now: () => 1e12 + WEEK + 1 })
    expect((await later.claim(delivery, claimOptions)).decision).toBe('process')
    await later.close()
    expect(await forgetExpired({ file, driver, now: () => 1e12 + WEEK + 1 })).toBe(0)
    expect(await forgetExpired({ file, driver, now: () => 1e12 + 3 * WEEK })).toBe(1)
  })

  test('are deleted by forgetExpired, all of them, and no others', async () => {
    const file = await fill(1_100)
    expect(await forgetExpired({ file, driver, now: () => 1e12 + WEEK - 1 })).toBe(0)
    expect(await forgetExpired({ file, driver, now: () => 1e12 + WEEK + 1 })).toBe(1_100)
  })
})

describe.skipIf(postgresUrl === undefined)('expired requests in PostgreSQL', () => {
  const FILL = `INSERT INTO order_sync_requests
    SELECT 'expired-' || i, 'digest', 'response', now() - interval '1 second' FROM generate_series(1, $1) AS i`
  const COUNT = 'SELECT count(*)::int AS count FROM order_sync_requests'

  test('are deleted by the first claim of a process, in its one statement', async () => {
    const { pool } = await openPostgres()
    await pool.query(FILL, [500])
    const statements: string[] = []
    const counting = {
      connect: () => pool.connect(),
      query(text: string, values?: unknown[]) {
        statements.push(text)
        return pool.query(text, values)
      },
    }
    // Also when the claimed request itself has expired.
    const store = postgresStore({ pool: counting })
    expect((await store.claim({ ...delivery, requestKey: 'expired-7' }, claimOptions)).decision).toBe('process')
    expect(statements).toHaveLength(1)
    expect((await pool.query(COUNT)).rows).toEqual([{ count: 1 }])
    await pool.query(FILL, [6])
    await store.claim({ ...delivery, orderKey: 'second', requestKey: 'second' }, claimOptions)
    expect((await pool.query(COUNT)).rows).toEqual([{ count: 8 }])
  })

  test('are deleted by forgetExpired, all of them, and no others', async () => {
    const { pool, store } = await openPostgres()
    await store.claim(delivery, claimOptions)
    await pool.query(FILL, [2_500])
    expect(await forgetExpiredInPostgres({ pool })).toBe(2_500)
    expect((await pool.query(COUNT)).rows).toEqual([{ count: 1 }])
  })
})

describe.skipIf(mysqlUrl === undefined)('expired requests in MySQL', () => {
  const fill = (rows: number) => `INSERT INTO order_sync_requests
    SELECT CONCAT('expired-', seq), 'digest', 'response', 1, NULL FROM (
      WITH RECURSIVE numbers (seq) AS (SELECT 1 UNION ALL SELECT seq + 1 FROM numbers WHERE seq < ${rows}) SELECT seq FROM numbers
    ) AS numbers`
  const COUNT = 'SELECT count(*) AS count FROM order_sync_requests'

  test('are deleted by the first claim of a process, in its one call', async () => {
    const { pool } = await openMysql()
    await pool.query(fill(500))
    const statements: string[] = []
    const counting = {
      async getConnection() {
        const connection = await pool.getConnection()
        const query = connection.query.bind(connection)
        return Object.assign(connection, {
          query(options: { sql: string }) {
            statements.push(options.sql)
            return query(options)
          },
        })
      },
    }
    const store = mysqlStore({ pool: counting })
    // Also when the claimed request itself has expired.
    expect((await store.claim({ ...delivery, requestKey: 'expired-7' }, claimOptions)).decision).toBe('process')
    expect(statements).toHaveLength(1)
    expect((await pool.query(COUNT))[0]).toEqual([{ count: 1 }])
    await pool.query(fill(6))
    await store.claim({ ...delivery, orderKey: 'second', requestKey: 'second' }, claimOptions)
    expect((await pool.query(COUNT))[0]).toEqual([{ count: 8 }])
  })

  test('are deleted by forgetExpired, all of them, and no others', async () => {
    const { pool, store } = await openMysql()
    await store.claim(delivery, claimOptions)
    for (const prefix of ['a', 'b', 'c']) {
      await pool.query(fill(900))
      await pool.query(
        `UPDATE order_sync_requests SET request_key = CONCAT('${prefix}', request_key) WHERE expires_at = 1 AND request_key LIKE 'e%'`,
      )
    }
    expect(await forgetExpiredInMysql({ pool })).toBe(2_700)
    expect((await pool.query(COUNT))[0]).toEqual([{ count: 1 }])
  })
})

import type { PoolOptions } from 'mysql2/promise'
import { describe, expect, inject, onTestFinished, test } from 'vitest'
import { mysqlStore, transactionalMysqlStore } from '../../src/stores/mysql.ts'
import { migrateMysql } from '../../src/stores/mysql-migration.ts'
import { mysqlOutboxStore } from '../../src/stores/outbox-mysql.ts'
import { migrateMysqlOutbox } from '../../src/stores/outbox-mysql-migration.ts'
import type { OrderSyncStore } from '../../src/stores/store.ts'
import { storeCases } from '../../src/testing/store-cases.ts'
import { makePlace, mysqlPoolAt } from '../support/stores.ts'

// A pool belongs to the merchant. The store must work with every setting of its driver and its sessions.

const url = inject('mysqlUrl')

const claimOptions = { leaseMs: 30_000, compareModifyTimeWith: 'orderModifyTime' } as const

/** Opens a pool on a new database. Each session starts with the statements. */
async function newPool({ options = {}, statements = [] }: Setting) {
  const { place, remove } = await makePlace('mysql', url ?? '')
  onTestFinished(remove)
  const pool = mysqlPoolAt(url ?? '', place.split(' ')[2] ?? '', options)
  onTestFinished(() => pool.end())
  // Queued before the first query of whoever takes the connection.
  pool.pool.on('connection', (connection) => {
    for (const statement of statements) connection.query(statement)
  })
  await migrateMysql(pool)
  return pool
}

interface Setting {
  readonly options?: PoolOptions
  readonly statements?: readonly string[]
}

const settings: Readonly<Record<string, Setting>> = {
  'READ COMMITTED': { statements: ['SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED'] },
  'REPEATABLE READ': { statements: ['SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ'] },
  SERIALIZABLE: { statements: ['SET SESSION TRANSACTION ISOLATION LEVEL SERIALIZABLE'] },
  // The default of MariaDB from 11.6 on. MySQL has no such variable: for MySQL, this is a comment.
  innodb_snapshot_isolation: {
    statements: ['SET SESSION autocommit = 1 /*M!101100 , SESSION innodb_snapshot_isolation = 1 */'],
  },
  'autocommit = 0': { statements: ['SET SESSION autocommit = 0'] },
  'no strict mode': { statements: [`SET SESSION sql_mode = ''`] },
  'ANSI mode without backslash escapes': {
    statements: [`SET SESSION sql_mode = 'ANSI,NO_BACKSLASH_ESCAPES,PIPES_AS_CONCAT'`],
  },
  'safe updates': { statements: ['SET SESSION sql_safe_updates = 1, SESSION sql_select_limit = 1'] },
  'a time zone': { statements: [`SET SESSION time_zone = '+13:00'`], options: { timezone: '-11:00' } },
  'the character set latin1': { options: { charset: 'LATIN1_SWEDISH_CI' } },
  'the character set gbk': { options: { charset: 'GBK_CHINESE_CI' } },
  'numbers as text': { options: { supportBigNumbers: true, bigNumberStrings: true } },
  'rows as arrays': { options: { rowsAsArray: true } },
  'nested tables and named placeholders': { options: { nestTables: true, namedPlaceholders: true } as PoolOptions },
  'a typeCast of its own': { options: { typeCast: () => 'changed' } },
  'several statements in one query': { options: { multipleStatements: true } },
}

describe.skipIf(url === undefined).each(Object.entries(settings))('mysqlStore in sessions with %s', (_, setting) => {
  test('passes every store case', async () => {
    const pool = await newPool(setting)
    for (const { name, run } of storeCases) {
      await run({ createStore: () => mysqlStore({ pool }) }).catch((error: unknown) => {
        throw new Error(`The case "${name}" fails`, { cause: error })
      })
    }
  })

  test('finishes in a transaction, and leaves the session as it was', async () => {
    const pool = await newPool({ ...setting, options: { ...setting.options, connectionLimit: 1 } })
    const store = transactionalMysqlStore({ pool })
    const session = async () =>
      JSON.stringify(
        (
          await pool.query(
            `SELECT @@SESSION.wait_timeout, @@SESSION.innodb_lock_wait_timeout, @@SESSION.lock_wait_timeout,
              @@SESSION.autocommit, @@SESSION.sql_mode`,
          )
        )[0],
      )
    const before = await session()
    await finishNew(store, 'first')
    await finishNew(store, 'second')
    expect((await store.read('second'))?.last?.storedResponse).toBe('香 😀 \\')
    expect(await session()).toBe(before)
  })
})

async function finishNew(store: OrderSyncStore<unknown>, key: string): Promise<void> {
  const delivery = { orderKey: key, requestKey: key, digest: 'digest', contentDigest: 'content', orderModifyTime: 1 }
  const claim = await store.claim(delivery, claimOptions)
  if (claim.decision !== 'process') throw new Error(claim.decision)
  const work = async () => ({ storedResponse: '香 😀 \\', processed: true })
  expect(await store.finishInTransaction?.({ delivery, token: claim.token }, work)).toBe(true)
}

describe.skipIf(url === undefined)('mysqlStore', () => {
  test('distinguishes keys that differ only in case or in a space at the end', async () => {
    const store = mysqlStore({ pool: await newPool({}) })
    for (const key of ['key', 'key ', 'KEY', 'kéy']) {
      const delivery = { orderKey: key, requestKey: key, digest: key, contentDigest: key, orderModifyTime: 1 }
      const claim = await store.claim(delivery, claimOptions)
      if (claim.decision !== 'process') throw new Error(`${key}: ${claim.decision}`)
      const completion = { storedResponse: `response to ${key}`, processed: true }
      expect(await store.finish({ delivery, token: claim.token }, completion)).toBe(true)
      const again = await store.claim({ ...delivery, requestKey: `${key}, again` }, claimOptions)
      expect(again).toEqual({
        decision: 'duplicate',
        storedResponse: `response to ${key}`,
        last: { orderModifyTime: 1, contentDigest: key },
      })
    }
  })

  test('rejects a key that is too long instead of cutting it', async () => {
    const pool = await newPool({ statements: [`SET SESSION sql_mode = ''`] })
    const key = 'k'.repeat(65)
    const delivery = { orderKey: key, requestKey: 'r', digest: 'd', contentDigest: 'c', orderModifyTime: 1 }
    await expect(mysqlStore({ pool }).claim(delivery, claimOptions)).rejects.toMatchObject({ code: 'ER_DATA_TOO_LONG' })
  })
})

describe.skipIf(url === undefined)('a listener of "release" that throws', () => {
  test.each(['claim', 'finishInTransaction', 'outbox'] as const)(
    'does not release a connection twice: %s',
    async (call) => {
      const pool = await newPool({ options: { connectionLimit: 1 } })
      await migrateMysqlOutbox(pool)
      const store = transactionalMysqlStore({ pool })
      const outbox = mysqlOutboxStore({ pool })
      const delivery = { orderKey: 'A', requestKey: 'A', digest: 'd', contentDigest: 'c', orderModifyTime: 1 }
      const claim = call === 'finishInTransaction' && (await store.claim(delivery, claimOptions))
      const token = claim && claim.decision === 'process' ? claim.token : 0
      const calls = {
        claim: () => store.claim(delivery, claimOptions),
        finishInTransaction: async () =>
          await store.finishInTransaction?.({ delivery, token }, async () => ({
            storedResponse: '{}',
            processed: true,
          })),
        outbox: () => outbox.claim({ limit: 1, leaseMs: 60_000, policy: 'latest', keepSentMs: 60_000 }),
      }
      let mine: ReturnType<typeof pool.getConnection> | undefined
      pool.pool.once('release', () => {
        mine = pool.getConnection()
        throw new Error('of the listener')
      })
      await expect(calls[call]()).rejects.toThrow('of the listener')
      const connection = await mine
      let isLentAgain = false
      const next = pool.getConnection().then((lent) => {
        isLentAgain = true
        lent.release()
      })
      await connection?.query('SELECT 1')
      expect(isLentAgain).toBe(false)
      connection?.release()
      await next
    },
  )
})

import { Pool } from 'pg'
import { describe, expect, inject, onTestFinished, test } from 'vitest'
import {
  forgetExpired,
  migratePostgres,
  POSTGRES_MIGRATIONS,
  POSTGRES_SCHEMA_VERSION,
  postgresStore,
  transactionalPostgresStore,
} from '../../src/stores/postgres.ts'
import type { OrderSyncStore } from '../../src/stores/store.ts'
import { makePlace } from '../support/stores.ts'

const url = inject('postgresUrl')

const delivery = {
  orderKey: 'order',
  requestKey: 'request',
  digest: 'digest',
  contentDigest: 'content',
  orderModifyTime: 1,
}
const claimOptions = { leaseMs: 30_000, compareModifyTimeWith: 'orderModifyTime' } as const
const completion = { storedResponse: 'response', processed: true }
const held = { delivery, token: 1 }

async function newSchema(): Promise<string> {
  const { place, remove } = await makePlace('postgres', url ?? '')
  onTestFinished(remove)
  return place.split(' ')[2] ?? ''
}

/** A pool whose connections start with these settings. */
function open(settings: Readonly<Record<string, string>>): Pool {
  const options = Object.entries(settings).map(([name, value]) => `-c ${name}=${value}`)
  const pool = new Pool({ connectionString: url, options: options.join(' ') })
  onTestFinished(() => pool.end())
  return pool
}

async function processOne(store: OrderSyncStore): Promise<void> {
  const claim = await store.claim(delivery, claimOptions)
  if (claim.decision !== 'process') throw new Error(claim.decision)
  expect(await store.finish({ delivery, token: claim.token }, completion)).toBe(true)
  expect((await store.read('order'))?.last).toMatchObject({ orderModifyTime: 1, storedResponse: 'response' })
}

describe.skipIf(url === undefined)('postgresStore without migratePostgres', () => {
  const calls: Readonly<Record<string, (pool: Pool, schema: string | undefined) => unknown>> = {
    claim: (pool, schema) => postgresStore({ pool, schema }).claim(delivery, claimOptions),
    finish: (pool, schema) => postgresStore({ pool, schema }).finish(held, completion),
    release: (pool, schema) => postgresStore({ pool, schema }).release(held),
    read: (pool, schema) => postgresStore({ pool, schema }).read('order'),
    forgetExpired: (pool, schema) => forgetExpired({ pool, schema }),
    finishInTransaction: (pool, schema) =>
      transactionalPostgresStore({ pool, schema }).finishInTransaction?.(held, async () => completion),
  }

  test.each(Object.entries(calls))(
    'rejects %s with ERR_STORE_NOT_MIGRATED, and names the call to make',
    async (_, call) => {
      const pool = open({ search_path: await newSchema() })
      await expect(call(pool, undefined)).rejects.toMatchObject({
        name: 'ConfigurationError',
        code: 'ERR_STORE_NOT_MIGRATED',
        message: expect.stringContaining('run migratePostgres(pool) first'),
      })
      await expect(call(pool, 'missing')).rejects.toMatchObject({
        code: 'ERR_STORE_NOT_MIGRATED',
        message: expect.stringContaining("run migratePostgres(pool, { schema: 'missing' }) first"),
      })
    },
  )

  test('leaves an error of the same kind in onOrder unchanged', async () => {
    const pool = open({ search_path: await newSchema() })
    await migratePostgres(pool)
    const work = transactionalPostgresStore({ pool }).finishInTransaction?.(held, async (client) => {
      await client.query('SELECT * FROM no_such_table')
      return completion
    })
    await expect(work).rejects.toMatchObject({ name: 'error', code: '42P01' })
  })
})

describe.skipIf(url === undefined)('migratePostgres', () => {
  test.each(['read\\ committed', 'repeatable\\ read', 'serializable'])(
    'creates the schema once when 8 processes run it at once, at the default isolation %s',
    async (isolation) => {
      const search_path = await newSchema()
      const pools = Array.from({ length: 8 }, () => open({ search_path, default_transaction_isolation: isolation }))
      await Promise.all(pools.map((pool) => migratePostgres(pool)))
      expect((await pools[0]?.query('SELECT version FROM order_sync_schema'))?.rows).toEqual([
        { version: POSTGRES_SCHEMA_VERSION },
      ])
    },
  )

  test('upgrades a database of schema version 1, and keeps its orders', async () => {
    const pool = open({ search_path: await newSchema() })
    await pool.query(POSTGRES_MIGRATIONS[0] ?? '')
    await pool.query(`INSERT INTO order_sync_orders VALUES ('order', 7, NULL, 1, now(), 'response')`)
    await migratePostgres(pool)
    const store = postgresStore({ pool })
    expect(await store.claim(delivery, claimOptions)).toEqual({
      decision: 'duplicate',
      storedResponse: 'response',
      // The content of an order from before the migration is not known.
      last: { orderModifyTime: 1 },
    })
  })

  test('keeps the functions that a process of schema version 2 calls, whose orders have no content digest', async () => {
    const pool = open({ search_path: await newSchema() })
    for (const migration of POSTGRES_MIGRATIONS.slice(0, 2)) await pool.query(migration)
    const claim =
      "SELECT decision, token::float8 AS token FROM order_sync_claim('order', 'request', 'digest', 1, 30000, 1000, false)"
    await migratePostgres(pool)
    const { rows } = await pool.query(claim)
    expect(rows).toMatchObject([{ decision: 'process' }])
    const finish = "SELECT order_sync_finish('order', 'request', 'digest', 1, $1, 'response', true, 1000) AS finished"
    expect((await pool.query(finish, [rows[0].token])).rows).toEqual([{ finished: true }])
    const another = { ...delivery, requestKey: 'another' }
    expect(await postgresStore({ pool }).claim(another, claimOptions)).toEqual({
      decision: 'duplicate',
      storedResponse: 'response',
      last: { orderModifyTime: 1 },
    })
  })

  test('is required after an upgrade from schema version 2, and the store reports ERR_STORE_NOT_MIGRATED until then', async () => {
    const pool = open({ search_path: await newSchema() })
    for (const migration of POSTGRES_MIGRATIONS.slice(0, 2)) await pool.query(migration)
    const expected = { code: 'ERR_STORE_NOT_MIGRATED' }
    await expect(postgresStore({ pool }).claim(delivery, claimOptions)).rejects.toMatchObject(expected)
    await expect(postgresStore({ pool }).finish(held, completion)).rejects.toMatchObject(expected)
  })

  test('creates functions that a store finds without the search_path of the migration', async () => {
    const schema = await newSchema()
    await migratePostgres(open({ search_path: schema }))
    await processOne(postgresStore({ pool: open({}), schema }))
  })

  test('upgrades the tables that the search_path finds, also when they are not in its first schema', async () => {
    const [first, second] = [await newSchema(), await newSchema()]
    await open({ search_path: second }).query(POSTGRES_MIGRATIONS[0] ?? '')
    const pool = open({ search_path: `${first},${second}` })
    await migratePostgres(pool)
    await processOne(postgresStore({ pool }))
    expect((await pool.query('SELECT to_regclass($1) AS found', [`${first}.order_sync_orders`])).rows).toEqual([
      { found: null },
    ])
  })

  test('rejects when the database was migrated by a later release', async () => {
    const pool = open({ search_path: await newSchema() })
    await migratePostgres(pool)
    await pool.query('UPDATE order_sync_schema SET version = 99')
    await expect(migratePostgres(pool)).rejects.toThrow('later release')
  })

  test('creates a schema with a name that needs quotes, which the store then uses without the search_path', async () => {
    const schema = `Order-Sync.${await newSchema()}`
    const pool = open({})
    await Promise.all([migratePostgres(pool, { schema }), migratePostgres(pool, { schema })])
    onTestFinished(async () => void (await pool.query(`DROP SCHEMA "${schema}" CASCADE`)))
    await processOne(postgresStore({ pool, schema }))
    expect((await pool.query(`SELECT 1 FROM "${schema}".order_sync_orders`)).rows).toHaveLength(1)
    expect(await forgetExpired({ pool, schema })).toBe(0)
  })

  test.each(['a"b', "a'b", 'a$$b', 'a\\b', '', 'a'.repeat(64)])('rejects the schema name %j', async (schema) => {
    await expect(migratePostgres(open({}), { schema })).rejects.toThrow(RangeError)
    expect(() => postgresStore({ pool: open({}), schema })).toThrow('"schema" must be the name of a schema')
  })
})

describe.skipIf(url === undefined)('a role with only the documented rights', () => {
  test('runs migratePostgres on an up-to-date schema, every method of the store, and forgetExpired', async () => {
    const schema = await newSchema()
    const role = `app_${schema}`
    const owner = open({})
    await migratePostgres(owner, { schema })
    await owner.query(`
      CREATE ROLE ${role};
      GRANT USAGE ON SCHEMA ${schema} TO ${role};
      GRANT SELECT ON ${schema}.order_sync_schema TO ${role};
      GRANT SELECT, INSERT, UPDATE ON ${schema}.order_sync_orders TO ${role};
      GRANT SELECT, INSERT, UPDATE, DELETE ON ${schema}.order_sync_requests TO ${role};
      GRANT USAGE ON SEQUENCE ${schema}.order_sync_token TO ${role};`)
    onTestFinished(async () => void (await owner.query(`DROP OWNED BY ${role}; DROP ROLE ${role}`)))
    const pool = open({ role })
    await migratePostgres(pool, { schema })
    const store = transactionalPostgresStore({ pool, schema })
    await processOne(postgresStore({ pool, schema }))
    const next = { ...delivery, requestKey: 'next', orderModifyTime: 2 }
    const claim = await store.claim(next, claimOptions)
    if (claim.decision !== 'process') throw new Error(claim.decision)
    expect(await store.finishInTransaction?.({ delivery: next, token: claim.token }, async () => completion)).toBe(true)
    expect(await store.release(held)).toBe(false)
    expect(await forgetExpired({ pool, schema })).toBe(0)
  })
})

describe.skipIf(url === undefined)('postgresStore at a stricter default isolation', () => {
  test.each(['repeatable\\ read', 'serializable'])(
    '%s: of 20 concurrent claims one is processed',
    async (isolation) => {
      const pool = open({ search_path: await newSchema(), default_transaction_isolation: isolation })
      await migratePostgres(pool)
      const store = postgresStore({ pool })
      for (let round = 1; round <= 5; round++) {
        const claims = await Promise.all(
          Array.from({ length: 20 }, (_, index) =>
            store.claim({ ...delivery, requestKey: `${round}-${index % 7}`, orderModifyTime: round }, claimOptions),
          ),
        )
        const process = claims.filter(({ decision }) => decision === 'process')
        expect(claims.filter(({ decision }) => decision === 'busy')).toHaveLength(19)
        expect(process).toHaveLength(1)
        const token = process[0]?.decision === 'process' ? process[0].token : 0
        await store.finish(
          { delivery: { ...delivery, requestKey: `${round}`, orderModifyTime: round }, token },
          completion,
        )
      }
    },
  )
})

describe('postgresStore', () => {
  test.each(['40001', '40P01'])('claims again after %s', async (code) => {
    let failures = 3
    const pool = {
      async query() {
        if (failures-- > 0) throw Object.assign(new Error('transient'), { code })
        return { rows: [{ decision: 'process', stored_response: null, token: 5 }] }
      },
      connect: () => Promise.reject(new Error('not used')),
    }
    expect(await postgresStore({ pool }).claim(delivery, claimOptions)).toEqual({ decision: 'process', token: 5 })
  })
})

import { createPool as createCallbackPool } from 'mysql2'
import { createPool, createPoolCluster } from 'mysql2/promise'
import { Client, Pool } from 'pg'
import { afterAll, describe, expect, test } from 'vitest'
import { memoryStore } from '../../src/stores/memory.ts'
import { mysqlStore, transactionalMysqlStore } from '../../src/stores/mysql.ts'
import { postgresStore, transactionalPostgresStore } from '../../src/stores/postgres.ts'
import { redisStore } from '../../src/stores/redis.ts'
import { sqliteStore } from '../../src/stores/sqlite.ts'
import { thrownBy } from '../support/thrown.ts'

const mustNotBeCalled = (): never => {
  throw new Error('must not be called')
}
const pool = { query: mustNotBeCalled, connect: mustNotBeCalled }
const mysqlPool = { getConnection: mustNotBeCalled }
const client = { evalSha: mustNotBeCalled, eval: mustNotBeCalled }
const file = '/nonexistent/store.db'

/** Each store with valid options, changed as the test wants. The changes may be of any type, as in JavaScript. */
const stores: Readonly<Record<string, (changes: Record<string, unknown>) => unknown>> = {
  memoryStore: (changes) => memoryStore(changes),
  sqliteStore: (changes) => sqliteStore({ file, ...changes }),
  postgresStore: (changes) => postgresStore({ pool, ...changes }),
  transactionalPostgresStore: (changes) => transactionalPostgresStore({ pool, ...changes }),
  mysqlStore: (changes) => mysqlStore({ pool: mysqlPool, ...changes }),
  transactionalMysqlStore: (changes) => transactionalMysqlStore({ pool: mysqlPool, ...changes }),
  redisStore: (changes) => redisStore({ client, ...changes }),
}

// Checked at creation: otherwise the database would reject the value with every order.
describe.each(Object.entries(stores))('%s', (name, create) => {
  test.each([0, -1, 0.5, 1.5, Number.NaN, Number.POSITIVE_INFINITY, 1e300, '5', null])(
    'throws a RangeError when responseTtlMs is %s',
    (responseTtlMs) => {
      expect(thrownBy(() => create({ responseTtlMs }))).toStrictEqual(
        new RangeError('"responseTtlMs" must be a positive integer'),
      )
    },
  )

  test.skipIf(name === 'sqliteStore')('accepts a responseTtlMs of 1', () => {
    expect(() => create({ responseTtlMs: 1 })).not.toThrow()
  })

  test('throws a TypeError on an unknown option, naming it', () => {
    expect(thrownBy(() => create({ responseTtlMS: 5 }))).toStrictEqual(
      new TypeError(`${name}() has no option "responseTtlMS"`),
    )
  })
})

describe('sqliteStore', () => {
  test.each<[Record<string, unknown>, string, typeof TypeError | typeof RangeError]>([
    [{ file: undefined }, 'file', TypeError],
    [{ file: null }, 'file', TypeError],
    [{ file: new URL('file:///store.db') }, 'file', TypeError],
    [{ driver: 'sqlite3' }, 'driver', RangeError],
    [{ busyTimeoutMs: -1 }, 'busyTimeoutMs', RangeError],
    [{ busyTimeoutMs: Number.POSITIVE_INFINITY }, 'busyTimeoutMs', RangeError],
    [{ now: 5 }, 'now', TypeError],
  ])('rejects %o and names the option %s', (changes, name, type) => {
    const error = thrownBy(() => stores['sqliteStore']?.(changes))
    expect(error).toBeInstanceOf(type)
    expect(error.message).toContain(`"${name}"`)
  })
})

describe.each(['postgresStore', 'transactionalPostgresStore'])('%s', (store) => {
  test.each([
    [undefined],
    [null],
    ['postgres://127.0.0.1'],
    [{}],
    [{ query: mustNotBeCalled }],
    [{ connect: mustNotBeCalled }],
  ])('throws a TypeError when pool is %o', (given) => {
    const error = thrownBy(() => stores[store]?.({ pool: given }))
    expect(error).toBeInstanceOf(TypeError)
    expect(error.message).toContain('"pool"')
  })
})

describe.each(['mysqlStore', 'transactionalMysqlStore'])('%s', (store) => {
  test.each([[undefined], [null], ['mysql://127.0.0.1'], [{}], [{ query: mustNotBeCalled }]])(
    'throws a TypeError when pool is %o',
    (given) => {
      const error = thrownBy(() => stores[store]?.({ pool: given }))
      expect(error).toBeInstanceOf(TypeError)
      expect(error.message).toContain('"pool"')
    },
  )

  test.each([0, -1, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 31, '5', null])(
    'throws a RangeError when queryTimeoutMs is %s',
    (queryTimeoutMs) => {
      const error = thrownBy(() => stores[store]?.({ queryTimeoutMs }))
      expect(error).toBeInstanceOf(RangeError)
      expect(error.message).toContain('"queryTimeoutMs"')
    },
  )

  test('accepts a queryTimeoutMs of 1', () => {
    expect(() => stores[store]?.({ queryTimeoutMs: 1 })).not.toThrow()
  })
})

describe('redisStore', () => {
  test.each([
    [undefined],
    [null],
    ['redis://127.0.0.1'],
    [{}],
    [{ eval: mustNotBeCalled }],
    [{ evalSha: mustNotBeCalled }],
  ])('throws a TypeError when client is %o', (given) => {
    const error = thrownBy(() => stores['redisStore']?.({ client: given }))
    expect(error).toBeInstanceOf(TypeError)
    expect(error.message).toContain('"client"')
  })

  test('accepts a client with the method names of ioredis', () => {
    expect(() => redisStore({ client: { evalsha: mustNotBeCalled, eval: mustNotBeCalled } })).not.toThrow()
  })

  test.each([
    ['{shop}:', RangeError],
    ['shop}', RangeError],
    [5, TypeError],
    [null, TypeError],
  ])('rejects the prefix %o', (prefix, type) => {
    const error = thrownBy(() => stores['redisStore']?.({ prefix }))
    expect(error).toBeInstanceOf(type)
    expect(error.message).toContain('"prefix"')
  })
})

/** What people pass in place of the options or the connection, and words of the fix. */
const postgresJs = Object.assign(() => undefined, { unsafe: () => undefined, begin: () => undefined })
const drizzle = { $client: pool, execute: mustNotBeCalled, query: {} }
const url = 'postgres://user:secret@127.0.0.1/shop'

describe.each([
  ['postgresStore', postgresStore],
  ['transactionalPostgresStore', transactionalPostgresStore],
])('%s throws at creation for', (name, create) => {
  test.each<[string, unknown, string]>([
    ['the pool instead of the options', new Pool(), `${name}({ pool })`],
    ['a client instead of the options', new Client(), `${name}({ pool })`],
    ['a Drizzle database instead of the options', drizzle, `${name}({ pool })`],
    ['no options', undefined, 'object of options'],
    ['a URL in place of the options', url, 'object of options'],
    ['options without a pool', {}, `"pool" is missing: ${name}({ pool: new Pool() })`],
    ['an undefined pool', { pool: undefined }, `"pool" is missing: ${name}({ pool: new Pool() })`],
    ['a promise of a pool', { pool: Promise.resolve(pool) }, '"pool" is a Promise: await it first'],
    ['a client of pg', { pool: new Client() }, '"pool" is one client of the package "pg"'],
    ['a URL', { pool: url }, '"pool" must be a pool, not a URL: new Pool({ connectionString })'],
    ['a client of postgres.js', { pool: postgresJs }, '"pool" is a client of the package "postgres"'],
    ['a Drizzle database', { pool: drizzle }, 'db.$client'],
    [
      'a database of pg-promise',
      { pool: { $pool: pool, query: mustNotBeCalled, connect: mustNotBeCalled } },
      'db.$pool',
    ],
    ['a TypeORM data source', { pool: { ...pool, createQueryRunner: mustNotBeCalled } }, 'TypeORM'],
    ['onError that is no function', { pool, onError: true }, '"onError" must be a function'],
    ['an unknown option', { pool, pol: 1 }, 'has no option "pol"'],
  ])('%s', (_, options, fix) => {
    const error = thrownBy(() => Reflect.apply(create, undefined, [options]))
    expect(error).toBeInstanceOf(TypeError)
    expect(error.message).toContain(fix)
    expect(error.message).not.toContain('secret')
  })
})

describe.each([
  ['mysqlStore', mysqlStore],
  ['transactionalMysqlStore', transactionalMysqlStore],
])('%s throws at creation for', (name, create) => {
  // None of these connects before its first query.
  const promisePool = createPool({})
  const callbackPool = createCallbackPool({})
  const cluster = createPoolCluster()
  afterAll(async () => {
    callbackPool.end()
    await Promise.all([promisePool.end(), cluster.end()])
  })
  const mariadbPool = { getConnection: mustNotBeCalled, activeConnections: mustNotBeCalled }

  test('a pool that is not a promise pool of mysql2', () => {
    expect(() => create({ pool: promisePool })).not.toThrow()
  })

  test.each<[string, unknown, string]>([
    ['the pool instead of the options', promisePool, `${name}({ pool })`],
    ['a Drizzle database instead of the options', drizzle, `${name}({ pool })`],
    ['no options', undefined, 'object of options'],
    ['a URL in place of the options', 'mysql://user:secret@127.0.0.1/shop', 'object of options'],
    ['options without a pool', {}, `"pool" is missing: ${name}({ pool: createPool() of "mysql2/promise" })`],
    ['a promise of a pool', { pool: Promise.resolve(promisePool) }, '"pool" is a Promise: await it first'],
    ['a URL', { pool: 'mysql://user:secret@127.0.0.1/shop' }, '"pool" must be a pool, not a URL'],
    ['a pool with callbacks', { pool: callbackPool }, 'pool.promise()'],
    ['a pool cluster', { pool: cluster }, '"pool" is a pool cluster'],
    ['one connection', { pool: { query: mustNotBeCalled, beginTransaction: mustNotBeCalled } }, 'one connection'],
    ['a pool of mariadb', { pool: mariadbPool }, 'the package "mariadb"'],
    ['a Drizzle database', { pool: drizzle }, 'db.$client'],
    ['a TypeORM data source', { pool: { ...mysqlPool, createQueryRunner: mustNotBeCalled } }, 'TypeORM'],
    ['an unknown option', { pool: promisePool, pol: 1 }, 'has no option "pol"'],
  ])('%s', (_, options, fix) => {
    const error = thrownBy(() => Reflect.apply(create, undefined, [options]))
    expect(error).toBeInstanceOf(TypeError)
    expect(error.message).toContain(fix)
    expect(error.message).not.toContain('secret')
  })
})

describe('redisStore throws at creation for', () => {
  test.each<[string, unknown, string]>([
    ['the client instead of the options', client, 'redisStore({ client })'],
    [
      'a client of ioredis instead of the options',
      { evalsha: mustNotBeCalled, eval: mustNotBeCalled },
      'redisStore({ client })',
    ],
    ['no options', undefined, 'object of options'],
    [
      'an undefined client',
      { client: undefined },
      '"client" is missing: redisStore({ client: await createClient().connect() })',
    ],
    ['a promise of a client', { client: Promise.resolve(client) }, '"client" is a Promise: await it first'],
    ['a promise in place of the options', Promise.resolve(client), 'redisStore({ client })'],
    ['a URL', { client: 'redis://:secret@127.0.0.1' }, '"client" must be a client of the package "redis"'],
    [
      'a client of redis 3',
      { client: { ...client, internal_send_command: mustNotBeCalled } },
      'install redis 4 or later',
    ],
    ['onError that is no function', { client, onError: 'log' }, '"onError" must be a function'],
  ])('%s', (_, options, fix) => {
    const error = thrownBy(() => Reflect.apply(redisStore, undefined, [options]))
    expect(error).toBeInstanceOf(TypeError)
    expect(error.message).toContain(fix)
    expect(error.message).not.toContain('secret')
  })
})

import { describe, expect, test } from 'vitest'
import { memoryStore } from '../../src/stores/memory.ts'
import { postgresStore, transactionalPostgresStore } from '../../src/stores/postgres.ts'
import { redisStore } from '../../src/stores/redis.ts'
import { sqliteStore } from '../../src/stores/sqlite.ts'
import { thrownBy } from '../support/thrown.ts'

const mustNotBeCalled = (): never => {
  throw new Error('must not be called')
}
const pool = { query: mustNotBeCalled, connect: mustNotBeCalled }
const client = { evalSha: mustNotBeCalled, eval: mustNotBeCalled }
const file = '/nonexistent/store.db'

/** Each store with valid options, changed as the test wants. The changes may be of any type, as in JavaScript. */
const stores: Readonly<Record<string, (changes: Record<string, unknown>) => unknown>> = {
  memoryStore: (changes) => memoryStore(changes),
  sqliteStore: (changes) => sqliteStore({ file, ...changes }),
  postgresStore: (changes) => postgresStore({ pool, ...changes }),
  transactionalPostgresStore: (changes) => transactionalPostgresStore({ pool, ...changes }),
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

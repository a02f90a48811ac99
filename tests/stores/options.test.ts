import { expect, test } from 'vitest'
import { memoryStore } from '../../src/stores/memory.ts'
import { postgresStore, transactionalPostgresStore } from '../../src/stores/postgres.ts'
import { redisStore } from '../../src/stores/redis.ts'
import { sqliteStore } from '../../src/stores/sqlite.ts'
import { thrownBy } from '../support/thrown.ts'

const unused = (): never => {
  throw new Error('not to be used')
}
const pool = { query: unused, connect: unused }
const client = { evalSha: unused, eval: unused }

const stores = {
  memory: (responseTtlMs: number) => memoryStore({ responseTtlMs }),
  sqlite: (responseTtlMs: number) => sqliteStore({ file: '/nonexistent/store.db', responseTtlMs }),
  postgres: (responseTtlMs: number) => postgresStore({ pool, responseTtlMs }),
  transactional: (responseTtlMs: number) => transactionalPostgresStore({ pool, responseTtlMs }),
  redis: (responseTtlMs: number) => redisStore({ client, responseTtlMs }),
}

// Found out when the store is made: the databases would refuse it with every order.
test.each(Object.entries(stores))('%s: answers are kept for a whole number of milliseconds', (name, make) => {
  for (const ttl of [0, -1, 0.5, 1.5, Number.NaN, Number.POSITIVE_INFINITY, 1e300]) {
    expect(thrownBy(() => make(ttl))).toStrictEqual(new RangeError('"responseTtlMs" must be a positive integer'))
  }
  if (name !== 'sqlite') expect(() => make(1)).not.toThrow()
})

import type { PoolClient } from 'pg'
import { describe, expect, inject, onTestFinished, test } from 'vitest'
import { OrderRefusedError } from '../../src/errors.ts'
import type { OrderSyncEvent } from '../../src/server/event.ts'
import { createOrderSyncHandler } from '../../src/server/handler.ts'
import type { HandlerOptions } from '../../src/server/options.ts'
import type { OrderSyncStore } from '../../src/stores/store.ts'
import { deferred } from '../support/deferred.ts'
import { merchantCredentials, messageOf, NOW, order, request } from '../support/messages.ts'
import {
  hasNodeSqlite,
  type Kind,
  makePlace,
  type Opened,
  openPlace,
  type Place,
  type SqlTransaction,
} from '../support/stores.ts'

const mysqlUrl = inject('mysqlUrl')
const postgresUrl = inject('postgresUrl')
const redisUrl = inject('redisUrl')

async function newPlace(kind: Kind, url = ''): Promise<Place> {
  const { place, remove } = await makePlace(kind, url)
  onTestFinished(remove)
  return place
}

async function open(place: Place): Promise<Opened> {
  const opened = await openPlace(place)
  onTestFinished(async () => void (await opened.close()))
  return opened
}

function merchant<Transaction>(
  store: OrderSyncStore<Transaction>,
  options: Partial<HandlerOptions<unknown, Transaction>> = {},
) {
  const events: OrderSyncEvent[] = []
  let effects = 0
  const handler = createOrderSyncHandler<unknown, Transaction>({
    credentials: merchantCredentials(),
    store,
    now: () => NOW,
    busyWaitMs: 0,
    onEvent: (event) => events.push(event),
    onOrder: () => ({ orderId: `A-${++effects}` }),
    ...options,
  })
  onTestFinished(async () => void (await handler.drain()))
  const deliver = async (changes: Record<string, unknown> = {}) =>
    (messageOf(await handler(request({ message: order(changes) }))) as { result: { resultCode: string } }).result
      .resultCode
  return { handler, deliver, events, effects: () => effects }
}

/** Retries, as a peer does, until the result is not UNKNOWN_EXCEPTION. */
async function deliverWithRetries(deliver: () => Promise<string>): Promise<string> {
  for (let tries = 0; tries < 200; tries++) {
    const code = await deliver()
    if (code !== 'UNKNOWN_EXCEPTION') return code
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
  return 'UNKNOWN_EXCEPTION'
}

/** For each store: blocks it, and returns the function that unblocks it. */
const stalls: readonly {
  kind: Kind
  url: string | undefined
  stall: (place: Place) => Promise<() => Promise<unknown>>
}[] = [
  {
    kind: hasNodeSqlite ? 'node:sqlite' : 'better-sqlite3',
    url: '',
    async stall(place) {
      const [driver, file = ''] = place.split(' ')
      const { DatabaseSync } =
        driver === 'node:sqlite'
          ? (process.getBuiltinModule('node:sqlite' as never) as { DatabaseSync: new (file: string) => Locker })
          : { DatabaseSync: (await import('better-sqlite3')).default as unknown as new (file: string) => Locker }
      const other = new DatabaseSync(file)
      other.exec('BEGIN IMMEDIATE')
      return async () => {
        other.exec('ROLLBACK')
        other.close()
      }
    },
  },
  {
    kind: 'postgres',
    url: postgresUrl,
    async stall(place) {
      const { pool } = await open(place)
      const client = (await pool?.connect()) as PoolClient
      await client.query('BEGIN; LOCK TABLE order_sync_orders, order_sync_requests')
      return async () => {
        await client.query('ROLLBACK')
        client.release()
      }
    },
  },
  {
    kind: 'mysql',
    url: mysqlUrl,
    async stall(place) {
      const { mysqlPool } = await open(place)
      const connection = await mysqlPool?.getConnection()
      await connection?.query('LOCK TABLES order_sync_orders WRITE, order_sync_requests WRITE')
      return async () => {
        await connection?.query('UNLOCK TABLES')
        connection?.release()
      }
    },
  },
]

interface Locker {
  exec(sql: string): unknown
  close(): void
}

for (const { kind, url, stall } of stalls) {
  describe.skipIf(url === undefined)(kind, () => {
    test('responds with UNKNOWN_EXCEPTION within the timeout while the store hangs, and processes the next delivery', async () => {
      const place = await newPlace(kind, url)
      const { store } = await open(place)
      const { deliver, effects, handler } = merchant(store, { timeoutMs: 300, leaseMs: 2_000 })
      const warmUp = () => deliver({ merchantBizNo: 'WARM-UP', requestId: 'warm-up' })
      expect(await deliverWithRetries(warmUp)).toBe('SUCCESS')
      const unblock = await stall(place)
      const before = performance.now()
      expect(await deliver()).toBe('UNKNOWN_EXCEPTION')
      expect(performance.now() - before).toBeLessThan(1_500)
      await unblock()
      // The claim succeeds late and is released, because its request has a response already.
      await handler.drain()
      expect(effects()).toBe(1)
      expect(await deliverWithRetries(deliver)).toBe('SUCCESS')
      expect(effects()).toBe(2)
    })
  })
}

/** The databases whose connections break. `KILL` ends one connection, as a restart of the server ends all. */
const databases: readonly {
  name: string
  url: string | undefined
  kinds: { plain: Kind; transactional: Kind }
  identify: string
  kill: (id: number) => string
}[] = [
  {
    name: 'PostgreSQL',
    url: postgresUrl,
    kinds: { plain: 'postgres', transactional: 'transactional' },
    identify: 'SELECT pg_backend_pid() AS id',
    kill: (id) => `SELECT pg_terminate_backend(${id})`,
  },
  {
    name: 'MySQL',
    url: mysqlUrl,
    kinds: { plain: 'mysql', transactional: 'transactional-mysql' },
    identify: 'SELECT CONNECTION_ID() AS id',
    kill: (id) => `KILL ${id}`,
  },
]

/** The first column `id` in a result of either driver. */
function idIn(result: unknown): number {
  const { rows } = result as { rows?: unknown }
  const [first] = (rows ?? (result as unknown[])[0]) as { id: number }[]
  return first?.id ?? 0
}

/** Opens a store in transactional mode, with a table for its effects. */
async function openTransactional(kind: Kind, url: string | undefined) {
  const { inTransaction, rows, pool } = await open(await newPlace(kind, url))
  if (inTransaction === undefined || rows === undefined) throw new Error('not transactional')
  pool?.on('error', () => undefined)
  await rows('CREATE TABLE effects (author varchar(64))')
  return { store: inTransaction, rows, effects: () => rows('SELECT * FROM effects') }
}

for (const { name, url, kinds, identify, kill } of databases) {
  describe.skipIf(url === undefined)(`a store in ${name} whose connection breaks`, () => {
    test('processes the order in the end, once', async () => {
      const { store, pool, rows } = await open(await newPlace(kinds.plain, url))
      pool?.on('error', () => undefined)
      const { deliver, effects, events } = merchant(store)
      await rows?.(kill(idIn([await rows(identify)]))).catch(() => undefined)
      expect(await deliverWithRetries(deliver)).toBe('SUCCESS')
      expect(effects()).toBe(1)
      expect(events.every(({ kind }) => kind === 'processed' || kind === 'failed')).toBe(true)
    })

    test('rolls back the effect of a broken transaction, and processes the next delivery', async () => {
      const { store, rows, effects } = await openTransactional(kinds.transactional, url)
      let broken = false
      const { deliver } = merchant<SqlTransaction>(store, {
        timeoutMs: 1_900,
        async onOrder({ merchantBizNo }, { transaction }) {
          await transaction.query(`INSERT INTO effects VALUES ('${merchantBizNo}')`)
          if (!broken) {
            broken = true
            await rows(kill(idIn(await transaction.query(identify))))
          }
          return { orderId: merchantBizNo }
        },
      })
      expect(await deliver()).toBe('UNKNOWN_EXCEPTION')
      expect(await effects()).toEqual([])
      expect(await deliverWithRetries(deliver)).toBe('SUCCESS')
      expect(await effects()).toEqual([{ author: 'BIZ-0001' }])
    })
  })

  describe.skipIf(url === undefined)(`a store in ${name} in transactional mode`, () => {
    test('rolls back and retries when onOrder throws, rolls back and replays when it refuses', async () => {
      const { store, effects } = await openTransactional(kinds.transactional, url)
      const failures: (Error | undefined)[] = [new Error('first'), new OrderRefusedError('PROCESS_FAIL')]
      const { deliver } = merchant<SqlTransaction>(store, {
        async onOrder({ merchantBizNo }, { transaction }) {
          await transaction.query(`INSERT INTO effects VALUES ('${merchantBizNo}')`)
          const failure = failures.shift()
          if (failure) throw failure
          return { orderId: merchantBizNo }
        },
      })
      expect([await deliver(), await deliver(), await deliver()]).toEqual([
        'UNKNOWN_EXCEPTION',
        'PROCESS_FAIL',
        'PROCESS_FAIL',
      ])
      expect(await effects()).toEqual([])
      expect(await deliver({ requestId: 'another' })).toBe('SUCCESS')
      expect(await effects()).toHaveLength(1)
    })

    test('rolls back the writes of an onOrder that outlives its lease, after another delivery has claimed the order', async () => {
      const { store, effects } = await openTransactional(kinds.transactional, url)
      const gate = deferred()
      const slow = merchant<SqlTransaction>(store, {
        timeoutMs: 1_000,
        leaseMs: 1_050,
        async onOrder(_, { transaction }) {
          await transaction.query(`INSERT INTO effects VALUES ('slow')`)
          await gate.promise
          return { orderId: 'slow' }
        },
      })
      const quick = merchant<SqlTransaction>(store, {
        async onOrder(_, { transaction }) {
          await transaction.query(`INSERT INTO effects VALUES ('quick')`)
          return { orderId: 'quick' }
        },
      })
      expect(await slow.deliver()).toBe('UNKNOWN_EXCEPTION')
      expect(await deliverWithRetries(quick.deliver)).toBe('SUCCESS')
      gate.resolve(undefined)
      await slow.handler.drain()
      // A request stops counting when its lease is over: drain() has not waited for this one.
      await expect.poll(() => slow.events.length).toBe(2)
      expect(slow.events.map((event) => [event.kind, event.kind === 'late' ? event.ended : undefined])).toEqual([
        ['failed', undefined],
        ['late', 'fenced'],
      ])
      expect(await effects()).toEqual([{ author: 'quick' }])
    })
  })
}

describe.skipIf(redisUrl === undefined)('redisStore', () => {
  test('responds with UNKNOWN_EXCEPTION when Redis is unreachable', async () => {
    const place = await newPlace('ioredis', redisUrl)
    const { store, close } = await openPlace(place)
    const { deliver, effects } = merchant(store)
    await close()
    expect(await deliver()).toBe('UNKNOWN_EXCEPTION')
    expect(effects()).toBe(0)
  })
})

import type { PoolClient } from 'pg'
import { afterEach, describe, expect, inject, onTestFinished, test } from 'vitest'
import type { OrderSyncEvent } from '../../src/server/event.ts'
import { createOrderSyncHandler } from '../../src/server/handler.ts'
import type { HandlerOptions } from '../../src/server/options.ts'
import type { OrderSyncStore } from '../../src/stores/store.ts'
import { deferred } from '../support/deferred.ts'
import { merchantCredentials, messageOf, NOW, order, request } from '../support/messages.ts'
import { hasNodeSqlite, type Kind, makePlace, type Opened, openPlace, type Place } from '../support/stores.ts'

const postgresUrl = inject('postgresUrl')
const redisUrl = inject('redisUrl')

const ends: (() => Promise<unknown>)[] = []
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end()
})

async function place(kind: Kind, url = ''): Promise<Place> {
  const { place, remove } = await makePlace(kind, url)
  ends.push(remove)
  return place
}

async function open(at: Place): Promise<Opened> {
  const opened = await openPlace(at)
  ends.push(opened.close)
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
    timeoutMs: 300,
    leaseMs: 2_000,
    busyWaitMs: 0,
    onEvent: (event) => events.push(event),
    onOrder: () => ({ orderId: `A-${++effects}` }),
    ...options,
  })
  onTestFinished(() => handler.drain())
  const deliver = async (changes: Record<string, unknown> = {}) =>
    (messageOf(await handler(request({ message: order(changes) }))) as { result: { resultCode: string } }).result
      .resultCode
  return { handler, deliver, events, effects: () => effects }
}

/** Delivers again, as a peer does, until the storedResponse is not "try later". */
async function deliverInTheEnd(deliver: () => Promise<string>): Promise<string> {
  for (let tries = 0; tries < 200; tries++) {
    const code = await deliver()
    if (code !== 'UNKNOWN_EXCEPTION') return code
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
  return 'UNKNOWN_EXCEPTION'
}

/** For each store: makes it storedResponse nothing, until it is let go. */
const stalls: readonly {
  kind: Kind
  url: string | undefined
  stall: (at: Place) => Promise<() => Promise<unknown>>
}[] = [
  {
    kind: hasNodeSqlite ? 'node:sqlite' : 'better-sqlite3',
    url: '',
    async stall(at) {
      const [driver, file = ''] = at.split(' ')
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
    async stall(at) {
      const { pool } = await open(at)
      const client = (await pool?.connect()) as PoolClient
      await client.query('BEGIN; LOCK TABLE order_sync_orders, order_sync_requests')
      return async () => {
        await client.query('ROLLBACK')
        client.release()
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
    test('a store that hangs is answered for within the deadline, nothing is half-done, and the next delivery works', async () => {
      const at = await place(kind, url)
      const { store } = await open(at)
      const { deliver, effects, handler } = merchant(store)
      expect(await deliver({ merchantBizNo: 'WARM-UP', requestId: 'warm-up' })).toBe('SUCCESS')
      const letGo = await stall(at)
      const before = performance.now()
      expect(await deliver()).toBe('UNKNOWN_EXCEPTION')
      expect(performance.now() - before).toBeLessThan(1_500)
      await letGo()
      // The claim that came through at last is given back: nobody waits for its storedResponse any more.
      await handler.drain()
      expect(effects()).toBe(1)
      expect(await deliverInTheEnd(deliver)).toBe('SUCCESS')
      expect(effects()).toBe(2)
    })
  })
}

describe.skipIf(postgresUrl === undefined)('PostgreSQL that is down', () => {
  test('is answered for, and the next delivery works', async () => {
    const at = await place('postgres', postgresUrl)
    const { store, pool } = await open(at)
    pool?.on('error', () => undefined)
    const { deliver, effects, events } = merchant(store)
    // As a restart does to every client.
    await pool?.query('SELECT pg_terminate_backend(pg_backend_pid())').catch(() => undefined)
    expect(await deliverInTheEnd(deliver)).toBe('SUCCESS')
    expect(effects()).toBe(1)
    expect(events.every(({ kind }) => kind === 'processed' || kind === 'failed')).toBe(true)
  })

  test('in the middle of a transaction: the effect is rolled back, the process lives, and the next delivery has it', async () => {
    const at = await place('transactional', postgresUrl)
    const { transactional, pool } = await open(at)
    if (transactional === undefined) throw new Error('not transactional')
    await pool?.query('CREATE TABLE effects (order_no text)')
    let broken = false
    const { deliver } = merchant(transactional, {
      timeoutMs: 1_900,
      async onOrder({ merchantBizNo }, { transaction }) {
        await transaction.query('INSERT INTO effects VALUES ($1)', [merchantBizNo])
        if (!broken) {
          broken = true
          const { rows } = await transaction.query('SELECT pg_backend_pid() AS pid')
          await pool?.query('SELECT pg_terminate_backend($1)', [rows[0].pid])
        }
        return { orderId: merchantBizNo }
      },
    })
    expect(await deliver()).toBe('UNKNOWN_EXCEPTION')
    expect((await pool?.query('SELECT * FROM effects'))?.rows).toEqual([])
    expect(await deliverInTheEnd(deliver)).toBe('SUCCESS')
    expect((await pool?.query('SELECT * FROM effects'))?.rows).toEqual([{ order_no: 'BIZ-0001' }])
  })
})

describe.skipIf(postgresUrl === undefined)('transactional mode', () => {
  test('what throws is rolled back and comes again, what is refused is rolled back and replayed', async () => {
    const at = await place('transactional', postgresUrl)
    const { transactional, pool } = await open(at)
    if (transactional === undefined) throw new Error('not transactional')
    await pool?.query('CREATE TABLE effects (order_no text)')
    const { OrderRefusedError } = await import('../../src/errors.ts')
    const failures: (Error | undefined)[] = [new Error('first'), new OrderRefusedError('PROCESS_FAIL')]
    const { deliver } = merchant(transactional, {
      async onOrder({ merchantBizNo }, { transaction }) {
        await transaction.query('INSERT INTO effects VALUES ($1)', [merchantBizNo])
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
    expect((await pool?.query('SELECT * FROM effects'))?.rows).toEqual([])
    expect(await deliver({ requestId: 'another' })).toBe('SUCCESS')
    expect((await pool?.query('SELECT * FROM effects'))?.rows).toHaveLength(1)
  })

  test('code that outlives its lease loses its writes to whoever claimed the order since', async () => {
    const at = await place('transactional', postgresUrl)
    const { transactional, pool } = await open(at)
    if (transactional === undefined) throw new Error('not transactional')
    await pool?.query('CREATE TABLE effects (by_whom text)')
    const gate = deferred()
    const slow = merchant(transactional, {
      timeoutMs: 40,
      leaseMs: 50,
      async onOrder(_, { transaction }) {
        await transaction.query(`INSERT INTO effects VALUES ('slow')`)
        await gate.promise
        return { orderId: 'slow' }
      },
    })
    const quick = merchant(transactional, {
      async onOrder(_, { transaction }) {
        await transaction.query(`INSERT INTO effects VALUES ('quick')`)
        return { orderId: 'quick' }
      },
    })
    expect(await slow.deliver()).toBe('UNKNOWN_EXCEPTION')
    expect(await deliverInTheEnd(quick.deliver)).toBe('SUCCESS')
    gate.resolve(undefined)
    await slow.handler.drain()
    expect(slow.events.map(({ kind, ended }) => [kind, ended])).toEqual([
      ['failed', undefined],
      ['late', 'fenced'],
    ])
    expect((await pool?.query('SELECT * FROM effects'))?.rows).toEqual([{ by_whom: 'quick' }])
  })
})

describe.skipIf(redisUrl === undefined)('Redis', () => {
  test('that is gone is answered for within the deadline', async () => {
    const at = await place('ioredis', redisUrl)
    const { store, close } = await openPlace(at)
    const { deliver, effects } = merchant(store)
    await close()
    expect(await deliver()).toBe('UNKNOWN_EXCEPTION')
    expect(effects()).toBe(0)
  })
})

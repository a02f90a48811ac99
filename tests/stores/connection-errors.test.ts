import { EventEmitter } from 'node:events'
import { Redis } from 'ioredis'
import { createPool, type RowDataPacket } from 'mysql2/promise'
import { Pool } from 'pg'
import { createClient } from 'redis'
import { describe, expect, inject, test, vi } from 'vitest'
import { mysqlStore } from '../../src/stores/mysql.ts'
import { migratePostgres, postgresStore, transactionalPostgresStore } from '../../src/stores/postgres.ts'
import { redisStore } from '../../src/stores/redis.ts'
import { recordWarnings } from '../support/warnings.ts'

const mysqlUrl = inject('mysqlUrl')
const postgresUrl = inject('postgresUrl')
const redisUrl = inject('redisUrl')

const notUsed = () => Promise.reject(new Error('not used'))
const newPool = () => Object.assign(new EventEmitter(), { query: notUsed, connect: notUsed })
const newClient = () => Object.assign(new EventEmitter(), { evalSha: notUsed, eval: notUsed })

const failure = Object.assign(new Error('connect ECONNREFUSED postgres://user:secret@10.0.0.1'), {
  code: 'ECONNREFUSED',
})

type OnError = { onError?: (error: unknown) => void }

const stores: Readonly<Record<string, (options?: OnError) => { connection: EventEmitter; again: () => unknown }>> = {
  postgresStore(options) {
    const pool = newPool()
    postgresStore({ pool, ...options })
    return { connection: pool, again: () => transactionalPostgresStore({ pool }) }
  },
  transactionalPostgresStore(options) {
    const pool = newPool()
    transactionalPostgresStore({ pool, ...options })
    return { connection: pool, again: () => postgresStore({ pool }) }
  },
  redisStore(options) {
    const client = newClient()
    redisStore({ client, ...options })
    return { connection: client, again: () => redisStore({ client }) }
  },
}

describe.each(Object.entries(stores))('%s, when its connection emits an error', (name, create) => {
  test('warns once with the code and the fix, without URL or password, if there is no other listener', () => {
    const warnings = recordWarnings()
    const { connection, again } = create()
    again()
    for (let errors = 0; errors < 3; errors++) connection.emit('error', failure)
    expect(warnings).toHaveBeenCalledTimes(1)
    const [message, options] = warnings.mock.calls[0] ?? []
    expect(options).toEqual({ type: 'OrderSyncWarning', code: 'ERR_STORE_CONNECTION' })
    expect(message).toMatch(
      new RegExp(
        `^${name}: .*\\(ECONNREFUSED\\)\\. Listen for errors: .*on\\("error", …\\), or set the option "onError"`,
      ),
    )
    expect(message).not.toMatch(/secret|10\.0\.0\.1/)
  })

  test('passes every error to onError and does not warn', () => {
    const warnings = recordWarnings()
    const onError = vi.fn()
    const { connection } = create({ onError })
    connection.emit('error', failure)
    connection.emit('error', failure)
    expect(onError.mock.calls).toEqual([[failure], [failure]])
    expect(warnings).not.toHaveBeenCalled()
  })

  test('survives an onError that throws or rejects', async () => {
    const { connection } = create({
      onError: () => {
        throw new Error('broken')
      },
    })
    connection.emit('error', failure)
    create({ onError: async () => Promise.reject(new Error('broken')) }).connection.emit('error', failure)
    await new Promise(setImmediate)
  })

  test('does not warn while there is another listener', () => {
    const warnings = recordWarnings()
    const { connection } = create()
    const listener = vi.fn()
    connection.on('error', listener)
    connection.emit('error', failure)
    expect(listener).toHaveBeenCalledTimes(1)
    expect(warnings).not.toHaveBeenCalled()
  })
})

describe.skipIf(postgresUrl === undefined)('a pool without a listener', () => {
  test.each([
    ['postgresStore', async (pool: Pool) => void postgresStore({ pool })],
    ['migratePostgres', (pool: Pool) => migratePostgres(pool, { schema: 'connection_errors' })],
  ])('survives when its idle connection is closed, and %s warns', async (_, use) => {
    const warnings = recordWarnings()
    const pool = new Pool({ connectionString: postgresUrl })
    const admin = new Pool({ connectionString: postgresUrl })
    admin.on('error', () => undefined)
    await use(pool)
    const { rows } = await pool.query('SELECT pg_backend_pid() AS pid')
    await admin.query('SELECT pg_terminate_backend($1)', [rows[0].pid])
    await expect.poll(() => warnings.mock.calls.length).toBe(1)
    expect((await pool.query('SELECT 1 AS one')).rows).toEqual([{ one: 1 }])
    await pool.query('DROP SCHEMA IF EXISTS connection_errors CASCADE')
    await Promise.all([pool.end(), admin.end()])
  })
})

describe.skipIf(mysqlUrl === undefined)('a pool of mysql2', () => {
  test('survives when its idle connection is closed without a listener or a warning, and opens a new one', async () => {
    const warnings = recordWarnings()
    const pool = createPool({ uri: mysqlUrl ?? '' })
    const admin = createPool({ uri: mysqlUrl ?? '' })
    const store = mysqlStore({ pool, database: 'no_such_database' })
    const [rows] = await pool.query<RowDataPacket[]>('SELECT CONNECTION_ID() AS id')
    await admin.query(`KILL ${Number(rows[0]?.['id'])}`)
    while (!(await isNewConnection(pool, Number(rows[0]?.['id'])))) await new Promise(setImmediate)
    await expect(store.read('order')).rejects.toMatchObject({ code: 'ERR_STORE_NOT_MIGRATED' })
    expect(warnings).not.toHaveBeenCalled()
    await Promise.all([pool.end(), admin.end()])
  })
})

async function isNewConnection(pool: ReturnType<typeof createPool>, id: number): Promise<boolean> {
  const [rows] = await pool.query<RowDataPacket[]>('SELECT CONNECTION_ID() AS id').catch(() => [[]])
  return rows.length > 0 && rows[0]?.['id'] !== id
}

describe.skipIf(redisUrl === undefined)('a client of Redis without a listener', () => {
  test('survives when its connection is closed, and redisStore warns (redis)', async () => {
    const warnings = recordWarnings()
    const client = await createClient({ url: redisUrl ?? '' }).connect()
    redisStore({ client })
    const id = await client.clientId()
    const admin = new Redis(redisUrl ?? '')
    await admin.client('KILL', 'ID', id)
    await expect.poll(() => warnings.mock.calls.length).toBe(1)
    await expect.poll(() => client.ping().catch(() => undefined)).toBe('PONG')
    client.destroy()
    await admin.quit()
  })
})

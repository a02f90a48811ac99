import { Redis } from 'ioredis'
import { Pool } from 'pg'
import { describe, expect, inject, onTestFinished, test } from 'vitest'
import { createOrderSyncHandler } from '../../src/public/index.ts'
import type { OrderSyncStore } from '../../src/public/store.ts'
import { MYSQL_MIGRATIONS, migrateMysql, mysqlStore } from '../../src/public/stores/mysql.ts'
import { migratePostgres, POSTGRES_MIGRATIONS, postgresStore } from '../../src/public/stores/postgres.ts'
import { redisStore } from '../../src/public/stores/redis.ts'
import { sqliteStore } from '../../src/public/stores/sqlite.ts'
import { merchantCredentials } from '../support/messages.ts'
import { startTcpProxy } from '../support/proxy/tcp.ts'
import { makePlace, mysqlPoolAt } from '../support/stores.ts'

const mysqlUrl = inject('mysqlUrl')
const postgresUrl = inject('postgresUrl')
const redisUrl = inject('redisUrl')

const healthOf = (store: OrderSyncStore) =>
  createOrderSyncHandler({
    credentials: merchantCredentials(),
    store,
    onOrder: () => ({ orderId: 'A-1' }),
    storeTimeoutMs: 400,
  }).health

const DEFAULT_PORTS: Readonly<Record<string, number>> = { 'mysql:': 3306, 'postgres:': 5432, 'redis:': 6379 }

/** A proxy in front of a database, and the URL that leads through it. */
async function behindProxy(databaseUrl: string) {
  const url = new URL(databaseUrl)
  const proxy = await startTcpProxy({
    host: url.hostname,
    port: Number(url.port || DEFAULT_PORTS[url.protocol]),
  })
  onTestFinished(() => proxy.close())
  url.host = `127.0.0.1:${proxy.port}`
  return { proxy, url: url.href }
}

function openPool(connectionString: string, searchPath: string): Pool {
  const options = `-c search_path=${searchPath}`
  const pool = new Pool({ connectionString, options, connectionTimeoutMillis: 300, query_timeout: 300 })
  pool.on('error', () => {})
  onTestFinished(() => pool.end())
  return pool
}

const OK = { ok: true, store: { reachable: true, migrated: true } }
const NOT_MIGRATED = { ok: false, store: { reachable: true, migrated: false, code: 'ERR_STORE_NOT_MIGRATED' } }
const DOWN = {
  ok: false,
  store: { reachable: false, migrated: false, code: expect.stringMatching(/^ERR_STORE(_TIMEOUT)?$/) },
}

describe.skipIf(postgresUrl === undefined)('health of a handler on PostgreSQL', () => {
  test('reports whether the tables are missing, outdated, or ready', async () => {
    const { place, remove } = await makePlace('postgres', postgresUrl ?? '')
    onTestFinished(remove)
    const pool = openPool(postgresUrl ?? '', place.split(' ')[2] ?? '')
    const health = healthOf(postgresStore({ pool }))
    expect(await health()).toMatchObject(NOT_MIGRATED)
    for (const migration of POSTGRES_MIGRATIONS.slice(0, -1)) await pool.query(migration)
    expect(await health()).toMatchObject(NOT_MIGRATED)
    await migratePostgres(pool)
    expect(await health()).toMatchObject(OK)
  })

  test('reports that the database is down while the network drops packets, and then that it works again', async () => {
    const { place, remove } = await makePlace('postgres', postgresUrl ?? '')
    onTestFinished(remove)
    const { proxy, url } = await behindProxy(postgresUrl ?? '')
    const pool = openPool(url, place.split(' ')[2] ?? '')
    await migratePostgres(pool)
    const health = healthOf(postgresStore({ pool }))
    expect(await health()).toMatchObject(OK)
    proxy.goDark()
    const startedAt = performance.now()
    expect(await health()).toMatchObject(DOWN)
    expect(performance.now() - startedAt).toBeLessThan(2_000)
    proxy.light()
    await expect.poll(health, { timeout: 10_000 }).toMatchObject(OK)
  })
})

describe.skipIf(mysqlUrl === undefined)('health of a handler on MySQL', () => {
  async function newDatabase(): Promise<string> {
    const { place, remove } = await makePlace('mysql', mysqlUrl ?? '')
    onTestFinished(remove)
    return place.split(' ')[2] ?? ''
  }

  test('reports whether the procedures are missing, a migration is incomplete, or the store is ready', async () => {
    const pool = mysqlPoolAt(mysqlUrl ?? '', await newDatabase())
    onTestFinished(() => pool.end())
    const health = healthOf(mysqlStore({ pool }))
    expect(await health()).toMatchObject(NOT_MIGRATED)
    for (const statement of MYSQL_MIGRATIONS.flat().slice(0, -1)) await pool.query(statement)
    expect(await health()).toMatchObject(NOT_MIGRATED)
    await migrateMysql(pool)
    expect(await health()).toMatchObject(OK)
  })

  test('reports that the database is down while the network drops packets, and then that it works again', async () => {
    const { proxy, url } = await behindProxy(mysqlUrl ?? '')
    const pool = mysqlPoolAt(url, await newDatabase(), { connectTimeout: 300 })
    onTestFinished(() => pool.end())
    await migrateMysql(pool)
    const health = healthOf(mysqlStore({ pool, queryTimeoutMs: 300 }))
    expect(await health()).toMatchObject(OK)
    proxy.goDark()
    const startedAt = performance.now()
    expect(await health()).toMatchObject(DOWN)
    expect(performance.now() - startedAt).toBeLessThan(2_000)
    proxy.light()
    await expect.poll(health, { timeout: 10_000 }).toMatchObject(OK)
  })
})

test.skipIf(redisUrl === undefined)('health of a handler on Redis reports whether Redis is reachable', async () => {
  const { proxy, url } = await behindProxy(redisUrl ?? '')
  const client = new Redis(url, { commandTimeout: 300, connectTimeout: 300, maxRetriesPerRequest: 0 })
  client.on('error', () => {})
  onTestFinished(() => client.disconnect())
  const health = healthOf(redisStore({ client, prefix: 'health:' }))
  expect(await health()).toMatchObject(OK)
  await proxy.close()
  await expect.poll(health, { timeout: 10_000 }).toMatchObject(DOWN)
})

test('health of a handler on SQLite reports whether the file is usable', async () => {
  const { place, remove } = await makePlace('node:sqlite', '')
  onTestFinished(remove)
  const store = sqliteStore({ file: place.split(' ')[1] ?? '' })
  const health = healthOf(store)
  expect(await health()).toMatchObject(OK)
  await store.close()
  expect(await health()).toMatchObject(DOWN)
})

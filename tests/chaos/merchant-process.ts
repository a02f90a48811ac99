/**
 * A merchant's server in a process of its own. It prints the port that it listens on. On SIGTERM it drains, prints the
 * requests that were still running, closes everything and ends.
 *
 * Arguments: place of the store, adapter, file of effects, the gateway's and the merchant's private keys as PEM files.
 * In transactional mode the effect is a row, written through `context.transaction`; otherwise it is a line in the file.
 */
import { createPrivateKey, createPublicKey } from 'node:crypto'
import { appendFileSync, readFileSync } from 'node:fs'
import process from 'node:process'
import { setTimeout as sleep } from 'node:timers/promises'
import express from 'express'
import Fastify from 'fastify'
import { Redis } from 'ioredis'
import Koa from 'koa'
import { Pool } from 'pg'
import { createClient } from 'redis'
import { nextPagesOrderSync } from '../../src/adapters/next-pages.ts'
import { createOrderSyncHandler } from '../../src/server/handler.ts'
import type { OrderSyncHandler } from '../../src/server/http.ts'
import { memoryStore } from '../../src/stores/memory.ts'
import { mysqlStore, transactionalMysqlStore } from '../../src/stores/mysql.ts'
import { postgresStore, transactionalPostgresStore } from '../../src/stores/postgres.ts'
import { redisStore } from '../../src/stores/redis.ts'
import { sqliteStore } from '../../src/stores/sqlite.ts'
import type { OrderSyncStore } from '../../src/stores/store.ts'
import type { Serve } from '../adapters/adapter.ts'
import { LAMBDA_PLATFORMS } from '../adapters/lambda-platform.ts'
import {
  createExpressAdapter,
  createFastifyAdapter,
  createKoaAdapter,
  createNodeAdapter,
  serveHttp,
} from '../adapters/node-mounts.ts'
import { createFetchAdapter, serveFetch } from '../adapters/web-mounts.ts'
import { CLIENT_ID, PATH } from '../support/messages.ts'
import { mysqlPoolAt, type SqlTransaction } from '../support/stores.ts'
import type { ChaosAdapter, ChaosStore } from './plan.ts'

const [place = '', adapter = '', effects = '', gatewayPem = '', merchantPem = ''] = process.argv.slice(2)

interface OpenStore {
  readonly store: OrderSyncStore
  readonly transactional?: OrderSyncStore<SqlTransaction>
  readonly close: () => unknown
}

/** Opens the store with the settings that docs/stores.md recommends, and shorter times. */
async function openStore(): Promise<OpenStore> {
  const [kind, where = '', name = ''] = place.split(' ') as [ChaosStore, string?, string?]
  switch (kind) {
    case 'memory':
      return { store: memoryStore(), close: () => undefined }
    case 'node:sqlite':
    case 'better-sqlite3': {
      const store = sqliteStore({ file: where, driver: kind })
      return { store, close: () => store.close() }
    }
    case 'redis': {
      const socket = {
        connectTimeout: 500,
        socketTimeout: 1_000,
        reconnectStrategy: (retries: number) => Math.min(50 * 2 ** Math.min(retries, 3), 300),
      }
      const client = createClient({ url: where, socket, pingInterval: 400 })
      client.on('error', () => undefined)
      await client.connect()
      return { store: redisStore({ client, prefix: name }), close: () => client.destroy() }
    }
    case 'ioredis': {
      const client = new Redis(where, {
        connectTimeout: 500,
        commandTimeout: 700,
        socketTimeout: 1_000,
        retryStrategy: (retries) => Math.min(50 * 2 ** Math.min(retries, 3), 300),
      })
      client.on('error', () => undefined)
      return { store: redisStore({ client, prefix: name }), close: () => client.disconnect() }
    }
    case 'mysql':
    case 'transactional-mysql': {
      const pool = mysqlPoolAt(where, name, {
        connectionLimit: 8,
        connectTimeout: 500,
        maxIdle: 4,
        idleTimeout: 1_000,
      })
      const options = { pool, queryTimeoutMs: 1_000 }
      if (kind === 'mysql') return { store: mysqlStore(options), close: () => pool.end() }
      return { store: mysqlStore(options), transactional: transactionalMysqlStore(options), close: () => pool.end() }
    }
    default: {
      const pool = new Pool({
        connectionString: where,
        options: `-c search_path=${name}`,
        max: 8,
        connectionTimeoutMillis: 500,
        query_timeout: 1_000,
        keepAlive: true,
      })
      pool.on('error', () => undefined)
      if (kind === 'postgres') return { store: postgresStore({ pool }), close: () => pool.end() }
      const transactional = transactionalPostgresStore({ pool })
      return { store: postgresStore({ pool }), transactional, close: () => pool.end() }
    }
  }
}

const SERVE: Readonly<Record<ChaosAdapter, Serve>> = {
  node: createNodeAdapter().mounts.alone.serve,
  express: createExpressAdapter(express).mounts.alone.serve,
  koa: createKoaAdapter(Koa).mounts.alone.serve,
  fastify: createFastifyAdapter(Fastify).mounts.alone.serve,
  fetch: createFetchAdapter(serveFetch).mounts.alone.serve,
  'next-pages': (handler) => serveHttp(nextPagesOrderSync(handler)),
  lambda: (handler, path) => {
    const mount = LAMBDA_PLATFORMS['a function URL']?.mounts['alone']
    if (mount === undefined) throw new Error('The platform has no mount')
    return mount.serve(handler, path)
  },
}

/** Most orders are quick, some are slow, a few outlive their lease, and a few fail. */
async function beSlowOrFail(): Promise<void> {
  const luck = Math.random()
  if (luck < 0.03) throw new Error('The merchant failed')
  if (luck < 0.05) await sleep(2_500)
  else if (luck < 0.25) await sleep(Math.random() * 200)
}

const { store, transactional, close } = await openStore()
const settings = {
  credentials: {
    clientId: CLIENT_ID,
    privateKeys: { 1: createPrivateKey(readFileSync(merchantPem)) },
    peerPublicKeys: { 1: createPublicKey(createPrivateKey(readFileSync(gatewayPem))) },
  },
  onEvent: () => undefined,
  timeoutMs: 1_500,
  leaseMs: 2_000,
  storeTimeoutMs: 800,
  busyWaitMs: 300,
  bodyTimeoutMs: 500,
  maxReading: 40,
  maxConcurrent: 100,
}
const handler: OrderSyncHandler = transactional
  ? createOrderSyncHandler<unknown, SqlTransaction>({
      ...settings,
      store: transactional,
      async onOrder({ merchantBizNo, orderModifyTime }, { transaction }) {
        const row = `'${merchantBizNo}', ${orderModifyTime}`
        await transaction.query(`INSERT INTO effects (order_no, modify_time) VALUES (${row})`)
        await beSlowOrFail()
        return { orderId: merchantBizNo }
      },
    })
  : createOrderSyncHandler({
      ...settings,
      store,
      async onOrder({ merchantBizNo, orderModifyTime }) {
        await beSlowOrFail()
        appendFileSync(effects, `${merchantBizNo} ${orderModifyTime}\n`)
        return { orderId: merchantBizNo }
      },
    })

const served = await SERVE[adapter as ChaosAdapter](handler, PATH)
process.on('SIGTERM', async () => {
  const { stillRunning } = await handler.drain({ timeoutMs: 10_000 })
  await served.close()
  await close()
  console.log(JSON.stringify({ stillRunning }))
})
console.log(JSON.stringify({ port: served.port }))

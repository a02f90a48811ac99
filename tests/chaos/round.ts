import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { RowDataPacket } from 'mysql2/promise'
import { Pool } from 'pg'
import { match } from 'ts-pattern'
import { migrateMysql } from '../../src/stores/mysql-migration.ts'
import { migratePostgres } from '../../src/stores/postgres.ts'
import { keyFolder } from '../support/processes.ts'
import { startTcpProxy } from '../support/proxy/tcp.ts'
import { isTransactional, makePlace, mysqlPoolAt } from '../support/stores.ts'
import { checkEffects, type Effect } from './effects.ts'
import { type Fault, faultsOf } from './faults.ts'
import { createChaosGateway } from './gateway.ts'
import { createChaosMerchant } from './merchant.ts'
import type { Pair } from './plan.ts'
import { createRandom } from './random.ts'

/** The servers that a round may use. */
export interface Servers {
  readonly mysqlUrl: string
  readonly postgresUrl: string
  readonly redisUrl: string
}

/** What a round has shown. */
export interface RoundResult {
  readonly events: number
  readonly attempts: number
  /** How often each fault occurred. */
  readonly faults: Readonly<Record<string, number>>
  /** Events whose effect happened more than once. */
  readonly repeated: number
  /** Milliseconds from the last fault until everything was delivered. */
  readonly recoveryMs: number
  /** What must not happen. */
  readonly violations: readonly string[]
}

/** The time to deliver everything after the last fault: a frozen transaction may hold its order for a minute. */
const RECOVERY_LIMIT_MS = 75_000

/** Runs two processes with one store under load, with one fault after another, and checks what has become of the orders. */
export async function runRound(pair: Pair, servers: Servers, durationMs: number, seed: number): Promise<RoundResult> {
  const random = createRandom(seed)
  const setting = await prepare(pair, servers)
  const violations: string[] = []
  const { adapter, store } = pair
  const merchants = Array.from({ length: store === 'memory' ? 1 : 2 }, () =>
    createChaosMerchant([setting.place, adapter, setting.effectsFile, setting.gatewayPem, setting.merchantPem], (end) =>
      violations.push(`A process ${end}`),
    ),
  )
  const ports = () => merchants.map(({ port }) => port()).filter((port) => port !== undefined)
  // Port 1 refuses connections: what a gateway meets while no process runs.
  const gateway = createChaosGateway(() => (ports().length > 0 ? ports() : [1]), random)
  try {
    await Promise.all(merchants.map(({ start }) => start()))
    const delivering = gateway.run()
    // Awaited below. It may reject before, and the processes must still be ended.
    delivering.catch(() => undefined)
    const faults = await breakThings(faultsOf({ merchants, ...setting }), durationMs, random)
    gateway.stop()
    const healedAt = performance.now()
    const isDelivered = await Promise.race([
      delivering.then(() => true),
      sleep(RECOVERY_LIMIT_MS, false, { ref: false }),
    ])
    const recoveryMs = Math.round(performance.now() - healedAt)
    if (!isDelivered) {
      const lost = [...gateway.pending].slice(0, 5).map(({ requestId }) => requestId)
      violations.push(`${gateway.pending.size} events were not delivered in ${RECOVERY_LIMIT_MS} ms, such as ${lost}`)
      gateway.abandon()
    }
    for (const [index, merchant] of merchants.entries()) {
      const wrong = await merchant.shutDown()
      if (wrong !== undefined) violations.push(`Process ${index + 1} ${wrong}`)
    }
    const effects = await setting.effects()
    violations.push(
      ...gateway.violations,
      ...checkEffects(gateway, effects, { isExactlyOnce: store !== 'memory' && isTransactional(store) }),
    )
    const repeated = effects.length - new Set(effects.map(String)).size
    return { events: gateway.events.length, attempts: gateway.attempts(), faults, repeated, recoveryMs, violations }
  } finally {
    gateway.abandon()
    for (const merchant of merchants) await merchant.kill()
    await setting.remove()
  }
}

/** The place of the store, and everything around it. */
async function prepare({ store }: Pair, { mysqlUrl, postgresUrl, redisUrl }: Servers) {
  const keys = keyFolder()
  const effectsFile = join(keys.folder, 'effects')
  writeFileSync(effectsFile, '')
  const readFile = (): Effect[] =>
    readFileSync(effectsFile, 'utf8')
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => line.split(' '))
      .map(([order = '', time]) => [order, Number(time)])
  const common = { effectsFile, gatewayPem: keys.gateway, merchantPem: keys.merchant, isDurable: store !== 'memory' }
  if (store === 'memory') {
    return { ...common, place: 'memory', effects: async () => readFile(), remove: async () => keys.remove() }
  }
  const serverUrl = match(store)
    .with('postgres', 'transactional', () => postgresUrl)
    .with('mysql', 'transactional-mysql', () => mysqlUrl)
    .with('redis', 'ioredis', () => redisUrl)
    .with('better-sqlite3', 'node:sqlite', () => '')
    .exhaustive()
  const { place: direct, remove } = await makePlace(store, serverUrl)
  const [, where = '', name = ''] = direct.split(' ')
  if (serverUrl === '') {
    return {
      ...common,
      place: direct,
      file: where,
      effects: async () => readFile(),
      async remove() {
        await remove()
        keys.remove()
      },
    }
  }
  const url = new URL(serverUrl)
  const proxy = await startTcpProxy({
    host: url.hostname,
    port: Number(url.port || DEFAULT_PORTS[url.protocol]),
  })
  const throughProxy = new URL(serverUrl)
  throughProxy.hostname = '127.0.0.1'
  throughProxy.port = String(proxy.port)
  const database = await match(store)
    .with('postgres', 'transactional', async () => await preparePostgres(postgresUrl, name))
    .with('mysql', 'transactional-mysql', async () => await prepareMysql(mysqlUrl, name))
    .otherwise(async () => undefined)
  return {
    ...common,
    place: `${store} ${throughProxy.href} ${name}`,
    proxy,
    terminateConnections: database?.terminateConnections,
    effects: async () => (isTransactional(store) && database ? await database.effects() : readFile()),
    async remove() {
      await database?.close()
      await proxy.close()
      await remove()
      keys.remove()
    },
  }
}

const DEFAULT_PORTS: Readonly<Record<string, number>> = { 'mysql:': 3306, 'postgres:': 5432, 'redis:': 6379 }

/** A database with the tables of the store and a table of effects. */
interface ChaosDatabase {
  readonly effects: () => Promise<Effect[]>
  readonly terminateConnections: () => Promise<void>
  readonly close: () => Promise<void>
}

async function preparePostgres(url: string, schema: string): Promise<ChaosDatabase> {
  const pool = new Pool({ connectionString: url, options: `-c search_path=${schema}`, max: 1 })
  pool.on('error', () => undefined)
  await migratePostgres(pool)
  await pool.query('CREATE TABLE effects (id bigserial, order_no text, modify_time bigint)')
  return {
    async effects() {
      const { rows } = await pool.query<{ order_no: string; modify_time: string }>('SELECT * FROM effects ORDER BY id')
      return rows.map(({ order_no, modify_time }) => [order_no, Number(modify_time)])
    },
    async terminateConnections() {
      const others = 'application_name = $1 AND pid <> pg_backend_pid()'
      await pool.query(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE ${others}`, [schema])
    },
    close: () => pool.end(),
  }
}

async function prepareMysql(url: string, database: string): Promise<ChaosDatabase> {
  const pool = mysqlPoolAt(url, database, { connectionLimit: 1 })
  await migrateMysql(pool)
  await pool.query(
    'CREATE TABLE effects (id bigint AUTO_INCREMENT PRIMARY KEY, order_no varchar(64), modify_time bigint) ENGINE = InnoDB',
  )
  return {
    async effects() {
      const [rows] = await pool.query<RowDataPacket[]>('SELECT order_no, modify_time FROM effects ORDER BY id')
      return rows.map((row) => [String(row['order_no']), Number(row['modify_time'])])
    },
    async terminateConnections() {
      const others = 'db = ? AND id <> CONNECTION_ID()'
      const [rows] = await pool.query<RowDataPacket[]>(
        `SELECT id FROM information_schema.processlist WHERE ${others}`,
        [database],
      )
      // A connection may have ended by itself.
      for (const row of rows) await pool.query(`KILL ${Number(row['id'])}`).catch(() => undefined)
    },
    close: () => pool.end(),
  }
}

/** One fault after another, with short pauses. */
async function breakThings(
  faults: Readonly<Record<string, Fault>>,
  durationMs: number,
  random: ReturnType<typeof createRandom>,
) {
  const counts: Record<string, number> = {}
  const until = performance.now() + durationMs
  // Each fault occurs once before one is repeated.
  let names: string[] = []
  while (performance.now() < until) {
    if (names.length === 0) names = random.shuffle(Object.keys(faults))
    const name = names.pop() ?? ''
    await faults[name]?.(random)
    counts[name] = (counts[name] ?? 0) + 1
    await sleep(random.between(50, 400))
  }
  return counts
}

import { type ChildProcess, execFileSync, type StdioOptions, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { chownSync, existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { Redis } from 'ioredis'
import { createConnection } from 'mysql2/promise'
import { Client } from 'pg'
import type { TestProject } from 'vitest/node'

declare module 'vitest' {
  export interface ProvidedContext {
    mysqlUrl: string | undefined
    postgresUrl: string | undefined
    redisUrl: string | undefined
  }
}

/** The real servers of the tests. */
export interface Services {
  /** MariaDB, or MySQL with the environment variable MYSQL_URL. */
  readonly mysqlUrl: string | undefined
  readonly postgresUrl: string | undefined
  readonly redisUrl: string | undefined
  readonly stop: () => void
}

/**
 * The servers that the environment variables name, or new ones if the machine has the programs. Otherwise it warns. Other servers on
 * this machine are not used: their data is not ours, and their settings differ.
 */
export async function startServices(): Promise<Services> {
  const stops: (() => void)[] = []
  const postgresUrl = process.env['POSTGRES_URL'] ?? (await startPostgres(stops).catch(report('PostgreSQL')))
  const redisUrl = process.env['REDIS_URL'] ?? (await startRedis(stops).catch(report('Redis')))
  const mysqlUrl = process.env['MYSQL_URL'] ?? (await startMariadb(stops).catch(report('MariaDB')))
  if (postgresUrl === undefined) console.warn('PostgreSQL cannot be started here; its tests are skipped')
  if (redisUrl === undefined) console.warn('Redis cannot be started here; its tests are skipped')
  if (mysqlUrl === undefined) console.warn('MariaDB cannot be started here; its tests are skipped')
  return {
    mysqlUrl,
    postgresUrl,
    redisUrl,
    stop() {
      for (const stop of stops) stop()
    },
  }
}

/** For the store tests. */
export default async function setup(project: TestProject): Promise<() => void> {
  const { mysqlUrl, postgresUrl, redisUrl, stop } = await startServices()
  project.provide('mysqlUrl', mysqlUrl)
  project.provide('postgresUrl', postgresUrl)
  project.provide('redisUrl', redisUrl)
  return stop
}

async function pingPostgres(connectionString: string): Promise<void> {
  const client = new Client({ connectionString, connectionTimeoutMillis: 2_000 })
  await client.connect()
  await client.query('SELECT 1')
  await client.end()
}

async function pingMysql(uri: string): Promise<void> {
  const connection = await createConnection({ uri, connectTimeout: 2_000 })
  await connection.query('SELECT 1')
  await connection.end()
}

async function pingRedis(url: string): Promise<void> {
  const client = new Redis(url, { lazyConnect: true, retryStrategy: () => null, connectTimeout: 2_000 })
  client.on('error', () => undefined)
  try {
    await client.connect()
    await client.ping()
  } finally {
    client.disconnect()
  }
}

const report = (what: string) => (error: unknown) => {
  console.warn(`${what} could not be started: ${(error as Error).message}`)
  return undefined
}

function program(name: string): string | undefined {
  const folders = [...(process.env['PATH'] ?? '').split(delimiter), ...debianFolders(), '/usr/sbin']
  return folders.map((folder) => join(folder, name)).find(existsSync)
}

/** Debian installs the PostgreSQL programs outside of PATH, in one folder for each version, and mariadbd for root only. */
function debianFolders(): string[] {
  const versions = '/usr/lib/postgresql'
  return existsSync(versions) ? readdirSync(versions).map((version) => join(versions, version, 'bin')) : []
}

async function startRedis(stops: (() => void)[]): Promise<string | undefined> {
  const server = program('redis-server')
  if (server === undefined) return undefined
  const port = await freePort()
  const child = spawn(server, ['--port', String(port), '--bind', '127.0.0.1', '--save', '', '--appendonly', 'no'])
  stops.push(() => child.kill())
  return await started(`redis://127.0.0.1:${port}`, pingRedis, child)
}

/** Starts a Redis for one test, which may change its configuration. Undefined where it is not installed. */
export async function startPrivateRedis(): Promise<{ url: string; stop: () => void } | undefined> {
  const stops: (() => void)[] = []
  const url = await startRedis(stops)
  return url === undefined ? undefined : { url, stop: () => stops.forEach((stop) => void stop()) }
}

/** A PostgreSQL of its own, which a test may stop and start again. */
export interface PrivatePostgres {
  readonly url: string
  /** Ends the server and starts it again on the same data: SIGINT ends it in order, SIGQUIT is a crash. */
  readonly restart: (signal: 'SIGINT' | 'SIGQUIT') => Promise<void>
  /** Ends the server and removes its data. */
  readonly stop: () => Promise<void>
}

/** The error of a command then contains what it printed: why a database cannot be created. */
const SHOW_ERRORS: StdioOptions = ['ignore', 'ignore', 'pipe']

/** Starts a PostgreSQL for one test. Undefined where it is not installed. */
export async function startPrivatePostgres(): Promise<PrivatePostgres | undefined> {
  const [initdb, server] = [program('initdb'), program('postgres')]
  if (initdb === undefined || server === undefined) return undefined
  const { data, as } = newDataFolder('postgres')
  execFileSync(initdb, ['-D', data, '-U', 'postgres', '-A', 'trust'], { ...as, stdio: SHOW_ERRORS })
  const port = await freePort()
  const url = `postgres://postgres@127.0.0.1:${port}/postgres`
  const start = () =>
    spawn(server, ['-D', data, '-p', String(port), '-h', '127.0.0.1', '-k', data], { ...as, stdio: 'ignore' })
  let child = start()
  await started(url, pingPostgres, child)
  async function end(signal: 'SIGINT' | 'SIGQUIT'): Promise<void> {
    const ended = once(child, 'exit', { signal: AbortSignal.timeout(30_000) })
    child.kill(signal)
    await ended
  }
  return {
    url,
    async restart(signal) {
      await end(signal)
      child = start()
      await started(url, pingPostgres, child)
    },
    async stop() {
      await end('SIGINT')
      rmSync(data, { recursive: true, force: true })
    },
  }
}

/** Starts PgBouncer in transaction mode in front of a PostgreSQL, for one test. Undefined where it is not installed. */
export async function startPgBouncer(postgresUrl: string): Promise<{ url: string; stop: () => void } | undefined> {
  const server = program('pgbouncer')
  if (server === undefined) return undefined
  const { data, as } = newDataFolder('postgres')
  const [port, { hostname, port: postgresPort, username, pathname }] = [await freePort(), new URL(postgresUrl)]
  const file = join(data, 'pgbouncer.ini')
  writeFileSync(
    file,
    `[databases]
${pathname.slice(1)} = host=${hostname} port=${postgresPort} user=${username}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = ${port}
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = 3
max_client_conn = 200
`,
  )
  const child = spawn(server, [file], { ...as, stdio: 'ignore' })
  const url = `postgres://${username}@127.0.0.1:${port}${pathname}`
  return {
    url: await started(url, pingPostgres, child),
    stop() {
      child.kill('SIGINT')
      child.once('exit', () => rmSync(data, { recursive: true, force: true }))
    },
  }
}

async function startPostgres(stops: (() => void)[]): Promise<string | undefined> {
  const [initdb, server] = [program('initdb'), program('postgres')]
  if (initdb === undefined || server === undefined) return undefined
  const { data, as } = newDataFolder('postgres')
  execFileSync(initdb, ['-D', data, '-U', 'postgres', '-A', 'trust'], { ...as, stdio: SHOW_ERRORS })
  const port = await freePort()
  const child = spawn(server, ['-D', data, '-p', String(port), '-h', '127.0.0.1', '-k', data], {
    ...as,
    stdio: 'ignore',
  })
  stops.push(() => {
    child.kill('SIGINT')
    child.once('exit', () => rmSync(data, { recursive: true, force: true }))
  })
  return await started(`postgres://postgres@127.0.0.1:${port}/postgres`, pingPostgres, child)
}

async function startMariadb(stops: (() => void)[]): Promise<string | undefined> {
  const [install, server] = [program('mariadb-install-db'), program('mariadbd')]
  if (install === undefined || server === undefined) return undefined
  const { data, as } = newDataFolder('mysql')
  const settings = ['--no-defaults', `--datadir=${data}`]
  execFileSync(install, [...settings, '--auth-root-authentication-method=normal', '--skip-test-db'], {
    ...as,
    stdio: SHOW_ERRORS,
  })
  const port = await freePort()
  const where = [`--port=${port}`, '--bind-address=127.0.0.1', `--socket=${join(data, 'socket')}`]
  // In a time zone with summer time: local time is no clock.
  const env = { ...process.env, TZ: 'CET-1CEST,M3.5.0,M10.5.0/3' }
  const child = spawn(server, [...settings, ...where, '--skip-log-bin'], { ...as, env, stdio: 'ignore' })
  stops.push(() => {
    child.kill()
    child.once('exit', () => rmSync(data, { recursive: true, force: true }))
  })
  // A database that every installation has. The tests create their own.
  return await started(`mysql://root@127.0.0.1:${port}/mysql`, pingMysql, child)
}

/** A folder that the server may write. PostgreSQL and MariaDB refuse to run as root. */
function newDataFolder(user: string): { data: string; as: { uid?: number; cwd?: string } } {
  const data = mkdtempSync(join(tmpdir(), `order-sync-${user}-`))
  if (process.getuid?.() !== 0) return { data, as: {} }
  const uid = Number(spawnSync('id', ['-u', user]).stdout) || 65_534
  chownSync(data, uid, uid)
  return { data, as: { uid, cwd: '/' } }
}

async function started(url: string, ping: (url: string) => Promise<unknown>, child: ChildProcess): Promise<string> {
  // On a busy machine, the recovery of a database that crashed takes a while.
  for (let tries = 0; tries < 600 && child.exitCode === null; tries++) {
    if (
      await ping(url).then(
        () => true,
        () => false,
      )
    )
      return url
    await sleep(100)
  }
  throw new Error('it does not respond')
}

function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const address = server.address()
      server.close(() => resolve(typeof address === 'object' ? (address?.port ?? 0) : 0))
    })
  })
}

import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import process from 'node:process'
import { build } from 'esbuild'
import { Redis } from 'ioredis'
import type { RowDataPacket } from 'mysql2/promise'
import { Pool } from 'pg'
import { describe, expect, inject, onTestFinished, test } from 'vitest'
import { entryPoints } from '../../scripts/entry-points.ts'
import { migrateMysql } from '../../src/stores/mysql-migration.ts'
import { codeBlocks } from '../support/compile.ts'
import { root } from '../support/project.ts'
import { makePlace, mysqlPoolAt } from '../support/stores.ts'

const mysqlUrl = inject('mysqlUrl')
const postgresUrl = inject('postgresUrl')
const redisUrl = inject('redisUrl')

const blocks = [
  'docs/stores.md',
  'src/stores/mysql.ts',
  'src/stores/mysql-migration.ts',
  'src/stores/postgres.ts',
  'src/stores/redis.ts',
].flatMap((path) => codeBlocks(path))
const listener = /^(pool|client)\.on\('error', .*$/m

/** Each example with a pool that stays open, as it is, and without its listener: then the store listens. */
const postgresExamples = blocks
  .filter(({ code }) => code.includes('new Pool(') && !code.includes('pool.end()'))
  .flatMap(({ place, code }) => [
    { title: place, code },
    { title: `${place} without its listener`, code: code.replace(listener, '') },
  ])
const mysqlExamples = blocks
  .filter(({ code }) => code.includes('createPool('))
  .map(({ place, code }) => ({ title: place, code }))
const redisExamples = blocks
  .filter(({ code }) => code.includes('createClient('))
  .flatMap(({ place, code }) => [
    { title: place, code },
    { title: `${place} without its listener`, code: code.replace(listener, '') },
  ])

/** Reports when the connection is open, and whether another query succeeds after the parent has ended it. */
const probe = (query: string, id: string) => `
process.send(${id})
process.once('message', async () => {
  for (let tries = 0; tries < 50; tries++) {
    await new Promise((resolve) => setTimeout(resolve, 100))
    if (await ${query}.then(() => true, () => false)) process.exit(42)
  }
  process.exit(1)
})
`

let examples = 0

async function start(
  code: string,
  env: Readonly<Record<string, string>>,
): Promise<{ child: ChildProcess; id: unknown }> {
  const outfile = join(root, '.cache', 'store-examples', `${process.pid}-${++examples}.mjs`)
  await build({
    stdin: { contents: code, resolveDir: root, loader: 'ts' },
    alias: Object.fromEntries(entryPoints.map(({ specifier, source }) => [specifier, join(root, source)])),
    ...{
      bundle: true,
      platform: 'node',
      format: 'esm',
      external: ['mysql2', 'pg', 'redis'],
      logLevel: 'error',
      outfile,
    },
  })
  const child = spawn(process.execPath, [outfile], {
    env: { ...process.env, ...env },
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
  })
  onTestFinished(() => void child.kill('SIGKILL'))
  const [id] = await Promise.race([once(child, 'message'), once(child, 'exit').then(([status]) => [`exit ${status}`])])
  return { child, id }
}

/** Lets the child check its connection, and returns its exit status and what it has printed. */
async function check(child: ChildProcess, before: Promise<unknown>): Promise<{ status: unknown; stderr: string }> {
  let stderr = ''
  child.stderr?.on('data', (chunk) => (stderr += chunk))
  const exit = once(child, 'exit')
  await before
  if (child.exitCode === null) child.send('check')
  const [status] = await exit
  return { status, stderr }
}

test('docs/stores.md and the docblocks of the stores have examples with a pool and with a client', () => {
  expect(postgresExamples.length).toBeGreaterThanOrEqual(6)
  expect(mysqlExamples.length).toBeGreaterThanOrEqual(4)
  expect(redisExamples.length).toBeGreaterThanOrEqual(4)
})

describe.skipIf(postgresUrl === undefined)('the example of PostgreSQL survives when its connection is closed', () => {
  test.each(postgresExamples)('$title', async ({ title, code }) => {
    const { place, remove } = await makePlace('postgres', postgresUrl ?? '')
    const name = place.split(' ')[2] ?? ''
    onTestFinished(remove)
    const admin = new Pool({ connectionString: postgresUrl })
    onTestFinished(() => admin.end())
    const url = new URL(postgresUrl ?? '')
    const { child, id } = await start(
      `${code.replaceAll("'order_sync'", `'${name}'`)}\n${probe("pool.query('SELECT 1')", "'open'")}`,
      {
        ...{ DATABASE_URL: url.href, PGOPTIONS: `-c search_path=${name}`, PGAPPNAME: name },
        ...{
          PGHOST: url.hostname,
          PGPORT: url.port || '5432',
          PGUSER: url.username,
          PGDATABASE: url.pathname.slice(1),
        },
      },
    )
    expect(id).toBe('open')
    const terminate = 'SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = $1'
    const { status, stderr } = await check(child, admin.query(terminate, [name]))
    expect({ status, stderr }).toMatchObject({ status: 42 })
    expect(stderr).toContain(title.endsWith('listener') ? 'OrderSyncWarning' : 'an idle connection broke')
  })
})

describe.skipIf(mysqlUrl === undefined)('the example of MySQL survives when its connection is closed', () => {
  test.each(mysqlExamples)('$title', async ({ code }) => {
    const { place, remove } = await makePlace('mysql', mysqlUrl ?? '')
    onTestFinished(remove)
    const name = place.split(' ')[2] ?? ''
    const admin = mysqlPoolAt(mysqlUrl ?? '', name)
    onTestFinished(() => admin.end())
    // The procedures that `forgetExpired` calls.
    await migrateMysql(admin)
    const url = new URL(mysqlUrl ?? '')
    url.pathname = name
    const connection = "(await pool.query('SELECT CONNECTION_ID() AS id'))[0][0].id"
    const { child, id } = await start(
      `${code.replaceAll("'order_sync'", `'${name}'`)}\n${probe("pool.query('SELECT 1')", connection)}`,
      { DATABASE_URL: url.href },
    )
    expect(id).toEqual(expect.any(Number))
    const others = `SELECT id FROM information_schema.processlist WHERE db = '${name}' AND id <> CONNECTION_ID()`
    const [rows] = await admin.query<RowDataPacket[]>(others)
    expect(rows.map((row) => row['id'])).toContain(id)
    const killed = Promise.all(rows.map((row) => admin.query(`KILL ${Number(row['id'])}`)))
    expect(await check(child, killed)).toEqual({ status: 42, stderr: '' })
  })
})

describe.skipIf(redisUrl !== 'redis://127.0.0.1:6379')(
  'the example of Redis survives when its connection is closed',
  () => {
    test.each(redisExamples)('$title', async ({ title, code }) => {
      const admin = new Redis(redisUrl ?? '')
      onTestFinished(async () => void (await admin.quit()))
      const { child, id } = await start(`${code}\n${probe('client.ping()', 'await client.clientId()')}`, {
        REDIS_URL: redisUrl ?? '',
      })
      expect(id).toEqual(expect.any(Number))
      const { status, stderr } = await check(child, admin.client('KILL', 'ID', Number(id)))
      expect({ status, stderr }).toMatchObject({ status: 42 })
      expect(stderr).toContain(title.endsWith('listener') ? 'OrderSyncWarning' : 'the connection to Redis broke')
    })
  },
)

import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import process from 'node:process'
import { build } from 'esbuild'
import { Redis } from 'ioredis'
import { Pool } from 'pg'
import { describe, expect, inject, onTestFinished, test } from 'vitest'
import { entryPoints } from '../../scripts/entry-points.ts'
import { codeBlocks } from '../support/compile.ts'
import { root } from '../support/project.ts'
import { makePlace } from '../support/stores.ts'

const postgresUrl = inject('postgresUrl')
const redisUrl = inject('redisUrl')

const blocks = ['docs/stores.md', 'src/stores/postgres.ts', 'src/stores/redis.ts'].flatMap((path) => codeBlocks(path))
const listener = /^(pool|client)\.on\('error', .*$/m

/** Each example with a pool that stays open, as it is, and without its listener: then the store listens. */
const postgresExamples = blocks
  .filter(({ code }) => code.includes('new Pool(') && !code.includes('pool.end()'))
  .flatMap(({ place, code }) => [
    { title: place, code },
    { title: `${place} without its listener`, code: code.replace(listener, '') },
  ])
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
    ...{ bundle: true, platform: 'node', format: 'esm', external: ['pg', 'redis'], logLevel: 'error', outfile },
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
  expect(redisExamples.length).toBeGreaterThanOrEqual(4)
})

describe.skipIf(postgresUrl === undefined)('the example of PostgreSQL survives the end of its connection', () => {
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

describe.skipIf(redisUrl !== 'redis://127.0.0.1:6379')(
  'the example of Redis survives the end of its connection',
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

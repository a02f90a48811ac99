import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, inject, onTestFinished, test } from 'vitest'
import { orderKey } from '../../src/public/index.ts'
import { cli, folderIn, type ServeProcess, serve } from '../support/cli.ts'
import { CLIENT_ID, NOW, order } from '../support/messages.ts'
import { makePlace, openPlace } from '../support/stores.ts'
import { folder, gateway, merchant } from './identity.ts'

const mysqlUrl = inject('mysqlUrl')
const postgresUrl = inject('postgresUrl')
const redisUrl = inject('redisUrl')

/** `create` returns a value for `--store` that no other test uses. */
const stores: readonly { store: string; url: string | undefined; create: (url: string) => Promise<string> }[] = [
  { store: 'sqlite', url: '', create: async () => `sqlite:${join(folderIn(folder), 'orders.db')}` },
  { store: 'postgres', url: postgresUrl, create: createSchema },
  { store: 'mysql', url: mysqlUrl, create: createDatabase },
  { store: 'redis', url: redisUrl, create: async (url) => url },
]

async function createSchema(url: string): Promise<string> {
  const { place, remove } = await makePlace('postgres', url)
  onTestFinished(remove)
  const { close } = await openPlace(place)
  await close()
  const [, , name = ''] = place.split(' ')
  return `${url}?options=${encodeURIComponent(`-c search_path=${name}`)}`
}

async function createDatabase(url: string): Promise<string> {
  const { place, remove } = await makePlace('mysql', url)
  onTestFinished(remove)
  const location = new URL(url)
  location.pathname = place.split(' ')[2] ?? ''
  return location.href
}

for (const { store, url, create } of stores) {
  describe.skipIf(url === undefined)(store, () => {
    test('serve remembers a processed order after kill -9 and a restart', async () => {
      const location = await create(url ?? '')
      // Other data may be in Redis: use an order that was never sent before.
      const sent = order({
        merchantBizNo: `order-${process.pid}-${Date.now()}`,
        requestId: `r-${process.pid}-${Date.now()}`,
      })
      const send = async ({ url }: ServeProcess, changes: object = {}) =>
        JSON.parse(
          (await cli(['send', '--url', url, ...gateway(), '-'], JSON.stringify({ ...sent, ...changes }))).stdout,
        )

      const first = await serve([...merchant(), '--store', location])
      const response = await send(first)
      expect(await first.nextEvent()).toMatchObject({ event: 'order', orderId: response.orderId })
      first.child.kill('SIGKILL')
      await first.exitCode

      const second = await serve([...merchant(), '--store', location])
      expect(await send(second)).toEqual(response)
      expect(await second.nextEvent()).toMatchObject({ event: 'replay' })
      expect(await send(second, { requestId: `${sent['requestId']}-2`, orderModifyTime: NOW - 2_000 })).toEqual(
        response,
      )
      expect(await second.nextEvent()).toMatchObject({ event: 'stale' })
      second.child.kill('SIGTERM')
      expect(await second.exitCode).toBe(0)
    })

    test('store migrates, inspects, forgets and prunes; a forgotten order is processed again', async () => {
      const location = await create(url ?? '')
      const merchantBizNo = `order-${process.pid}-${Date.now()}-forget`
      const requestId = `r-${process.pid}-${Date.now()}`
      const sent = JSON.stringify(order({ merchantBizNo, requestId }))
      const identity = ['--client-id', CLIENT_ID, '--merchant-biz-no', merchantBizNo]
      const store = (action: string, ...args: string[]) => cli(['store', action, '--store', location, ...args])

      expect(await store('migrate')).toEqual({ code: 0, stdout: 'The store is ready.\n', stderr: '' })
      expect(await store('inspect', ...identity)).toMatchObject({
        code: 1,
        stdout: expect.stringContaining('No event of this order was processed.'),
      })
      expect(await store('forget', ...identity, '--json')).toMatchObject({
        code: 1,
        stdout: expect.stringContaining('"result":"unknown"'),
      })

      const server = await serve([...merchant(), '--store', location])
      const send = async () => JSON.parse((await cli(['send', '--url', server.url, ...gateway(), '-'], sent)).stdout)
      const { orderId } = await send()
      const key = orderKey({ clientId: CLIENT_ID, merchantBizType: 'TRADE_ORDER', merchantBizNo })
      const inspected = await store('inspect', '--key', key)
      expect(inspected).toMatchObject({ code: 0, stderr: '' })
      expect(inspected.stdout).toContain(
        `orderKey: ${key}\nlast processed event: orderModifyTime ${NOW - 1_000} (2024-`,
      )
      expect(inspected.stdout).toContain(orderId)
      const { stdout } = await store('inspect', ...identity, '--json')
      expect(JSON.parse(stdout)).toMatchObject({ orderKey: key, last: { orderModifyTime: NOW - 1_000 } })

      expect(await store('forget', ...identity)).toMatchObject({
        code: 0,
        stdout: expect.stringMatching(/^Forgotten\./),
      })
      const again = await send()
      expect(again.orderId).not.toBe(orderId)
      expect(await send()).toEqual(again)
      expect(await store('prune', '--json')).toMatchObject({
        code: 0,
        stdout: expect.stringMatching(/^\{"deleted":(0|null)\}\n$/),
      })
    })
  })
}

test('serve creates the SQLite file', async () => {
  const file = join(folderIn(folder), 'orders.db')
  await serve([...merchant(), '--store', `sqlite:${file}`])
  expect(existsSync(file)).toBe(true)
})

test.each([
  ['an unknown store', 'disk', '--store must be memory, sqlite:FILE, postgres://…, mysql://… or redis://….'],
  ['SQLite without a file', 'sqlite:', 'needs a file'],
  ['SQLite in a missing folder', 'sqlite:/nowhere/at/all.db', '--store: '],
  ['unreachable PostgreSQL', 'postgres://someone:S3CRET@127.0.0.1:1/x', 'PostgreSQL cannot be used (ECONNREFUSED).'],
  ['unreachable MySQL', 'mysql://someone:S3CRET@127.0.0.1:1/x', 'MySQL cannot be used (ECONNREFUSED).'],
  ['unreachable Redis', 'redis://someone:S3CRET@127.0.0.1:1', 'Redis cannot be used (ECONNREFUSED).'],
])('serve rejects --store in one line, without the password: %s', async (_, store, message) => {
  const { code, stdout, stderr } = await cli(['serve', ...merchant(), '--port', '0', '--store', store])
  expect({ code, stdout }).toEqual({ code: 64, stdout: '' })
  expect(stderr).toContain(message)
  expect(stderr.trimEnd().split('\n')).toHaveLength(1)
  expect(stderr).not.toContain('S3CRET')
})

describe('store', () => {
  test.each<[string, string[], string]>([
    ['no action', [], 'store needs an action: migrate, inspect, forget or prune.'],
    ['an unknown action', ['drop'], 'store needs an action: migrate, inspect, forget or prune.'],
    ['no --store', ['prune'], '--store is missing.'],
    ['the memory store', ['prune', '--store', 'memory'], '--store memory has no data outside the process'],
    ['no order', ['forget', '--store', 'sqlite:x.db'], '--client-id is missing.'],
    ['half an order', ['inspect', '--store', 'sqlite:x.db', '--client-id', 'x'], '--merchant-biz-no is missing.'],
    [
      'a malformed key',
      ['inspect', '--store', 'sqlite:x.db', '--key', 'x'],
      '--key must be the 43 characters of an orderKey.',
    ],
  ])('exits with 64 after %s, and creates no file', async (_, args, message) => {
    const { code, stdout, stderr } = await cli(['store', ...args])
    expect({ code, stdout }).toEqual({ code: 64, stdout: '' })
    expect(stderr).toContain(message)
    expect(existsSync('x.db')).toBe(false)
  })

  test('accepts a key that begins with "-"', async () => {
    const location = `sqlite:${join(folderIn(folder), 'dash.db')}`
    const { code, stderr } = await cli(['store', 'inspect', '--store', location, '--key', `-${'k'.repeat(42)}`])
    expect({ code, stderr }).toEqual({ code: 1, stderr: '' })
  })

  test('does not print the password of a URL', async () => {
    const { code, stderr } = await cli(['store', 'prune', '--store', 'postgres://user:SECRET@127.0.0.1:1/db'])
    expect(code).toBe(64)
    expect(stderr).toBe('--store: PostgreSQL cannot be used (ECONNREFUSED).\n')
  })

  test.skipIf(postgresUrl === undefined)('reports missing tables', async () => {
    const location = await createSchema(postgresUrl ?? '')
    const bare = location.replace(/search_path%3D\w+/, 'search_path%3Dno_such_schema')
    expect(bare).not.toBe(location)
    const { code, stderr } = await cli(['store', 'forget', '--store', bare, '--key', 'k'.repeat(43)])
    expect(code).toBe(64)
    expect(stderr).toContain('(ERR_STORE_NOT_MIGRATED)')
  })
})

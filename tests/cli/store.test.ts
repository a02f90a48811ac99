import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, inject, onTestFinished, test } from 'vitest'
import { cli, folderIn, type ServeProcess, serve } from '../support/cli.ts'
import { NOW, order } from '../support/messages.ts'
import { makePlace, openPlace } from '../support/stores.ts'
import { folder, gateway, merchant } from './identity.ts'

const postgresUrl = inject('postgresUrl')
const redisUrl = inject('redisUrl')

/** `create` returns a value for `--store` that no other test uses. */
const stores: readonly { store: string; url: string | undefined; create: (url: string) => Promise<string> }[] = [
  { store: 'sqlite', url: '', create: async () => `sqlite:${join(folderIn(folder), 'orders.db')}` },
  { store: 'postgres', url: postgresUrl, create: createSchema },
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
  })
}

test('serve creates the SQLite file', async () => {
  const file = join(folderIn(folder), 'orders.db')
  await serve([...merchant(), '--store', `sqlite:${file}`])
  expect(existsSync(file)).toBe(true)
})

test.each([
  ['an unknown store', 'disk', '--store must be memory, sqlite:FILE, postgres://… or redis://….'],
  ['SQLite without a file', 'sqlite:', 'needs a file'],
  ['SQLite in a missing folder', 'sqlite:/nowhere/at/all.db', '--store: '],
  ['unreachable PostgreSQL', 'postgres://someone:S3CRET@127.0.0.1:1/x', 'PostgreSQL cannot be used (ECONNREFUSED).'],
  ['unreachable Redis', 'redis://someone:S3CRET@127.0.0.1:1', 'Redis cannot be used (ECONNREFUSED).'],
])('serve rejects --store in one line, without the password: %s', async (_, store, message) => {
  const { code, stdout, stderr } = await cli(['serve', ...merchant(), '--port', '0', '--store', store])
  expect({ code, stdout }).toEqual({ code: 1, stdout: '' })
  expect(stderr).toContain(message)
  expect(stderr.trimEnd().split('\n')).toHaveLength(1)
  expect(stderr).not.toContain('S3CRET')
})

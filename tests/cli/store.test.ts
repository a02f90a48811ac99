import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, inject, onTestFinished, test } from 'vitest'
import { cli, folderIn, type Serving, serve } from '../support/cli.ts'
import { order } from '../support/messages.ts'
import { makePlace, openPlace } from '../support/stores.ts'
import { folder, gateway, merchant } from './identity.ts'

const postgresUrl = inject('postgresUrl')
const redisUrl = inject('redisUrl')

/** A `--store` that nobody else uses. */
const stores: readonly { store: string; url: string | undefined; make: (url: string) => Promise<string> }[] = [
  { store: 'sqlite', url: '', make: async () => `sqlite:${join(folderIn(folder), 'orders.db')}` },
  { store: 'postgres', url: postgresUrl, make: makeSchema },
  { store: 'redis', url: redisUrl, make: async (url) => url },
]

async function makeSchema(url: string): Promise<string> {
  const { place, remove } = await makePlace('postgres', url)
  onTestFinished(remove)
  const { close } = await openPlace(place)
  await close()
  const [, , name = ''] = place.split(' ')
  return `${url}?options=${encodeURIComponent(`-c search_path=${name}`)}`
}

for (const { store, url, make } of stores) {
  describe.skipIf(url === undefined)(store, () => {
    test('what was processed is known after kill -9 and a restart', async () => {
      const where = await make(url ?? '')
      // Redis is shared with whatever else is in it: an order that nobody has sent before.
      const sent = order({
        merchantBizNo: `order-${process.pid}-${Date.now()}`,
        requestId: `r-${process.pid}-${Date.now()}`,
      })
      const send = async ({ url }: Serving, changes: object = {}) =>
        JSON.parse(
          (await cli(['send', '--url', url, ...gateway(), '-'], JSON.stringify({ ...sent, ...changes }))).stdout,
        )

      const first = await serve([...merchant(), '--store', where])
      const answer = await send(first)
      expect(await first.next()).toMatchObject({ event: 'order', orderId: answer.orderId })
      first.child.kill('SIGKILL')
      await first.ended

      const second = await serve([...merchant(), '--store', where])
      expect(await send(second)).toEqual(answer)
      expect(await second.next()).toMatchObject({ event: 'replay' })
      expect(await send(second, { requestId: `${sent['requestId']}-2`, orderModifyTime: 1 })).toEqual(answer)
      expect(await second.next()).toMatchObject({ event: 'stale' })
      second.child.kill('SIGTERM')
      expect(await second.ended).toBe(0)
    })
  })
}

test('a file is made where it was not', async () => {
  const file = join(folderIn(folder), 'orders.db')
  await serve([...merchant(), '--store', `sqlite:${file}`])
  expect(existsSync(file)).toBe(true)
})

test.each([
  ['a word that is none', 'disk', '--store must be memory, sqlite:FILE, postgres://… or redis://….'],
  ['SQLite without a file', 'sqlite:', 'needs a file'],
  ['SQLite in a folder that is not there', 'sqlite:/nowhere/at/all.db', '--store: '],
  [
    'PostgreSQL that is not there',
    'postgres://someone:S3CRET@127.0.0.1:1/x',
    'PostgreSQL cannot be used (ECONNREFUSED).',
  ],
  ['Redis that is not there', 'redis://someone:S3CRET@127.0.0.1:1', 'Redis cannot be used (ECONNREFUSED).'],
])('refused in one line, without the password: %s', async (_, store, says) => {
  const { code, stdout, stderr } = await cli(['serve', ...merchant(), '--port', '0', '--store', store])
  expect({ code, stdout }).toEqual({ code: 1, stdout: '' })
  expect(stderr).toContain(says)
  expect(stderr.trimEnd().split('\n')).toHaveLength(1)
  expect(stderr).not.toContain('S3CRET')
})

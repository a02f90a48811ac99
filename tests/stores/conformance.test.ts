import { afterAll, beforeAll, describe, inject, test } from 'vitest'
import type { OrderSyncStore } from '../../src/server/store.ts'
import { memoryStore } from '../../src/stores/memory.ts'
import { storeCases } from '../../src/testing/testing.ts'
import { hasNodeSqlite, type Kind, makePlace, openPlace } from '../support/stores.ts'

describe('memory', () => {
  const store = memoryStore()
  test.each(storeCases)('$name', ({ run }) => run(store))
})

const postgresUrl = inject('postgresUrl')
const redisUrl = inject('redisUrl')

const kinds: readonly { kind: Kind; url: string | undefined; here: boolean }[] = [
  { kind: 'node:sqlite', url: '', here: hasNodeSqlite },
  { kind: 'better-sqlite3', url: '', here: await canOpen('better-sqlite3') },
  { kind: 'postgres', url: postgresUrl, here: postgresUrl !== undefined },
  { kind: 'transactional', url: postgresUrl, here: postgresUrl !== undefined },
  { kind: 'redis', url: redisUrl, here: redisUrl !== undefined },
  { kind: 'ioredis', url: redisUrl, here: redisUrl !== undefined },
]

for (const { kind, url = '', here } of kinds) {
  describe.skipIf(!here)(kind, () => {
    let store: OrderSyncStore<unknown>
    const ends: (() => Promise<unknown>)[] = []
    beforeAll(async () => {
      const { place, remove } = await makePlace(kind, url)
      const opened = await openPlace(place)
      ends.push(opened.close, remove)
      store = opened.store
    })
    afterAll(async () => {
      for (const end of ends) await end()
    })
    test.each(storeCases)('$name', ({ run }) => run(store))
  })
}

/** A native module is built for one version of Node: on the others this one driver is not there. */
async function canOpen(driver: 'better-sqlite3'): Promise<boolean> {
  const { place, remove } = await makePlace(driver, '')
  try {
    const { close } = await openPlace(place)
    await close()
    return true
  } catch {
    console.warn(`${driver} is not built for ${process.version}; its tests are skipped`)
    return false
  } finally {
    await remove()
  }
}

import { afterAll, beforeAll, describe, inject, test } from 'vitest'
import type { OrderSyncStore } from '../../src/stores/store.ts'
import { memoryStore } from '../../src/stores/memory.ts'
import { storeCases } from '../../src/testing/store-cases.ts'
import { hasNodeSqlite, type Kind, makePlace, openPlace } from '../support/stores.ts'

describe('memory', () => {
  const store = memoryStore()
  test.each(storeCases)('$name', ({ run }) => run(store))
})

const postgresUrl = inject('postgresUrl')
const redisUrl = inject('redisUrl')

/** Each driver of SQLite is tested where the runtime has it: CI has runtimes for both. */
const sqlite: readonly Kind[] = [
  ...(hasNodeSqlite ? (['node:sqlite'] as const) : []),
  ...((await canOpen('better-sqlite3')) ? (['better-sqlite3'] as const) : []),
]

const kinds: readonly { kind: Kind; url: string | undefined }[] = [
  ...sqlite.map((kind) => ({ kind, url: '' })),
  { kind: 'postgres', url: postgresUrl },
  { kind: 'transactional', url: postgresUrl },
  { kind: 'redis', url: redisUrl },
  { kind: 'ioredis', url: redisUrl },
]

for (const { kind, url } of kinds) {
  describe.skipIf(url === undefined)(kind, () => {
    let store: OrderSyncStore<unknown>
    const ends: (() => Promise<unknown>)[] = []
    beforeAll(async () => {
      const { place, remove } = await makePlace(kind, url ?? '')
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
    console.warn(`${driver} is not built for ${process.version}; it is tested on the one that it is built for`)
    return false
  } finally {
    await remove()
  }
}

import { beforeAll, describe, inject, onTestFinished, test } from 'vitest'
import { memoryStore } from '../../src/stores/memory.ts'
import { storeCases } from '../../src/testing/store-cases.ts'
import { hasNodeSqlite, type Kind, makePlace, openPlace, type Place } from '../support/stores.ts'

describe('memory', () => {
  const store = memoryStore()
  test.each(storeCases)('$name', ({ run }) => run({ createStore: () => store }))
})

const mysqlUrl = inject('mysqlUrl')
const postgresUrl = inject('postgresUrl')
const redisUrl = inject('redisUrl')

/** Each SQLite driver is tested where the runtime has it. CI has runtimes for both. */
const sqlite: readonly Kind[] = [
  ...(hasNodeSqlite ? (['node:sqlite'] as const) : []),
  ...((await canOpen('better-sqlite3')) ? (['better-sqlite3'] as const) : []),
]

const kinds: readonly { kind: Kind; url: string | undefined }[] = [
  ...sqlite.map((kind) => ({ kind, url: '' })),
  { kind: 'postgres', url: postgresUrl },
  { kind: 'transactional', url: postgresUrl },
  { kind: 'mysql', url: mysqlUrl },
  { kind: 'transactional-mysql', url: mysqlUrl },
  { kind: 'redis', url: redisUrl },
  { kind: 'ioredis', url: redisUrl },
]

for (const { kind, url } of kinds) {
  describe.skipIf(url === undefined)(kind, () => {
    let place: Place
    beforeAll(async () => {
      const made = await makePlace(kind, url ?? '')
      place = made.place
      return made.remove
    })
    test.each(storeCases)('$name', ({ run }) =>
      run({
        async createStore() {
          const { store, close } = await openPlace(place)
          onTestFinished(async () => void (await close()))
          return store
        },
      }),
    )
  })
}

/** A native module is built for one version of Node. On the others this driver is missing. */
async function canOpen(driver: 'better-sqlite3'): Promise<boolean> {
  const { place, remove } = await makePlace(driver, '')
  try {
    const { close } = await openPlace(place)
    await close()
    return true
  } catch {
    console.warn(`${driver} is not built for ${process.version}; its tests run on the version that it is built for`)
    return false
  } finally {
    await remove()
  }
}

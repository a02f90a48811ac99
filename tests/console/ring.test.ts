import { describe, expect, test } from 'vitest'
import { deliveryEntry } from '../../src/console/entry.ts'
import { createRing } from '../../src/console/ring.ts'

const entryOf = (id: string, bodyBytes = 0) =>
  deliveryEntry(
    {
      startedAt: performance.now(),
      request: { method: 'POST', path: '/', headers: {} },
      body: Buffer.alloc(bodyBytes),
      steps: [],
      events: [],
    },
    { id, now: 0 },
  )
const KIB = 1024

describe('createRing', () => {
  test('keeps the newest entries, and drops the oldest', () => {
    const ring = createRing({ capacity: 3, maxBytes: 1_000_000 })
    for (let index = 0; index < 10; index++) ring.put(entryOf(`e${index}`))
    expect(ring.since(0).map(({ id }) => id)).toEqual(['e7', 'e8', 'e9'])
    expect([ring.get('e6'), ring.get('e7')?.id, ring.size()]).toEqual([undefined, 'e7', 3])
  })

  test('drops the oldest bodies when all of them are larger than the limit, and keeps their lines', () => {
    const ring = createRing({ capacity: 500, maxBytes: 1_000 * KIB })
    for (let index = 0; index < 100; index++) ring.put(entryOf(`e${index}`, 100 * KIB))
    expect(ring.bytes()).toBeLessThanOrEqual(1_000 * KIB)
    expect(ring.size()).toBe(100)
    const [oldest, newest] = [ring.get('e0'), ring.get('e99')]
    expect([oldest?.request.body, oldest?.request.bodySize]).toEqual([undefined, 100 * KIB])
    expect(newest?.request.body?.length).toBe(100 * KIB)
  })

  test('returns the entries that have changed after a version, in their new version', () => {
    const ring = createRing({ capacity: 10, maxBytes: 1_000_000 })
    ring.put(entryOf('a'))
    ring.put(entryOf('b'))
    const version = ring.version()
    expect(ring.since(version)).toEqual([])
    ring.put(entryOf('a'))
    expect(ring.since(version).map(({ id }) => id)).toEqual(['a'])
    expect(ring.size()).toBe(2)
  })

  test('counts the bytes of an entry once when it is replaced', () => {
    const ring = createRing({ capacity: 10, maxBytes: 1_000_000 })
    ring.put(entryOf('a', 10 * KIB))
    const once = ring.bytes()
    ring.put(entryOf('a', 10 * KIB))
    expect(ring.bytes()).toBe(once)
  })
})

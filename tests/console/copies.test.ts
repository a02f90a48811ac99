import { expect, test } from 'vitest'
import { toCurl, toFixture } from '../../src/console/copies.ts'
import type { Entry } from '../../src/console/entry.ts'
import { toWeb } from '../../src/console/shells.ts'

const entryWith = (body: string) => {
  const request = { headers: () => [], body: Buffer.from(body), bodySize: body.length }
  return { method: 'POST', path: '/', request } as unknown as Entry
}

test('a copy as curl never sends the file that a body names', () => {
  expect(toCurl(entryWith('@/etc/passwd'))).toContain("--data-raw '@/etc/passwd'")
  expect(toCurl(entryWith('{"a":1}'))).toContain('--data-raw \'{"a":1}\'')
  expect(toCurl(entryWith('\0'))).toContain('base64 -d |')
})

test('a copy as a fixture keeps a header with the name __proto__', async () => {
  const names = ['__proto__', 'constructor', 'client-id']
  const request = { headers: () => names.map((name) => [name, 'x'] as const), body: undefined, bodySize: 0 }
  const entry = { method: 'POST', path: '/', at: 0, request, events: [] } as unknown as Entry
  const { delivery } = await import(`data:text/javascript,${encodeURIComponent(toFixture(entry))}`)
  expect(Object.keys(delivery.request.headers)).toEqual(names)
})

test('a stream that its reader has cancelled can be aborted after that', async () => {
  const abort = new AbortController()
  let stops = 0
  const response = toWeb(
    { status: 200, headers: {}, body: () => () => void stops++ },
    new Request('http://127.0.0.1/', { signal: abort.signal }),
  )
  await response.body?.cancel()
  abort.abort()
  expect(stops).toBeGreaterThan(0)
})

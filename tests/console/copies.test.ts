import { expect, test } from 'vitest'
import { toCurl } from '../../src/console/copies.ts'
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

import { expect, test } from 'vitest'
import { deliveryEntry } from '../../src/console/entry.ts'
import { toRow } from '../../src/console/row.ts'

const rowOf = (event: { kind: string; code: string } & Record<string, string>, headers = {}) => {
  const request = { method: 'POST', path: '/', headers }
  const delivery = { startedAt: 0, request, body: Buffer.from('{}'), steps: [], events: [event] }
  return toRow(deliveryEntry(delivery, { id: '1', now: 0 }), { show: true, salt: 'salt' })
}

test('toRow cuts each text at 1,000 characters: 500 rows are sent to a page at once', () => {
  const long = 'x'.repeat(1_000_000)
  const row = rowOf({ kind: long, code: long, message: long, tracerId: long, requestId: long, resultCode: long })
  expect(JSON.stringify(row).length).toBeLessThan(8_000)
  expect(row.message).toBe('x'.repeat(1_000))
  expect(rowOf({ kind: 'failed', code: 'ERR_STORE', message: 'The store is down' })).toMatchObject({
    ...{ kind: 'failed', code: 'ERR_STORE', message: 'The store is down' },
  })
})

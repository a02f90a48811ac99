import { expect, test } from 'vitest'
import { parseRetryAfter } from '../../src/protocol/retry-after.ts'

const NOW = Date.UTC(2026, 10, 26, 8, 0, 0)

test.each([
  ['0', 0],
  ['120', 120_000],
  [' 5 ', 5_000],
  ['999999999', 999_999_999_000],
  ['Thu, 26 Nov 2026 08:00:30 GMT', 30_000],
  ['Thu, 26 Nov 2026 07:00:00 GMT', 0],
])('parseRetryAfter(%j) is %d ms', (text, expected) => {
  expect(parseRetryAfter(text, NOW)).toBe(expected)
})

test.each([
  undefined,
  '',
  '-1',
  '1.5',
  '1e3',
  '9999999999',
  'soon',
  '2026-11-26',
  'Thu, 99 Nov 2026 08:00:30 GMT',
  '5, 6',
  'x Thu, 26 Nov 2026 08:00:30 GMT',
  'Thu, 26 Nov 2026 08:00:30 GMT+1',
])('parseRetryAfter(%j) is undefined', (text) => {
  expect(parseRetryAfter(text, NOW)).toBeUndefined()
})

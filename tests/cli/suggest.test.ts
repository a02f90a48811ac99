import { expect, test } from 'vitest'
import { suggest } from '../../src/cli/suggest.ts'

const NAMES = ['keygen', 'serve', 'send', 'store', 'completion']

test.each([
  ['srve', 'serve'],
  ['serv', 'serve'],
  ['sevre', 'serve'],
  ['sned', 'send'],
  ['keygne', 'keygen'],
  ['keygens', 'keygen'],
  ['comp', 'completion'],
  ['stroe', 'store'],
  ['xyz', undefined],
  ['', undefined],
  ['s', undefined],
  ['migrate', undefined],
])('suggest(%j) is %j', (given, expected) => {
  expect(suggest(given, NAMES)).toBe(expected)
})

test('suggests nothing without names', () => {
  expect(suggest('serve', [])).toBeUndefined()
})

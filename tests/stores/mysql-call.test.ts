import { describe, expect, test } from 'vitest'
import { callOf, firstRow, numberOf, textOf } from '../../src/stores/mysql-call.ts'

describe('callOf', () => {
  test('writes text as hexadecimal bytes, and numbers and flags as numbers', () => {
    expect(callOf('', 'order_sync_claim', ['aB-_', 1, true, false])).toBe("CALL order_sync_claim(X'61422d5f', 1, 1, 0)")
  })

  test('names the database', () => {
    expect(callOf('`shop`.', 'order_sync_rollback', [])).toBe('CALL `shop`.order_sync_rollback()')
  })

  test.each(["'", '\\', '"', '`', '?', '\0', '香', '😀', ''])(
    'does not contain the characters of the text %j',
    (text) => {
      expect(callOf('', 'p', [text])).toMatch(/^CALL p\(X'[0-9a-f]*'\)$/)
    },
  )

  test.each([Number.NaN, 0.5, 2 ** 53, Number.POSITIVE_INFINITY])('throws a RangeError for the number %s', (number) => {
    expect(() => callOf('', 'p', [number])).toThrow(RangeError)
  })
})

describe('firstRow', () => {
  test.each<[string, unknown, unknown]>([
    ['of a call that selects', [[{ a: 1 }], { affectedRows: 0 }], { a: 1 }],
    ['of a query', [{ a: 1 }, { a: 2 }], { a: 1 }],
    ['of a call that selects nothing', [[], { affectedRows: 0 }], undefined],
    ['of a query without rows', [], undefined],
    ['of a statement', { affectedRows: 1 }, undefined],
  ])('returns the first row %s', (_, result, row) => {
    expect(firstRow(result)).toEqual(row)
  })
})

test.each<[unknown, number | null]>([
  ['9007199254740991', Number.MAX_SAFE_INTEGER],
  [5, 5],
  [5n, 5],
  [null, null],
  [undefined, null],
])('numberOf(%s) is %s', (value, number) => {
  expect(numberOf(value)).toBe(number)
})

test.each<[unknown, string | null]>([
  [Buffer.from('香 😀'), '香 😀'],
  ['text', 'text'],
  [null, null],
  [undefined, null],
])('textOf(%s) is %s', (value, text) => {
  expect(textOf(value)).toBe(text)
})

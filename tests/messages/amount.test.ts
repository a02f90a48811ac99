import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type Amount, formatAmount, parseAmount } from '../../src/messages/amount.ts'

describe('parseAmount', () => {
  test.each([
    ['10.50', '1050'],
    ['10.5', '1050'],
    ['10', '1000'],
    ['0', '0'],
    ['0.00', '0'],
    ['0.01', '1'],
    ['0.1', '10'],
    ['007.20', '720'],
    ['0.07', '7'],
    ['90071992547409.93', '9007199254740993'],
    [`${'9'.repeat(62)}.99`, '9'.repeat(64)],
  ])('parses %s as %s cents', (decimal, value) => {
    expect(parseAmount(decimal, 'HKD')).toStrictEqual({ value, currency: 'HKD' })
  })

  test.each([
    ['', 'empty text'],
    ['-1', 'a sign'],
    ['+1', 'a sign'],
    ['1.234', 'a third decimal'],
    ['1.', 'a decimal point without decimals'],
    ['.5', 'a decimal point without a whole part'],
    ['1,000.00', 'grouping'],
    ['1e3', 'an exponent'],
    [' 1', 'white space'],
    ['1\n', 'a line feed'],
    ['١', 'digits that are not ASCII'],
    ['NaN', 'a word'],
    ['1'.repeat(63), 'more than 64 digits of cents'],
  ])('rejects %j: %s', (decimal) => {
    expect(() => parseAmount(decimal, 'HKD')).toThrow(RangeError)
  })

  test.each(['hkd', 'HK', 'HKDD', '', 'HK1', 'HKD ', 'HKD\n'])('rejects the currency %j', (currency) => {
    expect(() => parseAmount('1', currency)).toThrow(RangeError)
  })

  test('rejects a number, which floating point may have rounded', () => {
    expect(() => parseAmount(10.5 as unknown as string, 'HKD')).toThrow(RangeError)
  })
})

describe('formatAmount', () => {
  test.each([
    ['1050', '10.50'],
    ['0', '0.00'],
    ['1', '0.01'],
    ['10', '0.10'],
    ['000', '0.00'],
    ['0001050', '10.50'],
    ['9007199254740993', '90071992547409.93'],
  ])('formats %s cents as %s', (value, decimal) => {
    expect(formatAmount({ value, currency: 'HKD' })).toBe(decimal)
  })

  test.each(['', '-1', '1.5', ' 1', '1\n', '1e3', '١'])('rejects the value %j', (value) => {
    expect(() => formatAmount({ value, currency: 'HKD' })).toThrow(RangeError)
  })

  test('rejects a number', () => {
    expect(() => formatAmount({ value: 1050, currency: 'HKD' } as unknown as Amount)).toThrow(RangeError)
  })
})

const anyCents = fc.bigInt(0n, 10n ** 64n - 1n)

test('formatAmount agrees with integer arithmetic, and parseAmount returns the same value', () => {
  fc.assert(
    fc.property(anyCents, (cents) => {
      const decimal = formatAmount({ value: String(cents), currency: 'HKD' })
      expect(decimal).toBe(`${cents / 100n}.${String(cents % 100n).padStart(2, '0')}`)
      expect(parseAmount(decimal, 'HKD').value).toBe(String(cents))
    }),
  )
})

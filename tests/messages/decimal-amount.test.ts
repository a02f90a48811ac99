import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Amount } from '../../src/messages/amount.ts'
import { formatAmount, parseAmount } from '../../src/messages/decimal-amount.ts'
import { CURRENCIES_BY_DECIMALS } from '../../src/messages/minor-units.generated.ts'

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
    ['1'.repeat(65), 'more than 64 digits'],
  ])('rejects %j: %s', (decimal) => {
    expect(() => parseAmount(decimal, 'HKD')).toThrow(RangeError)
  })

  test.each([
    ['1000', 'JPY', '1000'],
    ['0', 'JPY', '0'],
    ['1.234', 'KWD', '1234'],
    ['1.2', 'KWD', '1200'],
    ['0.001', 'KWD', '1'],
    ['1.2345', 'CLF', '12345'],
    // Intl of Node 20 has no decimals for these three.
    ['1000.50', 'HUF', '100050'],
    ['1000', 'IDR', '100000'],
    ['1', 'IQD', '1000'],
    ['9'.repeat(64), 'JPY', '9'.repeat(64)],
    [`${'9'.repeat(61)}.999`, 'KWD', '9'.repeat(64)],
  ])('parses %s %s as %s in the minor unit', (decimal, currency, value) => {
    expect(parseAmount(decimal, currency)).toStrictEqual({ value, currency })
  })

  test.each([
    ['1000.0', 'JPY', 'has at most 0 decimals'],
    ['1.2345', 'KWD', 'has at most 3 decimals'],
    ['1.23456', 'CLF', 'has at most 4 decimals'],
    ['1'.repeat(65), 'JPY', 'at most 64 digits'],
    ['1'.repeat(62), 'KWD', 'at most 64 digits'],
  ])('rejects %s %s: %s', (decimal, currency, reason) => {
    expect(() => parseAmount(decimal, currency)).toThrow(reason)
    expect(() => parseAmount(decimal, currency)).toThrow(RangeError)
  })

  test.each([
    ['hkd', 'lower case'],
    ['HK', 'two letters'],
    ['HKDD', 'four letters'],
    ['', 'empty text'],
    ['HK1', 'a digit'],
    ['HKD ', 'white space'],
    ['HKD\n', 'a line feed'],
    ['AAA', 'not in ISO 4217'],
    ['DEM', 'withdrawn'],
    ['XAU', 'gold, which has no minor unit'],
    ['XXX', 'no currency'],
    ['constructor', 'a member of every object'],
  ])('rejects the currency %j: %s', (currency) => {
    const message =
      'The currency must be a current ISO 4217 code such as "HKD". For a currency that is newer than this release, write the amount as { value, currency }'
    expect(() => parseAmount('1', currency)).toThrow(new RangeError(message))
    expect(() => formatAmount({ value: '100', currency })).toThrow(RangeError)
  })

  test('rejects a number, which floating point may have rounded', () => {
    expect(() => parseAmount(10.5 as unknown as string, 'HKD')).toThrow(
      new RangeError('A decimal amount must be a string of digits, such as "10.50"'),
    )
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

  test.each([
    ['1000', 'JPY', '1000'],
    ['000', 'JPY', '0'],
    ['1234', 'KWD', '1.234'],
    ['1', 'KWD', '0.001'],
    ['1', 'CLF', '0.0001'],
    ['100000', 'IDR', '1000.00'],
  ])('formats %s %s as %s', (value, currency, decimal) => {
    expect(formatAmount({ value, currency })).toBe(decimal)
  })

  test.each(['', '-1', '1.5', ' 1', '1\n', '1e3', '١', '1'.repeat(65)])('rejects the value %j', (value) => {
    const message = '"value" must be a string of 1 to 64 digits'
    expect(() => formatAmount({ value, currency: 'HKD' })).toThrow(new RangeError(message))
  })

  test('rejects a number', () => {
    expect(() => formatAmount({ value: 1050, currency: 'HKD' } as unknown as Amount)).toThrow(RangeError)
  })
})

const currencies = Object.entries(CURRENCIES_BY_DECIMALS).flatMap(([decimals, codes]) =>
  codes.split(' ').map((currency) => ({ currency, decimals: Number(decimals) })),
)
const anyValue = fc.bigInt(0n, 10n ** 64n - 1n)

test('formatAmount agrees with integer arithmetic, and parseAmount returns the same value, for every currency', () => {
  fc.assert(
    fc.property(fc.constantFrom(...currencies), anyValue, ({ currency, decimals }, value) => {
      const decimal = formatAmount({ value: String(value), currency })
      const unit = 10n ** BigInt(decimals)
      const fraction = decimals === 0 ? '' : `.${String(value % unit).padStart(decimals, '0')}`
      expect(decimal).toBe(`${value / unit}${fraction}`)
      expect(parseAmount(decimal, currency)).toStrictEqual({ value: String(value), currency })
    }),
    { numRuns: 1_000 },
  )
})

describe('every currency of Intl', () => {
  const known = new Set(currencies.map(({ currency }) => currency))
  const ofIntl = Intl.supportedValuesOf('currency')

  test('can be parsed and formatted when ISO 4217 lists it, and is refused when not', () => {
    fc.assert(
      fc.property(fc.constantFrom(...ofIntl), anyValue, (currency, value) => {
        const amount = { value: String(value), currency }
        if (known.has(currency)) expect(parseAmount(formatAmount(amount), currency)).toStrictEqual(amount)
        else expect(() => formatAmount(amount)).toThrow(RangeError)
      }),
      { numRuns: 1_000 },
    )
    expect(ofIntl.filter((currency) => known.has(currency)).length).toBeGreaterThan(140)
  })

  // Intl has the decimals that people write, where they differ from ISO 4217: fewer, never more.
  test('has no more decimals in Intl than in ISO 4217', () => {
    const more = currencies.filter(({ currency, decimals }) => {
      const format = new Intl.NumberFormat('en', { style: 'currency', currency })
      return (format.resolvedOptions().maximumFractionDigits ?? 0) > decimals
    })
    // Not in the CLDR: Intl has two decimals for a code that it does not know.
    expect(more.filter(({ currency }) => ofIntl.includes(currency))).toEqual([])
  })
})

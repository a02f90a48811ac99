import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { assertFresh, clockHint, formatTime, parseTime } from '../../src/protocol/time.ts'

const malformedTime = expect.objectContaining({ name: 'ProtocolError', code: 'ERR_HEADER_INVALID' })
const outOfRange = expect.objectContaining({ name: 'ProtocolError', code: 'ERR_TIME_RANGE' })

const twoDigits = (value: number) => String(value).padStart(2, '0')

describe('parseTime', () => {
  test.each([
    ['as on the API page', '2024-05-22T06:42:21+05:30', '2024-05-22T01:12:21.000Z'],
    ['with a colon in the offset', '2024-05-22T09:12:21+08:00', '2024-05-22T01:12:21.000Z'],
    ['without a colon in the offset', '2024-05-22T09:12:21+0800', '2024-05-22T01:12:21.000Z'],
    ['with a negative offset', '2024-05-21T19:42:21-05:30', '2024-05-22T01:12:21.000Z'],
    ['with Z', '2024-05-22T01:12:21Z', '2024-05-22T01:12:21.000Z'],
    ['with an offset of zero', '2024-05-22T01:12:21-00:00', '2024-05-22T01:12:21.000Z'],
    ['with a negative offset without a colon', '2024-05-21T19:42:21-0530', '2024-05-22T01:12:21.000Z'],
    ['with the largest offset', '2024-05-22T19:12:21+18:00', '2024-05-22T01:12:21.000Z'],
    ['with a fraction of one digit', '2024-05-22T09:12:21.5+08:00', '2024-05-22T01:12:21.500Z'],
    ['with a fraction of two digits', '2024-05-22T09:12:21.05+08:00', '2024-05-22T01:12:21.050Z'],
    ['with a fraction of three digits', '2024-05-22T09:12:21.123+08:00', '2024-05-22T01:12:21.123Z'],
    ['with a fraction of nine digits', '2024-05-22T01:12:21.123999999Z', '2024-05-22T01:12:21.123Z'],
    ['with a fraction that begins with zeros', '2024-05-22T01:12:21.0009999999Z', '2024-05-22T01:12:21.000Z'],
    ['with a fraction of forty digits', `2024-05-22T01:12:21.${'9'.repeat(40)}Z`, '2024-05-22T01:12:21.999Z'],
    ['with a fraction and no colon', '2024-05-22T09:12:21.5+0800', '2024-05-22T01:12:21.500Z'],
    ['on a leap day', '2024-02-29T23:59:59Z', '2024-02-29T23:59:59.000Z'],
    ['on the leap day of a century', '2000-02-29T00:00:00Z', '2000-02-29T00:00:00.000Z'],
    ['when the offset crosses the year', '2024-01-01T00:30:00+08:00', '2023-12-31T16:30:00.000Z'],
    ['as 13 digits of epoch milliseconds', '1716340341000', '2024-05-22T01:12:21.000Z'],
  ])('accepts a time %s: %s', (_, text, expected) => {
    expect(new Date(parseTime(text)).toISOString()).toBe(expected)
  })

  test.each([
    ['without an offset', '2024-05-22T06:42:21'],
    ['without an offset, with a fraction', '2024-05-22T06:42:21.000'],
    ['with an offset of hours only', '2024-05-22T06:42:21+08'],
    ['with an offset of three digits', '2024-05-22T06:42:21+800'],
    ['with an offset of 19 hours', '2024-05-22T06:42:21+19:00'],
    ['with an offset of more than 18 hours', '2024-05-22T06:42:21+18:01'],
    ['with a negative offset of more than 18 hours, without a colon', '2024-05-22T06:42:21-1801'],
    ['with an offset of 60 minutes', '2024-05-22T06:42:21+08:60'],
    ['with an offset of 60 minutes, without a colon', '2024-05-22T06:42:21+0860'],
    ['with seconds in the offset', '2024-05-22T06:42:21+08:00:00'],
    ['with the name of a time zone', '2024-05-22T06:42:21+08:00[Asia/Hong_Kong]'],
    ['with a minus sign (U+2212) in place of a hyphen', '2024-05-22T06:42:21−08:00'],
    ['with a space in place of the plus sign', '2024-05-22T06:42:21 08:00'],
    ['in lower case', '2024-05-22t06:42:21z'],
    ['with a space in place of the T', '2024-05-22 06:42:21Z'],
    ['without seconds', '2024-05-22T06:42Z'],
    ['in the basic format', '20240522T064221Z'],
    ['with a fraction without digits', '2024-05-22T06:42:21.Z'],
    ['with a comma before the fraction', '2024-05-22T06:42:21,5Z'],
    ['on 30 February', '2024-02-30T06:42:21Z'],
    ['on 29 February of a year that is not a leap year', '2023-02-29T06:42:21Z'],
    ['on 29 February of a century that is not a leap year', '2100-02-29T06:42:21Z'],
    ['on 31 April', '2024-04-31T06:42:21Z'],
    ['on day 0', '2024-05-00T06:42:21Z'],
    ['in month 0', '2024-00-22T06:42:21Z'],
    ['in month 13', '2024-13-22T06:42:21Z'],
    ['at 24 hours', '2024-05-22T24:00:00Z'],
    ['at 60 minutes', '2024-05-22T06:60:00Z'],
    ['at 60 seconds', '2024-05-22T06:42:60Z'],
    ['in a year of two digits', '24-05-22T06:42:21Z'],
    ['in a year of five digits', '12024-05-22T06:42:21Z'],
    ['in the year 99, which Date.UTC reads as 1999', '0099-12-31T23:59:59Z'],
    ['in the year 24, which Date.UTC reads as 1924', '0024-05-22T06:42:21Z'],
    ['with leading white space', ' 2024-05-22T06:42:21Z'],
    ['with a trailing line feed', '2024-05-22T06:42:21Z\n'],
    ['sent twice', '2024-05-22T06:42:21Z, 2024-05-22T06:42:21Z'],
    ['with digits that are not ASCII', '２０２４-05-22T06:42:21Z'],
    ['as 12 digits', '171634034100'],
    ['as 14 digits', '17163403410000'],
    ['as 10 digits of seconds', '1716340341'],
    ['as negative milliseconds', '-1716340341000'],
    ['as milliseconds with a fraction', '1716340341000.5'],
    ['as milliseconds in hexadecimal', '0x1716340341000'],
    ['in the HTTP date format', 'Wed, 22 May 2024 01:12:21 GMT'],
    ['that is empty', ''],
  ])('rejects a time %s: "%s"', (_, text) => {
    expect(() => parseTime(text)).toThrow(malformedTime)
  })

  test('names the header in the error, without its value', () => {
    expect(() => parseTime('half past six', 'Response-Time')).toThrow(/^Response-Time is not(?!.*half past)/)
  })

  test('accepts exactly the days that Date knows', () => {
    for (const year of [100, 1900, 2000, 2023, 2024]) {
      for (let month = 0; month <= 13; month++) {
        for (let day = 0; day <= 32; day++) {
          const date = `${String(year).padStart(4, '0')}-${twoDigits(month)}-${twoDigits(day)}`
          const expected = new Date(Date.UTC(year, month - 1, day))
          const parse = () => parseTime(`${date}T00:00:00Z`)
          if (expected.toISOString().startsWith(date)) expect(parse()).toBe(expected.getTime())
          else expect(parse, date).toThrow(malformedTime)
        }
      }
    }
  })

  test('reads any offset and fraction as Date.parse does', () => {
    const dates = fc.date({
      min: new Date('0101-01-01T00:00:00Z'),
      max: new Date('9998-12-31T00:00:00Z'),
      noInvalidDate: true,
    })
    const fractions = fc.stringMatching(/^(?:\.[0-9]{1,12})?$/)
    const offsets = fc.record({ sign: fc.constantFrom('+', '-'), hours: fc.nat(17), minutes: fc.nat(59) })
    fc.assert(
      fc.property(
        dates,
        fractions,
        offsets,
        fc.constantFrom(':', ''),
        (date, digits, { sign, hours, minutes }, colon) => {
          const local = date.toISOString().slice(0, 19)
          const text = `${local}${digits}${sign}${twoDigits(hours)}${colon}${twoDigits(minutes)}`
          // V8 misreads fractions of more than three digits: .0001000000 as 1 ms, .0009999999 as 9 ms.
          const reference = `${local}${digits.slice(0, 4)}${sign}${twoDigits(hours)}:${twoDigits(minutes)}`
          expect(parseTime(text)).toBe(Date.parse(reference))
        },
      ),
    )
  })
})

describe('formatTime', () => {
  test('writes whole seconds with the offset of Hong Kong', () => {
    expect(formatTime(Date.UTC(2024, 4, 22, 1, 12, 21, 999))).toBe('2024-05-22T09:12:21+08:00')
  })

  test('writes a time that parseTime reads as the same second', () => {
    const seconds = fc.integer({ min: Date.UTC(100, 0, 2) / 1000, max: Date.UTC(9999, 11, 30) / 1000 })
    fc.assert(
      fc.property(seconds, fc.nat(999), (second, millisecond) => {
        expect(parseTime(formatTime(second * 1000 + millisecond))).toBe(second * 1000)
      }),
    )
  })
})

describe('assertFresh', () => {
  const now = Date.UTC(2024, 4, 22, 1, 12, 21)

  test.each([
    { offset: 0, fresh: true },
    { offset: 300_000, fresh: true },
    { offset: -300_000, fresh: true },
    { offset: 300_001, fresh: false },
    { offset: -300_001, fresh: false },
    { offset: 86_400_000, fresh: false },
    { offset: Number.NaN, fresh: false },
    { offset: Number.POSITIVE_INFINITY, fresh: false },
  ])('accepts a time $offset ms from now with a tolerance of 300 s: $fresh', ({ offset, fresh }) => {
    const run = () => assertFresh(now + offset, { now, clockToleranceSeconds: 300 })
    if (fresh) expect(run).not.toThrow()
    else expect(run).toThrow(outOfRange)
  })

  test.each([
    { clockToleranceSeconds: 1, fresh: false },
    { clockToleranceSeconds: 2, fresh: true },
    { clockToleranceSeconds: Number.NaN, fresh: false },
  ])(
    'accepts a time 2 s ago with a tolerance of $clockToleranceSeconds s: $fresh',
    ({ clockToleranceSeconds, fresh }) => {
      const run = () => assertFresh(now - 2000, { now, clockToleranceSeconds })
      if (fresh) expect(run).not.toThrow()
      else expect(run).toThrow(outOfRange)
    },
  )

  test('rejects every time when the clock returns NaN', () => {
    expect(() => assertFresh(now, { now: Number.NaN, clockToleranceSeconds: 300 })).toThrow(outOfRange)
  })

  test.each([
    [-600_000, 'Response-Time is 600 s behind the local clock; at most 300 s are accepted.'],
    [600_000, 'Response-Time is 600 s ahead of the local clock; at most 300 s are accepted.'],
  ])('states in the error whether the time, %d ms from now, is behind or ahead', (offset, message) => {
    const limits = { now, clockToleranceSeconds: 300, header: 'Response-Time' }
    expect(() => assertFresh(now + offset, limits)).toThrow(message)
  })
})

test('the errors of parseTime and assertFresh name Request-Time by default', () => {
  expect(() => parseTime('yesterday')).toThrow('Request-Time is not')
  expect(() => assertFresh(0, { now: 600_000, clockToleranceSeconds: 300 })).toThrow('Request-Time is 600 s behind')
})

const HOUR = 3_600

describe('clockHint', () => {
  test.each([
    ['eight hours', 8 * HOUR],
    ['eight hours in the other direction', -8 * HOUR],
    ['a quarter of an hour', HOUR / 4],
    ['eight hours and the largest clock error', 8 * HOUR + 30],
    ['eight hours less the largest clock error', 8 * HOUR - 30],
    ['the distance of the two farthest offsets', 36 * HOUR],
  ])('suspects a time zone for %s', (_, seconds) => {
    expect(clockHint(seconds)).toMatch(/^The difference is a whole number of quarter hours: .*time zone\.$/)
  })

  test.each([
    ['a few seconds', 20],
    ['ten minutes', 600],
    ['eight hours and more than the largest clock error', 8 * HOUR + 31],
    ['more than the distance of the two farthest offsets', 36.25 * HOUR],
    ['many years', 1_000_000 * HOUR],
  ])('suspects a clock for %s', (_, seconds) => {
    expect(clockHint(seconds)).toBe('Check the clocks of both machines.')
  })
})

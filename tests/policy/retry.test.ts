import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  ConfigurationError,
  DeliveryError,
  OrderRefusedError,
  ProtocolError,
  UntrustedResponseError,
} from '../../src/errors.ts'
import { isRetryable, retryDelay } from '../../src/policy/retry.ts'

/** An error as the other build (ESM or CJS) of this package makes it: same brand and name, another class. */
function errorOfOtherBuild(name: string): Error {
  return Object.defineProperties(new Error(), {
    [Symbol.for('alipayhk-order-sync/error')]: { value: true },
    name: { value: name },
  })
}

describe('isRetryable', () => {
  test.each<[string, unknown]>([
    ['a timeout', new DeliveryError('ERR_TIMEOUT', '')],
    ['a network failure', new DeliveryError('ERR_NETWORK', '')],
    ['an unsigned HTTP 5xx', new DeliveryError('ERR_HTTP_STATUS', '', { httpStatus: 503 })],
    ['a verified "unknown"', new DeliveryError('ERR_RESULT_UNKNOWN', '')],
    ['a DeliveryError of the other build', errorOfOtherBuild('DeliveryError')],
  ])('is true for %s', (_, error) => {
    expect(isRetryable(error)).toBe(true)
  })

  test.each<[string, unknown]>([
    ['a refusal', new OrderRefusedError('PROCESS_FAIL')],
    ['a refusal of the other build', errorOfOtherBuild('OrderRefusedError')],
    ['an unsigned response', new UntrustedResponseError('ERR_REPLY_UNSIGNED', '', { httpStatus: 200 })],
    [
      'an untrusted HTTP 5xx that is not a DeliveryError',
      new UntrustedResponseError('ERR_REPLY_INVALID', '', { httpStatus: 500 }),
    ],
    ['a redirect', new UntrustedResponseError('ERR_REPLY_REDIRECT', '', { httpStatus: 302 })],
    ['an unsigned HTTP 4xx', new UntrustedResponseError('ERR_REPLY_UNSIGNED', '', { httpStatus: 429 })],
    ['an invalid order', new ProtocolError('ERR_FIELD_INVALID', '')],
    ['a wrong key', new ConfigurationError('ERR_KEY_FORMAT', '')],
    ['an error that is not of this package', new TypeError('fetch failed')],
    ['an error that is only called DeliveryError', Object.assign(new Error(), { name: 'DeliveryError' })],
    ['an object that is not an error', { name: 'DeliveryError' }],
    ['undefined', undefined],
    ['null', null],
    ['a string', 'DeliveryError'],
  ])('is false for %s', (_, error) => {
    expect(isRetryable(error)).toBe(false)
  })
})

describe('retryDelay', () => {
  const limits = { baseDelayMs: 500, maxDelayMs: 10_000 }

  test.each([
    [1, 500],
    [2, 1_000],
    [3, 2_000],
    [5, 8_000],
    [6, 10_000],
    [7, 10_000],
    [2_000, 10_000],
  ])(
    'returns a random part of a ceiling that doubles up to the maximum: after attempt %i, of %i ms',
    (attempt, ceiling) => {
      expect(retryDelay(attempt, limits, 0)).toBe(0)
      expect(retryDelay(attempt, limits, 0.5)).toBe(ceiling / 2)
      expect(retryDelay(attempt, limits, 1 - Number.EPSILON)).toBe(ceiling - 1)
    },
  )

  test('returns a whole number from 0 up to, not including, the maximum', () => {
    const positive = fc.integer({ min: 1, max: 100_000 })
    const random = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true })
    fc.assert(
      fc.property(positive, positive, positive, random, (attempt, baseDelayMs, maxDelayMs, part) => {
        const delay = retryDelay(attempt, { baseDelayMs, maxDelayMs }, part)
        expect(Number.isInteger(delay)).toBe(true)
        expect(delay).toBeGreaterThanOrEqual(0)
        expect(delay).toBeLessThan(maxDelayMs)
      }),
    )
  })
})

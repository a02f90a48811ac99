import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type Attempt, isRetryable, retryDelay } from '../../src/policy/retry.ts'

const answered = (resultStatus: 'S' | 'F' | 'U' | 'A'): Attempt => ({ kind: 'answered', resultStatus })
const untrusted = (httpStatus: number): Attempt => ({ kind: 'untrusted', httpStatus })

describe('tried again', () => {
  test.each<[string, Attempt]>([
    ['a verified U', answered('U')],
    ['a verified A, which is not final either', answered('A')],
    ['no answer', { kind: 'unanswered' }],
    ['HTTP 500 that nobody vouches for', untrusted(500)],
    ['HTTP 503 that nobody vouches for', untrusted(503)],
    ['HTTP 599 that nobody vouches for', untrusted(599)],
  ])('%s', (_, attempt) => {
    expect(isRetryable(attempt)).toBe(true)
  })
})

describe('never tried again', () => {
  test.each<[string, Attempt]>([
    ['a verified F', answered('F')],
    ['a verified S', answered('S')],
    ['HTTP 200 that cannot be trusted', untrusted(200)],
    ['a redirect', untrusted(302)],
    ['an opaque redirect', untrusted(0)],
    ['HTTP 400 that nobody vouches for', untrusted(400)],
    ['HTTP 429 that nobody vouches for', untrusted(429)],
    ['HTTP 499 that nobody vouches for', untrusted(499)],
  ])('%s', (_, attempt) => {
    expect(isRetryable(attempt)).toBe(false)
  })
})

describe('the pause before the next attempt', () => {
  const limits = { baseDelayMs: 500, maxDelayMs: 10_000 }

  test.each([
    [1, 500],
    [2, 1_000],
    [3, 2_000],
    [5, 8_000],
    [6, 10_000],
    [7, 10_000],
    [2_000, 10_000],
  ])('is a random part of a ceiling that doubles up to a bound: after attempt %i, of %i ms', (attempt, ceiling) => {
    expect(retryDelay(attempt, limits, 0)).toBe(0)
    expect(retryDelay(attempt, limits, 0.5)).toBe(ceiling / 2)
    expect(retryDelay(attempt, limits, 1 - Number.EPSILON)).toBe(ceiling - 1)
  })

  test('is a whole number from 0 up to, not including, the bound', () => {
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

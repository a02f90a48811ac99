import { describe, expect, test } from 'vitest'
import { DeliveryError, OrderRefusedError, ProtocolError } from '../../src/errors.ts'
import { codeOf, decideAttempt } from '../../src/outbox/decisions.ts'

const LIMITS = { baseDelayMs: 1_000, maxDelayMs: 60_000 }
const noResponse = new DeliveryError('ERR_NETWORK', 'no response', { requestId: 'r' })

const decide = (error: unknown, { attempts = 1, retryLeftMs = 3_600_000, random = 0.5 } = {}) =>
  decideAttempt(error, { attempts, retryLeftMs }, LIMITS, random)

describe('after an attempt, an event', () => {
  test('is sent if there is no error', () => {
    expect(decide(undefined)).toEqual({ kind: 'sent' })
    expect(decide(undefined, { retryLeftMs: -1 })).toEqual({ kind: 'sent' })
  })

  test('is retried after an unknown outcome, after a random part of a delay that doubles', () => {
    expect(decide(noResponse)).toEqual({ kind: 'retry', delayMs: 500, code: 'ERR_NETWORK' })
    expect(decide(noResponse, { attempts: 3 })).toEqual({ kind: 'retry', delayMs: 2_000, code: 'ERR_NETWORK' })
    expect(decide(noResponse, { attempts: 99 })).toMatchObject({ delayMs: 30_000 })
  })

  test('is retried after the Retry-After of the peer, up to "maxDelayMs"', () => {
    expect(decide(Object.assign(new Error(), { retryAfterMs: 7_000 }))).toMatchObject({ delayMs: 7_000 })
    expect(decide(Object.assign(new Error(), { retryAfterMs: 70_000 }))).toMatchObject({ delayMs: 60_000 })
  })

  test.each([Number.NaN, -5, 'soon', {}, null, '7000'])(
    'is retried without the "retryAfterMs" of a foreign error that is no length of time: %s',
    (retryAfterMs) => {
      expect(decide(Object.assign(new Error(), { retryAfterMs }))).toMatchObject({ delayMs: 500 })
    },
  )

  test('is retried for the last time at the end of its time, in whole milliseconds', () => {
    expect(decide(noResponse, { retryLeftMs: 300 })).toMatchObject({ kind: 'retry', delayMs: 300 })
    expect(decide(noResponse, { retryLeftMs: 299.2 })).toMatchObject({ kind: 'retry', delayMs: 300 })
    expect(decide(noResponse, { retryLeftMs: 0.1 })).toMatchObject({ kind: 'retry', delayMs: 1 })
  })

  test.each([0, -0.1, -1_000])('has failed if %s ms of its time are left', (retryLeftMs) => {
    expect(decide(noResponse, { retryLeftMs })).toEqual({ kind: 'failed', code: 'ERR_NETWORK' })
  })

  test.each([
    ['refused by the peer', new OrderRefusedError('PROCESS_FAIL'), 'PROCESS_FAIL'],
    ['breaks the protocol', new ProtocolError('ERR_FIELD_INVALID', 'invalid'), 'ERR_FIELD_INVALID'],
  ])('has failed at once if it is %s', (_, error, code) => {
    expect(decide(error)).toEqual({ kind: 'failed', code })
  })

  test('is retried after a foreign error with the name of a refusal: it did not come from the client', () => {
    const foreign = Object.assign(new Error(), { name: 'OrderRefusedError', resultCode: 'PROCESS_FAIL' })
    expect(decide(foreign)).toMatchObject({ kind: 'retry' })
  })
})

describe('the stored code of an error', () => {
  const named = (name: unknown, members: object = {}) => Object.assign(new Error('text'), { name, ...members })

  test.each<[string, unknown, string]>([
    ['is the result code of a refusal', new OrderRefusedError('PROCESS_FAIL'), 'PROCESS_FAIL'],
    ['is the code of an error of this package', noResponse, 'ERR_NETWORK'],
    ['is the name of a foreign error, not its code', named('TypeError', { code: 'E_42' }), 'TypeError'],
    ['has at most 64 characters', named('x'.repeat(64)), 'x'.repeat(64)],
    ['is "Error" for a longer name', named('x'.repeat(65)), 'Error'],
    ['is "Error" for an empty name', named(''), 'Error'],
    ['is "Error" for a name that is no identifier at its end', named('customer Chan'), 'Error'],
    ['is "Error" for a name that is no identifier at its start', named(' Chan'), 'Error'],
    ['is "Error" for a name that is no string', named(42), 'Error'],
    ['may contain dots and dashes', named('a.b-c_D9'), 'a.b-c_D9'],
    ['is the name if the result code cannot be stored', named('Own', { resultCode: 'a b' }), 'Own'],
    ['is "Error" without an error', null, 'Error'],
    ['is "Error" for a value without a name', 'text', 'Error'],
  ])('%s', (_, error, code) => {
    expect(codeOf(error)).toBe(code)
  })
})

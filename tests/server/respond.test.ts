import { randomBytes } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { formatTime } from '../../src/protocol/time.ts'
import {
  ConfigurationError,
  HandlerError,
  OrderRefusedError,
  ProtocolError,
  responseToError,
} from '../../src/public/index.ts'
import { toOutcome, toResponse } from '../../src/server/outcome.ts'
import { withResponse } from '../../src/server/response-to-error.ts'
import { gatewayRsa, strangerRsa } from '../support/keys.ts'
import { merchant, summarize, TRY_LATER } from '../support/merchant.ts'
import { aesKeyOf, encryptedRequest, encryptHeader, NOW, request, withHeaders } from '../support/messages.ts'

describe('an unsigned response', () => {
  test('has the time of the clock', async () => {
    const { handler } = merchant()
    const { status, headers } = await handler({ ...request(), method: 'GET' })
    expect({ status, headers }).toStrictEqual({
      status: 405,
      headers: {
        'Content-Type': 'application/json; charset=UTF-8',
        'Response-Time': formatTime(NOW),
        'Tracer-Id': expect.stringMatching(/^[0-9a-f]{32}$/),
        Allow: 'POST',
      },
    })
  })

  test('has no time if the clock fails', async () => {
    const { handler } = merchant({
      now() {
        throw new Error('no clock')
      },
    })
    const response = await handler(request())
    expect(summarize(response)).toStrictEqual({ ...TRY_LATER, status: 500, signed: false })
    expect(Object.keys(response.headers)).toStrictEqual(['Content-Type', 'Tracer-Id'])
  })

  test('to an error that was not made here has the time, too', () => {
    const { status, headers } = responseToError(new Error('the queue is full'))
    expect(status).toBe(500)
    const ageMs = Date.now() - Date.parse(headers['Response-Time'] ?? '')
    expect(ageMs).toBeGreaterThanOrEqual(0)
    expect(ageMs).toBeLessThan(60_000)
  })
})

test('the response to a message that cannot be decrypted is encrypted with the key size of the options', async () => {
  const { handler } = merchant({ encryption: { aesBits: 128 } })
  const damaged = encryptedRequest()
  const header = encryptHeader(randomBytes(32), strangerRsa().publicKey)
  const response = await handler(withHeaders(damaged, { Encrypt: header }))
  expect(summarize(response)).toStrictEqual({
    ...{ status: 200, resultCode: 'PARAM_ILLEGAL', resultStatus: 'F' },
    ...{ signed: true, encrypted: true },
  })
  expect(aesKeyOf(response, gatewayRsa().privateKey)).toHaveLength(16)
})

describe('the outcome of an error', () => {
  test('is a rejection if this release knows its code', () => {
    const error = new ProtocolError('ERR_METHOD', 'The method is not POST.')
    expect(toOutcome(error)).toStrictEqual({ kind: 'rejected', error })
  })

  test('is a failure of this side for all others', () => {
    const handlerError = new HandlerError('ERR_SIGNER', 'The signer failed.')
    expect(toOutcome(handlerError)).toStrictEqual({ kind: 'unavailable', error: handlerError })
    const unknown = new ProtocolError('ERR_OF_ANOTHER_RELEASE' as never, 'unknown')
    const refusal = Object.assign(new OrderRefusedError('PROCESS_FAIL'), { code: 'ERR_METHOD' })
    const foreign = Object.assign(new Error('own'), { name: 'ProtocolError', code: 'ERR_METHOD' })
    for (const error of [unknown, refusal, foreign, undefined]) {
      expect(toOutcome(error)).toMatchObject({ kind: 'unavailable', error: { code: 'ERR_INTERNAL' } })
    }
  })

  test('has HTTP status 200 with "alwaysStatus200", and the same body', () => {
    const outcome = toOutcome(new ProtocolError('ERR_METHOD', 'The method is not POST.'))
    const { status, response } = toResponse(outcome, { alwaysStatus200: false })
    expect(status).toBe(405)
    expect(toResponse(outcome, { alwaysStatus200: true })).toStrictEqual({ status: 200, response })
  })
})

test.each([
  new ProtocolError('ERR_FIELD_INVALID', 'The order is invalid.', {
    cause: new Error('of the parser'),
    issues: [{ field: 'tradeNo', expected: 'a string' }],
  }),
  new HandlerError('ERR_SIGNER', 'The signer failed.', { cause: new Error('of the signer') }),
  new ConfigurationError('ERR_ORDER_ID', 'Return an orderId.', { cause: new Error('of the application') }),
])('$name: an error that is thrown for two requests has the response of each', (error) => {
  const responses = [1, 2].map((id) => ({ status: 500, headers: { 'Tracer-Id': `t-${id}` }, body: new Uint8Array() }))
  const [first, second] = responses.map((response) => withResponse(error, response))
  expect(first).toBe(error)
  expect([first, second].map(responseToError)).toStrictEqual(responses)
  const { name, code, message, cause } = error
  expect(second).toMatchObject({ name, code, message })
  expect(second?.constructor).toBe(error.constructor)
  expect(second).toHaveProperty('cause', cause)
  if (error.name === 'ProtocolError') expect(second).toHaveProperty('issues', error.issues)
})

import { describe, expect, expectTypeOf, test } from 'vitest'
import { responseSchema } from '../../src/messages/response.ts'
import { validateResponse } from '../../src/messages/validate.ts'
import type { OrderSyncResponse } from '../../src/result-codes.ts'
import { RESULT_CODES, type ResultStatus } from '../../src/result-codes.ts'
import { isValidFor } from '../support/json-schema.ts'
import { refusal, success } from '../support/messages.ts'
import { thrownBy } from '../support/thrown.ts'

const responseWithResult = (changes: Record<string, unknown>) => ({
  ...success(),
  result: { ...success().result, ...changes },
})

/** A refusal with a status that the type of `refusal` does not allow. */
const refusalWithStatus = (resultStatus: string) => ({
  result: { ...refusal('PROCESS_FAIL').result, resultStatus },
})

describe('validateResponse', () => {
  test.each<[string, object]>([
    ['of success, with an orderId', success()],
    ...Object.entries(RESULT_CODES)
      .filter(([, { status }]) => status !== 'S')
      .map(([code, { status }]): [string, object] => [`of ${code}, without an orderId`, refusal(code, status)]),
    ['of an unknown resultCode', refusal('SOMETHING_NEW')],
    ['of status A', refusal('ACCEPTED', 'A')],
    ['of a refusal with an orderId', { ...refusal('PROCESS_FAIL'), orderId: 'A-1' }],
    ['without a resultMessage', { result: { resultCode: 'PROCESS_FAIL', resultStatus: 'F' } }],
    ['with an empty resultMessage', responseWithResult({ resultMessage: '' })],
    [
      'with texts of the maximum length',
      {
        ...responseWithResult({ resultCode: 'C'.repeat(64), resultMessage: 'm'.repeat(256) }),
        orderId: 'o'.repeat(64),
      },
    ],
    [
      'with texts of the maximum length in characters, not in UTF-16 units',
      { ...responseWithResult({ resultMessage: '😀'.repeat(256) }), orderId: '😀'.repeat(64) },
    ],
    ['with unknown fields', { ...responseWithResult({ more: 1 }), other: {} }],
  ])('accepts a response %s', (_, message) => {
    expect(validateResponse(structuredClone(message))).toStrictEqual(message)
    expect(isValidFor(responseSchema, message)).toBe(true)
  })

  test.each<[string, unknown, string]>([
    ['that is an array', [], ''],
    ['that is null', null, ''],
    ['without a result', {}, 'result'],
    ['with a result that is a string', { result: 'SUCCESS' }, 'result'],
    ['without a resultCode', { result: { resultStatus: 'F' } }, 'result.resultCode'],
    ['without a resultStatus', { result: { resultCode: 'PROCESS_FAIL' } }, 'result.resultStatus'],
    ['with an empty resultCode', responseWithResult({ resultCode: '' }), 'result.resultCode'],
    ['with a resultCode of 65 characters', responseWithResult({ resultCode: 'C'.repeat(65) }), 'result.resultCode'],
    ['with a resultCode that is a number', responseWithResult({ resultCode: 200 }), 'result.resultCode'],
    ['with an unknown resultStatus', refusalWithStatus('X'), 'result.resultStatus'],
    ['with a resultStatus in lower case', refusalWithStatus('f'), 'result.resultStatus'],
    [
      'with a resultMessage of 257 characters',
      responseWithResult({ resultMessage: 'm'.repeat(257) }),
      'result.resultMessage',
    ],
    ['with a resultMessage that is null', responseWithResult({ resultMessage: null }), 'result.resultMessage'],
    ['of success without an orderId', { result: success().result }, 'orderId'],
    ['of success with an empty orderId', success(''), 'orderId'],
    ['of success with an orderId of 65 characters', success('o'.repeat(65)), 'orderId'],
    ['of success with an orderId that is a number', { ...success(), orderId: 5 }, 'orderId'],
  ])('rejects a response %s, and names the field', (_, message, field) => {
    const error = thrownBy(() => validateResponse(message))
    expect(isValidFor(responseSchema, message)).toBe(false)
    expect(error).toMatchObject({
      code: 'ERR_FIELD_INVALID',
      issues: [{ field, expected: expect.stringMatching(/\w/) }],
    })
    expect(error.message).toMatch(/^The response is invalid: /)
    expect(error.message).not.toMatch(/200|SUCCESS|PROCESS_FAIL|CCC|mmm|ooo/)
  })
})

test('OrderSyncResponse has the types of the protocol', () => {
  expectTypeOf<OrderSyncResponse['result']['resultStatus']>().toEqualTypeOf<ResultStatus>()
  expectTypeOf<OrderSyncResponse['orderId']>().toEqualTypeOf<string | undefined>()
})

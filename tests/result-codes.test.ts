import { expect, test } from 'vitest'
import { isResultCode, RESULT_CODES } from '../src/result-codes.ts'

test('RESULT_CODES has the codes and statuses of the protocol', () => {
  expect(Object.fromEntries(Object.entries(RESULT_CODES).map(([code, { status }]) => [code, status]))).toEqual({
    SUCCESS: 'S',
    UNKNOWN_EXCEPTION: 'U',
    PARAM_ILLEGAL: 'F',
    INVALID_SIGNATURE: 'F',
    INVALID_CLIENT: 'F',
    KEY_NOT_FOUND: 'F',
    ACCESS_DENIED: 'F',
    PROCESS_FAIL: 'F',
    METHOD_NOT_SUPPORTED: 'F',
    MEDIA_TYPE_NOT_ACCEPTABLE: 'F',
    REQUEST_TRAFFIC_EXCEED_LIMIT: 'U',
    REPEAT_REQ_INCONSISTENT: 'F',
  })
})

test.each(Object.entries(RESULT_CODES))(
  'RESULT_CODES: %s and its message are within the length limits',
  (code, { message }) => {
    expect(code).toMatch(/^.{1,64}$/)
    expect(message).toMatch(/^.{1,256}$/)
  },
)

test.each([
  ['SUCCESS', true],
  ['PROCESS_FAIL', true],
  ['success', false],
  ['SUCCESS ', false],
  ['', false],
  ['toString', false],
  ['__proto__', false],
])('isResultCode("%s") returns %s', (text, expected) => {
  expect(isResultCode(text)).toBe(expected)
})

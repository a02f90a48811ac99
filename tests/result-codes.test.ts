import { expect, test } from 'vitest'
import { isResultCode, RESULT_CODES } from '../src/result-codes.ts'

test('the result codes and their statuses are those of the protocol', () => {
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

test.each(Object.entries(RESULT_CODES))('%s and its message keep the length limits', (code, { message }) => {
  expect(code).toMatch(/^.{1,64}$/)
  expect(message).toMatch(/^.{1,256}$/)
})

test.each([
  ['SUCCESS', true],
  ['PROCESS_FAIL', true],
  ['success', false],
  ['SUCCESS ', false],
  ['', false],
  ['toString', false],
  ['__proto__', false],
])('"%s" is a result code: %s', (text, known) => {
  expect(isResultCode(text)).toBe(known)
})

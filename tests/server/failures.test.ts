import { describe, expect, test } from 'vitest'
import { ConfigurationError, HandlerError, OrderRefusedError, ProtocolError } from '../../src/errors.ts'
import {
  IN_CAUSE,
  isOwnSideError,
  isRefusal,
  lookupThrew,
  onOrderThrew,
  optionThrew,
  signerThrew,
  storeThrew,
  timedOut,
  toOwnSideError,
  type Waiting,
  withConsequence,
} from '../../src/server/failures.ts'

const AFTER = 'The request timed out after 20 ms ("timeoutMs")'

describe('the error of a request that timed out', () => {
  test.each<[Waiting, string, string]>([
    ['lookup', 'ERR_CREDENTIALS_LOOKUP', `${AFTER}: the function "credentials" was still running.`],
    ['body', 'ERR_HANDLER_TIMEOUT', `${AFTER} while the body was being received.`],
    ['verification', 'ERR_HANDLER_TIMEOUT', `${AFTER} while the signature was being verified.`],
    ['decryption', 'ERR_HANDLER_TIMEOUT', `${AFTER} while the message was being decrypted.`],
    ['signerDecryption', 'ERR_SIGNER', `${AFTER}: "decrypt" of the signer was still running.`],
    ['extInfoSchema', 'ERR_HANDLER_TIMEOUT', `${AFTER} while "extInfoSchema" was still running.`],
    ['claim', 'ERR_STORE_TIMEOUT', `${AFTER}: store.claim() was still running.`],
    ['otherDelivery', 'ERR_HANDLER_TIMEOUT', `${AFTER} while another delivery of the order was being processed.`],
    [
      'onOrder',
      'ERR_ON_ORDER_TIMEOUT',
      `${AFTER}: "onOrder" was still running. Its result is stored if it ends within "leaseMs".`,
    ],
    ['finish', 'ERR_STORE_TIMEOUT', `${AFTER}: store.finish() was still running.`],
    ['transaction', 'ERR_STORE_TIMEOUT', `${AFTER}: store.finishInTransaction() was still running.`],
    ['release', 'ERR_STORE_TIMEOUT', `${AFTER}: store.release() was still running.`],
  ])('names what the request was waiting for: %s', (waiting, code, message) => {
    const error = timedOut(waiting, 20)
    expect(error).toBeInstanceOf(HandlerError)
    expect(error).toMatchObject({ code, message })
  })
})

describe('the error of a function of the merchant', () => {
  const cause = Object.assign(new TypeError('SECRET'), { code: 'E_42' })

  // Functions, so that the errors are made in the test.
  test.each<[string, () => unknown, string]>([
    ['ERR_ON_ORDER', () => onOrderThrew(cause), '"onOrder" threw TypeError (code E_42).'],
    ['ERR_CREDENTIALS_LOOKUP', () => lookupThrew(cause), 'The function "credentials" threw TypeError (code E_42).'],
    ['ERR_OPTION', () => optionThrew('now', cause), '"now" threw TypeError (code E_42).'],
    ['ERR_SIGNER', () => signerThrew('sign', cause), '"sign" of the signer threw TypeError (code E_42).'],
    ['ERR_STORE', () => storeThrew('claim', cause), 'store.claim() threw TypeError (code E_42).'],
    ['ERR_INTERNAL', () => toOwnSideError(cause), 'Handling the request failed with TypeError (code E_42).'],
  ])('has the thrown value as its cause, and does not quote it: %s', (code, make, message) => {
    const error = make()
    expect(error).toBeInstanceOf(HandlerError)
    expect(error).toMatchObject({ code, message: `${message} ${IN_CAUSE}` })
    expect(error).toHaveProperty('cause', cause)
  })
})

const handlerError = new HandlerError('ERR_STORE', 'The store is down.', { cause: new Error('of the driver') })
const configurationError = new ConfigurationError('ERR_ORDER_ID', 'Return an orderId.')
const protocolError = new ProtocolError('ERR_FIELD_INVALID', 'invalid')
const refusal = new OrderRefusedError('PROCESS_FAIL')

test('errors of the own side are those of this package for the merchant, also from its other build', () => {
  for (const error of [handlerError, configurationError]) {
    expect(isOwnSideError(error)).toBe(true)
    expect(toOwnSideError(error)).toBe(error)
  }
  const foreign = Object.assign(new Error('own'), { name: 'HandlerError' })
  for (const error of [protocolError, refusal, foreign, undefined, 'HandlerError']) {
    expect(isOwnSideError(error)).toBe(false)
    expect(toOwnSideError(error)).toMatchObject({ code: 'ERR_INTERNAL' })
  }
})

test('a refusal is an OrderRefusedError that was not made from the response of another peer', () => {
  expect(isRefusal(refusal)).toBe(true)
  const response = { result: { resultCode: 'PROCESS_FAIL', resultStatus: 'F', resultMessage: '' } } as const
  expect(isRefusal(new OrderRefusedError('PROCESS_FAIL', undefined, { response }))).toBe(false)
  expect(isRefusal(Object.assign(new Error('own'), { name: 'OrderRefusedError' }))).toBe(false)
  expect(isRefusal(handlerError)).toBe(false)
})

test('errors of this package, and refusals, pass through the store unchanged', () => {
  for (const error of [handlerError, configurationError, refusal]) expect(storeThrew('finish', error)).toBe(error)
  expect(storeThrew('finish', protocolError)).toMatchObject({ code: 'ERR_STORE' })
})

describe('an error with its consequence', () => {
  test('has the code and the cause of the error', () => {
    const error = withConsequence(handlerError, 'It runs again.')
    expect(error).toMatchObject({ code: 'ERR_STORE', message: 'The store is down. It runs again.' })
    expect(error).toHaveProperty('cause', handlerError.cause)
  })

  test('is unchanged if it says what to do', () => {
    expect(withConsequence(configurationError, 'It runs again.')).toBe(configurationError)
  })
})

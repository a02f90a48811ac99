import { beforeEach, describe, expect, test } from 'vitest'
import type { IncomingRequest } from '../../src/public/index.ts'
import { merchant, SUCCESS, summarize } from '../support/merchant.ts'
import { encryptedRequest, merchantCredentials, NOW, order, request, withHeaders } from '../support/messages.ts'
import { recordWarnings } from '../support/warnings.ts'

beforeEach(() => void recordWarnings())

/** The only event of a request. */
async function eventOf(incoming: unknown, options: Parameters<typeof merchant>[0] = {}) {
  const { handler, events } = merchant(options)
  await handler(incoming as IncomingRequest)
  expect(events).toHaveLength(1)
  return events[0] ?? expect.fail('there is no event')
}

describe('the event of a request that is rejected for its first line or its headers says what is wrong:', () => {
  test.each<[object, string, string]>([
    [{ method: 'GET' }, 'ERR_METHOD', 'The method is not POST.'],
    [{ method: 'PO ST' }, 'ERR_HEADER_INVALID', 'The method or the path contains invalid characters.'],
    [{ path: '/a\nb' }, 'ERR_HEADER_INVALID', 'The method or the path contains invalid characters.'],
  ])('%j', async (changes, code, message) => {
    expect(await eventOf({ ...request(), ...changes })).toMatchObject({ kind: 'rejected', code, message })
  })

  test('a Client-Id of too many characters', async () => {
    const message = 'The Client-Id header is not 1 to 128 visible ASCII characters.'
    const event = await eventOf(request({ clientId: 'x'.repeat(129) }))
    expect(event).toMatchObject({ kind: 'rejected', code: 'ERR_HEADER_INVALID', message })
  })

  test('an unknown Client-Id', async () => {
    const event = await eventOf(request({ clientId: 'STRANGER' }))
    const message = 'The Client-Id is unknown.'
    expect(event).toMatchObject({ kind: 'rejected', code: 'ERR_CLIENT_UNKNOWN', message, unknownClientId: 'STRANGER' })
  })
})

const FIX = 'Give the handler { method, path, headers, body }, or use the adapter of your framework.'

test.each<[unknown, string]>([
  [undefined, `The request is undefined. ${FIX}`],
  [null, `The request is null. ${FIX}`],
  ['POST', `The request is a string. ${FIX}`],
  [{ ...request(), method: undefined }, `"method" is undefined. ${FIX}`],
])('a wrong call of the handler is a mistake of the merchant: %o', async (incoming, message) => {
  expect(await eventOf(incoming)).toMatchObject({ kind: 'unavailable', code: 'ERR_REQUEST', message })
})

test('a path that is a URL object is a mistake of the merchant', async () => {
  const path = new URL('https://merchant.example/api')
  expect(await eventOf({ ...request(), path })).toMatchObject({ kind: 'unavailable', code: 'ERR_PATH' })
})

test('an order from the far future is rejected with the field that is wrong', async () => {
  const event = await eventOf(request({ message: order({ orderModifyTime: NOW + 86_400_001 }) }))
  const expected = 'a time that is not far in the future'
  expect(event).toMatchObject({
    kind: 'rejected',
    code: 'ERR_FIELD_INVALID',
    message: `The order is invalid: "orderModifyTime" must be ${expected}.`,
  })
  expect(event.error).toHaveProperty('issues', [{ field: 'orderModifyTime', expected }])
})

test('a message that a remote signer cannot decrypt is a mistake of the sender, not of the signer', async () => {
  const credentials = {
    ...merchantCredentials(),
    privateKeys: {
      1: { algorithm: 'RSA256' as const, sign: async () => new Uint8Array(256), decrypt: async () => undefined },
    },
  }
  const event = await eventOf(encryptedRequest(), { credentials })
  expect(event).toMatchObject({ kind: 'rejected', code: 'ERR_DECRYPTION' })
})

test('a request that is rejected before its body is read releases its place', async () => {
  const { handler, events } = merchant({ maxReading: 1 })
  await handler(request({ time: '2024-05-22T08:12:21+08:00' }))
  expect(events).toMatchObject([{ kind: 'rejected', code: 'ERR_TIME_RANGE' }])
  expect(events[0]).toHaveProperty('message', expect.stringContaining('Request-Time'))
  expect(summarize(await handler(request()))).toStrictEqual(SUCCESS)
})

test('a Content-Length above maxBodyBytes is rejected before the body is read', async () => {
  const event = await eventOf(withHeaders(request(), { 'Content-Length': '1048577' }))
  expect(event).toMatchObject({ kind: 'rejected', code: 'ERR_BODY_TOO_LARGE' })
})

test('a URL in the query of a path stays there', async () => {
  expect(await eventOf(request({ path: '/hook?next=https://other.example/x' }))).toMatchObject({ kind: 'processed' })
})

test('the event of an encrypted message names the key that decrypted it', async () => {
  expect(await eventOf(encryptedRequest())).toMatchObject({ encrypted: true, decryptionKeyVersion: '1' })
})

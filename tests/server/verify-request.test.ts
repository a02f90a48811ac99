import { randomBytes } from 'node:crypto'
import { describe, expect, test, vi } from 'vitest'
import { z } from 'zod'
import {
  ConfigurationError,
  type Credentials,
  HandlerError,
  OrderRefusedError,
  type PrivateKeyInput,
  ProtocolError,
  responseToError,
  type VerifyRequestOptions,
  verifyRequest,
} from '../../src/public/index.ts'
import { merchantEcc, merchantRsa } from '../support/keys.ts'
import { SUCCESS, summarize, TRY_LATER } from '../support/merchant.ts'
import {
  CLIENT_ID,
  encryptedRequest,
  encryptHeader,
  merchantCredentials,
  messageOf,
  NOW,
  order,
  PATH,
  request,
  withHeaders,
} from '../support/messages.ts'
import { rejectionOf } from '../support/thrown.ts'

/** An order that no other test sends: calls in one process remember the `Encrypt` headers of one another. */
const newOrder = () => order({ requestId: randomBytes(16).toString('hex') })
const options = (changes: Partial<VerifyRequestOptions<unknown>> = {}): VerifyRequestOptions<unknown> => ({
  credentials: merchantCredentials(),
  now: () => NOW,
  ...changes,
})
const privateKey = (key: PrivateKeyInput): Credentials => ({ ...merchantCredentials(), privateKeys: { 1: key } })

describe.each([
  ['in plaintext', request, false],
  ['encrypted', encryptedRequest, true],
] as const)('verifyRequest, for a request %s,', (_, make, encrypted) => {
  test('resolves with the order and the context of the request', async () => {
    const message = newOrder()
    const incoming = withHeaders(make({ message }), { 'Tracer-Id': 'trace-1', 'Agent-Token': 'agent-1' })

    const verified = await verifyRequest(incoming, options())

    expect(verified.order).toStrictEqual(message)
    expect(verified.context).toStrictEqual({
      clientId: CLIENT_ID,
      requestId: message['requestId'],
      tracerId: 'trace-1',
      orderKey: expect.stringMatching(/^[\w-]{43}$/),
      keyVersion: '1',
      agentToken: 'agent-1',
      encrypted,
    })
  })

  test('respond() returns the signed response to each decision, any number of times', async () => {
    const { respond } = await verifyRequest(make({ message: newOrder() }), options())
    const refused = new OrderRefusedError('PROCESS_FAIL', 'sold out')
    const expected = { signed: true, encrypted }
    for (const _ of ['once', 'twice']) {
      expect(summarize(await respond({ orderId: 'A-1' }))).toStrictEqual({ ...SUCCESS, encrypted })
      expect(summarize(await respond(refused))).toMatchObject({ status: 200, resultCode: 'PROCESS_FAIL', ...expected })
      expect(messageOf(await respond(refused))).toHaveProperty('result.resultMessage', 'sold out')
      expect(summarize(await respond(new Error('queue full')))).toStrictEqual({ ...TRY_LATER, encrypted })
    }
  })

  test('rejects the same message for another path, and accepts it with the path that was signed', async () => {
    const moved = { ...make({ message: newOrder() }), path: '/orders' }
    // The search for the cause ends after 100 ms; a busy machine may need longer.
    vi.spyOn(performance, 'now').mockReturnValue(performance.now())
    const error = await rejectionOf(verifyRequest(moved, options()))
    const cause = expect.objectContaining({ code: 'ERR_SIGNATURE_INVALID' })
    expect(error).toMatchObject({ code: 'ERR_SIGNATURE_INVALID', message: expect.stringContaining(PATH), cause })
    expect(messageOf(responseToError(error))).not.toHaveProperty('result.resultMessage', expect.stringContaining(PATH))
    const { respond } = await verifyRequest(moved, options({ signedPath: PATH }))
    expect(summarize(await respond({ orderId: 'A-1' }))).toStrictEqual({ ...SUCCESS, encrypted })
  })

  test('responds signed to a verified message that is invalid', async () => {
    const error = await rejectionOf(verifyRequest(make({ message: { ...newOrder(), tradeNo: '' } }), options()))
    expect(error).toMatchObject({ code: 'ERR_FIELD_INVALID', issues: [{ field: 'tradeNo' }] })
    expect(summarize(responseToError(error))).toMatchObject({
      status: 200,
      resultCode: 'PARAM_ILLEGAL',
      signed: true,
      encrypted,
    })
  })
})

describe('verifyRequest', () => {
  test('gives the type and the value of extInfoSchema to extInfo', async () => {
    const extInfoSchema = z.object({ note: z.string().transform((note) => note.length) })
    const incoming = request({ message: newOrder() })
    const verified = await verifyRequest(incoming, { ...options(), extInfoSchema })
    expect(verified.order.extInfo.note satisfies number).toBe('NOTE-for-the-kitchen'.length)
    const failing = verifyRequest(incoming, { ...options(), extInfoSchema: z.object({ other: z.string() }) })
    expect(await rejectionOf(failing)).toMatchObject({ code: 'ERR_FIELD_INVALID' })
  })

  test('rejects a captured message with a changed Encrypt header in a later call', async () => {
    const captured = encryptedRequest({ message: newOrder() })
    await verifyRequest(captured, options())
    const changed = withHeaders(captured, { Encrypt: encryptHeader(randomBytes(32), merchantRsa().publicKey) })
    const error = await rejectionOf(verifyRequest(changed, options()))
    expect(error).toMatchObject({ code: 'ERR_ENCRYPT_CHANGED' })
    expect(summarize(responseToError(error))).toMatchObject({ status: 401, signed: false })
    await expect(verifyRequest(captured, options())).resolves.toHaveProperty('order')
  })

  test('throws for unknown and missing options, and for options of a handler', async () => {
    const incoming = request()
    const wrong = (changes: object) => verifyRequest(incoming, { ...options(), ...changes })
    await expect(wrong({ store: {} })).rejects.toThrow(new TypeError('verifyRequest() has no option "store"'))
    await expect(wrong({ credentials: undefined })).rejects.toThrow('"credentials" is missing')
    await expect(wrong({ timeoutMs: 0 })).rejects.toThrow(RangeError)
  })

  test.each([undefined, null, {}, { method: 'POST' }, { method: 'POST', path: PATH, headers: {}, body: 5 }])(
    'rejects the request %o, and its response is not signed',
    async (incoming) => {
      const error = await rejectionOf(verifyRequest(incoming as never, options()))
      expect(error).toHaveProperty('code', expect.stringMatching(/^ERR_/))
      expect(summarize(responseToError(error))).toMatchObject({ signed: false })
    },
  )
})

describe("a failure on the merchant's side", () => {
  const failing = (changes: Partial<VerifyRequestOptions<unknown>>, make = encryptedRequest) =>
    rejectionOf(verifyRequest(make({ message: newOrder() }), options(changes)))
  const thrown = new Error('secret-of-the-merchant')
  const signer = {
    algorithm: 'RSA256' as const,
    sign: () => Promise.reject(thrown),
    decrypt: () => Promise.reject(thrown),
  }

  test.each([
    ['the credentials throw', 'ERR_CREDENTIALS_LOOKUP', { credentials: () => Promise.reject(thrown) }],
    ['the clock throws', 'ERR_OPTION', { now: () => expect.fail('the clock') }],
    ['a signer cannot decrypt', 'ERR_SIGNER', { credentials: privateKey(signer) }],
    ['no key can decrypt', 'ERR_KEY_USE', { credentials: privateKey(merchantEcc().privateKey) }],
  ])('rejects when %s, and the response is UNKNOWN_EXCEPTION', async (_, code, changes) => {
    const error = await failing(changes)
    expect(error).toHaveProperty('code', code)
    expect(error.message).not.toContain('secret-of-the-merchant')
    expect(summarize(responseToError(error))).toMatchObject({
      status: 500,
      resultCode: 'UNKNOWN_EXCEPTION',
      signed: false,
    })
  })

  test('rejects a body above maxBodyBytes, and one that takes longer than bodyTimeoutMs', async () => {
    const incoming = request({ message: newOrder() })
    const large = await rejectionOf(verifyRequest(incoming, options({ maxBodyBytes: 100 })))
    expect(large).toMatchObject({ code: 'ERR_BODY_TOO_LARGE', message: expect.stringContaining('100 bytes') })
    expect(responseToError(large).status).toBe(413)
    const body = new ReadableStream<Uint8Array>()
    const slow = await rejectionOf(verifyRequest({ ...incoming, body }, options({ bodyTimeoutMs: 1 })))
    expect(slow).toMatchObject({ code: 'ERR_BODY_TIMEOUT' })
    expect(responseToError(slow).status).toBe(408)
  })

  test('rejects when the time is up', async () => {
    vi.useFakeTimers()
    try {
      const verifying = rejectionOf(
        verifyRequest(
          request({ message: newOrder() }),
          options({ credentials: () => new Promise(() => {}), timeoutMs: 50 }),
        ),
      )
      await vi.advanceTimersByTimeAsync(50)
      expect(await verifying).toMatchObject({
        code: 'ERR_CREDENTIALS_LOOKUP',
        message: expect.stringContaining('50 ms'),
      })
      expect(vi.getTimerCount()).toBe(0)
    } finally {
      vi.useRealTimers()
    }
  })

  test('in respond() rejects with an error that has a response', async () => {
    const { respond } = await verifyRequest(
      request({ message: newOrder() }),
      options({ credentials: privateKey({ ...signer, publicKey: merchantRsa().publicKey } as never) }),
    )
    const error = await rejectionOf(respond({ orderId: 'A-1' }))
    expect(error).toBeInstanceOf(HandlerError)
    expect(error).toMatchObject({ code: 'ERR_SIGNER' })
    expect(summarize(responseToError(error))).toMatchObject({ status: 500, signed: false })
  })

  test.each([undefined, {}, { orderId: '' }, { orderId: 'x'.repeat(65) }, { orderId: 5 }])(
    'in the decision %o is ERR_ORDER_ID, and its response keeps the Tracer-Id',
    async (decision) => {
      const incoming = withHeaders(request({ message: newOrder() }), { 'Tracer-Id': 'trace-1' })
      const { respond } = await verifyRequest(incoming, options())
      const error = await rejectionOf(respond(decision as never))
      const message = expect.stringContaining('respond() takes an error or')
      expect(error).toMatchObject({ name: 'ConfigurationError', code: 'ERR_ORDER_ID', message })
      expect(responseToError(error)).toMatchObject({ status: 500, headers: { 'Tracer-Id': 'trace-1' } })
    },
  )
})

test('two requests that fail with the same error object have separate responses', async () => {
  const thrown = new ProtocolError('ERR_FIELD_INVALID', 'not this item', { issues: [{ field: 'x', expected: 'y' }] })
  const schema = { '~standard': { version: 1, vendor: 'test', validate: () => Promise.reject(thrown) } } as const
  const failing = (tracerId: string) => {
    const incoming = withHeaders(request({ message: newOrder() }), { 'Tracer-Id': tracerId })
    return rejectionOf(verifyRequest(incoming, options({ extInfoSchema: schema })))
  }
  const errors = [await failing('trace-1'), await failing('trace-2'), await failing('trace-3')]
  expect(errors.map((error) => responseToError(error).headers['Tracer-Id'])).toEqual(['trace-1', 'trace-2', 'trace-3'])
  for (const error of errors) {
    expect(error).toMatchObject({ name: 'ProtocolError', code: 'ERR_FIELD_INVALID', message: 'not this item' })
    expect(error).toMatchObject({ issues: thrown.issues })
    expect(summarize(responseToError(error))).toMatchObject({ resultCode: 'PARAM_ILLEGAL', signed: true })
  }
})

test.each([new HandlerError('ERR_OPTION', 'own'), new ConfigurationError('ERR_KEY_RING', 'own')])(
  'two requests whose credentials() throws the same $name have separate responses',
  async (thrown) => {
    const failing = (tracerId: string) => {
      const incoming = withHeaders(request({ message: newOrder() }), { 'Tracer-Id': tracerId })
      return rejectionOf(verifyRequest(incoming, options({ credentials: () => Promise.reject(thrown) })))
    }
    const errors = [await failing('trace-1'), await failing('trace-2')]
    expect(errors.map((error) => responseToError(error).headers['Tracer-Id'])).toEqual(['trace-1', 'trace-2'])
    for (const { name, code, message } of errors as HandlerError[])
      expect({ name, code, message }).toEqual({ name: thrown.name, code: thrown.code, message: 'own' })
  },
)

test('a signal that throws when it is read is ignored', async () => {
  const incoming = Object.defineProperty(request({ message: newOrder() }), 'signal', {
    get: () => expect.fail('the signal'),
  })
  await expect(verifyRequest(incoming as never, options())).resolves.toHaveProperty('order')
})

test('responseToError returns UNKNOWN_EXCEPTION for any other value, without its text', () => {
  for (const error of [new Error('secret'), 'secret', null, undefined, Object.freeze(new Error('secret'))]) {
    const response = responseToError(error)
    expect(response).toMatchObject({ status: 500, headers: { 'Tracer-Id': expect.stringMatching(/^[0-9a-f]{32}$/) } })
    expect(Buffer.from(response.body).toString()).toContain('UNKNOWN_EXCEPTION')
    expect(Buffer.from(response.body).toString()).not.toContain('secret')
    expect(summarize(response)).toMatchObject({ resultStatus: 'U', signed: false })
  }
})

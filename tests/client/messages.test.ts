import { describe, expect, onTestFinished, test } from 'vitest'
import { type ClientOptions, createOrderSyncClient, describeKey, type OrderInput } from '../../src/public/index.ts'
import { type Behaviour, respondsSigned, respondsWith, startGateway } from '../support/gateway.ts'
import { merchantRsa } from '../support/keys.ts'
import { merchantCredentials, NOW, order, PATH, refusal, success } from '../support/messages.ts'
import { rejectionOf } from '../support/thrown.ts'

async function errorFrom(behaviour: Behaviour, options: Partial<ClientOptions> = {}) {
  const gateway = await startGateway(behaviour)
  onTestFinished(gateway.close)
  const client = createOrderSyncClient({
    credentials: merchantCredentials(),
    url: gateway.url,
    now: () => NOW,
    retries: 0,
    ...options,
  })
  return { error: await rejectionOf(client.syncOrder(order() as unknown as OrderInput)), url: gateway.url }
}

const { fingerprint } = describeKey(merchantRsa().privateKey)
const unsigned = (resultCode: string, headers: Record<string, string> = {}) =>
  respondsWith(401, JSON.stringify(refusal(resultCode)), { 'Content-Type': 'application/json', ...headers })

describe('a peer that rejects the signature of the client', () => {
  test.each<[string, Behaviour, string]>([
    [
      'unsigned',
      unsigned('INVALID_SIGNATURE', { 'Response-Time': '2024-05-22T09:12:11+08:00' }),
      'UntrustedResponseError',
    ],
    [
      'unsigned, with a Date',
      unsigned('INVALID_SIGNATURE', { Date: 'Wed, 22 May 2024 01:12:11 GMT' }),
      'UntrustedResponseError',
    ],
    [
      'unsigned, without a readable body',
      respondsWith(401, 'no', { 'Response-Time': '2024-05-22T09:12:11+08:00' }),
      'UntrustedResponseError',
    ],
    [
      'signed',
      respondsSigned(refusal('INVALID_SIGNATURE'), { time: '2024-05-22T09:12:11+08:00' }),
      'OrderRefusedError',
    ],
  ])('%s: the message has path, URL, key version, fingerprint and clock', async (_, behaviour, name) => {
    const { error, url } = await errorFrom(behaviour)
    expect(error.name).toBe(name)
    for (const part of [
      `the signed path ${PATH}`,
      `the URL is ${url}${PATH}`,
      'privateKeys[1]',
      `fingerprint ${fingerprint}`,
      'which is 10 s ahead of the time in the response',
    ]) {
      expect(error.message).toContain(part)
    }
  })

  test('by the wrong offset of the peer: the message calls it a time zone', async () => {
    const { error } = await errorFrom(unsigned('INVALID_SIGNATURE', { 'Response-Time': '2024-05-22T09:12:11Z' }))
    expect(error.message).toMatch(
      /28790 s behind the time in the response \(The difference is a whole number of quarter hours/,
    )
  })

  test('without a time: the message says that the clock is unknown', async () => {
    const silent: Behaviour = (response) => {
      response.sendDate = false
      unsigned('INVALID_SIGNATURE', { 'Response-Time': 'now' })(response, {} as never, {} as never)
    }
    expect((await errorFrom(silent)).error.message).toContain('the clock, which is unknown: the response has no time.')
  })

  test('made by a signer: the message says that it has no fingerprint', async () => {
    const { error } = await errorFrom(unsigned('INVALID_SIGNATURE'), {
      credentials: {
        ...merchantCredentials(),
        privateKeys: { 4: { algorithm: 'RSA256', signDigest: () => new Uint8Array(256) } },
      },
    })
    expect(error.message).toContain('privateKeys[4] (a signer or CryptoKey, without a fingerprint)')
  })

  test('with another result: the message does not mention the signature', async () => {
    const { error } = await errorFrom(unsigned('INVALID_CLIENT'))
    expect(error.message).toContain('Receivers respond like this if they do not know the Client-Id.')
    expect(error.message).not.toContain(fingerprint)
    expect((await errorFrom(respondsSigned(refusal('PROCESS_FAIL')))).error.message).toBe(
      'The order was refused with PROCESS_FAIL.',
    )
  })
})

test('a signed success without orderId: the message says that it verified, and what is missing', async () => {
  const { orderId: _, ...rest } = success()
  const { error } = await errorFrom(respondsSigned(rest))
  expect(error).toMatchObject({ name: 'UntrustedResponseError', code: 'ERR_REPLY_INVALID' })
  expect(error.message).toMatch(/^The peer signed the response, but its content is invalid\. .*"orderId"/)
  expect(error.message).not.toMatch(/cannot be trusted|unverified/)
})

test.each<[string, Behaviour, Partial<ClientOptions>]>([
  ['unsigned', respondsWith(404, 'no'), {}],
  ['a redirect', respondsWith(302, '', { Location: 'https://example.com' }), {}],
  ['too large', respondsWith(200, 'x'.repeat(200)), { maxResponseBytes: 100 }],
  ['too old', respondsSigned(success(), { time: '2024-05-22T08:00:00+08:00' }), {}],
  ['signed but invalid', respondsSigned({ result: {} }), {}],
])(
  'a response that is %s: the message says that the order may have been processed, and keeps requestId',
  async (_, behaviour, options) => {
    const { error } = await errorFrom(behaviour, options)
    expect(error).toMatchObject({ name: 'UntrustedResponseError', requestId: order()['requestId'] })
    expect(error.message).toContain('The order may have been processed.')
    expect(error.message).toContain('with the same requestId')
  },
)

test('a clock error in a response is not followed by a hint about the Client-Id, and names a time zone', async () => {
  const { error } = await errorFrom(respondsSigned(success(), { time: '2024-05-22T01:12:21+08:00' }, 401))
  expect(error).toMatchObject({ code: 'ERR_REPLY_TIME' })
  expect(error.message).toContain('28800 s behind the local clock')
  expect(error.message).toContain('whole number of quarter hours')
  expect(error.message).not.toContain('Client-Id')
})

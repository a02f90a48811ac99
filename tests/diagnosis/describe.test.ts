import { webcrypto } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { type ExplainOptions, explainRequest } from '../../src/diagnosis/explain.ts'
import { describeKey } from '../../src/keys/keys.ts'
import type { Credentials } from '../../src/secure-message/credentials.ts'
import { der, gatewayRsa, strangerRsa } from '../support/keys.ts'
import {
  CLIENT_ID,
  encryptedRequest,
  merchantCredentials,
  NOW,
  PATH,
  request,
  TIME,
  withHeaders,
} from '../support/messages.ts'
import { type CapturedRequest, capture, JSON_BODY } from './broken.ts'

const explain = (
  captured: object | string,
  options: ExplainOptions = {},
  credentials: Credentials = merchantCredentials(),
) => explainRequest(captured, credentials, { now: () => NOW, maxTrials: 500, maxMs: 60_000, ...options })

/** Raw HTTP with another request-target. */
const httpOf = (target: string, { headers, body }: CapturedRequest) =>
  [`POST ${target} HTTP/1.1`, ...Object.entries(headers).map(([name, value]) => `${name}: ${value}`), '', body].join(
    '\r\n',
  )

describe('explainRequest describes the signed text', () => {
  test('with the values of a query and of the body hidden, or as they are', async () => {
    const path = '/hook?token=SECRET'
    const captured = {
      ...capture({ path, received: { path: '/hook/?token=SECRET' } }),
      body: Buffer.from(`${JSON_BODY}\n`),
    }
    const hidden = await explain(captured, { maxTrials: 20_000 })
    expect(hidden.causes.map(({ code }) => code).sort()).toEqual(['body-newline', 'path'])
    const secrets = /SECRET|TRADE|BIZ-0001|PAID/
    expect(hidden.signed.expected).not.toMatch(secrets)
    expect(hidden.signed.found).not.toMatch(secrets)
    expect(hidden.signed.expected).toMatch(new RegExp(`^POST /hook/\\?token=…␊${CLIENT_ID}\\.`))
    expect(hidden.signed.found).toMatch(new RegExp(`^POST /hook\\?token=…␊${CLIENT_ID}\\.`))
    const shown = await explain(captured, { maxTrials: 20_000, showData: true })
    expect(shown.signed).toEqual({
      expected: `POST /hook/?token=SECRET␊${CLIENT_ID}.${TIME}.${JSON_BODY}␊`,
      found: `POST ${path}␊${CLIENT_ID}.${TIME}.${JSON_BODY}`,
      sha256: hidden.signed.sha256,
    })
  })

  test('without a time header', async () => {
    const { signed } = await explain(withHeaders(request(), { 'Request-Time': undefined }), { showData: true })
    expect(signed.expected).toBe(`POST ${PATH}␊${CLIENT_ID}..${JSON_BODY}`)
  })
})

describe('explainRequest describes', () => {
  test('the plaintext of an encrypted body with its values hidden', async () => {
    const { body } = await explain(encryptedRequest({ message: '{"tradeNo":"AB-1"}' }))
    expect(body).toMatchObject({ isEncrypted: true, plaintext: '{"tradeNo":"xx-0"}' })
  })

  test('method, header names and time with visible control characters, cut to a length', async () => {
    const long = 'X'.repeat(150)
    const captured = {
      method: `M\t${long}`,
      path: PATH,
      headers: [['Request-Time', `T\t${long}`], [`N\t${long}`, 'v'], ...Array(100).fill(['A', 'b'])],
      body: '',
    }
    const { method, time, headers } = await explain(captured)
    expect(method).toBe(`M␉${'X'.repeat(18)}`)
    expect(time).toEqual({ header: 'Request-Time', text: `T␉${'X'.repeat(98)}`, isFresh: false })
    expect(headers.map(({ name }) => name)).toContain(`n␉${'x'.repeat(98)}`)
    const http = `POST / HTTP/1.1\r\n${'A: b\r\n'.repeat(101)}\r\n`
    expect((await explain(http)).headers).toHaveLength(100)
  })

  test('an age in seconds, negative when the time is ahead', async () => {
    expect((await explain(request(), { now: () => NOW - 1_501 })).time).toMatchObject({ ageSeconds: -2, isFresh: true })
    expect((await explain(request(), { now: () => NOW + 300_001 })).time).toMatchObject({ isFresh: false })
  })

  test('the key of the version that the header names', async () => {
    const peerPublicKeys = { 1: gatewayRsa().publicKey, 2: strangerRsa().publicKey }
    const { fingerprint } = describeKey(gatewayRsa().publicKey)
    const credentials = { ...merchantCredentials(), peerPublicKeys }
    expect(await explain(request(), {}, credentials)).toMatchObject({
      key: { version: '1', algorithm: 'RSA256', fingerprint },
      signature: { algorithm: 'RSA256', keyVersion: '1', bytes: 256 },
    })
    const unnamed = withHeaders(request(), {
      Signature: request().headers['Signature']?.replace('keyVersion=1,', ''),
    })
    const explanation = await explain(unnamed)
    expect(explanation.key?.version).toBe('1')
    expect(explanation.signature).toEqual({ algorithm: 'RSA256', bytes: 256 })
    expect(await explain(request({ keyVersion: '9' }), {}, credentials)).not.toHaveProperty('key')
    expect(await explain(withHeaders(request(), { Signature: undefined }))).not.toHaveProperty('signature')
  })

  test('a CryptoKey without a fingerprint', async () => {
    const algorithm = { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256' }
    const key = await webcrypto.subtle.importKey('spki', der(gatewayRsa().publicKey), algorithm, true, ['verify'])
    const explanation = await explain(request(), {}, { ...merchantCredentials(), peerPublicKeys: { 1: key } })
    expect(explanation.key).toStrictEqual({ version: '1', algorithm: 'RSA256' })
  })
})

describe('explainRequest takes the path', () => {
  test.each([
    ['https://shop.example/hook?a=1', '/hook?a=1'],
    ['HTTPS://shop.example', '/'],
    ['http://shop.example?a=1', '/?a=1'],
    ['https://shop.example#/a', '/#/a'],
    ['/https://shop.example/a', '/https://shop.example/a'],
  ])('of the request-target %s', async (target, path) => {
    expect(await explain(httpOf(target, capture({ path })))).toMatchObject({ verified: true })
  })

  test('of the option first, and tries the others', async () => {
    const captured = capture({ path: '/hook', received: { path: '/hook' } })
    const { causes, path } = await explain(captured, { path: '/a/b' })
    expect({ path, codes: causes.map(({ code }) => code) }).toEqual({ path: '/a/b', codes: ['path'] })
    const target = 'https://shop.example/hook'
    const signedUrl = await explain(httpOf(target, capture({ path: target })))
    expect(signedUrl).toMatchObject({ path: '/hook', causes: [{ code: 'path' }] })
  })

  test('and the method of the protocol, and those of the options, when the capture has none', async () => {
    const { headers, body } = request()
    expect(await explain({ headers, body })).toMatchObject({ verified: true, method: 'POST', path: PATH })
    expect(await explain({ headers, body, method: 'PUT' }, { method: 'POST' })).toMatchObject({ verified: true })
  })

  test('and the direction from the headers only when both times are not there', async () => {
    const both = withHeaders(request(), { 'Response-Time': TIME })
    expect(await explain(both)).toMatchObject({ direction: 'request', verified: true })
  })
})

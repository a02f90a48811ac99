import { constants, createCipheriv, createHash, privateEncrypt, publicEncrypt, webcrypto } from 'node:crypto'
import { inspect } from 'node:util'
import { describe, expect, test } from 'vitest'
import { type ExplainOptions, explainRequest } from '../../src/diagnosis/explain.ts'
import { describeKey } from '../../src/keys/keys.ts'
import type { Credentials } from '../../src/secure-message/credentials.ts'
import { der, gatewayRsa, merchantRsa, strangerRsa } from '../support/keys.ts'
import {
  bytesOf,
  CLIENT_ID,
  encryptedRequest,
  merchantCredentials,
  NOW,
  order,
  PATH,
  request,
  signatureOver,
  signedResponse,
  success,
  type TestRequest,
  TIME,
  withHeaders,
} from '../support/messages.ts'
import { capture, JSON_BODY } from './broken.ts'

const explain = (
  captured: TestRequest | object | string,
  options: ExplainOptions = {},
  credentials: Credentials = merchantCredentials(),
) => explainRequest(captured, credentials, { now: () => NOW + 2_000, ...options })

describe('explainRequest returns the parts of a message:', () => {
  test('headers, time, signature, key and signed text', async () => {
    const captured = withHeaders(request(), { Authorization: 'Bearer SECRET', Cookie: 'SECRET', Host: 'shop.example' })
    const { signed, ...explanation } = await explain(captured)
    expect(explanation).toEqual({
      verified: true,
      causes: [],
      notes: [],
      form: 'json',
      direction: 'request',
      method: 'POST',
      path: PATH,
      headers: expect.arrayContaining([
        { name: 'client-id', value: CLIENT_ID },
        { name: 'host', value: 'shop.example' },
        { name: 'authorization', value: '… (13 characters)' },
        {
          name: 'signature',
          value: expect.stringMatching(/^algorithm=RSA256,keyVersion=1,signature=… \(\d+ characters\)$/),
        },
      ]),
      time: { header: 'Request-Time', text: TIME, sentAt: new Date(NOW).toISOString(), ageSeconds: 2, isFresh: true },
      signature: { algorithm: 'RSA256', keyVersion: '1', bytes: 256 },
      key: { version: '1', algorithm: 'RSA256', fingerprint: describeKey(gatewayRsa().publicKey).fingerprint },
      body: { bytes: JSON_BODY.length, isEncrypted: false },
      issues: [],
      trials: 0,
    })
    expect(signed.expected).toMatch(new RegExp(`^POST ${PATH}\u240a${CLIENT_ID}\\.`))
    expect(signed).not.toHaveProperty('found')
    expect(JSON.stringify(explanation)).not.toContain('SECRET')
  })

  test('control characters are visible, with the text that the sender signed', async () => {
    const { signed } = await explain(capture({ body: `\ufeff${JSON_BODY}\r\n` }), { showData: true })
    expect(signed.expected).toContain('.<U+FEFF>{"requestId"')
    expect(signed.expected).toMatch(/\}\u240d\u240a$/)
    expect(signed.found).toMatch(/\.\{"requestId".*\}$/)
  })

  test('the digest of the signed text is that of the sender', async () => {
    const digest = createHash('sha256').update(`POST ${PATH}\n${CLIENT_ID}.${TIME}.${JSON_BODY}`).digest('hex')
    expect((await explain(request())).signed.sha256).toBe(digest)
    expect((await explain(request({ message: '{}' }))).signed.sha256).not.toBe(digest)
  })

  test('fields that the schema does not allow, as JSON Pointers', async () => {
    const message = order({ amount: { value: '-1', currency: 'HKD' }, tradeNo: '', result: 1 })
    const { verified, issues } = await explain(request({ message }))
    expect({ verified, pointers: issues.map(({ pointer }) => pointer).sort() }).toEqual({
      verified: true,
      pointers: ['/amount/value', '/tradeNo'],
    })
    for (const { expected } of issues) expect(expected).not.toBe('')
  })

  test('a body that is not strict JSON', async () => {
    const { issues } = await explain(request({ message: '{"a":1,"a":2}' }))
    expect(issues).toEqual([{ pointer: '', expected: expect.stringMatching(/^The body is not valid JSON/) }])
  })

  test('an invalid time', async () => {
    const { time, causes } = await explain(capture({ time: 'soon', received: { time: 'soon' } }))
    expect(time).toEqual({ header: 'Request-Time', text: 'soon', isFresh: false })
    expect(causes.map(({ code }) => code)).toEqual(['time'])
  })

  test('a signature that cannot be read, and no time', async () => {
    const captured = withHeaders(request(), { Signature: '?', 'Request-Time': undefined })
    const explanation = await explain(captured)
    expect(explanation).toMatchObject({ verified: false, signature: {} })
    expect(explanation).not.toHaveProperty('time')
    expect(explanation).not.toHaveProperty('key')
    expect(explanation.causes.map(({ code }) => code)).toEqual(['header'])
  })
})

describe('explainRequest, of an encrypted message,', () => {
  test('decrypts the body, and validates what is inside', async () => {
    const { verified, body, issues } = await explain(encryptedRequest({ message: order({ tradeNo: 1 }) }), {
      showData: true,
    })
    expect({ verified, pointers: issues.map(({ pointer }) => pointer) }).toEqual({
      verified: true,
      pointers: ['/tradeNo'],
    })
    expect(body).toMatchObject({ isEncrypted: true, plaintext: JSON.stringify(order({ tradeNo: 1 })) })
  })

  test('reports that another key is needed', async () => {
    const { verified, body, notes } = await explain(encryptedRequest({ encryptTo: strangerRsa().publicKey }))
    expect(verified).toBe(true)
    expect(body).toEqual({ bytes: expect.any(Number), isEncrypted: true })
    expect(notes).toEqual([expect.stringMatching(/none of your privateKeys decrypts it/)])
  })

  test('finds the options with which it was encrypted', async () => {
    const aesKey = Buffer.alloc(16, 7)
    const cipher = createCipheriv('aes-128-cbc', aesKey, Buffer.alloc(16, 9))
    const ciphertext = Buffer.concat([Buffer.alloc(16, 9), cipher.update(bytesOf(order())), cipher.final()])
    const wrapped = publicEncrypt(
      { key: merchantRsa().publicKey, padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash: 'sha256' },
      aesKey,
    )
    const Encrypt = `algorithm=RSA_AES,keyVersion=1,symmetricKey=${encodeURIComponent(wrapped.toString('base64'))}`
    const captured = withHeaders(request({ message: ciphertext.toString('base64') }), { Encrypt })
    const { notes, issues, body } = await explain(captured)
    expect(notes).toEqual([expect.stringContaining(`Set "encryption" to { aesMode: 'CBC', keyWrap: 'RSA-OAEP-256' }.`)])
    expect({ issues, isDecrypted: body.plaintext !== undefined }).toEqual({ issues: [], isDecrypted: true })
    const configured = await explain(captured, { encryption: { aesMode: 'CBC', keyWrap: 'RSA-OAEP-256' } })
    expect(configured.notes).toEqual([])
  })

  test('reports that the header names another key version', async () => {
    const encrypted = encryptedRequest()
    const Encrypt = encrypted.headers['Encrypt']?.replace('keyVersion=1', 'keyVersion=9')
    const { notes } = await explain(withHeaders(encrypted, { Encrypt }))
    expect(notes).toEqual([expect.stringMatching(/another keyVersion than the one that decrypts: privateKeys\[1\]/)])
  })

  test.each([
    [
      'an Encrypt header that is malformed',
      () => withHeaders(encryptedRequest(), { Encrypt: 'x' }),
      undefined,
      /was not decrypted\. The Encrypt header is malformed/,
    ],
    [
      'a key that a signer holds',
      encryptedRequest,
      { algorithm: 'RSA256', sign: () => new Uint8Array(), decrypt: () => undefined } as const,
      /is encrypted to a key of a signer/,
    ],
  ])('does not decrypt with %s', async (_, captured, key, expected) => {
    const credentials =
      key === undefined ? merchantCredentials() : { ...merchantCredentials(), privateKeys: { 1: key } }
    const { body, notes } = await explain(captured(), {}, credentials)
    expect(body).not.toHaveProperty('plaintext')
    expect(notes).toEqual([expect.stringMatching(expected)])
  })
})

describe('explainRequest, of a response,', () => {
  const response = (message: unknown = success()) => ({ status: 200, ...signedResponse(message) })

  test('verifies it with the path of its request', async () => {
    expect(await explain(response())).toMatchObject({ verified: true, direction: 'response', path: PATH, issues: [] })
    const { causes } = await explain(response(), { path: '/hook' })
    expect(causes.map(({ code }) => code)).toEqual(['path'])
  })

  test('recognizes it by its time header, or by the option', async () => {
    const { status: _, ...rest } = response()
    expect(await explain(rest)).toMatchObject({ verified: true, direction: 'response' })
    const asRequest = await explain(rest, { direction: 'request' })
    expect(asRequest).toMatchObject({ verified: false, error: { code: 'ERR_HEADER_MISSING' } })
  })

  test('validates it as a response', async () => {
    const { issues } = await explain(response({ result: { resultCode: 'SUCCESS', resultStatus: 'X' } }))
    expect(issues.map(({ pointer }) => pointer)).toEqual(['/result/resultStatus'])
  })
})

describe('explainRequest takes the clock', () => {
  const har = () => {
    const { headers, body, path } = request()
    return {
      startedDateTime: new Date(NOW + 1_000).toISOString(),
      request: {
        method: 'POST',
        url: `https://shop.example${path}`,
        headers: Object.entries(headers).map(([name, value]) => ({ name, value })),
        postData: { text: Buffer.from(body).toString() },
      },
    }
  }

  test('of a HAR entry', async () => {
    const { time, verified } = await explainRequest(har(), merchantCredentials())
    expect({ verified, age: time?.ageSeconds }).toEqual({ verified: true, age: 1 })
  })

  test('of the option before that of a HAR entry', async () => {
    const { causes } = await explain(har(), { now: () => NOW + 301_000 })
    expect(causes).toEqual([
      { code: 'expired', fix: expect.stringMatching(/^Request-Time is 301 s behind the local clock/) },
    ])
    expect((await explain(har(), { now: () => NOW + 301_000, clockToleranceSeconds: 301 })).verified).toBe(true)
  })

  test('of the machine, without either', async () => {
    const { causes, time } = await explainRequest(request(), merchantCredentials())
    expect(causes.map(({ code }) => code)).toEqual(['expired'])
    expect(time?.ageSeconds).toBeGreaterThan(60_000_000)
  })
})

describe('explainRequest shows no secret:', () => {
  const secrets = ['Chan Tai Man', '+85298765432', 'SECRETmember', 'SECRETtoken', '陳大文', '98765432']
  const message = order({ extInfo: { SECRETmember: 'Chan Tai Man', phone: '+85298765432', 名: '陳大文', n: 98765432 } })
  const captures = {
    verified: () => request({ message }),
    encrypted: () => encryptedRequest({ message }),
    'with another body': () => ({ ...request({ message }), body: bytesOf(JSON.stringify(message, null, 2)) }),
    'in base64': () => ({
      ...request({ message }),
      body: bytesOf(Buffer.from(JSON.stringify(message)).toString('base64')),
    }),
    'with a query': () => ({ ...request({ message }), path: `${PATH}?token=SECRETtoken` }),
    'by nobody': () => request({ message, key: strangerRsa().privateKey }),
    'that is not JSON': () => request({ message: `Chan Tai Man ${JSON.stringify(message).slice(9)}` }),
    'with other headers': () =>
      withHeaders(request({ message }), { 'X-Api-Key': 'SECRETtoken', Tracer: 'SECRETtoken' }),
  }

  test.each(Object.entries(captures))('a message %s', async (_, make) => {
    const captured = make()
    const explanation = await explain(captured)
    const printed = JSON.stringify(explanation) + inspect(explanation, { depth: 9, showHidden: true })
    for (const secret of secrets) expect(printed).not.toContain(secret)
    const signature = /signature=(.{40})/.exec(captured.headers['Signature'] ?? '')?.[1] ?? '?'
    expect(printed).not.toContain(signature)
    for (const { privateKey } of [merchantRsa(), gatewayRsa()]) {
      const key = Buffer.from(der(privateKey)).toString('base64')
      for (let at = 0; at + 16 <= key.length; at += 8) expect(printed).not.toContain(key.slice(at, at + 16))
    }
  })

  test('the test finds data when showData shows it', async () => {
    const printed = JSON.stringify(await explain(captures.encrypted(), { showData: true }))
    expect(printed).toContain('Chan Tai Man')
    expect(JSON.stringify(await explain(captures['with a query'](), { showData: true }))).toContain('SECRETtoken')
  })

  test('the form of the body stays visible', async () => {
    const { signed } = await explain(request({ message: '{ "tradeNo":\t"Ab-1",\n"x\\u00e9/":[true,-12.5,null] }' }))
    expect(signed.expected).toMatch(/\.\{ "tradeNo":\u2409"xx-0",\u240a"x\\uxxxx\/":\[true,-00\.0,null\] \}$/)
  })
})

describe('explainRequest rejects', () => {
  test.each([
    ['an unknown option', { pat: '/' }, 'explainRequest() has no option "pat"'],
    ['a wrong direction', { direction: 'both' }, '"direction" must be request or response'],
    ['a wrong limit', { maxTrials: 0 }, '"maxTrials" must be positive and finite'],
    ['a wrong clock', { now: 1 }, '"now" must be a function'],
    ['a wrong encryption', { encryption: { aesMode: 'GCM' } }, '"encryption.aesMode" must be ECB or CBC'],
  ])('%s', async (_, options, message) => {
    await expect(explain(request(), options as ExplainOptions)).rejects.toThrow(message)
  })

  test('a body above maxBodyBytes', async () => {
    await expect(explain(request(), { maxBodyBytes: 100 })).rejects.toMatchObject({ code: 'ERR_REQUEST' })
  })

  test('input that is not a message', async () => {
    await expect(explain('hello')).rejects.toMatchObject({ code: 'ERR_REQUEST' })
  })

  test('credentials that are wrong', async () => {
    const peerPublicKeys = { 1: merchantRsa().publicKey }
    await expect(explain(request(), {}, { ...merchantCredentials(), peerPublicKeys })).rejects.toMatchObject({
      code: 'ERR_KEY_OWN',
    })
  })
})

describe('explainRequest keeps its limits:', () => {
  test('maxTrials ends the search, and the note says so', async () => {
    const captured = capture({ signed: 'x', body: JSON_BODY })
    const { trials, notes, causes } = await explain(captured, { maxTrials: 50 })
    expect({ trials, causes }).toEqual({ trials: 50, causes: [] })
    expect(notes).toEqual([expect.stringMatching(/reached its limits/)])
  })

  test('the JSON of a large body is not rewritten, and the note says so', async () => {
    const message = JSON.stringify(order({ extInfo: { a: 'x'.repeat(300_000) } }))
    const { notes } = await explain(
      { ...request({ message }), body: bytesOf(message.replace(/^\{/, '{ ').replace('1000', '2000')) },
      { maxTrials: 300 },
    )
    expect(notes).toEqual([expect.stringMatching(/above 262144 bytes, changes of the JSON format are not tested/)])
    const { causes } = await explain({ ...request({ message }), body: bytesOf(`${message}\n`) })
    expect(causes.map(({ code }) => code)).toEqual(['body-newline'])
  })

  test('does not search for a signature that no configured key made', async () => {
    const { trials, notes } = await explain(request({ key: strangerRsa().privateKey }))
    expect({ trials, notes }).toEqual({
      trials: 0,
      notes: [expect.stringMatching(/made with a key that is not configured/)],
    })
  })

  test('tries a CryptoKey without the checks that it does not support', async () => {
    const algorithm = { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256' }
    const key = await webcrypto.subtle.importKey('spki', der(gatewayRsa().publicKey), algorithm, true, ['verify'])
    const credentials = { ...merchantCredentials(), peerPublicKeys: { 1: key } }
    const { causes } = await explain(capture({ body: `${JSON_BODY}\n` }), {}, credentials)
    expect(causes.map(({ code }) => code)).toEqual(['body-newline'])
    const tampered = await explain(
      capture({ body: JSON_BODY.replace('1000', '2000') }),
      { maxTrials: 500 },
      credentials,
    )
    expect(tampered.causes).toEqual([])
  })
})

test('a payload without signature padding is not a signature', async () => {
  const bytes = privateEncrypt(
    { key: gatewayRsa().privateKey, padding: constants.RSA_PKCS1_PADDING },
    Buffer.from('content'),
  )
  const Signature = `algorithm=RSA256,keyVersion=1,signature=${encodeURIComponent(bytes.toString('base64'))}`
  expect(await explain(withHeaders(request(), { Signature }))).toMatchObject({ verified: false, causes: [] })
  const right = signatureOver(
    { method: 'POST', path: PATH, clientId: CLIENT_ID, time: TIME },
    bytesOf(order()),
    gatewayRsa().privateKey,
  )
  expect((await explain(withHeaders(request(), { Signature: right }))).verified).toBe(true)
})

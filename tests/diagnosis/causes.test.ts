import { webcrypto } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { type ExplainOptions, explainRequest } from '../../src/diagnosis/explain.ts'
import { describeKey } from '../../src/keys/keys.ts'
import type { Credentials } from '../../src/secure-message/credentials.ts'
import { der, gatewayEcc, gatewayRsa, strangerRsa } from '../support/keys.ts'
import {
  bytesOf,
  encryptedRequest,
  merchantCredentials,
  NOW,
  order,
  request,
  signedResponse,
  success,
  withHeaders,
} from '../support/messages.ts'
import { capture, JSON_BODY } from './broken.ts'

const explain = (captured: object, options: ExplainOptions = {}, credentials: Credentials = merchantCredentials()) =>
  explainRequest(captured, credentials, { now: () => NOW, maxTrials: 2_000, maxMs: 60_000, ...options })
const causesOf = async (captured: object, options?: ExplainOptions) =>
  (await explain(captured, options)).causes.map(({ code, fix }) => [code, fix])
const notesOf = async (captured: object, options?: ExplainOptions, credentials?: Credentials) =>
  (await explain(captured, options, credentials)).notes

const OLD = '2024-05-22T08:12:21+08:00'

describe('explainRequest names the rules that a message breaks, although its signature verifies:', () => {
  test.each<[what: string, captured: () => object, causes: readonly (readonly string[])[]]>([
    [
      'the method',
      () => capture({ method: 'PUT', received: { method: 'PUT' } }),
      [['method', 'The method is not POST. Send the order with POST.']],
    ],
    [
      'the Client-Id header',
      () => capture({ received: { clientId: 'OTHER' } }),
      [
        [
          'client-id',
          'The Client-Id header is not the "clientId" of the credentials. Send the id that AlipayHK assigned, or correct "clientId".',
        ],
      ],
    ],
    [
      'the Client-Id header, which is absent',
      () => capture({ received: { headers: { 'Client-Id': undefined } } }),
      [['header', 'The Client-Id header is missing.']],
    ],
    [
      'the Content-Type header',
      () => capture({ received: { headers: { 'Content-Type': 'text/html' } } }),
      [['header', expect.stringContaining('Content-Type')]],
    ],
    [
      'the time',
      () => capture({ time: 'soon', received: { time: 'soon' } }),
      [['time', expect.stringContaining('Request-Time')]],
    ],
    [
      'the age',
      () => capture({ time: OLD, received: { time: OLD } }),
      [
        [
          'expired',
          expect.stringMatching(
            /^Request-Time is 3600 s behind the local clock.* A captured message expires: give the time at which it was received\.$/,
          ),
        ],
      ],
    ],
  ])('%s', async (_, captured, causes) => {
    const explanation = await explain(captured())
    expect(explanation.causes.map(({ code, fix }) => [code, fix])).toEqual(causes)
    expect(explanation.verified).toBe(false)
  })

  test('next to a change that explains the signature', async () => {
    const captured = capture({ body: `${JSON_BODY}\n`, received: { clientId: 'OTHER' } })
    expect((await causesOf(captured)).map(([code]) => code)).toEqual(['body-newline', 'client-id'])
  })

  test('but not the method of a response, which has none', async () => {
    const response = { status: 200, ...signedResponse(success()) }
    const { error } = await explain(response, { method: 'PUT', maxTrials: 1 })
    expect(error?.code).toBe('ERR_SIGNATURE_INVALID')
  })

  test('the Encrypt header', async () => {
    const captured = withHeaders(encryptedRequest(), { Encrypt: 'x' })
    expect(await causesOf(captured)).toEqual([['header', expect.stringContaining('Encrypt header is malformed')]])
  })
})

describe('explainRequest, for a header that is malformed,', () => {
  const { privateKey } = strangerRsa()

  test('names the Signature header, unless a cause already says what is wrong with it', async () => {
    expect(await causesOf(capture({ key: privateKey, algorithm: 'X' }))).toEqual([
      ['signature-encoding', expect.stringContaining('Signature header is malformed')],
    ])
    const codes = (await causesOf(capture({ algorithm: 'X' }))).map(([code]) => code)
    expect(codes).toEqual(['algorithm'])
  })

  test('checks the time although the Signature header cannot be read', async () => {
    const { time, notes } = await explain(capture({ key: privateKey, algorithm: 'X' }))
    expect(time?.isFresh).toBe(true)
    expect(notes).toEqual([expect.stringContaining('a key that is not configured')])
  })

  test('names the Signature header before a time that is malformed too', async () => {
    const captured = capture({ key: privateKey, algorithm: 'X', received: { time: 'soon' } })
    expect((await causesOf(captured)).map(([code]) => code)).toEqual(['signature-encoding'])
  })
})

describe('explainRequest, when no change explains the signature,', () => {
  const forged = (received = {}) => capture({ body: JSON_BODY.replace('1000', '9000'), received })

  test('does not name the age as the cause', async () => {
    const { causes, error } = await explain(capture({ time: OLD, body: '{}', received: { time: OLD } }))
    expect({ causes, code: error?.code }).toEqual({ causes: [], code: 'ERR_TIME_RANGE' })
  })

  test.each([
    ['0', ''],
    ['-1', ''],
    ['x', ''],
    ['349', ' Content-Length announced 349 bytes.'],
  ])('names a body that is lost, with Content-Length %s', async (length, announced) => {
    expect(await causesOf(capture({ body: '', received: { headers: { 'Content-Length': length } } }))).toEqual([
      [
        'body-empty',
        `The body is empty: something in front of the handler has read or dropped it.${announced} Mount the handler before any body parser, and look for a proxy or firewall that drops bodies, or a redirect that turned POST into a request without a body.`,
      ],
    ])
  })

  test('does not name an empty body that was signed', async () => {
    const codes = (await causesOf(capture({ signed: '', received: { path: '/sync' } }))).map(([code]) => code)
    expect(codes).toEqual(['path'])
  })

  const { fingerprint } = describeKey(gatewayRsa().publicKey)
  const web = async () => {
    const algorithm = { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256' }
    const key = await webcrypto.subtle.importKey('spki', der(gatewayRsa().publicKey), algorithm, true, ['verify'])
    return { ...merchantCredentials(), peerPublicKeys: { 7: key } }
  }
  const UNKNOWN =
    'No known change makes the signature verify. Compare the signed text with the sender, byte by byte. Start with its SHA-256 digest.'

  test('suggests to compare the signed text, and names the fingerprint of the latest key', async () => {
    const options = { maxTrials: 200_000 }
    expect(await notesOf(capture({ body: '{}' }), options)).toEqual([
      `${UNKNOWN} The fingerprint of peerPublicKeys[1] is ${fingerprint}.`,
    ])
  })

  test('names no fingerprint of a CryptoKey, which has none', async () => {
    const credentials = await web()
    expect(await notesOf(capture({ signed: 'x', body: '', keyVersion: '7' }), {}, credentials)).toEqual([])
    const { notes } = await explain(capture({ body: 'y', keyVersion: '7' }), { maxTrials: 200_000 }, credentials)
    expect(notes).toEqual([UNKNOWN])
  })

  test('says that no configured key made the signature', async () => {
    const captured = request({ key: strangerRsa().privateKey })
    expect(await notesOf(captured)).toEqual([
      `The signature was made with a key that is not configured, or its bytes are damaged. Compare the fingerprint of the sender's public key with yours: describeKey() prints it. The fingerprint of peerPublicKeys[1] is ${fingerprint}.`,
    ])
  })

  test('says that a limit has ended the search', async () => {
    expect(await notesOf(forged(), { maxTrials: 50 })).toEqual([
      'The search reached its limits before it had tested every change. Raise "maxMs" and "maxTrials".',
    ])
  })

  test('says that a large body was not rewritten', async () => {
    const large = JSON.stringify(order({ extInfo: { a: 'x'.repeat(262_144) } }))
    const captured = capture({ signed: large, body: large.replace('1000', '9000') })
    expect(await notesOf(captured, { maxTrials: 5 })).toEqual([
      `No tested change makes the signature verify. The body has ${bytesOf(large).length} bytes; above 262144 bytes, changes of the JSON format are not tested.`,
    ])
    expect(await notesOf(capture({ signed: large, body: `${large}\n` }))).toEqual([])
    const largest = 'x'.repeat(262_144)
    expect(await notesOf(capture({ signed: 'y', body: largest }), { maxTrials: 5 })).toEqual([
      expect.stringMatching(/^The search reached its limits/),
    ])
  })

  test('adds no note when a broken rule is known', async () => {
    expect(
      await notesOf(capture({ body: '{}', received: { headers: { 'Content-Type': 'text/html' } } }), {
        maxTrials: 200_000,
      }),
    ).toEqual([])
  })
})

test.each([
  ['IEEE P1363', gatewayEcc, { dsaEncoding: 'ieee-p1363' }, 1],
  ['ASN.1 DER', gatewayEcc, {}, 0],
  ['RSA', gatewayRsa, {}, 0],
] as const)(
  'explainRequest notes that a signature in %s is accepted although the library sends another form: %#',
  async (_, pair, options, count) => {
    const credentials = { ...merchantCredentials(), peerPublicKeys: { 1: pair().publicKey } }
    expect(await notesOf(capture({ key: pair().privateKey, options }), {}, credentials)).toEqual(
      Array(count).fill(
        'The signature has the form of IEEE P1363. This library accepts it; other receivers may accept only ASN.1 DER.',
      ),
    )
  },
)

test('explainRequest notes no form of IEEE P1363 for an RSA key, whatever the length of the signature', async () => {
  const Signature = `algorithm=RSA256,keyVersion=1,signature=${encodeURIComponent(Buffer.alloc(56, 1).toString('base64'))}`
  expect(await notesOf(withHeaders(request(), { Signature }))).toEqual([
    expect.stringContaining('a key that is not configured'),
  ])
})

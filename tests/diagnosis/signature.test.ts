import { webcrypto } from 'node:crypto'
import { describe, expect, test, vi } from 'vitest'
import { diagnoseSignature } from '../../src/diagnosis/signature.ts'
import { describeKey } from '../../src/keys/keys.ts'
import { collectHeaders, parseMessageHead } from '../../src/protocol/headers.ts'
import { type Credentials, parseCredentials } from '../../src/secure-message/credentials.ts'
import { der, gatewayEcc, gatewayRsa, merchantEcc, merchantRsa, strangerRsa } from '../support/keys.ts'
import {
  bytesOf,
  merchantCredentials,
  order,
  PATH,
  type RequestParts,
  request,
  signedResponse,
  success,
  type TestRequest,
  withHeaders,
} from '../support/messages.ts'
import { capture } from './broken.ts'

const diagnose = (
  { headers, body, method, path }: TestRequest,
  received: { path?: string; body?: Uint8Array } = {},
  credentials: Credentials = merchantCredentials(),
) =>
  diagnoseSignature(
    { method, path, head: parseMessageHead(collectHeaders(headers), 'request'), body, ...received },
    collectHeaders(headers),
    parseCredentials(credentials),
    // A busy machine must not end the search.
    () => 0,
  )

const twoKeys = () => ({
  ...merchantCredentials(),
  peerPublicKeys: { 1: strangerRsa().publicKey, 2: gatewayRsa().publicKey },
})

/** The values of a query string may be secrets. */
const masked = (path: string) => path.replace('=1', '=…')

describe('diagnoseSignature finds that the sender signed another path', () => {
  test.each([
    ['when a proxy removed a prefix', PATH, '/sync'],
    ['without the query string', '/hook', '/hook?a=1'],
    ['with a slash at its end', '/hook/', '/hook'],
    ['without the slash at its end', '/hook', '/hook/'],
    ['with a slash and without the query string', '/hook/', '/hook?a=1'],
  ])('%s: %s', async (_, path, received) => {
    expect(await diagnose(request({ path }), { path: received })).toBe(
      `The sender signed the path ${masked(path)}, but it was verified for ${masked(received)}. Set the option "signedPath" to the path that the sender signs.`,
    )
  })
})

test('diagnoseSignature stops after 100 ms by performance.now(), and reports no cause', async () => {
  const { method, headers, body } = request({ path: '/hook/' })
  const received = { method, path: '/hook', head: parseMessageHead(collectHeaders(headers), 'request'), body }
  let now = 0
  vi.spyOn(performance, 'now').mockImplementation(() => {
    now += 100
    return now
  })
  const hint = await diagnoseSignature(received, collectHeaders(headers), parseCredentials(merchantCredentials()))
  expect(hint).toContain('No common mistake explains it.')
})

describe('diagnoseSignature finds that', () => {
  test('the sender signed with another key version than the header names', async () => {
    const hint = await diagnose(request({ keyVersion: '1' }), {}, twoKeys())
    expect(hint).toBe(
      'The sender signed with key version 2, but the header names 1. Correct the keyVersion in the Signature header, or the versions in peerPublicKeys.',
    )
  })

  test('the sender signed with another key version than the latest, when the header names none', async () => {
    const signed = request({ key: strangerRsa().privateKey })
    const unnamed = withHeaders(signed, { Signature: signed.headers['Signature']?.replace('keyVersion=1,', '') })
    const hint = await diagnose(unnamed, {}, twoKeys())
    expect(hint).toBe(
      'The sender signed with key version 1, but the header names no version, which means the latest: 2. Correct the keyVersion in the Signature header, or the versions in peerPublicKeys.',
    )
  })

  test('the header names a key version that is not configured', async () => {
    const hint = await diagnose(request({ keyVersion: '7' }), {}, twoKeys())
    expect(hint).toBe(
      'The header names keyVersion 7; peerPublicKeys has 2, 1. The signature verifies with peerPublicKeys[2]: add the key under the version that the sender uses, or correct the header.',
    )
  })

  test('the header names another algorithm than the key has', async () => {
    const peerPublicKeys = { 1: gatewayEcc().publicKey }
    const hint = await diagnose(request(), {}, { ...merchantCredentials(), peerPublicKeys })
    expect(hint).toBe('The header names RSA256; peerPublicKeys[1] is for ECC224.')
  })
})

const compact = JSON.stringify(order())

describe('diagnoseSignature finds that the body', () => {
  test.each([
    [
      'was reformatted',
      compact,
      JSON.stringify(order(), null, 2),
      /without white space: something in transit reformats the JSON/,
    ],
    ['got a line break at its end', compact, `${compact}\n`, /without the line break at its end/],
    [
      'was reformatted, although it is not JSON',
      '{"a":[1,2',
      '{ "a": [1, 2',
      /without white space: something in transit/,
    ],
    [
      'was reformatted, although its number is too large for JSON.parse()',
      '{"a":12345678901234567890}',
      '{"a": 12345678901234567890}',
      /without white space: something in transit/,
    ],
  ])('%s', async (_, message, received, hint) => {
    expect(await diagnose(request({ message }), { body: bytesOf(received) })).toMatch(hint)
  })
})

test.each([
  ['x-forwarded-prefix', '/shop', '/shop/orders?a=1'],
  ['x-forwarded-prefix', '/shop/', '/shop/orders?a=1'],
  ['x-original-uri', '/front/orders', '/front/orders'],
  ['x-forwarded-uri', '/front/orders', '/front/orders'],
])('diagnoseSignature finds the signed path in the header of a proxy, %s: %s', async (name, value, signed) => {
  const received = withHeaders(request({ path: signed }), { [name]: value })
  const hint = await diagnose(received, { path: '/orders?a=1' })
  expect(hint).toBe(
    `The sender signed the path ${masked(signed)}, but it was verified for /orders?a=…. Set the option "signedPath" to the path that the sender signs.`,
  )
})

test.each<[string, RequestParts, Uint8Array | undefined]>([
  ['a forged body', {}, bytesOf('{"secret":"SECRET-1"}')],
  ['bytes that are not UTF-8', {}, Uint8Array.of(0xff)],
  ['a body too deep for a JSON parser', {}, bytesOf('['.repeat(60_000))],
])('diagnoseSignature finds no common mistake for %s, and does not quote the body', async (_, parts, body) => {
  const hint = await diagnose(request(parts), body && { body })
  expect(hint).toMatch(
    /^No common mistake explains it\. Compare three things .*the path \(here .*the body \(here \d+ bytes;/,
  )
  expect(hint).not.toMatch(/SECRET|\[\[/)
  expect(hint).toContain(
    `the key (here peerPublicKeys[1], fingerprint ${describeKey(gatewayRsa().publicKey).fingerprint})`,
  )
})

test.each([
  ['another key', () => request({ key: strangerRsa().privateKey })],
  [
    'a signature with changed bytes',
    () => {
      const { Signature = '' } = request().headers
      const [head, text = ''] = Signature.split('signature=')
      const changed = encodeURIComponent(`AAAA${decodeURIComponent(text).slice(4)}`)
      return withHeaders(request(), { Signature: `${head}signature=${changed}` })
    },
  ],
])('diagnoseSignature reports that no configured key made the signature, for %s', async (_, received) => {
  const { fingerprint } = describeKey(gatewayRsa().publicKey)
  expect(await diagnose(received())).toBe(
    `The signature was not made with peerPublicKeys[1] (fingerprint ${fingerprint}), or its bytes are damaged. Compare the fingerprint with the sender: describeKey() prints it.`,
  )
})

test('diagnoseSignature finds a message that was signed with your own key', async () => {
  const hint = await diagnose(request({ key: merchantRsa().privateKey }))
  expect(hint).toMatch(/^The message was signed with your own privateKeys\[1\], not with the peer's key\./)
})

test('diagnoseSignature tries single changes only: two changes are for explainRequest', async () => {
  const hint = await diagnose(request({ path: '/hook' }), { path: '/hook?a=1', body: bytesOf(`${compact}\n`) })
  expect(hint).toMatch(/^No common mistake explains it/)
})

test('diagnoseSignature tries fewer changes of a large body', async () => {
  const message = JSON.stringify(order({ extInfo: { note: 'x'.repeat(60_000) } }))
  expect(await diagnose(request({ message, path: '/hook' }), { path: '/hook?a=1' })).toMatch(
    /^The sender signed the path/,
  )
  const late = `{"b":1,${message.slice(1)}`
  const moved = `{${message.slice(1, -1)},"b":1}`
  expect(await diagnose(request({ message: moved }), { body: bytesOf(late) })).toMatch(/^No common mistake/)
  expect(await diagnose(request({ message: 'x'.repeat(65_537) }), { path: '/' })).toBe(
    'The body is too large to be diagnosed.',
  )
})

test('diagnoseSignature keeps its explanation on one line, and short, for any path', async () => {
  const hint = await diagnose(request(), {
    path: `/a\nERROR forged${'x'.repeat(5_000)}`,
  })
  expect(hint).not.toContain('\n')
  expect(hint?.length).toBeLessThan(600)
})

describe('diagnoseSignature, for an empty body,', () => {
  test.each([
    ['0', /^The body is empty: something in front of the handler has read or dropped it\. Usual causes: /],
    ['349', /dropped it\. Content-Length announced 349 bytes\. Usual causes: /],
  ])('explains what may have dropped it, when Content-Length is %s', async (contentLength, expected) => {
    const received = withHeaders(request(), { 'Content-Length': contentLength })
    expect(await diagnose(received, { body: bytesOf('') })).toMatch(expected)
  })
})

describe('the limits of diagnoseSignature', () => {
  test('a body of 64 KiB is diagnosed, and a larger one is not', async () => {
    const largest = 'x'.repeat(65_536)
    const explained = 'The sender signed the path /hook, but it was verified for /hook/.'
    expect(await diagnose(request({ path: '/hook', message: largest }), { path: '/hook/' })).toContain(explained)
    const tooLarge = await diagnose(request({ path: '/hook', message: `${largest}x` }), { path: '/hook/' })
    expect(tooLarge).toBe('The body is too large to be diagnosed.')
  })

  /** A path that is tried late: after more than 64 texts, and before 500. */
  const late = (message?: unknown) =>
    request({ path: 'https://open.alipay.hk/hook', ...(message !== undefined && { message }) })
  const received = { path: '/hook' }

  test('up to 500 texts are tried with RSA keys, also next to a key that only decrypts', async () => {
    const privateKeys = { 1: merchantRsa().privateKey, 2: { decrypt: strangerRsa().privateKey } }
    for (const credentials of [merchantCredentials(), { ...merchantCredentials(), privateKeys }])
      expect(await diagnose(late(), received, credentials)).toMatch(/^The sender signed the path https:/)
  })

  test.each<[what: string, credentials: () => Credentials]>([
    [
      'of the peer',
      () => ({ ...merchantCredentials(), peerPublicKeys: { 1: gatewayRsa().publicKey, 2: gatewayEcc().publicKey } }),
    ],
    [
      'of your own',
      () => ({ ...merchantCredentials(), privateKeys: { 1: merchantRsa().privateKey, 2: merchantEcc().privateKey } }),
    ],
  ])('fewer texts are tried with an ECC key %s', async (_, credentials) => {
    expect(await diagnose(late(), received, credentials())).toMatch(/^No common mistake explains it/)
  })

  test('fewer texts are tried of a large body', async () => {
    expect(await diagnose(late('x'.repeat(65_536)), received)).toMatch(/^No common mistake explains it/)
  })
})

describe('diagnoseSignature explains', () => {
  test('a response by its own time', async () => {
    const { headers, body } = signedResponse(success())
    const collected = collectHeaders(headers)
    const message = { method: 'POST', path: `${PATH}/`, head: parseMessageHead(collected, 'response'), body }
    const hint = await diagnoseSignature(message, collected, parseCredentials(merchantCredentials()), () => 0)
    expect(hint).toMatch(/^The sender signed the path/)
  })

  test('two causes in two sentences', async () => {
    expect(await diagnose(capture({ digest: 'sha1', keyVersion: '7' }))).toMatch(
      /^The header names keyVersion 7; .*, or correct the header\. The signature was made with SHA-1\. /,
    )
  })

  test('nothing for a signature that verifies', async () => {
    expect(await diagnose(request())).toMatch(/^No common mistake explains it/)
  })

  test('a version that is not configured, also when no change makes the signature verify', async () => {
    const hint = await diagnose(request({ keyVersion: '7' }), { body: bytesOf('{}') }, twoKeys())
    expect(hint).toBe('The header names keyVersion 7; peerPublicKeys has 2, 1.')
  })

  test('that a CryptoKey has no fingerprint', async () => {
    const algorithm = { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256' }
    const key = await webcrypto.subtle.importKey('spki', der(gatewayRsa().publicKey), algorithm, true, ['verify'])
    const hint = await diagnose(
      request(),
      { body: bytesOf('{}') },
      { ...merchantCredentials(), peerPublicKeys: { 1: key } },
    )
    expect(hint).toContain('the key (here peerPublicKeys[1], a CryptoKey, which has no fingerprint)')
  })
})

import { describe, expect, test, vi } from 'vitest'
import { diagnoseSignature } from '../../src/diagnosis/signature.ts'
import { collectHeaders, parseMessageHead } from '../../src/protocol/headers.ts'
import { type Credentials, parseCredentials } from '../../src/secure-message/credentials.ts'
import { gatewayEcc, gatewayRsa, strangerRsa } from '../support/keys.ts'
import {
  bytesOf,
  merchantCredentials,
  order,
  PATH,
  type RequestParts,
  request,
  type TestRequest,
  withHeaders,
} from '../support/messages.ts'

const diagnose = (
  { headers, body, method, path }: TestRequest,
  received: { path?: string; body?: Uint8Array } = {},
  credentials: Credentials = merchantCredentials(),
) =>
  diagnoseSignature(
    { method, path, head: parseMessageHead(collectHeaders(headers), 'request'), body, ...received },
    collectHeaders(headers),
    parseCredentials(credentials),
  )

const twoKeys = () => ({
  ...merchantCredentials(),
  peerPublicKeys: { 1: strangerRsa().publicKey, 2: gatewayRsa().publicKey },
})

/** The values of a query string may be secrets. */
const masked = (path: string) => path.replace('=1', '=…')

describe('the path', () => {
  test.each([
    ['that a proxy has cut', PATH, '/sync'],
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

describe('the key', () => {
  test('is of another version than the header names', async () => {
    const hint = await diagnose(request({ keyVersion: '1' }), {}, twoKeys())
    expect(hint).toBe('The sender signed with key version 2, but the header names 1.')
  })

  test('is of another version than the latest, which the header means where it names none', async () => {
    const signed = request({ key: strangerRsa().privateKey })
    const unnamed = withHeaders(signed, { Signature: signed.headers['Signature']?.replace('keyVersion=1,', '') })
    const hint = await diagnose(unnamed, {}, twoKeys())
    expect(hint).toBe('The sender signed with key version 1, but the header names none, which means the latest: 2.')
  })

  test('is of a version that is not configured', async () => {
    const hint = await diagnose(request({ keyVersion: '7' }), {}, twoKeys())
    expect(hint).toBe('The header names keyVersion 7; peerPublicKeys has 2, 1.')
  })

  test('is for another algorithm', async () => {
    const peerPublicKeys = { 1: gatewayEcc().publicKey }
    const hint = await diagnose(request(), {}, { ...merchantCredentials(), peerPublicKeys })
    expect(hint).toBe('The header names RSA256; peerPublicKeys[1] is for ECC224.')
  })
})

describe('the body', () => {
  const compact = JSON.stringify(order())
  test.each([
    [
      'was formatted on its way',
      compact,
      JSON.stringify(order(), null, 2),
      /without white space: something in between reformats the JSON/,
    ],
    ['got a line break on its way', compact, `${compact}\n`, /without the white space around it/],
  ])('%s', async (_, message, received, hint) => {
    expect(await diagnose(request({ message }), { body: bytesOf(received) })).toMatch(hint)
  })
})

test.each([
  ['x-forwarded-prefix', '/shop', '/shop/orders?a=1'],
  ['x-forwarded-prefix', '/shop/', '/shop/orders?a=1'],
  ['x-original-uri', '/front/orders', '/front/orders'],
  ['x-forwarded-uri', '/front/orders', '/front/orders'],
])('a proxy that rewrote the path and says so in %s: %s', async (name, value, signed) => {
  const received = withHeaders(request({ path: signed }), { [name]: value })
  const hint = await diagnose(received, { path: '/orders?a=1' })
  expect(hint).toBe(
    `The sender signed the path ${masked(signed)}, but it was verified for /orders?a=…. Set the option "signedPath" to the path that the sender signs.`,
  )
})

test('a body that nobody has vouched for is not parsed', async () => {
  const parse = vi.spyOn(JSON, 'parse')
  await diagnose(request({ key: strangerRsa().privateKey }))
  expect(parse).not.toHaveBeenCalled()
})

test.each<[string, RequestParts, Uint8Array | undefined]>([
  ['another key', { key: strangerRsa().privateKey }, undefined],
  ['a forged body', {}, bytesOf('{"secret":"SECRET-1"}')],
  ['bytes that are not UTF-8', {}, Uint8Array.of(0xff)],
  ['a body that no formatter gets through', {}, bytesOf('['.repeat(60_000))],
])('nothing usual explains %s, and the hint quotes nothing of it', async (_, parts, body) => {
  const hint = await diagnose(request(parts), body && { body })
  expect(hint).toMatch(
    /^No usual mistake explains it\. Compare three things .*the path \(here .*the body \(here \d+ bytes;/,
  )
  expect(hint).not.toMatch(/SECRET|\[\[/)
})

test('a path that no HTTP layer would let through stays one line', async () => {
  const hint = await diagnose(request({ key: strangerRsa().privateKey }), {
    path: `/a\nERROR forged${'x'.repeat(5_000)}`,
  })
  expect(hint).not.toContain('\n')
  expect(hint?.length).toBeLessThan(600)
})

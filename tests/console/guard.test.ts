import { describe, expect, test } from 'vitest'
import { type Asked, isSameToken, refusalOf } from '../../src/console/guard.ts'

const asked = (changes: Partial<Asked> = {}): Asked => ({
  method: 'GET',
  hosts: ['127.0.0.1:4000'],
  origin: undefined,
  fetchSite: undefined,
  remoteAddress: '127.0.0.1',
  isForwarded: false,
  contentType: undefined,
  isPage: false,
  ...changes,
})
const post = (changes: Partial<Asked> = {}) =>
  asked({ method: 'POST', origin: 'http://127.0.0.1:4000', contentType: 'application/json', ...changes })
const statusOf = (request: Asked, allowedHosts: string[] = []) => refusalOf(request, allowedHosts)?.status

describe('refusalOf', () => {
  test.each(['localhost', 'LOCALHOST:1', '127.0.0.1', '127.0.0.1:65535', '[::1]', '[::1]:80'])(
    'accepts the host %s',
    (host) => expect(statusOf(asked({ hosts: [host] }))).toBeUndefined(),
  )

  test.each([
    'attacker.example',
    'localhost.attacker.example',
    '127.0.0.1.nip.io',
    'attacker.example:80',
    '127.0.0.1@attacker.example',
    '127.0.0.1:',
    '0.0.0.0',
    '2130706433',
    '192.168.1.2:4000',
    '',
  ])('rejects the host %s, which DNS rebinding can send', (host) => {
    expect(statusOf(asked({ hosts: [host] }))).toBe(403)
  })

  test('rejects a request without a host, and one with a second host that is not this machine', () => {
    expect(statusOf(asked({ hosts: [] }))).toBe(400)
    expect(statusOf(asked({ hosts: ['localhost', 'attacker.example'] }))).toBe(403)
  })

  test.each(['10.0.0.7', '::ffff:10.0.0.7', 'fe80::1', '2001:db8::1', '1127.0.0.1', 'gone'])(
    'rejects the machine %s, although its Host header names this machine',
    (remoteAddress) => expect(statusOf(asked({ remoteAddress }))).toBe(403),
  )

  test.each(['127.0.0.1', '127.8.8.8', '::1', '::ffff:127.0.0.1', undefined])(
    'accepts the machine %s',
    (remoteAddress) => {
      expect(statusOf(asked({ remoteAddress }))).toBeUndefined()
    },
  )

  test('rejects a request that a proxy or a tunnel has forwarded', () => {
    expect(statusOf(asked({ isForwarded: true }))).toBe(403)
  })

  test('accepts other machines and proxies for the hosts that are allowed, and for no other host', () => {
    const remote = { hosts: ['staging.example:8080'], remoteAddress: '10.0.0.7', isForwarded: true }
    expect(statusOf(asked(remote), ['staging.example:8080'])).toBeUndefined()
    expect(statusOf(asked({ ...remote, hosts: ['Staging.Example:8080'] }), ['staging.example:8080'])).toBeUndefined()
    expect(statusOf(asked(remote), ['staging.example'])).toBe(403)
    expect(statusOf(asked({ ...remote, hosts: ['localhost'] }), ['staging.example:8080'])).toBe(403)
  })

  test.each(['http://attacker.example', 'null', 'http://127.0.0.1:4001', 'http://127.0.0.1', 'file://127.0.0.1:4000'])(
    'rejects the origin %s, for reading and for writing',
    (origin) => {
      expect(statusOf(asked({ origin }))).toBe(403)
      expect(statusOf(post({ origin }))).toBe(403)
    },
  )

  test.each(['cross-site', 'same-site'])(
    'rejects requests of a page of another site (%s), except for the page itself',
    (fetchSite) => {
      expect(statusOf(asked({ fetchSite }))).toBe(403)
      expect(statusOf(asked({ fetchSite, isPage: true }))).toBeUndefined()
      expect(statusOf(asked({ fetchSite: 'same-origin' }))).toBeUndefined()
      expect(statusOf(asked({ fetchSite: 'none' }))).toBeUndefined()
    },
  )

  test('accepts a POST with its own origin and JSON, and rejects it without either', () => {
    expect(statusOf(post())).toBeUndefined()
    expect(statusOf(post({ contentType: 'application/json; charset=utf-8' }))).toBeUndefined()
    expect(statusOf(post({ origin: undefined }))).toBe(403)
    expect(statusOf(post({ contentType: 'text/plain' }))).toBe(415)
    expect(statusOf(post({ contentType: undefined }))).toBe(415)
  })

  test.each(['PUT', 'DELETE', 'HEAD', 'OPTIONS', ''])('rejects the method %s', (method) => {
    expect(statusOf(asked({ method }))).toBe(405)
  })
})

test('isSameToken compares whole tokens', () => {
  expect(isSameToken('token', 'token')).toBe(true)
  for (const guess of ['', 'toke', 'tokens', 'Token']) expect(isSameToken(guess, 'token')).toBe(false)
})

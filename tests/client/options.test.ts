import { describe, expect, expectTypeOf, test } from 'vitest'
import { resolveClientOptions } from '../../src/client/options.ts'
import { type ClientOptions, createOrderSyncClient, type OrderInput } from '../../src/public/index.ts'
import { gatewayEcc, merchantRsa, pem } from '../support/keys.ts'
import { merchantCredentials, PATH } from '../support/messages.ts'
import { thrownBy } from '../support/thrown.ts'

const options = (changes: Record<string, unknown> = {}): ClientOptions =>
  ({ credentials: merchantCredentials(), environment: 'testing', ...changes }) as ClientOptions
const at = (url: unknown) => options({ environment: undefined, url })

describe('resolveClientOptions', () => {
  test.each<[string, ClientOptions, string]>([
    ['the environment "testing"', options(), `https://open-id-pre.alipay.com${PATH}`],
    ['the environment "production"', options({ environment: 'production' }), `https://open.alipay.hk${PATH}`],
    ['an origin, with the path of the API', at('http://127.0.0.1:8080'), `http://127.0.0.1:8080${PATH}`],
    ['an origin with a slash', at('https://x.example/'), `https://x.example${PATH}`],
    ['an origin with a query string', at('https://x.example?a=1'), `https://x.example${PATH}?a=1`],
    ['a whole URL', at('https://x.example/hook/?a=1'), 'https://x.example/hook/?a=1'],
    ['a URL object', at(new URL('https://x.example/hook')), 'https://x.example/hook'],
    ['a URL, without its fragment', at('https://x.example/hook#a'), 'https://x.example/hook'],
  ])('sends to %s, and signs its path and query string', (_, given, url) => {
    const resolved = resolveClientOptions(given)
    expect(resolved.url.href).toBe(url)
    expect(resolved.signedPath).toBe(resolved.url.pathname + resolved.url.search)
  })

  test.each([
    'http://localhost:8080',
    'http://LOCALHOST',
    'http://127.0.0.1',
    'http://127.9.8.7:80',
    'http://127.10.11.12',
    'http://127.1',
    'http://[::1]:8080',
    'http://[0:0:0:0:0:0:0:1]',
  ])('accepts an http URL of this machine: %s', (url) => {
    expect(resolveClientOptions(at(url)).url.protocol).toBe('http:')
  })

  test.each([
    'http://merchant.example',
    'http://10.0.0.1',
    'http://localhost.example',
    'http://mylocalhost',
    'http://127.0.0.1.example',
    'http://[::2]',
    'http://0.0.0.0',
  ])('refuses an http URL of another machine, unless allowInsecureUrl is true: %s', (url) => {
    expect(() => createOrderSyncClient(at(url))).toThrow(TypeError)
    expect(() => createOrderSyncClient(at(url))).toThrow(/"url" is http.*"allowInsecureUrl"/)
    expect(() => createOrderSyncClient({ ...at(url), allowInsecureUrl: false })).toThrow(TypeError)
    expect(resolveClientOptions({ ...at(url), allowInsecureUrl: true }).url.protocol).toBe('http:')
  })

  test('does not change a URL object', () => {
    const url = new URL('https://x.example/#a')
    resolveClientOptions(at(url))
    expect(url.href).toBe('https://x.example/#a')
  })

  test.each<[string, ClientOptions, string]>([
    ['neither "environment" nor "url"', options({ environment: undefined }), 'environment'],
    ['both "environment" and "url"', options({ url: 'https://x.example' }), 'environment'],
    ['an unknown environment', options({ environment: 'sandbox' }), 'environment'],
    ['an environment named like a method', options({ environment: 'toString' }), 'environment'],
    ['a text that is not a URL', at('x.example/hook'), 'url'],
    ['another protocol than http and https', at('ftp://x.example'), 'url'],
    ['a protocol that ends with "http:"', at('xhttp://x.example'), 'url'],
    ['a URL with a user name', at('https://user@x.example'), 'url'],
    ['a URL with a password', at('https://:SECRET-1@x.example'), 'url'],
  ])('refuses %s', (_, given, name) => {
    const error = thrownBy(() => createOrderSyncClient(given))
    expect(['RangeError', 'TypeError']).toContain(error.name)
    expect(error.message).toContain(`"${name}"`)
    expect(error.message).not.toContain('SECRET-1')
  })
})

describe('createOrderSyncClient', () => {
  test.each<[Record<string, unknown>, string]>([
    ...['timeoutMs', 'baseDelayMs', 'maxDelayMs', 'maxResponseBytes', 'clockToleranceSeconds'].flatMap((name) =>
      [0, -1, Number.NaN, Number.POSITIVE_INFINITY, 'x', null].map((value): [Record<string, unknown>, string] => [
        { [name]: value },
        name,
      ]),
    ),
    ...[-1, 0.5, Number.NaN, Number.POSITIVE_INFINITY, '3'].map((retries): [Record<string, unknown>, string] => [
      { retries },
      'retries',
    ]),
    // A longer timer fires at once.
    ...['timeoutMs', 'maxDelayMs'].flatMap((name) =>
      [2 ** 31, Number.POSITIVE_INFINITY].map((value): [Record<string, unknown>, string] => [{ [name]: value }, name]),
    ),
    [{ encryption: { keyWrap: 'RSA' } }, 'encryption.keyWrap'],
    [{ timeoutMS: 1_000 }, 'timeoutMS'],
  ])('refuses %j, and names the option', (changes, name) => {
    const error = thrownBy(() => createOrderSyncClient(options(changes)))
    expect(['RangeError', 'TypeError']).toContain(error.name)
    expect(error.message).toContain(`"${name}"`)
  })

  test.each([
    { retries: 0 },
    { timeoutMs: 2 ** 31 - 1, maxDelayMs: 2 ** 31 - 1 },
    { timeoutMs: 0.5 },
    Object.fromEntries(
      ['signedPath', 'encrypt', 'extInfoSchema', 'timeoutMs', 'retries', 'fetch', 'now', 'random', 'randomUUID'].map(
        (name) => [name, undefined],
      ),
    ),
  ])('accepts %j', (changes) => {
    expect(createOrderSyncClient(options(changes))).toHaveProperty('syncOrder')
  })
})

describe('the option "agentToken"', () => {
  test.each([['SECRET-1\nX: y'], ['SECRET-1€'], ['SECRET-1 '], ['']])('refuses %j without quoting it', (agentToken) => {
    expect(thrownBy(() => createOrderSyncClient(options({ agentToken })))).toStrictEqual(
      new TypeError('"agentToken" must be visible ASCII characters'),
    )
  })

  test('accepts visible ASCII characters', () => {
    expect(resolveClientOptions(options({ agentToken: 'a/b+c==' })).agentToken).toBe('a/b+c==')
  })
})

describe('the option "credentials"', () => {
  test('refuses a wrong key when the client is created, without quoting it', () => {
    const text = pem(merchantRsa().privateKey).slice(0, -40)
    const error = thrownBy(() =>
      createOrderSyncClient(options({ credentials: { ...merchantCredentials(), privateKeys: { 1: text } } })),
    )
    expect(error).toMatchObject({ name: 'ConfigurationError', code: 'ERR_KEY_FORMAT' })
    expect(`${error.message}${error.stack}`).not.toContain(text.split('\n')[3])
  })

  test('needs an RSA key of the peer only with "encrypt"', () => {
    const credentials = { ...merchantCredentials(), peerPublicKeys: { 1: gatewayEcc().publicKey } }
    expect(() => createOrderSyncClient(options({ credentials, encrypt: true }))).toThrow(
      expect.objectContaining({ name: 'ConfigurationError', code: 'ERR_KEY_USE' }),
    )
    expect(createOrderSyncClient(options({ credentials }))).toHaveProperty('syncOrder')
  })
})

test('OrderInput makes requestId and merchantBizType optional, and no other required field', () => {
  expectTypeOf<OrderInput>().toHaveProperty('tradeNo').toEqualTypeOf<string>()
  expectTypeOf<OrderInput['requestId']>().toEqualTypeOf<string | undefined>()
  expectTypeOf<OrderInput['merchantBizType']>().toEqualTypeOf<'TRADE_ORDER' | undefined>()
})

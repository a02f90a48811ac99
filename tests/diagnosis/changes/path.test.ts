import { describe, expect, test } from 'vitest'
import type { Change } from '../../../src/diagnosis/change.ts'
import { pathChanges } from '../../../src/diagnosis/changes/path.ts'
import { ORDER_SYNC_PATH } from '../../../src/protocol/endpoint.ts'
import { RECEIVED } from './signed-instead.ts'

type Headers = Readonly<Record<string, string>>

const changes = (path: string, headers: Headers = {}, others: readonly string[] = []) =>
  pathChanges(path, new Map(Object.entries(headers)), others)
const pathOf = (path: string, { apply }: Change) => apply({ ...RECEIVED, path })?.path
/** The paths with a cost, in the order in which they are tried. */
const paths = (cost: number, path: string, headers: Headers = {}, others: readonly string[] = []) =>
  changes(path, headers, others)
    .filter((change) => change.cost === cost)
    .map((change) => pathOf(path, change))

describe('pathChanges tries', () => {
  test('first the other known paths, those in the headers of proxies, the path of the API, and usual changes', () => {
    const headers = {
      'x-original-uri': '/uri',
      'x-original-url': '/url',
      'x-forwarded-uri': '/forwarded',
      'x-envoy-original-path': '/envoy',
      'x-forwarded-prefix': '/prefix/',
      'x-forwarded-path': '/forwarded-path',
      'x-script-name': '/script',
      host: 'shop.example',
    }
    expect(paths(1, '/a/b?x=1', headers, ['/known'])).toEqual([
      '/known',
      '/uri',
      '/url',
      '/forwarded',
      '/envoy',
      ORDER_SYNC_PATH,
      `${ORDER_SYNC_PATH}?x=1`,
      '/a/b',
      '/a/b/?x=1',
      '/prefix/a/b?x=1',
      '/prefix/',
      '/forwarded-path/a/b?x=1',
      '/forwarded-path',
      '/script/a/b?x=1',
      '/script',
    ])
  })

  test.each<[received: string, signed: string[]]>([
    ['/a/', ['/a']],
    ['/a', ['/a/']],
    ['/a/?b=1', ['/a/', '/a?b=1']],
  ])('then, at the same cost, %s without and with a slash at the end', (received, signed) => {
    const api = received.includes('?') ? [ORDER_SYNC_PATH, `${ORDER_SYNC_PATH}?b=1`] : [ORDER_SYNC_PATH]
    expect(paths(1, received)).toEqual([...api, ...signed])
  })

  test.each<[received: string, signed: string[]]>([
    ['/a/b/c', ['/b/c', '/c', 'a/b/c', '//a/b/c']],
    ['/1/2/3/4/5/6/7/8/9', ['/2/3/4/5/6/7/8/9', '/7/8/9']],
    ['/%E8%A8%82/%2f', ['/訂/%2f', '/訂//']],
    ['/a+b', ['/a b']],
    ['/a b', ['/a%20b', '/a+b']],
    ['/訂/b?c', ['/%E8%A8%82/b?c', '/%E8%A8%82/b%3Fc']],
    ['/a///b', ['/a/b', '/a//b']],
    ['/a/./b', ['/a/b']],
    ['/Orders/SYNC', ['/orders/sync']],
    ['/order.json', ['/order']],
    ['/a?c=1&b=2&a=3', ['/a?a=3&b=2&c=1']],
    ['?b=1&a=2', ['?a=2&b=1']],
  ])('then what programs make of %s', (received, signed) => {
    expect(paths(2, received)).toEqual(expect.arrayContaining(signed))
  })

  test.each<[received: string, not: string[]]>([
    ['/1/2/3/4/5/6/7/8/9', ['/8/9', '/9']],
    ['/order.jsonjsonj', ['/order']],
    ['/a.json/b', ['/a/b']],
    ['a/b', ['ab']],
    ['/ab', ['/a?/ab']],
  ])('nothing unusual for %s', (received, not) => {
    for (const path of not) expect(paths(2, received)).not.toContain(path)
  })

  test('last a second change, no path, and URLs', () => {
    const last = paths(3, '/a/B?x=1', { host: 'shop.example' })
    const urls = (path: string) =>
      [
        'https://shop.example',
        'http://shop.example',
        'shop.example',
        'https://open.alipay.hk',
        'https://open-id-pre.alipay.com',
      ].map((origin) => origin + path)
    expect(last).toEqual(
      expect.arrayContaining(['/a/B/', '/a/b', '/B', 'a/B', '', '/', ...urls('/a/B?x=1'), ...urls(ORDER_SYNC_PATH)]),
    )
    expect(last.filter((path) => path?.startsWith('https://shop.example'))).toHaveLength(8)
    expect(paths(3, '/a', { 'x-forwarded-host': 'front.example' })).toContain('https://front.example/a')
    expect(paths(3, '/a').filter((path) => path?.includes('undefined'))).toEqual([])
  })

  test('a path once, at its lowest cost, and never the received path', () => {
    const tried = changes('/a/b?x=1', { 'x-original-uri': '/a' }, ['/a/b', '/a/b?x=1'])
    const all = tried.map((change) => pathOf('/a/b?x=1', change))
    expect(all).not.toContain(undefined)
    expect(new Set(all).size).toBe(all.length)
    expect(all.slice(0, 2)).toEqual(['/a/b', '/a'])
  })

  test('no path for one that cannot be decoded or encoded', () => {
    expect(() => changes('/%zz')).not.toThrow()
    expect(() => changes('/\ud800')).not.toThrow()
  })

  test('fewer than 250 paths', () => {
    const others = Array.from({ length: 300 }, (_, index) => `/${index}`)
    expect(changes('/a', {}, others).map((change) => pathOf('/a', change))).toEqual(others.slice(0, 249))
  })
})

test('pathChanges explains the path without the values of a query', () => {
  const [first] = changes('/a?token=SECRET', {}, ['/b?token=SECRET'])
  expect(first).toMatchObject({
    code: 'path',
    fix: 'The sender signed the path /b?token=…, but it was verified for /a?token=…. Set the option "signedPath" to the path that the sender signs.',
  })
  const empty = changes('/a').find((change) => pathOf('/a', change) === '')
  expect(empty?.fix).toBe(
    'The sender signed no path, but it was verified for /a. Set the option "signedPath" to the path that the sender signs.',
  )
})

import { describe, expect, test } from 'vitest'
import type { PublicKey } from '../../src/crypto/key.ts'
import { type Evidence, type SearchLimits, search } from '../../src/diagnosis/search.ts'
import type { VersionedKey } from '../../src/keys/key-ring.ts'
import { parseCredentials } from '../../src/secure-message/credentials.ts'
import { strangerRsa } from '../support/keys.ts'
import { CLIENT_ID, merchantCredentials, PATH, TIME } from '../support/messages.ts'
import { type Broken, capture, JSON_BODY } from './broken.ts'

const LIMITS: SearchLimits = {
  maxTrials: 100_000,
  maxMs: 1,
  maxChanges: 2,
  maxBodyBytes: 1_000_000,
  maxRewrittenBytes: 1_000_000,
  clock: () => 0,
}

const find = (
  broken: Broken,
  limits: Partial<SearchLimits> = {},
  more: Partial<Evidence> = {},
  credentials = parseCredentials(merchantCredentials()),
) => {
  const { method, path, headers, body } = capture(broken)
  const byName = new Map(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]))
  const evidence: Evidence = { method, path, headers: byName, timeHeader: 'Request-Time', body, ...more }
  return search(evidence, credentials, { ...LIMITS, ...limits })
}
const codesOf = ({ causes }: { causes: readonly { code: string }[] | undefined }) => causes?.map(({ code }) => code)

/** A body without any of the forms that are rewritten, so that the number of trials is small. */
const PLAIN: Broken = { signed: 'a', body: 'b' }

/** A short message without a time, for which there are few changes. */
const SHORT: Broken = {
  path: '/h',
  time: '',
  signed: 'a',
  received: { path: '/h', headers: { 'Request-Time': undefined } },
}
/** What the sender of {@link SHORT} signs. */
const signedText = (path: string, body: string) => `POST ${path}\n${CLIENT_ID}..${body}`

/** The texts that are compared with the signature of {@link SHORT}, in order. It may be by the key that the header names, or by another. */
const tryAll = async (limits: Partial<SearchLimits> = {}) => {
  const tried: (readonly [key: 'named' | 'other', text: string])[] = []
  const credentials = parseCredentials(merchantCredentials())
  const { peerPublicKeys } = credentials
  const watched = (version: string, name: 'named' | 'other'): VersionedKey<PublicKey> => {
    const matches = (content: Uint8Array) => {
      tried.push([name, Buffer.from(content).toString('latin1')])
      return false
    }
    const form = { padding: 'PKCS1', digest: 'SHA-256', encoding: undefined, isCertain: false, matches } as const
    return { version, key: { ...peerPublicKeys.latest.key, examine: () => [form] } }
  }
  const newestFirst = [watched('2', 'other'), watched('1', 'named')]
  const found = await find(
    SHORT,
    { maxRewrittenBytes: 0, ...limits },
    {},
    { ...credentials, peerPublicKeys: { ...peerPublicKeys, newestFirst } },
  )
  expect(found).toMatchObject({ causes: undefined, trials: tried.length, isCut: false })
  const textsOf = (name: 'named' | 'other') => tried.flatMap(([key, text]) => (key === name ? [text] : []))
  return { tried, named: textsOf('named'), other: textsOf('other') }
}

describe('search', () => {
  test('finds no cause, at the first trial, for a signature that verifies', async () => {
    expect(await find({})).toMatchObject({ causes: [], trials: 1, isCut: false, isByNoKey: false })
  })

  test('returns what was signed, and each cause once, without its functions', async () => {
    const found = await find({ path: '/hook/', received: { path: '/hook' }, digest: 'sha1' })
    expect(found.causes).toStrictEqual([
      { code: 'digest', fix: expect.stringMatching(/SHA-1/) },
      { code: 'path', fix: expect.stringMatching(/\/hook\//) },
    ])
    expect(found.parts).toMatchObject({ method: 'POST', path: '/hook/', clientId: CLIENT_ID, time: TIME })
    const twice = await find({ signed: `${JSON_BODY}\n\n`, body: JSON_BODY })
    expect(codesOf(twice)).toEqual(['body-newline'])
  })

  test('returns neither causes nor parts when it finds nothing, and says that it was not cut', async () => {
    const found = await find(PLAIN)
    expect(found).toMatchObject({ causes: undefined, isCut: false, isByNoKey: false })
    expect(found).not.toHaveProperty('parts')
    expect(found.trials).toBeGreaterThan(1_000)
  })

  test('tries nothing when no configured key made the signature', async () => {
    const found = await find({ key: strangerRsa().privateKey })
    expect(found).toEqual({ causes: undefined, trials: 0, isCut: false, isByNoKey: true })
    expect(await find({ key: strangerRsa().privateKey }, { clock: () => 0, maxMs: 0 })).toMatchObject({ isCut: false })
  })

  test('tries single changes only with maxChanges 1', async () => {
    const two: Broken = { path: '/hook/', received: { path: '/hook' }, body: `${JSON_BODY}\n` }
    const one = await find(two, { maxChanges: 1 })
    expect(one).toMatchObject({ causes: undefined, isCut: false })
    const both = await find(two)
    expect(codesOf(both)).toEqual(['body-newline', 'path'])
    expect(both.trials).toBeGreaterThan(one.trials)
  })

  test('tries single changes before pairs, and likely changes before unlikely ones', async () => {
    const { trials: singles } = await find(PLAIN, { maxChanges: 1 })
    const single = await find({ signed: Buffer.from('"a"').toString('base64url'), body: '"a"' })
    expect(single.trials).toBeLessThanOrEqual(singles + 10)
    const likely = await find({ path: '/hook/', received: { path: '/hook' } })
    const unlikely = await find({ path: 'https://open.alipay.hk/hook', received: { path: '/hook' } })
    expect(likely.trials).toBeLessThan(30)
    expect(unlikely.trials).toBeGreaterThan(likely.trials)
  })

  test('tries unlikely changes alone, but not together', async () => {
    const spaces: Broken = { content: (content) => Buffer.from(content.toString().replaceAll('.', '. ')) }
    expect(codesOf(await find(spaces))).toEqual(['signed-content'])
    // Costs of 4 for the layout and 3 for the path.
    const pair = await find({ ...spaces, path: 'https://open.alipay.hk/hook', received: { path: '/hook' } })
    expect(pair.causes).toBeUndefined()
  })

  test('combines two changes of the body, but of no other part', async () => {
    const base64 = Buffer.from(JSON_BODY).toString('base64')
    expect(codesOf(await find({ signed: `${JSON_BODY}\n`, body: base64 }))).toEqual(['body-base64', 'body-newline'])
    const time = await find({ time: '2024-05-22T01:12:22.000Z' })
    expect(time.causes).toBeUndefined()
  })

  test('ends at maxTrials, and says that it was cut', async () => {
    for (const maxTrials of [1, 2, 50])
      expect(await find(PLAIN, { maxTrials })).toMatchObject({ trials: maxTrials, isCut: true })
    const { trials } = await find({ path: '/hook/', received: { path: '/hook' } })
    expect(codesOf(await find({ path: '/hook/', received: { path: '/hook' } }, { maxTrials: trials }))).toEqual([
      'path',
    ])
    expect(await find({ path: '/hook/', received: { path: '/hook' } }, { maxTrials: trials - 1 })).toMatchObject({
      causes: undefined,
      isCut: true,
    })
  })

  test('ends after maxMs, and says that it was cut', async () => {
    let now = 1_000
    const found = await find(PLAIN, { clock: () => now++, maxMs: 100 })
    expect(found).toMatchObject({ causes: undefined, isCut: true })
    expect(found.trials).toBe(99)
  })

  test('takes the time of the header that the message has', async () => {
    const broken: Broken = { received: { headers: { 'Request-Time': undefined, 'Response-Time': TIME } } }
    expect(await find(broken, {}, { timeHeader: 'Response-Time' })).toMatchObject({ causes: [], trials: 1 })
    expect(codesOf(await find(broken))).toEqual(['time'])
  })

  test('tries the other paths that are known', async () => {
    expect(codesOf(await find({ path: '/one', received: { path: '/two' } }, {}, { otherPaths: ['/one'] }))).toEqual([
      'path',
    ])
    expect(codesOf(await find({ path: '/one', received: { path: PATH } }))).toBeUndefined()
  })

  test('takes a missing time as an empty one', async () => {
    expect(await find(SHORT)).toMatchObject({ causes: [], parts: { time: '' }, trials: 1 })
  })

  test('does not say that it was cut when the last trial finds the cause', async () => {
    expect(await find({}, { maxTrials: 1 })).toMatchObject({ causes: [], trials: 1, isCut: false })
  })

  test('tries no other paths when none are known', async () => {
    const { trials } = await find(PLAIN, { maxChanges: 1 })
    expect(await find(PLAIN, { maxChanges: 1 }, { otherPaths: [] })).toMatchObject({ trials })
    expect(await find(PLAIN, { maxChanges: 1 }, { otherPaths: ['/one'] })).not.toMatchObject({ trials })
  })

  test('explains the first of two changes that have one code', async () => {
    expect(await find({ ...SHORT, signed: 'a\n\r\n', body: 'a' })).toMatchObject({
      causes: [
        {
          code: 'body-newline',
          fix: expect.stringMatching(/^The sender signed the body with a line break at its end/),
        },
      ],
    })
    expect(await find({ ...SHORT, signed: 'a\r\n\n', body: 'a' })).toMatchObject({
      causes: [
        { code: 'body-newline', fix: expect.stringMatching(/^The sender signed the body with CRLF at its end/) },
      ],
    })
  })

  test('tries each body of a single change once', async () => {
    const { named, other } = await tryAll({ maxChanges: 1 })
    expect(named.slice(0, 2)).toEqual([signedText('/h', 'a'), signedText(PATH, 'a')])
    // A line break is added at the end by three changes.
    const bodies = named.filter((text) => text.startsWith(signedText('/h', '')))
    expect(bodies).toContain(signedText('/h', 'a\n'))
    expect(new Set(bodies).size).toBe(bodies.length)
    // Another key is a change too.
    expect(other).toEqual([signedText('/h', 'a')])
  })

  test('tries the single changes for another key before the pairs for the named one', async () => {
    const { tried, named, other } = await tryAll()
    expect(tried.slice(0, 2)).toEqual([
      ['named', signedText('/h', 'a')],
      ['other', signedText('/h', 'a')],
    ])
    const single = other.length - 1
    expect(other).toEqual(named.slice(0, other.length))
    expect(tried.slice(2, 2 + 2 * single).map(([key]) => key)).toEqual([
      ...Array(single).fill('named'),
      ...Array(single).fill('other'),
    ])
    expect(tried.slice(2 + 2 * single).every(([key]) => key === 'named')).toBe(true)
  })

  test('tries each pair of changes of two parts once, the likely pairs first', async () => {
    const { named } = await tryAll()
    const isOfPath = (text: string) => /^POST (?!\/h\n)\S*\n/.test(text) && text.includes(`\n${CLIENT_ID}..`)
    const ofPath = named.filter(isOfPath)
    expect(ofPath.length).toBeGreaterThan(500)
    expect(ofPath.filter((text, index) => ofPath.indexOf(text) !== index)).toEqual([])
    // Costs of 1 and 1, 1 and 3, 3 and 1, and of 3 and 3, which is the limit.
    const origin = 'https://open.alipay.hk/h'
    const pairs = [
      signedText('/h/', 'a\n'),
      signedText(origin, 'a\n'),
      signedText('/h/', 'YQ'),
      signedText(origin, 'YQ'),
    ]
    expect(ofPath.filter((text) => pairs.includes(text))).toEqual(pairs)
  })

  test('tries two changes of the body once in each order, and no change together with itself', async () => {
    const { named } = await tryAll()
    const timesOf = (body: string) => named.filter((text) => text === signedText('/h', body)).length
    expect(timesOf('a\n\r\n')).toBe(1)
    expect(timesOf('a\r\n\n')).toBe(1)
    expect(timesOf('a\n\n')).toBe(0)
  })
})

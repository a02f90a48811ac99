import { describe, expect, test } from 'vitest'
import { type Evidence, type SearchLimits, search } from '../../src/diagnosis/search.ts'
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

const find = (broken: Broken, limits: Partial<SearchLimits> = {}, more: Partial<Evidence> = {}) => {
  const { method, path, headers, body } = capture(broken)
  const byName = new Map(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]))
  const evidence: Evidence = { method, path, headers: byName, timeHeader: 'Request-Time', body, ...more }
  return search(evidence, parseCredentials(merchantCredentials()), { ...LIMITS, ...limits })
}
const codesOf = ({ causes }: { causes: readonly { code: string }[] | undefined }) => causes?.map(({ code }) => code)

/** A body without any of the forms that are rewritten, so that the number of trials is small. */
const PLAIN: Broken = { signed: 'a', body: 'b' }

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
})

import { describe, expect, test } from 'vitest'
import { explainRequest } from '../../src/diagnosis/explain.ts'
import type { Credentials } from '../../src/secure-message/credentials.ts'
import { parse, unionMembers } from '../support/declarations.ts'
import { gatewayEcc, gatewayRsa, strangerRsa } from '../support/keys.ts'
import { merchantCredentials, NOW } from '../support/messages.ts'
import { type Broken, capture, DOUBLE, SINGLE, UNEXPLAINED } from './broken.ts'

const credentials = (): Credentials => ({
  ...merchantCredentials(),
  peerPublicKeys: { 1: gatewayRsa().publicKey, 7: strangerRsa().publicKey },
})
const eccCredentials = (): Credentials => ({ ...merchantCredentials(), peerPublicKeys: { 1: gatewayEcc().publicKey } })

/** The limits are those of the issue: a second, which on a slow machine is fewer trials. */
const explain = (broken: Broken) => {
  const keys = broken.key === gatewayEcc().privateKey ? eccCredentials() : credentials()
  return explainRequest(capture(broken), keys, { now: () => NOW, maxMs: 5_000, maxTrials: 20_000 })
}

const codesOf = ({ causes }: { causes: readonly { code: string }[] }) => causes.map(({ code }) => code)

describe('explainRequest finds the one change', () => {
  test.each(SINGLE)('%s: %s', async (code, _, make) => {
    const explanation = await explain(make())
    expect(explanation.causes).toStrictEqual([{ code, fix: expect.stringMatching(/^[A-Z].*\.$/) }])
    expect(explanation).toMatchObject({ verified: false, error: { code: expect.stringMatching(/^ERR_/) } })
    // One ECDSA verification takes 300 µs: 2,500 of them are less than a second.
    expect(explanation.trials).toBeLessThan(2_500)
  })

  test('in at least 40 captures, with every code', () => {
    expect(SINGLE.length).toBeGreaterThanOrEqual(40)
    expect([...new Set(SINGLE.map(([code]) => code))].sort()).toEqual(
      unionMembers(parse('src/diagnosis/change.ts'), 'CauseCode').sort(),
    )
  })
})

describe('explainRequest finds two changes together', () => {
  test.each(DOUBLE)('%j: %s', async (codes, _, make) => {
    const explanation = await explain(make())
    expect(codesOf(explanation).toSorted()).toEqual(codes.toSorted())
    expect(explanation.verified).toBe(false)
    expect(explanation.trials).toBeLessThan(20_000)
  })

  test('in at least 15 captures', () => expect(DOUBLE.length).toBeGreaterThanOrEqual(15))
})

describe('explainRequest explains nothing', () => {
  test.each(UNEXPLAINED)('for %s', async (_, make) => {
    const explanation = await explainRequest(capture(make()), merchantCredentials(), { now: () => NOW })
    expect(explanation).toMatchObject({ verified: false, causes: [], error: { code: 'ERR_SIGNATURE_INVALID' } })
    expect(explanation.notes).toHaveLength(1)
  })

  test('of a signature in P1363 form, which is accepted, but notes it', async () => {
    const key = { key: gatewayEcc().privateKey, options: { dsaEncoding: 'ieee-p1363' } } as const
    expect(await explain(key)).toMatchObject({
      verified: true,
      causes: [],
      notes: [expect.stringContaining('form of IEEE P1363')],
    })
  })

  test.each([
    ['RSA', gatewayRsa],
    ['ECC', gatewayEcc],
  ])('of a valid message, with %s', async (_, key) => {
    const explanation = await explain({ key: key().privateKey })
    expect(explanation).toMatchObject({ verified: true, causes: [], notes: [], issues: [], trials: 0 })
    expect(explanation).not.toHaveProperty('error')
  })
})

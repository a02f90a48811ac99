import { describe, expect, test } from 'vitest'
import {
  createSimulator,
  createTestCredentials,
  createTestKeys,
  type RuleId,
  type ScenarioName,
} from '../../../src/public/testing.ts'
import { type Mistake, startEndpoint } from './endpoint.ts'

const { peer, stranger } = createTestKeys()
const credentials = {
  ...createTestCredentials().peer,
  privateKeys: { 1: peer.privateKey, 2: stranger.privateKey },
}

async function run(scenario: ScenarioName, ...mistakes: readonly Mistake[]) {
  const simulator = createSimulator({
    ...{ url: await startEndpoint(...mistakes), credentials },
    sleep: () => Promise.resolve(),
  })
  const report = await simulator.run(scenario, { seed: 1 })
  const failed = report.rules.filter(({ outcome }) => outcome === 'failed')
  return { report, failed: failed.map(({ rule }) => rule), findings: failed.flatMap(({ findings }) => findings) }
}

test.for<ScenarioName>(['smoke', 'encrypted', 'duplicates', 'bad-day', 'security'])(
  'an endpoint without a mistake conforms to the scenario %s',
  async (scenario) => {
    const { report, findings } = await run(scenario)
    expect(findings).toEqual([])
    expect(report).toMatchObject({ passed: true, aborted: false, notes: [] })
  },
)

/** The rules that a mistake breaks, in the scenario that is made for it. */
const CASES: readonly (readonly [Mistake, ScenarioName, readonly RuleId[]])[] = [
  ['believes every signature', 'smoke', ['changed-body', 'unknown-key', 'refusal-leaves-nothing']],
  ['believes what has no signature', 'smoke', ['unsigned']],
  ['ignores the time', 'smoke', ['old-time']],
  ['verifies JSON that it has written again', 'smoke', ['signed-bytes']],
  ['knows one key', 'rotation', ['key-versions', 'same-request']],
  ['takes any key version', 'security', ['unknown-key-version']],
  ['responds unsigned', 'smoke', ['response-signed', 'response-client-id', 'response-time']],
  ['signs another path', 'smoke', ['response-signed']],
  ['signs before it formats', 'smoke', ['response-signed']],
  ['sends the time of the request', 'smoke', ['response-time']],
  ['forgets the Client-Id', 'smoke', ['response-client-id', 'response-signed']],
  ['refuses unknown fields', 'smoke', ['unknown-fields']],
  ['processes duplicates again', 'duplicates', ['same-request', 'same-event', 'lost-response', 'changed-request']],
  ['processes older events', 'smoke', ['older-event', 'same-event']],
  ['refuses duplicates', 'duplicates', ['same-request', 'concurrent', 'lost-response', 'changed-request']],
  ['believes a changed request', 'duplicates', ['changed-request']],
  ['remembers forged requests', 'smoke', ['refusal-leaves-nothing']],
  ['claims nothing', 'duplicates', ['concurrent']],
  ['responds in the clear to encrypted requests', 'encrypted', ['response-encrypted']],
  ['tells decryption errors apart', 'encrypted', ['decryption-errors']],
  ['responds with 500 to invalid orders', 'smoke', ['invalid-order']],
  ['signs refusals', 'smoke', ['refusal-unsigned', 'refusal-status']],
  ['leaves the orderId out', 'smoke', ['response-body']],
]

describe('the report names the mistake of an endpoint that', () => {
  test.for(CASES)('%s', async ([mistake, scenario, rules]) => {
    const { report, failed } = await run(scenario, mistake)
    expect(failed).toEqual(expect.arrayContaining([...rules]))
    // Nothing but the mistake: a report that blames everything helps nobody.
    expect(failed.length).toBeLessThanOrEqual(rules.length + 1)
    expect(report.passed).toBe(rules.every((rule) => rule.startsWith('refusal-') && rule !== 'refusal-leaves-nothing'))
  })

  test('signs another path, with the fix', async () => {
    const { findings } = await run('smoke', 'signs another path')
    expect(findings[0]?.actual).toMatch(/path: /)
  })

  test('never responds', async () => {
    const stop = new AbortController()
    const simulator = createSimulator({
      ...{ url: await startEndpoint('never responds'), credentials, timeoutMs: 20 },
      // Before a retry: one delivery is enough.
      async sleep() {
        stop.abort()
      },
    })
    const report = await simulator.run('smoke', { signal: stop.signal })
    expect(report.passed).toBe(false)
    expect(report.rules.find(({ rule }) => rule === 'response-in-time')).toMatchObject({ outcome: 'failed' })
  })
})

import { gunzipSync } from 'node:zlib'
import { beforeEach, describe, expect, test, vi } from 'vitest'
import { createSimulator, type ScenarioName } from '../../src/public/testing.ts'
import { RESULT_CODES } from '../../src/result-codes.ts'
import { gatewayEcc } from '../support/keys.ts'
import { NOW, order, PATH, request, TIME } from '../support/messages.ts'
import type { Adapter, Mount, TestGroup } from './adapter.ts'
import { respondWithoutHttp, toComparable } from './comparison.ts'
import { createStart, type Start, type StartMerchant, startInThisProcess } from './fixture.ts'
import { gatewayCredentials, REQUEST_CASES, type RequestCase, type SuiteRequest } from './request-cases.ts'
import { testConnections, testLargeBodies, testTimeouts } from './socket-tests.ts'

/**
 * Defines the tests of an adapter: for each of its mounts, the groups that apply. All tests send requests over a real
 * connection.
 *
 * @param startMerchant Starts the merchants, when they live on another runtime.
 */
export function describeAdapter(
  name: string,
  adapter: Adapter,
  startMerchant: StartMerchant = startInThisProcess,
): void {
  const { mounts, without = [] } = adapter
  describe(name, () => {
    // The handler warns when a body parser ran first.
    beforeEach(() => void vi.spyOn(process, 'emitWarning').mockImplementation(() => {}))
    for (const [mountName, mount] of Object.entries(mounts)) {
      const start = createStart(name, mountName, adapter, startMerchant)
      describe(mountName, () => {
        for (const group of mount.groups.filter((group) => !without.includes(group))) {
          GROUPS[group](start, adapter, mount)
        }
      })
    }
  })
}

const MAIN_CASES = REQUEST_CASES.filter(({ isMain }) => isMain)

const GROUPS: Readonly<Record<TestGroup, (start: Start, adapter: Adapter, mount: Mount) => void>> = {
  'all cases': (start, adapter) => testCases(start, adapter, REQUEST_CASES),
  'main cases': (start, adapter) => testCases(start, adapter, MAIN_CASES),
  'signed path': testSignedPath,
  'accept-encoding': testAcceptEncoding,
  compression: testCompression,
  connections: testConnections,
  'large bodies': testLargeBodies,
  timeouts: testTimeouts,
  scenarios: testScenarios,
  'parsed body': testParsedBody,
}

function testCases(start: Start, { differences = {} }: Adapter, cases: readonly RequestCase[]): void {
  for (const one of cases) {
    const isSame = !(one.name in differences)
    const expected = { ...one, ...differences[one.name] }
    test(`responds ${expected.status} ${expected.resultCode} to ${one.name}`, async () => {
      const { send, recorded } = await start(expected.options?.())
      if (expected.earlier) await send(expected.earlier())
      const sent = expected.request()
      const [received, withoutHttp] = await Promise.all([send(sent), respondWithoutHttp(expected, sent)])
      const response = toComparable(received, sent)
      if (isSame) expect(response).toStrictEqual(withoutHttp)
      const { status, resultCode } = expected
      // Signed when the request verified; with alwaysStatus200 the status does not show it.
      const isVerified = status === 200 && resultCode !== 'INVALID_SIGNATURE'
      expect(response).toMatchObject({ status, resultCode, signed: isVerified })
      const { events, onOrderCalls } = await recorded()
      expect([events.at(-1)?.kind, events.at(-1)?.code]).toContain(expected.event)
      expect(onOrderCalls).toBe(expected.onOrderCalls)
      // Whatever the outcome, the next order is processed, on the same connection unless it was closed.
      expect((await send(nextOrder(sent))).status).toBe(200)
      expect((await recorded()).onOrderCalls).toBe(expected.onOrderCalls + 1)
    })
  }
}

/** A new order from the same signer. */
const nextOrder = ({ headers }: SuiteRequest) =>
  request({
    message: order({ requestId: 'r-another', merchantBizNo: 'BIZ-another' }),
    ...(String(headers['Signature']).includes('ECC224') && { key: gatewayEcc().privateKey }),
  })

async function sendAcceptingGzip(start: Start) {
  const { send } = await start()
  const { headers, ...rest } = request()
  return await send({ ...rest, headers: { ...headers, 'Accept-Encoding': 'gzip' } })
}

function testAcceptEncoding(start: Start): void {
  test('signs the response as it is before compression', async () => {
    const response = await sendAcceptingGzip(start)
    // Next.js compresses some responses by itself.
    const isCompressed = response.headers['content-encoding'] === 'gzip'
    const body = isCompressed ? gunzipSync(response.body) : response.body
    expect(toComparable({ ...response, body }, request())).toMatchObject({ resultCode: 'SUCCESS', signed: true })
  })
}

function testScenarios(start: Start, { connect }: Adapter): void {
  // The simulator speaks HTTP/1.1.
  test.skipIf(connect !== undefined).for(SCENARIO_NAMES)('conforms to the scenario %s', async (scenario) => {
    const { port } = await start()
    const simulator = createSimulator({
      ...{ url: `http://127.0.0.1:${port}${PATH}`, credentials: gatewayCredentials(), now: () => NOW },
      sleep: () => Promise.resolve(),
    })
    const { passed, rules, notes } = await simulator.run(scenario, { seed: 1 })
    expect(rules.filter(({ outcome }) => outcome === 'failed')).toEqual([])
    expect({ passed, notes }).toEqual({ passed: true, notes: [] })
  })
}

/** tests/testing has the other ones. With SHORT, all of them have run on another runtime already. */
const SCENARIO_NAMES: readonly ScenarioName[] = process.env['SHORT'] ? ['bad-day'] : ['smoke', 'bad-day', 'security']

function testCompression(start: Start): void {
  test('lets a middleware compress the response', async () => {
    expect((await sendAcceptingGzip(start)).headers['content-encoding']).toBe('gzip')
  })
}

function testSignedPath(start: Start): void {
  const path = '/api/hooks/sync'

  test('names the "signedPath" option in the event when the peer signed another path, and verifies with it', async () => {
    const { send, recorded } = await start({}, path)
    const sent = { ...request(), path }
    expect(toComparable(await send(sent), sent)).toMatchObject({ status: 401, resultCode: 'INVALID_SIGNATURE' })
    const message = `The sender signed the path ${PATH}, but it was verified for ${path}. Set the option "signedPath"`
    const events = [{ code: 'ERR_SIGNATURE_INVALID', message: expect.stringContaining(message) }]
    expect(await recorded()).toMatchObject({ events })
    const fixed = await start({ signedPath: PATH }, path)
    expect(toComparable(await fixed.send(sent), request())).toMatchObject({ status: 200, signed: true })
  })

  test('verifies a path and query string other than those of the API, when the peer signed them', async () => {
    const { send } = await start({}, path)
    const sent = request({ path: `${path}?tenant=1` })
    expect(toComparable(await send(sent), sent)).toMatchObject({ resultCode: 'SUCCESS', signed: true })
  })
}

function testParsedBody(start: Start, _adapter: Adapter, { parsedBody }: Mount): void {
  const { hints, path = PATH } = parsedBody ?? { hints: ['a hint of the mount'] }

  test('responds 500 UNKNOWN_EXCEPTION, and explains the fix in an event and a warning', async () => {
    const { send, recorded } = await start({}, path)
    const sent = request({ path })
    const response = toComparable(await send(sent), sent)
    const { status, message } = RESULT_CODES.UNKNOWN_EXCEPTION
    const result = { resultCode: 'UNKNOWN_EXCEPTION', resultStatus: status, resultMessage: message }
    expect(response).toStrictEqual({
      status: 500,
      resultCode: 'UNKNOWN_EXCEPTION',
      message: { result },
      signed: false,
      encrypted: false,
      headers: [undefined, 'application/json; charset=UTF-8', TIME],
      signature: '',
      body: JSON.stringify({ result }),
    })
    const { events, warnings } = await recorded()
    expect(events).toMatchObject([{ kind: 'unavailable', code: 'ERR_BODY_PARSED', status: 500 }])
    for (const message of hints.map((hint) => expect.stringContaining(hint))) {
      expect(events).toMatchObject([{ message }])
      expect(warnings).toContainEqual([message, { type: 'OrderSyncWarning', code: 'ERR_BODY_PARSED' }])
    }
    expect((await send(request({ path, message: '{"a":1}' }))).status).toBe(500)
    expect(await recorded()).toMatchObject({ onOrderCalls: 0, claims: 0 })
  })
}

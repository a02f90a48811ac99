import { inspect } from 'node:util'
import { describe, expect, onTestFinished, test } from 'vitest'
import {
  type ClientEvent,
  type ClientOptions,
  createOrderSyncClient,
  type OrderInput,
  type SyncFailedEvent,
} from '../../src/public/index.ts'
import { type Behaviour, neverResponds, respondsSigned, respondsWith, startGateway } from '../support/gateway.ts'
import { merchantRsa, pem, strangerRsa } from '../support/keys.ts'
import { CLIENT_ID, merchantCredentials, NOW, order, refusal, success } from '../support/messages.ts'
import { rejectionOf } from '../support/thrown.ts'
import { recordWarnings } from '../support/warnings.ts'

const ORDER = order() as unknown as OrderInput

/** Sends one order by a script of the gateway, and returns what the client reported. */
async function eventsOf(
  script: readonly Behaviour[],
  options: Partial<ClientOptions> = {},
  { input = ORDER, signal }: { input?: OrderInput; signal?: AbortSignal } = {},
) {
  const gateway = await startGateway(...script)
  onTestFinished(gateway.close)
  const events: ClientEvent[] = []
  const client = createOrderSyncClient({
    credentials: merchantCredentials(),
    url: gateway.url,
    now: () => NOW,
    random: () => 0,
    onEvent: (event) => events.push(event),
    ...options,
  })
  const outcome = await client.syncOrder(input, { signal }).catch((error: unknown) => error)
  return { events, outcome, host: new URL(gateway.url).host }
}

const withHeader =
  (name: string, value: string, status: number, body = ''): Behaviour =>
  (response) =>
    void response.writeHead(status, { [name]: value }).end(body)
/** A signed "try later" with a `Retry-After` header. */
const asksToWait =
  (seconds: string): Behaviour =>
  (response, request, incoming) => {
    response.setHeader('Retry-After', seconds)
    respondsSigned(refusal('UNKNOWN_EXCEPTION', 'U'))(response, request, incoming)
  }

describe('onEvent of the client receives', () => {
  test('each attempt, with the delay before the next, and then the outcome', async () => {
    const startedAt = performance.now()
    const { events, outcome, host } = await eventsOf(
      [
        respondsWith(502, 'Bad Gateway', { 'Tracer-Id': 'T-1' }),
        respondsSigned(refusal('UNKNOWN_EXCEPTION', 'U')),
        respondsSigned(),
      ],
      { baseDelayMs: 8, random: () => 0.5 },
    )
    const elapsedMs = performance.now() - startedAt
    expect(outcome).toMatchObject({ orderId: 'A-1', attempts: 3 })
    const durations = events.map(({ durationMs }) => durationMs)
    const [first = 0, second = 0, third = 0, whole = 0] = durations
    expect(Math.min(...durations)).toBeGreaterThan(0)
    expect(whole).toBeLessThanOrEqual(elapsedMs)
    expect(first + second + third).toBeLessThanOrEqual(whole)
    const common = {
      clientId: CLIENT_ID,
      requestId: order()['requestId'],
      host,
      keyVersion: '1',
      encrypted: false,
      durationMs: expect.any(Number),
    }
    const later = 'The peer has not decided yet: the result status is U. Retry later with the same requestId.'
    expect(events.map((event) => ({ ...event }))).toStrictEqual([
      {
        kind: 'attempt',
        attempt: 1,
        code: 'ERR_HTTP_STATUS',
        message: 'The peer responded with HTTP 502, without a valid signature.',
        delayMs: 4,
        status: 502,
        tracerId: 'T-1',
        ...common,
      },
      { kind: 'attempt', attempt: 2, code: 'ERR_RESULT_UNKNOWN', message: later, delayMs: 8, status: 200, ...common },
      { kind: 'attempt', attempt: 3, code: 'SUCCESS', status: 200, ...common },
      { kind: 'succeeded', attempts: 3, code: 'SUCCESS', status: 200, ...common },
    ])
  })

  test('customer data that can be read, and that is not printed', async () => {
    const { events } = await eventsOf([respondsSigned(refusal('PROCESS_FAIL'))])
    const { merchantBizNo, tradeNo } = ORDER
    for (const event of events) {
      expect(event).toMatchObject({ merchantBizNo, tradeNo, error: { code: 'ERR_REFUSED' } })
      const printed = [JSON.stringify(event), inspect(event, { showHidden: true, depth: 9 })].join()
      for (const secret of [merchantBizNo, tradeNo, 'USER-', 'NOTE-', pem(merchantRsa().privateKey).slice(100, 140)]) {
        expect(printed).not.toContain(secret)
      }
    }
  })

  const invalid = { input: { ...ORDER, tradeNo: '' } }
  const signer = { algorithm: 'RSA256' as const, signDigest: () => Promise.reject(new Error('SECRET')) }
  test.each<[SyncFailedEvent['kind'], string, Parameters<typeof eventsOf>, number]>([
    ['invalid', 'ERR_FIELD_INVALID', [[], {}, invalid], 0],
    ['refused', 'ERR_REFUSED', [[respondsSigned(refusal('PROCESS_FAIL'))]], 1],
    ['undelivered', 'ERR_TIMEOUT', [[neverResponds], { timeoutMs: 30, retries: 1 }], 2],
    ['untrusted', 'ERR_REPLY_SIGNATURE', [[respondsSigned(success(), { key: strangerRsa().privateKey })]], 1],
    ['aborted', 'ERR_ABORTED', [[], {}, { signal: AbortSignal.abort(new Error('SECRET')) }], 0],
    ['failed', 'ERR_INTERNAL', [[], { credentials: { ...merchantCredentials(), privateKeys: { 1: signer } } }], 1],
    [
      'failed',
      'ERR_SIGNER_RESULT',
      [
        [],
        {
          credentials: { ...merchantCredentials(), privateKeys: { 1: { ...signer, signDigest: () => 'x' as never } } },
        },
      ],
      1,
    ],
  ])('the outcome %s with the code %s', async (kind, code, sync, attempts) => {
    const { events, outcome } = await eventsOf(...sync)
    const last = events.at(-1)
    expect(last).toMatchObject({ kind, code, attempts, message: expect.stringMatching(/^\S.*\.$/) })
    expect(events.filter((event) => event.kind === 'attempt')).toHaveLength(attempts)
    expect((last as SyncFailedEvent).error).toBe(outcome)
    expect(JSON.stringify(events)).not.toContain('SECRET')
    if (kind === 'refused') expect(last).toMatchObject({ resultCode: 'PROCESS_FAIL' })
  })
})

test('omits a tracerId that is not printable', async () => {
  const { events } = await eventsOf([respondsWith(502, '', { 'Tracer-Id': `${'x'.repeat(129)}` })], { retries: 0 })
  expect(events[0]).not.toHaveProperty('tracerId')
})

test.each([
  ['T-1', 'T-1'],
  ['x'.repeat(129), undefined],
  ['caf\u00e9', undefined],
])('the result of a sync has the tracerId %s as %s', async (sent, tracerId) => {
  const signed: Behaviour = (response, request, incoming) => {
    response.setHeader('Tracer-Id', sent)
    respondsSigned()(response, request, incoming)
  }
  const { outcome } = await eventsOf([signed])
  expect(outcome).toMatchObject({ orderId: expect.any(String), tracerId })
})

test('a clock that fails after the order was sent leads to ERR_RESULT_UNKNOWN, with the requestId', async () => {
  let calls = 0
  const now = () => (++calls === 1 ? NOW : expect.fail('the clock'))
  const { outcome } = await eventsOf([respondsSigned()], { now, retries: 0 })
  expect(outcome).toMatchObject({ code: 'ERR_RESULT_UNKNOWN', requestId: ORDER.requestId, httpStatus: 200 })
})

test('an onEvent that throws or rejects changes nothing, and causes one warning', async () => {
  const emitWarning = recordWarnings()
  for (const onEvent of [
    () => {
      throw new Error('SECRET')
    },
    () => Promise.reject(new Error('SECRET')) as never,
  ]) {
    const { outcome } = await eventsOf([respondsWith(502), respondsSigned()], { onEvent })
    expect(outcome).toMatchObject({ orderId: 'A-1', attempts: 2 })
  }
  // One for each client: the code is the same, and the interval is a minute.
  expect(emitWarning.mock.calls.map(([message]) => String(message))).toStrictEqual(
    Array(2).fill('"onEvent" of the client threw Error. The sync continues.'),
  )
})

describe('Retry-After', () => {
  const date = new Date(NOW + 3).toUTCString()
  test.each<[string, Behaviour, number]>([
    ['of an unsigned 503', withHeader('Retry-After', '9', 503), 40],
    ['of an unsigned 429', withHeader('Retry-After', '9', 429), 40],
    ['of a signed U', asksToWait('9'), 40],
    ['that is a date in the past', asksToWait(date), 0],
    ['that is malformed', asksToWait('soon'), 0],
    ['that is absent', respondsSigned(refusal('UNKNOWN_EXCEPTION', 'U')), 0],
  ])('%s gives a delay of at most maxDelayMs', async (_, behaviour, delayMs) => {
    const { events, outcome } = await eventsOf([behaviour, respondsSigned()], { maxDelayMs: 40 })
    expect(events[0]).toMatchObject({ kind: 'attempt', delayMs })
    expect(outcome).toMatchObject({ attempts: 2 })
  })

  test('is in the error when there is no attempt left', async () => {
    const { outcome } = await eventsOf([withHeader('Retry-After', '9', 503)], { retries: 0 })
    expect(outcome).toMatchObject({ code: 'ERR_HTTP_STATUS', retryAfterMs: 9_000 })
  })

  test.each([400, 404, 403])('of an unsigned %d does not make it retryable', async (status) => {
    const { outcome, events } = await eventsOf([withHeader('Retry-After', '0', status)])
    expect(outcome).toMatchObject({ name: 'UntrustedResponseError' })
    expect(events.filter((event) => event.kind === 'attempt')).toHaveLength(1)
  })
})

test('an unsigned 408 is retried', async () => {
  const { outcome } = await eventsOf([respondsWith(408), respondsSigned()])
  expect(outcome).toMatchObject({ attempts: 2 })
})

test('syncOrder rejects without an order, and reports it', async () => {
  const client = createOrderSyncClient({ credentials: merchantCredentials(), environment: 'testing' })
  for (const input of [undefined, null, 5]) {
    expect(await rejectionOf(client.syncOrder(input as never))).toBeInstanceOf(Error)
  }
})

import { inspect } from 'node:util'
import { describe, expect, onTestFinished, test } from 'vitest'
import { ConfigurationError, HandlerError, type HandlerErrorCode, OrderRefusedError } from '../../src/errors.ts'
import { errorOf, toEvent } from '../../src/server/event.ts'
import type { ObservedEvent } from '../../src/server/observation.ts'
import { type Outcome, refusalResponse, successResponse, toResponse } from '../../src/server/outcome.ts'
import { createReporter } from '../../src/server/report.ts'
import { STRANGER } from '../../src/server/respond.ts'
import { noteIdentity, type RequestTrace } from '../../src/server/trace.ts'
import { eventChannel } from '../../src/telemetry/channels.ts'
import { recordWarnings } from '../support/warnings.ts'

const MINUTE = 60_000

/** A reporter, and what it prints. */
function reporter(onEvent?: () => void) {
  const emitWarning = recordWarnings()
  const clock = { now: 0 }
  const report = createReporter(onEvent, () => clock.now)
  const send = async (outcome: Outcome, more: Partial<RequestTrace> = {}) => {
    const response = toResponse(outcome, { alwaysStatus200: false })
    const trace: RequestTrace = { tracerId: 'T-1', startedAt: 0, waiting: 'claim', ...more }
    await report({ kind: 'ended', outcome, recipient: STRANGER }, { response, trace })
  }
  const fail = async (code: string, more?: Partial<RequestTrace>) =>
    await send({ kind: 'failed', error: new HandlerError(code as HandlerErrorCode, `of ${code}`) }, more)
  const printed = () => emitWarning.mock.calls.map(([message]) => String(message))
  return { clock, send, fail, printed }
}

describe('without onEvent, a process warning', () => {
  test('is emitted at most once per code and minute, with the number of omitted ones', async () => {
    const { clock, fail, printed } = reporter()
    for (let times = 0; times < 1_000; times++) await fail('ERR_STORE')
    expect(printed()).toStrictEqual(['of ERR_STORE (tracerId T-1)'])
    clock.now = MINUTE - 1
    await fail('ERR_STORE')
    expect(printed()).toHaveLength(1)
    clock.now = MINUTE
    await fail('ERR_STORE')
    expect(printed().slice(1)).toStrictEqual(['of ERR_STORE (tracerId T-1) 1000 more with this code were left out.'])
    clock.now = 2 * MINUTE
    await fail('ERR_STORE')
    expect(printed().slice(2)).toStrictEqual(['of ERR_STORE (tracerId T-1)'])
  })

  test('is emitted for each code', async () => {
    const { fail, printed } = reporter()
    for (const code of ['ERR_STORE', 'ERR_ON_ORDER', 'ERR_STORE']) await fail(code)
    expect(printed()).toStrictEqual(['of ERR_STORE (tracerId T-1)', 'of ERR_ON_ORDER (tracerId T-1)'])
  })

  test('is emitted for at most 100 codes, even if another release of this package throws unknown ones', async () => {
    const { fail, printed } = reporter()
    for (let code = 0; code < 1_000; code++) await fail(`ERR_${code}`)
    expect(printed()).toHaveLength(100)
  })
})

describe('without onEvent', () => {
  test('a warning has the requestId, if it is known', async () => {
    const { fail, printed } = reporter()
    await fail('ERR_STORE', { requestId: 'R-1' })
    expect(printed()).toStrictEqual(['of ERR_STORE (requestId R-1, tracerId T-1)'])
  })

  test('a mistake of the setup is counted once', async () => {
    const { clock, send, printed } = reporter()
    const error = new ConfigurationError('ERR_ORDER_ID', 'Return an orderId.')
    await send({ kind: 'failed', error })
    clock.now = MINUTE
    await send({ kind: 'failed', error })
    expect(printed()).toStrictEqual(['Return an orderId. (tracerId T-1)', 'Return an orderId. (tracerId T-1)'])
  })

  test('an observer gets the event', async () => {
    const events: ObservedEvent[] = []
    const { send } = reporter()
    const observed = { startedAt: 0, request: {}, steps: [], events } as unknown as RequestTrace['observed']
    await send({ kind: 'busy' }, { ...(observed && { observed }) })
    expect(events).toMatchObject([{ kind: 'busy' }])
  })

  test('a subscriber of the channel gets the event', async () => {
    const events: unknown[] = []
    const subscriber = (event: unknown) => void events.push(event)
    eventChannel().subscribe(subscriber)
    onTestFinished(() => void eventChannel().unsubscribe(subscriber))
    await reporter().send({ kind: 'busy' })
    expect(events).toMatchObject([{ kind: 'busy' }])
  })
})

describe('an event', () => {
  const response = successResponse('A-1')
  const failure = new HandlerError('ERR_STORE', 'The store is down.')
  const refusal = new OrderRefusedError('PROCESS_FAIL')
  const comparison = { orderModifyTime: 1, lastOrderModifyTime: 2 }

  test.each<[Outcome, Error | undefined]>([
    [{ kind: 'processed', response }, undefined],
    [{ kind: 'replay', response }, undefined],
    [{ kind: 'duplicate', response, comparison }, undefined],
    [{ kind: 'stale', response, comparison }, undefined],
    [{ kind: 'busy' }, undefined],
    [{ kind: 'refused', response: refusalResponse(refusal), error: refusal }, refusal],
    [{ kind: 'fenced', error: failure }, failure],
    [{ kind: 'failed', error: failure }, failure],
    [{ kind: 'unavailable', error: failure }, failure],
  ])('$kind has the error of its outcome', (outcome, error) => {
    expect(errorOf(outcome)).toBe(error)
  })

  const eventOf = (isLate: boolean) => {
    const trace: RequestTrace = { tracerId: 'T-1', startedAt: 0, waiting: 'claim', merchantBizNo: 'BIZ-SECRET' }
    const outcome: Outcome = { kind: 'processed', response }
    const source = { outcome, response: { status: 200, response }, clientId: 'C-1', trace, isLate, hint: undefined }
    return toEvent(source)
  }

  test('of work that ended late names the outcome', () => {
    expect(eventOf(true)).toMatchObject({ kind: 'late', ended: 'processed', code: 'SUCCESS' })
    expect(eventOf(false)).toMatchObject({ kind: 'processed', code: 'SUCCESS' })
    expect(eventOf(false)).not.toHaveProperty('ended')
  })

  test('is printed with its enumerable members only', () => {
    const printed = inspect(eventOf(false), { showHidden: true })
    expect(printed).toContain("clientId: 'C-1'")
    expect(printed).not.toContain('SECRET')
  })

  test('has no ids that are not short texts', () => {
    const trace: RequestTrace = { tracerId: 'T-1', startedAt: 0, waiting: 'claim' }
    for (const message of [null, undefined, 'text', {}, { merchantBizNo: 5, tradeNo: null, requestId: 7 }]) {
      noteIdentity(trace, message)
    }
    noteIdentity(trace, { merchantBizNo: 'x'.repeat(257), tradeNo: 'x'.repeat(257), requestId: 'x'.repeat(65) })
    expect(trace).toStrictEqual({ tracerId: 'T-1', startedAt: 0, waiting: 'claim' })
    const ids = { merchantBizNo: 'x'.repeat(256), tradeNo: 'y'.repeat(256), requestId: 'x'.repeat(64) }
    noteIdentity(trace, ids)
    expect(trace).toMatchObject(ids)
  })
})

test('with onEvent, a failure causes no warning, and an onEvent that throws causes one per minute', async () => {
  let isBroken = false
  const { clock, fail, printed } = reporter(() => {
    if (isBroken) throw Object.assign(new TypeError('SECRET-1'), { code: 'ENOSPC' })
  })
  await fail('ERR_STORE')
  expect(printed()).toStrictEqual([])
  isBroken = true
  for (let times = 0; times < 3; times++) await fail('ERR_STORE')
  const expected = '"onEvent" threw TypeError (code ENOSPC). The response was sent anyway.'
  expect(printed()).toStrictEqual([expected])
  clock.now = MINUTE
  await fail('ERR_STORE')
  expect(printed().slice(1)).toStrictEqual([`${expected} 2 more with this code were left out.`])
})

import { describe, expect, test } from 'vitest'
import { HandlerError, type HandlerErrorCode } from '../../src/public/index.ts'
import { toResponse } from '../../src/server/outcome.ts'
import { createReporter } from '../../src/server/report.ts'
import { STRANGER } from '../../src/server/respond.ts'
import { recordWarnings } from '../support/warnings.ts'

const MINUTE = 60_000

/** A reporter, and what it prints. */
function reporter(onEvent?: () => void) {
  const emitWarning = recordWarnings()
  const clock = { now: 0 }
  const report = createReporter(onEvent, () => clock.now)
  const fail = async (code: string) => {
    const outcome = { kind: 'failed', error: new HandlerError(code as HandlerErrorCode, `of ${code}`) } as const
    const response = toResponse(outcome, { alwaysStatus200: false })
    const trace = { tracerId: 'T-1', startedAt: 0, waiting: 'claim' } as const
    await report({ kind: 'ended', outcome, recipient: STRANGER }, { response, trace })
  }
  const printed = () => emitWarning.mock.calls.map(([message]) => String(message))
  return { clock, fail, printed }
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

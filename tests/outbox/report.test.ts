import { expect, test } from 'vitest'
import type { OutboxEvent } from '../../src/outbox/event.ts'
import { createReporter } from '../../src/outbox/report.ts'
import { recordWarnings } from '../support/warnings.ts'

const retry = (code: string): OutboxEvent => ({
  ...{ kind: 'retry', id: '1', requestId: 'r-1', code, message: 'The response is not signed.' },
  ...{ attempts: 1, delayMs: 5 },
})
const failed: OutboxEvent = {
  ...{ kind: 'failed', id: '1', requestId: 'r-1', code: 'PROCESS_FAIL' },
  ...{ message: 'The order was refused.', attempts: 1 },
}
const unavailable: OutboxEvent = { kind: 'unavailable', message: 'The outbox store failed.', delayMs: 1 }
const quiet: readonly OutboxEvent[] = [
  { kind: 'sent', id: '1', requestId: 'r-1', code: 'SUCCESS', attempts: 1, ageMs: 1 },
  { kind: 'skipped', id: '1', requestId: 'r-1' },
  { kind: 'stale', id: '1', requestId: 'r-1' },
  { kind: 'fenced', id: '1', requestId: 'r-1', message: 'text' },
  retry('ERR_NETWORK'),
]

test('without onEvent, events that need action are process warnings, one per code', () => {
  const warnings = recordWarnings()
  const report = createReporter(undefined)
  for (const event of [...quiet, failed, failed, unavailable, retry('ERR_REPLY_SIGNATURE')]) report(event)
  expect(warnings.mock.calls).toEqual([
    [
      'The outbox gave up an event: The order was refused. (requestId r-1). See outbox.failed().',
      { type: 'OrderSyncWarning', code: 'ERR_OUTBOX_FAILED' },
    ],
    ['The outbox store failed.', { type: 'OrderSyncWarning', code: 'ERR_OUTBOX_STORE' }],
    ['The response is not signed. (requestId r-1)', { type: 'OrderSyncWarning', code: 'ERR_REPLY_SIGNATURE' }],
  ])
})

test('with onEvent, it receives every event, and nothing is a warning', () => {
  const warnings = recordWarnings()
  const events: OutboxEvent[] = []
  const report = createReporter((event) => events.push(event))
  const all = [...quiet, failed, unavailable, retry('ERR_REPLY_SIGNATURE')]
  for (const event of all) report(event)
  expect(events).toEqual(all)
  expect(warnings).not.toHaveBeenCalled()
})

test.each([
  [
    'throws',
    () => {
      throw new TypeError('secret')
    },
  ],
  ['rejects', () => Promise.reject(new TypeError('secret'))],
])('an onEvent that %s is a warning, and the worker continues', async (_, onEvent) => {
  const warnings = recordWarnings()
  createReporter(onEvent)(unavailable)
  await new Promise((resolve) => setImmediate(resolve))
  expect(warnings.mock.calls).toEqual([
    [
      '"onEvent" of the outbox threw TypeError. The worker continues.',
      { type: 'OrderSyncWarning', code: 'ERR_ON_EVENT' },
    ],
  ])
})

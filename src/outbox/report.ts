import { describeFailure } from '../errors.ts'
import { createWarner, notify } from '../notify.ts'
import type { OutboxEvent } from './event.ts'

/** Passes every event on. Without `onEvent`, what a person must look at becomes a process warning, at most one a minute for each code. */
export function createReporter(onEvent: ((event: OutboxEvent) => void) | undefined): (event: OutboxEvent) => void {
  const warn = createWarner(() => performance.now())
  return (event) => {
    if (onEvent !== undefined) {
      notify(onEvent, event, (thrown) =>
        warn('ERR_ON_EVENT', () => `"onEvent" of the outbox threw ${describeFailure(thrown)}. The worker continues.`),
      )
    } else if (event.kind === 'failed') {
      const text = `The outbox gave up an event: ${event.message}`
      warn('ERR_OUTBOX_FAILED', () => `${text} (requestId ${event.requestId}). See outbox.failed().`)
    } else if (event.kind === 'unavailable') {
      warn('ERR_OUTBOX_STORE', () => event.message)
    } else if (event.kind === 'retry' && event.code.startsWith('ERR_REPLY_')) {
      warn(event.code, () => `${event.message} (requestId ${event.requestId})`)
    }
  }
}

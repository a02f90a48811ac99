import { describeFailure } from '../errors.ts'
import { createWarner, notify } from '../notify.ts'
import type { OutboxEvent } from './event.ts'

/** Passes every event to `onEvent`. Without it, events that need action become process warnings, at most one per code and minute. */
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

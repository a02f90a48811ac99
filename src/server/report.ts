import { describeFailure } from '../errors.ts'
import { createWarner, notify, type Warn } from '../notify.ts'
import { eventChannel } from '../telemetry/channels.ts'
import { createDiagnosis } from './diagnose.ts'
import type { Ended } from './ended.ts'
import { errorOf, type OrderSyncEvent, toEvent } from './event.ts'
import type { Outcome, StatusAndResponse } from './outcome.ts'
import type { RequestTrace } from './trace.ts'

/** The circumstances of the event. */
interface Circumstances {
  readonly response: StatusAndResponse
  readonly trace: RequestTrace
  /** The response was sent before the work ended. */
  readonly isLate?: boolean
}

/**
 * Creates the function that reports every outcome to `onEvent`.
 *
 * Without `onEvent`, the kinds `failed`, `unavailable` and `fenced` are process warnings. With it, only mistakes in the
 * merchant's own setup are, once per code.
 *
 * @param now A monotonic clock, in milliseconds.
 */
export function createReporter(
  onEvent: ((event: OrderSyncEvent) => void) | undefined,
  now: () => number = () => performance.now(),
) {
  const warn = createWarner(now)
  const diagnose = createDiagnosis()
  return async (ended: Ended, { response, trace, isLate = false }: Circumstances): Promise<void> => {
    const { outcome, credentials } = ended
    const channel = eventChannel()
    if (onEvent === undefined) warnOfOutcome(outcome, trace, warn)
    if (onEvent === undefined && !channel.hasSubscribers && trace.observed === undefined) return
    const error = errorOf(outcome)
    if (onEvent !== undefined && error?.name === 'ConfigurationError')
      warn(error.code, () => error.message, Number.POSITIVE_INFINITY)
    const hint = await diagnose(ended)
    const event = toEvent({ outcome, response, clientId: credentials?.clientId, trace, isLate, hint })
    trace.observed?.events.push(event)
    channel.publish(event)
    if (onEvent === undefined) return
    // A listener that throws must not turn a processed order into a failed one.
    notify(onEvent, event, (thrown) =>
      warn('ERR_ON_EVENT', () => `"onEvent" threw ${describeFailure(thrown)}. The response was sent anyway.`),
    )
  }
}

/** Warns about a failure on the merchant's side. The ids are not customer data: they identify the request in other logs. */
function warnOfOutcome(outcome: Outcome, { tracerId, requestId }: RequestTrace, warn: Warn): void {
  if (outcome.kind !== 'failed' && outcome.kind !== 'unavailable' && outcome.kind !== 'fenced') return
  const { code, message } = outcome.error
  const ids = requestId === undefined ? `tracerId ${tracerId}` : `requestId ${requestId}, tracerId ${tracerId}`
  warn(code, () => `${message} (${ids})`)
}

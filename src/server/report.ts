import { describeFailure } from '../errors.ts'
import { createDiagnosis } from './diagnose.ts'
import type { Ended } from './ended.ts'
import { errorOf, type OrderSyncEvent, toEvent } from './event.ts'
import type { Outcome, StatusAndResponse } from './outcome.ts'
import type { RequestTrace } from './trace.ts'

/** How and when the event came about. */
interface Circumstances {
  readonly response: StatusAndResponse
  readonly trace: RequestTrace
  /** The response was sent before the work ended. */
  readonly isLate?: boolean
}

/** A warning about one code is given at most once in this time. */
const WARNING_INTERVAL_MS = 60_000

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
    if (onEvent === undefined) return warnOfOutcome(outcome, trace, warn)
    const error = errorOf(outcome)
    if (error?.name === 'ConfigurationError') warn(error.code, () => error.message, Number.POSITIVE_INFINITY)
    const hint = await diagnose(ended)
    const event = toEvent({ outcome, response, clientId: credentials?.clientId, trace, isLate, hint })
    // A listener that throws must not turn a processed order into a failed one.
    const warnOfListener = (thrown: unknown) =>
      warn('ERR_ON_EVENT', () => `"onEvent" threw ${describeFailure(thrown)}. The response was sent all the same.`)
    try {
      // The compiler accepts an async function as a void one. Its promise is not awaited: the peer must not wait for it.
      Promise.resolve(onEvent(event) as unknown).catch(warnOfListener)
    } catch (thrown) {
      warnOfListener(thrown)
    }
  }
}

/** Warns of a failure on the merchant's side. The ids are no customer data: they lead to the request in other logs. */
function warnOfOutcome(outcome: Outcome, { tracerId, requestId }: RequestTrace, warn: Warn): void {
  if (outcome.kind !== 'failed' && outcome.kind !== 'unavailable' && outcome.kind !== 'fenced') return
  const { code, message } = outcome.error
  const ids = requestId === undefined ? `tracerId ${tracerId}` : `requestId ${requestId}, tracerId ${tracerId}`
  warn(code, () => `${message} (${ids})`)
}

type Warn = (code: string, message: () => string, intervalMs?: number) => void

/** More codes than there are: the code of an error can come from another release of this package. */
const MAX_CODES = 100

/** Creates the function that gives process warnings: at most one per code and interval, with the number of those left out. */
function createWarner(now: () => number): Warn {
  const given = new Map<string, { readonly at: number; leftOut: number }>()
  return (code, message, intervalMs = WARNING_INTERVAL_MS) => {
    const last = given.get(code)
    if (last === undefined && given.size >= MAX_CODES) return
    if (last !== undefined && now() - last.at < intervalMs) {
      last.leftOut++
      return
    }
    given.set(code, { at: now(), leftOut: 0 })
    const leftOut =
      last === undefined || last.leftOut === 0 ? '' : ` ${last.leftOut} more with this code were left out.`
    // The global `process`: importing node:process in an ES module reads all its members, stdin and stdout too (3 ms).
    process.emitWarning(`${message()}${leftOut}`, { type: 'OrderSyncWarning', code })
  }
}

import { type ErrorCode, isOrderSyncError } from '../errors.ts'
import type { ParsedCredentials } from '../secure-message/credentials.ts'
import { diagnoseSignature } from '../diagnosis/signature.ts'
import type { Order } from '../messages/order.ts'
import type { Answer, Outcome } from './outcome.ts'

/**
 * What became of one request, for logs and metrics. Its enumerable members hold no customer data and no secret;
 * `order` and `error` are there to be read, but `inspect()` and `JSON.stringify()` do not show them.
 */
export interface OrderSyncEvent {
  /** `late`: `onOrder` ended after `UNKNOWN_EXCEPTION` had been answered for it; `ended` tells how. */
  readonly kind: Outcome['kind'] | 'late'
  /** For `late`: `processed` and `refused` are kept, and answered from now on; `fenced` came too late, and was not. */
  readonly ended?: Outcome['kind']
  /** The code of the error behind it, where it is one of ours; else the result code that was answered. */
  readonly code: ErrorCode | (string & {})
  /** The HTTP status that was answered. */
  readonly status: number
  /** The result code that was answered. */
  readonly resultCode: string
  /** The caller, where it is known. */
  readonly clientId?: string
  /** The request, where its signature has verified. */
  readonly requestId?: string
  /** What was wrong, in words that quote nothing; for an error that is not ours, where to find it. */
  readonly message?: string
  /** Milliseconds from the arrival to the answer. */
  readonly durationMs: number
  /** The order, where its signature has verified and it is valid. Customer data; not enumerable. */
  readonly order?: Order<unknown>
  /** The error behind it. What your own code threw may hold anything; not enumerable. */
  readonly error?: unknown
}

/** What is found out about a request, step by step: what is there when it ends is what can be said of it. */
export interface Progress {
  /** From `performance.now()`, in milliseconds. */
  readonly startedAt: number
  readonly method: string
  /** The path that the signature is verified for. */
  path: string
  headers: ReadonlyMap<string, string>
  caller?: ParsedCredentials
  body?: Uint8Array
  order?: Order<unknown>
}

/** How a request ended. */
interface Ending {
  readonly outcome: Outcome
  readonly answer: Answer
  readonly progress: Progress
  /** Whether the answer had been given before the work ended. */
  readonly late?: boolean
}

/**
 * Makes what tells the merchant of endings: through `onEvent`, and for mistakes of his own also as a process
 * warning, once for each code, because he may not be listening.
 */
export function createReporter(onEvent: ((event: OrderSyncEvent) => void) | undefined) {
  const warned = new Set<string>()
  const diagnose = createDiagnosis()
  return (ending: Ending): Promise<void> | undefined => {
    const error = 'error' in ending.outcome ? ending.outcome.error : undefined
    if (isOrderSyncError(error) && error.name === 'ConfigurationError' && !warned.has(error.code)) {
      warned.add(error.code)
      process.emitWarning(error.message, { type: 'OrderSyncWarning', code: error.code })
    }
    return onEvent && tell(onEvent, ending, error)
  }

  async function tell(listener: (event: OrderSyncEvent) => void, ending: Ending, error: unknown): Promise<void> {
    // What cannot be diagnosed is told of without.
    const hint = await diagnose(error, ending.progress).catch(() => undefined)
    try {
      const told: unknown = listener(toEvent(ending, error, hint))
      // An async listener is a void one to the compiler. The peer does not wait for it.
      Promise.resolve(told).catch(warnOfListener)
    } catch {
      warnOfListener()
    }
  }
}

/** A listener that throws must not turn an order that was processed into one that was not. */
function warnOfListener(): void {
  // The global: in an ES module, importing node:process reads all that it has, stdin and stdout too, which takes 3 ms.
  process.emitWarning('"onEvent" threw; the request was answered all the same', 'OrderSyncWarning')
}

/** The largest body that is looked into, in bytes: anybody can send one. */
const DIAGNOSED_BYTES = 65_536

/** Finds out why a signature does not verify, for the developer who listens; one at a time, however many arrive. */
function createDiagnosis() {
  let busy = false
  return async (error: unknown, progress: Progress): Promise<string | undefined> => {
    const { caller, body } = progress
    if (!isOrderSyncError(error) || error.code !== 'ERR_SIGNATURE_INVALID' || !caller || !body || busy) return undefined
    if (body.length > DIAGNOSED_BYTES) return 'The body is too large to be looked into.'
    busy = true
    try {
      return await diagnoseSignature({ ...progress, timeHeader: 'Request-Time' }, body, caller)
    } finally {
      busy = false
    }
  }
}

const NOT_OURS = 'What was thrown is in event.error, which is not shown by itself: it may hold anything.'

/** See {@link OrderSyncEvent} for what shows and what does not. */
function toEvent(
  { outcome, answer, progress, late }: Ending,
  error: unknown,
  hint: string | undefined,
): OrderSyncEvent {
  const { caller, order, startedAt } = progress
  const known = isOrderSyncError(error) ? error : undefined
  const { resultCode } = answer.reply
  const words = known?.message ?? (error === undefined ? undefined : NOT_OURS)
  const event = {
    ...(late ? { kind: 'late' as const, ended: outcome.kind } : { kind: outcome.kind }),
    code: known?.code ?? resultCode,
    status: answer.status,
    resultCode,
    ...(caller && { clientId: caller.clientId }),
    ...(order && { requestId: order.requestId }),
    ...(words !== undefined && { message: hint === undefined ? words : `${words} ${hint}` }),
    durationMs: performance.now() - startedAt,
  }
  return Object.defineProperties(event, { order: { value: order }, error: { value: error } })
}

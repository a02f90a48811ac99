import { diagnoseSignature } from '../diagnosis/signature.ts'
import { type ErrorCode, inspectSymbol, isOrderSyncError } from '../errors.ts'
import type { Order } from '../messages/order.ts'
import type { ParsedCredentials } from '../secure-message/credentials.ts'
import type { ReceivedMessage } from '../secure-message/verify.ts'
import { isOwnTimeoutError } from '../timeout.ts'
import type { Outcome, StatusAndResponse } from './outcome.ts'
import type { Recipient } from './respond.ts'

/**
 * The outcome of one request, for logs and metrics. There is a second event when the work ends after the response was sent,
 * or when the response could not be signed.
 *
 * The enumerable members contain no customer data and no secret.
 * `order` and `error` can be read, but `console.log()`, `inspect()` and `JSON.stringify()` do not show them.
 */
export interface OrderSyncEvent {
  /** `late`: the work ended after the response `UNKNOWN_EXCEPTION` was sent; `ended` says how. */
  readonly kind: Outcome['kind'] | 'late'
  /** For `late`: `processed` and `refused` are stored and sent from now on; `fenced` was too late and is not stored. */
  readonly ended?: Outcome['kind']
  /** The code of the error, if it is an error of this package; otherwise the result code of the response. */
  readonly code: ErrorCode | (string & {})
  /** The HTTP status of the response. For `late`: of the response to the next delivery. */
  readonly status: number
  /** The result code of the response. For `late`: of the response to the next delivery. */
  readonly resultCode: string
  /** The caller, if it is known. */
  readonly clientId?: string
  /** The request, if its message was accepted. */
  readonly requestId?: string
  /** What was wrong, in words that quote nothing of the message except the path and the key version. For an error that is not of this package: where to find it. */
  readonly message?: string
  /** Milliseconds from the arrival of the request to its outcome. */
  readonly durationMs: number
  /** The order, if its signature verified and it is valid. Customer data; not enumerable. */
  readonly order?: Order<unknown>
  /** The error behind the outcome. An error of your own code may contain anything; not enumerable. */
  readonly error?: unknown
}

/** A request that has ended. */
export interface Ended {
  readonly kind: 'ended'
  readonly outcome: Outcome
  /** Who receives the response. */
  readonly recipient: Recipient
  /** Of the caller, if it is known. */
  readonly credentials?: ParsedCredentials
  /** Present when the message was accepted. */
  readonly order?: Order<unknown>
  /** The message that did not verify, with all headers by lower-case name. */
  readonly unverified?: { readonly message: ReceivedMessage; readonly headers: ReadonlyMap<string, string> }
}

/** How and when the event came about. */
interface Circumstances {
  readonly response: StatusAndResponse
  /** From `performance.now()`, in milliseconds. */
  readonly startedAt: number
  /** The response was sent before the work ended. */
  readonly isLate?: boolean
}

/**
 * Creates the function that reports every outcome: to `onEvent`, and, for mistakes in the merchant's own setup, also as
 * a process warning. The warning is given once per code, because the merchant may have set no `onEvent`.
 */
export function createReporter(onEvent: ((event: OrderSyncEvent) => void) | undefined) {
  const warned = new Set<string>()
  const diagnose = createDiagnosis()
  return async (ended: Ended, circumstances: Circumstances): Promise<void> => {
    const error = errorOf(ended.outcome)
    if (isOrderSyncError(error) && error.name === 'ConfigurationError' && !warned.has(error.code)) {
      warned.add(error.code)
      process.emitWarning(error.message, { type: 'OrderSyncWarning', code: error.code })
    }
    if (onEvent === undefined) return
    // Without a diagnosis, the event is still reported.
    const hint = await diagnose(error, ended).catch(() => undefined)
    try {
      // The compiler accepts an async function as a void one. Its promise is not awaited: the peer must not wait for it.
      Promise.resolve(onEvent(toEvent(ended, circumstances, hint)) as unknown).catch(warnOfListener)
    } catch {
      warnOfListener()
    }
  }
}

/** A listener that throws must not turn a processed order into a failed one. */
function warnOfListener(): void {
  // The global `process`: importing node:process in an ES module reads all its members, stdin and stdout too (3 ms).
  process.emitWarning('"onEvent" threw an error. The response was sent all the same.', 'OrderSyncWarning')
}

/** Finds out why a signature does not verify. One at a time: a flood of bad signatures must not buy processor time. */
function createDiagnosis() {
  let isBusy = false
  return async (error: unknown, { credentials, unverified }: Ended): Promise<string | undefined> => {
    if (!isOrderSyncError(error) || error.code !== 'ERR_SIGNATURE_INVALID') return undefined
    if (credentials === undefined || unverified === undefined || isBusy) return undefined
    const { message, headers } = unverified
    isBusy = true
    try {
      return await diagnoseSignature(message, headers, credentials)
    } finally {
      isBusy = false
    }
  }
}

const FOREIGN_ERROR = 'The error is in event.error. It is not shown by itself, because it may contain anything.'

/** Builds the event; {@link OrderSyncEvent} says which members are enumerable. */
function toEvent(
  { outcome, credentials, order }: Ended,
  { response, startedAt, isLate }: Circumstances,
  hint: string | undefined,
): OrderSyncEvent {
  const error = errorOf(outcome)
  const known = isOrderSyncError(error) ? error : undefined
  const { resultCode } = response.response
  const message = messageOf(error)
  const event = {
    ...(isLate ? { kind: 'late' as const, ended: outcome.kind } : { kind: outcome.kind }),
    code: known?.code ?? resultCode,
    status: response.status,
    resultCode,
    ...(credentials && { clientId: credentials.clientId }),
    ...(order && { requestId: order.requestId }),
    ...(message !== undefined && { message: hint === undefined ? message : `${message} ${hint}` }),
    durationMs: performance.now() - startedAt,
  }
  return Object.defineProperties(event, {
    order: { value: order },
    error: { value: error },
    [inspectSymbol]: { value: inspectEvent },
  })
}

/** Bun, `%o` and `showHidden` would print `order` and `error`. */
function inspectEvent(this: OrderSyncEvent): object {
  return { ...this }
}

function messageOf(error: unknown): string | undefined {
  if (error === undefined) return undefined
  return isOrderSyncError(error) || isOwnTimeoutError(error) ? error.message : FOREIGN_ERROR
}

function errorOf(outcome: Outcome): unknown {
  return 'error' in outcome ? outcome.error : undefined
}

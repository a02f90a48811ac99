import { isOrderSyncError } from '../errors.ts'
import { retryDelay } from '../policy/retry.ts'

/** What happens to an event after an attempt. */
export type AttemptDecision =
  | { readonly kind: 'sent' }
  | { readonly kind: 'retry'; readonly delayMs: number; readonly code: string }
  | { readonly kind: 'failed'; readonly code: string }

/** What is known about an event. */
export interface AttemptedEvent {
  /** How often it was sent, including this attempt. */
  readonly attempts: number
  /** Milliseconds until retries end; negative after that. */
  readonly retryLeftMs: number
}

/** How retries are spread. */
export interface RetryLimits {
  readonly baseDelayMs: number
  readonly maxDelayMs: number
}

/**
 * Decides what happens to an event after an attempt. A refusal, and an order that breaks the protocol, are final. Any other
 * failure is retried until the time is over: the outcome is unknown, or a person can fix the cause.
 *
 * @param error The error that the client rejected with. Absent: the peer has reported success.
 * @param random From 0 up to, not including, 1.
 */
export function decideAttempt(
  error: unknown,
  { attempts, retryLeftMs }: AttemptedEvent,
  limits: RetryLimits,
  random: number,
): AttemptDecision {
  if (error === undefined) return { kind: 'sent' }
  const code = codeOf(error)
  if (isFinal(error)) return { kind: 'failed', code }
  if (retryLeftMs <= 0) return { kind: 'failed', code }
  const { retryAfterMs } = error as { retryAfterMs?: unknown }
  // A foreign error can have anything there. A delay that is no number would keep the store from recording all outcomes of the batch.
  const isTime = typeof retryAfterMs === 'number' && retryAfterMs > 0
  const delayMs = retryDelay(attempts, { ...limits, retryAfterMs: isTime ? retryAfterMs : 0 }, random)
  // The last attempt is at the end of the time, not after it.
  return { kind: 'retry', delayMs: Math.min(delayMs, Math.ceil(retryLeftMs)), code }
}

function isFinal(error: unknown): boolean {
  return isOrderSyncError(error) && (error.name === 'OrderRefusedError' || error.name === 'ProtocolError')
}

/** A code that can be stored: the result code of a refusal, or the name of a foreign error. */
export function codeOf(error: unknown): string {
  const { name, code, resultCode } = (error ?? {}) as { name?: unknown; code?: unknown; resultCode?: unknown }
  const known = [resultCode, isOrderSyncError(error) ? code : undefined, name].find(
    (text) => typeof text === 'string' && /^[\w.-]{1,64}$/.test(text),
  )
  return typeof known === 'string' ? known : 'Error'
}

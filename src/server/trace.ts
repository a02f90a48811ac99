import { secureRandomUUID } from '../crypto/node.ts'
import type { Order } from '../messages/order.ts'
import { type OwnSideError, timedOut, type Waiting } from './failures.ts'
import type { ObservedDelivery } from './observation.ts'

/**
 * What is known about one request, for its events, its responses and its timeout error. It is filled while the request
 * is handled: at the deadline, the event has everything that is known by then.
 */
export interface RequestTrace {
  /** The `Tracer-Id` of the request, if it is printable; otherwise a new one. */
  tracerId: string
  /** From `performance.now()`, in milliseconds. */
  readonly startedAt: number
  /** What the request waits for now. */
  waiting: Waiting
  /** The last error of a retried call. */
  lastError?: OwnSideError
  /** The unknown `Client-Id` of the request. */
  unknownClientId?: string
  /** The version of the peer's key. */
  keyVersion?: string
  encrypted?: boolean
  /** Milliseconds that the `Request-Time` is ahead of the local clock. */
  clockSkewMs?: number
  /** The version of the private key that the message is encrypted to. */
  decryptionKeyVersion?: string
  requestId?: string
  merchantBizNo?: string
  tradeNo?: string
  orderKey?: string
  order?: Order<unknown>
  /** For the development console. Absent when the handler has no observer. */
  observed?: ObservedDelivery
}

/** Starts the trace of a request, with a new `Tracer-Id`. */
export function createTrace(): RequestTrace {
  return { tracerId: secureRandomUUID().replaceAll('-', ''), startedAt: performance.now(), waiting: 'verification' }
}

/** Takes over the `Tracer-Id` of the request, if it is printable. */
export function noteTracerId(trace: RequestTrace, tracerId: string | undefined): void {
  const trimmed = tracerId?.trim()
  if (trimmed !== undefined && /^[ -~]{1,128}$/.test(trimmed)) trace.tracerId = trimmed
}

/**
 * Notes the ids of the order. Only the signature is verified at this point: the merchant must also be able to find an order
 * that breaks a rule.
 */
export function noteIdentity(trace: RequestTrace, message: unknown): void {
  if (typeof message !== 'object' || message === null) return
  const { requestId, merchantBizNo, tradeNo } = message as Readonly<Record<string, unknown>>
  if (typeof requestId === 'string' && /^[!-~]{1,64}$/.test(requestId)) trace.requestId = requestId
  if (isShortText(merchantBizNo)) trace.merchantBizNo = merchantBizNo
  if (isShortText(tradeNo)) trace.tradeNo = tradeNo
}

function isShortText(value: unknown): value is string {
  return typeof value === 'string' && value.length <= 256
}

/** The error of a request that timed out: the failure that is being retried, or what the request waits for. */
export function timeoutOf({ waiting, lastError }: RequestTrace, timeoutMs: number): OwnSideError {
  return lastError ?? timedOut(waiting, timeoutMs)
}

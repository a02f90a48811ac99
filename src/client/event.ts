import { match } from 'ts-pattern'
import {
  type ConfigurationError,
  type DeliveryError,
  describeFailure,
  type ErrorCode,
  inspectSymbol,
  isOrderSyncError,
  type OrderRefusedError,
  type ProtocolError,
  type UntrustedResponseError,
} from '../errors.ts'
import type { ObservedSync } from './observation.ts'

/** Members of every {@link ClientEvent}. */
export interface ClientEventBase {
  /** Your id. */
  readonly clientId: string
  /** The same in every attempt. */
  readonly requestId: string
  /** The host that the order is sent to. */
  readonly host: string
  /** The version of your key that signs. */
  readonly keyVersion: string
  /** Whether the order is sent encrypted. */
  readonly encrypted: boolean
  /** Milliseconds: of the attempt, or of the whole sync. */
  readonly durationMs: number
  /** The HTTP status of the last response, if there was one. */
  readonly status?: number
  /** The peer's `Tracer-Id`, if it sent one: quote it when you ask the peer. */
  readonly tracerId?: string
  /** Customer data; not enumerable. */
  readonly merchantBizNo?: string
  /** Customer data; not enumerable. */
  readonly tradeNo?: string
}

/** One attempt has ended. The event of the outcome follows after the last one. */
export interface AttemptEvent extends ClientEventBase {
  readonly kind: 'attempt'
  /** 1 for the first one. */
  readonly attempt: number
  /** `SUCCESS`, or the code of the error. */
  readonly code: ClientEventCode
  /** Milliseconds until the next attempt. Absent after the last attempt. */
  readonly delayMs?: number
  /** What went wrong. Contains no customer data. */
  readonly message?: string
  /** Not enumerable. */
  readonly error?: unknown
}

/** The peer has processed the order. */
export interface SucceededEvent extends ClientEventBase {
  readonly kind: 'succeeded'
  readonly code: 'SUCCESS'
  /** How many attempts it took. */
  readonly attempts: number
}

/** A sync that failed: `syncOrder` rejects with `error`. */
export interface SyncFailedEvent extends ClientEventBase {
  /**
   * `invalid`: the order breaks the protocol, nothing was sent. `refused`: the peer refused it. `undelivered`: the outcome is
   * unknown. `untrusted`: the response cannot be trusted. `aborted`: your signal. `failed`: your side, such as a signer.
   */
  readonly kind: 'invalid' | 'refused' | 'undelivered' | 'untrusted' | 'aborted' | 'failed'
  readonly code: ClientEventCode
  /** 0 when nothing was sent. */
  readonly attempts: number
  /** For `refused`: the result code of the peer. */
  readonly resultCode?: string
  /** What went wrong. Contains no customer data. */
  readonly message: string
  /** The error that `syncOrder` rejects with. An error of your own code can contain any data. Not enumerable. */
  readonly error: unknown
}

/** What a client reports to `onEvent`: every attempt, and then the outcome. docs/events.md says who must act. */
export type ClientEvent = AttemptEvent | SucceededEvent | SyncFailedEvent

/** The codes of {@link ClientEvent}. */
export type ClientEventCode = ErrorCode | 'SUCCESS' | 'ERR_ABORTED'

/** What is known about a sync. Each attempt adds to it. */
export interface SyncTrace {
  readonly clientId: string
  readonly requestId: string
  readonly host: string
  readonly keyVersion: string
  readonly encrypted: boolean
  /** From `performance.now()`, in milliseconds. */
  readonly startedAt: number
  attempts: number
  status?: number | undefined
  tracerId?: string | undefined
  readonly merchantBizNo: string | undefined
  readonly tradeNo: string | undefined
  /** For the development console. Undefined when the client has no observer. */
  readonly observed: ObservedSync | undefined
}

interface AttemptEnd {
  /** From `performance.now()`, in milliseconds. */
  readonly startedAt: number
  /** Absent when the attempt succeeded. */
  readonly error?: unknown
  /** Whether the caller's signal ended it. */
  readonly isAborted?: boolean
  /** Milliseconds until the next attempt. */
  readonly delayMs?: number
}

/** The event of one attempt. */
export function attemptEvent(trace: SyncTrace, ended: AttemptEnd): ClientEvent {
  const { startedAt, error, isAborted = false, delayMs } = ended
  const { code, message } = 'error' in ended ? describeEnd(error, isAborted) : { code: 'SUCCESS' }
  const own = {
    kind: 'attempt',
    attempt: trace.attempts,
    code,
    ...(message !== undefined && { message }),
    ...(delayMs !== undefined && { delayMs }),
  }
  return toEvent(own, { ...trace, startedAt }, error)
}

/** The event of a sync that has succeeded. */
export function successEvent(trace: SyncTrace): ClientEvent {
  return toEvent({ kind: 'succeeded', code: 'SUCCESS', attempts: trace.attempts }, trace, undefined)
}

/** The event of a sync that has failed. */
export function failureEvent(trace: SyncTrace, error: unknown, isAborted: boolean): ClientEvent {
  return toEvent({ ...describeEnd(error, isAborted), attempts: trace.attempts }, trace, error)
}

type Description = Pick<SyncFailedEvent, 'kind' | 'code' | 'message' | 'resultCode'>

const ABORTED = 'The signal of syncOrder() was aborted. If an attempt was made, the outcome is unknown.'

function describeEnd(error: unknown, isAborted: boolean): Description {
  return isAborted ? { kind: 'aborted', code: 'ERR_ABORTED', message: ABORTED } : describe(error)
}

type KnownError = ProtocolError | OrderRefusedError | DeliveryError | UntrustedResponseError | ConfigurationError

/** The description of an error in an event. It leaves out the message of a foreign error, which can quote anything. */
function describe(error: unknown): Description {
  if (!isOrderSyncError(error) || error.name === 'HandlerError') {
    return { kind: 'failed', code: 'ERR_INTERNAL', message: `The sync failed with ${describeFailure(error)}.` }
  }
  const { code, message } = error
  return match<KnownError, Description>(error)
    .with({ name: 'ProtocolError' }, () => ({ kind: 'invalid', code, message }))
    .with({ name: 'OrderRefusedError' }, ({ resultCode }) => ({ kind: 'refused', code, resultCode, message }))
    .with({ name: 'DeliveryError' }, () => ({ kind: 'undelivered', code, message }))
    .with({ name: 'UntrustedResponseError' }, () => ({ kind: 'untrusted', code, message }))
    .with({ name: 'ConfigurationError' }, () => ({ kind: 'failed', code, message }))
    .exhaustive()
}

function toEvent(own: Record<string, unknown>, trace: SyncTrace, error: unknown): ClientEvent {
  const { clientId, requestId, host, keyVersion, encrypted, status, tracerId, startedAt, merchantBizNo, tradeNo } =
    trace
  const event = {
    ...own,
    clientId,
    requestId,
    host,
    keyVersion,
    encrypted,
    ...(status !== undefined && { status }),
    ...(tracerId !== undefined && { tracerId }),
    durationMs: performance.now() - startedAt,
  }
  return Object.defineProperties(event, {
    merchantBizNo: { value: merchantBizNo },
    tradeNo: { value: tradeNo },
    error: { value: error },
    [inspectSymbol]: { value: inspectEvent },
    // A test compares the members with the types.
  }) as unknown as ClientEvent
}

/** Bun, `%o` and `showHidden` would print the members that are not enumerable. */
function inspectEvent(this: ClientEvent): object {
  return { ...this }
}

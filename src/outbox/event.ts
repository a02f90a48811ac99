/** Members of every {@link OutboxEvent}. They are safe to log. */
export interface OutboxEventBase {
  /** The id of the event in the outbox. */
  readonly id: string
  readonly requestId: string
}

/** The peer has reported success. */
export interface OutboxSentEvent extends OutboxEventBase {
  readonly kind: 'sent'
  readonly code: 'SUCCESS'
  /** How often it was sent. */
  readonly attempts: number
  /** Milliseconds from `enqueue` to the response. */
  readonly ageMs: number
}

/** An attempt has failed. Another one follows. */
export interface OutboxRetryEvent extends OutboxEventBase {
  readonly kind: 'retry'
  /** The code of the error. */
  readonly code: string
  /** What went wrong. Contains no customer data. */
  readonly message: string
  readonly attempts: number
  /** Milliseconds until the next attempt. */
  readonly delayMs: number
  /** Not enumerable. */
  readonly error?: unknown
}

/** The event is not retried: the peer refused it, it breaks the protocol, or its time is over. */
export interface OutboxFailedEvent extends OutboxEventBase {
  readonly kind: 'failed'
  /** The result code of the peer, or the code of the error. */
  readonly code: string
  readonly message: string
  readonly attempts: number
  /** Not enumerable. */
  readonly error?: unknown
}

/** The event was not sent. `skipped`: a newer one of its order waits. `stale`: a newer one was sent. */
export interface OutboxDroppedEvent extends OutboxEventBase {
  readonly kind: 'skipped' | 'stale'
}

/** An attempt ended after its lease: another worker sends the event again, with the same `requestId`. */
export interface OutboxFencedEvent extends OutboxEventBase {
  readonly kind: 'fenced'
  readonly message: string
}

/** The store fails, or the outcome of an attempt is unknown, because code of the application threw an unexpected error. The worker retries. */
export interface OutboxUnavailableEvent {
  readonly kind: 'unavailable'
  readonly message: string
  /** Milliseconds until the next call. */
  readonly delayMs: number
  /** Not enumerable. */
  readonly error?: unknown
}

/** What happens in an outbox. */
export type OutboxEvent =
  | OutboxSentEvent
  | OutboxRetryEvent
  | OutboxFailedEvent
  | OutboxDroppedEvent
  | OutboxFencedEvent
  | OutboxUnavailableEvent

/** Adds an error that `JSON.stringify()` and loggers do not show: it may have customer data. */
export function withError<Event extends object>(event: Event, error: unknown): Event {
  return Object.defineProperty(event, 'error', { value: error, enumerable: false })
}

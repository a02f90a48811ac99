/** Whether every event of an order is sent, or only the newest one. */
export type OutboxPolicy = 'latest' | 'every'

/** An event that is written to the outbox. */
export interface NewOutboxEvent {
  /** 43 characters of base64url: the hash of what identifies the order. */
  readonly orderKey: string
  /** `orderModifyTime`, in milliseconds since the epoch. */
  readonly eventTime: number
  readonly requestId: string
  /** The order as text: JSON, or encrypted JSON. */
  readonly payload: string
  /** How long it is retried, in milliseconds from now. */
  readonly maxRetryMs: number
}

/** An event that a worker is sending. No other worker sends an event of this order until the lease expires. */
export interface ClaimedOutboxEvent {
  readonly id: string
  readonly orderKey: string
  /** Greater than the token of every earlier claim of this order. */
  readonly token: number
  /** `orderModifyTime`, in milliseconds since the epoch. */
  readonly eventTime: number
  readonly requestId: string
  readonly payload: string
  /** How often it was sent before. */
  readonly attempts: number
  /** Milliseconds since it was enqueued. */
  readonly ageMs: number
  /** Milliseconds until retries end; negative after that. */
  readonly retryLeftMs: number
}

/** An event that will not be sent. */
export interface DroppedOutboxEvent {
  readonly id: string
  readonly requestId: string
  /** `skipped`: a newer event of the order waits. `stale`: a newer event of the order was sent. */
  readonly reason: 'skipped' | 'stale'
}

/** What a claim found. */
export interface OutboxClaim {
  readonly events: readonly ClaimedOutboxEvent[]
  readonly dropped: readonly DroppedOutboxEvent[]
  /** Whether the next claim can find events immediately, even if this one found none. @defaultValue false */
  readonly more?: boolean | undefined
}

/** How an attempt ended. */
export interface OutboxCompletion {
  readonly id: string
  readonly orderKey: string
  readonly token: number
  readonly eventTime: number
  readonly outcome:
    | { readonly kind: 'sent' }
    | { readonly kind: 'retry'; readonly delayMs: number; readonly code: string }
    | { readonly kind: 'failed'; readonly code: string }
    /** Not attempted: the worker stops, or too much of the lease has passed. */
    | { readonly kind: 'returned' }
}

/** What is in the outbox. */
export interface OutboxStats {
  /** Events that wait to be sent. */
  readonly waiting: number
  /** Orders with an event that is being sent. */
  readonly inFlight: number
  /** Events that are not retried. */
  readonly failed: number
  /** Milliseconds since the oldest waiting event was enqueued. Absent when none waits. */
  readonly oldestWaitingMs?: number
}

/** An event that is not retried. */
export interface StoredOutboxFailure {
  readonly id: string
  readonly orderKey: string
  /** `orderModifyTime`, in milliseconds since the epoch. */
  readonly eventTime: number
  readonly requestId: string
  readonly payload: string
  readonly attempts: number
  /** A code of an error, or a result code of the peer. */
  readonly code: string
  /** In milliseconds since the epoch. */
  readonly failedAt: number
}

/** Options of the outbox that its store applies. */
export interface OutboxStoreOptions {
  readonly policy: OutboxPolicy
  /** How long sent and dropped events are kept, in milliseconds. 0 deletes them at once. */
  readonly keepSentMs: number
}

/** The storage of an outbox. */
export interface OutboxStore {
  /** Writes events, in the given transaction or at once. An event of the same order, `requestId` and time is not written again. */
  readonly enqueue: (events: readonly NewOutboxEvent[], transaction?: unknown) => Promise<void>
  /** Leases up to `limit` orders that are due, and returns the event of each that is to be sent. */
  readonly claim: (
    request: OutboxStoreOptions & { readonly limit: number; readonly leaseMs: number },
  ) => Promise<OutboxClaim>
  /** Records how attempts ended. A repeated call changes nothing. Returns the ids whose lease was lost: their outcome is not recorded. */
  readonly finish: (completions: readonly OutboxCompletion[], options: OutboxStoreOptions) => Promise<readonly string[]>
  readonly stats: () => Promise<OutboxStats>
  /** The oldest first. */
  readonly failed: (request: { readonly limit: number }) => Promise<readonly StoredOutboxFailure[]>
  /** Whether there was such a failed event. */
  readonly retry: (id: string, maxRetryMs: number) => Promise<boolean>
  /** Whether there was such a failed event. */
  readonly discard: (id: string) => Promise<boolean>
  /** Deletes up to 1,000 events that ended longer ago than this, and returns their number. */
  readonly prune: (keepSentMs: number) => Promise<number>
  /** Calls `wake` after new events were committed. Without `listen`, only polling finds them. */
  readonly listen?: (wake: () => void) => { readonly close: () => Promise<void> }
}

import { notify } from '../notify.ts'
import type { Credentials } from '../secure-message/credentials.ts'

/** One attempt of a sync, up to the current step. */
export interface ObservedAttempt {
  /** From `performance.now()`, in milliseconds. */
  readonly startedAt: number
  readonly path: string
  signedAt?: number
  headers?: Readonly<Record<string, string>>
  body?: Uint8Array
  receivedAt?: number
  response?: { readonly status: number; readonly headers: ReadonlyMap<string, string>; readonly body: Uint8Array }
  endedAt?: number
}

/** The members of an event that an observer reads. Not the type of the events: they know this file. */
export interface ObservedEvent {
  readonly kind: string
  readonly code: string
  /** Customer data; not enumerable. */
  readonly merchantBizNo?: string | undefined
}

/** One sync, up to the current step. The client writes it, and the observer reads it. */
export interface ObservedSync {
  /** From `performance.now()`, in milliseconds. */
  readonly startedAt: number
  /** The order as JSON, before it is encrypted. Absent when it is invalid. */
  plaintext?: Uint8Array
  readonly attempts: ObservedAttempt[]
  /** The event of each attempt, and then the event of the outcome. */
  readonly events: ObservedEvent[]
}

/** What an observer knows about the client itself. */
export interface ObservedClient {
  /** The option of the client. */
  readonly credentials: Credentials
  /** Ends the observation. */
  readonly stop: () => void
}

/** Called after each event of a sync. Errors that it throws are ignored. */
export type SyncObserver = (sync: ObservedSync) => void

/** The method OBSERVE of a client. */
export type ObserveClient = (observer: SyncObserver) => ObservedClient

/** The members of the trace of a sync that this file writes. */
interface Observed {
  readonly observed?: ObservedSync | undefined
}

/** Keeps the observers of a client. Without one, a sync costs one comparison. */
export function createObservers() {
  const observers = new Set<SyncObserver>()
  return {
    /** Undefined without an observer. */
    start: (startedAt: number): ObservedSync | undefined =>
      observers.size === 0 ? undefined : { startedAt, attempts: [], events: [] },
    publish({ observed }: Observed, event: () => ObservedEvent): void {
      if (observed === undefined) return
      observed.events.push(event())
      for (const observer of observers) notify(observer, observed, () => {})
    },
    add(observer: SyncObserver): () => void {
      observers.add(observer)
      return () => void observers.delete(observer)
    },
  }
}

/** Notes that an attempt begins. Undefined without an observer. */
export function startAttempt({ observed }: Observed, path: string): ObservedAttempt | undefined {
  if (observed === undefined) return undefined
  const attempt: ObservedAttempt = { startedAt: performance.now(), path }
  observed.attempts.push(attempt)
  return attempt
}

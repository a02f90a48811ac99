/**
 * A transactional outbox: your own transaction writes orders, and a worker sends them after the commit, until the peer has decided.
 * The stores are in `./stores/postgres`, `./stores/mysql` and `./stores/sqlite`.
 *
 * @packageDocumentation
 */
export type {
  OutboxDroppedEvent,
  OutboxEvent,
  OutboxEventBase,
  OutboxFailedEvent,
  OutboxFencedEvent,
  OutboxRetryEvent,
  OutboxSentEvent,
  OutboxUnavailableEvent,
} from '../outbox/event.ts'
export type { OutboxClient, OutboxOptions } from '../outbox/options.ts'
export {
  createOutbox,
  type EnqueueOptions,
  type Outbox,
  type OutboxFailure,
  type OutboxHealth,
  type RunOptions,
} from '../outbox/outbox.ts'
export type { EncryptAtRest } from '../outbox/payload.ts'
export type { OutboxRunResult } from '../outbox/worker.ts'
export type {
  ClaimedOutboxEvent,
  DroppedOutboxEvent,
  NewOutboxEvent,
  OutboxClaim,
  OutboxCompletion,
  OutboxPolicy,
  OutboxStats,
  OutboxStore,
  OutboxStoreOptions,
  StoredOutboxFailure,
} from '../stores/outbox-store.ts'

import type { OrderSyncClient } from '../client/client.ts'
import { type RandomBytes, secureRandomBytes, secureRandomUUID } from '../crypto/node.ts'
import type { Order } from '../messages/order.ts'
import {
  assertFunction,
  flag,
  functionWithDefault,
  hasMethod,
  nonNegativeNumber,
  type OptionRules,
  oneOf,
  positiveNumber,
  resolveOptions,
} from '../option-rules.ts'
import type { OutboxPolicy, OutboxStore } from '../stores/outbox-store.ts'
import { boundOutboxStore } from './bounded-store.ts'
import type { OutboxEvent } from './event.ts'
import { assertEncryptAtRest, type EncryptAtRest } from './payload.ts'

/** The part of a client that the outbox uses. */
export type OutboxClient = Pick<OrderSyncClient, 'syncOrder'>

/** Options of {@link createOutbox}. */
export interface OutboxOptions {
  /** Stores the events until they are sent: `postgresOutboxStore()`, `mysqlOutboxStore()` or `sqliteOutboxStore()`. */
  store: OutboxStore
  /**
   * Sends the events. For several merchants, pass a function that returns the client for an order and for the `tenant` of
   * `enqueue()`. All workers on the same tables need the same clients.
   */
  client: OutboxClient | ((order: Order, tenant: string | undefined) => OutboxClient)
  /**
   * `latest`: skip an event if a newer event of the same order is waiting. `every`: send all events of an order, sorted by
   * `orderModifyTime`. @defaultValue 'latest'
   */
  policy?: OutboxPolicy | undefined
  /**
   * A key of 32 bytes that encrypts stored orders (AES-256-GCM). To change the key, pass a list: the first key encrypts, all
   * keys decrypt. @defaultValue none: orders are stored as JSON
   */
  encryptAtRest?: EncryptAtRest | undefined
  /** How long an event is retried, in milliseconds. After that it is `failed`. @defaultValue 86_400_000 (a day) */
  maxRetryMs?: number | undefined
  /** Upper bound of the first retry delay, in milliseconds. Doubles with each retry. @defaultValue 1_000 */
  baseDelayMs?: number | undefined
  /** Upper bound of every retry delay, in milliseconds. @defaultValue 900_000 (15 minutes) */
  maxDelayMs?: number | undefined
  /**
   * Length of the lease: how long a worker holds an order, in milliseconds. A send that takes 80 % of it is aborted. After a
   * worker crashes, its orders wait until the lease expires. @defaultValue 120_000
   */
  leaseMs?: number | undefined
  /**
   * Time limit of each call to the store, in milliseconds, except `enqueue()`, which your own transaction limits. A worker
   * reports a call that takes longer as `unavailable`, and continues. @defaultValue 10_000
   */
  storeTimeoutMs?: number | undefined
  /** How often a worker polls the store for events, in milliseconds. @defaultValue 1_000 */
  pollMs?: number | undefined
  /** How long events that were sent or skipped are kept, in milliseconds. 0 deletes them at once. @defaultValue 86_400_000 (a day) */
  keepSentMs?: number | undefined
  /** Accept fractions, such as 1.5, in `extInfo`. The client needs the same option. @defaultValue false */
  allowFractions?: boolean | undefined
  /**
   * Receives every event of the outbox. The enumerable members of an event are safe to log. Without `onEvent`, the kinds `failed`
   * and `unavailable`, and untrusted responses, are process warnings.
   */
  onEvent?: ((event: OutboxEvent) => void) | undefined
  /** Returns a number from 0 up to, but not including, 1: the jitter of retry delays. @defaultValue Math.random */
  random?: (() => number) | undefined
  /** The source of random bytes. @defaultValue randomBytes of node:crypto */
  randomBytes?: RandomBytes | undefined
  /** For `requestId`, without its dashes. @defaultValue randomUUID of node:crypto */
  randomUUID?: (() => string) | undefined
}

const RULES = {
  store: { required: true, assert: assertStore },
  client: { required: true, assert: assertClient },
  policy: oneOf<OutboxPolicy>(['latest', 'every'], 'latest'),
  encryptAtRest: { assert: assertEncryptAtRest },
  maxRetryMs: positiveNumber(86_400_000),
  baseDelayMs: positiveNumber(1_000),
  maxDelayMs: positiveNumber(900_000),
  leaseMs: positiveNumber(120_000, { isTimer: true }),
  storeTimeoutMs: positiveNumber(10_000, { isTimer: true }),
  pollMs: positiveNumber(1_000, { isTimer: true }),
  keepSentMs: nonNegativeNumber(86_400_000),
  allowFractions: flag(false),
  onEvent: { assert: assertFunction },
  random: functionWithDefault(() => Math.random()),
  randomBytes: functionWithDefault<RandomBytes>(secureRandomBytes),
  randomUUID: functionWithDefault<() => string>(secureRandomUUID),
} as const satisfies OptionRules<OutboxOptions>

/** The options, checked, with their defaults. */
export type OutboxSettings = ReturnType<typeof resolveOutboxOptions>

export function resolveOutboxOptions(options: OutboxOptions) {
  const settings = resolveOptions<OutboxOptions, typeof RULES>('createOutbox', RULES, options)
  const { store, storeTimeoutMs, random } = settings
  return { ...settings, store: boundOutboxStore(store, storeTimeoutMs), random: checkedRandom(random) }
}

/** A `random` that throws, or returns no number from 0 to 1, must not end a worker or write an invalid time. */
function checkedRandom(random: () => number): () => number {
  return () => {
    try {
      const value = random()
      if (value >= 0 && value <= 1) return value
    } catch {}
    return Math.random()
  }
}

function assertStore(value: unknown, name: string): void {
  if (['enqueue', 'claim', 'finish'].every((method) => hasMethod(value, method))) return
  const isOther = hasMethod(value, 'claim')
  throw new TypeError(
    isOther
      ? `"${name}" is the store of a handler. An outbox needs an outbox store: postgresOutboxStore({ pool })`
      : `"${name}" must be made by postgresOutboxStore(), mysqlOutboxStore() or sqliteOutboxStore()`,
  )
}

function assertClient(value: unknown, name: string): void {
  if (typeof value === 'function' || hasMethod(value, 'syncOrder')) return
  throw new TypeError(`"${name}" must be made by createOrderSyncClient(), or a function that returns one for an order`)
}

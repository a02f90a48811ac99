import type { ModifyTimeComparison } from '../policy/idempotency.ts'

/** One delivery of one order event, as a store sees it. It holds no customer data. */
export interface Delivery {
  /** Identifies the order: a hash of the client, the merchant, and the type and number of the order. */
  readonly orderKey: string
  /** Identifies the request: a hash of the client and the `requestId`. */
  readonly requestKey: string
  /** SHA-256 of the message, decrypted. */
  readonly digest: string
  /** Milliseconds since the epoch. */
  readonly orderModifyTime: number
}

/** How a delivery is claimed. */
export interface ClaimOptions {
  /** How long the claim holds unless it is finished or released, in milliseconds by the store's own clock. */
  readonly leaseMs: number
  readonly compareModifyTimeWith: ModifyTimeComparison
}

/**
 * What became of a claim: a decision, see `decide`, and what is needed to act on it.
 * The answers are those given to {@link OrderSyncStore.finish}: of this request for `replay`, of the last processed
 * request of the order otherwise.
 */
export type ClaimResult =
  | { readonly decision: 'process'; readonly token: number }
  | { readonly decision: 'replay' | 'duplicate' | 'stale'; readonly storedResponse: string }
  | { readonly decision: 'conflict' | 'busy' }

/** A delivery that was claimed, and the fencing token that proves it. */
export interface HeldClaim {
  readonly delivery: Delivery
  /** Greater than that of every earlier claim of the same order. */
  readonly token: number
}

/** How a claimed delivery ended. */
export interface Completion {
  /** The answer, to be kept as it is. */
  readonly storedResponse: string
  /** Whether the order was processed: its `orderModifyTime` becomes the last one. False for a refusal. */
  readonly processed: boolean
}

/** What is remembered of an order. */
export interface OrderRecord {
  readonly last?: { readonly orderModifyTime: number; readonly processedAt: number; readonly storedResponse: string }
  /** The claim that holds the order now. */
  readonly lease?: { readonly token: number }
}

/**
 * What remembers orders and requests. Each method is atomic, also between processes, and judges leases by the store's
 * own clock.
 *
 * @typeParam Transaction What `context.transaction` is in `onOrder`, for a store that has {@link OrderSyncStore.finishInTransaction}.
 * @see docs/protocol.md section 7.3
 */
export interface OrderSyncStore<Transaction = undefined> {
  /**
   * Decides on a delivery by `decide`, and for `process` takes the order under a lease in the same step.
   * Remembers the digest of the request, whatever is decided, so that another body under its id is a conflict from now on:
   * while it runs, after it failed, and after it was answered.
   */
  claim(delivery: Delivery, options: ClaimOptions): Promise<ClaimResult>
  /**
   * Keeps the answer and gives the order free. False, and nothing done, when the token is not that of the latest claim of
   * the order, or the claim has been finished or released. A lease that has run out while nobody else claimed the
   * order still counts: the effect has happened, and is better known than not.
   */
  finish(claimed: HeldClaim, finish: Completion): Promise<boolean>
  /** Gives the order free, as if it had not been claimed. False, and nothing done, as for {@link finish}. */
  release(claimed: HeldClaim): Promise<boolean>
  /** What is remembered of an order; undefined when nothing is. */
  read(orderKey: string): Promise<OrderRecord | undefined>
  /**
   * For stores in transactional mode: runs the work and {@link finish} in one transaction, so that the work's own writes
   * through it are kept if, and only if, the finish is. Rolls back, and resolves to false, where finish would.
   * Rolls back, and rejects, when the work rejects.
   */
  finishInTransaction?(claimed: HeldClaim, work: (transaction: Transaction) => Promise<Completion>): Promise<boolean>
}

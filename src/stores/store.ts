import type { ClaimResult, LastProcessed, ModifyTimeComparison } from '../policy/idempotency.ts'

export type { ClaimResult, LastProcessed }

/** One delivery of one order event, as a store sees it. It holds no customer data. */
export interface Delivery {
  /** Identifies the order: a hash of the client, the merchant, and the type and number of the order. */
  readonly orderKey: string
  /** Identifies the request: a hash of the client and the `requestId`. */
  readonly requestKey: string
  /** SHA-256 of the message as canonical JSON. */
  readonly digest: string
  /** The same without `requestId` and `orderModifyTime`, to compare the contents of two requests about the order. */
  readonly contentDigest: string
  /** Milliseconds since the epoch. */
  readonly orderModifyTime: number
}

/** How a delivery is claimed. */
export interface ClaimOptions {
  /** The length of the lease, in milliseconds by the store's own clock. */
  readonly leaseMs: number
  readonly compareModifyTimeWith: ModifyTimeComparison
}

/** A claimed delivery, and the fencing token that proves the claim. */
export interface HeldClaim {
  readonly delivery: Delivery
  /** Greater than the token of every earlier claim of the same order. */
  readonly token: number
}

/** How a claimed delivery ended. */
export interface Completion {
  /** The response. The store keeps it unchanged. */
  readonly storedResponse: string
  /** Whether the order was processed: its `orderModifyTime` then becomes the last one. False for a refusal. */
  readonly processed: boolean
}

/** What a store remembers about an order. */
export interface OrderRecord {
  readonly last?: { readonly orderModifyTime: number; readonly processedAt: number; readonly storedResponse: string }
  /** The claim that holds the order now. */
  readonly lease?: { readonly token: number }
}

/** What `forget` did: `unknown` when nothing was remembered, `busy` when the order is being processed. */
export type ForgetResult = 'forgotten' | 'unknown' | 'busy'

/**
 * Remembers orders and requests. Each method is atomic, also between processes, and compares leases with the store's own
 * clock.
 *
 * @typeParam Transaction The type of `context.transaction` in `onOrder`, for a store that has
 * {@link OrderSyncStore.finishInTransaction}.
 * @see docs/protocol.md section 7.3
 */
export interface OrderSyncStore<Transaction = undefined> {
  /**
   * Decides on a delivery by `decide`. For `process` it also takes the order under a lease, in the same step.
   *
   * It remembers the digest of the request, for every decision. From then on, another body with the same `requestId`
   * is a conflict: while the request runs, after it failed, and after it has a response.
   */
  claim(delivery: Delivery, options: ClaimOptions): Promise<ClaimResult>
  /**
   * Keeps the response and ends the claim. Resolves to false, and changes nothing, when a later claim has the order, or when
   * this claim was finished or released before.
   *
   * An expired lease still counts until another claim of the order: the effect has happened and must be remembered.
   */
  finish(held: HeldClaim, completion: Completion): Promise<boolean>
  /** Undoes the claim. Resolves to false, and changes nothing, in the same cases as {@link finish}. */
  release(held: HeldClaim): Promise<boolean>
  /** Returns what is remembered about an order. Undefined for an unknown order. */
  read(orderKey: string): Promise<OrderRecord | undefined>
  /**
   * Forgets that an order was processed or refused, together with the responses to its requests, in one step. Its next
   * delivery is processed, even a repeated one. Changes nothing while a claim holds the order: `busy`. Tokens keep growing.
   */
  forget(orderKey: string): Promise<ForgetResult>
  /**
   * Rejects when the store cannot work: the database cannot be reached, or its tables are missing. It is cheap, and changes
   * nothing. Without it, `handler.health()` reads an order.
   */
  ping?(): Promise<void>
  /**
   * Only stores in transactional mode have it. Runs the work and {@link finish} in one transaction, so that the work's own
   * writes commit if, and only if, the finish does. Rolls back and resolves to false in the same cases as finish. Rolls back
   * and rejects if the work rejects.
   */
  finishInTransaction?(held: HeldClaim, work: (transaction: Transaction) => Promise<Completion>): Promise<boolean>
}

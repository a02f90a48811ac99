import { match } from 'ts-pattern'
import { HandlerError, printable } from '../errors.ts'

/** What a store remembers about the order and the request of a delivery. */
export interface Remembered {
  /** The last request of this order that was processed. */
  readonly last?: {
    /** Milliseconds since the epoch, from the request. */
    readonly orderModifyTime: number
    /** When it was processed, in milliseconds since the epoch. */
    readonly processedAt: number
  }
  /** An earlier delivery of the same `requestId`. */
  readonly request?: {
    readonly digest: string
    /** Whether its response is stored. */
    readonly hasResponse: boolean
  }
  /** Whether a request of this order is being processed now, under a lease that has not expired. */
  readonly leased: boolean
}

/** What is known about the delivery itself. */
export interface Incoming {
  /** SHA-256 of the message as canonical JSON. Two contents are the same if their digests are. */
  readonly digest: string
  /** Milliseconds since the epoch. */
  readonly orderModifyTime: number
}

const DECISIONS = ['process', 'replay', 'duplicate', 'stale', 'conflict', 'busy'] as const

/**
 * - `process`: run the merchant's code
 * - `replay`: this request has a response; send the same response again
 * - `duplicate`: another request about the same event was processed
 * - `stale`: a newer event of the order was processed
 * - `conflict`: the `requestId` is known with another body
 * - `busy`: a request of this order is being processed now
 */
export type Decision = (typeof DECISIONS)[number]

/**
 * The time that a new `orderModifyTime` must exceed: the `orderModifyTime` of the last processed request. With `processedAt`,
 * it must also be later than the time of processing, which drops every event from before the last processing.
 *
 * @see docs/protocol.md section 7.2
 */
export type ModifyTimeComparison = 'orderModifyTime' | 'processedAt'

/**
 * Decides whether a delivery is new. Pure: the caller passes the stored state, and must decide and act in one atomic step.
 *
 * @see docs/protocol.md section 7.1
 * @example
 * ```ts
 * import { decide } from 'alipayhk-order-sync/policy'
 *
 * decide({ leased: false }, { digest: 'a', orderModifyTime: 2 }) // 'process'
 * decide({ leased: false, last: { orderModifyTime: 3, processedAt: 4 } }, { digest: 'a', orderModifyTime: 2 }) // 'stale'
 * ```
 */
export function decide(
  remembered: Remembered,
  incoming: Incoming,
  compareModifyTimeWith: ModifyTimeComparison = 'orderModifyTime',
): Decision {
  const { last, request, leased } = remembered
  if (request !== undefined) {
    if (request.digest !== incoming.digest) return 'conflict'
    if (request.hasResponse) return 'replay'
  }
  // Check this before the lease: the event is old regardless of how the running request ends.
  if (last !== undefined) {
    const { orderModifyTime, processedAt } = last
    const threshold = compareModifyTimeWith === 'processedAt' ? Math.max(orderModifyTime, processedAt) : orderModifyTime
    // Phrased so that NaN is refused too: every comparison with NaN is false.
    if (!(incoming.orderModifyTime > threshold)) {
      return incoming.orderModifyTime === orderModifyTime ? 'duplicate' : 'stale'
    }
  }
  return leased ? 'busy' : 'process'
}

/** The members of the last processed request of an order that a claim was compared with. */
export interface LastProcessed {
  /** Milliseconds since the epoch. */
  readonly orderModifyTime: number
  /** The `contentDigest` of its delivery. Absent when it was processed before the store kept it. */
  readonly contentDigest?: string
}

/**
 * The result of a claim: a decision, see {@link decide}, and what the caller needs to act on it. The stored response of
 * `replay` is that of this request. The one of `duplicate` and `stale` is that of `last`, the last processed request of the
 * order.
 */
export type ClaimResult =
  | { readonly decision: 'process'; readonly token: number }
  | { readonly decision: 'replay'; readonly storedResponse: string }
  | { readonly decision: 'duplicate' | 'stale'; readonly storedResponse: string; readonly last: LastProcessed }
  | { readonly decision: 'conflict' | 'busy' }

/** A decision as a store returns it. Unchecked: SQL and Lua return text, and null for what is missing. */
export interface UncheckedClaim {
  readonly decision: unknown
  /** For `replay`, `duplicate` and `stale`. */
  readonly storedResponse?: unknown
  /** For `process`. */
  readonly token?: unknown
  /** For `duplicate` and `stale`. */
  readonly last?: { readonly orderModifyTime?: unknown; readonly contentDigest?: unknown } | null | undefined
}

/**
 * Turns a store's decision into a {@link ClaimResult}. The one place that does, for all stores.
 *
 * @throws {@link HandlerError} `ERR_STORE` when the decision is unknown, or its stored response, token or last request is
 * missing. That happens when the tables or functions in the database are not those of this release. A default value would
 * process an order twice, or lose it.
 * @see docs/protocol.md section 7.3
 * @example
 * ```ts
 * import { toClaimResult } from 'alipayhk-order-sync/store'
 *
 * toClaimResult({ decision: 'process', token: 7 }) // { decision: 'process', token: 7 }
 * ```
 */
export function toClaimResult({ decision, storedResponse, token, last }: UncheckedClaim): ClaimResult {
  if (!isDecision(decision)) throw storeError(`returned an unknown decision: ${printable(String(decision), 32)}`)
  return match(decision)
    .returnType<ClaimResult>()
    .with('process', (process) => {
      if (!isSafeInteger(token)) throw storeError('decided "process" without a fencing token')
      return { decision: process, token }
    })
    .with('replay', (replay) => ({ decision: replay, storedResponse: requireResponse(replay, storedResponse) }))
    .with('duplicate', 'stale', (known) => ({
      decision: known,
      storedResponse: requireResponse(known, storedResponse),
      last: requireLast(known, last),
    }))
    .with('conflict', 'busy', (refused) => ({ decision: refused }))
    .exhaustive()
}

function requireResponse(decision: Decision, storedResponse: unknown): string {
  if (typeof storedResponse === 'string') return storedResponse
  throw storeError(`decided "${decision}" without a stored response`)
}

function requireLast(decision: Decision, last: UncheckedClaim['last']): LastProcessed {
  const { orderModifyTime, contentDigest } = last ?? {}
  if (!isSafeInteger(orderModifyTime)) throw storeError(`decided "${decision}" without the last orderModifyTime`)
  return { orderModifyTime, ...(typeof contentDigest === 'string' && { contentDigest }) }
}

function isDecision(value: unknown): value is Decision {
  return DECISIONS.some((decision) => decision === value)
}

function isSafeInteger(value: unknown): value is number {
  return Number.isSafeInteger(value)
}

function storeError(problem: string): HandlerError {
  return new HandlerError(
    'ERR_STORE',
    `The store ${problem}. Its tables or functions may belong to another release of alipayhk-order-sync: migrate the store.`,
  )
}

import type { TestFault } from '../tamper.ts'
import type { RuleId } from './rules.ts'

/** A plan of the requests to an endpoint, as data without code. */
export interface Scenario {
  readonly name: string
  /** Its purpose, in one sentence. */
  readonly summary: string
  /** How often a delivery without a decision is sent again. @defaultValue 8 retries, from 200 ms up to 5 s */
  readonly retry?: RetryPlan | undefined
  readonly steps: readonly Step[]
}

/** Retries with full jitter: a random pause, up to a limit that doubles. */
export interface RetryPlan {
  readonly retries: number
  /** In milliseconds. */
  readonly baseDelayMs: number
  /** In milliseconds. */
  readonly maxDelayMs: number
}

/** One part of a scenario. Steps run one after the other. */
export type Step = Delivery | Together | Alike | HalfSent | Pause

/** One request, and its expected outcome. */
export interface Delivery {
  readonly kind: 'deliver'
  /** The rule that this delivery tests. */
  readonly rule: RuleId
  /** The name of the order: deliveries with the same name are of the same order. */
  readonly order: string
  /** Which event of the order: `orderModifyTime`, in minutes after the first one. @defaultValue 0 */
  readonly event?: number | undefined
  /** The name of the request: deliveries with the same name have the same `requestId`. @defaultValue order and event */
  readonly request?: string | undefined
  /** Members of the order that differ. `undefined` removes one. */
  readonly changes?: Readonly<Record<string, unknown>> | undefined
  /** How the order is written as JSON, or what is sent instead. @defaultValue compact */
  readonly content?: Content | undefined
  /** How the headers are written. @defaultValue as AlipayHK writes them */
  readonly headers?: HeaderForm | undefined
  /** Whether the body is encrypted. @defaultValue false */
  readonly encrypt?: boolean | undefined
  /** The version of the key that signs, or `'none'` for the latest key and a header without version. @defaultValue the first */
  readonly keyVersion?: string | undefined
  /** The fault of the request. @defaultValue none */
  readonly tamper?: SimulatedFault | undefined
  /** How many copies are sent at the same time. @defaultValue 1 */
  readonly copies?: number | undefined
  /** Whether the connection is closed before the response arrives. The delivery is then sent again. @defaultValue false */
  readonly hangUp?: boolean | undefined
  readonly expect: Expectation
}

/** Deliveries at the same time. */
export interface Together {
  readonly kind: 'together'
  readonly deliveries: readonly Delivery[]
  /** Whether they are sent one by one in random sequence, instead of at the same time. @defaultValue false */
  readonly shuffle?: boolean | undefined
}

/** Deliveries that must get the same response. */
export interface Alike {
  readonly kind: 'alike'
  readonly rule: RuleId
  readonly deliveries: readonly Delivery[]
}

/** Connections that send half of a request and then nothing, until the end of the scenario. */
export interface HalfSent {
  readonly kind: 'half-sent'
  readonly connections: number
}

/** A pause. */
export interface Pause {
  readonly kind: 'pause'
  readonly ms: number
}

/**
 * The expected outcome of a delivery.
 * - `success`: the status `S`, at once or after retries
 * - `same-order-id`: `S`, with the `orderId` of the first success of the order
 * - `conflict`: `REPEAT_REQ_INCONSISTENT`
 * - `refused`: any result except `S`; the sender is not verified
 * - `invalid`: the status `F`; the sender is verified, and the message breaks a rule
 */
export type Expectation = 'success' | 'same-order-id' | 'conflict' | 'refused' | 'invalid'

/** How an order is written as JSON, or what is sent instead. */
export type Content =
  | 'compact'
  | 'pretty'
  /** Every character outside ASCII as `\uXXXX`, and `/` as `\/`. */
  | 'escaped'
  /** Text that is not JSON. */
  | 'not-json'
  | 'empty'
  | 'array'
  /** One member twice, with two values. */
  | 'duplicate-member'
  /** 10,000 nested arrays. */
  | 'deep'
  /** A member of 4 MiB. */
  | 'large'

/** How the headers are written. */
export type HeaderForm =
  /** Other order of keys, white space around them. */
  | 'spaced'
  /** The time in UTC, with a fraction. */
  | 'time-utc'
  /** The time as epoch milliseconds. */
  | 'time-milliseconds'
  /** base64 that is not URL-encoded. */
  | 'raw-base64'

/** The fault of a request. */
export type SimulatedFault =
  | TestFault
  /** A key version that does not exist. */
  | 'key-version'
  /** The header names the other algorithm. */
  | 'algorithm'
  /** The `Encrypt` header is removed after signing. */
  | 'no-encrypt'
  /** The AES key in the `Encrypt` header is replaced by random bytes. */
  | 'symmetric-key'
  /** The ciphertext is random, and signed. */
  | 'ciphertext'
  /** The method is `GET`. */
  | 'method'
  /** The `Content-Type` is XML. */
  | 'content-type'

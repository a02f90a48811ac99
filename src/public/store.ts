/**
 * To write your own store: its interface, and the decision that it makes. `./testing` has the tests for it.
 *
 * @packageDocumentation
 */
export {
  type Decision,
  decide,
  type Incoming,
  type ModifyTimeComparison,
  type Remembered,
  toClaimResult,
  type UncheckedClaim,
} from '../policy/idempotency.ts'
export type {
  ClaimOptions,
  ClaimResult,
  Completion,
  Delivery,
  ForgetResult,
  HeldClaim,
  LastProcessed,
  OrderRecord,
  OrderSyncStore,
} from '../stores/store.ts'

/**
 * Decisions without side effects: which event of an order is new, and how long to wait before a retry.
 *
 * @packageDocumentation
 */
export {
  type Decision,
  decide,
  type Incoming,
  type ModifyTimeComparison,
  type Remembered,
} from '../policy/idempotency.ts'
export { retryDelay } from '../policy/retry.ts'

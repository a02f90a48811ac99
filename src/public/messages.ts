/**
 * Validation of the order and of the response. Pure functions.
 *
 * @packageDocumentation
 */
export { toOutgoingOrder } from '../client/order.ts'
export type { StandardSchema } from '../messages/standard-schema.ts'
export { validateOrder, validateResponse } from '../messages/validate.ts'

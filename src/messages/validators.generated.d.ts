import type { OrderSyncResponse } from '../result-codes.ts'
import type { Order } from './order.ts'

/** A validator that ajv generates at build time; see scripts/generate.ts. */
export interface Validator<Message> {
  (value: unknown): value is Message
  /** The errors of the last call. */
  errors?: readonly ValidationError[] | null
}

export interface ValidationError {
  /** The JSON Pointer of the invalid value. */
  readonly instancePath: string
  readonly keyword: string
  readonly params: { readonly missingProperty?: string }
}

export declare const order: Validator<Order>
export declare const response: Validator<OrderSyncResponse>

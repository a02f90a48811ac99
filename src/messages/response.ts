import type { JSONSchemaType } from 'ajv'
import type { OrderSyncResponse } from '../result-codes.ts'

/**
 * JSON Schema of {@link OrderSyncResponse}. The compiler checks that it matches the type, and requires `nullable` on
 * optional members; `scripts/generate.ts` removes it.
 */
export const responseSchema: JSONSchemaType<OrderSyncResponse> = {
  type: 'object',
  description: 'a JSON object',
  required: ['result'],
  properties: {
    result: {
      type: 'object',
      description: 'an object of "resultCode", "resultStatus" and "resultMessage"',
      required: ['resultCode', 'resultStatus'],
      properties: {
        resultCode: { type: 'string', pattern: '^[\\s\\S]{1,64}$', description: 'a string of 1 to 64 characters' },
        resultStatus: { type: 'string', enum: ['S', 'F', 'U', 'A'], description: 'S, F, U or A' },
        resultMessage: {
          type: 'string',
          nullable: true,
          pattern: '^[\\s\\S]{0,256}$',
          description: 'a string of at most 256 characters',
        },
      },
    },
    orderId: {
      type: 'string',
      nullable: true,
      pattern: '^[\\s\\S]{1,64}$',
      description: 'a string of 1 to 64 characters',
    },
  },
  // `required` is necessary: without it, a message without these members matches the condition.
  if: {
    required: ['result'],
    properties: {
      result: { type: 'object', required: ['resultStatus'], properties: { resultStatus: { const: 'S' } } },
    },
  },
  // biome-ignore lint/suspicious/noThenProperty: a keyword of JSON Schema
  then: { required: ['orderId'] },
}

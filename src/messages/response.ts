import type { JSONSchemaType } from 'ajv'
import type { OrderSyncResponse } from '../result-codes.ts'


/** JSON Schema of {@link OrderSyncResponse}, kept equal to the type by the compiler. */
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
  // Absent members are named here, or the condition would hold without them.
  if: {
    required: ['result'],
    properties: {
      result: { type: 'object', required: ['resultStatus'], properties: { resultStatus: { const: 'S' } } },
    },
  },
  // biome-ignore lint/suspicious/noThenProperty: a keyword of JSON Schema
  then: { required: ['orderId'] },
}

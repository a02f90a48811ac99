import type { JSONSchemaType } from 'ajv'

/**
 * A sum of money, as a string of digits, so that floating point never rounds it.
 *
 * @see docs/protocol.md section 5.2
 */
export interface Amount {
  /** The sum in the minor unit of the currency, as 1 to 64 digits: `"1000"` is 10.00 HKD, 1000 JPY or 1.000 KWD. */
  value: string
  /** An ISO 4217 code: three capital letters. */
  currency: string
}

/** JSON Schema of {@link Amount}. */
export const amountSchema: JSONSchemaType<Amount> = {
  type: 'object',
  description: 'an object of "value" and "currency"',
  required: ['value', 'currency'],
  properties: {
    value: {
      type: 'string',
      pattern: '^[0-9]{1,64}$',
      description: "a string of 1 to 64 digits, in the currency's minor unit",
    },
    currency: { type: 'string', pattern: '^[A-Z]{3}$', description: 'an ISO 4217 code of three capital letters' },
  },
}

import type { JSONSchemaType } from 'ajv'

/**
 * A sum of money, as a string of digits, so that floating point never rounds it.
 *
 * @see docs/protocol.md section 5.2
 */
export interface Amount {
  /** The sum in cents, as 1 to 64 digits: `"1000"` is 10.00. */
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
    value: { type: 'string', pattern: '^[0-9]{1,64}$', description: 'a string of 1 to 64 digits, the amount in cents' },
    currency: { type: 'string', pattern: '^[A-Z]{3}$', description: 'an ISO 4217 code of three capital letters' },
  },
}

/**
 * Parses a decimal string into an {@link Amount}, without rounding.
 *
 * @param decimal For example `"10.50"`: no sign, no grouping, at most two decimals.
 * @param currency An ISO 4217 code, for example `"HKD"`.
 * @throws RangeError when one of the arguments has another format
 * @see docs/protocol.md section 5.2
 * @example
 * ```ts
 * import { parseAmount } from 'alipayhk-order-sync'
 *
 * parseAmount('10.50', 'HKD') // { value: '1050', currency: 'HKD' }
 * ```
 */
export function parseAmount(decimal: string, currency: string): Amount {
  const parts = typeof decimal === 'string' ? /^(\d{1,62})(?:\.(\d{1,2}))?$/.exec(decimal) : null
  if (parts === null) {
    throw new RangeError('A decimal amount must be a string such as "10.50": digits, and at most two decimals')
  }
  if (!/^[A-Z]{3}$/.test(currency)) throw new RangeError('A currency must be an ISO 4217 code such as "HKD"')
  const [, whole = '', cents = ''] = parts
  return { value: (whole + cents.padEnd(2, '0')).replace(/^0+(?=\d)/, ''), currency }
}

/**
 * Formats an {@link Amount} as a decimal string with two decimals, without rounding.
 *
 * @throws RangeError when `value` is not a string of digits
 * @see docs/protocol.md section 5.2
 * @example
 * ```ts
 * import { formatAmount } from 'alipayhk-order-sync'
 *
 * formatAmount({ value: '1050', currency: 'HKD' }) // '10.50'
 * ```
 */
export function formatAmount({ value }: Amount): string {
  if (typeof value !== 'string' || !/^\d+$/.test(value)) throw new RangeError('"value" must be a string of digits')
  const digits = value.replace(/^0+/, '').padStart(3, '0')
  return `${digits.slice(0, -2)}.${digits.slice(-2)}`
}

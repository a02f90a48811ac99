import type { Amount } from './amount.ts'
import { CURRENCIES_BY_DECIMALS } from './minor-units.generated.ts'

/** The number of decimals of each currency. */
const DECIMALS: ReadonlyMap<string, number> = new Map(
  Object.entries(CURRENCIES_BY_DECIMALS).flatMap(([decimals, currencies]) =>
    currencies.split(' ').map((currency) => [currency, Number(decimals)] as const),
  ),
)

/**
 * Parses a decimal string into an {@link Amount} in the minor unit of the currency, without rounding. The number of
 * decimals comes from ISO 4217: 2 for most currencies, 0 for JPY, 3 for KWD.
 *
 * @param decimal For example `"10.50"`: no sign, no grouping, at most as many decimals as the currency has.
 * @param currency A current ISO 4217 code, for example `"HKD"`.
 * @throws RangeError when the text has another format or too many decimals, or the currency is unknown
 * @see docs/protocol.md section 5.2
 * @example
 * ```ts
 * import { parseAmount } from 'alipayhk-order-sync'
 *
 * parseAmount('10.50', 'HKD') // { value: '1050', currency: 'HKD' }
 * parseAmount('1000', 'JPY') // { value: '1000', currency: 'JPY' }
 * ```
 */
export function parseAmount(decimal: string, currency: string): Amount {
  const decimals = decimalsOf(currency)
  const parts = typeof decimal === 'string' ? /^(\d+)(?:\.(\d+))?$/.exec(decimal) : null
  if (parts === null) throw new RangeError('A decimal amount must be a string of digits, such as "10.50"')
  const [, whole = '', fraction = ''] = parts
  if (fraction.length > decimals) throw new RangeError(`An amount in ${currency} has at most ${decimals} decimals`)
  const digits = whole + fraction.padEnd(decimals, '0')
  if (digits.length > 64) throw new RangeError('An amount has at most 64 digits, in the minor unit of the currency')
  return { value: digits.replace(/^0+(?=\d)/, ''), currency }
}

/**
 * Formats an {@link Amount} as a decimal string, without rounding. It has as many decimals as the currency, by ISO 4217.
 *
 * @throws RangeError when `value` is not a string of 1 to 64 digits, or the currency is unknown
 * @see docs/protocol.md section 5.2
 * @example
 * ```ts
 * import { formatAmount } from 'alipayhk-order-sync'
 *
 * formatAmount({ value: '1050', currency: 'HKD' }) // '10.50'
 * formatAmount({ value: '1000', currency: 'JPY' }) // '1000'
 * ```
 */
export function formatAmount({ value, currency }: Amount): string {
  const decimals = decimalsOf(currency)
  if (typeof value !== 'string' || !/^\d{1,64}$/.test(value)) {
    throw new RangeError('"value" must be a string of 1 to 64 digits')
  }
  const digits = value.replace(/^0+/, '').padStart(decimals + 1, '0')
  return decimals === 0 ? digits : `${digits.slice(0, -decimals)}.${digits.slice(-decimals)}`
}

function decimalsOf(currency: string): number {
  const decimals = DECIMALS.get(currency)
  if (decimals === undefined) {
    throw new RangeError(
      'The currency must be a current ISO 4217 code such as "HKD". ' +
        'For a currency that is newer than this release, write the amount as { value, currency }',
    )
  }
  return decimals
}

/** A value in a call. Keys and responses are text, times and tokens are whole numbers. */
export type Argument = string | number | boolean

/** A row as the driver returns it, or undefined. */
export type Row = Readonly<Record<string, unknown>> | undefined

/**
 * The text of a call of a procedure. Text is written as hexadecimal bytes: it then needs no escapes, which depend on the
 * `sql_mode`, and no character set of the connection.
 *
 * @param prefix The quoted database and a dot, or nothing.
 */
export function callOf(prefix: string, procedure: string, args: readonly Argument[]): string {
  return `CALL ${prefix}${procedure}(${args.map(literalOf).join(', ')})`
}

function literalOf(argument: Argument): string {
  if (typeof argument === 'string') return `X'${Buffer.from(argument).toString('hex')}'`
  if (typeof argument === 'boolean') return argument ? '1' : '0'
  if (!Number.isSafeInteger(argument)) throw new RangeError('A number in a call must be a safe integer')
  return String(argument)
}

/** The first row of the first result set. A call has one more result than it selects. */
export function firstRow(result: unknown): Row {
  if (!Array.isArray(result)) return undefined
  const [first] = result
  return (Array.isArray(first) ? first[0] : first) as Row
}

/** A `BIGINT`: some settings of the driver return it as text. */
export function numberOf(value: unknown): number | null {
  return value === null || value === undefined ? null : Number(value)
}

/** A text that was selected as bytes. */
export function textOf(value: unknown): string | null {
  if (value === null || value === undefined) return null
  return value instanceof Uint8Array ? Buffer.from(value).toString() : String(value)
}

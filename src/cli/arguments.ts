/** The user called the command incorrectly. The command prints only the message. */
export class UsageError extends Error {
  override readonly name = 'UsageError'
}

/** Returns the value of a required option. */
export function requireOption(option: string, value: string | undefined): string {
  if (value === undefined || value === '') throw new UsageError(`${option} is missing.`)
  return value
}

/** Parses a whole number between two bounds, both inclusive. */
export function parseWholeNumber(
  option: string,
  value: string,
  { min = 0, max }: { min?: number; max: number },
): number {
  const number = /^\d{1,15}$/.test(value) ? Number(value) : Number.NaN
  if (number >= min && number <= max) return number
  throw new UsageError(`${option} must be a whole number from ${min} to ${max}.`)
}

/** Rejects arguments that are not options. Does not quote them: they may be a key that the shell has split. */
export function assertNoPositionals(positionals: readonly string[]): void {
  if (positionals.length > 0) throw new UsageError('Options are all it takes; something else is among them.')
}

/** The command was called in a way that it cannot be. The message is all that is shown. */
export class UsageError extends Error {
  override readonly name = 'UsageError'
}

/** The value of an option that has to be there. */
export function required(option: string, value: string | undefined): string {
  if (value === undefined || value === '') throw new UsageError(`${option} is missing.`)
  return value
}

/** A whole number within bounds. */
export function wholeNumber(option: string, value: string, { min = 0, max }: { min?: number; max: number }): number {
  const number = /^\d{1,15}$/.test(value) ? Number(value) : Number.NaN
  if (number >= min && number <= max) return number
  throw new UsageError(`${option} must be a whole number from ${min} to ${max}.`)
}

/** Refuses arguments that are not options. They are not quoted: a key that a shell has split ends up among them. */
export function noPositionals(positionals: readonly string[]): void {
  if (positionals.length > 0) throw new UsageError('Options are all it takes; something else is among them.')
}

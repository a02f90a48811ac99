/**
 * Parses a `Retry-After` header (RFC 9110 section 10.2.3): whole seconds, or an HTTP date.
 *
 * @param now Milliseconds since the epoch.
 * @returns Milliseconds from now, 0 for a date that has passed; undefined when the header is absent or malformed.
 */
export function parseRetryAfter(text: string | undefined, now: number): number | undefined {
  const trimmed = text?.trim() ?? ''
  if (/^\d{1,9}$/.test(trimmed)) return Number(trimmed) * 1_000
  // Date.parse() accepts much more than an HTTP date, such as "1" for the year 2001.
  if (!/^[A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT$/.test(trimmed)) return undefined
  const date = Date.parse(trimmed)
  return Number.isNaN(date) ? undefined : Math.max(0, date - now)
}

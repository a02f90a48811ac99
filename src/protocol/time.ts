import { ProtocolError } from '../errors.ts'

const ISO_8601 = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:?\d\d)$/
const EPOCH_MILLISECONDS = /^\d{13}$/

/** The greatest offset that java.time can write, and so the senders we know of. */
const MAX_OFFSET_MINUTES = 18 * 60

/** Hong Kong's offset from UTC in minutes, in which times are written. */
const OFFSET_MINUTES = 8 * 60

/**
 * The moment a `Request-Time` or `Response-Time` names: ISO 8601 with an offset (`±hh:mm`, `±hhmm` or `Z`) and a
 * fraction of any length, or 13 digits of epoch milliseconds.
 *
 * @returns Milliseconds since the epoch.
 * @throws {@link RejectionError} `ERR_HEADER_INVALID`
 * @see docs/protocol.md section 2.3
 * @example
 * ```ts
 * import { parseTime } from 'alipayhk-order-sync'
 *
 * parseTime('2024-05-22T09:12:21+08:00') // 1716340341000
 * ```
 */
export function parseTime(text: string, header = 'Request-Time'): number {
  if (EPOCH_MILLISECONDS.test(text)) return Number(text)
  if (!ISO_8601.test(text)) throw malformed(header)
  const year = twoDigits(text, 0) * 100 + twoDigits(text, 2)
  const month = twoDigits(text, 5)
  const day = twoDigits(text, 8)
  const hour = twoDigits(text, 11)
  const minute = twoDigits(text, 14)
  const second = twoDigits(text, 17)
  const exists = isDate(year, month, day) && hour < 24 && minute < 60 && second < 60
  const offset = parseOffset(text)
  if (!exists || offset === undefined) throw malformed(header)
  return Date.UTC(year, month - 1, day, hour, minute, second, parseMilliseconds(text)) - offset * 60_000
}

/** Whether the day is in the calendar. Years before 100 are not: Date.UTC takes 24 for 1924. */
function isDate(year: number, month: number, day: number): boolean {
  const isLeap = year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0)
  const days = (DAYS[month - 1] ?? 0) + (month === 2 && isLeap ? 1 : 0)
  return year >= 100 && day >= 1 && day <= days
}

/** Of each month in a common year. */
const DAYS = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31] as const

/** The first three digits of the fraction; more are cut off. Of fewer, parseFloat stops at what follows them. */
function parseMilliseconds(text: string): number {
  return text.charAt(19) === '.' ? Math.round(Number.parseFloat(text.slice(19, 23)) * 1000) : 0
}

/** Minutes east of UTC, or undefined when no clock is set so. */
function parseOffset(text: string): number | undefined {
  if (text.endsWith('Z')) return 0
  const minutesAt = text.length - 2
  const hoursAt = minutesAt - (text.charAt(minutesAt - 1) === ':' ? 3 : 2)
  const minutes = twoDigits(text, minutesAt)
  const offset = twoDigits(text, hoursAt) * 60 + minutes
  if (minutes > 59 || offset > MAX_OFFSET_MINUTES) return undefined
  return text.charAt(hoursAt - 1) === '-' ? -offset : offset
}

/** The number that two digits write. */
function twoDigits(text: string, at: number): number {
  return (text.charCodeAt(at) - ZERO) * 10 + (text.charCodeAt(at + 1) - ZERO)
}

const ZERO = 0x30

function malformed(header: string): ProtocolError {
  return new ProtocolError(
    'ERR_HEADER_INVALID',
    `${header} is not an ISO 8601 date and time with an offset, such as 2024-05-22T06:42:21+05:30.`,
  )
}

/**
 * Writes a moment the way the gateway does, in seconds and with Hong Kong's offset: `2024-05-22T09:12:21+08:00`.
 *
 * @param milliseconds Since the epoch.
 * @see docs/protocol.md section 2.3
 * @example
 * ```ts
 * import { formatTime } from 'alipayhk-order-sync'
 *
 * formatTime(1_716_340_341_999) // '2024-05-22T09:12:21+08:00'
 * ```
 */
export function formatTime(milliseconds: number): string {
  const second = Math.floor(milliseconds / 1000)
  if (second !== latest.second) {
    const local = new Date(second * 1000 + OFFSET_MINUTES * 60_000).toISOString()
    latest = { second, text: `${local.slice(0, 19)}+08:00` }
  }
  return latest.text
}

/** All that is written within a second is the same. */
let latest = { second: Number.NaN, text: '' }

/**
 * Refuses a message signed too long ago, or too far ahead, to be live traffic.
 *
 * @param time Milliseconds since the epoch, as `limits.now` is; `limits.clockToleranceSeconds` is in seconds.
 * @throws {@link RejectionError} `ERR_TIME_RANGE`
 * @see docs/protocol.md section 2.3
 */
export function assertFresh(time: number, limits: { now: number; clockToleranceSeconds: number; header?: string }): void {
  const off = (limits.now - time) / 1000
  // Phrased so that NaN is refused too: every comparison with NaN is false.
  if (Math.abs(off) <= limits.clockToleranceSeconds) return
  const direction = off > 0 ? 'behind' : 'ahead of'
  throw new ProtocolError(
    'ERR_TIME_RANGE',
    `${limits.header ?? 'Request-Time'} is ${Math.round(Math.abs(off))} s ${direction} our clock; at most ${limits.clockToleranceSeconds} s are accepted. Check the clocks of both machines.`,
  )
}

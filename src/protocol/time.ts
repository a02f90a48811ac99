import { ProtocolError } from '../errors.ts'

/** Groups: year, month, day, hour, minute, second, fraction, and sign, hours and minutes of the offset. */
const ISO_8601 = /^(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(?:\.(\d+))?(?:Z|([+-])(\d\d):?(\d\d))$/
const EPOCH_MILLISECONDS = /^\d{13}$/

/** The largest offset that java.time writes; all known senders use java.time. */
const MAX_OFFSET_MINUTES = 18 * 60

/** {@link formatTime} writes the local time of Hong Kong. */
const HONG_KONG_OFFSET_MS = 8 * 60 * 60_000

/**
 * Parses a `Request-Time` or `Response-Time`. Accepts ISO 8601 with an offset (`±hh:mm`, `±hhmm` or `Z`) and a
 * fraction of any length, or epoch milliseconds in 13 digits.
 *
 * @returns Milliseconds since the epoch.
 * @throws {@link ProtocolError} `ERR_HEADER_INVALID`
 * @see docs/protocol.md section 2.3
 * @example
 * ```ts
 * import { parseTime } from 'alipayhk-order-sync/protocol'
 *
 * parseTime('2024-05-22T09:12:21+08:00') // 1716340341000
 * ```
 */
export function parseTime(text: string, header = 'Request-Time'): number {
  const milliseconds = EPOCH_MILLISECONDS.test(text) ? Number(text) : parseIso8601(text)
  if (milliseconds !== undefined) return milliseconds
  throw new ProtocolError(
    'ERR_HEADER_INVALID',
    `${header} is not an ISO 8601 date and time with an offset, such as 2024-05-22T06:42:21+05:30.`,
  )
}

function parseIso8601(text: string): number | undefined {
  const match = ISO_8601.exec(text)
  if (match === null) return undefined
  const [, year, month, day, hour, minute, second, fraction = '', sign, offsetHours = 0, offsetMinutes = 0] = match
  const offset = Number(offsetHours) * 60 + Number(offsetMinutes)
  if (Number(offsetMinutes) > 59 || offset > MAX_OFFSET_MINUTES) return undefined
  if (Number(hour) > 23 || Number(minute) > 59 || Number(second) > 59) return undefined
  const millisecond = fraction === '' ? 0 : Number(fraction.slice(0, 3).padEnd(3, '0'))
  const monthIndex = Number(month) - 1
  const local = Date.UTC(
    Number(year),
    monthIndex,
    Number(day),
    Number(hour),
    Number(minute),
    Number(second),
    millisecond,
  )
  // Date.UTC carries the 31st of April over to May, and reads year 24 as 1924.
  const date = new Date(local)
  const exists = date.getUTCMonth() === monthIndex && date.getUTCDate() === Number(day) && Number(year) >= 100
  return exists ? local - (sign === '-' ? -offset : offset) * 60_000 : undefined
}

/**
 * Formats a time as the gateway does, in whole seconds with the offset of Hong Kong: `2024-05-22T09:12:21+08:00`.
 *
 * @param milliseconds Since the epoch.
 * @see docs/protocol.md section 2.3
 * @example
 * ```ts
 * import { formatTime } from 'alipayhk-order-sync/protocol'
 *
 * formatTime(1_716_340_341_999) // '2024-05-22T09:12:21+08:00'
 * ```
 */
export function formatTime(milliseconds: number): string {
  const local = new Date(milliseconds + HONG_KONG_OFFSET_MS).toISOString()
  return `${local.slice(0, '2024-05-22T09:12:21'.length)}+08:00`
}

/**
 * Rejects a message that was signed too long ago, or too far in the future.
 *
 * @param time Milliseconds since the epoch, like `limits.now`.
 * @throws {@link ProtocolError} `ERR_TIME_RANGE`
 * @see docs/protocol.md section 2.3
 */
export function assertFresh(
  time: number,
  limits: { readonly now: number; readonly clockToleranceSeconds: number; readonly header?: string },
): void {
  const { now, clockToleranceSeconds, header = 'Request-Time' } = limits
  const ageSeconds = (now - time) / 1000
  // Return on success, so that NaN is rejected too: every comparison with NaN is false.
  if (Math.abs(ageSeconds) <= clockToleranceSeconds) return
  const difference = `${Math.round(Math.abs(ageSeconds))} s ${ageSeconds > 0 ? 'behind' : 'ahead of'} the local clock`
  throw new ProtocolError(
    'ERR_TIME_RANGE',
    `${header} is ${difference}; at most ${clockToleranceSeconds} s are accepted. ${clockHint(ageSeconds)}`,
  )
}

const QUARTER_HOUR_SECONDS = 15 * 60

/** The likely cause of a difference between two clocks: the offsets of all time zones are whole quarter hours. */
export function clockHint(differenceSeconds: number): string {
  const quarters = Math.round(differenceSeconds / QUARTER_HOUR_SECONDS)
  const isZone = Math.abs(quarters) <= (2 * MAX_OFFSET_MINUTES) / 15 && quarters !== 0
  const rest = Math.abs(differenceSeconds - quarters * QUARTER_HOUR_SECONDS)
  return isZone && rest <= MAX_CLOCK_ERROR_SECONDS
    ? 'The difference is a whole number of quarter hours: one side writes its local time with the offset of another time zone.'
    : 'Check the clocks of both machines.'
}

/** The normal difference of two correct clocks, including the transit time of the message. */
const MAX_CLOCK_ERROR_SECONDS = 30

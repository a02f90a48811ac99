import { printable } from '../../errors.ts'
import { formatTime, parseTime } from '../../protocol/time.ts'
import { type Change, headChange } from '../change.ts'

/** Texts that the sender may have signed as the time, instead of the text of the header. */
export function timeChanges(time: string, timeHeader: string, headers: ReadonlyMap<string, string>): Change[] {
  const candidates = new Map<string, Pick<Change, 'cost' | 'fix'>>()
  const add = (value: string | undefined, what: string, cost: number) => {
    if (value === undefined || value === time || candidates.has(value)) return
    candidates.set(value, { cost, fix: explainTime(what, timeHeader) })
  }
  for (const [name, value] of headers) {
    if (/time|date|timestamp|nonce/.test(name) && name !== timeHeader.toLowerCase()) {
      add(value, `the value of the header ${printable(name, 40)}`, 1)
    }
  }
  const sentAt = instantOf(time)
  if (sentAt !== undefined) {
    for (const [what, value, cost] of formsOf(sentAt)) add(value, `the time as ${what}`, cost)
    for (const seconds of [-1, 1, -2, 2, -3, 3, -4, 4, -5, 5]) {
      add(
        shifted(time, sentAt, seconds),
        `a time that is ${Math.abs(seconds)} s ${seconds < 0 ? 'earlier' : 'later'}`,
        2,
      )
    }
  }
  add(time.trim(), 'the time without white space', 1)
  add(time.replaceAll('+', ' '), 'the time with a space instead of "+"', 1)
  add(time.replaceAll(' ', '+'), 'the time with "+" instead of a space', 1)
  add(encodeURIComponent(time), 'the time in URL encoding', 2)
  add(decoded(time), 'the time without URL encoding', 2)
  add('', 'no time', 2)
  return [...candidates].map(([value, { cost, fix }]) => headChange('time', value, { code: 'time', cost, fix }))
}

function explainTime(what: string, header: string): string {
  return `The sender signed ${what}. Sign the text of the ${header} header, exactly as it is sent: store it in one variable, and use that for both.`
}

/** The year 9999. */
const MAX_INSTANT = 253_402_300_800_000

function instantOf(time: string): number | undefined {
  const text = time.trim().replace(/ (?=\d\d:?\d\d$)/, '+')
  if (/^\d{10}$/.test(text)) return Number(text) * 1000
  try {
    return parseTime(text)
  } catch {
    const instant = Date.parse(text)
    // Dates reach further than the forms below can write.
    return Math.abs(instant) < MAX_INSTANT ? instant : undefined
  }
}

/** The forms in which programs write an instant. */
function formsOf(instant: number): (readonly [what: string, text: string, cost: number])[] {
  const utc = new Date(instant).toISOString()
  const hongKong = formatTime(instant)
  const local = hongKong.slice(0, 19)
  const milliseconds = utc.slice(19, 23)
  const utcSeconds = utc.slice(0, 19)
  return [
    ['ISO 8601 with the offset of Hong Kong', hongKong, 1],
    ['ISO 8601 in UTC with milliseconds', utc, 1],
    ['ISO 8601 in UTC', `${utcSeconds}Z`, 1],
    ['milliseconds since the epoch', String(instant), 1],
    ['seconds since the epoch', String(Math.floor(instant / 1000)), 1],
    ['an offset without a colon', `${local}+0800`, 1],
    ['an offset of two digits', `${local}+08`, 3],
    ['milliseconds and the offset of Hong Kong', `${local}${milliseconds}+08:00`, 2],
    ['milliseconds and an offset without a colon', `${local}${milliseconds}+0800`, 2],
    ['the local time of Hong Kong without an offset', local, 2],
    ['the local time of Hong Kong with Z', `${local}Z`, 2],
    ['UTC without an offset', utcSeconds, 2],
    ['UTC with the offset +00:00', `${utcSeconds}+00:00`, 2],
    ['UTC with the offset +0000', `${utcSeconds}+0000`, 3],
    ['UTC with the offset of Hong Kong', `${utcSeconds}+08:00`, 3],
    ['date and time with a space, in Hong Kong', local.replace('T', ' '), 2],
    ['date and time with a space, in UTC', utcSeconds.replace('T', ' '), 2],
    ['digits without separators, in Hong Kong', local.replace(/\D/g, ''), 2],
    ['digits without separators, in UTC', utcSeconds.replace(/\D/g, ''), 3],
    ['an HTTP date', new Date(instant).toUTCString(), 2],
  ]
}

/** The same form, some seconds earlier or later: programs that format the time twice get two texts. */
function shifted(time: string, instant: number, seconds: number): string | undefined {
  if (/^\d{13}$/.test(time)) return String(instant + seconds * 1000)
  if (/^\d{10}$/.test(time)) return String(instant / 1000 + seconds)
  const [, date, rest] = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(.*)$/.exec(time) ?? []
  if (date === undefined || rest === undefined) return undefined
  const moved = Date.parse(`${date}Z`) + seconds * 1000
  return Number.isNaN(moved) ? undefined : new Date(moved).toISOString().slice(0, 19) + rest
}

function decoded(text: string): string | undefined {
  try {
    return decodeURIComponent(text)
  } catch {
    return undefined
  }
}

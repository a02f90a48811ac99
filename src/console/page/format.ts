const clock = new Intl.DateTimeFormat('en-GB', { hour: '2-digit', minute: '2-digit', second: '2-digit' })

/** `14:03:07.123`, in the time zone of the browser. */
export const timeOf = (at: number) => `${clock.format(at)}.${String(Math.floor(at) % 1000).padStart(3, '0')}`

/** `2026-11-26 14:03:07.123`. Times outside the range of Date are shown as numbers. */
export function dateOf(at: number): string {
  const date = new Date(at)
  if (Number.isNaN(date.getTime())) return String(at)
  const two = (value: number) => String(value).padStart(2, '0')
  return `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())} ${timeOf(at)}`
}

/** `0.4 ms`, `12 ms`, `3.2 s`, `4 min`, `2 h`, `3 d`. */
export function durationOf(ms: number): string {
  const size = Math.abs(ms)
  if (size < 10) return `${ms.toFixed(1)} ms`
  if (size < 1_000) return `${Math.round(ms)} ms`
  if (size < 60_000) return `${(ms / 1_000).toFixed(1)} s`
  if (size < 3_600_000) return `${Math.round(ms / 60_000)} min`
  if (size < 172_800_000) return `${Math.round(ms / 3_600_000)} h`
  return `${Math.round(ms / 86_400_000).toLocaleString('en')} d`
}

export const bytesOf = (size: number) => `${size.toLocaleString('en')} ${size === 1 ? 'byte' : 'bytes'}`

/** The colour of a kind: success, needs attention, failure. */
export function toneOf(kind: string): 'good' | 'quiet' | 'warn' | 'bad' {
  if (kind === 'processed' || kind === 'succeeded') return 'good'
  if (kind === 'replay' || kind === 'duplicate' || kind === 'stale' || kind === 'attempt') return 'quiet'
  if (kind === 'refused' || kind === 'busy' || kind === 'late' || kind === 'aborted') return 'warn'
  return 'bad'
}

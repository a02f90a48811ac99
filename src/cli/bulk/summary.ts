import { formatSeconds, grouped } from './progress.ts'
import { sentIn, type Tally } from './tally.ts'

interface Ending {
  readonly seconds: number
  /** Whether the end of the file was reached. */
  readonly isComplete: boolean
}

/** The summary as data. */
export function summarize(tally: Tally, { seconds, isComplete }: Ending) {
  const { bytes: _, earlier, ...outcomes } = tally
  return {
    complete: isComplete,
    sent: sentIn(tally),
    ...outcomes,
    earlier,
    seconds: Math.round(seconds * 1_000) / 1_000,
  }
}

/** The summary as text. */
export function describeTally(
  tally: Tally,
  { seconds, isComplete, hasJournal, failures }: Ending & { hasJournal: boolean; failures: string | undefined },
): string {
  const { succeeded, refused, undelivered, untrusted, invalid, aborted, earlier } = tally
  const sent = sentIn(tally)
  const parts = [
    [succeeded, 'processed'],
    [refused, 'refused'],
    [undelivered, 'with an unknown outcome'],
    [untrusted, 'with a response that cannot be trusted'],
  ] as const
  const shown = parts.filter(([count]) => count > 0).map(([count, what]) => `${grouped(count)} ${what}`)
  const rate = seconds > 0 ? ` (${grouped(Math.round(sent / seconds))}/s)` : ''
  const lines = [
    `Sent ${count(sent)} in ${formatSeconds(seconds)}${rate}${shown.length > 0 ? `: ${shown.join(', ')}` : ''}.`,
  ]
  if (invalid > 0) lines.push(`${count(invalid)} invalid, and not sent.`)
  if (aborted > 0) lines.push(`${count(aborted)} aborted in flight: the outcome is unknown.`)
  if (earlier.succeeded + earlier.refused > 0) {
    const refusedEarlier = earlier.refused > 0 ? ` (${grouped(earlier.refused)} refused)` : ''
    lines.push(
      `${count(earlier.succeeded + earlier.refused)} completed in earlier runs${refusedEarlier}, and not sent again.`,
    )
  }
  if (failures !== undefined) lines.push(`The orders that were not processed are in ${failures}.`)
  if (!isComplete || undelivered + untrusted > 0) {
    lines.push(
      hasJournal
        ? 'Run the same command again to send the rest.'
        : 'Without --journal, the same command sends everything again.',
    )
  }
  return lines.join('\n')
}

const count = (number: number) => `${grouped(number)} ${number === 1 ? 'order' : 'orders'}`

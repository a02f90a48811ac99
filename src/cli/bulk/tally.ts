import type { Decision } from './ledger.ts'

/** The outcomes of a line in one run. */
export type Outcome = Decision | 'undelivered' | 'untrusted' | 'invalid' | 'aborted'

/** The counts of one run. */
export interface Tally extends Record<Outcome, number> {
  /** Completed in an earlier run, and not sent again. */
  readonly earlier: Record<Decision, number>
  /** The bytes of the lines that are finished. */
  bytes: number
}

export function createTally(): Tally {
  const outcomes = { succeeded: 0, refused: 0, undelivered: 0, untrusted: 0, invalid: 0, aborted: 0 }
  return { ...outcomes, earlier: { succeeded: 0, refused: 0 }, bytes: 0 }
}

/** The orders that were sent, with or without a response. */
export const sentIn = ({ succeeded, refused, undelivered, untrusted }: Tally) =>
  succeeded + refused + undelivered + untrusted

/** The orders that are not known to be processed. */
export const failedIn = ({ refused, undelivered, untrusted, invalid, earlier }: Tally) =>
  refused + undelivered + untrusted + invalid + earlier.refused

/** All orders that are finished. */
export const finishedIn = (tally: Tally) =>
  sentIn(tally) + tally.invalid + tally.earlier.succeeded + tally.earlier.refused

/** The exit status of the most important problem. */
export function exitStatusOf({ untrusted, undelivered, aborted, refused, invalid, earlier }: Tally): number {
  if (untrusted > 0) return 3
  if (undelivered + aborted > 0) return 2
  if (refused + earlier.refused > 0) return 1
  return invalid > 0 ? 64 : 0
}

import type { OrderInput } from 'alipayhk-order-sync'
import type { Verdict } from './classify.ts'
import type { FailuresFile } from './failures-file.ts'
import { identifyLine } from './identify.ts'
import type { Journal } from './journal.ts'
import type { Decision } from './ledger.ts'
import type { Line } from './lines.ts'
import type { Tally } from './tally.ts'

/** A line of the file, with its identifiers. */
export interface KnownLine {
  readonly number: number
  /** As in the file. Undefined: the line is too long. */
  readonly bytes: Buffer | undefined
  /** The size of the line in the file, in bytes. */
  readonly size: number
  readonly requestId: string
  readonly check: number
}

/** Where outcomes are recorded. */
interface Records {
  readonly journal: Journal
  readonly failures: FailuresFile
  readonly tally: Tally
  /** Called with each line for the user. */
  readonly print: (text: string) => void
}

/** More failures are in the journal only. */
const MAX_SHOWN = 20

/** Records the outcome of each line. */
export function createRecorder({ journal, failures, tally, print }: Records) {
  let shown = 0
  let inARow = 0

  function show({ number }: KnownLine, { outcome, code = '', resultCode = '', message = '' }: Verdict): void {
    if (++shown > MAX_SHOWN) return
    const reason = outcome === 'invalid' ? message : `${code} ${resultCode}`.trim()
    print(`Line ${number}: ${outcome}. ${reason}`)
    if (shown === MAX_SHOWN) print('Further failures are not shown.')
  }

  return {
    identify({ number, bytes, size }: Line): KnownLine {
      return { number, bytes, size, ...identifyLine(journal.salt, bytes ?? Buffer.alloc(0)) }
    },

    /** A line that an earlier run has sent. */
    skip({ bytes, size }: KnownLine, decision: Decision): void {
      tally.earlier[decision]++
      tally.bytes += size
      if (decision === 'refused' && bytes !== undefined) failures.add(bytes)
    },

    /** @param order As it was sent, with its requestId. Undefined: it was not sent. */
    settle(line: KnownLine, order: OrderInput | undefined, verdict: Verdict): void {
      const { outcome, ...details } = verdict
      tally[outcome]++
      // The outcome is unknown: the next run sends it again.
      if (outcome === 'aborted') return
      const { number, bytes, size, requestId, check } = line
      journal.write({ line: number, outcome, requestId: order?.requestId ?? requestId, ...details, check })
      tally.bytes += size
      const isUndelivered = outcome === 'undelivered' || outcome === 'untrusted'
      if (outcome !== 'invalid') inARow = isUndelivered ? inARow + 1 : 0
      if (outcome === 'succeeded') return
      // Keep the requestId if the outcome is unknown. A corrected order is a new request.
      const again = isUndelivered ? Buffer.from(JSON.stringify(order)) : bytes
      if (again !== undefined) failures.add(again)
      show(line, verdict)
    },

    /** How many orders in a row could not be delivered. */
    undeliveredInARow: () => inARow,
  }
}

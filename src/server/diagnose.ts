import { diagnoseSignature } from '../diagnosis/signature.ts'
import type { Ended } from './ended.ts'

/** The likely cause of a rejection, if it is known. Never rejects: the event is reported without it. */
export type Diagnose = (ended: Pick<Ended, 'outcome' | 'credentials' | 'unverified'>) => Promise<string | undefined>

/** How many diagnoses start within one second. Each takes some milliseconds, and never more than 100. */
const MAX_PER_SECOND = 4

/**
 * Finds out why a signature does not verify. One at a time, and at most four a second: a flood of bad signatures must not use up
 * the processor.
 *
 * @param clock A clock in milliseconds, from any origin.
 */
export function createDiagnosis(clock: () => number = () => performance.now()): Diagnose {
  let isBusy = false
  let secondEndsAt = Number.NEGATIVE_INFINITY
  let started = 0
  const mayStart = () => {
    const now = clock()
    if (now >= secondEndsAt) {
      secondEndsAt = now + 1_000
      started = 0
    }
    return started++ < MAX_PER_SECOND
  }
  return async ({ outcome, credentials, unverified }) => {
    if (outcome.kind !== 'rejected' || outcome.error.code !== 'ERR_SIGNATURE_INVALID') return undefined
    if (credentials === undefined || unverified === undefined || isBusy || !mayStart()) return undefined
    const { message, headers } = unverified
    isBusy = true
    try {
      return await diagnoseSignature(message, headers, credentials, clock)
    } catch {
      return undefined
    } finally {
      isBusy = false
    }
  }
}

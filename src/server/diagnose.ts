import { diagnoseSignature } from '../diagnosis/signature.ts'
import type { Ended } from './ended.ts'

/** The likely cause of a refusal, if there is something to say. Never rejects: an event without it is still an event. */
export type Diagnose = (ended: Pick<Ended, 'outcome' | 'credentials' | 'unverified'>) => Promise<string | undefined>

/** Finds out why a signature does not verify. One at a time: a flood of bad signatures must not buy processor time. */
export function createDiagnosis(): Diagnose {
  let isBusy = false
  return async ({ outcome, credentials, unverified }) => {
    if (outcome.kind !== 'rejected' || outcome.error.code !== 'ERR_SIGNATURE_INVALID') return undefined
    if (credentials === undefined || unverified === undefined || isBusy) return undefined
    const { message, headers } = unverified
    isBusy = true
    try {
      return await diagnoseSignature(message, headers, credentials)
    } catch {
      return undefined
    } finally {
      isBusy = false
    }
  }
}

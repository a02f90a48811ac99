import type { ParsedCredentials } from '../secure-message/credentials.ts'
import type { ReceivedMessage } from '../secure-message/verify.ts'
import { type NotAccepted, type Outcome, toOutcome } from './outcome.ts'
import { type Recipient, STRANGER } from './respond.ts'

/** A request that has ended. */
export interface Ended<Kind extends Outcome = Outcome> {
  readonly kind: 'ended'
  readonly outcome: Kind
  /** Who receives the response. */
  readonly recipient: Recipient
  /** Of the caller, if it is known. */
  readonly credentials?: ParsedCredentials
  /** Whether the order was accepted: verified, valid and in time. */
  readonly isAccepted?: boolean
  /** The message that did not verify, with all headers by lower-case name. */
  readonly unverified?: { readonly message: ReceivedMessage; readonly headers: ReadonlyMap<string, string> }
}

/** The end of a request that is not verified: its response is not signed. */
export function endUnverified(error: unknown, credentials?: ParsedCredentials): Ended<NotAccepted> {
  return { kind: 'ended', outcome: toOutcome(error), recipient: STRANGER, ...(credentials && { credentials }) }
}

/** The end of a verified request. Its response is signed, unless this side failed before a decision. */
export function endVerified(error: unknown, credentials: ParsedCredentials, recipient: Recipient): Ended<NotAccepted> {
  const outcome = toOutcome(error)
  return { kind: 'ended', outcome, recipient: outcome.kind === 'unavailable' ? STRANGER : recipient, credentials }
}

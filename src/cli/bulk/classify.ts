import {
  DeliveryError,
  isOrderSyncError,
  OrderRefusedError,
  ProtocolError,
  type SyncOrdersOutcome,
  UntrustedResponseError,
} from 'alipayhk-order-sync'
import type { Note } from './journal.ts'
import type { Outcome } from './tally.ts'

/** The outcome of an order, and its reason. */
export interface Verdict extends Pick<Note, 'orderId' | 'attempts' | 'code' | 'resultCode' | 'message'> {
  readonly outcome: Outcome
}

/** Codes that refuse the sender, not the order: the order is sent again after the sender is fixed. */
const ABOUT_SENDER: readonly string[] = ['INVALID_SIGNATURE', 'INVALID_CLIENT', 'KEY_NOT_FOUND']

/**
 * Classifies an outcome for the journal.
 *
 * @throws the error itself, if this side has failed: the next order would fail in the same way
 */
export function classify(outcome: SyncOrdersOutcome, isAborted: boolean): Verdict {
  if (outcome.ok) {
    const { orderId, attempts } = outcome.result
    return { outcome: 'succeeded', orderId, attempts }
  }
  const { error } = outcome
  if (error instanceof OrderRefusedError) {
    const { code, resultCode, resultMessage } = error
    const isDecided = !ABOUT_SENDER.includes(resultCode)
    return { outcome: isDecided ? 'refused' : 'undelivered', code, resultCode, message: resultMessage }
  }
  if (error instanceof DeliveryError) return { outcome: 'undelivered', ...codeAndMessage(error) }
  if (error instanceof UntrustedResponseError) return { outcome: 'untrusted', ...codeAndMessage(error) }
  if (error instanceof ProtocolError) return { outcome: 'invalid', ...codeAndMessage(error) }
  if (isAborted && !isOrderSyncError(error)) return { outcome: 'aborted' }
  throw error
}

const codeAndMessage = ({ code, message }: { readonly code: string; readonly message: string }) => ({ code, message })

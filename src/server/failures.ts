import { match } from 'ts-pattern'
import {
  type ConfigurationError,
  describeFailure,
  HandlerError,
  isOrderSyncError,
  type OrderRefusedError,
} from '../errors.ts'

/** An error on the merchant's side, with a message that is safe to log. */
export type OwnSideError = HandlerError | ConfigurationError

/** By name and not by `instanceof`: the error may come from the other build of this package. */
export function isOwnSideError(error: unknown): error is OwnSideError {
  return isOrderSyncError(error) && (error.name === 'HandlerError' || error.name === 'ConfigurationError')
}

/** What a request waits for. It decides what the error says when the time is up. */
export type Waiting =
  | 'lookup'
  | 'body'
  | 'verification'
  | 'decryption'
  | 'signerDecryption'
  | 'extInfoSchema'
  | 'claim'
  | 'otherDelivery'
  | 'onOrder'
  | 'finish'
  | 'transaction'
  | 'release'

/** The error of a request that timed out. It names what the request was waiting for. */
export function timedOut(waiting: Waiting, timeoutMs: number): HandlerError {
  const after = `after ${timeoutMs} ms ("timeoutMs")`
  const inStore = (call: string) =>
    new HandlerError('ERR_STORE_TIMEOUT', `The request timed out ${after}: store.${call}() was still running.`)
  const inHandler = (work: string) =>
    new HandlerError('ERR_HANDLER_TIMEOUT', `The request timed out ${after} while ${work}.`)
  return match(waiting)
    .with('lookup', () => {
      const message = `The request timed out ${after}: the function "credentials" was still running.`
      return new HandlerError('ERR_CREDENTIALS_LOOKUP', message)
    })
    .with('body', () => inHandler('the body was being received'))
    .with('verification', () => inHandler('the signature was being verified'))
    .with('decryption', () => inHandler('the message was being decrypted'))
    .with('signerDecryption', () => {
      return new HandlerError(
        'ERR_SIGNER',
        `The request timed out ${after}: "decrypt" of the signer was still running.`,
      )
    })
    .with('extInfoSchema', () => inHandler('"extInfoSchema" was still running'))
    .with('claim', () => inStore('claim'))
    .with('otherDelivery', () => inHandler('another delivery of the order was being processed'))
    .with('onOrder', () => {
      const message = `The request timed out ${after}: "onOrder" was still running. Its result is stored if it ends within "leaseMs".`
      return new HandlerError('ERR_ON_ORDER_TIMEOUT', message)
    })
    .with('finish', () => inStore('finish'))
    .with('transaction', () => inStore('finishInTransaction'))
    .with('release', () => inStore('release'))
    .exhaustive()
}

export const IN_CAUSE =
  'The error is in event.error.cause of "onEvent". It is not printed, because it may contain customer data.'

/** `onOrder` threw. */
export function onOrderThrew(cause: unknown): HandlerError {
  return new HandlerError('ERR_ON_ORDER', `"onOrder" threw ${describeFailure(cause)}. ${IN_CAUSE}`, { cause })
}

/** The function `credentials` threw. */
export function lookupThrew(cause: unknown): HandlerError {
  const message = `The function "credentials" threw ${describeFailure(cause)}. ${IN_CAUSE}`
  return new HandlerError('ERR_CREDENTIALS_LOOKUP', message, { cause })
}

/** Another function of the options threw. */
export function optionThrew(name: string, cause: unknown): HandlerError {
  return new HandlerError('ERR_OPTION', `"${name}" threw ${describeFailure(cause)}. ${IN_CAUSE}`, { cause })
}

/** A signer, or a local key, threw. */
export function signerThrew(method: 'sign' | 'decrypt', cause: unknown): HandlerError {
  const message = `"${method}" of the signer threw ${describeFailure(cause)}. ${IN_CAUSE}`
  return new HandlerError('ERR_SIGNER', message, { cause })
}

/** A signer did not sign a response in time. */
export function signerTimedOut(timeoutMs: number): HandlerError {
  return new HandlerError('ERR_SIGNER', `"sign" of the signer took longer than ${timeoutMs} ms ("timeoutMs").`)
}

/** A call of the store threw. Errors that this package wrote pass unchanged. */
export function storeThrew(method: string, cause: unknown): unknown {
  // `finishInTransaction` also rejects with the decision of `onOrder`.
  if (isOwnSideError(cause) || isRefusal(cause)) return cause
  return new HandlerError('ERR_STORE', `store.${method}() threw ${describeFailure(cause)}. ${IN_CAUSE}`, { cause })
}

/** A call of the store took longer than `storeTimeoutMs`. */
export function storeTimedOut(method: string, timeoutMs: number): HandlerError {
  return new HandlerError('ERR_STORE_TIMEOUT', `store.${method}() took longer than ${timeoutMs} ms ("storeTimeoutMs").`)
}

/** The store returned something that no release of this package has stored. */
export function unreadableResponse(): HandlerError {
  return new HandlerError('ERR_STORE', 'The store returned a response that this library did not store.')
}

/** The same error, with its consequence. */
export function withConsequence(error: unknown, consequence: string): OwnSideError {
  const known = toOwnSideError(error)
  if (known.name === 'ConfigurationError') return known
  return new HandlerError(known.code, `${known.message} ${consequence}`, { cause: known.cause })
}

/** `onOrder` ended after its lease. */
export function leaseLost(leaseMs: number): HandlerError {
  const message = `"onOrder" ended after its lease of ${leaseMs} ms ("leaseMs"), and another delivery of the order was claimed: the result was not stored, and "onOrder" may have run twice.`
  return new HandlerError('ERR_FENCED', message)
}

/** Turns any error into one on the merchant's side. */
export function toOwnSideError(error: unknown): OwnSideError {
  if (isOwnSideError(error)) return error
  const message = `Handling the request failed with ${describeFailure(error)}. ${IN_CAUSE}`
  return new HandlerError('ERR_INTERNAL', message, { cause: error })
}

/**
 * Whether `onOrder` refused the order. An error with a response was thrown by a client inside `onOrder`: the refusal of that
 * peer decides nothing about this order.
 */
export function isRefusal(error: unknown): error is OrderRefusedError {
  return isOrderSyncError(error) && error.name === 'OrderRefusedError' && error.response === undefined
}

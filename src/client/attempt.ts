import { DeliveryError, describeFailure, printableCode, UntrustedResponseError } from '../errors.ts'
import { ORDER_SYNC_METHOD } from '../protocol/endpoint.ts'
import { parseRetryAfter } from '../protocol/retry-after.ts'
import type { OrderSyncResponse } from '../result-codes.ts'
import { type SecuredMessage, secureMessage } from '../secure-message/secure.ts'
import { withTimeout } from '../timeout.ts'
import type { SyncTrace } from './event.ts'
import { type ObservedAttempt, startAttempt } from './observation.ts'
import type { ClientSettings } from './options.ts'
import { type ReceivedResponse, readResponse } from './read-response.ts'
import { asUnknownIfTryLater, requireSuccess, verifyResponse } from './response.ts'

/** An order to send. */
export interface OrderToSend {
  /** The serialized order. */
  readonly plaintext: Uint8Array
  readonly requestId: string
  /** The caller's signal. */
  readonly signal: AbortSignal | undefined
  /** Notes what is known about the response, even if it is not trusted. */
  readonly trace: SyncTrace
}

/** A verified response that reports success. */
interface Success {
  readonly orderId: string
  readonly tracerId: string | undefined
  readonly response: OrderSyncResponse
}

/**
 * Sends an order once, with a new time, a new signature and a new AES key.
 *
 * @throws the error for the caller of `syncOrder`; `isRetryable` decides whether another attempt may follow
 */
export async function attempt<ExtInfo>(order: OrderToSend, settings: ClientSettings<ExtInfo>): Promise<Success> {
  const { requestId, signal: callerSignal } = order
  const { timeoutMs, signedPath } = settings
  const observed = startAttempt(order.trace, signedPath)
  const startedAt = performance.now()
  const message = `There was no verified response from ${settings.url.host} within ${timeoutMs} ms.`
  const onTimeout = () => new DeliveryError('ERR_TIMEOUT', message, { requestId })
  // After a suspension of the process, the signature may arrive before the expired timer fires. Send nothing then: another
  // process may have sent a newer event of the order.
  const assertInTime = () => {
    if (performance.now() - startedAt > timeoutMs) throw onTimeout()
  }
  try {
    return await withTimeout((signal) => sendAndVerify(order, settings, { signal, observed, assertInTime }), {
      timeoutMs,
      onTimeout,
      signal: callerSignal,
    })
  } catch (error) {
    // The caller's own abort is not a network failure.
    callerSignal?.throwIfAborted()
    throw error
  } finally {
    if (observed !== undefined) observed.endedAt = performance.now()
  }
}

async function sendAndVerify<ExtInfo>(
  { plaintext, requestId, trace }: OrderToSend,
  settings: ClientSettings<ExtInfo>,
  {
    signal,
    observed,
    assertInTime,
  }: {
    readonly signal: AbortSignal
    readonly observed: ObservedAttempt | undefined
    readonly assertInTime: () => void
  },
): Promise<Success> {
  const { signedPath: path, credentials, encryptTo, encryption, now } = settings
  const sentAt = now()
  trace.status = undefined
  trace.tracerId = undefined
  const message = { kind: 'request', method: ORDER_SYNC_METHOD, path, now: sentAt, plaintext, encryptTo } as const
  const secured = await secureMessage(message, credentials, encryption)
  if (observed !== undefined) Object.assign(observed, { ...secured, signedAt: performance.now() })
  // Signing may have taken longer than the timeout: then nothing is sent.
  signal.throwIfAborted()
  assertInTime()
  const received = await send(secured, { requestId, signal }, settings)
  if (observed !== undefined) Object.assign(observed, { response: received, receivedAt: performance.now() })
  trace.status = received.status
  trace.tracerId = printableTracerId(received.headers.get('tracer-id'))
  let retryAfterMs: number | undefined
  let response: OrderSyncResponse
  try {
    retryAfterMs = parseRetryAfter(received.headers.get('retry-after'), now())
    response = await verifyResponse(received, settings, { requestId, sentAt })
  } catch (cause) {
    if (cause instanceof UntrustedResponseError) throw asUnknownIfTryLater(cause, retryAfterMs)
    // This side failed, for example a signer that decrypts. The order was sent: the caller needs its requestId.
    const message = 'A response was received, but this side could not verify or decrypt it.'
    throw new DeliveryError('ERR_RESULT_UNKNOWN', message, { cause, requestId, httpStatus: received.status })
  }
  const orderId = requireSuccess(response, received, settings, { requestId, sentAt, retryAfterMs })
  return { orderId, tracerId: trace.tracerId, response }
}

/** @throws {@link DeliveryError} `ERR_NETWORK`, and the errors of {@link readResponse} */
async function send<ExtInfo>(
  { headers, body }: SecuredMessage,
  { requestId, signal }: { readonly requestId: string; readonly signal: AbortSignal },
  { url, agentToken, maxResponseBytes, fetch }: ClientSettings<ExtInfo>,
): Promise<ReceivedResponse> {
  try {
    const response = await fetch(url, {
      method: ORDER_SYNC_METHOD,
      headers: agentToken === undefined ? headers : { ...headers, 'Agent-Token': agentToken },
      body: body as Uint8Array<ArrayBuffer>,
      // A followed redirect would send the signed order to any host that it names.
      redirect: 'manual',
      signal,
    })
    return await readResponse(response, maxResponseBytes, requestId)
  } catch (cause) {
    if (cause instanceof UntrustedResponseError) throw asUnknownIfTryLater(cause, undefined)
    // Only the network code, such as ENOTFOUND: the message of such an error may quote anything.
    const reason = printableCode(cause) ?? describeFailure(cause)
    const message = `${url.host} could not be reached, or closed the connection: ${reason}.`
    throw new DeliveryError('ERR_NETWORK', message, { cause, requestId })
  }
}

/** Not trusted: the signature does not cover this header. */
function printableTracerId(tracerId: string | undefined): string | undefined {
  return tracerId !== undefined && /^[ -~]{1,128}$/.test(tracerId) ? tracerId : undefined
}

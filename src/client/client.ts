import { setTimeout as sleep } from 'node:timers/promises'
import { DeliveryError, UntrustedResponseError } from '../errors.ts'
import { type SecuredMessage, secureMessage } from '../secure-message/secure.ts'
import { formatJson } from '../protocol/json.ts'
import type { OpenObject, Order } from '../messages/order.ts'
import type { OrderSyncResponse } from '../result-codes.ts'
import { validateExtInfo, validateOrder } from '../messages/validate.ts'
import { type Attempt, isRetryable, retryDelay } from '../policy/retry.ts'
import { ORDER_SYNC_METHOD } from '../protocol/endpoint.ts'
import { follow, within } from './abort.ts'
import { type ReceivedResponse, readAnswer, toDeliveryError, toError, verifyAnswer } from './response.ts'
import { type ClientOptions, resolveOptions, type Settings } from './options.ts'

type FilledIn = 'requestId' | 'merchantBizType'

/** An order to be sent: `requestId` and `merchantBizType` are filled in where they are missing. */
export type OrderInput<ExtInfo = OpenObject> = Omit<Order<ExtInfo>, FilledIn> & Partial<Pick<Order, FilledIn>>

/** What came of a sync that succeeded. */
export interface SyncResult {
  /** The order's id on the peer's side. */
  readonly orderId: string
  /** The id that the request went by. */
  readonly requestId: string
  /** How many requests it took. */
  readonly attempts: number
  /** The peer's `Tracer-Id`, where it sent one: quote it when you ask them. Not covered by the signature. */
  readonly tracerId: string | undefined
  /** The answer itself, verified. */
  readonly response: OrderSyncResponse
}

/** Made by {@link createOrderSyncClient}. */
export interface OrderSyncClient<ExtInfo = OpenObject> {
  /**
   * Sends one order, and again while that is right, and resolves once the peer has answered success.
   *
   * @throws {@link RejectionError} `ERR_FIELD_INVALID`: the order breaks the protocol; nothing was sent
   * @throws {@link RefusalError} `ERR_REFUSED`: the peer decided against it
   * @throws {@link DeliveryError} `ERR_TIMEOUT`, `ERR_NETWORK`, `ERR_HTTP_STATUS`, `ERR_RESULT_UNKNOWN`: not decided after all retries
   * @throws {@link ReplyError} `ERR_REPLY_…`: an answer came that cannot be trusted
   * @throws `signal.reason` when you abort
   * @see docs/protocol.md section 6.2
   */
  syncOrder(order: OrderInput<ExtInfo>, options?: { signal?: AbortSignal | undefined }): Promise<SyncResult>
}

/**
 * Makes a client for outbound order syncs: it validates, encrypts, signs, sends, verifies the answer, and tries
 * again where that is right: with the same `requestId`, and a new time and signature.
 *
 * @throws RangeError, TypeError when an option is out of bounds
 * @throws {@link ConfigurationError} when a key or credential is wrong: `ERR_KEY_FORMAT`, `ERR_KEY_KIND`, `ERR_KEY_ENCRYPTED`,
 * `ERR_KEY_WEAK`, `ERR_KEY_ALGORITHM`, `ERR_KEY_OWN`, `ERR_KEY_RING`, `ERR_KEY_USE`, `ERR_CREDENTIALS`
 * @see docs/protocol.md sections 1 to 6
 * @example
 * ```ts
 * import { createOrderSyncClient } from 'alipayhk-order-sync'
 *
 * const client = createOrderSyncClient({
 *   credentials: {
 *     clientId: '4Q5Y8W0WSG45P907917',
 *     privateKeys: { 1: process.env['MERCHANT_PRIVATE_KEY'] ?? '' },
 *     peerPublicKeys: { 1: process.env['ALIPAYHK_PUBLIC_KEY'] ?? '' },
 *   },
 *   environment: 'testing',
 *   encrypt: true,
 * })
 * const { orderId } = await client.syncOrder({
 *   tradeNo: '2024052200001',
 *   merchantBizNo: 'A-1',
 *   orderStatus: 'PAID',
 *   orderCreateTime: 1716331341000,
 *   orderModifyTime: 1716331341000,
 *   userId: '2088000000000000',
 *   extInfo: {},
 * })
 * console.log(orderId)
 * ```
 */
export function createOrderSyncClient<ExtInfo = OpenObject>(options: ClientOptions<ExtInfo>): OrderSyncClient<ExtInfo> {
  const settings = resolveOptions(options)
  return {
    async syncOrder(input, { signal: caller } = {}) {
      const followed = caller && follow(caller)
      try {
        return await sync(input, followed?.signal, settings)
      } finally {
        followed?.release()
      }
    },
  }
}

async function sync<ExtInfo>(
  input: OrderInput<ExtInfo>,
  signal: AbortSignal | undefined,
  settings: Settings<ExtInfo>,
): Promise<SyncResult> {
  const { extInfoSchema: extInfo, retries, json, random } = settings
  const requestId = input.requestId ?? settings.randomUUID().replaceAll('-', '')
  const order = validateOrder(filledIn(input, requestId))
  if (extInfo !== undefined) await within({ outer: signal }, () => validateExtInfo(order.extInfo, extInfo))
  const plaintext = formatJson(order, json)
  for (let attempts = 1; ; attempts++) {
    const end = await attempt({ plaintext, requestId, signal }, settings)
    if ('reply' in end) return { orderId: end.orderId, requestId, attempts, tracerId: end.tracerId, response: end.reply }
    if (!isRetryable(end.attempt) || attempts > retries) throw end.error
    await pause(retryDelay(attempts, settings, random()), signal)
  }
}

/** The copy does not begin the literal: see docs/decisions/0012. */
function filledIn(input: OrderInput<unknown>, requestId: string): object {
  const order: Partial<Record<FilledIn, string>> = { requestId, merchantBizType: 'TRADE_ORDER', ...input }
  order.requestId = requestId
  order.merchantBizType = input.merchantBizType ?? 'TRADE_ORDER'
  return order
}

interface Outgoing {
  readonly plaintext: Uint8Array
  readonly requestId: string
  readonly signal: AbortSignal | undefined
}

type End =
  | { readonly reply: OrderSyncResponse; readonly orderId: string; readonly tracerId: string | undefined }
  | { readonly error: unknown; readonly attempt: Attempt }

/** One attempt: a new time, a new signature, a new AES key. Throws only what ends the sync whatever the policy says. */
async function attempt<ExtInfo>(outgoing: Outgoing, settings: Settings<ExtInfo>): Promise<End> {
  const { requestId, signal: outer } = outgoing
  const { timeoutMs } = settings
  const late = () => new DeliveryError('ERR_TIMEOUT', `No answer came within ${timeoutMs} ms.`, { requestId })
  try {
    return await within({ timeoutMs, late, outer }, (signal) => exchange(outgoing, settings, signal))
  } catch (error) {
    // Our caller's own abort is not a failure of the network.
    outer?.throwIfAborted()
    if (error instanceof DeliveryError) return { error, attempt: { kind: 'unanswered' } }
    if (!(error instanceof UntrustedResponseError)) throw error
    return { error: toDeliveryError(error), attempt: { kind: 'untrusted', httpStatus: error.httpStatus ?? 0 } }
  }
}

async function exchange<ExtInfo>(
  { plaintext, requestId }: Outgoing,
  settings: Settings<ExtInfo>,
  signal: AbortSignal,
): Promise<End> {
  const { path, credentials, encryptTo, envelope, now } = settings
  const timeHeader = 'Request-Time'
  const message = { method: ORDER_SYNC_METHOD, path, timeHeader, now: now(), plaintext, encryptTo } as const
  const packed = await secureMessage(message, credentials, envelope)
  // Nothing is sent once it has been given up: signing may have taken longer.
  signal.throwIfAborted()
  const answer = await send(packed, { requestId, signal }, settings)
  const reply = await verifyAnswer(answer, settings, requestId)
  const { resultStatus } = reply.result
  if (resultStatus !== 'S' || reply.orderId === undefined) {
    return { error: toError(reply, requestId, answer.status), attempt: { kind: 'answered', resultStatus } }
  }
  return { reply, orderId: reply.orderId, tracerId: answer.headers.get('tracer-id') }
}

/** @throws {@link DeliveryError} `ERR_NETWORK`, and what {@link readAnswer} throws */
async function send<ExtInfo>(
  { headers, body }: SecuredMessage,
  { requestId, signal }: { readonly requestId: string; readonly signal: AbortSignal },
  { url, agentToken, maxResponseBytes, fetch }: Settings<ExtInfo>,
): Promise<ReceivedResponse> {
  try {
    const response = await fetch(url, {
      method: ORDER_SYNC_METHOD,
      headers: agentToken === undefined ? headers : { ...headers, 'Agent-Token': agentToken },
      body: body as Uint8Array<ArrayBuffer>,
      // Followed, a redirect would hand a signed order to whoever is named there.
      redirect: 'manual',
      signal,
    })
    return await readAnswer(response, maxResponseBytes, requestId)
  } catch (cause) {
    if (cause instanceof UntrustedResponseError) throw cause
    throw new DeliveryError('ERR_NETWORK', 'The peer could not be reached, or hung up.', { cause, requestId })
  }
}

async function pause(milliseconds: number, signal: AbortSignal | undefined): Promise<void> {
  try {
    await sleep(milliseconds, undefined, { signal })
  } catch (error) {
    signal?.throwIfAborted()
    throw error
  }
}

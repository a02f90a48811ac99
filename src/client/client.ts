import { setTimeout as sleep } from 'node:timers/promises'
import { DeliveryError, ReplyError } from '../errors.ts'
import { pack } from '../exchange/pack.ts'
import { formatJson } from '../messages/json.ts'
import type { OpenObject, Order } from '../messages/order.ts'
import type { Reply } from '../messages/reply.ts'
import { validateExtInfo, validateOrder } from '../messages/validate.ts'
import { type Attempt, isRetryable, retryDelay } from '../policy/retry.ts'
import { ORDER_SYNC_METHOD } from '../protocol/endpoint.ts'
import { type HttpAnswer, readAnswer, toDeliveryError, toError, verifyAnswer } from './answer.ts'
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
  readonly reply: Reply
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
    async syncOrder(input, options = {}) {
      // One of our own for each order: a signal that all of them share would collect the listeners of all.
      const signal = options.signal && AbortSignal.any([options.signal])
      const requestId = input.requestId ?? settings.randomUUID().replaceAll('-', '')
      const merchantBizType = input.merchantBizType ?? 'TRADE_ORDER'
      const order = validateOrder(Object.assign({}, input, { requestId, merchantBizType }))
      await validateExtInfo(order.extInfo, settings.extInfo)
      const plaintext = formatJson(order, settings.json)
      for (let attempts = 1; ; attempts++) {
        const end = await attempt({ plaintext, requestId, signal }, settings)
        if ('reply' in end)
          return { orderId: end.orderId, requestId, attempts, tracerId: end.tracerId, reply: end.reply }
        if (!isRetryable(end.attempt) || attempts > settings.retries) throw end.error
        await pause(retryDelay(attempts, settings, settings.random()), signal)
      }
    },
  }
}

interface Outgoing {
  readonly plaintext: Uint8Array
  readonly requestId: string
  readonly signal: AbortSignal | undefined
}

type End =
  | { readonly reply: Reply; readonly orderId: string; readonly tracerId: string | undefined }
  | { readonly error: unknown; readonly attempt: Attempt }

/** One attempt: a new time, a new signature, a new AES key. Throws only what ends the sync whatever the policy says. */
async function attempt<ExtInfo>(outgoing: Outgoing, settings: Settings<ExtInfo>): Promise<End> {
  const { requestId, signal } = outgoing
  signal?.throwIfAborted()
  let answer: HttpAnswer | undefined
  try {
    answer = await send(outgoing, settings)
    const reply = await verifyAnswer(answer, settings, requestId)
    const { resultStatus } = reply.result
    if (resultStatus !== 'S' || reply.orderId === undefined) {
      return { error: toError(reply, requestId, answer.status), attempt: { kind: 'answered', resultStatus } }
    }
    return { reply, orderId: reply.orderId, tracerId: answer.headers.get('tracer-id') }
  } catch (error) {
    // Our caller's own abort is not a failure of the network.
    signal?.throwIfAborted()
    if (error instanceof DeliveryError) return { error, attempt: { kind: 'unanswered' } }
    if (!(error instanceof ReplyError)) throw error
    return { error: toDeliveryError(error), attempt: { kind: 'untrusted', httpStatus: error.httpStatus ?? 0 } }
  }
}

/** @throws {@link DeliveryError} `ERR_TIMEOUT`, `ERR_NETWORK`, and what {@link readAnswer} throws */
async function send<ExtInfo>(
  { plaintext, requestId, signal }: Outgoing,
  settings: Settings<ExtInfo>,
): Promise<HttpAnswer> {
  const { url, path, credentials, encryptTo, envelope, agentToken, timeoutMs, fetch } = settings
  const message = {
    method: ORDER_SYNC_METHOD,
    path,
    timeHeader: 'Request-Time',
    now: settings.now(),
    plaintext,
    encryptTo,
  } as const
  const { headers, body } = await pack(message, credentials, envelope)
  signal?.throwIfAborted()
  async function exchange(signal: AbortSignal): Promise<HttpAnswer> {
    const response = await fetch(url, {
      method: ORDER_SYNC_METHOD,
      headers: agentToken === undefined ? headers : { ...headers, 'Agent-Token': agentToken },
      body: body as Uint8Array<ArrayBuffer>,
      // Followed, a redirect would hand a signed order to whoever is named there.
      redirect: 'manual',
      signal,
    })
    return await readAnswer(response, settings.maxReplyBytes, requestId)
  }
  const late = () => new DeliveryError('ERR_TIMEOUT', `No answer came within ${timeoutMs} ms.`, { requestId })
  try {
    return await within({ timeoutMs, late, outer: signal }, exchange)
  } catch (cause) {
    if (cause instanceof ReplyError || cause instanceof DeliveryError) throw cause
    throw new DeliveryError('ERR_NETWORK', 'The peer could not be reached, or hung up.', { cause, requestId })
  }
}

interface Limits {
  readonly timeoutMs: number
  /** What to reject with when the time is up. */
  readonly late: () => Error
  readonly outer: AbortSignal | undefined
}

/**
 * Waits for work until the time is up or our caller aborts, and tells it so. Not every fetch, nor every body, ends when
 * its signal says so. A timer of our own, because those of AbortSignal.timeout() stay until their time is up, and with
 * them all that belongs to the request.
 */
function within<Value>(
  { timeoutMs, late, outer }: Limits,
  work: (signal: AbortSignal) => Promise<Value>,
): Promise<Value> {
  return new Promise((resolve, reject) => {
    const inner = new AbortController()
    const release = () => {
      clearTimeout(timer)
      outer?.removeEventListener('abort', abort)
    }
    // Released here too: work that does not heed its signal may never end.
    const end = (reason: unknown) => {
      release()
      inner.abort(reason)
      reject(reason)
    }
    const abort = () => end(outer?.reason)
    const timer = setTimeout(() => end(late()), timeoutMs)
    outer?.addEventListener('abort', abort)
    work(inner.signal).finally(release).then(resolve, reject)
  })
}

async function pause(milliseconds: number, signal: AbortSignal | undefined): Promise<void> {
  try {
    await sleep(milliseconds, undefined, { signal })
  } catch (error) {
    signal?.throwIfAborted()
    throw error
  }
}

import { setTimeout as sleep } from 'node:timers/promises'
import { describeFailure } from '../errors.ts'
import type { OpenObject } from '../messages/order.ts'
import { validateExtInfo } from '../messages/validate.ts'
import { createWarner, notify } from '../notify.ts'
import { isRetryable, retryDelay } from '../policy/retry.ts'
import { formatJson } from '../protocol/json.ts'
import { assertPeerKeysNotOwn, startOwnKeyProbe } from '../secure-message/own-key.ts'
import { traced } from '../telemetry/channels.ts'
import { OBSERVE } from '../telemetry/observe.ts'
import { waitFor } from '../timeout.ts'
import { attempt, type OrderToSend } from './attempt.ts'
import { type OrderSource, type SyncOrdersOptions, type SyncOrdersOutcome, syncAll } from './bulk.ts'
import { attemptEvent, type ClientEvent, failureEvent, type SyncTrace, successEvent } from './event.ts'
import { createObservers, type ObserveClient } from './observation.ts'
import { type ClientOptions, type ClientSettings, resolveClientOptions } from './options.ts'
import { completeOrder, type OrderInput, toOutgoingOrder } from './order.ts'
import type { SyncResult } from './response.ts'

/** The client that {@link createOrderSyncClient} returns. */
export interface OrderSyncClient<ExtInfo = OpenObject> {
  /**
   * Sends one order, retries when the outcome is unknown, and resolves when the peer reports success.
   *
   * @throws {@link ProtocolError} `ERR_FIELD_INVALID`: the order breaks the protocol; nothing was sent
   * @throws {@link ConfigurationError} `ERR_KEY_OWN`: the peer's key is the key of your own signer or CryptoKey; nothing was sent
   * @throws {@link ConfigurationError} `ERR_SIGNER_RESULT`, `ERR_SIGNER_LIMIT`: your signer returned no bytes, or failed to sign more than 4,096; nothing was sent
   * @throws {@link OrderRefusedError} `ERR_REFUSED`: the peer refused the order
   * @throws {@link DeliveryError} `ERR_TIMEOUT`, `ERR_NETWORK`, `ERR_HTTP_STATUS`, `ERR_RESULT_UNKNOWN`: unknown after all retries
   * @throws {@link UntrustedResponseError} `ERR_REPLY_…`: the response cannot be trusted
   * @throws `signal.reason` when you abort. To be able to retry after that, set `requestId` yourself
   * @see docs/protocol.md section 6.2
   */
  syncOrder(order: OrderInput<ExtInfo>, options?: { signal?: AbortSignal | undefined }): Promise<SyncResult>

  /**
   * Sends many orders, and yields each outcome as soon as it is known. An order that fails does not stop the others. Events of
   * one order (`merchantBizNo`) are sent one after the other, in the sequence of the iterable. It starts with the first `next()`, and
   * reads and sends no more than `concurrency` orders ahead of your loop. `break` aborts the orders in flight. See docs/bulk.md.
   *
   * @throws TypeError, RangeError at once, when an option is wrong or the orders are not iterable
   * @throws from the loop, after the outcome of every order that was read: the error of the iterable, or `signal.reason`
   * @see docs/protocol.md section 6.2
   * @example
   * ```ts
   * import type { OrderInput, OrderSyncClient } from 'alipayhk-order-sync'
   *
   * export async function sendAll(client: OrderSyncClient, orders: AsyncIterable<OrderInput>) {
   *   for await (const outcome of client.syncOrders(orders, { concurrency: 20 })) {
   *     if (outcome.ok) console.log(outcome.requestId, outcome.result.orderId)
   *     else console.error(outcome.requestId, outcome.error)
   *   }
   * }
   * ```
   */
  syncOrders(
    orders: OrderSource<ExtInfo>,
    options?: SyncOrdersOptions,
  ): AsyncIterableIterator<SyncOrdersOutcome<ExtInfo>>
}

/**
 * Creates a client for outbound order syncs. It validates, encrypts, signs and sends an order, and verifies the response.
 * It retries when the outcome is unknown, with the same `requestId` and a new time and signature.
 *
 * @throws RangeError, TypeError when an option is unknown, missing or out of range
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
  const settings = resolveClientOptions(options)
  startOwnKeyProbe(settings.credentials)
  const observers = createObservers()
  const reportTo = createReporter(settings.onEvent)
  const observe: ObserveClient = (observer) => ({ credentials: options.credentials, stop: observers.add(observer) })
  const client: OrderSyncClient<ExtInfo> = {
    async syncOrder(input, { signal: caller } = {}) {
      const trace = startTrace(input, settings, observers)
      const report: Report = (makeEvent) => {
        reportTo(makeEvent)
        observers.publish(trace, makeEvent)
      }
      const followed = caller && follow(caller)
      try {
        const result = await sync(input, { trace, signal: followed?.signal, report }, settings)
        report(() => successEvent(trace))
        return result
      } catch (error) {
        report(() => failureEvent(trace, error, caller?.aborted === true))
        throw error
      } finally {
        followed?.release()
      }
    },
    syncOrders: (orders, bulk = {}) =>
      syncAll(orders, bulk, { syncOrder: client.syncOrder, newRequestId: () => newRequestId(settings) }),
  }
  // Not enumerable: only the console uses it.
  return Object.defineProperty(client, OBSERVE, { value: observe })
}

function newRequestId({ randomUUID }: { readonly randomUUID: () => string }): string {
  return randomUUID().replaceAll('-', '')
}

type Report = (makeEvent: () => ClientEvent) => void

function createReporter(onEvent: ((event: ClientEvent) => void) | undefined): Report {
  if (onEvent === undefined) return () => {}
  const warn = createWarner(() => performance.now())
  return (makeEvent) =>
    notify(onEvent, makeEvent(), (thrown) =>
      warn('ERR_ON_EVENT', () => `"onEvent" of the client threw ${describeFailure(thrown)}. The sync continues.`),
    )
}

function startTrace<ExtInfo>(
  input: OrderInput<ExtInfo>,
  settings: ClientSettings<ExtInfo>,
  observers: ReturnType<typeof createObservers>,
): SyncTrace {
  const { credentials, encryptTo, url } = settings
  const { requestId = newRequestId(settings), merchantBizNo, tradeNo } = input
  const startedAt = performance.now()
  return {
    clientId: credentials.clientId,
    requestId,
    host: url.host,
    keyVersion: credentials.signingKey.version,
    encrypted: encryptTo !== undefined,
    startedAt,
    attempts: 0,
    merchantBizNo,
    tradeNo,
    observed: observers.start(startedAt),
  }
}

interface SyncContext {
  readonly trace: SyncTrace
  readonly signal: AbortSignal | undefined
  readonly report: Report
}

async function sync<ExtInfo>(
  input: OrderInput<ExtInfo>,
  { trace, signal, report }: SyncContext,
  settings: ClientSettings<ExtInfo>,
): Promise<SyncResult> {
  const { extInfoSchema, retries, json, random } = settings
  const { requestId } = trace
  const merchantBizType = input.merchantBizType ?? 'TRADE_ORDER'
  const order = toOutgoingOrder(completeOrder(input, { requestId, merchantBizType }))
  if (extInfoSchema !== undefined) await waitFor(() => validateExtInfo(order.extInfo, extInfoSchema), { signal })
  const plaintext = formatJson(order, json)
  if (trace.observed !== undefined) trace.observed.plaintext = plaintext
  await assertPeerKeysNotOwn(settings.credentials, { timeoutMs: settings.timeoutMs, signal })
  for (let attempts = 1; ; attempts++) {
    signal?.throwIfAborted()
    trace.attempts = attempts
    const startedAt = performance.now()
    let delayMs: number
    try {
      const success = await tracedAttempt({ plaintext, requestId, signal, trace }, settings)
      report(() => attemptEvent(trace, { startedAt }))
      return { requestId, attempts, ...success }
    } catch (error) {
      const isLast = !isRetryable(error) || attempts > retries
      if (isLast) {
        report(() => attemptEvent(trace, { startedAt, error, isAborted: signal?.aborted === true }))
        throw error
      }
      delayMs = retryDelay(attempts, { ...settings, retryAfterMs: error.retryAfterMs }, random())
      report(() => attemptEvent(trace, { startedAt, error, delayMs }))
    }
    await pause(delayMs, signal)
  }
}

/** One attempt inside its tracing channel. */
function tracedAttempt<ExtInfo>(order: OrderToSend, settings: ClientSettings<ExtInfo>) {
  const { clientId, requestId, host, attempts } = order.trace
  return traced(
    'send',
    () => ({ clientId, requestId, host, attempt: attempts }),
    async (context) => {
      try {
        return await attempt(order, settings)
      } finally {
        if (context !== undefined && order.trace.status !== undefined) context.status = order.trace.status
      }
    },
  )
}

async function pause(milliseconds: number, signal: AbortSignal | undefined): Promise<void> {
  try {
    await sleep(milliseconds, undefined, { signal })
  } catch (error) {
    signal?.throwIfAborted()
    throw error
  }
}

const followers = new WeakMap<AbortSignal, Followers>()

/**
 * A signal for one order that aborts when the caller's signal does, until it is released. All orders share one listener,
 * because Node warns about more than ten. It is not AbortSignal.any(), whose state Node 20 keeps for as long as the
 * caller's signal lives.
 */
function follow(caller: AbortSignal): { readonly signal: AbortSignal; readonly release: () => void } {
  const controller = new AbortController()
  if (caller.aborted) controller.abort(caller.reason)
  const { controllers, stopListening } = followersOf(caller)
  controllers.add(controller)
  return {
    signal: controller.signal,
    release() {
      controllers.delete(controller)
      // Node keeps a composite or timeout signal in memory for as long as it has a listener.
      if (controllers.size === 0) stopListening()
    },
  }
}

interface Followers {
  readonly controllers: Set<AbortController>
  readonly stopListening: () => void
}

function followersOf(caller: AbortSignal): Followers {
  const known = followers.get(caller)
  if (known !== undefined) return known
  const controllers = new Set<AbortController>()
  const abortAll = () => {
    for (const controller of controllers) controller.abort(caller.reason)
  }
  caller.addEventListener('abort', abortAll, { once: true })
  const stopListening = () => {
    caller.removeEventListener('abort', abortAll)
    followers.delete(caller)
  }
  const made = { controllers, stopListening }
  followers.set(caller, made)
  return made
}

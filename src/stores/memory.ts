import { HandlerError } from '../errors.ts'
import { functionWithDefault, type OptionRules, resolveOptions, wholeNumber } from '../option-rules.ts'
import { decide, toClaimResult } from '../policy/idempotency.ts'
import { holds, type Lease } from './lease.ts'
import type { Delivery, HeldClaim, OrderSyncStore } from './store.ts'

/** How much a {@link memoryStore} keeps, and for how long. */
export interface MemoryStoreOptions {
  /** How many orders are remembered. When full, the 1 % that were unused for longest are removed. @defaultValue 100_000 */
  maxOrders?: number | undefined
  /** How many requests are remembered. When full, the 1 % that were unused for longest are removed. @defaultValue 100_000 */
  maxRequests?: number | undefined
  /** How long a stored response can be replayed, in milliseconds. @defaultValue 86_400_000 (one day) */
  responseTtlMs?: number | undefined
  /** The clock, in milliseconds since the epoch. It should not jump. @defaultValue a monotonic clock */
  now?: (() => number) | undefined
}

const OPTIONS = {
  maxOrders: wholeNumber(100_000, { min: 1 }),
  maxRequests: wholeNumber(100_000, { min: 1 }),
  responseTtlMs: wholeNumber(86_400_000, { min: 1 }),
  now: functionWithDefault(monotonicNow),
} satisfies OptionRules<MemoryStoreOptions>

interface OrderEntry {
  last: { orderModifyTime: number; processedAt: number; storedResponse: string; contentDigest: string } | undefined
  lease: (Lease & { token: number }) | undefined
}

interface RequestEntry {
  /** Known once the request has a response. */
  readonly orderKey?: string
  readonly digest: string
  readonly expiresAt: number
  readonly storedResponse?: string
}

/**
 * A store in the memory of one process: for tests, for development, and for a single process that may lose its state on
 * restart. After a restart, or after an order was removed, a redelivery is processed again.
 *
 * @throws TypeError when an option is unknown or of the wrong type
 * @throws RangeError when a limit is not a positive integer
 * @see docs/protocol.md section 7.3
 * @example
 * ```ts
 * import { memoryStore } from 'alipayhk-order-sync'
 *
 * const store = memoryStore({ maxOrders: 10_000 })
 * ```
 */
export function memoryStore(options: MemoryStoreOptions = {}): OrderSyncStore {
  const { maxOrders, maxRequests, responseTtlMs, now } = resolveOptions('memoryStore', OPTIONS, options)
  // Both are sorted by last use: a Map iterates in the sequence of insertion.
  const orders = new Map<string, OrderEntry>()
  const requests = new Map<string, RequestEntry>()
  let lastToken = 0

  const isLeased = ({ lease }: OrderEntry, at = now()) => lease !== undefined && holds(lease, at)

  /** Returns the previous state of the request, and stores its digest. */
  function rememberRequest({ requestKey, digest }: Delivery, at: number): RequestEntry | undefined {
    const known = requests.get(requestKey)
    const request = known !== undefined && known.expiresAt > at ? known : undefined
    keepRequest(requestKey, request ?? { digest, expiresAt: at + responseTtlMs })
    return request
  }

  function keepRequest(requestKey: string, entry: RequestEntry): void {
    if (!requests.delete(requestKey)) makeRoom(requests, maxRequests)
    requests.set(requestKey, entry)
  }

  function addOrder(orderKey: string): OrderEntry {
    makeRoom(orders, maxOrders, isLeased)
    // Every order is being processed: the peer must deliver the new one again later.
    if (orders.size >= maxOrders)
      throw new HandlerError('ERR_STORE', 'The memory store is full of orders being processed.')
    const order: OrderEntry = { last: undefined, lease: undefined }
    orders.set(orderKey, order)
    return order
  }

  function lease(order: OrderEntry, leasedAt: number, leaseMs: number): number {
    const token = ++lastToken
    order.lease = { token, leasedAt, expiresAt: leasedAt + leaseMs }
    return token
  }

  /** The order, unless a later claim has it or the claim has ended. */
  function orderHeldBy({ delivery, token }: HeldClaim): OrderEntry | undefined {
    const order = orders.get(delivery.orderKey)
    return order?.lease?.token === token ? order : undefined
  }

  return {
    async claim(delivery, { leaseMs, compareModifyTimeWith }) {
      const { orderKey } = delivery
      const at = now()
      const request = rememberRequest(delivery, at)
      const order = orders.get(orderKey)
      if (order !== undefined) markUsed(orders, orderKey, order)
      const decision = decide(
        {
          leased: order !== undefined && isLeased(order, at),
          ...(order?.last && { last: order.last }),
          ...(request && { request: { digest: request.digest, hasResponse: request.storedResponse !== undefined } }),
        },
        delivery,
        compareModifyTimeWith,
      )
      return toClaimResult({
        decision,
        storedResponse: decision === 'replay' ? request?.storedResponse : order?.last?.storedResponse,
        last: order?.last,
        token: decision === 'process' ? lease(order ?? addOrder(orderKey), at, leaseMs) : undefined,
      })
    },

    async finish(held, { storedResponse, processed }) {
      const { delivery } = held
      const order = orderHeldBy(held)
      if (order === undefined) return false
      const at = now()
      const { orderModifyTime, contentDigest } = delivery
      if (processed) order.last = { orderModifyTime, processedAt: at, storedResponse, contentDigest }
      order.lease = undefined
      const { orderKey, requestKey, digest } = delivery
      keepRequest(requestKey, { orderKey, digest, storedResponse, expiresAt: at + responseTtlMs })
      return true
    },

    async release(held) {
      const order = orderHeldBy(held)
      if (order === undefined) return false
      order.lease = undefined
      if (order.last === undefined) orders.delete(held.delivery.orderKey)
      return true
    },

    async read(orderKey) {
      const order = orders.get(orderKey)
      if (order === undefined) return undefined
      const lease = order.lease && isLeased(order) && { lease: { token: order.lease.token } }
      if (order.last === undefined) return { ...lease }
      const { contentDigest: _, ...last } = order.last
      return { last, ...lease }
    },

    async forget(orderKey) {
      const order = orders.get(orderKey)
      if (order !== undefined && isLeased(order)) return 'busy'
      const responses = [...requests].filter(([, request]) => request.orderKey === orderKey)
      // The digests stay: another content under the same requestId is still a conflict.
      for (const [key, { digest, expiresAt }] of responses) requests.set(key, { digest, expiresAt })
      const wasProcessed = order?.last !== undefined
      // A claim whose lease has expired may still finish.
      if (order?.lease === undefined) orders.delete(orderKey)
      else order.last = undefined
      return wasProcessed || responses.length > 0 ? 'forgotten' : 'unknown'
    },
  }
}

/** The time of day at process start, plus a monotonic clock: setting the system clock must not end a lease. */
function monotonicNow(): number {
  return performance.timeOrigin + performance.now()
}

function markUsed<Value>(map: Map<string, Value>, key: string, value: Value): void {
  map.delete(key)
  map.set(key, value)
}

/**
 * Removes the 1 % that were unused for longest. One by one would be slow: to find its first entry, a Map walks over all
 * entries that were deleted before it.
 */
function makeRoom<Entry>(map: Map<string, Entry>, maxSize: number, isInUse = (_: Entry) => false): void {
  if (map.size < maxSize) return
  const wantedSize = maxSize - Math.ceil(maxSize / 100)
  for (const [key, entry] of map) {
    if (map.size <= wantedSize) return
    if (!isInUse(entry)) map.delete(key)
  }
}

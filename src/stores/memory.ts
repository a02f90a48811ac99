import { decide } from '../policy/idempotency.ts'
import type { HeldClaim, Delivery, OrderSyncStore } from './store.ts'

/** How much a {@link memoryStore} keeps, and for how long. */
export interface MemoryStoreOptions {
  /** Orders remembered; when full, the 1 % of them that were untouched for longest are forgotten. @defaultValue 100_000 */
  maxOrders?: number | undefined
  /** Requests whose answers are remembered, likewise. @defaultValue 100_000 */
  maxRequests?: number | undefined
  /** How long an storedResponse can be replayed, in milliseconds. @defaultValue 86_400_000 (one day) */
  responseTtlMs?: number | undefined
  /** The clock, in milliseconds since the epoch; it should not jump. @defaultValue a clock that does not */
  now?: (() => number) | undefined
}

interface OrderEntry {
  last: { orderModifyTime: number; processedAt: number; storedResponse: string } | undefined
  lease: { token: number; expiresAt: number } | undefined
}

interface RequestEntry {
  readonly digest: string
  readonly expiresAt: number
  readonly storedResponse?: string
}

/**
 * A store in the memory of one process: for tests, for development, and for a single process that may forget on
 * restart. A redelivery after a restart, or of an order beyond `maxOrders`, is processed again.
 *
 * @throws RangeError when a bound is not a positive integer
 * @see docs/protocol.md section 7.3
 * @example
 * ```ts
 * import { memoryStore } from 'alipayhk-order-sync'
 *
 * const store = memoryStore({ maxOrders: 10_000 })
 * ```
 */
export function memoryStore(options: MemoryStoreOptions = {}): OrderSyncStore {
  const { maxOrders = 100_000, maxRequests = 100_000, responseTtlMs = 86_400_000, now = steadyNow } = options
  for (const [name, value] of Object.entries({ maxOrders, maxRequests, responseTtlMs })) {
    if (!Number.isSafeInteger(value) || value < 1) throw new RangeError(`"${name}" must be a positive integer`)
  }
  // Both are kept in the order of last use: a Map iterates in the order of insertion.
  const orders = new Map<string, OrderEntry>()
  const requests = new Map<string, RequestEntry>()
  let lastToken = 0

  const isLeased = ({ lease }: OrderEntry, at = now()) => lease !== undefined && lease.expiresAt > at

  /** What was known of the request; from now on its digest is. */
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

  /** A new one, for which there must be room. */
  function addOrder(orderKey: string): OrderEntry {
    makeRoom(orders, maxOrders, isLeased)
    // Every order is being processed: a new one has to come again.
    if (orders.size >= maxOrders) throw new Error('The memory store is full of orders being processed')
    const order: OrderEntry = { last: undefined, lease: undefined }
    orders.set(orderKey, order)
    return order
  }

  /** The order's entry when it is held by this claim and no later one. */
  function held({ delivery, token }: HeldClaim): OrderEntry | undefined {
    const entry = orders.get(delivery.orderKey)
    return entry?.lease?.token === token ? entry : undefined
  }

  return {
    async claim(delivery, { leaseMs, compareModifyTimeWith }) {
      const { orderKey } = delivery
      const at = now()
      const request = rememberRequest(delivery, at)
      const known = orders.get(orderKey)
      if (known !== undefined) touch(orders, orderKey, known)
      const decision = decide(
        {
          leased: known !== undefined && isLeased(known, at),
          ...(known?.last && { last: known.last }),
          ...(request && { request: { digest: request.digest, answered: request.storedResponse !== undefined } }),
        },
        delivery,
        compareModifyTimeWith,
      )
      if (decision === 'conflict' || decision === 'busy') return { decision }
      if (decision === 'replay') return { decision, storedResponse: request?.storedResponse ?? '' }
      if (decision !== 'process') return { decision, storedResponse: known?.last?.storedResponse ?? '' }
      const order = known ?? addOrder(orderKey)
      const token = ++lastToken
      order.lease = { token, expiresAt: at + leaseMs }
      return { decision, token }
    },

    async finish(claimed, { storedResponse, processed }) {
      const { delivery } = claimed
      const order = held(claimed)
      if (order === undefined) return false
      const at = now()
      if (processed) order.last = { orderModifyTime: delivery.orderModifyTime, processedAt: at, storedResponse }
      order.lease = undefined
      keepRequest(delivery.requestKey, { digest: delivery.digest, storedResponse, expiresAt: at + responseTtlMs })
      return true
    },

    async release(claimed) {
      const order = held(claimed)
      if (order === undefined) return false
      order.lease = undefined
      if (order.last === undefined) orders.delete(claimed.delivery.orderKey)
      return true
    },

    async read(orderKey) {
      const order = orders.get(orderKey)
      if (order === undefined) return undefined
      return {
        ...(order.last && { last: { ...order.last } }),
        ...(order.lease && isLeased(order) && { lease: { token: order.lease.token } }),
      }
    },
  }
}

/** The time of day when the process started, and a monotonic clock from there: a lease must not end because a clock was set. */
function steadyNow(): number {
  return performance.timeOrigin + performance.now()
}

function touch<Value>(map: Map<string, Value>, key: string, value: Value): void {
  map.delete(key)
  map.set(key, value)
}

/**
 * Forgets what was untouched for longest, 1 % at once: to find its first entry, a Map goes past all that were
 * deleted before it, which for every single one would cost more than all the rest.
 */
function makeRoom<Entry>(map: Map<string, Entry>, bound: number, isInUse = (_: Entry) => false): void {
  if (map.size < bound) return
  const enough = bound - Math.ceil(bound / 100)
  for (const [key, entry] of map) {
    if (map.size <= enough) return
    if (!isInUse(entry)) map.delete(key)
  }
}

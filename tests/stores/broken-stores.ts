import { setImmediate as pause } from 'node:timers/promises'
import { decide, toClaimResult } from '../../src/policy/idempotency.ts'
import type { ClaimOptions, Completion, Delivery, HeldClaim, OrderSyncStore } from '../../src/stores/store.ts'

/** A row of an order. */
interface OrderRow {
  token: number
  leasedUntil: number | undefined
  last: { orderModifyTime: number; processedAt: number; storedResponse: string; contentDigest: string } | undefined
}

interface RequestRow {
  digest: string
  response: string | undefined
  /** Known once the request has a response. */
  orderKey?: string | undefined
}

/** A database in memory that responds in a later turn, as one over the network does. */
export interface FakeDatabase {
  readonly orders: Map<string, OrderRow>
  readonly requests: Map<string, RequestRow>
}

/** What a store does. Each flaw replaces one step of the correct store. */
interface Steps {
  /** Runs the steps of one method as one atomic step. */
  atomically<Value>(steps: () => Value | Promise<Value>): Promise<Value>
  /** Between the read and the write of a claim. Only in a store that is not atomic does anything happen here. */
  betweenReadAndWrite(order: OrderRow | undefined): Promise<void> | undefined
  now(): number
  toKey(key: string): string
  toResponse(response: string): string
  toTime(orderModifyTime: number): number
  nextToken(order: OrderRow): number
  /** Remembers the digest of a request that is new. */
  remembersDigest(isBusy: boolean): boolean
  /** The digest that is kept when another one is known. */
  keptDigest(known: string, incoming: string): string
  isLeased(order: OrderRow, at: number): boolean
  holdsClaim(order: OrderRow, token: number): boolean
  onRelease(database: FakeDatabase, delivery: Delivery): void
  onFinish(order: OrderRow): void
  countsAsProcessed(completion: Completion): boolean
  onRefusal(order: OrderRow, completion: Completion, delivery: Delivery): void
  shownLease(order: OrderRow, at: number): boolean
  /** Whether a lease keeps an order from being forgotten. */
  keepsFromForgetting(order: OrderRow, at: number): boolean
  /** What is forgotten besides the last processed event of the order. */
  onForget(database: FakeDatabase, orderKey: string): boolean
}

const correct: Steps = {
  async atomically(steps) {
    await pause()
    return await steps()
  },
  betweenReadAndWrite: () => undefined,
  now: () => performance.timeOrigin + performance.now(),
  toKey: (key) => key,
  toResponse: (response) => response,
  toTime: (orderModifyTime) => orderModifyTime,
  nextToken: ({ token }) => token + 1,
  remembersDigest: () => true,
  keptDigest: (known) => known,
  isLeased: ({ leasedUntil }, at) => leasedUntil !== undefined && leasedUntil > at,
  holdsClaim: (order, token) => order.token === token && order.leasedUntil !== undefined,
  onRelease: () => undefined,
  onFinish(order) {
    order.leasedUntil = undefined
  },
  countsAsProcessed: ({ processed }) => processed,
  onRefusal: () => undefined,
  shownLease: (order, at) => correct.isLeased(order, at),
  keepsFromForgetting: (order, at) => correct.isLeased(order, at),
  onForget({ requests }, orderKey) {
    const responses = [...requests.values()].filter((request) => request.orderKey === orderKey)
    for (const request of responses) {
      request.response = undefined
      request.orderKey = undefined
    }
    return responses.length > 0
  },
}

/** One at a time, in one object: of no use between two objects or two processes. */
function mutex(): Steps['atomically'] {
  let last: Promise<unknown> = Promise.resolve()
  return (steps) => {
    const result = last.then(async () => {
      await pause()
      return await steps()
    })
    last = result.catch(() => undefined)
    return result
  }
}

function createStore({ orders, requests }: FakeDatabase, steps: Steps): OrderSyncStore {
  const orderOf = ({ delivery }: HeldClaim) => orders.get(steps.toKey(delivery.orderKey))

  return {
    claim: (delivery: Delivery, { leaseMs, compareModifyTimeWith }: ClaimOptions) =>
      steps.atomically(() => {
        const [orderKey, requestKey] = [steps.toKey(delivery.orderKey), steps.toKey(delivery.requestKey)]
        const order = orders.get(orderKey)
        const request = requests.get(requestKey)
        const leased = order !== undefined && steps.isLeased(order, steps.now())
        if (request === undefined) {
          if (steps.remembersDigest(leased))
            requests.set(requestKey, { digest: steps.toKey(delivery.digest), response: undefined })
        } else request.digest = steps.keptDigest(request.digest, delivery.digest)
        const orderModifyTime = steps.toTime(delivery.orderModifyTime)
        const decision = decide(
          {
            leased,
            ...(order?.last && { last: order.last }),
            ...(request && { request: { digest: request.digest, hasResponse: request.response !== undefined } }),
          },
          { digest: steps.toKey(delivery.digest), orderModifyTime },
          compareModifyTimeWith,
        )
        const claimResult = (token?: number) =>
          toClaimResult({
            decision,
            storedResponse: decision === 'replay' ? request?.response : order?.last?.storedResponse,
            token,
            last: order?.last,
          })
        if (decision !== 'process') return claimResult()
        const write = () => {
          const row = order ?? { token: 0, leasedUntil: undefined, last: undefined }
          row.token = steps.nextToken(row)
          row.leasedUntil = steps.now() + leaseMs
          orders.set(orderKey, row)
          return claimResult(row.token)
        }
        const gap = steps.betweenReadAndWrite(order)
        return gap === undefined ? write() : gap.then(write)
      }),

    finish: (held, completion) =>
      steps.atomically(() => {
        const order = orderOf(held)
        if (order === undefined || !steps.holdsClaim(order, held.token)) return false
        const storedResponse = steps.toResponse(completion.storedResponse)
        if (steps.countsAsProcessed(completion)) {
          const orderModifyTime = steps.toTime(held.delivery.orderModifyTime)
          order.last = {
            orderModifyTime,
            processedAt: steps.now(),
            storedResponse,
            contentDigest: held.delivery.contentDigest,
          }
        }
        steps.onRefusal(order, completion, held.delivery)
        steps.onFinish(order)
        requests.set(steps.toKey(held.delivery.requestKey), {
          digest: steps.toKey(held.delivery.digest),
          response: storedResponse,
          orderKey: steps.toKey(held.delivery.orderKey),
        })
        return true
      }),

    release: (held) =>
      steps.atomically(() => {
        const order = orderOf(held)
        if (order === undefined || !steps.holdsClaim(order, held.token)) return false
        order.leasedUntil = undefined
        steps.onRelease({ orders, requests }, held.delivery)
        return true
      }),

    read: (orderKey) =>
      steps.atomically(() => {
        const order = orders.get(steps.toKey(orderKey))
        if (order === undefined) return undefined
        return {
          ...(order.last && { last: order.last }),
          ...(steps.shownLease(order, steps.now()) && { lease: { token: order.token } }),
        }
      }),

    forget: (key) =>
      steps.atomically(() => {
        const orderKey = steps.toKey(key)
        const order = orders.get(orderKey)
        if (order !== undefined && steps.keepsFromForgetting(order, steps.now())) return 'busy'
        const wasProcessed = order?.last !== undefined
        if (order !== undefined) order.last = undefined
        return steps.onForget({ orders, requests }, orderKey) || wasProcessed ? 'forgotten' : 'unknown'
      }),
  }
}

/** A store with a flaw, and the name of a case that it must fail. */
export interface BrokenStore {
  readonly flaw: string
  readonly fails: string
  readonly create: (database: FakeDatabase) => OrderSyncStore
}

/** The same store without a flaw. */
export const correctStore = (database: FakeDatabase): OrderSyncStore => createStore(database, correct)

/** @param changes A function is called for each store object. */
function broken(flaw: string, fails: string, changes: Partial<Steps> | (() => Partial<Steps>)): BrokenStore {
  const create = (database: FakeDatabase) =>
    createStore(database, { ...correct, ...(typeof changes === 'function' ? changes() : changes) })
  return { flaw, fails, create }
}

/** Stores with the mistakes that people make. */
export const brokenStores: readonly BrokenStore[] = [
  broken(
    'inserts a new order atomically, but reads a known one and then updates it',
    'of 20 concurrent claims of a newer event of a known order, one is processed and 19 are busy',
    { betweenReadAndWrite: (order) => (order?.last === undefined ? undefined : pause()) },
  ),
  broken(
    'reads an expired lease and then takes it over',
    'of 20 concurrent claims of an order whose lease has expired, one is processed and 19 are busy',
    { betweenReadAndWrite: (order) => (order?.leasedUntil === undefined ? undefined : pause()) },
  ),
  broken(
    'reads a new order and then inserts it',
    'of 20 concurrent claims of an order, one is processed and 19 are busy',
    { betweenReadAndWrite: () => pause() },
  ),
  broken(
    'is atomic by a mutex in its own object',
    'of 20 concurrent claims of an order through two store objects, one is processed and 19 are busy',
    () => ({ atomically: mutex(), betweenReadAndWrite: () => pause() }),
  ),
  broken(
    'is atomic for known orders by a mutex in its own object',
    'of 20 concurrent claims of a known order through two store objects, one is processed and 19 are busy',
    () => ({ atomically: mutex(), betweenReadAndWrite: (order) => (order === undefined ? undefined : pause()) }),
  ),
  broken(
    'uses the clock of the machine for leases',
    'leases do not follow the clock of this process: an hour more or less changes nothing',
    { now: () => Date.now() },
  ),
  broken(
    'uses new Date() for leases',
    'leases do not follow the clock of this process: an hour more or less changes nothing',
    { now: () => Date.parse(new Date().toISOString()) },
  ),
  broken(
    'does not remember the digest of a busy request',
    'the digest of a busy request is remembered: another body is then a conflict, and the first body is processed later',
    { remembersDigest: (isBusy) => !isBusy },
  ),
  broken(
    'remembers the digest with the response only',
    'claim reports the same requestId with another body as a conflict while it runs',
    { remembersDigest: () => false },
  ),
  broken(
    'forgets the digest of a request that failed',
    'claim reports the same requestId with another body as a conflict after it failed',
    { onRelease: ({ requests }, { requestKey }) => void requests.delete(requestKey) },
  ),
  broken(
    'keeps the digest of the latest body',
    'of 20 concurrent bodies with one requestId, one is processed and 19 are conflicts',
    { keptDigest: (_, incoming) => incoming },
  ),
  broken(
    'compares keys and digests without case',
    'keys and digests that differ only in case, or in the last of 64 characters, are different',
    { toKey: (key) => key.toLowerCase() },
  ),
  broken(
    'cuts keys and digests at 63 characters',
    'keys and digests that differ only in case, or in the last of 64 characters, are different',
    { toKey: (key) => key.slice(0, 63) },
  ),
  broken('cuts responses at 255 characters', 'a stored response of 4,096 characters is returned unchanged', {
    toResponse: (response) => response.slice(0, 255),
  }),
  broken('keeps responses in Latin-1', 'a stored response is returned unchanged', {
    toResponse: (response) => Buffer.from(response, 'latin1').toString('latin1'),
  }),
  broken('keeps times as 32-bit floats', 'claim distinguishes times up to the greatest safe integer', {
    toTime: (time) => Math.min(Math.fround(time), Number.MAX_SAFE_INTEGER),
  }),
  broken(
    'ignores the fencing token',
    'finish and release resolve to false after the lease expired and another request claimed the order',
    { holdsClaim: ({ leasedUntil }) => leasedUntil !== undefined },
  ),
  broken(
    'finishes a claim twice',
    'of 20 concurrent finishes of a claim, one resolves to true, and its response is kept',
    {
      holdsClaim: (order, token) => order.token === token,
    },
  ),
  broken(
    'does not finish after the lease expired',
    'finish succeeds after the lease expired if no other request has claimed the order',
    { holdsClaim: (order, token) => order.token === token && correct.isLeased(order, correct.now()) },
  ),
  broken(
    'starts tokens again after processing',
    'the token grows with every claim of an order, also after processing',
    {
      nextToken: ({ token, last }) => (last === undefined ? token + 1 : 1),
    },
  ),
  broken('treats a refusal as processed', 'a refusal of a newer event leaves the last processed event as it is', {
    countsAsProcessed: () => true,
  }),
  broken(
    'keeps the content digest of a refusal',
    'claim returns the time and the content digest of the last processed event, not of a later refusal',
    {
      onRefusal(order, { processed }, { contentDigest }) {
        if (!processed && order.last) order.last.contentDigest = contentDigest
      },
    },
  ),
  broken(
    'keeps the lease of a finished claim',
    'claim processes a first delivery, and read returns it once it is finished',
    {
      onFinish: () => undefined,
    },
  ),
  broken('forgets orders but not responses', 'after forget, a request that was refused is processed again', {
    onForget: () => true,
  }),
  broken(
    'forgets the responses and the digests',
    'after forget, all requests of the order are processed again, and another body is still a conflict',
    {
      onForget({ requests }, orderKey) {
        for (const [key, request] of requests) if (request.orderKey === orderKey) requests.delete(key)
        return true
      },
    },
  ),
  broken('forgets the responses of all orders', 'forget leaves other orders and their requests alone', {
    onForget({ requests }) {
      requests.clear()
      return true
    },
  }),
  broken('forgets an order that is being processed', 'forget changes nothing while the order is being processed', {
    keepsFromForgetting: () => false,
  }),
  broken(
    'ends an expired claim when it forgets',
    'forget does not end a claim whose lease has expired: it can still finish',
    {
      onForget({ orders, requests }, orderKey) {
        orders.delete(orderKey)
        return correct.onForget({ orders, requests }, orderKey)
      },
    },
  ),
  broken('starts tokens again after it forgets', 'the token grows also after forget', {
    onForget({ orders, requests }, orderKey) {
      const isKnown = correct.onForget({ orders, requests }, orderKey)
      orders.delete(orderKey)
      return isKnown
    },
  }),
]

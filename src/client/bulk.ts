import type { OpenObject } from '../messages/order.ts'
import { assertSignal, type OptionRules, resolveOptions } from '../option-rules.ts'
import type { OrderInput } from './order.ts'
import type { SyncResult } from './response.ts'

/** Options of `syncOrders`. */
export interface SyncOrdersOptions {
  /** How many orders may be ahead of your loop: in flight, or finished and not read yet. 1 to 1,000. @defaultValue 10 */
  concurrency?: number | undefined
  /** Stops everything. Each order that was read still gets its outcome, then the loop throws `signal.reason`. */
  signal?: AbortSignal | undefined
}

interface OutcomeBase<ExtInfo> {
  /** The position in the iterable, from 0. */
  readonly index: number
  /** The order as the iterable returned it. */
  readonly order: OrderInput<ExtInfo>
  /** The `requestId` of the order, or the generated one. If the outcome is unknown, send the order again with it. */
  readonly requestId: string
}

/** An order that the peer has processed. */
export interface SyncedOrder<ExtInfo = OpenObject> extends OutcomeBase<ExtInfo> {
  readonly ok: true
  /** What `syncOrder` resolves with. */
  readonly result: SyncResult
}

/** An order that failed. The other orders continue. */
export interface FailedOrder<ExtInfo = OpenObject> extends OutcomeBase<ExtInfo> {
  readonly ok: false
  /** What `syncOrder` rejects with. */
  readonly error: unknown
}

/** The outcome of one order of `syncOrders`. */
export type SyncOrdersOutcome<ExtInfo = OpenObject> = SyncedOrder<ExtInfo> | FailedOrder<ExtInfo>

/** Orders, as an array, a generator, a stream of objects or a database cursor. */
export type OrderSource<ExtInfo = OpenObject> = Iterable<OrderInput<ExtInfo>> | AsyncIterable<OrderInput<ExtInfo>>

const MAX_CONCURRENCY = 1_000

/** How many orders may wait for an earlier event of the same order, as a multiple of `concurrency`. */
const WAITING_PER_FLIGHT = 16

const RULES = {
  concurrency: { defaultValue: 10, assert: assertConcurrency },
  signal: { assert: assertSignal },
} as const satisfies OptionRules<SyncOrdersOptions>

function assertConcurrency(value: unknown, name: string): void {
  if (Number.isInteger(value) && Number(value) >= 1 && Number(value) <= MAX_CONCURRENCY) return
  throw new RangeError(`"${name}" must be a whole number from 1 to ${MAX_CONCURRENCY}`)
}

interface Sender<ExtInfo> {
  readonly syncOrder: (order: OrderInput<ExtInfo>, options: { signal: AbortSignal }) => Promise<SyncResult>
  readonly newRequestId: () => string
}

/** Sends the orders of an iterable: the code behind `client.syncOrders()`. */
export function syncAll<ExtInfo>(
  orders: OrderSource<ExtInfo>,
  options: SyncOrdersOptions,
  sender: Sender<ExtInfo>,
): AsyncIterableIterator<SyncOrdersOutcome<ExtInfo>> {
  assertIterable(orders)
  const settings = resolveOptions<SyncOrdersOptions, typeof RULES>('syncOrders', RULES, options)
  const stop = new AbortController()
  const outcomes = run(orders, settings, sender, stop)
  return {
    next: () => outcomes.next(),
    return() {
      // A generator handles return() only after the pending next(), which may wait for a peer or for the iterable.
      stop.abort()
      return outcomes.return(undefined)
    },
    [Symbol.asyncIterator]() {
      return this
    },
  }
}

function assertIterable(orders: unknown): void {
  const isIterable =
    typeof orders === 'object' && orders !== null && (Symbol.asyncIterator in orders || Symbol.iterator in orders)
  if (!isIterable) throw new TypeError('syncOrders() takes an iterable of orders. For one order, use syncOrder().')
}

/** An order that was read. */
interface Task<ExtInfo> extends OutcomeBase<ExtInfo> {
  /** Tasks with the same key are sent one after the other. Undefined: the order is invalid, and sending it fails. */
  readonly key: string | undefined
}

async function* run<ExtInfo>(
  orders: OrderSource<ExtInfo>,
  { concurrency, signal }: { readonly concurrency: number; readonly signal: AbortSignal | undefined },
  { syncOrder, newRequestId }: Sender<ExtInfo>,
  stop: AbortController,
): AsyncGenerator<SyncOrdersOutcome<ExtInfo>, undefined> {
  signal?.throwIfAborted()
  const source = openSource(orders)
  const ready: Task<ExtInfo>[] = []
  /** By key, the tasks behind the one in flight. */
  const waiting = new Map<string, Task<ExtInfo>[]>()
  const finished: SyncOrdersOutcome<ExtInfo>[] = []
  let [read, waitingCount, inFlight] = [0, 0, 0]
  let state: 'idle' | 'reading' | 'ended' = 'idle'
  /** What the loop throws after the last outcome. */
  let failure: { readonly error: unknown } | undefined
  let change = createWaiter()

  const hasRoom = () => inFlight + finished.length < concurrency

  /** Starts every task that can start. Called after each change. */
  function advance(): void {
    while (hasRoom()) {
      const task = ready.shift()
      if (task === undefined) break
      void launch(task)
    }
    if (state === 'idle' && hasRoom() && waitingCount < concurrency * WAITING_PER_FLIGHT) {
      state = 'reading'
      void readNext()
    }
    change.wake()
  }

  async function readNext(): Promise<void> {
    try {
      const next = await source.next()
      if (isEnded()) return
      state = next.done === true ? 'ended' : 'idle'
      if (next.done !== true) accept(next.value)
    } catch (error) {
      if (isEnded()) return
      state = 'ended'
      failure = { error }
    }
    advance()
  }

  // A function, because TypeScript takes no notice of changes during an await.
  function isEnded(): boolean {
    return state === 'ended'
  }

  function accept(order: OrderInput<ExtInfo>): void {
    const task = { index: read++, order, requestId: textOf(order, 'requestId') ?? newRequestId(), key: keyOf(order) }
    const behind = task.key === undefined ? undefined : waiting.get(task.key)
    if (behind === undefined) {
      if (task.key !== undefined) waiting.set(task.key, [])
      ready.push(task)
    } else {
      waitingCount++
      behind.push(task)
    }
  }

  async function launch({ key, ...task }: Task<ExtInfo>): Promise<void> {
    const { order, requestId } = task
    inFlight++
    try {
      const input = order?.requestId === undefined ? { ...order, requestId } : order
      finished.push({ ok: true, ...task, result: await syncOrder(input, { signal: stop.signal }) })
    } catch (error) {
      finished.push({ ok: false, ...task, error })
    }
    inFlight--
    if (key !== undefined) releaseNext(key)
    advance()
  }

  function releaseNext(key: string): void {
    const next = waiting.get(key)?.shift()
    if (next === undefined) waiting.delete(key)
    else {
      waitingCount--
      ready.push(next)
    }
  }

  /** Stops reading and starting. Orders in flight end immediately, with an unknown outcome. */
  function end(reason: unknown): void {
    // If every order that was read has its outcome, a late abort is no failure.
    if (state !== 'ended' || inFlight + ready.length + waitingCount > 0) failure = { error: reason }
    state = 'ended'
    for (const { key: _, ...task } of [...ready.splice(0), ...[...waiting.values()].flat()]) {
      finished.push({ ok: false, ...task, error: reason })
    }
    waiting.clear()
    waitingCount = 0
    change.wake()
  }

  const abort = () => stop.abort(signal?.reason)
  stop.signal.addEventListener('abort', () => end(stop.signal.reason), { once: true })
  signal?.addEventListener('abort', abort, { once: true })
  try {
    advance()
    for (;;) {
      const outcome = finished.shift()
      if (outcome !== undefined) {
        advance()
        yield outcome
      } else if (isEnded() && inFlight + ready.length === 0) break
      else {
        change = createWaiter()
        await change.woken
      }
    }
    // After return(), the caller does not expect the error of the stop.
    if (failure !== undefined && (!stop.signal.aborted || signal?.aborted)) throw failure.error
  } finally {
    signal?.removeEventListener('abort', abort)
    stop.abort()
    while (inFlight > 0) {
      change = createWaiter()
      await change.woken
    }
    await source.close()
  }
}

function createWaiter(): { readonly woken: Promise<void>; readonly wake: () => void } {
  let wake = () => {}
  const woken = new Promise<void>((resolve) => {
    wake = resolve
  })
  return { woken, wake }
}

/** One pass over an iterable, read by one reader. */
function openSource<Value>(iterable: Iterable<Value> | AsyncIterable<Value>) {
  const iterator = Symbol.asyncIterator in iterable ? iterable[Symbol.asyncIterator]() : toAsync(iterable)
  let isReading = false
  let isDone = false
  return {
    async next(): Promise<IteratorResult<Value, unknown>> {
      isReading = true
      try {
        const next = await iterator.next()
        isDone = next.done === true
        return next
      } catch (error) {
        isDone = true
        throw error
      } finally {
        isReading = false
      }
    },
    /** Calls return() of the iterator, so that it releases its resources, unless it has ended. */
    async close(): Promise<void> {
      if (isDone) return
      const closed = Promise.resolve(iterator.return?.())
      // A generator handles return() only after the value that it awaits, which may never come.
      if (isReading) closed.catch(() => {})
      else await closed
    },
  }
}

async function* toAsync<Value>(iterable: Iterable<Value>): AsyncGenerator<Value, undefined> {
  yield* iterable
}

const keyOf = (order: unknown) => textOf(order, 'merchantBizNo')

function textOf(order: unknown, name: 'merchantBizNo' | 'requestId'): string | undefined {
  const value = typeof order === 'object' && order !== null ? (Reflect.get(order, name) as unknown) : undefined
  return typeof value === 'string' ? value : undefined
}

import {
  type Credentials,
  createOrderSyncHandler,
  type HandlerOptions,
  memoryStore,
  OrderRefusedError,
  type OrderResult,
  type OrderSyncEvent,
} from '../../src/public/index.ts'
import { NOW } from '../support/messages.ts'

// Without vitest: other runtimes load this file too.

/** Implementations of `onOrder`, by name. `calls` counts from 1. */
const ON_ORDER = {
  accepts: () => ({ orderId: 'A-1' }),
  refuses() {
    throw new OrderRefusedError('PROCESS_FAIL', 'Sold out, 售罄')
  },
  throws() {
    throw new Error('out of paper')
  },
  'is slow once, then hangs': (calls) =>
    new Promise((resolve) => {
      if (calls === 1) setTimeout(() => resolve({ orderId: 'A-1' }), 50)
    }),
  'hangs once': (calls) => (calls === 1 ? new Promise<never>(() => {}) : { orderId: 'A-1' }),
} satisfies Record<string, (calls: number) => OrderResult | Promise<OrderResult>>

/** How to create a merchant, as JSON: it may live in another process. */
export interface MerchantOptions extends Pick<HandlerOptions, 'alwaysStatus200' | 'maxBodyBytes' | 'timeoutMs'> {
  /** With keys as PEM. */
  readonly credentials: Credentials
  readonly onOrder?: keyof typeof ON_ORDER
  readonly signedPath?: string
}

/** What a merchant recorded. */
export interface Recorded {
  readonly events: readonly OrderSyncEvent[]
  /** Calls of `onOrder`. */
  readonly onOrderCalls: number
  /** Calls of the store's `claim`. */
  readonly claims: number
}

/** Creates a handler, and records what happens in it. */
export function createMerchant({ onOrder = 'accepts', ...options }: MerchantOptions) {
  const events: OrderSyncEvent[] = []
  const recorded = { events, onOrderCalls: 0, claims: 0 }
  const store = memoryStore({ now: () => NOW })
  const handler = createOrderSyncHandler({
    ...options,
    now: () => NOW,
    store: {
      ...store,
      claim(...delivery) {
        recorded.claims++
        return store.claim(...delivery)
      },
    },
    onOrder: () => ON_ORDER[onOrder](++recorded.onOrderCalls),
    onEvent: (event) => events.push(event),
  })
  return { handler, recorded: recorded as Recorded }
}

import {
  type Credentials,
  createOrderSyncHandler,
  type HandlerOptions,
  memoryStore,
  type OrderResult,
  type OrderSyncEvent,
  OrderRefusedError,
} from '../../src/public/index.ts'
import { NOW } from '../support/messages.ts'

// Without vitest: other runtimes run this as well.

/** What the merchant's code does, told how often it has run. */
const ON_ORDER = {
  accepts: () => ({ orderId: 'A-1' }),
  refuses() {
    throw new OrderRefusedError('PROCESS_FAIL', 'Sold out, 售罄')
  },
  fails() {
    throw new Error('out of paper')
  },
  'takes a while, then hangs': (times) =>
    new Promise((resolve) => {
      if (times === 1) setTimeout(() => resolve({ orderId: 'A-1' }), 50)
    }),
  'hangs once': (times) => (times === 1 ? new Promise<never>(() => {}) : { orderId: 'A-1' }),
} satisfies Record<string, (times: number) => OrderResult | Promise<OrderResult>>

/** What a test wants of a merchant, as data: merchants live in other processes too. */
export interface MerchantOptions extends Pick<HandlerOptions, 'alwaysStatus200' | 'maxBodyBytes' | 'timeoutMs'> {
  /** With keys as PEM. */
  readonly credentials: Credentials
  readonly onOrder?: keyof typeof ON_ORDER
  readonly path?: string
}

/** What has happened at a merchant's. */
export interface Seen {
  readonly events: readonly OrderSyncEvent[]
  /** How often `onOrder` has run. */
  readonly ran: number
  /** How often the store was asked. */
  readonly claims: number
}

/** A merchant's handler, and what has happened there so far. */
export function createMerchant({ onOrder = 'accepts', ...options }: MerchantOptions) {
  const events: OrderSyncEvent[] = []
  const seen = { events, ran: 0, claims: 0 }
  const store = memoryStore({ now: () => NOW })
  const handler = createOrderSyncHandler({
    ...options,
    now: () => NOW,
    store: {
      ...store,
      claim(...delivery) {
        seen.claims++
        return store.claim(...delivery)
      },
    },
    onOrder: () => ON_ORDER[onOrder](++seen.ran),
    onEvent: (event) => events.push(event),
  })
  return { handler, seen: seen as Seen }
}

import type { Order } from '../messages/order.ts'
import type { Credentials } from '../secure-message/credentials.ts'
import { createOrderSyncHandler } from '../server/handler.ts'
import { memoryStore } from '../stores/memory.ts'
import { createTestCredentials } from './test-keys.ts'

/** Plays AlipayHK's receiving side in a test of your client. */
export interface TestReceiver {
  /** Give it to `createOrderSyncClient()`: requests then arrive here, and not on the network. */
  readonly fetch: typeof globalThis.fetch
  /** The orders that arrived, verified, each event once. */
  readonly orders: readonly Order[]
}

/** Options of {@link createTestReceiver}. */
export interface TestReceiverOptions {
  /** The credentials of AlipayHK's side. @defaultValue `createTestCredentials().peer` */
  readonly credentials?: Credentials | undefined
  /**
   * The response to an order. Throw an `OrderRefusedError` for a refusal, any other error for `UNKNOWN_EXCEPTION`.
   * @defaultValue `{ orderId }` for every order
   */
  readonly respond?: ((order: Order) => { orderId: string } | Promise<{ orderId: string }>) | undefined
}

/**
 * Creates a receiver that plays AlipayHK: it verifies, remembers and responds signed.
 *
 * @see docs/protocol.md sections 1 to 7
 * @example
 * ```ts
 * import { createOrderSyncClient } from 'alipayhk-order-sync'
 * import { createTestCredentials, createTestReceiver } from 'alipayhk-order-sync/testing'
 *
 * const receiver = createTestReceiver()
 * const credentials = createTestCredentials().merchant
 * const client = createOrderSyncClient({ credentials, environment: 'testing', fetch: receiver.fetch })
 * ```
 */
export function createTestReceiver({
  credentials = createTestCredentials().peer,
  respond = ({ merchantBizNo }) => ({ orderId: merchantBizNo.slice(0, 64) }),
}: TestReceiverOptions = {}): TestReceiver {
  const orders: Order[] = []
  const handler = createOrderSyncHandler({
    credentials,
    store: memoryStore(),
    async onOrder(order) {
      orders.push(order)
      return await respond(order)
    },
    // The test sees what happens: nothing is printed.
    onEvent: () => {},
  })
  return { orders, fetch: (input, init) => handler.fetch(new Request(input, init)) }
}

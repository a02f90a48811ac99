import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { type Credentials, createOrderSyncHandler, memoryStore, type OrderSyncEvent } from 'alipayhk-order-sync'
import { createOrderSyncServer } from 'alipayhk-order-sync/node'

/** A running merchant's server. */
export interface Merchant {
  readonly url: string
  readonly stop: () => Promise<void>
}

/** The complete code of a merchant. */
export async function startMerchant(
  credentials: Credentials,
  onEvent: (event: OrderSyncEvent) => void,
): Promise<Merchant> {
  const handler = createOrderSyncHandler({
    credentials,
    store: memoryStore(),
    async onOrder(order) {
      // Save the order to your database here.
      return { orderId: `order-${order.merchantBizNo}` }
    },
    onEvent,
  })
  const server = createOrderSyncServer(handler).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  return {
    url: `http://127.0.0.1:${port}`,
    async stop() {
      server.close()
      await handler.drain()
      server.closeAllConnections()
    },
  }
}

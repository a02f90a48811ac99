import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { type Credentials, createOrderSyncHandler, memoryStore, type OrderSyncEvent } from 'alipayhk-order-sync'
import { createServer } from 'alipayhk-order-sync/node'

/** A merchant's server that is up. */
export interface Merchant {
  readonly url: string
  readonly stop: () => Promise<void>
}

/** All that a merchant has to write. */
export async function startMerchant(
  credentials: Credentials,
  onEvent: (event: OrderSyncEvent) => void,
): Promise<Merchant> {
  const handler = createOrderSyncHandler({
    credentials,
    store: memoryStore(),
    async onOrder(order) {
      // Here you would write it to your database.
      return { orderId: `order-${order.merchantBizNo}` }
    },
    onEvent,
  })
  const server = createServer(handler).listen(0, '127.0.0.1')
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

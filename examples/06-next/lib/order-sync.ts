import { createOrderSyncHandler, memoryStore, type OrderSyncHandler } from 'alipayhk-order-sync'

let handler: OrderSyncHandler | undefined

/** Created by the first request, because `next build` loads every route without the keys. */
export function orderSyncHandler(): OrderSyncHandler {
  handler ??= createHandler()
  return handler
}

function createHandler(): OrderSyncHandler {
  const { CLIENT_ID = '', MERCHANT_PRIVATE_KEY = '', ALIPAYHK_PUBLIC_KEY = '' } = process.env
  return createOrderSyncHandler({
    credentials: {
      clientId: CLIENT_ID,
      privateKeys: { 1: MERCHANT_PRIVATE_KEY },
      peerPublicKeys: { 1: ALIPAYHK_PUBLIC_KEY },
    },
    // Loses everything when the process ends, and each route has its own. In production use SQLite, PostgreSQL, MySQL or Redis:
    // see docs/stores.md.
    store: memoryStore(),
    async onOrder(order) {
      // Write the order to your database here.
      return { orderId: `order-${order.merchantBizNo}` }
    },
    onEvent: (event) => console.log(JSON.stringify(event)),
  })
}

import { createOrderSyncHandler, memoryStore, type OrderSyncHandler } from 'alipayhk-order-sync'

let handler: OrderSyncHandler | undefined

/** Made by the first request: `next build` loads every route, and has no keys. */
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
    // Forgets everything when the process ends, and every route has its own. In production: SQLite, PostgreSQL or Redis,
    // see docs/stores.md.
    store: memoryStore(),
    async onOrder(order) {
      // Here you would write it to your database.
      return { orderId: `order-${order.merchantBizNo}` }
    },
    onEvent: (event) => console.log(JSON.stringify(event)),
  })
}

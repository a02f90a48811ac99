import { createOrderSyncHandler, memoryStore } from 'alipayhk-order-sync'
import { sqliteStore } from 'alipayhk-order-sync/stores/sqlite'

const { CLIENT_ID = '', MERCHANT_PRIVATE_KEY = '', ALIPAYHK_PUBLIC_KEY = '', DATABASE } = process.env

// SQLite is one file on one machine. For several machines use PostgreSQL, MySQL or Redis: see docs/stores.md. Memory is for trials.
const store = DATABASE === undefined ? memoryStore() : sqliteStore({ file: DATABASE })

export const handler = createOrderSyncHandler({
  credentials: {
    clientId: CLIENT_ID,
    privateKeys: { 1: MERCHANT_PRIVATE_KEY },
    peerPublicKeys: { 1: ALIPAYHK_PUBLIC_KEY },
  },
  store,
  async onOrder(order) {
    // Write the order to your database here.
    return { orderId: `order-${order.merchantBizNo}` }
  },
  onEvent: (event) => console.log(JSON.stringify(event)),
})

/** Waits for the orders that are being processed, and closes the file. */
export async function close() {
  await handler.drain()
  if ('close' in store) await store.close()
}

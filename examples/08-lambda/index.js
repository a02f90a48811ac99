import { createOrderSyncHandler, memoryStore } from 'alipayhk-order-sync'
import { toLambdaHandler } from 'alipayhk-order-sync/lambda'

const { CLIENT_ID = '', MERCHANT_PRIVATE_KEY = '', ALIPAYHK_PUBLIC_KEY = '' } = process.env

export const orderSync = createOrderSyncHandler({
  credentials: {
    clientId: CLIENT_ID,
    privateKeys: { 1: MERCHANT_PRIVATE_KEY },
    peerPublicKeys: { 1: ALIPAYHK_PUBLIC_KEY },
  },
  // Each instance of a function has a memory of its own. In production: PostgreSQL or Redis, see docs/stores.md.
  store: memoryStore(),
  async onOrder(order) {
    // Here you would write it to your database.
    return { orderId: `order-${order.merchantBizNo}` }
  },
  // Lambda stops the clock once it has answered: stay below the timeout of the function, and answer before it.
  timeoutMs: 5_000,
  onEvent: (event) => console.log(JSON.stringify(event)),
})

const answer = toLambdaHandler(orderSync)

/** @param {import('alipayhk-order-sync/lambda').LambdaEvent} event */
export async function handler(event) {
  if (event.rawPath === '/health') return { statusCode: 200, body: 'ok' }
  return answer(event)
}

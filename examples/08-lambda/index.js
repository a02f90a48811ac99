import { createOrderSyncHandler, memoryStore } from 'alipayhk-order-sync'
import { lambdaOrderSync } from 'alipayhk-order-sync/lambda'

const { CLIENT_ID = '', MERCHANT_PRIVATE_KEY = '', ALIPAYHK_PUBLIC_KEY = '' } = process.env

export const orderSync = createOrderSyncHandler({
  credentials: {
    clientId: CLIENT_ID,
    privateKeys: { 1: MERCHANT_PRIVATE_KEY },
    peerPublicKeys: { 1: ALIPAYHK_PUBLIC_KEY },
  },
  // Each instance of the function has its own memory. In production use PostgreSQL, MySQL or Redis: see docs/stores.md.
  store: memoryStore(),
  async onOrder(order) {
    // Write the order to your database here.
    return { orderId: `order-${order.merchantBizNo}` }
  },
  // Must be below the timeout of the function: Lambda freezes the instance after the response, and stops it at the timeout.
  timeoutMs: 5_000,
  onEvent: (event) => console.log(JSON.stringify(event)),
})

const handleEvent = lambdaOrderSync(orderSync)

/** @param {import('alipayhk-order-sync/lambda').LambdaEvent} event */
export async function handler(event) {
  if (event.rawPath === '/health') {
    const health = await orderSync.health()
    return { statusCode: health.ok ? 200 : 503, body: JSON.stringify(health) }
  }
  return handleEvent(event)
}

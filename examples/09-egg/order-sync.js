const { createOrderSyncHandler, memoryStore } = require('alipayhk-order-sync')

const { CLIENT_ID = '', MERCHANT_PRIVATE_KEY = '', ALIPAYHK_PUBLIC_KEY = '' } = process.env

exports.handler = createOrderSyncHandler({
  credentials: {
    clientId: CLIENT_ID,
    privateKeys: { 1: MERCHANT_PRIVATE_KEY },
    peerPublicKeys: { 1: ALIPAYHK_PUBLIC_KEY },
  },
  // Loses everything when the process ends. In production use SQLite, PostgreSQL, MySQL or Redis: see docs/stores.md.
  store: memoryStore(),
  async onOrder(order) {
    // Write the order to your database here.
    return { orderId: `order-${order.merchantBizNo}` }
  },
  onEvent: (event) => console.log(JSON.stringify(event)),
})

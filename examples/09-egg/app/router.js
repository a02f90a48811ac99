const { ORDER_SYNC_PATH } = require('alipayhk-order-sync')
const { koaOrderSync } = require('alipayhk-order-sync/koa')
const { handler } = require('../order-sync.js')

const orderSync = koaOrderSync(handler)

module.exports = ({ router }) => {
  router.all(ORDER_SYNC_PATH, (context) => orderSync(context))
  // For the load balancer: 503 while the store does not work.
  router.get('/health', async (context) => {
    context.body = await handler.health()
    context.status = context.body.ok ? 200 : 503
  })
}

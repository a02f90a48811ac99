const { ORDER_SYNC_PATH } = require('alipayhk-order-sync')
const { koaOrderSync } = require('alipayhk-order-sync/koa')
const { handler } = require('../order-sync.js')

const orderSync = koaOrderSync(handler)

module.exports = ({ router }) => {
  router.all(ORDER_SYNC_PATH, (context) => orderSync(context))
  router.get('/health', (context) => {
    context.body = 'ok'
  })
}

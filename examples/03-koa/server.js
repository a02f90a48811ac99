import { bodyParser } from '@koa/bodyparser'
import Router from '@koa/router'
import { ORDER_SYNC_PATH } from 'alipayhk-order-sync'
import { koaOrderSync } from 'alipayhk-order-sync/koa'
import Koa from 'koa'
import { handler } from './order-sync.js'

const orderSync = koaOrderSync(handler)
const router = new Router()
router.all(ORDER_SYNC_PATH, (context) => orderSync(context))
// For the load balancer: 503 while the store does not work.
router.get('/health', async (context) => {
  context.body = await handler.health()
  context.status = context.body.ok ? 200 : 503
})

const app = new Koa()
// Before the body parser: the signature covers the raw bytes.
app.use(router.routes())
app.use(bodyParser())

const server = app.listen(Number(process.env.PORT ?? 3000), () => {
  console.log(`listening on http://localhost:${server.address().port}`)
})

for (const signal of ['SIGINT', 'SIGTERM']) {
  process.once(signal, async () => {
    server.close() // no new requests
    await handler.drain() // waits for orders that are being processed; close your database after it
  })
}

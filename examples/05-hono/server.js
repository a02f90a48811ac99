import { serve } from '@hono/node-server'
import { ORDER_SYNC_PATH } from 'alipayhk-order-sync'
import { Hono } from 'hono'
import { handler } from './order-sync.js'

const app = new Hono()

app.all(ORDER_SYNC_PATH, (context) => handler.fetch(context.req.raw))
app.get('/health', (context) => context.text('ok'))

const server = serve({ fetch: app.fetch, port: Number(process.env.PORT ?? 3000) }, ({ port }) => {
  console.log(`listening on http://localhost:${port}`)
})

for (const signal of ['SIGINT', 'SIGTERM']) {
  process.once(signal, async () => {
    server.close() // no new requests
    await handler.drain() // waits for orders that are being processed; close your database after it
  })
}

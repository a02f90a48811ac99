import { serve } from '@hono/node-server'
import { ORDER_SYNC_PATH } from 'alipayhk-order-sync'
import { Hono } from 'hono'
import { handler } from './order-sync.js'

const app = new Hono()

app.all(ORDER_SYNC_PATH, (context) => handler.fetch(context.req.raw))
// For the load balancer: 503 while the store does not work.
app.get('/health', async (context) => {
  const health = await handler.health()
  return context.json(health, health.ok ? 200 : 503)
})

const server = serve({ fetch: app.fetch, port: Number(process.env.PORT ?? 3000) }, ({ port }) => {
  console.log(`listening on http://localhost:${port}`)
})

for (const signal of ['SIGINT', 'SIGTERM']) {
  process.once(signal, async () => {
    server.close() // no new requests
    await handler.drain() // waits for orders that are being processed; close your database after it
  })
}

import { ORDER_SYNC_PATH } from 'alipayhk-order-sync'
import { expressOrderSync } from 'alipayhk-order-sync/express'
import express from 'express'
import { handler, pool } from './order-sync.js'

const app = express()

// Before express.json(): the signature covers the raw bytes.
app.all(ORDER_SYNC_PATH, expressOrderSync(handler))
app.use(express.json())
// For the load balancer: 503 while the store does not work.
app.get('/health', async (_request, response) => {
  const health = await handler.health()
  response.status(health.ok ? 200 : 503).json(health)
})

const server = app.listen(Number(process.env.PORT ?? 3000), () => {
  console.log(`listening on http://localhost:${server.address().port}`)
})

for (const signal of ['SIGINT', 'SIGTERM']) {
  process.once(signal, async () => {
    server.close() // no new requests
    await handler.drain() // waits for orders that are being processed
    await pool?.end()
  })
}

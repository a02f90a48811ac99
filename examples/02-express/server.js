import { ORDER_SYNC_PATH } from 'alipayhk-order-sync'
import { orderSync } from 'alipayhk-order-sync/express'
import express from 'express'
import { handler } from './order-sync.js'

const app = express()

// Before express.json(): the signature is over the bytes as they came.
app.all(ORDER_SYNC_PATH, orderSync(handler))
app.use(express.json())
app.get('/health', (_request, response) => response.send('ok'))

const server = app.listen(Number(process.env.PORT ?? 3000), () => {
  console.log(`listening on http://localhost:${server.address().port}`)
})

for (const signal of ['SIGINT', 'SIGTERM']) {
  process.once(signal, async () => {
    server.close() // no new requests
    await handler.drain() // the orders that are being processed end; then close your database
  })
}

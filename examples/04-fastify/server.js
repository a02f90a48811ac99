import { orderSync } from 'alipayhk-order-sync/fastify'
import Fastify from 'fastify'
import { handler } from './order-sync.js'

const app = Fastify()

// In any order: what the plugin does about parsers stays within it.
app.register(orderSync, { handler })
app.get('/health', async () => 'ok')

console.log(`listening on ${await app.listen({ port: Number(process.env.PORT ?? 3000), host: '0.0.0.0' })}`)

for (const signal of ['SIGINT', 'SIGTERM']) {
  process.once(signal, async () => {
    await app.close() // no new requests
    await handler.drain() // the orders that are being processed end; then close your database
  })
}

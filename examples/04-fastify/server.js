import { fastifyOrderSync } from 'alipayhk-order-sync/fastify'
import Fastify from 'fastify'
import { handler } from './order-sync.js'

const app = Fastify()

// The order does not matter: the plugin changes body parsers only for its own route.
app.register(fastifyOrderSync, { handler })
app.get('/health', async () => 'ok')

console.log(`listening on ${await app.listen({ port: Number(process.env.PORT ?? 3000), host: '0.0.0.0' })}`)

for (const signal of ['SIGINT', 'SIGTERM']) {
  process.once(signal, async () => {
    await app.close() // no new requests
    await handler.drain() // waits for orders that are being processed; close your database after it
  })
}

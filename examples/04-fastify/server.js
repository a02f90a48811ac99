import { fastifyOrderSync } from 'alipayhk-order-sync/fastify'
import Fastify from 'fastify'
import { handler } from './order-sync.js'

const app = Fastify()

// The order does not matter: the plugin changes body parsers only for its own route.
app.register(fastifyOrderSync, { handler })
// For the load balancer: 503 while the store does not work.
app.get('/health', async (_request, reply) => {
  const health = await handler.health()
  return reply.code(health.ok ? 200 : 503).send(health)
})

console.log(`listening on ${await app.listen({ port: Number(process.env.PORT ?? 3000), host: '0.0.0.0' })}`)

for (const signal of ['SIGINT', 'SIGTERM']) {
  process.once(signal, async () => {
    await app.close() // no new requests
    await handler.drain() // waits for orders that are being processed; close your database after it
  })
}

import { createServer } from 'node:http'
import { ORDER_SYNC_PATH } from 'alipayhk-order-sync'
import { toNodeListener } from 'alipayhk-order-sync/node'
import { close, handler } from './order-sync.js'

const orderSync = toNodeListener(handler)

// For the load balancer: 503 while the store does not work.
async function respondHealth(response) {
  const health = await handler.health()
  response.writeHead(health.ok ? 200 : 503, { 'Content-Type': 'application/json' }).end(JSON.stringify(health))
}

const server = createServer((request, response) => {
  const { pathname } = new URL(request.url ?? '/', 'http://localhost')
  if (pathname === ORDER_SYNC_PATH) orderSync(request, response)
  else if (pathname === '/health') respondHealth(response)
  else response.writeHead(404).end()
})

server.listen(Number(process.env.PORT ?? 3000), () => {
  console.log(`listening on http://localhost:${server.address().port}`)
})

for (const signal of ['SIGINT', 'SIGTERM']) {
  process.once(signal, async () => {
    server.close() // no new requests
    await close()
  })
}

// Simulates API Gateway (HTTP API) on your machine: turns each request into an event, as `sam local start-api` does.
import { createServer } from 'node:http'
import { buffer } from 'node:stream/consumers'
import { handler, orderSync } from './index.js'

const server = createServer(async (request, response) => {
  const { pathname, search } = new URL(request.url ?? '/', 'http://localhost')
  const body = await buffer(request)
  const headers = Object.entries(request.headers).map(([name, value]) => [name, String(value)])
  const result = await handler({
    rawPath: pathname,
    rawQueryString: search.slice(1),
    headers: Object.fromEntries(headers),
    requestContext: { http: { method: request.method } },
    body: body.toString('base64'),
    isBase64Encoded: true,
  })
  response.writeHead(result.statusCode, 'headers' in result ? result.headers : {}).end(result.body)
})

server.listen(Number(process.env.PORT ?? 3000), () => {
  console.log(`listening on http://localhost:${server.address().port}`)
})

for (const signal of ['SIGINT', 'SIGTERM']) {
  process.once(signal, async () => {
    server.close() // no new requests
    await orderSync.drain() // waits for orders that are being processed; close your database after it
  })
}

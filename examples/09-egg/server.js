const { createServer } = require('node:http')
const egg = require('egg')
const { handler } = require('./order-sync.js')

async function main() {
  const app = await egg.start({ baseDir: __dirname })
  const server = createServer(app.callback())
  server.listen(Number(process.env.PORT ?? 3000), () => {
    console.log(`listening on http://localhost:${server.address().port}`)
  })

  for (const signal of ['SIGINT', 'SIGTERM']) {
    process.once(signal, async () => {
      server.close() // no new requests
      await handler.drain() // waits for orders that are being processed; close your database after it
      await app.close()
      process.exit(0) // Egg's agent keeps the process running
    })
  }
}

main()

import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { App, Configuration } from '@midwayjs/core'
import * as koa from '@midwayjs/koa'
import { ORDER_SYNC_PATH } from 'alipayhk-order-sync'
import { koaOrderSync } from 'alipayhk-order-sync/koa'
import { handler } from './order-sync.js'

const orderSync = koaOrderSync(handler)

/** For the load balancer: 503 while the store does not work. */
async function respondHealth(context: koa.Context): Promise<void> {
  const health = await handler.health()
  context.body = health
  context.status = health.ok ? 200 : 503
}

@Configuration({
  imports: [koa],
  // Change it: Midway signs cookies with it.
  importConfigs: [{ default: { keys: 'order-sync-example' } }],
})
export class MainConfiguration {
  @App('koa')
  app!: koa.Application

  private readonly server = createServer()

  async onReady() {
    // Works behind Midway's body parser as well: it keeps the text of JSON as rawBody, and leaves other types alone.
    this.app.use(async (context: koa.Context, next: () => Promise<unknown>) => {
      if (context.path === ORDER_SYNC_PATH) await orderSync(context)
      else if (context.path === '/health') await respondHealth(context)
      else await next()
    })
  }

  async onServerReady() {
    this.server.on('request', this.app.callback())
    this.server.listen(Number(process.env.PORT ?? 3000), () => {
      const { port } = this.server.address() as AddressInfo
      console.log(`listening on http://localhost:${port}`)
    })
  }

  async onStop() {
    const closed = once(this.server, 'close')
    this.server.close() // no new requests
    await handler.drain() // waits for orders that are being processed; close your database after it
    await closed // Midway ends the process next: the last response must have been sent
  }
}

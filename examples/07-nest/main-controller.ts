import 'reflect-metadata'
import { Controller, Inject, Module, Post, Req, Res } from '@nestjs/common'
import { NestFactory } from '@nestjs/core'
import type { NestExpressApplication } from '@nestjs/platform-express'
import { ORDER_SYNC_PATH } from 'alipayhk-order-sync'
import { expressOrderSync } from 'alipayhk-order-sync/express'
import type { NodeRequest, NodeResponse } from 'alipayhk-order-sync/node'
import { AppModule } from './app.module.ts'
import { OrderSync } from './order-sync.ts'

@Controller(ORDER_SYNC_PATH)
class OrderSyncController {
  readonly #respond: ReturnType<typeof expressOrderSync>

  constructor(@Inject(OrderSync) { handler }: OrderSync) {
    this.#respond = expressOrderSync(handler)
  }

  // With @Res(), Nest leaves the response to this method.
  @Post()
  sync(@Req() request: NodeRequest, @Res() response: NodeResponse): Promise<void> {
    return this.#respond(request, response)
  }
}

@Module({ imports: [AppModule], controllers: [OrderSyncController] })
class ControllerModule {}

// Nest parses the body before a controller runs. With `rawBody` it keeps the bytes, which the signature covers.
const app = await NestFactory.create<NestExpressApplication>(ControllerModule, { rawBody: true })

// The parser's own limit is 100 kB. Above a limit, Nest responds itself: unsigned, and without an event.
app.useBodyParser('json', { limit: '1mb' })

app.enableShutdownHooks([], { useProcessExit: true })
await app.listen(process.env['PORT'] ?? 3000)
console.log(`listening on ${await app.getUrl()}`)

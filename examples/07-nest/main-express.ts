import 'reflect-metadata'
import { NestFactory } from '@nestjs/core'
import type { NestExpressApplication } from '@nestjs/platform-express'
import { ORDER_SYNC_PATH } from 'alipayhk-order-sync'
import { orderSync } from 'alipayhk-order-sync/express'
import { AppModule } from './app.module.ts'
import { OrderSync } from './order-sync.ts'

const app = await NestFactory.create<NestExpressApplication>(AppModule)

// Nest mounts its body parser when it starts to listen, and so after this: the signature is over the bytes as they came.
app.use(ORDER_SYNC_PATH, orderSync(app.get(OrderSync).handler))

app.enableShutdownHooks([], { useProcessExit: true })
await app.listen(process.env['PORT'] ?? 3000)
console.log(`listening on ${await app.getUrl()}`)

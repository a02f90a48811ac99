import 'reflect-metadata'
import { NestFactory } from '@nestjs/core'
import type { NestExpressApplication } from '@nestjs/platform-express'
import { ORDER_SYNC_PATH } from 'alipayhk-order-sync'
import { expressOrderSync } from 'alipayhk-order-sync/express'
import { AppModule } from './app.module.ts'
import { OrderSync } from './order-sync.ts'

const app = await NestFactory.create<NestExpressApplication>(AppModule)

// The signature covers the raw bytes. Nest adds its body parser when it starts to listen, so after this line.
app.use(ORDER_SYNC_PATH, expressOrderSync(app.get(OrderSync).handler))

app.enableShutdownHooks([], { useProcessExit: true })
await app.listen(process.env['PORT'] ?? 3000)
console.log(`listening on ${await app.getUrl()}`)

import 'reflect-metadata'
import { NestFactory } from '@nestjs/core'
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify'
import { orderSync } from 'alipayhk-order-sync/fastify'
import { AppModule } from './app.module.ts'
import { OrderSync } from './order-sync.ts'

const app = await NestFactory.create<NestFastifyApplication>(AppModule, new FastifyAdapter())

// What the plugin does about parsers stays within it: those of Nest are as they were.
await app.register(orderSync, { handler: app.get(OrderSync).handler })

app.enableShutdownHooks([], { useProcessExit: true })
await app.listen(process.env['PORT'] ?? 3000, '0.0.0.0')
console.log(`listening on ${await app.getUrl()}`)

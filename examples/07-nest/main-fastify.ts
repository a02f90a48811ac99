import 'reflect-metadata'
import { NestFactory } from '@nestjs/core'
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify'
import { fastifyOrderSync } from 'alipayhk-order-sync/fastify'
import { AppModule } from './app.module.ts'
import { OrderSync } from './order-sync.ts'

const app = await NestFactory.create<NestFastifyApplication>(AppModule, new FastifyAdapter())

// The plugin changes body parsers only for its own route, so those of Nest keep working.
await app.register(fastifyOrderSync, { handler: app.get(OrderSync).handler })

app.enableShutdownHooks([], { useProcessExit: true })
await app.listen(process.env['PORT'] ?? 3000, '0.0.0.0')
console.log(`listening on ${await app.getUrl()}`)

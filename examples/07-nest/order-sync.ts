import type { OnApplicationShutdown } from '@nestjs/common'
import { createOrderSyncHandler, memoryStore, type OrderSyncHandler } from 'alipayhk-order-sync'
import type { OrdersService } from './orders.service.ts'

export class OrderSync implements OnApplicationShutdown {
  readonly handler: OrderSyncHandler

  constructor(orders: OrdersService) {
    const { CLIENT_ID = '', MERCHANT_PRIVATE_KEY = '', ALIPAYHK_PUBLIC_KEY = '' } = process.env
    this.handler = createOrderSyncHandler({
      credentials: {
        clientId: CLIENT_ID,
        privateKeys: { 1: MERCHANT_PRIVATE_KEY },
        peerPublicKeys: { 1: ALIPAYHK_PUBLIC_KEY },
      },
      // Loses everything when the process ends. In production use SQLite, PostgreSQL, MySQL or Redis: see docs/stores.md.
      store: memoryStore(),
      onOrder: async (order) => ({ orderId: await orders.save(order) }),
      onEvent: (event) => console.log(JSON.stringify(event)),
    })
  }

  /** Runs after the last response. Waits for calls of onOrder that take longer than their response. */
  async onApplicationShutdown(): Promise<void> {
    await this.handler.drain()
  }
}

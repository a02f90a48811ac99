import { createOrderSyncHandler, memoryStore } from 'alipayhk-order-sync'

export const POST = (request) =>
  createOrderSyncHandler({ ...globalThis.orderSyncOptions, store: memoryStore() }).fetch(request)

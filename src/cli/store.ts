import { memoryStore, type OrderSyncStore } from 'alipayhk-order-sync'

/** Where `serve` remembers orders: the one place that knows which stores there are. */
export function openStore(): OrderSyncStore {
  return memoryStore()
}

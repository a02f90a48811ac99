import { after } from 'next/server'
import { orderSyncHandler } from '@/lib/order-sync'

export function POST(request: Request): Promise<Response> {
  const handler = orderSyncHandler()
  // An order that outlives its answer ends before the process does, on a server as on a platform of functions.
  after(handler.drain)
  return handler.fetch(request)
}

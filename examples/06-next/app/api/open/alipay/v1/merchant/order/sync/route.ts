import { after } from 'next/server'
import { orderSyncHandler } from '@/lib/order-sync'

export function POST(request: Request): Promise<Response> {
  const handler = orderSyncHandler()
  // onOrder may take longer than the response. This keeps the process, or the serverless function, alive until it ends.
  after(handler.drain)
  return handler.fetch(request)
}

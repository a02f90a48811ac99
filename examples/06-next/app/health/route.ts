import { orderSyncHandler } from '@/lib/order-sync'

export const dynamic = 'force-dynamic'

/** For the load balancer: 503 while the store does not work. */
export async function GET(): Promise<Response> {
  const health = await orderSyncHandler().health()
  return Response.json(health, { status: health.ok ? 200 : 503 })
}

/**
 * Code of a user. The tests compile it against the installed package with several configurations. The lines that must
 * not compile are marked.
 */
import { createServer, type RequestListener } from 'node:http'
import {
  type Credentials,
  createOrderSyncClient,
  createOrderSyncHandler,
  isOrderSyncError,
  memoryStore,
  type OrderInput,
  OrderRefusedError,
} from 'alipayhk-order-sync'
import { expressOrderSync } from 'alipayhk-order-sync/express'
import type { StandardSchema } from 'alipayhk-order-sync/messages'
import { toNodeListener } from 'alipayhk-order-sync/node'

const credentials: Credentials = { clientId: 'C', privateKeys: { 1: 'PEM' }, peerPublicKeys: { 1: new Uint8Array() } }

declare const extInfoSchema: StandardSchema<unknown, { table: number }>

export const handler = createOrderSyncHandler({
  credentials: async (clientId) => (clientId === 'C' ? credentials : undefined),
  store: memoryStore(),
  extInfoSchema,
  onOrder(order, { signal }) {
    signal.throwIfAborted()
    const table: number = order.extInfo.table
    // @ts-expect-error The schema says number.
    const wrong: string = order.extInfo.table
    // @ts-expect-error It may be absent.
    const merchant: string = order.merchantId
    if (order.payAmount?.value === '0') throw new OrderRefusedError('PROCESS_FAIL', wrong + merchant)
    return { orderId: `${table}` }
  },
  onEvent: ({ kind, code }) => void [kind === 'processed', code],
})
export const listener: RequestListener = toNodeListener(handler)
export const middleware = expressOrderSync(handler)
export const server = createServer(listener)
export const POST: (request: Request) => Promise<Response> = handler.fetch

// @ts-expect-error onOrder and a store are required.
createOrderSyncHandler({ credentials })
// @ts-expect-error onOrder must return an order id.
createOrderSyncHandler({ credentials, store: memoryStore(), onOrder: () => ({}) })

const client = createOrderSyncClient({ credentials, environment: 'testing', encrypt: true, timeoutMs: undefined })
const order: OrderInput = {
  tradeNo: '1',
  merchantBizNo: '2',
  orderStatus: 'PAID',
  orderCreateTime: 1,
  orderModifyTime: 2,
  userId: '3',
  extInfo: {},
}
// @ts-expect-error An absent member must not be undefined.
export const absent: OrderInput = { ...order, merchantId: undefined }

export async function send(): Promise<string> {
  try {
    const { orderId } = await client.syncOrder(order, { signal: AbortSignal.timeout(1000) })
    return orderId
  } catch (error) {
    if (!isOrderSyncError(error)) throw error
    // @ts-expect-error Not one of the codes.
    if (error.code === 'ERR_NOTHING') return ''
    return error.code satisfies string
  }
}

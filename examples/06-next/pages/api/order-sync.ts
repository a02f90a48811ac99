import { orderSync } from 'alipayhk-order-sync/next-pages'
import type { NextApiHandler } from 'next'
import { orderSyncHandler } from '@/lib/order-sync'

/** The signature is over the bytes as they came. */
export const config = { api: { bodyParser: false } }

const handler: NextApiHandler = (request, response) => orderSync(orderSyncHandler())(request, response)

export default handler

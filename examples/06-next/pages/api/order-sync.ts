import { nextPagesOrderSync } from 'alipayhk-order-sync/next-pages'
import type { NextApiHandler } from 'next'
import { orderSyncHandler } from '@/lib/order-sync'

/** Switches the body parser off: the signature covers the raw bytes. */
export const config = { api: { bodyParser: false } }

const handler: NextApiHandler = (request, response) => nextPagesOrderSync(orderSyncHandler())(request, response)

export default handler

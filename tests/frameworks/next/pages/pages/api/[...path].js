import { orderSync } from 'alipayhk-order-sync/next-pages'

export const config = { api: { bodyParser: false } }

/** The suite's handler of the moment: one server serves them all. */
export default (request, response) => orderSync(globalThis.orderSyncHandler)(request, response)

import { nextPagesOrderSync } from 'alipayhk-order-sync/next-pages'

export const config = { api: { bodyParser: false } }

/** The handler of the current test. One server is used for all tests. */
export default (request, response) => nextPagesOrderSync(globalThis.orderSyncHandler)(request, response)

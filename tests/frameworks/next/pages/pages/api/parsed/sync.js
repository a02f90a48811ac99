import { nextPagesOrderSync } from 'alipayhk-order-sync/next-pages'

/** With the body parser of Next.js, which is on by default. */
export default (request, response) => nextPagesOrderSync(globalThis.orderSyncHandler)(request, response)

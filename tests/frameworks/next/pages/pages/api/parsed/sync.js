import { orderSync } from 'alipayhk-order-sync/next-pages'

/** As Next.js has it by default: with its body parser. */
export default (request, response) => orderSync(globalThis.orderSyncHandler)(request, response)

/** The handler of the current test. One server is used for all tests. */
const handle = (request) => globalThis.orderSyncHandler.fetch(request)

export { handle as DELETE, handle as GET, handle as PATCH, handle as POST, handle as PUT }

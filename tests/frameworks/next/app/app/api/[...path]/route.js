/** The suite's handler of the moment: one server serves them all. */
const answer = (request) => globalThis.orderSyncHandler.fetch(request)

export { answer as DELETE, answer as GET, answer as PATCH, answer as POST, answer as PUT }

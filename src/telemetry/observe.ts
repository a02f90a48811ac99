/**
 * The method of a handler and a client with which the development console observes received and sent messages. It is neither a
 * tracing channel nor public API, because observations contain customer data and whole signatures. `Symbol.for`, because console
 * and handler can come from the ESM and the CommonJS build.
 */
export const OBSERVE: unique symbol = Symbol.for('alipayhk-order-sync/observe')

/**
 * The method of a handler, and of a client, by which the development console sees what arrives and what is sent. It is neither a
 * channel nor part of the public face: what is observed has customer data and whole signatures. `Symbol.for`, because console
 * and handler can come from the ESM and the CommonJS build.
 */
export const OBSERVE: unique symbol = Symbol.for('alipayhk-order-sync/observe')

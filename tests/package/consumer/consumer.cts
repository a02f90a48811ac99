/** The same package, for a user whose modules are CommonJS. */
import sync = require('alipayhk-order-sync')
import express = require('alipayhk-order-sync/express')

export const now: string = sync.formatTime(Date.now())
export const middleware = (handler: sync.OrderSyncHandler) => express.orderSync(handler)
// @ts-expect-error A number is wanted.
sync.formatTime('now')

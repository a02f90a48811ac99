/** The same package in a CommonJS module. */
import sync = require('alipayhk-order-sync')
import express = require('alipayhk-order-sync/express')

export const now: string = sync.formatTime(Date.now())
export const middleware = (handler: sync.OrderSyncHandler) => express.expressOrderSync(handler)
// @ts-expect-error It must be a number.
sync.formatTime('now')

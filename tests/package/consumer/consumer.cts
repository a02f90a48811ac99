/** The same package in a CommonJS module. */
import sync = require('alipayhk-order-sync')
import express = require('alipayhk-order-sync/express')
import protocol = require('alipayhk-order-sync/protocol')

export const now: string = protocol.formatTime(Date.now())
export const middleware = (handler: sync.OrderSyncHandler) => express.expressOrderSync(handler)
// @ts-expect-error It must be a number.
protocol.formatTime('now')

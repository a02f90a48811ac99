import type { Order } from '../messages/order.ts'

export type SecondsWarning = (order: Pick<Order, 'orderModifyTime'>) => void

/** Creates the function that warns, once, about an `orderModifyTime` of ten digits. It is accepted, because the API page names no unit. */
export function createSecondsWarning(): SecondsWarning {
  let isWarned = false
  return ({ orderModifyTime }) => {
    if (isWarned || !/^\d{10}$/.test(String(orderModifyTime))) return
    isWarned = true
    const message =
      'An "orderModifyTime" has ten digits: the peer sends seconds instead of milliseconds. Two events of an order within the same second count as duplicates.'
    process.emitWarning(message, 'OrderSyncWarning')
  }
}

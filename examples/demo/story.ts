import type { ClientOptions, OrderInput } from 'alipayhk-order-sync'

/** One message to the merchant, and what should become of it. */
export interface Scene {
  readonly title: string
  readonly says: string
  readonly sender: 'alipayhk' | 'stranger'
  readonly order: OrderInput
  readonly options?: Partial<ClientOptions>
  /** What the merchant is told by `onEvent`, and the result code that the sender gets. */
  readonly expected: { readonly kind: string; readonly code: string; readonly resultCode: string }
}

const now = Date.now()
const minute = 60_000

/** Events in the life of one order. */
const created = {
  tradeNo: '2024052200001',
  merchantBizNo: 'A-1001',
  orderStatus: 'CREATED',
  orderCreateTime: now - 30 * minute,
  orderModifyTime: now - 30 * minute,
  amount: { value: '12850', currency: 'HKD' },
  userId: '2088000000000000',
  extInfo: { shop: 'Tsim Sha Tsui' },
}
const paid = { ...created, orderStatus: 'PAID', orderModifyTime: now - 20 * minute }
const shipped = { ...created, orderStatus: 'SHIPPED', orderModifyTime: now - 15 * minute }
const delivered = { ...created, orderStatus: 'DELIVERED', orderModifyTime: now - 11 * minute }
const cancelled = { ...created, orderStatus: 'CANCELLED', orderModifyTime: now }

export const story: readonly Scene[] = [
  {
    title: 'A plain order',
    says: 'A-1001 was paid. The body is in the clear; the Signature header vouches for it.',
    sender: 'alipayhk',
    order: paid,
    expected: { kind: 'processed', code: 'SUCCESS', resultCode: 'SUCCESS' },
  },
  {
    title: 'An encrypted order',
    says: 'A-1001 was shipped. Nobody on the way can read it, nor the answer.',
    sender: 'alipayhk',
    order: shipped,
    options: { encrypt: true },
    expected: { kind: 'processed', code: 'SUCCESS', resultCode: 'SUCCESS' },
  },
  {
    title: 'A duplicate',
    says: 'The same event again, as it comes when an answer was lost. It is answered, and not processed twice.',
    sender: 'alipayhk',
    order: shipped,
    expected: { kind: 'duplicate', code: 'SUCCESS', resultCode: 'SUCCESS' },
  },
  {
    title: 'An older event',
    says: 'A-1001 was created: overtaken on the way by what happened since. The order does not go back to it.',
    sender: 'alipayhk',
    order: created,
    expected: { kind: 'stale', code: 'SUCCESS', resultCode: 'SUCCESS' },
  },
  {
    title: 'A forged order',
    says: 'Somebody claims that A-1001 was cancelled, with a key that is not AlipayHK’s.',
    sender: 'stranger',
    order: cancelled,
    expected: { kind: 'rejected', code: 'ERR_SIGNATURE_INVALID', resultCode: 'INVALID_SIGNATURE' },
  },
  {
    title: 'A late order',
    says: 'A-1001 was delivered: AlipayHK did sign this, ten minutes ago. Who sends it now, nobody knows.',
    sender: 'alipayhk',
    order: delivered,
    // A clock that is slow; and patience with the answer, which by that clock comes from the future.
    options: { now: () => Date.now() - 10 * minute, clockToleranceSeconds: 3600 },
    expected: { kind: 'rejected', code: 'ERR_TIME_RANGE', resultCode: 'INVALID_SIGNATURE' },
  },
]

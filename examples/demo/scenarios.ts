import type { ClientOptions, OrderInput } from 'alipayhk-order-sync'

/** One message to the merchant, and the expected result. */
export interface Scenario {
  readonly title: string
  readonly explanation: string
  readonly sender: 'alipayhk' | 'stranger'
  readonly order: OrderInput
  readonly options?: Partial<ClientOptions>
  /** The `kind` and `code` of the merchant's event, and the result code in the response. */
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

export const scenarios: readonly Scenario[] = [
  {
    title: 'A plain order',
    explanation: 'A-1001 was paid. The body is plain text; the Signature header proves its origin.',
    sender: 'alipayhk',
    order: paid,
    expected: { kind: 'processed', code: 'SUCCESS', resultCode: 'SUCCESS' },
  },
  {
    title: 'An encrypted order',
    explanation: 'A-1001 was shipped. Only the two sides can read the request and the response.',
    sender: 'alipayhk',
    order: shipped,
    options: { encrypt: true },
    expected: { kind: 'processed', code: 'SUCCESS', resultCode: 'SUCCESS' },
  },
  {
    title: 'A duplicate',
    explanation:
      'The same event again, as after a lost response. The merchant responds, but does not process it twice.',
    sender: 'alipayhk',
    order: shipped,
    expected: { kind: 'duplicate', code: 'SUCCESS', resultCode: 'SUCCESS' },
  },
  {
    title: 'An older event',
    explanation: 'A-1001 was created: this event is received after newer ones. The order keeps its newer status.',
    sender: 'alipayhk',
    order: created,
    expected: { kind: 'stale', code: 'SUCCESS', resultCode: 'SUCCESS' },
  },
  {
    title: 'A forged order',
    explanation: 'An attacker claims that A-1001 was cancelled, and signs with a key that is not AlipayHK’s.',
    sender: 'stranger',
    order: cancelled,
    expected: { kind: 'rejected', code: 'ERR_SIGNATURE_INVALID', resultCode: 'INVALID_SIGNATURE' },
  },
  {
    title: 'A late order',
    explanation: 'A-1001 was delivered: AlipayHK signed this ten minutes ago. It may be a replay by an attacker.',
    sender: 'alipayhk',
    order: delivered,
    // The clock of the sender is slow. Its tolerance is high, because the response seems to come from the future.
    options: { now: () => Date.now() - 10 * minute, clockToleranceSeconds: 3600 },
    expected: { kind: 'rejected', code: 'ERR_TIME_RANGE', resultCode: 'INVALID_SIGNATURE' },
  },
]

import { encodeUtf8 } from '../../protocol/encoding.ts'
import type { Content, Delivery } from './scenario.ts'

/** The time between two events of an order. */
const EVENT_MS = 60_000
/** How long ago the first event happened: no event of a scenario is in the future. */
const FIRST_EVENT_AGO_MS = 3_600_000
const LARGE_BYTES = 4_194_304

/** The order of a delivery. The same delivery always gives the same order within a run. */
export function orderOf(
  { order, event = 0, request = `${order}-${event}`, changes = {} }: Delivery,
  run: { readonly id: string; readonly startedAt: number },
): Record<string, unknown> {
  const created = run.startedAt - FIRST_EVENT_AGO_MS
  const all = {
    requestId: `${run.id}-${request}`,
    tradeNo: `T-${run.id}-${order}`,
    merchantBizNo: `B-${run.id}-${order}`,
    merchantBizType: 'TRADE_ORDER',
    orderStatus: event === 0 ? 'PAID' : 'REFUNDED',
    orderCreateTime: created,
    orderModifyTime: created + event * EVENT_MS,
    userId: 'SIMULATOR',
    extInfo: {},
    ...changes,
  }
  return Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined))
}

/** The order in the form that the delivery asks for. */
export function contentOf(order: Readonly<Record<string, unknown>>, content: Content = 'compact'): Uint8Array {
  return encodeUtf8(WRITERS[content](order))
}

const WRITERS: { readonly [Name in Content]: (order: Readonly<Record<string, unknown>>) => string } = {
  compact: (order) => JSON.stringify(order),
  pretty: (order) => `${JSON.stringify(order, null, 4)}\n`,
  escaped: (order) =>
    JSON.stringify(order)
      .replaceAll('/', '\\/')
      .replace(/[^ -~]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`),
  'not-json': () => 'status=PAID&amount=1000',
  empty: () => '',
  array: (order) => JSON.stringify([order]),
  'duplicate-member': (order) => JSON.stringify(order).replace('{', '{"orderStatus":"CLOSED",'),
  deep: (order) => `${JSON.stringify(order).slice(0, -1)},"deep":${'['.repeat(10_000)}${']'.repeat(10_000)}}`,
  large: (order) => JSON.stringify({ ...order, large: 'x'.repeat(LARGE_BYTES) }),
}
